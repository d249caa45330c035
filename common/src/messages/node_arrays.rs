//! What an orchestrator says of arrays as a whole.

use super::Message;
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
                    format!("Array [{array}] de {tasks} tarefas recebido de {owner}.")
                }
                Self::Cancelled { array, tasks } => {
                    format!("Array [{array}]: {tasks} tarefas canceladas antes de começar.")
                }
                Self::Failed { array, tasks, error } => {
                    format!("Array [{array}]: {tasks} tarefas falharam antes de começar: {error}")
                }
            },
            Lang::En => match self {
                Self::Submitted { array, owner, tasks } => {
                    format!("Array [{array}] of {tasks} tasks received from {owner}.")
                }
                Self::Cancelled { array, tasks } => {
                    format!("Array [{array}]: {tasks} tasks cancelled before they began.")
                }
                Self::Failed { array, tasks, error } => {
                    format!("Array [{array}]: {tasks} tasks failed before they began: {error}")
                }
            },
        }
    }
}
