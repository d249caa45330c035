//! What an orchestrator says of arrays as a whole.

use super::Message;
use super::words::counted;
use crate::lang::Lang;

/// A line of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArrayMessage {
    Submitted {
        array: String,
        owner: String,
        tasks: u32,
    },
    Cancelled {
        array: String,
        tasks: u32,
    },
    /// So many of its tasks that had not begun.
    Failed {
        array: String,
        tasks: u32,
        error: String,
    },
}

impl Message for ArrayMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::Submitted { .. } => "array_submitted",
            Self::Cancelled { .. } => "array_cancelled",
            Self::Failed { .. } => "array_failed",
        }
    }

    fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::Pt => match self {
                Self::Submitted { array, owner, tasks } => {
                    format!(
                        "Array [{array}] de {} recebido de {owner}.",
                        counted(tasks, "tarefa", "tarefas")
                    )
                }
                Self::Cancelled { array, tasks } => {
                    format!(
                        "Array [{array}]: {} antes de começar.",
                        counted(tasks, "tarefa cancelada", "tarefas canceladas")
                    )
                }
                Self::Failed { array, tasks, error } => {
                    format!(
                        "Array [{array}]: {} antes de começar: {error}",
                        counted(tasks, "tarefa falhou", "tarefas falharam")
                    )
                }
            },
            Lang::En => match self {
                Self::Submitted { array, owner, tasks } => {
                    format!(
                        "Array [{array}] of {} received from {owner}.",
                        counted(tasks, "task", "tasks")
                    )
                }
                Self::Cancelled { array, tasks } => {
                    format!(
                        "Array [{array}]: {} cancelled before beginning.",
                        counted(tasks, "task", "tasks")
                    )
                }
                Self::Failed { array, tasks, error } => {
                    format!(
                        "Array [{array}]: {} failed before beginning: {error}",
                        counted(tasks, "task", "tasks")
                    )
                }
            },
        }
    }
}
