//! What one attempt at one endpoint failed of, and what is certain then.

use std::error::Error as StdError;

use tonic::{Code, ConnectError, Status};

use crate::Error;

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request certainly changed nothing: another endpoint may have it.
    NotDone(String),
    /// As `NotDone`, because one of the two does not trust the other.
    Tls(String),
    /// Nobody knows whether it was done, or will be.
    Unsure(String),
    /// The server wants another token. Nothing was changed.
    Token(String),
    /// The server has done it, and its answer is larger than we take.
    Oversized(String),
    /// An answer, and every endpoint would give the same.
    Final(Error),
}

/// The handshake failed because of what one side showed or asked for, not of the network.
#[derive(Debug, thiserror::Error)]
#[error("{endpoint}: {why}")]
pub(crate) struct Untrusted {
    pub endpoint: String,
    pub why: rustls::Error,
}

impl Failure {
    /// What a status says of a request.
    pub fn of(status: &Status) -> Self {
        if let Some(error) = find::<Untrusted>(status) {
            return Self::Tls(error.to_string());
        }
        let why = describe(status);
        if find::<ConnectError>(status).is_some() {
            return Self::NotDone(why);
        }
        // What the server itself says has no source: that is of a connection.
        if status.source().is_some() {
            return Self::Unsure(why);
        }
        Self::said(status, why)
    }

    /// Another endpoint may do better.
    pub fn is_of_endpoint(&self) -> bool {
        match self {
            Self::NotDone(_) | Self::Tls(_) | Self::Unsure(_) => true,
            Self::Token(_) | Self::Oversized(_) | Self::Final(_) => false,
        }
    }

    /// By the words where the code is not enough: the same codes stand for several things, and codes differ by version.
    fn said(status: &Status, why: String) -> Self {
        let says = |words: &str| status.message().contains(words);
        let code = status.code();
        let final_error = match code {
            _ if says("database space exceeded") => Error::NoSpace,
            _ if says("too many requests") => Error::TooMany,
            _ if says("required revision has been compacted") => Error::Compacted { revision: 0 },
            _ if says("requested lease not found") => Error::LeaseGone,
            _ if says("request is too large") || says("received message larger than max") => {
                Error::TooLarge { why }
            }
            // By our own side, of an answer.
            Code::OutOfRange if says("decoded message length too large") => {
                return Self::Oversized(why);
            }
            // Looked at before anything else is.
            Code::Unavailable if says("no leader") => return Self::NotDone(why),
            _ if says("invalid auth token") || says("user name is empty") => {
                return Self::Token(why);
            }
            _ if says("auth") && says("revision") && says("is old") => return Self::Token(why),
            Code::PermissionDenied | Code::Unauthenticated => Error::Denied { why },
            _ if says("authentication failed") => Error::Denied { why },
            Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::ResourceExhausted
            | Code::Unimplemented => Error::Refused { code, message: why },
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss => return Self::Unsure(why),
        };
        Self::Final(final_error)
    }
}

/// Of what a server says: no attempt at another endpoint follows. It does for what is not sure.
impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotDone(why) | Failure::Unsure(why) => Self::Unavailable { why },
            Failure::Tls(why) => Self::Tls(why),
            Failure::Token(why) => Self::Denied { why },
            Failure::Oversized(why) => Self::TooLarge { why },
            Failure::Final(error) => error,
        }
    }
}

/// Its words, and those of the last cause.
fn describe(status: &Status) -> String {
    let mut last: Option<&(dyn StdError + 'static)> = status.source();
    while let Some(next) = last.and_then(StdError::source) {
        last = Some(next);
    }
    let message = status.message();
    match last.map(ToString::to_string) {
        Some(cause) if !message.contains(&cause) => format!("{message}: {cause}"),
        Some(_) | None => message.to_owned(),
    }
}

fn find<E: StdError + 'static>(status: &Status) -> Option<&E> {
    let mut next = status.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: Code, words: &str) -> String {
        match Failure::of(&Status::new(code, words)) {
            Failure::Final(error) => format!("{error:?}"),
            other => format!("{other:?}"),
        }
        .split([' ', '('])
        .next()
        .unwrap_or_default()
        .to_owned()
    }

    #[test]
    fn what_servers_say_is_understood() {
        let table = [
            (Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded", "NoSpace"),
            (Code::ResourceExhausted, "etcdserver: too many requests", "TooMany"),
            (Code::InvalidArgument, "etcdserver: request is too large", "TooLarge"),
            (
                Code::ResourceExhausted,
                "grpc: received message larger than max (3 vs. 2)",
                "TooLarge",
            ),
            (
                Code::OutOfRange,
                "etcdserver: mvcc: required revision has been compacted",
                "Compacted",
            ),
            (Code::NotFound, "etcdserver: requested lease not found", "LeaseGone"),
            (Code::PermissionDenied, "etcdserver: permission denied", "Denied"),
            (
                Code::InvalidArgument,
                "etcdserver: authentication failed, invalid user ID or password",
                "Denied",
            ),
            (Code::Unauthenticated, "etcdserver: invalid auth token", "Token"),
            (Code::InvalidArgument, "etcdserver: user name is empty", "Token"),
            (Code::Unknown, "auth: revision in header is old", "Token"),
            (Code::InvalidArgument, "etcdserver: revision of auth store is old", "Token"),
            (Code::Unavailable, "etcdserver: no leader", "NotDone"),
            (Code::Unavailable, "etcdserver: request timed out", "Unsure"),
            (Code::Unavailable, "etcdserver: leader changed", "Unsure"),
            (Code::DeadlineExceeded, "context deadline exceeded", "Unsure"),
            (Code::InvalidArgument, "etcdserver: duplicate key given in txn request", "Refused"),
        ];
        for (code, words, expected) in table {
            assert_eq!(of(code, words), expected, "{words}");
        }
    }
}
