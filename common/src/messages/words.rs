//! The platform's words for states, reasons and parts, as parts of sentences.

use std::borrow::Cow;

use crate::lang::Lang;
use crate::proto::{Durability, NodeRole, TaskState};

/// Why a queued task is not running, as the wire says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PendingReason {
    NoWorker,
    NoWorkerForHandler,
    NoWorkerForNeeds,
    AllBusy,
    Backoff,
    NotBefore,
    Dependencies,
    QueuePaused,
    QueueLimit,
    UserLimit,
    Suspect,
    /// A word of a newer version.
    Other(String),
}

impl From<&str> for PendingReason {
    fn from(word: &str) -> Self {
        match word {
            "NO_WORKER" => Self::NoWorker,
            "NO_WORKER_FOR_HANDLER" => Self::NoWorkerForHandler,
            "NO_WORKER_FOR_NEEDS" => Self::NoWorkerForNeeds,
            "ALL_BUSY" => Self::AllBusy,
            "BACKOFF" => Self::Backoff,
            "NOT_BEFORE" => Self::NotBefore,
            "DEPENDENCIES" => Self::Dependencies,
            "QUEUE_PAUSED" => Self::QueuePaused,
            "QUEUE_LIMIT" => Self::QueueLimit,
            "USER_LIMIT" => Self::UserLimit,
            "SUSPECT" => Self::Suspect,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// `1 task`, `2 tasks`.
pub fn counted(count: impl std::fmt::Display, one: &str, many: &str) -> String {
    let count = count.to_string();
    let noun = if count == "1" { one } else { many };
    format!("{count} {noun}")
}

/// A task's state, for people.
pub fn state_word(state: TaskState, lang: Lang) -> &'static str {
    match (lang, state) {
        (_, TaskState::Unspecified) => "?",
        (Lang::Pt, TaskState::Queued) => "RECEBIDA",
        (Lang::Pt, TaskState::Running) => "EM_EXECUCAO",
        (Lang::Pt, TaskState::Succeeded) => "CONCLUIDA",
        (Lang::Pt, TaskState::Failed) => "FALHOU",
        (Lang::Pt, TaskState::Cancelled) => "CANCELADA",
        (Lang::Pt, TaskState::Lost) => "PERDIDA",
        (Lang::En, TaskState::Queued) => "QUEUED",
        (Lang::En, TaskState::Running) => "RUNNING",
        (Lang::En, TaskState::Succeeded) => "SUCCEEDED",
        (Lang::En, TaskState::Failed) => "FAILED",
        (Lang::En, TaskState::Cancelled) => "CANCELLED",
        (Lang::En, TaskState::Lost) => "LOST",
    }
}

/// Where an accepted task is kept.
pub fn durability_text(durability: Durability, lang: Lang) -> &'static str {
    match (lang, durability) {
        (Lang::Pt, Durability::Replicated) => "gravada no principal e no backup",
        (Lang::Pt, Durability::LocalOnly | Durability::Unspecified) => {
            "gravada só no principal: nenhum backup em sincronia"
        }
        (Lang::En, Durability::Replicated) => "stored on the principal and on the backup",
        (Lang::En, Durability::LocalOnly | Durability::Unspecified) => {
            "stored on the principal alone: no backup in sync"
        }
    }
}

/// Why a task waits, as a part of a sentence.
pub fn pending_text(reason: &PendingReason, handler: &str, lang: Lang) -> String {
    match (lang, reason) {
        (Lang::Pt, PendingReason::NoWorker) => "nenhum worker está conectado".into(),
        (Lang::Pt, PendingReason::NoWorkerForHandler) => {
            format!("nenhum worker conectado oferece o handler {handler}")
        }
        (Lang::Pt, PendingReason::NoWorkerForNeeds) => {
            format!(
                "nenhum worker conectado que oferece o handler {handler} tem o que a tarefa precisa"
            )
        }
        (Lang::En, PendingReason::NoWorkerForNeeds) => {
            format!("no connected worker that offers the handler {handler} has what the task needs")
        }
        (Lang::Pt, PendingReason::AllBusy) => "todos os workers estão ocupados".into(),
        (Lang::Pt, PendingReason::NotBefore) => "ainda não é a hora de começar".into(),
        (Lang::En, PendingReason::NotBefore) => "it is not to begin yet".into(),
        (Lang::Pt, PendingReason::Backoff) => {
            "a última tentativa falhou; a próxima vem depois".into()
        }
        (Lang::En, PendingReason::Backoff) => {
            "the last attempt failed; the next one comes later".into()
        }
        (Lang::Pt, PendingReason::Dependencies) => "vem depois de outras tarefas".into(),
        (Lang::En, PendingReason::Dependencies) => "it comes after other tasks".into(),
        (Lang::Pt, PendingReason::QueuePaused) => "a fila está em pausa".into(),
        (Lang::En, PendingReason::QueuePaused) => "its queue is paused".into(),
        (Lang::Pt, PendingReason::QueueLimit) => {
            "já executam tantas tarefas da fila quantas podem ao mesmo tempo".into()
        }
        (Lang::En, PendingReason::QueueLimit) => {
            "as many tasks of its queue run as may at a time".into()
        }
        (Lang::Pt, PendingReason::UserLimit) => {
            "já executam tantas tarefas do usuário quantas podem ao mesmo tempo".into()
        }
        (Lang::En, PendingReason::UserLimit) => {
            "as many tasks of the user run as may at a time".into()
        }
        (Lang::Pt, PendingReason::Suspect) => {
            "perdeu vários workers; espera um em que não execute outra tarefa assim".into()
        }
        (Lang::En, PendingReason::Suspect) => {
            "it has lost several workers, and waits for one that runs no other such task".into()
        }
        (Lang::En, PendingReason::NoWorker) => "no worker is connected".into(),
        (Lang::En, PendingReason::NoWorkerForHandler) => {
            format!("no connected worker offers the handler {handler}")
        }
        (Lang::En, PendingReason::AllBusy) => "all workers are busy".into(),
        (_, PendingReason::Other(word)) => word.clone(),
    }
}

/// What comes from elsewhere, as a terminal may have it: control characters, by which it could be told to do something, are
/// spelt out.
pub fn plain(text: &str) -> Cow<'_, str> {
    let is_harmless = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    if text.chars().all(is_harmless) {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_harmless(c) {
            true => plain.push(c),
            false => plain.extend(c.escape_default()),
        }
    }
    plain.into()
}

