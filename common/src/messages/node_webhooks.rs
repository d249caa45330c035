//! What an orchestrator says of webhooks.

use super::words::counted;
use super::{Fields, Message};
use crate::array_id;
use crate::lang::Lang;

/// A line of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookMessage {
    /// Nobody is told of this task's end any more.
    GivenUp { task: String, url: String, tries: u16, error: String },
}

impl Message for WebhookMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::GivenUp { .. } => "webhook_given_up",
        }
    }

    fn fields(&self) -> Fields<'_> {
        let Self::GivenUp { task, .. } = self;
        Fields { task: Some(task), ..Fields::default() }
    }

    fn text(&self, lang: Lang) -> String {
        let Self::GivenUp { task, url, tries, error } = self;
        let task = array_id::shown(task);
        match lang {
            Lang::Pt => format!(
                "Aviso do fim da tarefa [{task}] abandonado depois de {}, para {url}: {error}.",
                counted(tries, "tentativa", "tentativas")
            ),
            Lang::En => format!(
                "Webhook of task [{task}] given up after {}, to {url}: {error}.",
                counted(tries, "attempt", "attempts")
            ),
        }
    }
}

/// The help of one argument, by its id.
pub fn help(id: &str, lang: Lang) -> Option<&'static str> {
    Some(match lang {
        Lang::Pt => match id {
            "webhook_allow" => {
                "Para onde o fim de tarefas pode ser avisado (--webhook do cliente): um host, host:porta ou início de URL; pode ser repetida [sem ela: nenhum]"
            }
            "webhook_secret_file" => {
                "Arquivo com a chave que assina os avisos, whsec_… (base64 de 24 a 64 bytes), a mesma nos dois orquestradores"
            }
            "webhook_attempts" => "Tentativas de um aviso, depois das quais é abandonado",
            "webhook_retry_ms" => {
                "Espera, em milissegundos, depois da primeira tentativa falha de um aviso, no máximo; triplica a cada uma, até um dia"
            }
            _ => return None,
        },
        Lang::En => match id {
            "webhook_allow" => {
                "Where the end of tasks may be told to (--webhook of the client): a host, host:port or beginning of a URL; may be repeated [without it: nowhere]"
            }
            "webhook_secret_file" => {
                "File with the key that signs webhooks, whsec_… (base64 of 24 to 64 bytes), the same on both orchestrators"
            }
            "webhook_attempts" => "Attempts of a webhook, after which it is given up",
            "webhook_retry_ms" => {
                "Milliseconds after the first failed attempt of a webhook, at most; tripled with each further one, up to a day"
            }
            _ => return None,
        },
    })
}

/// Why a key is refused, if it can be read.
pub fn no_key(lang: Lang) -> String {
    match lang {
        Lang::Pt => "não é uma chave: whsec_ seguido do base64 de 24 a 64 bytes".into(),
        Lang::En => "is no key: whsec_ followed by the base64 of 24 to 64 bytes".into(),
    }
}
