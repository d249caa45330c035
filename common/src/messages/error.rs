//! What the client shows for an error code: what happened, then what to do.

use crate::error_code::ErrorCode;
use crate::lang::Lang;

/// The sentence for a code. `detail` is the developer text of the status.
pub fn text(code: ErrorCode, detail: &str, lang: Lang) -> String {
    let sentence = match lang {
        Lang::Pt => portuguese(code),
        Lang::En => english(code),
    };
    if detail.is_empty() { sentence.to_owned() } else { format!("{sentence} [{detail}]") }
}

fn portuguese(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::TlsRequired => {
            "Este orquestrador só fala TLS; chame-o por https:// e dê --tls-ca ca.pem (num worker ou orquestrador também --tls-cert e --tls-key)."
        }
        ErrorCode::CertificateRefused => {
            "O orquestrador recusa o certificado deste processo; emita outro, da mesma autoridade: `cliente certs issue`."
        }
        ErrorCode::CertificateRequired => {
            "O orquestrador exige um certificado, e nenhum foi mostrado; emita um com `cliente certs issue NOME --role PAPEL` e dê --tls-cert, --tls-key e --tls-ca."
        }
        ErrorCode::WrongRole => {
            "O certificado deste processo é de outro papel; emita um com `cliente certs issue NOME --role PAPEL`."
        }
        ErrorCode::TlsFailed => {
            "Não houve TLS com o orquestrador; confira --tls-ca, o endereço e o certificado dele (`cliente certs show ARQUIVO`)."
        }
        ErrorCode::NotPrimary => {
            "Nenhum dos orquestradores que responderam é o principal; `cliente cluster explain` diz por quê, e a lista de endereços pode estar incompleta."
        }
        ErrorCode::Unavailable => {
            "Nenhum orquestrador respondeu; verifique se estão no ar e os endereços."
        }
        ErrorCode::StaleEpoch => "A mensagem vem de uma época anterior; reconecte.",
        ErrorCode::ForeignCluster => {
            "Este orquestrador pertence a outro cluster; verifique os endereços."
        }
        ErrorCode::NotAnOrchestrator => {
            "O que responde neste endereço não é um orquestrador, ou é de outra versão; verifique os endereços."
        }
        ErrorCode::Unauthenticated => {
            "Usuário ou token inválido; entre de novo com `cliente login`."
        }
        ErrorCode::TokenExpired => {
            "Este token expirou; peça outro a um administrador (cliente users tokens rotate)."
        }
        ErrorCode::TooManyAttempts => {
            "Tokens errados demais; espere um pouco e tente de novo com o token certo."
        }
        ErrorCode::PermissionDenied => "Seu papel não permite isto.",
        ErrorCode::DrillsOff => {
            "Ensaios estão desligados; inicie este orquestrador com --allow-drill."
        }
        ErrorCode::InvalidArgument => "Pedido inválido; corrija o que está indicado.",
        ErrorCode::UnknownHandler => {
            "Nenhum worker oferece este handler; verifique o nome ou inicie um worker que o ofereça."
        }
        ErrorCode::WebhookNotAllowed => {
            "Os orquestradores não permitem este webhook; confira a URL, ou peça ao operador que os inicie com --webhook-allow para ela."
        }
        ErrorCode::WebhookNotFound => {
            "Não há aviso por entregar desta tarefa, nem abandonado; veja cliente webhooks list."
        }
        ErrorCode::TaskNotFound => "Tarefa não encontrada; confira o identificador.",
        ErrorCode::NotRetriable => "Só se repete uma tarefa que falhou ou se perdeu.",
        ErrorCode::DependencyNotRetried => {
            "O que vem antes dela não teve sucesso nem foi repetido: repita isso primeiro, pelo id (retry ID); o que foi cancelado não se repete, e é preciso enviar de novo."
        }
        ErrorCode::WorkerIdTaken => "Outro worker já está conectado com este identificador.",
        ErrorCode::WorkerNotFound => {
            "Nenhum worker com este identificador está conectado; veja cliente workers."
        }
        ErrorCode::ScheduleNotFound => "Agendamento não encontrado; veja cliente schedule list.",
        ErrorCode::QueueNotFound => "Fila não encontrada; veja cliente queues.",
        ErrorCode::NeedsNotMet => {
            "Nenhum worker que oferece o handler tem o que a tarefa precisa; veja cliente workers, ou use --allow-unknown-handler para esperar por um."
        }
        ErrorCode::DependencyNotFound => {
            "Uma tarefa deve vir depois de outra que não é conhecida; confira os identificadores."
        }
        ErrorCode::ArrayNotFound => "Array não encontrado; confira o identificador.",
        ErrorCode::GroupNotFound => {
            "Grupo não encontrado, ou já esquecido com a última das suas tarefas; veja cliente groups."
        }
        ErrorCode::BlobNotFound => {
            "O conteúdo do arquivo não está no orquestrador: já foi removido, ou nunca chegou; submeta de novo com o arquivo."
        }
        ErrorCode::BlobDamaged => {
            "O disco do orquestrador danificou o conteúdo de um arquivo; tente de novo: ele será buscado no outro orquestrador."
        }
        ErrorCode::BlobStoreFull => {
            "Não há espaço para mais arquivos no orquestrador; aumente --max-blob-bytes, libere disco, ou guarde menos tarefas terminadas."
        }
        ErrorCode::BlobStoreAway => {
            "O depósito de objetos, onde ficam arquivos e conteúdos longos, não responde ao orquestrador; tente de novo."
        }
        ErrorCode::BlobStoreRefused => {
            "O depósito de objetos recusa o orquestrador; o operador precisa conferir --blob-store, o bucket e as credenciais (AWS_ACCESS_KEY_ID…)."
        }
        ErrorCode::TaskFinished => "A tarefa já terminou e não pode mais ser cancelada.",
        ErrorCode::TaskIdConflict => {
            "Este identificador já pertence a outra tarefa ou outro array; gere um novo."
        }
        ErrorCode::KeyConflict => {
            "A chave já pertence a uma tarefa com outro conteúdo; use outra chave, ou espere que ela termine e que a janela da chave passe."
        }
        ErrorCode::KeySpent => {
            "A tarefa que tinha esta chave já terminou e foi esquecida, e a janela da chave ainda não passou."
        }
        ErrorCode::UserNotFound => "Usuário não encontrado.",
        ErrorCode::PeerInUse => "O outro orquestrador ainda faz parte do cluster: pare-o antes.",
        ErrorCode::TailNotFound => "Não há histórico separado com este nome.",
        ErrorCode::TailDamaged => {
            "O arquivo do histórico separado não está íntegro; o que ainda se lê: orquestrador journal dump --file ARQUIVO."
        }
        ErrorCode::DemoCredentials => {
            "O cluster usa as credenciais de demonstração, que só valem com tudo em loopback; crie antes um administrador: cliente users add NOME --admin."
        }
        ErrorCode::FirstUserNotAdmin => {
            "O primeiro usuário precisa ser administrador; use --admin."
        }
        ErrorCode::LastAdmin => {
            "Não restaria administrador com um token que não expira; nomeie outro antes."
        }
        ErrorCode::TokenNotFound => "Não há token com este nome; veja cliente users tokens list.",
        ErrorCode::TokenKnown => {
            "Já há um token com este nome; troque-o com cliente users tokens rotate."
        }
        ErrorCode::TooManyTokens => "Há tokens demais; revogue um antes.",
        ErrorCode::ActionsLogFailed => {
            "Nada foi feito: o orquestrador não consegue registrar a ação; veja o disco do diretório de dados."
        }
        ErrorCode::QueueFull => "A fila está cheia; tente de novo em instantes.",
        ErrorCode::QuotaTooSmall => {
            "Isto é mais do que o usuário pode ter por terminar; divida-o em partes, ou peça outro limite: cliente users me."
        }
        ErrorCode::QuotaExceeded => {
            "O usuário já tem por terminar tanto quanto pode; espere, cancele, ou veja os limites: cliente users me."
        }
        ErrorCode::RateLimited => {
            "O usuário submete mais depressa do que pode; tente de novo depois."
        }
        ErrorCode::Overloaded => "O orquestrador está sobrecarregado; tente de novo em instantes.",
        ErrorCode::WatchLagged => "O acompanhamento ficou para trás e foi encerrado; recomece.",
        ErrorCode::QueueElsewhere => {
            "Esta fila é de outro grupo de orquestradores; veja quais há: cliente cluster."
        }
        ErrorCode::NotPromotable => "Este orquestrador não pode ser promovido.",
        ErrorCode::Internal => "Erro interno do orquestrador; veja o log dele.",
    }
}