/// The same in the one line of a cell, where also nothing may change the direction of writing or hide.
pub fn plain_cell(text: &str) -> Cow<'_, str> {
    let is_harmless = |c: char| {
        let is_invisible = matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        !c.is_control() && !is_invisible
    };
    if text.chars().all(is_harmless) {
        return text.into();
    }
    let spelt = |c: char| match is_harmless(c) {
        true => c.to_string(),
        false => c.escape_default().to_string(),
    };
    text.chars().map(spelt).collect::<String>().into()
}

/// Why a schedule made no task; a word of a later version stays what it is. `detail` is for developers.
pub fn unmade_text(reason: &str, detail: &str, lang: Lang) -> String {
    match (lang, reason) {
        (Lang::Pt, "MISSED") => "perdida".into(),
        (Lang::Pt, "OVERLAPPED") => "a anterior ainda não terminou".into(),
        (Lang::Pt, "REFUSED") => format!("ainda não pôde ser recebida [{detail}]"),
        (Lang::En, "MISSED") => "missed".into(),
        (Lang::En, "OVERLAPPED") => "the one before had not ended".into(),
        (Lang::En, "REFUSED") => format!("could not be accepted yet [{detail}]"),
        (_, other) => other.to_owned(),
    }
}

/// A node's part in the cluster.
pub fn role_word(role: NodeRole, lang: Lang) -> &'static str {
    match (lang, role) {
        (_, NodeRole::Principal) => "principal",
        (Lang::Pt, NodeRole::Standby) => "backup",
        (Lang::Pt, NodeRole::Learner) => "sincronizando",
        (Lang::Pt, NodeRole::Waiting) => "aguardando",
        (Lang::Pt, NodeRole::Foreign) => "de outro cluster",
        (Lang::Pt, NodeRole::Unreachable | NodeRole::Unspecified) => "inacessível",
        (Lang::En, NodeRole::Standby) => "backup",
        (Lang::En, NodeRole::Learner) => "catching up",
        (Lang::En, NodeRole::Waiting) => "waiting",
        (Lang::En, NodeRole::Foreign) => "of another cluster",
        (Lang::En, NodeRole::Unreachable | NodeRole::Unspecified) => "unreachable",
    }
}

/// What a node waits for; a word of a later version stays what it is.
pub fn waiting_text(word: &str, lang: Lang) -> &str {
    match (lang, word) {
        (Lang::Pt, "PRINCIPAL") => "um principal para seguir",
        (Lang::Pt, "OTHER_ORCHESTRATOR") => {
            "o outro orquestrador, que pode ter o que falta aqui; veja cliente cluster explain"
        }
        (Lang::Pt, "COMMIT") => "que seu histórico esteja gravado antes de atender",
        (Lang::En, "PRINCIPAL") => "a principal to follow",
        (Lang::En, "OTHER_ORCHESTRATOR") => {
            "the other orchestrator, which may have what is not here; see cliente cluster explain"
        }
        (Lang::En, "COMMIT") => "its history to be stored before it serves",
        (_, other) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing_by_what_comes_from_elsewhere() {
        assert_eq!(plain("olá\tvocê\n"), "olá\tvocê\n");
        assert_eq!(plain_cell("a\nb\tc\u{202e}d\x1b[2J"), r"a\nb\tc\u{202e}d\u{1b}[2J");
        assert_eq!(plain_cell("日本 olá"), "日本 olá");
        assert_eq!(plain("a\x1b[2J\u{9b}b\rc\x7f"), r"a\u{1b}[2J\u{9b}b\rc\u{7f}");
    }
}
