//! Why a subcommand did not succeed: what to say, and with what code to end.

use common::error_code::ErrorCode;
use common::exit;
use common::lang::Lang;
use common::messages::client::ClientMessage;
use common::messages::{Message as _, error};

/// Everything that ends a subcommand early.
#[derive(Debug)]
pub enum Failure {
    /// The orchestrators refused, or none answered.
    Refused(cliente::Error),
    /// No subcommand, and no terminal for the menu.
    NoCommand,
    /// No user or token was given in any way.
    NoCredentials,
    /// They hold characters that cannot be sent.
    UnusableCredentials,
    /// The profile can be read by others.
    OpenProfile { path: String },
    /// A file, or a terminal, could not be read or written.
    Io { what: String, source: std::io::Error },
    /// Something else is wrong with the command line.
    Usage(Box<ClientMessage>),
    /// The wait ended before the work did.
    WaitedEnough,
    /// The reader of our output has seen enough.
    ClosedOutput,
}

impl Failure {
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        |source| Self::Io { what, source }
    }

    pub fn usage(message: ClientMessage) -> Self {
        Self::Usage(Box::new(message))
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(error) => match error.code {
                ErrorCode::Unavailable | ErrorCode::NotPrimary | ErrorCode::StaleEpoch => {
                    exit::UNAVAILABLE
                }
                ErrorCode::Unauthenticated => exit::UNAUTHENTICATED,
                ErrorCode::TaskNotFound | ErrorCode::UserNotFound => exit::NOT_FOUND,
                ErrorCode::ForeignCluster
                | ErrorCode::PermissionDenied
                | ErrorCode::InvalidArgument
                | ErrorCode::UnknownHandler
                | ErrorCode::TaskFinished
                | ErrorCode::TaskIdConflict
                | ErrorCode::FirstUserNotAdmin
                | ErrorCode::LastAdmin
                | ErrorCode::QueueFull
                | ErrorCode::Overloaded
                | ErrorCode::WatchLagged
                | ErrorCode::NotPromotable
                | ErrorCode::Internal => exit::REFUSED,
            },
            Self::NoCommand | Self::NoCredentials | Self::UnusableCredentials | Self::Usage(_) => {
                exit::USAGE
            }
            Self::OpenProfile { .. } | Self::Io { .. } => exit::RESOURCE,
            Self::WaitedEnough => exit::TIMEOUT,
            Self::ClosedOutput => exit::OK,
        }
    }

    /// What to say; nothing when nobody listens.
    pub fn text(&self, lang: Lang) -> Option<String> {
        Some(match self {
            Self::Refused(refusal) => error::text(refusal.code, &refusal.message, lang),
            Self::NoCommand => ClientMessage::NoCommand.text(lang),
            Self::NoCredentials => ClientMessage::NoCredentials.text(lang),
            Self::UnusableCredentials => ClientMessage::UnusableCredentials.text(lang),
            Self::OpenProfile { path } => {
                ClientMessage::OpenProfile { path: path.clone() }.text(lang)
            }
            Self::Io { what, source } => {
                ClientMessage::Io { what: what.clone(), error: source.to_string() }.text(lang)
            }
            Self::Usage(message) => message.text(lang),
            Self::WaitedEnough => ClientMessage::WaitedEnough.text(lang),
            Self::ClosedOutput => return None,
        })
    }
}

impl From<cliente::Error> for Failure {
    fn from(error: cliente::Error) -> Self {
        Self::Refused(error)
    }
}
