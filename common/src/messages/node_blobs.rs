//! What an orchestrator says of the blobs that it keeps.

use super::Message;
use super::amounts::size;
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
    /// What was only here is in the object store now.
    Brought { blobs: u64, bytes: u64, store: String },
    /// Tasks refer to what is neither in the object store nor on a node.
    Nowhere { blobs: u64, store: String },
    /// The object store cannot be used; it is tried again.
    StoreAway { why: String },
    /// It can be used again.
    StoreBack { store: String },
}

impl Message for BlobMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::Fetched { .. } => "blobs_fetched",
            Self::Missing { .. } => "blobs_missing",
            Self::Removed { .. } => "blobs_removed",
            Self::Damaged { .. } => "blobs_damaged",
            Self::Brought { .. } => "blobs_brought",
            Self::Nowhere { .. } => "blobs_nowhere",
            Self::StoreAway { .. } => "blob_store_away",
            Self::StoreBack { .. } => "blob_store_back",
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
                    "Arquivos que faltavam aqui vieram do outro orquestrador: {blobs}, com {}.",
                    size(*bytes)
                ),
                Self::Missing { blobs } => format!(
                    "AVISO: arquivos de tarefas que faltam aqui, e que o outro orquestrador ainda não enviou: {blobs}."
                ),
                Self::Removed { blobs, bytes } => format!(
                    "Arquivos de que nenhuma tarefa precisa foram removidos: {blobs}, com {}.",
                    size(*bytes)
                ),
                Self::Brought { blobs, bytes, store } => format!(
                    "Arquivos de tarefas que não estavam em {store} foram levados para lá: {blobs}, com {}.",
                    size(*bytes)
                ),
                Self::Nowhere { blobs, store } => format!(
                    "AVISO: arquivos de tarefas que não estão em {store}, nem neste orquestrador, nem no outro: {blobs}."
                ),
                Self::StoreAway { why } => format!(
                    "AVISO: o depósito de arquivos de tarefas não responde, ou recusa; tarefas com arquivos esperam. [{why}]"
                ),
                Self::StoreBack { store } => {
                    format!("O depósito de arquivos de tarefas, {store}, responde de novo.")
                }
            },
            Lang::En => match self {
                Self::Damaged { blobs } => format!(
                    "WARNING: the disk has damaged {}, now in blobs/damaged; what the other orchestrator has comes from there. Look at the disk.",
                    counted(blobs, "file of tasks", "files of tasks")
                ),
                Self::Fetched { blobs, bytes } => format!(
                    "Files that were missing here came from the other orchestrator: {blobs}, of {}.",
                    size(*bytes)
                ),
                Self::Missing { blobs } => format!(
                    "WARNING: files of tasks that are missing here, and that the other orchestrator has not given yet: {blobs}."
                ),
                Self::Removed { blobs, bytes } => {
                    format!("Files that no task needs were removed: {blobs}, of {}.", size(*bytes))
                }
                Self::Brought { blobs, bytes, store } => format!(
                    "Files of tasks that were not in {store} were brought there: {blobs}, of {}.",
                    size(*bytes)
                ),
                Self::Nowhere { blobs, store } => format!(
                    "WARNING: files of tasks that are neither in {store}, nor at this orchestrator, nor at the other: {blobs}."
                ),
                Self::StoreAway { why } => format!(
                    "WARNING: the store of files of tasks does not answer, or refuses; tasks with files wait. [{why}]"
                ),
                Self::StoreBack { store } => {
                    format!("The store of files of tasks, {store}, answers again.")
                }
            },
        }
    }
}

/// The help of one argument, by its id.
pub fn help(id: &str, lang: Lang) -> Option<&'static str> {
    Some(match lang {
        Lang::Pt => match id {
            "max_blob_bytes" => {
                "Bytes dos arquivos de tarefas guardados neste nó, ou em --blob-store, por exemplo 16GiB"
            }
            "blob_grace_ms" => {
                "Quanto tempo fica, em milissegundos, um arquivo de que nenhuma tarefa precisa"
            }
            "blob_store" => {
                "Onde ficam arquivos de tarefas e conteúdos longos: um bucket compatível com S3, o mesmo nos dois orquestradores; credenciais em AWS_ACCESS_KEY_ID e AWS_SECRET_ACCESS_KEY [sem ela: nos dois nós]"
            }
            "s3_endpoint" => {
                "Endereço de um S3 que não é a AWS, por exemplo https://minio.exemplo:9000"
            }
            "s3_region" => "Região do bucket [padrão: AWS_REGION, ou us-east-1]",
            "blob_cache_bytes" => "Bytes de cópias, neste nó, do que está em --blob-store",
            _ => return None,
        },
        Lang::En => match id {
            "max_blob_bytes" => {
                "Bytes of the files of tasks kept on this node, or in --blob-store, for example 16GiB"
            }
            "blob_grace_ms" => "How long, in milliseconds, a file stays that no task needs",
            "blob_store" => {
                "Where files of tasks and long contents are kept: an S3-compatible bucket, the same on both orchestrators; credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY [without it: on both nodes]"
            }
            "s3_endpoint" => {
                "Address of an S3 that is not AWS, for example https://minio.example:9000"
            }
            "s3_region" => "Region of the bucket [default: AWS_REGION, or us-east-1]",
            "blob_cache_bytes" => "Bytes of copies, on this node, of what is in --blob-store",
            _ => return None,
        },
    })
}