fn english(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::TlsRequired => {
            "This orchestrator speaks TLS only; call it by https:// and give --tls-ca ca.pem (at a worker or orchestrator --tls-cert and --tls-key too)."
        }
        ErrorCode::CertificateRefused => {
            "The orchestrator refuses the certificate of this process; issue another, of the same authority: `cliente certs issue`."
        }
        ErrorCode::CertificateRequired => {
            "The orchestrator wants a certificate, and none was shown; issue one with `cliente certs issue NAME --role ROLE` and give --tls-cert, --tls-key and --tls-ca."
        }
        ErrorCode::WrongRole => {
            "The certificate of this process is of another role; issue one with `cliente certs issue NAME --role ROLE`."
        }
        ErrorCode::TlsFailed => {
            "No TLS came about with the orchestrator; check --tls-ca, the address and its certificate (`cliente certs show FILE`)."
        }
        ErrorCode::NotPrimary => {
            "None of the orchestrators that answered is the principal; `cliente cluster explain` says why, and the list of addresses may lack one."
        }
        ErrorCode::Unavailable => {
            "No orchestrator answered; check that they are running and the addresses."
        }
        ErrorCode::StaleEpoch => "The message is from an earlier epoch; reconnect.",
        ErrorCode::ForeignCluster => {
            "This orchestrator belongs to another cluster; check the addresses."
        }
        ErrorCode::NotAnOrchestrator => {
            "What answers at this address is no orchestrator, or one of another version; check the addresses."
        }
        ErrorCode::Unauthenticated => "Wrong user or token; log in again with `cliente login`.",
        ErrorCode::TokenExpired => {
            "This token has expired; ask an administrator for another one (cliente users tokens rotate)."
        }
        ErrorCode::TooManyAttempts => {
            "Too many wrong tokens; wait a while and try again with the right one."
        }
        ErrorCode::PermissionDenied => "Your role does not allow this.",
        ErrorCode::DrillsOff => "Drills are off; start this orchestrator with --allow-drill.",
        ErrorCode::InvalidArgument => "Bad request; mend what is named.",
        ErrorCode::UnknownHandler => {
            "No worker offers this handler; check its name or start a worker that offers it."
        }
        ErrorCode::WebhookNotAllowed => {
            "The orchestrators do not allow this webhook; check the URL, or ask the operator to start them with --webhook-allow for it."
        }
        ErrorCode::WebhookNotFound => {
            "No webhook of this task is undelivered, nor given up; see cliente webhooks list."
        }
        ErrorCode::TaskNotFound => "There is no such task; check the id.",
        ErrorCode::NotRetriable => "Only a task that failed or was lost is retried.",
        ErrorCode::DependencyNotRetried => {
            "What it comes after did not succeed and was not repeated: retry that first, by its id (retry ID); what was cancelled is not retried, and must be submitted anew."
        }
        ErrorCode::WorkerIdTaken => "Another worker of this id is connected.",
        ErrorCode::WorkerNotFound => "No worker of this id is connected; see cliente workers.",
        ErrorCode::ScheduleNotFound => "There is no such schedule; see cliente schedule list.",
        ErrorCode::QueueNotFound => "There is no such queue; see cliente queues.",
        ErrorCode::NeedsNotMet => {
            "No worker that offers the handler has what the task needs; see cliente workers, or use --allow-unknown-handler to wait for one."
        }
        ErrorCode::DependencyNotFound => {
            "A task is to come after one that is not known; check the ids."
        }
        ErrorCode::ArrayNotFound => "There is no such array; check the id.",
        ErrorCode::GroupNotFound => {
            "There is no such group, or it was forgotten with the last of its tasks; see cliente groups."
        }
        ErrorCode::TaskFinished => "The task is finished and can no longer be cancelled.",
        ErrorCode::BlobNotFound => {
            "The content of the file is not at the orchestrator: it was removed, or never came; submit again with the file."
        }
        ErrorCode::BlobDamaged => {
            "The orchestrator's disk damaged the content of a file; try again: it is fetched from the other orchestrator."
        }
        ErrorCode::BlobStoreFull => {
            "There is no room for more files at the orchestrator; raise --max-blob-bytes, free disk space, or keep fewer finished tasks."
        }
        ErrorCode::BlobStoreAway => {
            "The object store, where files and long contents are kept, does not answer the orchestrator; try again."
        }
        ErrorCode::BlobStoreRefused => {
            "The object store refuses the orchestrator; the operator must check --blob-store, the bucket and the credentials (AWS_ACCESS_KEY_ID…)."
        }
        ErrorCode::TaskIdConflict => {
            "This id already belongs to another task or array; choose a new one."
        }
        ErrorCode::KeyConflict => {
            "The key belongs to a task with another content; use another key, or wait until it has ended and the window of the key is over."
        }
        ErrorCode::KeySpent => {
            "The task that had this key ended and was forgotten, and the window of the key is not over yet."
        }
        ErrorCode::UserNotFound => "There is no such user.",
        ErrorCode::PeerInUse => {
            "The other orchestrator still belongs to the cluster: stop it first."
        }
        ErrorCode::TailNotFound => "There is no set-aside tail of that name.",
        ErrorCode::TailDamaged => {
            "The file of the set-aside tail is not intact; what can still be read: orquestrador journal dump --file FILE."
        }
        ErrorCode::DemoCredentials => {
            "The cluster uses the demo credentials, which count only while everything is on loopback; first add an administrator: cliente users add NAME --admin."
        }
        ErrorCode::FirstUserNotAdmin => "The first user must be an administrator; use --admin.",
        ErrorCode::LastAdmin => {
            "No administrator with a token that does not expire would be left; name another one first."
        }
        ErrorCode::TokenNotFound => {
            "There is no token of this name; see cliente users tokens list."
        }
        ErrorCode::TokenKnown => {
            "There is a token of this name already; change it with cliente users tokens rotate."
        }
        ErrorCode::TooManyTokens => "There are too many tokens; revoke one first.",
        ErrorCode::ActionsLogFailed => {
            "Nothing was done: the orchestrator cannot log the action; see the disk of its data directory."
        }
        ErrorCode::QueueFull => "The queue is full; try again shortly.",
        ErrorCode::QuotaTooSmall => {
            "This is more than the user may have unfinished; divide it, or ask for another limit: cliente users me."
        }
        ErrorCode::QuotaExceeded => {
            "The user has as much unfinished as they may; wait, cancel, or see the limits: cliente users me."
        }
        ErrorCode::RateLimited => "The user submits faster than they may; try again later.",
        ErrorCode::Overloaded => "The orchestrator is overloaded; try again shortly.",
        ErrorCode::WatchLagged => "The watch fell behind and was ended; start it again.",
        ErrorCode::QueueElsewhere => {
            "This queue belongs to another group of orchestrators; see which there are: cliente cluster."
        }
        ErrorCode::NotPromotable => "This orchestrator cannot be promoted.",
        ErrorCode::Internal => "Internal error of the orchestrator; see its log.",
    }
}
