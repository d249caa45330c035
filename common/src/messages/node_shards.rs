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
    /// A queue is another group's from now on.
    Moved { queue: String, to: String },
    /// A group is forgotten.
    Removed { name: String },
    /// There is none, or its log is still in etcd.
    NotRemoved { name: String },
    /// No group of this name has ever had a principal.
    NoSuchGroup { name: String },
    /// The groups could not be looked at; `error` is for developers.
    Failed { error: String },
}

impl Message for ShardMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::Own { .. } => "group",
            Self::Taken { .. } => "group_queue_taken",
            Self::Moved { .. } => "group_queue_moved",
            Self::Removed { .. } => "group_removed",
            Self::NotRemoved { .. } => "group_not_removed",
            Self::NoSuchGroup { .. } => "group_unknown",
            Self::Failed { .. } => "groups_failed",
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
                "ERRO: a fila {queue} é do grupo {owner}, e continua dele. Tire-a de --queues, ou mude-a de grupo com orquestrador groups --move."
            ),
            (Lang::Pt, Self::Moved { queue, to }) => format!(
                "A fila {queue} é agora do grupo {to}. O que outro já recebeu dela fica com ele, e lá termina; ajuste --queues dos dois."
            ),
            (Lang::En, Self::Moved { queue, to }) => format!(
                "The queue {queue} is now of group {to}. What another has received of it stays there, and ends there; adjust --queues of both."
            ),
            (Lang::Pt, Self::Removed { name }) => {
                format!(
                    "O grupo {name} foi esquecido; as filas dele são agora dos orquestradores sem --group."
                )
            }
            (Lang::En, Self::Removed { name }) => {
                format!(
                    "Group {name} is forgotten; its queues are now with the orchestrators without --group."
                )
            }
            (Lang::Pt, Self::NotRemoved { name }) => format!(
                "Não há grupo {name}, ou o diário dele ainda está no etcd, em …/group/{name}/; apague-o antes, se nada dele faz mais falta (docs/groups.md). Nada foi feito."
            ),
            (Lang::En, Self::NotRemoved { name }) => format!(
                "There is no group {name}, or its log is still in etcd, at …/group/{name}/; delete that first, if nothing of it is needed any more (docs/groups.md). Nothing was done."
            ),
            (Lang::Pt, Self::NoSuchGroup { name }) => {
                format!(
                    "Nenhum grupo {name} serviu neste etcd; inicie antes os orquestradores dele. Nada foi feito."
                )
            }
            (Lang::En, Self::NoSuchGroup { name }) => {
                format!(
                    "No group {name} has served on this etcd; start its orchestrators first. Nothing was done."
                )
            }
            (Lang::Pt, Self::Failed { error }) => {
                format!("ERRO: os grupos não puderam ser vistos. [{error}]")
            }
            (Lang::En, Self::Failed { error }) => {
                format!("ERROR: the groups could not be looked at. [{error}]")
            }
            (Lang::En, Self::Taken { queue, owner }) => format!(
                "ERROR: the queue {queue} is of group {owner}, and remains so. Take it out of --queues, or move it to this group with orquestrador groups --move."
            ),
        }
    }
}

impl ShardMessage {
    /// Of the columns of `orquestrador groups`, as it writes them.
    pub fn heads(lang: Lang) -> String {
        match lang {
            Lang::Pt => "GRUPO\tFILAS\tORQUESTRADORES".into(),
            Lang::En => "GROUP\tQUEUES\tORCHESTRATORS".into(),
        }
    }
}

/// The help of one argument, by its id.
pub fn help(id: &str, lang: Lang) -> Option<&'static str> {
    Some(match (id, lang) {
        ("groups.about", Lang::Pt) => {
            "Mostra os grupos de orquestradores de um etcd: nome, filas e endereços; --move dá uma fila a outro"
        }
        ("groups.about", Lang::En) => {
            "Show the groups of orchestrators of an etcd: name, queues and addresses; --move gives a queue to another"
        }
        ("groups.engine", Lang::Pt) => "Qual etcd, e o prefixo comum dos grupos",
        ("groups.engine", Lang::En) => "Which etcd, and the prefix that the groups share",
        ("groups.moved", Lang::Pt) => {
            "Dá esta fila ao grupo de --to; o que já foi recebido dela fica onde está"
        }
        ("groups.moved", Lang::En) => {
            "Give this queue to the group of --to; what was received of it stays where it is"
        }
        ("groups.remove", Lang::Pt) => "Esquece este grupo, cujo diário não está mais no etcd",
        ("groups.remove", Lang::En) => "Forget this group, whose log is no longer in etcd",
        ("groups.to", Lang::Pt) => "A que grupo; default é o dos orquestradores sem --group",
        ("groups.to", Lang::En) => {
            "To which group; default is that of the orchestrators without --group"
        }
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
