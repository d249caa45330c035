//! What an orchestrator says of those it did not let in.

use std::net::IpAddr;

use super::{Message, error};
use crate::error_code::ErrorCode;
use crate::lang::Lang;

/// A line of the console.
#[derive(Clone, Debug)]
pub enum RefusedMessage {
    /// A connection or certificate that is not for what was asked; `why` is for developers.
    Caller { address: Option<IpAddr>, code: ErrorCode, why: String },
    /// Many wrong tokens, the last one for this user.
    Guesses { address: Option<IpAddr>, user: String },
    /// So many connections that found no room, while so many were open.
    Connections { count: u64, open: u64 },
}

impl Message for RefusedMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::Caller { .. } => "caller_refused",
            Self::Guesses { .. } => "tokens_guessed",
            Self::Connections { .. } => "connections_refused",
        }
    }

    fn text(&self, lang: Lang) -> String {
        match (self, lang) {
            (Self::Caller { address, code, why }, Lang::Pt) => {
                format!(
                    "AVISO: chamada de {} recusada. {}",
                    place(*address),
                    error::text(*code, why, lang)
                )
            }
            (Self::Caller { address, code, why }, Lang::En) => {
                format!(
                    "WARNING: a call from {} was refused. {}",
                    place(*address),
                    error::text(*code, why, lang)
                )
            }
            (Self::Guesses { address, user }, Lang::Pt) => format!(
                "AVISO: muitos tokens errados, o último para o usuário {user}, de {}; outros não são nem olhados por um tempo (docs/security.md).",
                place(*address)
            ),
            (Self::Guesses { address, user }, Lang::En) => format!(
                "WARNING: many wrong tokens, the last one for the user {user}, from {}; more are not even looked at for a while (docs/security.md).",
                place(*address)
            ),
            (Self::Connections { count, open }, Lang::Pt) => format!(
                "AVISO: {count} conexões recusadas por falta de lugar, com {open} abertas; veja quem as abre, ou aumente --max-connections."
            ),
            (Self::Connections { count, open }, Lang::En) => format!(
                "WARNING: {count} connections refused for want of room, with {open} open; see who opens them, or raise --max-connections."
            ),
        }
    }
}

fn place(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "?".to_owned(), |address| address.to_string())
}
