//! What an orchestrator says of the other one's messages.

use super::Message;
use crate::lang::Lang;

/// A line of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerMessage {
    /// What the other one sends cannot be read; `detail` is for developers.
    Unreadable { detail: String },
    /// Something is there, or nothing answers at all; `why` is for developers.
    NoLink { address: String, why: String },
}

impl Message for PeerMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "peer_unreadable",
            Self::NoLink { .. } => "peer_not_linked",
        }
    }

    fn text(&self, lang: Lang) -> String {
        match (self, lang) {
            (Self::Unreadable { detail }, Lang::Pt) => format!(
                "O outro orquestrador envia o que este programa não conhece: se aquele é mais novo, atualize este (docs/operations.md). [{detail}]"
            ),
            (Self::Unreadable { detail }, Lang::En) => format!(
                "The other orchestrator sends what this program does not know: if that one is newer, upgrade this one (docs/operations.md). [{detail}]"
            ),
            (Self::NoLink { address, why }, Lang::Pt) => {
                format!(
                    "Sem ligação com o outro orquestrador em {address}; tentando de novo. [{why}]"
                )
            }
            (Self::NoLink { address, why }, Lang::En) => {
                format!("No link to the other orchestrator at {address}; trying again. [{why}]")
            }
        }
    }
}
