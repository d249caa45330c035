//! Help of the client.

use crate::lang::Lang;

/// The help of one argument or subcommand, by its path; `about` is the program itself.
pub fn text(id: &str, lang: Lang) -> Option<&'static str> {
    match lang {
        Lang::Pt => portuguese(id),
        Lang::En => english(id),
    }
}

fn portuguese(id: &str) -> Option<&'static str> {
    Some(match id {
        "about" => "Cliente do Mutirão: sem argumentos num terminal, o menu interativo",
        "orchestrators" => {
            "Os orquestradores [padrão: os do perfil, ou http://localhost:50051,http://localhost:50052]"
        }
        "as" => {
            "Para administradores: em nome deste usuário, para ver, cancelar ou repetir as tarefas dele"
        }
        "user" => "Usuário; o token vem de --token-file, de MUTIRAO_TOKEN ou de cliente login",
        "token_file" => "Arquivo com o token",
        "output" => "table para pessoas, json para programas: um objeto por linha",
        "timeout" => "Quanto tempo cada pedido procura um orquestrador: 500ms, 15s, 2m",
        "lang" => "Idioma das mensagens",
        "submit.about" => "Submete tarefas",
        "submit.handler" | "schedule.set.handler" => {
            "Que trabalho é: simulated (padrão), echo, mandelbrot, command (padrão com --) ou um seu"
        }
        "submit.payload" | "schedule.set.payload" => {
            "O que o handler recebe; @ARQUIVO lê um arquivo, - a entrada padrão"
        }
        "submit.count" => "Quantas tarefas iguais",
        "submit.array" => {
            "Um array: tarefas com estes números, submetidas de uma vez; um programa lê o seu em MUTIRAO_ARRAY_INDEX"
        }
        "submit.each_line" => {
            "Uma tarefa por linha do arquivo (- é a entrada padrão); a linha substitui {} no conteúdo ou nos argumentos"
        }
        "submit.delivery" | "run.delivery" | "map.delivery" | "schedule.set.delivery" => {
            "at-least-once (padrão): perdido o worker, outro a executa; at-most-once: nunca começa duas vezes, termina como PERDIDA"
        }
        "submit.delay" => "Quanto depois de recebida a tarefa pode começar: 30s, 10m, 2h",
        "submit.not_before" => "Quando a tarefa pode começar: 2026-12-01T08:00:00-03:00",
        "retries" => "Quantas vezes repetir uma tarefa cuja tentativa falhou, 0 a 999 (padrão: 0)",
        "retry_delay" => {
            "Espera antes da primeira repetição, no máximo; dobra a cada falha (padrão: 1s)"
        }
        "retry_max_delay" => "Quanto essa espera cresce, no máximo (padrão: 5m)",
        "retry_on" => {
            "Só falhas com estes códigos são repetidas, por exemplo NON_ZERO_EXIT,OUT_OF_MEMORY (padrão: todas)"
        }
        "max_lost_attempts" => {
            "Com quantos workers perdidos a tarefa falha (QUARANTINED), 1 a 1000; 1: não vai para outro (padrão: o do cluster)"
        }
        "submit.after" | "run.after" | "map.after" => {
            "Só começa depois que estas tarefas e arrays forem concluídos"
        }
        "submit.after_any_end" | "run.after_any_end" | "map.after_any_end" => {
            "Depois de --after: quando terminarem, seja como for"
        }
        "submit.file" => "Um arquivo TOML com tarefas e a ordem entre elas, submetidas de uma vez",
        "queue" => "A fila em que a tarefa espera (padrão: default)",
        "webhook" => {
            "URL a que o fim da tarefa é avisado, se os orquestradores a permitem (docs/webhooks.md)"
        }
        "group" => "Um nome seu para o que deve ser visto, cancelado e esperado junto",
        "priority" => "Prioridade na fila, -128 a 127: a maior vai primeiro (padrão: 0)",
        "slots" => "Quantas vagas do worker a tarefa ocupa (padrão: 1)",
        "label" => "Etiqueta que o worker precisa ter; pode ser repetida",
        "resource" => {
            "Quanto de um recurso do worker a tarefa ocupa, por exemplo gpus=1; pode ser repetida"
        }
        "attempt_timeout" => {
            "Quanto uma tentativa pode durar; depois é encerrada e falha com TIMEOUT"
        }
        "expires" => "Se não começar até tanto depois de submetida, a tarefa falha: 30s, 10m, 2h",
        "deadline" => "Se não terminar até tanto depois de submetida, a tarefa é encerrada e falha",
        "key" => {
            "Chave sua: enquanto outra tarefa sua não terminada a tiver, esta não é aceita e a resposta é a outra"
        }
        "key_window" => {
            "A chave também vale por tanto desde a submissão, mesmo terminada a tarefa; outro conteúdo é recusado"
        }
        "submit.id" => "Identificador da tarefa, para repetir uma submissão sem duplicar",
        "submit.wait" | "retry.wait" | "schedule.run.wait" => {
            "Espera terminarem; o código de saída é o do trabalho"
        }
        "submit.stdin_from" | "run.stdin_from" | "map.stdin_from" | "schedule.set.stdin_from" => {
            "Arquivo com a entrada padrão do programa (- é a entrada padrão)"
        }
        "input" => {
            "Arquivo, pasta ou padrão que vai com o programa, na pasta própria dele (repetível; {} como no programa)"
        }
        "input_from" => {
            "Arquivos que outra tarefa, ou cada uma de um array, deixou (todos, ou um nome, pasta ou padrão após :), também na pasta própria; espera por ela (repetível)"
        }
        "output_file" => {
            "Arquivo, pasta ou padrão que o programa deixa e que volta para cá, ou para o nome após = (repetível)"
        }
        "result.files" => "Recebe os arquivos que o programa deixou, em vez de mostrar o que disse",
        "result.into" => "Pasta em que os arquivos ficam [padrão: a atual]",
        "own_dir" => {
            "Cada tentativa executa numa pasta só sua, vazia, removida quando ela termina; o nome está em MUTIRAO_WORK_DIR"
        }
        "env" => {
            "Uma variável de ambiente do programa; só o nome: com o valor daqui; pode ser repetida"
        }
        "memory_limit" => {
            "Quanta memória uma tentativa pode ter: 512MiB, 2GiB; com mais, falha com OUT_OF_MEMORY ou falta-lhe memória, conforme o worker"
        }
        "submit.cwd" | "run.cwd" | "map.cwd" | "schedule.set.cwd" => {
            "Em que pasta do worker o programa roda (padrão: a do worker); uma relativa começa na pasta daqui"
        }
        "result.wait" => "Espera terminar",
        "wait_timeout" => "Quanto esperar, no máximo: 30s, 10m, 2h",
        "submit.allow_unknown_handler"
        | "run.allow_unknown_handler"
        | "schedule.set.allow_unknown_handler"
        | "map.allow_unknown_handler" => {
            "Aceita mesmo que nenhum worker tenha oferecido este handler"
        }
        "run.argv" => "Depois de --: o programa e os argumentos",
        "map.about" => {
            "Executa um programa para cada entrada, em todos os workers, no espírito do GNU parallel"
        }
        "map.argv" => {
            "O programa e os argumentos, e depois de ::: as entradas; {} é a entrada, {.} sem extensão, {/} só o nome, {//} a pasta, {/.} o nome sem extensão, {#} o número, {2} a da segunda lista"
        }
        "map.inputs" => "Sem :::, as entradas são as linhas deste arquivo (- é a entrada padrão)",
        "map.null" => {
            "As entradas terminam com um byte zero, como em find -print0, em vez de linhas"
        }
        "map.jobs" => "Quantas tarefas em andamento, no máximo, 1 a 10000",
        "map.keep_order" => "Mostra as saídas na ordem das entradas",
        "map.tag" => "Cada linha da saída começa com a entrada e um tab",
        "map.halt_on_error" => "A primeira falha cancela o que resta",
        "submit.argv" | "schedule.set.argv" => {
            "Depois de --: o programa e os argumentos, para o handler command"
        }
        "status.explain" => {
            "Explica passo a passo: por que espera, por que rodou de novo, como terminou"
        }
        "status.about" => "Mostra tudo o que se sabe de uma tarefa",
        "result.about" => "Mostra o resultado de uma tarefa; de command, o que o programa imprimiu",
        "result.raw" => "O resultado como o handler o devolveu",
        "logs.about" => "O que o programa de uma tarefa imprimiu, também enquanto executa",
        "logs.task_id" => "Identificador da tarefa",
        "logs.follow" => "Continua até a tarefa terminar",
        "list.about" => "Lista as suas tarefas, as mais novas primeiro",
        "list.state" => "Só nestes estados",
        "list.queue" | "retry.queue" => "Só as desta fila",
        "list.handler" | "retry.handler" => "Só as deste handler",
        "list.worker" => {
            "Só aquelas cuja tentativa atual, ou última, é deste worker, como em cliente workers"
        }
        "list.since" => {
            "Só as submetidas daí em diante: há 30s, 10m, 2h, ou em 2026-12-01T08:00:00-03:00"
        }
        "list.until" => "Só as submetidas antes disso",
        "list.after" => "Só as submetidas antes desta tarefa: a página seguinte",
        "list.group" | "retry.group" => "Só as deste grupo",
        "list.code" | "retry.code" => {
            "Só as que falharam ou se perderam com este código, por exemplo QUARANTINED"
        }
        "watch.group" => "Tudo o que é deste grupo, até terminar",
        "list.array" => "Só as deste array",
        "list.schedule" => "Só as deste agendamento",
        "list.all_users" => "As de todos os usuários, para administradores e observadores",
        "list.limit" => "Quantas, no máximo",
        "list.all" => "Todas",
        "watch.about" => {
            "Acompanha tarefas até terminarem; sem nenhuma, todas as suas daqui em diante"
        }
        "wait.about" => "Espera até que estas tarefas e arrays terminem",
        "wait.task_ids" => "Identificadores das tarefas e arrays",
        "watch.task_ids" | "cancel.task_ids" => "Identificadores das tarefas",
        "retry.task_ids" => "Identificadores de tarefas, ou de arrays: destes, tudo o que falhou",
        "task_id" => "Identificador da tarefa",
        "cancel.about" => "Cancela tarefas",
        "retry.about" => "Faz de novo tarefas que falharam ou se perderam, como tarefas novas",
        "retry.failed" => "Todas as suas que falharam por si, cada uma só uma vez",
        "workers.about" => "Mostra e administra os workers",
        "workers.list.about" => "Mostra os workers (padrão)",
        "workers.drain.about" => {
            "Um worker termina o que executa, sem receber mais nada, e encerra"
        }
        "workers.drain.worker_id" => "Identificador do worker, como em cliente workers",
        "workers.drain.within" => {
            "Quanto isso pode levar: 30s, 10m, 2h (padrão: o --drain-timeout-s do worker)"
        }
        "workers.drain.wait" => "Espera até ele encerrar",
        "cluster.about" => "Mostra os orquestradores, quem é o principal e os workers",
        "audit.about" => {
            "Lê os diários dos orquestradores e prova que nada se perdeu nem se repetiu"
        }
        "audit.acknowledged" => {
            "Tarefas confirmadas que devem estar lá: ids, ou as linhas JSON de submit (- é a entrada padrão)"
        }
        "cluster.switchover.about" => "Passa o cargo de principal ao backup, sem perder pedidos",
        "cluster.recover-tail.about" => {
            "Submete de novo o que um orquestrador separou: o que uma promoção à força deixou para trás"
        }
        "cluster.recover-tail.name" => "O arquivo separado [padrão: todos]",
        "cluster.recover-tail.node" => "Só deste orquestrador",
        "cluster.replace.about" => "Põe outra máquina no lugar do orquestrador que morreu",
        "cluster.replace.address" => "Onde está o novo, por exemplo http://host:50052",
        "cluster.shutdown.about" => {
            "Encerra o cluster inteiro em ordem: workers terminam o que executam, depois os orquestradores"
        }
        "cluster.shutdown.wait" => {
            "Quanto esperar pelas tarefas em execução; as demais rodam de novo depois (as de no máximo uma vez se perdem)"
        }
        "cluster.log-filter.about" => {
            "Muda o que os orquestradores registram, enquanto executam: debug, ou warn,orquestrador::driver=debug"
        }
        "cluster.log-filter.filter" => "Como em MUTIRAO_LOG",
        "cluster.log-filter.reset" => "De volta ao que registravam quando iniciaram",
        "cluster.log-filter.node" => "Só este orquestrador",
        "cluster.explain.about" => {
            "Explica quem é o principal e por quê, e o que impediria a troca automática"
        }
        "cluster.drill.about" => {
            "Ensaio: mata ou para o principal sob carga e mede a troca (exige --allow-drill nos orquestradores)"
        }
        "cluster.drill.pause" => "Para o principal por este tempo em vez de matá-lo",
        "cluster.drill.load" => "Quanto tempo a carga dura antes e depois da falha",
        "cluster.drill.clients" => "Quantos submetem ao mesmo tempo",
        "cluster.promote.about" => {
            "Promove um nó sem ouvir o outro, que se perdeu: o que só o outro tinha perde-se também"
        }
        "cluster.promote.node" => "O nó que deve assumir [padrão: o único que responde]",
        "cluster.promote.force" => "Confirma que o outro nó se perdeu de vez",
        "cluster.promote.accept_incomplete" => {
            "Também um nó que só recebia o histórico: o que falta no diário dele se perde"
        }
        "schedule.about" => "Agendamentos: tarefas que o principal cria de novo e de novo",
        "schedule.set.about" => {
            "Cria um agendamento, ou dá outro conteúdo ao que tem este nome; em pausa, continua em pausa"
        }
        "schedule.set.cron" => {
            "Quando: minuto, hora, dia do mês, mês e dia da semana, como no cron (seis campos: segundos antes), @hourly, @daily, @weekly, @monthly, @yearly, ou @every 90s"
        }
        "schedule.set.zone" => "Fuso horário, por exemplo America/Sao_Paulo (padrão: UTC)",
        "schedule.set.catch_up" => {
            "O que se perdeu em pausa, ou sem principal por mais de um minuto: skip (padrão): nada; one: uma tarefa por todas; all: uma por cada, as últimas cem"
        }
        "schedule.set.overlap" => {
            "Enquanto a tarefa anterior não terminou: allow (padrão): cria outra; skip: não cria"
        }
        "schedule.list.about" => "Lista os seus agendamentos",
        "schedule.show.about" => "Mostra um agendamento e as próximas cinco vezes",
        "schedule.pause.about" => "Deixa de criar tarefas",
        "schedule.resume.about" => "Termina a pausa",
        "schedule.run.about" => "Cria uma tarefa agora, além das que têm hora",
        "schedule.remove.about" => "Esquece um agendamento; as tarefas que criou continuam",
        "schedule.set.name"
        | "schedule.show.name"
        | "schedule.pause.name"
        | "schedule.resume.name"
        | "schedule.run.name"
        | "schedule.remove.name" => "Nome do agendamento",
        "groups.about" => "Lista, mostra, espera e cancela grupos de tarefas",
        "groups.list.about" => "Lista os seus grupos (padrão)",
        "groups.show.about" => {
            "Mostra como está um grupo: um só status, e quantas tarefas em cada estado"
        }
        "groups.wait.about" => {
            "Espera tudo o que é de um grupo terminar; o código de saída é o do trabalho"
        }
        "groups.cancel.about" => "Cancela tudo o que não terminou de um grupo",
        "groups.show.name" | "groups.wait.name" | "groups.cancel.name" => "Nome do grupo",
        "login.about" => "Guarda usuário e token num arquivo só seu",
        "logout.about" => "Esquece usuário e token",
        "menu.about" => "O menu interativo",
        "run.about" => {
            "Executa um programa num worker como se fosse aqui: a saída dele, o código de saída dele"
        }
        _ => return elsewhere(id, Lang::Pt),
    })
}

