//! What an orchestrator says of the groups that keep their logs in one etcd.

use super::Message;
use crate::lang::Lang;

/// A line of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShardMessage {
    /// This node's group, and what it has for itself.
    Own { name: String, queues: Vec<String> },
    /// A queue that this node was told to take is another group's.
    Taken { queue: String, owner: String },
}

impl Message for ShardMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::Own { .. } => "group",
            Self::Taken { .. } => "group_queue_taken",
        }
    }

    fn text(&self, lang: Lang) -> String {
        match (lang, self) {
            (Lang::Pt, Self::Own { name, queues }) if queues.is_empty() => {
                format!("Grupo {name} neste etcd, sem filas próprias.")
            }
            (Lang::En, Self::Own { name, queues }) if queues.is_empty() => {
                format!("Group {name} on this etcd, without queues of its own.")
            }
            (Lang::Pt, Self::Own { name, queues }) => {
                format!("Grupo {name} neste etcd, com as filas {}.", queues.join(", "))
            }
            (Lang::En, Self::Own { name, queues }) => {
                format!("Group {name} on this etcd, with the queues {}.", queues.join(", "))
            }
            (Lang::Pt, Self::Taken { queue, owner }) => format!(
                "ERRO: a fila {queue} é do grupo {owner}, e continua dele. Tire-a de --queues; para mudá-la de grupo, veja docs/scale.md."
            ),
            (Lang::En, Self::Taken { queue, owner }) => format!(
                "ERROR: the queue {queue} is of group {owner}, and remains so. Take it out of --queues; how to move it to another group: docs/scale.md."
            ),
        }
    }
}

/// The help of one argument, by its id.
pub fn help(id: &str, lang: Lang) -> Option<&'static str> {
    Some(match (id, lang) {
        ("group", Lang::Pt) => {
            "Um de vários grupos de orquestradores num só etcd, cada um com o seu diário e as suas filas (docs/scale.md)"
        }
        ("group", Lang::En) => {
            "One of several groups of orchestrators on one etcd, each with a log and queues of its own (docs/scale.md)"
        }
        ("queues", Lang::Pt) => {
            "Filas que são só deste grupo; as que não são de nenhum são dos orquestradores sem --group"
        }
        ("queues", Lang::En) => {
            "Queues that are this group's alone; those of none are with the orchestrators without --group"
        }
        _ => return None,
    })
}
