//! What an orchestrator says of the other one's messages.

use super::Message;
use crate::lang::Lang;

/// A line of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerMessage {
    /// What the other one sends cannot be read; `detail` is for developers.
    Unreadable { detail: String },
}

impl Message for PeerMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "peer_unreadable",
        }
    }

    fn text(&self, lang: Lang) -> String {
        let Self::Unreadable { detail } = self;
        match lang {
            Lang::Pt => format!(
                "O outro orquestrador envia o que este programa não conhece: se aquele é mais novo, atualize este (docs/operations.md). [{detail}]"
            ),
            Lang::En => format!(
                "The other orchestrator sends what this program does not know: if that one is newer, upgrade this one (docs/operations.md). [{detail}]"
            ),
        }
    }
}