fn english(id: &str) -> Option<&'static str> {
    Some(match id {
        "about" => "The Mutirão client: without arguments on a terminal, the interactive menu",
        "orchestrators" => {
            "The orchestrators [default: those of the profile, or http://localhost:50051,http://localhost:50052]"
        }
        "as" => {
            "For administrators: in the place of this user, to see, cancel or retry their tasks"
        }
        "user" => {
            "User; the token comes from --token-file, from MUTIRAO_TOKEN or from cliente login"
        }
        "token_file" => "File with the token",
        "output" => "table for people, json for programs: one object per line",
        "timeout" => "How long each request looks for an orchestrator: 500ms, 15s, 2m",
        "lang" => "Language of the messages",
        "submit.about" => "Submits tasks",
        "submit.handler" | "schedule.set.handler" => {
            "What work it is: simulated (default), echo, mandelbrot, command (default with --) or one of your own"
        }
        "submit.payload" | "schedule.set.payload" => {
            "What the handler is given; @FILE reads a file, - standard input"
        }
        "submit.count" => "How many equal tasks",
        "submit.array" => {
            "An array: tasks with these numbers, submitted at once; a program reads its own in MUTIRAO_ARRAY_INDEX"
        }
        "submit.each_line" => {
            "One task per line of the file (- is standard input); the line replaces {} in the payload or the arguments"
        }
        "submit.delivery" | "run.delivery" | "map.delivery" | "schedule.set.delivery" => {
            "at-least-once (default): if its worker is lost, another runs it; at-most-once: never started twice, it ends as LOST"
        }
        "submit.delay" => "How long after it was accepted the task may begin: 30s, 10m, 2h",
        "submit.after" | "run.after" | "map.after" => {
            "It begins only after these tasks and arrays have succeeded"
        }
        "submit.after_any_end" | "run.after_any_end" | "map.after_any_end" => {
            "With --after: once they have ended, however"
        }
        "submit.file" => "A TOML file with tasks and the order among them, submitted together",
        "queue" => "The queue that the task waits in (default: default)",
        "webhook" => {
            "URL that the end of the task is told to, if the orchestrators allow it (docs/webhooks.md)"
        }
        "group" => "A name of your own for what is to be seen, cancelled and waited for together",
        "priority" => "Priority in the queue, -128 to 127: the highest goes first (default: 0)",
        "slots" => "How many slots of the worker the task takes (default: 1)",
        "label" => "Label that the worker must have; may be repeated",
        "resource" => {
            "How much of a resource of the worker the task takes, for example gpus=1; may be repeated"
        }
        "attempt_timeout" => {
            "How long an attempt may take; then it is ended, and fails with TIMEOUT"
        }
        "expires" => "Unless it begins so long after its submission, the task fails: 30s, 10m, 2h",
        "deadline" => "Unless it ends so long after its submission, the task is ended and fails",
        "submit.not_before" => "When the task may begin: 2026-12-01T08:00:00-03:00",
        "retries" => "How often to retry a task whose attempt failed, 0 to 999 (default: 0)",
        "retry_delay" => {
            "Wait before the first retry, at most; doubled with each failure (default: 1s)"
        }
        "retry_max_delay" => "How far that wait grows (default: 5m)",
        "retry_on" => {
            "Only failures with these codes are retried, for example NON_ZERO_EXIT,OUT_OF_MEMORY (default: all)"
        }
        "max_lost_attempts" => {
            "With how many lost workers the task fails (QUARANTINED), 1 to 1000; 1: it goes to no other one (default: the cluster's)"
        }
        "key" => {
            "Your own key: while another unfinished task of yours has it, this one is not accepted, and that one is the answer"
        }
        "key_window" => {
            "The key also holds for so long from the submission on, though the task be finished; another content is refused"
        }
        "submit.id" => "Id of the task, to repeat a submission without duplicating it",
        "submit.wait" | "retry.wait" | "schedule.run.wait" => {
            "Wait until they are finished; the exit code is that of the work"
        }
        "submit.stdin_from" | "run.stdin_from" | "map.stdin_from" | "schedule.set.stdin_from" => {
            "File with the program's standard input (- is standard input)"
        }
        "input" => {
            "A file, folder or pattern that goes with the program, into its own folder (repeatable; {} as in the program)"
        }
        "input_from" => {
            "Files that another task, or each of an array, left (all, or a name, folder or pattern after :), into its own folder, too; waits for it (repeatable)"
        }
        "output_file" => {
            "A file, folder or pattern that the program leaves and that comes back, here or to the name after = (repeatable)"
        }
        "result.files" => {
            "Receive the files that the program left, instead of showing what it said"
        }
        "result.into" => "The folder for the files [default: the present one]",
        "own_dir" => {
            "Each attempt runs in a folder of its own, empty, removed when it ends; its name is in MUTIRAO_WORK_DIR"
        }
        "env" => {
            "A variable of the program's environment; the name alone: as it is here; may be given several times"
        }
        "memory_limit" => {
            "How much memory an attempt may have: 512MiB, 2GiB; with more it fails with OUT_OF_MEMORY, or gets no more, as its worker can"
        }
        "submit.cwd" | "run.cwd" | "map.cwd" | "schedule.set.cwd" => {
            "In which folder of the worker the program runs (default: the worker's own); a relative one begins in the folder here"
        }
        "result.wait" => "Wait until it is finished",
        "wait_timeout" => "How long to wait at most: 30s, 10m, 2h",
        "submit.allow_unknown_handler"
        | "run.allow_unknown_handler"
        | "schedule.set.allow_unknown_handler"
        | "map.allow_unknown_handler" => "Accept although no worker has offered this handler",
        "run.argv" => "After --: the program and its arguments",
        "map.about" => {
            "Runs a program for each input, on all workers, in the spirit of GNU parallel"
        }
        "map.argv" => {
            "The program and its arguments, and after ::: the inputs; {} is the input, {.} without extension, {/} its name, {//} its folder, {/.} the name without extension, {#} the number, {2} that of the second list"
        }
        "map.inputs" => "Without :::, the inputs are the lines of this file (- is standard input)",
        "map.null" => "Inputs end with a byte of zero, as of find -print0, instead of being lines",
        "map.jobs" => "How many tasks under way, at most, 1 to 10000",
        "map.keep_order" => "Shows outputs in the order of the inputs",
        "map.tag" => "Each line of output begins with the input and a tab",
        "map.halt_on_error" => "The first failure cancels the rest",
        "submit.argv" | "schedule.set.argv" => {
            "After --: the program and its arguments, for the handler command"
        }
        "status.explain" => {
            "Explain step by step: why it waits, why it was run again, how it ended"
        }
        "status.about" => "Shows all that is known of a task",
        "result.about" => "Shows the result of a task; of a command, what the program printed",
        "result.raw" => "The result as the handler returned it",
        "logs.about" => "What the program of a task has printed, also while it runs",
        "logs.task_id" => "Id of the task",
        "logs.follow" => "Goes on until the task is finished",
        "list.about" => "Lists your tasks, newest first",
        "list.state" => "Only in these states",
        "list.queue" | "retry.queue" => "Only those of this queue",
        "list.handler" | "retry.handler" => "Only those of this handler",
        "list.worker" => {
            "Only those whose present, or last, attempt is this worker's, as in cliente workers"
        }
        "list.since" => {
            "Only those submitted then or later: 30s, 10m, 2h ago, or at 2026-12-01T08:00:00-03:00"
        }
        "list.until" => "Only those submitted before that",
        "list.after" => "Only those submitted before this task: the next page",
        "list.group" | "retry.group" => "Only those of this group",
        "list.code" | "retry.code" => {
            "Only what failed or was lost with this code, for example QUARANTINED"
        }
        "watch.group" => "All that belongs to this group, until it is finished",
        "list.array" => "Only those of this array",
        "list.schedule" => "Only those of this schedule",
        "list.all_users" => "Those of all users, for administrators and viewers",
        "list.limit" => "How many at most",
        "list.all" => "All of them",
        "watch.about" => {
            "Follows tasks until they are finished; without any, all of yours from now on"
        }
        "wait.about" => "Waits until these tasks and arrays are finished",
        "wait.task_ids" => "Ids of the tasks and arrays",
        "watch.task_ids" | "cancel.task_ids" => "Ids of the tasks",
        "retry.task_ids" => "Ids of tasks, or of arrays: of these all that failed",
        "task_id" => "Id of the task",
        "cancel.about" => "Cancels tasks",
        "retry.about" => "Does once more tasks that failed or were lost, as new tasks",
        "retry.failed" => "All of yours that failed by themselves, each of them only once",
        "workers.about" => "Shows and manages the workers",
        "workers.list.about" => "Shows the workers (default)",
        "workers.drain.about" => "A worker finishes what it runs, without taking more, and ends",
        "workers.drain.worker_id" => "Id of the worker, as in cliente workers",
        "workers.drain.within" => {
            "How long that may take: 30s, 10m, 2h (default: the worker's --drain-timeout-s)"
        }
        "workers.drain.wait" => "Wait until it has ended",
        "cluster.about" => "Shows the orchestrators, who is principal, and the workers",
        "audit.about" => {
            "Read the journals of the orchestrators and prove that nothing was lost or done twice"
        }
        "audit.acknowledged" => {
            "Acknowledged tasks that must be there: ids, or the JSON lines of submit (- is standard input)"
        }
        "cluster.switchover.about" => {
            "Give the office of principal to the backup, without losing a request"
        }
        "cluster.recover-tail.about" => {
            "Submit once more what an orchestrator set aside: what a promotion by force left behind"
        }
        "cluster.recover-tail.name" => "The file that was set aside [default: all]",
        "cluster.recover-tail.node" => "Of this orchestrator only",
        "cluster.replace.about" => "Put another machine in the place of the orchestrator that died",
        "cluster.replace.address" => "Where the new one is, for example http://host:50052",
        "cluster.shutdown.about" => {
            "Stop the whole cluster in order: workers finish what they run, then the orchestrators end"
        }
        "cluster.shutdown.wait" => {
            "How long to wait for running tasks; the others run again later (at-most-once ones are lost)"
        }
        "cluster.log-filter.about" => {
            "Changes what the orchestrators log while they run: debug, or warn,orquestrador::driver=debug"
        }
        "cluster.log-filter.filter" => "As in MUTIRAO_LOG",
        "cluster.log-filter.reset" => "Back to what they logged when they started",
        "cluster.log-filter.node" => "This orchestrator alone",
        "cluster.explain.about" => {
            "Explain who is principal and why, and what would stop automatic failover"
        }
        "cluster.drill.about" => {
            "Rehearsal: kill or stop the principal under load and measure the failover (needs --allow-drill on the orchestrators)"
        }
        "cluster.drill.pause" => "Stop the principal for this long instead of killing it",
        "cluster.drill.load" => "How long the load lasts before and after the failure",
        "cluster.drill.clients" => "How many submit at once",
        "cluster.promote.about" => {
            "Promotes a node without hearing the other, which is gone: what only that one had is gone too"
        }
        "cluster.promote.node" => {
            "The node that is to take over [default: the only one that answers]"
        }
        "cluster.promote.force" => "Confirms that the other node is gone for good",
        "cluster.promote.accept_incomplete" => {
            "Even a node that was only catching up: what its journal lacks is lost"
        }
        "schedule.about" => "Schedules: tasks that the principal makes again and again",
        "schedule.set.about" => {
            "Creates a schedule, or gives the one of this name another content; a paused one stays paused"
        }
        "schedule.set.cron" => {
            "When: minute, hour, day of the month, month and day of the week, as in cron (six fields: seconds before them), @hourly, @daily, @weekly, @monthly, @yearly, or @every 90s"
        }
        "schedule.set.zone" => "Time zone, for example America/Sao_Paulo (default: UTC)",
        "schedule.set.catch_up" => {
            "What was missed in a pause, or without a principal for more than a minute: skip (default): nothing; one: one task for all; all: one for each, the last hundred"
        }
        "schedule.set.overlap" => {
            "While the task before has not ended: allow (default): makes another; skip: makes none"
        }
        "schedule.list.about" => "Lists your schedules",
        "schedule.show.about" => "Shows a schedule and its next five firings",
        "schedule.pause.about" => "Makes no more tasks",
        "schedule.resume.about" => "Ends the pause",
        "schedule.run.about" => "Makes a task now, beside those that are due",
        "schedule.remove.about" => "Forgets a schedule; the tasks that it made stay",
        "schedule.set.name"
        | "schedule.show.name"
        | "schedule.pause.name"
        | "schedule.resume.name"
        | "schedule.run.name"
        | "schedule.remove.name" => "Name of the schedule",
        "groups.about" => "Lists, shows, waits for and cancels groups of tasks",
        "groups.list.about" => "Lists your groups (default)",
        "groups.show.about" => {
            "Shows how a group stands: one status, and how many tasks are in each state"
        }
        "groups.wait.about" => {
            "Waits until all that belongs to a group is finished; the exit code is that of the work"
        }
        "groups.cancel.about" => "Cancels all that is not finished of a group",
        "groups.show.name" | "groups.wait.name" | "groups.cancel.name" => "Name of the group",
        "login.about" => "Keeps user and token in a file of your own",
        "logout.about" => "Forgets user and token",
        "menu.about" => "The interactive menu",
        "run.about" => "Runs a program on a worker as if it were here: its output, its exit code",
        _ => return elsewhere(id, Lang::En),
    })
}

/// Beside the other texts of the same things.
fn elsewhere(id: &str, lang: Lang) -> Option<&'static str> {
    super::client_webhooks::help(id, lang)
        .or_else(|| super::client_queues::help(id, lang))
        .or_else(|| super::top::help(id, lang))
        .or_else(|| super::client_headings::help(id, lang))
        .or_else(|| super::client_backup::help(id, lang))
        .or_else(|| super::client_certs::help(id, lang))
        .or_else(|| super::client_users::help(id, lang))
        .or_else(|| super::traces::help(id, lang))
        .or_else(|| super::tls::help(id, lang))
}
