//! What an orchestrator says of the blobs that it keeps.

use super::Message;
use super::words::counted;
use crate::lang::Lang;

/// A line of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobMessage {
    /// What was missing here came from the other node.
    Fetched { blobs: u64, bytes: u64 },
    /// Tasks refer to what is not here, and the other node does not give it.
    Missing { blobs: u64 },
    /// What no task refers to was removed.
    Removed { blobs: u64, bytes: u64 },
    /// The disk has damaged what was here; it was set aside.
    Damaged { blobs: u64 },
}

impl Message for BlobMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::Fetched { .. } => "blobs_fetched",
            Self::Missing { .. } => "blobs_missing",
            Self::Removed { .. } => "blobs_removed",
            Self::Damaged { .. } => "blobs_damaged",
        }
    }

    fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::Pt => match self {
                Self::Damaged { blobs } => format!(
                    "AVISO: o disco danificou {}, agora em blobs/damaged; o que o outro orquestrador tem vem de lá. Examine o disco.",
                    counted(blobs, "arquivo de tarefas", "arquivos de tarefas")
                ),
                Self::Fetched { blobs, bytes } => format!(
                    "Arquivos que faltavam aqui vieram do outro orquestrador: {blobs}, com {bytes} bytes."
                ),
                Self::Missing { blobs } => format!(
                    "AVISO: arquivos de tarefas que faltam aqui, e que o outro orquestrador ainda não enviou: {blobs}."
                ),
                Self::Removed { blobs, bytes } => format!(
                    "Arquivos de que nenhuma tarefa precisa foram removidos: {blobs}, com {bytes} bytes."
                ),
            },
            Lang::En => match self {
                Self::Damaged { blobs } => format!(
                    "WARNING: the disk has damaged {}, now in blobs/damaged; what the other orchestrator has comes from there. Look at the disk.",
                    counted(blobs, "file of tasks", "files of tasks")
                ),
                Self::Fetched { blobs, bytes } => format!(
                    "Files that were missing here came from the other orchestrator: {blobs}, of {bytes} bytes."
                ),
                Self::Missing { blobs } => format!(
                    "WARNING: files of tasks that are missing here, and that the other orchestrator has not given yet: {blobs}."
                ),
                Self::Removed { blobs, bytes } => {
                    format!("Files that no task needs were removed: {blobs}, of {bytes} bytes.")
                }
            },
        }
    }
}
