//! Help and command-line errors of the worker.

use super::run_as::{self, RunAsProblem};
use super::{tls, traces};
use crate::lang::Lang;
use crate::tls::Role;

/// A flag that cannot work.
#[derive(Clone, Debug)]
pub enum Problem {
    PortZero,
    Slots,
    FailRate,
    Slowdown,
    UnknownHandler { name: String },
    UnknownProgram { name: String },
    Resource { text: String },
    Label { text: String },
    Advertise { text: String },
    WorkRoot { text: String },
    RunAs(RunAsProblem),
    OpenNetwork { listen: String },
    Tls(crate::tls::Problem),
}

/// What is wrong, and what to do.
pub fn problem(problem: &Problem, lang: Lang) -> String {
    match lang {
        Lang::Pt => match problem {
            Problem::OpenNetwork { listen } => tls::open_network(listen, Role::Worker, lang),
            Problem::Tls(problem) => tls::problem(problem, lang),
            Problem::RunAs(problem) => run_as::problem(problem, lang),
            Problem::PortZero => "--port precisa ser de 1 a 65535".into(),
            Problem::Slots => "--slots precisa ser de 1 a 4096".into(),
            Problem::FailRate => "--fail-rate precisa ser de 0 a 1".into(),
            Problem::Slowdown => "--slowdown precisa ser de 1 a 1000".into(),
            Problem::UnknownHandler { name } => format!(
                "--handlers: `{name}` não existe; há simulated, echo, mandelbrot, command, e os grupos default e all"
            ),
            Problem::UnknownProgram { name } => format!(
                "--allow-programs: não há programa `{name}`; informe o nome de um que está no PATH, ou um caminho absoluto"
            ),
            Problem::Resource { text } => {
                format!("--resources: `{text}` não tem a forma NOME=NÚMERO")
            }
            Problem::Label { text } => format!("--labels: `{text}` não tem a forma CHAVE=VALOR"),
            Problem::Advertise { text } => {
                format!("--advertise: `{text}` não tem a forma HOST:PORTA")
            }
            Problem::WorkRoot { text } => {
                format!("--work-root: `{text}` não é um diretório; informe um que exista")
            }
        },
        Lang::En => match problem {
            Problem::OpenNetwork { listen } => tls::open_network(listen, Role::Worker, lang),
            Problem::Tls(problem) => tls::problem(problem, lang),
            Problem::RunAs(problem) => run_as::problem(problem, lang),
            Problem::PortZero => "--port must be 1 to 65535".into(),
            Problem::Slots => "--slots must be 1 to 4096".into(),
            Problem::FailRate => "--fail-rate must be 0 to 1".into(),
            Problem::Slowdown => "--slowdown must be 1 to 1000".into(),
            Problem::UnknownHandler { name } => format!(
                "--handlers: there is no `{name}`; there are simulated, echo, mandelbrot, command, and the groups \
                 default and all"
            ),
            Problem::UnknownProgram { name } => format!(
                "--allow-programs: there is no program `{name}`; give the name of one that is in the PATH, or an absolute path"
            ),
            Problem::Resource { text } => format!("--resources: `{text}` is not NAME=NUMBER"),
            Problem::Label { text } => format!("--labels: `{text}` is not KEY=VALUE"),
            Problem::Advertise { text } => format!("--advertise: `{text}` is not HOST:PORT"),
            Problem::WorkRoot { text } => {
                format!("--work-root: `{text}` is no directory; give one that is there")
            }
        },
    }
}

