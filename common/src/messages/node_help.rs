//! Help and command-line errors of the orchestrators.

use super::{tls, traces};
use crate::lang::Lang;
use crate::tls::Role;

/// A combination of flags that cannot work.
#[derive(Clone, Debug)]
pub enum Problem {
    /// Port 0 has no meaning to others.
    PortZero,
    /// A non-loopback address without the operator's word that the network is trusted.
    OpenNetwork {
        listen: String,
    },
    /// Certificates, or addresses that do not go with them.
    Tls(crate::tls::Problem),
    /// Heartbeats would not fit.
    Lease,
    /// No task could ever be accepted.
    NoTasks,
    /// `--listen 0.0.0.0` does not say how others reach the node.
    AdvertiseMissing,
    /// The other orchestrator cannot be this one.
    PeerIsSelf,
    /// The first administrator's token cannot be read, or is too short.
    AdminToken {
        path: String,
        why: String,
    },
    /// No store of objects can be meant by it.
    BlobStore {
        text: String,
    },
    S3Endpoint {
        text: String,
    },
    /// No receiver of webhooks can be meant by it.
    WebhookAllow {
        text: String,
        why: String,
    },
    /// The key that signs webhooks cannot be read, or is none.
    WebhookSecret {
        path: String,
        why: String,
    },
    /// Receivers, and nothing to sign with, or the other way round.
    WebhookHalf,
    /// None at all, or more than anybody waits for.
    WebhookAttempts,
    /// No etcd can be meant by it.
    Engine {
        flag: &'static str,
        text: String,
    },
    /// The password for etcd cannot be read.
    EtcdFile {
        path: String,
        why: String,
    },
}

/// What is wrong, and what to do.
pub fn problem(problem: &Problem, lang: Lang) -> String {
    match lang {
        Lang::Pt => match problem {
            Problem::PortZero => "--port precisa ser de 1 a 65535".into(),
            Problem::OpenNetwork { listen } => tls::open_network(listen, Role::Orchestrator, lang),
            Problem::Tls(problem) => tls::problem(problem, lang),
            Problem::Lease => "--worker-lease-ms precisa estar entre 300 e 86400000 (um dia)".into(),
            Problem::NoTasks => "--max-active-tasks e --max-active-bytes precisam ser pelo menos 1".into(),
            Problem::AdvertiseMissing => {
                "com --listen em todas as interfaces, diga com --advertise como os outros chegam a este nó".into()
            }
            Problem::AdminToken { path, why } => format!("--admin-token-file {path}: {why}"),
            Problem::BlobStore { text } => format!("--blob-store {text}: precisa ser s3://BUCKET ou s3://BUCKET/PREFIXO, de letras, dígitos e -._"),
            Problem::S3Endpoint { text } => format!("--s3-endpoint {text}: precisa ser http://HOST[:PORTA] ou https://HOST[:PORTA]"),
            Problem::WebhookAllow { text, why } => format!("--webhook-allow {text}: {why}"),
            Problem::WebhookSecret { path, why } => format!("--webhook-secret-file {path}: {why}"),
            Problem::WebhookHalf => {
                "--webhook-allow e --webhook-secret-file só valem juntos: todo aviso é assinado".into()
            }
            Problem::WebhookAttempts => {
                "--webhook-attempts precisa ser de 1 a 100, e --webhook-retry-ms pelo menos 1".into()
            }
            Problem::Engine { flag, text } => super::node_engine::no_engine(flag, text, lang),
            Problem::EtcdFile { path, why } => format!("--etcd-password-file {path}: {why}"),
            Problem::PeerIsSelf => "--peer é o endereço deste próprio nó; informe o do outro orquestrador".into(),
        },
        Lang::En => match problem {
            Problem::PortZero => "--port must be 1 to 65535".into(),
            Problem::OpenNetwork { listen } => tls::open_network(listen, Role::Orchestrator, lang),
            Problem::Tls(problem) => tls::problem(problem, lang),
            Problem::Lease => "--worker-lease-ms must be between 300 and 86400000 (a day)".into(),
            Problem::NoTasks => "--max-active-tasks and --max-active-bytes must be at least 1".into(),
            Problem::AdvertiseMissing => {
                "with --listen on every interface, say with --advertise how others reach this node".into()
            }
            Problem::AdminToken { path, why } => format!("--admin-token-file {path}: {why}"),
            Problem::BlobStore { text } => format!("--blob-store {text}: must be s3://BUCKET or s3://BUCKET/PREFIX, of letters, digits and -._"),
            Problem::S3Endpoint { text } => format!("--s3-endpoint {text}: must be http://HOST[:PORT] or https://HOST[:PORT]"),
            Problem::WebhookAllow { text, why } => format!("--webhook-allow {text}: {why}"),
            Problem::WebhookSecret { path, why } => format!("--webhook-secret-file {path}: {why}"),
            Problem::WebhookHalf => {
                "--webhook-allow and --webhook-secret-file count only together: every webhook is signed".into()
            }
            Problem::WebhookAttempts => {
                "--webhook-attempts must be 1 to 100, and --webhook-retry-ms at least 1".into()
            }
            Problem::Engine { flag, text } => super::node_engine::no_engine(flag, text, lang),
            Problem::EtcdFile { path, why } => format!("--etcd-password-file {path}: {why}"),
            Problem::PeerIsSelf => "--peer is this node's own address; give the other orchestrator's".into(),
        },
    }
}

