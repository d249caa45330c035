//! What the client says of webhooks.

use super::Message;
use crate::lang::Lang;

/// Said on standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhooksMessage {
    /// So many are tried at once.
    Retried { count: u64 },
}

impl Message for WebhooksMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::Retried { .. } => "webhooks_retried",
        }
    }

    fn text(&self, lang: Lang) -> String {
        let Self::Retried { count } = self;
        match lang {
            Lang::Pt => format!(
                "Avisos tentados de novo agora: {count}; veja cliente webhooks list para os que ainda faltam."
            ),
            Lang::En => format!(
                "Webhooks tried again now: {count}; see cliente webhooks list for those that are still missing."
            ),
        }
    }
}

/// The help of one argument or subcommand, by its path.
pub fn help(id: &str, lang: Lang) -> Option<&'static str> {
    Some(match lang {
        Lang::Pt => match id {
            "webhooks.about" => "Lista avisos de webhook não entregues, e os tenta de novo",
            "webhooks.list.about" => {
                "Lista os avisos devidos ou abandonados, os seus ou, para administradores, todos (padrão)"
            }
            "webhooks.list.given_up" => "Só os abandonados",
            "webhooks.list.limit" => "Quantos mostrar no máximo",
            "webhooks.list.all" => "Mostra todos",
            "webhooks.retry.about" => {
                "Tenta agora avisos que esperam ou foram abandonados, estes desde o começo"
            }
            "webhooks.retry.task_ids" => {
                "Tarefas; um array representa as que terminaram com ele antes da sua vez"
            }
            "webhooks.retry.all" => "Todos os seus; para administradores, os de todos",
            _ => return None,
        },
        Lang::En => match id {
            "webhooks.about" => "Lists webhooks that are not delivered, and tries them again",
            "webhooks.list.about" => {
                "Lists webhooks that are owed or were given up, yours or, for administrators, all (default)"
            }
            "webhooks.list.given_up" => "Only those given up",
            "webhooks.list.limit" => "How many to show at most",
            "webhooks.list.all" => "Shows all",
            "webhooks.retry.about" => {
                "Tries webhooks now that wait or were given up, these from the beginning"
            }
            "webhooks.retry.task_ids" => {
                "Tasks; an array stands for those that ended with it before their turn"
            }
            "webhooks.retry.all" => "All of yours; for administrators, everybody's",
            _ => return None,
        },
    })
}
