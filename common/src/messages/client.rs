//! What the client says.

use super::Message;
use crate::lang::Lang;
use crate::proto::{Durability, NodeRole, TaskState};

/// Sentences, prompts and column heads (separated by `|`).
#[derive(Clone, Debug)]
pub enum ClientMessage {
    Welcome,
    Goodbye,
    MenuEntries,
    AskChoice,
    BadChoice,
    AskUser,
    AskToken,
    AskNewToken,
    AskAgain,
    TokensDiffer,
    LoggedIn {
        user: String,
        path: String,
    },
    LoggedOut,
    NotLoggedIn,
    WaitedEnough,
    NobodyToPromote,
    WhichToPromote,
    AskDescription,
    AskTaskId {
        last: Option<String>,
    },
    BadTaskId,
    Accepted {
        task: String,
        durability: Durability,
    },
    TaskStatus {
        task: String,
        state: TaskState,
        worker: String,
        attempt: u32,
        pending: String,
        error: Option<String>,
        result: String,
    },
    Pending {
        handler: String,
        reason: String,
    },
    NoCommand,
    NoCommandLine,
    NoCredentials,
    UnusableCredentials,
    OpenProfile {
        path: String,
    },
    NotText {
        source: String,
    },
    Io {
        what: String,
        error: String,
    },
    TaskColumns,
    WorkerColumns,
    WorkerConnected,
    WorkerDraining,
    WorkerSilent,
    NodeColumns,
    UserColumns,
    ClusterLine {
        epoch: u64,
        view: u64,
        principal: String,
    },
    Role {
        role: NodeRole,
    },
    YesNo {
        yes: bool,
    },
}

/// The words that are the same in both languages, because people quote them.
pub fn state_word(state: TaskState) -> &'static str {
    match state {
        TaskState::Unspecified => "?",
        TaskState::Queued => "RECEBIDA",
        TaskState::Running => "EM_EXECUCAO",
        TaskState::Succeeded => "CONCLUIDA",
        TaskState::Failed => "FALHOU",
        TaskState::Cancelled => "CANCELADA",
    }
}

impl Message for ClientMessage {
    fn event(&self) -> &'static str {
        "client"
    }

    fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::Pt => self.portuguese(),
            Lang::En => self.english(),
        }
    }
}

/// Lines of a task's status, with the labels of one language.
fn status(labels: [&str; 6], parts: [&str; 6]) -> String {
    labels
        .iter()
        .zip(parts)
        .filter(|(_, part)| !part.is_empty())
        .map(|(label, part)| format!("{label} {part}"))
        .collect::<Vec<_>>()
        .join("\n")
}

impl ClientMessage {
    fn status(&self, labels: [&str; 6]) -> String {
        let Self::TaskStatus { task, state, worker, attempt, error, result, .. } = self else {
            return String::new();
        };
        let attempt = if *attempt == 0 { String::new() } else { attempt.to_string() };
        let error = error.as_deref().unwrap_or_default();
        status(labels, [task, state_word(*state), worker, &attempt, error, result])
    }