/// Why the first administrator's token is refused, if it can be read.
pub fn weak_token(least: usize, lang: Lang) -> String {
    match lang {
        Lang::Pt => format!("o token precisa de pelo menos {least} caracteres ASCII visíveis"),
        Lang::En => format!("the token must have at least {least} visible ASCII characters"),
    }
}

/// The help of one argument, by its id; `about` is the program itself.
pub fn text(id: &str, is_backup: bool, lang: Lang) -> Option<&'static str> {
    Some(match lang {
        Lang::Pt => match id {
            "about" if is_backup => {
                "Orquestrador backup do Mutirão: acompanha o principal e assume quando ele morre"
            }
            "about" => {
                "Orquestrador principal do Mutirão: recebe tarefas e as distribui entre os workers"
            }
            "port" if is_backup => "Porta de tudo: gRPC, saúde e reflexão [padrão: 50052]",
            "port" => "Porta de tudo: gRPC, saúde e reflexão [padrão: 50051]",
            "listen" => "Endereço IP em que escuta",
            "advertise" => "Como os outros chegam a este nó [padrão: http://localhost:PORTA]",
            "peer" if is_backup => "O outro orquestrador [padrão: http://localhost:50051]",
            "peer" => "O outro orquestrador [padrão: http://localhost:50052]",
            "data_dir" => "Onde fica o diário [padrão: mutirao-data/orquestrador-PORTA]",
            "max_lost_attempts" => {
                "Quantos workers uma tarefa pode perder antes de falhar com QUARANTINED; igual nos dois"
            }
            "worker_lease_ms" => {
                "Silêncio, em milissegundos, após o qual um worker é considerado falho"
            }
            "max_connections" => {
                "Conexões abertas ao mesmo tempo; de um endereço que não é desta máquina, um quarto delas [padrão: quantas o limite de arquivos do sistema permite]"
            }
            "max_active_tasks" => "Tarefas não terminadas aceitas ao mesmo tempo",
            "policy" => {
                "Quem recebe a próxima tarefa: round-robin, em rodízio; least-loaded, quem tem a menor parte das vagas ocupada"
            }
            "max_active_bytes" => "Bytes de dados das tarefas não terminadas, por exemplo 4GiB",
            "max_finished_tasks" => "Tarefas terminadas guardadas; as mais antigas são esquecidas",
            "max_finished_bytes" => {
                "Bytes guardados de resultados, e de payloads do que falhou; os mais antigos são esquecidos"
            }
            "max_payload_bytes" => {
                "Bytes que o payload de uma tarefa pode ter; workers o guardam na memória"
            }
            "insecure_network" => {
                "A rede é confiável: aceita escutar fora de loopback sem TLS nem segredo"
            }
            "admin_token_file" => {
                "Arquivo com o token de `admin`, que entra enquanto não há usuários [em loopback, sem ele: user1]"
            }
            "allow_drill" => {
                "Aceita ensaios: `cliente cluster drill` pode matar ou parar este orquestrador"
            }
            "log_format" => "Formato do log",
            "lang" => "Idioma das mensagens",
            _ => {
                return super::node_webhooks::help(id, lang)
                    .or_else(|| super::node_blobs::help(id, lang))
                    .or_else(|| super::node_journal::help(id, lang))
                    .or_else(|| super::node_backup::help(id, lang))
                    .or_else(|| super::node_engine::help(id, lang))
                    .or_else(|| super::node_shards::help(id, lang))
                    .or_else(|| super::node_migrate::help(id, lang))
                    .or_else(|| traces::help(id, lang))
                    .or_else(|| tls::help(id, lang));
            }
        },
        Lang::En => match id {
            "about" if is_backup => {
                "The Mutirão backup orchestrator: follows the principal and takes over when it dies"
            }
            "about" => {
                "The Mutirão principal orchestrator: takes tasks and spreads them over the workers"
            }
            "port" if is_backup => {
                "Port for everything: gRPC, health and reflection [default: 50052]"
            }
            "port" => "Port for everything: gRPC, health and reflection [default: 50051]",
            "listen" => "IP address to listen on",
            "advertise" => "How others reach this node [default: http://localhost:PORT]",
            "peer" if is_backup => "The other orchestrator [default: http://localhost:50051]",
            "peer" => "The other orchestrator [default: http://localhost:50052]",
            "data_dir" => "Where the journal is [default: mutirao-data/orquestrador-PORT]",
            "max_lost_attempts" => {
                "How many workers a task may lose before it fails with QUARANTINED; the same on both"
            }
            "worker_lease_ms" => {
                "Silence, in milliseconds, after which a worker is considered failed"
            }
            "max_connections" => {
                "Connections that are open at a time; of one address that is not this machine's, a quarter of them [default: as many as the system's limit of files allows]"
            }
            "max_active_tasks" => "Unfinished tasks accepted at the same time",
            "policy" => {
                "Who gets the next task: round-robin, in turn; least-loaded, whoever has the smallest part of its slots taken"
            }
            "max_active_bytes" => "Payload bytes of unfinished tasks, for example 4GiB",
            "max_finished_tasks" => "Finished tasks kept; the oldest are forgotten",
            "max_finished_bytes" => {
                "Bytes kept of results, and of payloads of what failed; the oldest are forgotten"
            }
            "max_payload_bytes" => {
                "Bytes that the payload of a task may have; workers hold it in memory"
            }
            "insecure_network" => {
                "The network is trusted: listen beyond loopback without TLS or secret"
            }
            "admin_token_file" => {
                "File with the token of `admin`, who may enter while there are no users [on loopback, without it: user1]"
            }
            "allow_drill" => {
                "Allow rehearsals: `cliente cluster drill` may kill or stop this orchestrator"
            }
            "log_format" => "Format of the log",
            "lang" => "Language of the messages",
            _ => {
                return super::node_webhooks::help(id, lang)
                    .or_else(|| super::node_blobs::help(id, lang))
                    .or_else(|| super::node_journal::help(id, lang))
                    .or_else(|| super::node_backup::help(id, lang))
                    .or_else(|| super::node_engine::help(id, lang))
                    .or_else(|| super::node_shards::help(id, lang))
                    .or_else(|| super::node_migrate::help(id, lang))
                    .or_else(|| traces::help(id, lang))
                    .or_else(|| tls::help(id, lang));
            }
        },
    })
}

/// A node that could not start, or had to end.
pub fn failure(error: &str, lang: Lang) -> String {
    match lang {
        Lang::Pt => format!("ERRO: {error}"),
        Lang::En => format!("ERROR: {error}"),
    }
}
