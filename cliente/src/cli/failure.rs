//! Why a subcommand did not succeed: what to say, and with what code to end.

use std::sync::Arc;

use common::error_code::ErrorCode;
use common::exit;
use common::lang::Lang;
use common::messages::client::ClientMessage;
use common::messages::drill::DrillMessage;
use common::messages::{Message as _, error};
use serde_json::json;

use super::terminal::say;

/// Everything that ends a subcommand early.
#[derive(Debug)]
pub enum Failure {
    /// The orchestrators refused, or none answered.
    Refused(cliente::Error),
    /// Nothing has the name that was given; said as the code and more than the code says.
    Unknown { code: ErrorCode, message: Box<ClientMessage> },
    /// What was asked would do harm now.
    Denied(Box<DrillMessage>),
    /// The command line cannot work.
    Usage(Box<ClientMessage>),
    /// No subcommand, and no terminal for the menu.
    NoCommand,
    /// No user or token was given in any way.
    NoCredentials,
    /// Something of this machine is missing or cannot be used.
    Resource(Box<ClientMessage>),
    /// The wait ended before the work did.
    TimedOut(Box<ClientMessage>),
    /// Ctrl+C at a prompt.
    Interrupted,
    /// A signal ended a wait, and this is its exit code; said already.
    Signalled(u8),
    /// The reader of our output has seen enough.
    ClosedOutput,
}

impl Failure {
    pub fn usage(message: ClientMessage) -> Self {
        Self::Usage(Box::new(message))
    }

    /// A file or terminal of ours failed.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        |error| match error.kind() {
            std::io::ErrorKind::Interrupted => Self::Interrupted,
            // It could be read, and is not what it should be.
            std::io::ErrorKind::InvalidData => Self::usage(ClientMessage::NotText { source: what }),
            _ => Self::Resource(Box::new(ClientMessage::Io { what, error: Arc::new(error) })),
        }
    }

    /// What the caller named cannot be read.
    pub fn input(what: &str) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.to_owned();
        |error| Self::usage(ClientMessage::Io { what, error: Arc::new(error) })
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(error) => refused(error.code),
            Self::Unknown { code, .. } => refused(*code),
            Self::Denied(_) => exit::REFUSED,
            Self::Usage(_) | Self::NoCommand | Self::NoCredentials => exit::USAGE,
            Self::Resource(_) => exit::RESOURCE,
            Self::TimedOut(_) => exit::TIMEOUT,
            Self::Interrupted => exit::INTERRUPTED,
            Self::Signalled(code) => *code,
            Self::ClosedOutput => exit::OK,
        }
    }

    /// What to say; nothing when nobody listens.
    pub fn text(&self, lang: Lang) -> Option<String> {
        match self {
            Self::Refused(refusal) => Some(error::text(refusal.code, &refusal.message, lang)),
            Self::Denied(message) => Some(message.text(lang)),
            Self::Usage(message)
            | Self::Resource(message)
            | Self::TimedOut(message)
            | Self::Unknown { message, .. } => Some(message.text(lang)),
            Self::NoCommand => Some(ClientMessage::NoCommand.text(lang)),
            Self::NoCredentials => Some(ClientMessage::NoCredentials.text(lang)),
            Self::Interrupted | Self::Signalled(_) | Self::ClosedOutput => None,
        }
    }

    /// Tells whoever called: a person, or a program that wants an object.
    pub fn tell(&self, is_json: bool, lang: Lang) {
        let text = if is_json { self.json(lang) } else { self.text(lang) };
        text.iter().for_each(|text| say(text));
    }

    /// The same for programs.
    fn json(&self, lang: Lang) -> Option<String> {
        let text = self.text(lang)?;
        let code = match self {
            Self::Refused(refusal) => refusal.code.word(),
            Self::Unknown { code, .. } => code.word(),
            Self::Denied(_) => "REFUSED",
            Self::Usage(_) | Self::NoCommand | Self::NoCredentials => "USAGE",
            Self::Resource(_) => "RESOURCE",
            Self::TimedOut(_) => "TIMEOUT",
            Self::Interrupted | Self::Signalled(_) | Self::ClosedOutput => return None,
        };
        Some(object(code, &text))
    }
}

/// An error for programs.
fn object(code: &str, message: &str) -> String {
    json!({ "error": { "code": code, "message": message } }).to_string()
}

/// The command line could not be parsed.
pub fn tell_usage(text: &str, is_json: bool) {
    if is_json { say(&object("USAGE", text)) } else { say(text) }
}

/// The exit code of a refusal.
pub fn refused(code: ErrorCode) -> u8 {
    match code {
        ErrorCode::Unavailable
        | ErrorCode::BlobStoreAway
        | ErrorCode::NotPrimary
        | ErrorCode::StaleEpoch
        | ErrorCode::TlsFailed
        | ErrorCode::NotAnOrchestrator => exit::UNAVAILABLE,
        ErrorCode::Unauthenticated
        | ErrorCode::TokenExpired
        | ErrorCode::TooManyAttempts
        | ErrorCode::CertificateRequired
        | ErrorCode::CertificateRefused => exit::UNAUTHENTICATED,
        ErrorCode::TaskNotFound
        | ErrorCode::ArrayNotFound
        | ErrorCode::GroupNotFound
        | ErrorCode::WebhookNotFound
        | ErrorCode::DependencyNotFound
        | ErrorCode::QueueNotFound
        | ErrorCode::ScheduleNotFound
        | ErrorCode::WorkerNotFound
        | ErrorCode::UserNotFound
        | ErrorCode::TokenNotFound
        | ErrorCode::BlobNotFound
        | ErrorCode::TailNotFound => exit::NOT_FOUND,
        ErrorCode::TailDamaged | ErrorCode::BlobDamaged => exit::BROKEN,
        ErrorCode::ForeignCluster
        | ErrorCode::TlsRequired
        | ErrorCode::WrongRole
        | ErrorCode::PermissionDenied
        | ErrorCode::InvalidArgument
        | ErrorCode::UnknownHandler
        | ErrorCode::NeedsNotMet
        | ErrorCode::WebhookNotAllowed
        | ErrorCode::TaskFinished
        | ErrorCode::NotRetriable
        | ErrorCode::DependencyNotRetried
        | ErrorCode::TaskIdConflict
        | ErrorCode::KeyConflict
        | ErrorCode::KeySpent
        | ErrorCode::WorkerIdTaken
        | ErrorCode::BlobStoreFull
        | ErrorCode::BlobStoreRefused
        | ErrorCode::FirstUserNotAdmin
        | ErrorCode::LastAdmin
        | ErrorCode::TokenKnown
        | ErrorCode::TooManyTokens
        | ErrorCode::ActionsLogFailed
        | ErrorCode::QueueFull
        | ErrorCode::QuotaTooSmall
        | ErrorCode::QuotaExceeded
        | ErrorCode::RateLimited
        | ErrorCode::Overloaded
        | ErrorCode::WatchLagged
        | ErrorCode::NotPromotable
        | ErrorCode::QueueElsewhere
        | ErrorCode::PeerInUse
        | ErrorCode::DemoCredentials
        | ErrorCode::DrillsOff
        | ErrorCode::Internal => exit::REFUSED,
    }
}

impl From<cliente::Error> for Failure {
    fn from(error: cliente::Error) -> Self {
        Self::Refused(error)
    }
}