    fn portuguese(&self) -> String {
        match self {
            Self::Welcome => "Mutirão: plataforma distribuída de processamento colaborativo de tarefas".into(),
            Self::Goodbye => "Até logo.".into(),
            Self::MenuEntries => "1: Submeter Tarefa\n2: Verificar Status de Tarefa\n3: Listar Tarefas\n\
                                  4: Acompanhar Tarefa\n5: Cancelar Tarefa\n6: Workers e Cluster\n7: Sair"
                .into(),
            Self::AskChoice => "Escolha uma opção: ".into(),
            Self::BadChoice => "Opção inválida; digite um número de 1 a 7.".into(),
            Self::AskUser => "Usuário: ".into(),
            Self::AskToken => "Token: ".into(),
            Self::AskNewToken => "Token do novo usuário: ".into(),
            Self::AskAgain => "Repita o token: ".into(),
            Self::TokensDiffer => "Os dois tokens são diferentes; tente de novo.".into(),
            Self::LoggedIn { user, path } => format!("Conectado como {user}; guardado em {path}."),
            Self::LoggedOut => "Usuário e token esquecidos.".into(),
            Self::NotLoggedIn => "Não havia usuário guardado.".into(),
            Self::WaitedEnough => "O prazo acabou antes do trabalho; as tarefas continuam.".into(),
            Self::NobodyToPromote => "Nenhum orquestrador respondeu; inicie o que deve assumir.".into(),
            Self::WhichToPromote => "Os dois orquestradores respondem; diga com --node qual deve assumir.".into(),
            Self::AskDescription => "Descrição da tarefa: ".into(),
            Self::AskTaskId { last: None } => "ID da tarefa: ".into(),
            Self::AskTaskId { last: Some(last) } => format!("ID da tarefa [{last}]: "),
            Self::BadTaskId => "Isto não é o ID de uma tarefa (36 caracteres, como 0190b4a0-…); confira.".into(),
            Self::Accepted { task, durability } => match durability {
                Durability::Replicated => {
                    format!("Tarefa submetida: {task}\nStatus: RECEBIDA (gravada no principal e no backup)")
                }
                Durability::LocalOnly | Durability::Unspecified => {
                    format!("Tarefa submetida: {task}\nStatus: RECEBIDA (gravada só no principal: backup ausente)")
                }
            },
            Self::TaskStatus { .. } => {
                self.status(["Tarefa:", "Status:", "Worker:", "Tentativa:", "Erro:", "Resultado:"])
            }
            Self::Pending { handler, reason } => match reason.as_str() {
                "NO_WORKER" => "Aguardando: nenhum worker está conectado.".into(),
                _ => format!("Aguardando: nenhum worker conectado oferece o handler {handler}."),
            },
            Self::NoCommand => "Sem terminal é preciso dizer um comando; veja cliente --help.".into(),
            Self::NoCommandLine => "Diga o programa depois de --, por exemplo: -- sha256sum arquivo".into(),
            Self::NoCredentials => "Faltam usuário e token. Use cliente login, ou --user com --token-file, \
                                    ou as variáveis MUTIRAO_USER e MUTIRAO_TOKEN."
                .into(),
            Self::UnusableCredentials => "Usuário e token só podem ter caracteres ASCII visíveis.".into(),
            Self::OpenProfile { path } => {
                format!("{path} pode ser lido por outros; corrija com: chmod 600 {path}")
            }
            Self::NotText { source } => format!("{source} não é texto UTF-8."),
            Self::Io { what, error } => format!("Falha em {what}: {error}"),
            Self::TaskColumns => "TAREFA|STATUS|HANDLER|TENTATIVA|WORKER|SUBMETIDA (UTC)|TERMINADA (UTC)".into(),
            Self::WorkerColumns => "WORKER|SITUAÇÃO|VAGAS|ATRIBUÍDAS|HANDLERS".into(),
            Self::WorkerConnected => "conectado".into(),
            Self::WorkerDraining => "encerrando".into(),
            Self::WorkerSilent => "sem contato".into(),
            Self::NodeColumns => "ORQUESTRADOR|PAPEL|EM SINCRONIA|ÍNDICE".into(),
            Self::UserColumns => "USUÁRIO|ADMIN|CRIADO (UTC)".into(),
            Self::ClusterLine { epoch, view, principal } => {
                let principal = if principal.is_empty() { "nenhum" } else { principal };
                format!("principal {principal}  época {epoch}  visão {view}")
            }
            Self::Role { role } => match role {
                NodeRole::Principal => "principal",
                NodeRole::Standby => "backup",
                NodeRole::Learner => "sincronizando",
                NodeRole::Waiting => "aguardando",
                NodeRole::Unreachable | NodeRole::Unspecified => "inacessível",
            }
            .into(),
            Self::YesNo { yes } => if *yes { "sim" } else { "não" }.into(),
        }
    }