/// The help of one argument, by its id; `about` is the program itself.
pub fn text(id: &str, lang: Lang) -> Option<&'static str> {
    Some(match lang {
        Lang::Pt => match id {
            "about" => "Worker do Mutirão: executa as tarefas que o orquestrador principal lhe dá",
            "port" => "Porta própria: identidade do worker; serve a verificação de saúde",
            "listen" => "Endereço IP em que escuta",
            "insecure_network" => {
                "A rede de --listen é confiável: aceita escutar nela sem certificados"
            }
            "advertise" => "Identidade, se não for localhost:PORTA",
            "orchestrators" => "Os orquestradores, tentados em rodízio",
            "slots" => "Tarefas executadas ao mesmo tempo [padrão: uma por núcleo]",
            "handlers" => {
                "O que executa: simulated, echo, mandelbrot, command; default são os três primeiros, all são todos. \
                 command executa qualquer programa que o usuário mandar"
            }
            "allow_programs" => {
                "Os únicos programas que command executa: nomes no PATH deste worker, ou caminhos absolutos [padrão: todos]"
            }
            "allow_variables" => {
                "As variáveis de ambiente que, com --allow-programs, tarefas podem definir [padrão: nenhuma]"
            }
            "run_as" => {
                "Usuário, e grupo, como quem command executa os programas; o worker precisa ser root [padrão: o do worker]"
            }
            "labels" => "Etiquetas deste worker, para tarefas que as pedem com --label",
            "resources" => {
                "O que este worker tem e quanto, por exemplo gpus=2,memory=64GiB, além de cpus e memory da máquina; as tarefas pedem com --resource"
            }
            "cache_dir" => {
                "Onde ficam as cópias dos arquivos de tarefas [padrão: um diretório próprio em --work-root]"
            }
            "max_cache_bytes" => "Bytes dessas cópias; as usadas há mais tempo são removidas",
            "max_result_bytes" => {
                "Bytes que o resultado de uma tarefa, e cada saída de um programa, pode ter"
            }
            "work_root" => {
                "Onde ficam os diretórios das tarefas com --own-dir; precisa existir [padrão: o diretório temporário do sistema]"
            }
            "abandon_after_s" => {
                "Sem principal por tantos segundos, interrompe o que executa [padrão: nunca]"
            }
            "drain_timeout_s" => {
                "Segundos que um encerramento ordenado (SIGTERM) espera pelas tarefas"
            }
            "fail_rate" => "Falha injetada: fração das tentativas que falham",
            "crash_after" => "Falha injetada: o processo aborta depois de N tentativas",
            "hang_after" => {
                "Falha injetada: fica em silêncio depois de N tentativas, com a conexão aberta"
            }
            "slowdown" => "Falha injetada: quantas vezes mais demorada é cada tentativa",
            "log_format" => "Formato do log",
            "lang" => "Idioma das mensagens",
            _ => return traces::help(id, lang).or_else(|| tls::help(id, lang)),
        },
        Lang::En => match id {
            "about" => {
                "The Mutirão worker: runs the tasks that the principal orchestrator gives it"
            }
            "port" => "Its own port: the worker's identity; serves health checks",
            "listen" => "IP address to listen on",
            "insecure_network" => {
                "The network of --listen is trusted: listens there without certificates"
            }
            "advertise" => "Identity, if not localhost:PORT",
            "orchestrators" => "The orchestrators, tried in turn",
            "slots" => "Tasks run at the same time [default: one per core]",
            "handlers" => {
                "What it runs: simulated, echo, mandelbrot, command; default is the first three, all is all of them. \
                 command runs any program that a user asks for"
            }
            "allow_programs" => {
                "The only programs that command runs: names in this worker's PATH, or absolute paths [default: all]"
            }
            "allow_variables" => {
                "The environment variables that tasks may set with --allow-programs [default: none]"
            }
            "run_as" => {
                "User, and group, as whom command runs programs; the worker must be root [default: the worker's]"
            }
            "labels" => "Labels of this worker, for tasks that ask for them by --label",
            "resources" => {
                "What this worker has and how much, for example gpus=2,memory=64GiB, besides cpus and memory of its machine; tasks ask for it by --resource"
            }
            "cache_dir" => {
                "Where copies of the files of tasks are kept [default: a directory of its own in --work-root]"
            }
            "max_cache_bytes" => "Bytes of these copies; the least recently used are removed",
            "max_result_bytes" => {
                "Bytes that the result of a task, and each output of a program, may have"
            }
            "work_root" => {
                "Where the directories of tasks with --own-dir are; must be there [default: the system's temporary directory]"
            }
            "abandon_after_s" => {
                "Without a principal for so many seconds, stops what runs [default: never]"
            }
            "drain_timeout_s" => "Seconds that an orderly end (SIGTERM) waits for tasks",
            "fail_rate" => "Injected fault: fraction of the attempts that fail",
            "crash_after" => "Injected fault: the process aborts after N attempts",
            "hang_after" => {
                "Injected fault: falls silent after N attempts, with its connection open"
            }
            "slowdown" => "Injected fault: how many times longer each attempt takes",
            "log_format" => "Format of the log",
            "lang" => "Language of the messages",
            _ => return traces::help(id, lang).or_else(|| tls::help(id, lang)),
        },
    })
}
