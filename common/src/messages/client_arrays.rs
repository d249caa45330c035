//! What the client says of arrays.

use super::Message;
use super::words::{counted, durability_text};
use crate::lang::Lang;
use crate::proto::Durability;

/// Said on standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArrayMessage {
    /// It was accepted, now or before.
    Accepted { array: String, tasks: u32, durability: Durability, existed: bool },
    /// Its id, where that of a task is meant.
    IsAnArray { array: String },
    /// One that was waited for is no longer known.
    Forgotten { array: String },
    /// Its tasks may have left files.
    FilesLeft { array: String },
    /// A file of tasks was submitted before, under the same id.
    KnownFlow { group: String },
    /// A task that did not succeed is done once more.
    Repeated { task: String, by: String },
    /// Numbers of its tasks that did not succeed, the first of them.
    DidNotSucceed { array: String, numbers: Vec<u32>, is_all: bool },
}

impl Message for ArrayMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted_array",
            Self::IsAnArray { .. } => "is_an_array",
            Self::Forgotten { .. } => "array_forgotten",
            Self::FilesLeft { .. } => "array_files_left",
            Self::DidNotSucceed { .. } => "array_did_not_succeed",
            Self::Repeated { .. } => "repeated",
            Self::KnownFlow { .. } => "known_flow",
        }
    }

    fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::Pt => self.portuguese(),
            Lang::En => self.english(),
        }
    }
}

impl ArrayMessage {
    fn portuguese(&self) -> String {
        match self {
            Self::KnownFlow { group } => format!(
                "O arquivo já tinha sido submetido com este id, no grupo {group}; nada foi duplicado."
            ),
            Self::Repeated { task, by } => {
                format!("{task} foi repetida como {by}; veja cliente status {by}.")
            }
            Self::IsAnArray { array } => format!(
                "{array} é um array: use status, list --array, watch ou result --files para ele; para uma de suas tarefas, acrescente o número dela: {array}_0."
            ),
            Self::Forgotten { array } => format!(
                "O array {array} terminou e já foi esquecido (retenção); quantas tarefas falharam não se sabe mais."
            ),
            Self::Accepted { array, tasks, durability, existed: false } => {
                let durability = durability_text(*durability, Lang::Pt);
                let tasks = counted(tasks, "tarefa", "tarefas");
                format!("Array {array} de {tasks} RECEBIDO ({durability}).")
            }
            Self::Accepted { array, existed: true, .. } => {
                format!("Array {array} já tinha sido recebido; nada foi duplicado.")
            }
            Self::FilesLeft { array } => format!(
                "Os arquivos das tarefas: cliente result {array} --files --into PASTA (em PASTA/0, PASTA/1, …)."
            ),
            Self::DidNotSucceed { array, numbers, is_all } => {
                let numbers = listed(numbers, *is_all);
                format!(
                    "Não concluídas: {numbers}. Veja cliente list --array {array} --state failed,lost,cancelled."
                )
            }
        }
    }

    fn english(&self) -> String {
        match self {
            Self::KnownFlow { group } => format!(
                "The file was submitted under this id before, in the group {group}; nothing was duplicated."
            ),
            Self::Repeated { task, by } => {
                format!("{task} was repeated as {by}; see cliente status {by}.")
            }
            Self::IsAnArray { array } => format!(
                "{array} is an array: use status, list --array, watch or result --files for it; for one of its tasks, add its number: {array}_0."
            ),
            Self::Forgotten { array } => format!(
                "The array {array} ended and was forgotten (retention); how many of its tasks failed is no longer known."
            ),
            Self::Accepted { array, tasks, durability, existed: false } => {
                let durability = durability_text(*durability, Lang::En);
                let tasks = counted(tasks, "task", "tasks");
                format!("Array {array} of {tasks} accepted ({durability}).")
            }
            Self::Accepted { array, existed: true, .. } => {
                format!("Array {array} had been accepted before; nothing was duplicated.")
            }
            Self::FilesLeft { array } => format!(
                "The files of its tasks: cliente result {array} --files --into FOLDER (in FOLDER/0, FOLDER/1, …)."
            ),
            Self::DidNotSucceed { array, numbers, is_all } => {
                let numbers = listed(numbers, *is_all);
                format!(
                    "Did not succeed: {numbers}. See cliente list --array {array} --state failed,lost,cancelled."
                )
            }
        }
    }
}

fn listed(numbers: &[u32], is_all: bool) -> String {
    let mut numbers: Vec<_> = numbers.iter().map(u32::to_string).collect();
    numbers.extend((!is_all).then(|| "…".to_owned()));
    numbers.join(", ")
}
