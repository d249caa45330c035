//! What the client says of queues.

use super::Message;
use crate::lang::Lang;

/// Said on standard error; `alike`: a queue whose name is like that, and is probably meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueuesMessage {
    /// It is to be changed, and there is none of this name.
    Unknown { queue: String, alike: Option<String> },
    /// The same, of a change that could make it.
    UnknownUnlessCreated { queue: String, alike: Option<String> },
    /// A change has made it.
    Created { queue: String, alike: Option<String> },
}

impl Message for QueuesMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "queue_unknown",
            Self::UnknownUnlessCreated { .. } => "queue_unknown_unless_created",
            Self::Created { .. } => "queue_created",
        }
    }

    fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::Pt => self.portuguese(),
            Lang::En => self.english(),
        }
    }
}

impl QueuesMessage {
    fn portuguese(&self) -> String {
        match self {
            Self::Unknown { queue, alike } => match alike {
                Some(alike) => format!("Não há fila {queue} (talvez: {alike})."),
                None => format!("Não há fila {queue}; veja cliente queues."),
            },
            Self::UnknownUnlessCreated { queue, alike } => {
                let unknown = Self::Unknown { queue: queue.clone(), alike: alike.clone() };
                format!("{} Para criá-la, use --create.", unknown.portuguese())
            }
            Self::Created { queue, alike } => match alike {
                Some(alike) => format!("A fila {queue} é nova; já havia uma fila {alike}."),
                None => format!("A fila {queue} é nova."),
            },
        }
    }

    fn english(&self) -> String {
        match self {
            Self::Unknown { queue, alike } => match alike {
                Some(alike) => format!("There is no queue {queue} (perhaps: {alike})."),
                None => format!("There is no queue {queue}; see cliente queues."),
            },
            Self::UnknownUnlessCreated { queue, alike } => {
                let unknown = Self::Unknown { queue: queue.clone(), alike: alike.clone() };
                format!("{} To make it, use --create.", unknown.english())
            }
            Self::Created { queue, alike } => match alike {
                Some(alike) => format!("The queue {queue} is new; there was a queue {alike}."),
                None => format!("The queue {queue} is new."),
            },
        }
    }
}

/// The help of one argument or subcommand, by its path.
pub fn help(id: &str, lang: Lang) -> Option<&'static str> {
    Some(match lang {
        Lang::Pt => match id {
            "queues.about" => "Lista e administra as filas",
            "queues.list.about" => "Lista as filas (padrão)",
            "queues.set.about" => "Muda como uma fila é atendida; cria a que não existe",
            "queues.set.weight" => "Peso diante das outras filas que têm trabalho, 1 a 1000",
            "queues.set.max_running" => {
                "Quantas tarefas dela podem executar ao mesmo tempo; 0: sem limite"
            }
            "queues.pause.about" => "Deixa de atribuir as tarefas de uma fila",
            "queues.pause.create" => "Também uma fila nova de nome parecido com o de outra",
            "queues.resume.about" => "Termina a pausa de uma fila",
            "queues.purge.about" => "Cancela tudo o que espera numa fila, de todos os usuários",
            _ if is_name(id) => "Nome da fila",
            _ => return None,
        },
        Lang::En => match id {
            "queues.about" => "Lists and manages queues",
            "queues.list.about" => "Lists the queues (default)",
            "queues.set.about" => "Changes how a queue is served; makes one that is not there",
            "queues.set.weight" => "Weight beside other queues that have work, 1 to 1000",
            "queues.set.max_running" => "How many of its tasks may run at a time; 0: no limit",
            "queues.pause.about" => "Assigns no more tasks of a queue",
            "queues.pause.create" => "Also a new queue whose name is like that of another",
            "queues.resume.about" => "Ends the pause of a queue",
            "queues.purge.about" => "Cancels all that waits in a queue, whosever it is",
            _ if is_name(id) => "Name of the queue",
            _ => return None,
        },
    })
}

fn is_name(id: &str) -> bool {
    ["queues.set.name", "queues.pause.name", "queues.resume.name", "queues.purge.name"]
        .contains(&id)
}
