//! What the owner of a certificate may be: a name in the certificate that only whoever has the key of the authority can put there.

use std::fmt;

use clap::ValueEnum;
use clap::builder::PossibleValue;

/// In the order in which help lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Serves as a node, and is the other one's peer.
    Orchestrator,
    /// Registers as a worker, and testifies as a witness.
    Worker,
    /// A user's, beside the token.
    Client,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Orchestrator, Self::Worker, Self::Client];

    /// As on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Orchestrator => "orchestrator",
            Self::Worker => "worker",
            Self::Client => "client",
        }
    }

    /// The name of the kind `uniformResourceIdentifier` in the certificate.
    pub fn uri(self) -> String {
        format!("urn:mutirao:role:{}", self.word())
    }

    /// `None`: it names no role of ours.
    pub fn of_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.uri() == uri)
    }
}

/// Without texts of its own: help is in the message catalogue.
impl ValueEnum for Role {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.word()))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