    fn english(&self) -> String {
        match self {
            Self::Welcome => {
                "Mutirão: distributed platform for collaborative task processing".into()
            }
            Self::Goodbye => "Goodbye.".into(),
            Self::MenuEntries => "1: Submit Task\n2: Check Task Status\n3: List Tasks\n\
                                  4: Follow Task\n5: Cancel Task\n6: Workers and Cluster\n7: Quit"
                .into(),
            Self::AskChoice => "Choose an option: ".into(),
            Self::BadChoice => "Not an option; type a number from 1 to 7.".into(),
            Self::AskUser => "User: ".into(),
            Self::AskToken => "Token: ".into(),
            Self::AskNewToken => "Token of the new user: ".into(),
            Self::AskAgain => "The token again: ".into(),
            Self::TokensDiffer => "The two tokens differ; try again.".into(),
            Self::LoggedIn { user, path } => format!("Logged in as {user}; kept in {path}."),
            Self::LoggedOut => "User and token forgotten.".into(),
            Self::NotLoggedIn => "No user was kept.".into(),
            Self::WaitedEnough => "Time is up before the work is done; the tasks go on.".into(),
            Self::NobodyToPromote => {
                "No orchestrator answered; start the one that is to take over.".into()
            }
            Self::WhichToPromote => {
                "Both orchestrators answer; say with --node which is to take over.".into()
            }
            Self::AskDescription => "Description of the task: ".into(),
            Self::AskTaskId { last: None } => "Task id: ".into(),
            Self::AskTaskId { last: Some(last) } => format!("Task id [{last}]: "),
            Self::BadTaskId => {
                "That is not the id of a task (36 characters, like 0190b4a0-…); check it.".into()
            }
            Self::Accepted { task, durability } => match durability {
                Durability::Replicated => {
                    format!(
                        "Task submitted: {task}\nStatus: RECEBIDA (on the principal and on the backup)"
                    )
                }
                Durability::LocalOnly | Durability::Unspecified => {
                    format!(
                        "Task submitted: {task}\nStatus: RECEBIDA (on the principal alone: no backup)"
                    )
                }
            },
            Self::TaskStatus { .. } => {
                self.status(["Task:", "Status:", "Worker:", "Attempt:", "Error:", "Result:"])
            }
            Self::Pending { handler, reason } => match reason.as_str() {
                "NO_WORKER" => "Waiting: no worker is connected.".into(),
                _ => format!("Waiting: no connected worker offers the handler {handler}."),
            },
            Self::NoCommand => "Without a terminal a command is needed; see cliente --help.".into(),
            Self::NoCommandLine => {
                "Give the program after --, for example: -- sha256sum file".into()
            }
            Self::NoCredentials => {
                "User and token are missing. Use cliente login, or --user with --token-file, \
                                    or the variables MUTIRAO_USER and MUTIRAO_TOKEN."
                    .into()
            }
            Self::UnusableCredentials => {
                "User and token can only have visible ASCII characters.".into()
            }
            Self::OpenProfile { path } => {
                format!("{path} can be read by others; mend it with: chmod 600 {path}")
            }
            Self::NotText { source } => format!("{source} is not UTF-8 text."),
            Self::Io { what, error } => format!("Failure with {what}: {error}"),
            Self::TaskColumns => {
                "TASK|STATUS|HANDLER|ATTEMPT|WORKER|SUBMITTED (UTC)|FINISHED (UTC)".into()
            }
            Self::WorkerColumns => "WORKER|CONDITION|SLOTS|ASSIGNED|HANDLERS".into(),
            Self::WorkerConnected => "connected".into(),
            Self::WorkerDraining => "draining".into(),
            Self::WorkerSilent => "silent".into(),
            Self::NodeColumns => "ORCHESTRATOR|ROLE|IN SYNC|INDEX".into(),
            Self::UserColumns => "USER|ADMIN|ADDED (UTC)".into(),
            Self::ClusterLine { epoch, view, principal } => {
                let principal = if principal.is_empty() { "none" } else { principal };
                format!("principal {principal}  epoch {epoch}  view {view}")
            }
            Self::Role { role } => match role {
                NodeRole::Principal => "principal",
                NodeRole::Standby => "standby",
                NodeRole::Learner => "catching up",
                NodeRole::Waiting => "waiting",
                NodeRole::Unreachable | NodeRole::Unspecified => "unreachable",
            }
            .into(),
            Self::YesNo { yes } => if *yes { "yes" } else { "no" }.into(),
        }
    }
}
