//! Why an operation was not done.

use std::path::PathBuf;

use tonic::Code;

/// Why an operation was not done, or not certainly.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No endpoint could do it. Nothing was changed.
    #[error("no endpoint of etcd could do it: {why}")]
    Unavailable {
        /// What the endpoint that was tried last said.
        why: String,
    },
    /// A write that may have taken effect, or may still.
    #[error("etcd did not say whether it was done: {why}")]
    Unknown {
        /// What happened instead of an answer.
        why: String,
    },
    /// The database has reached its quota. Deleting and reading go on. Nothing was changed.
    #[error("the database of etcd is full")]
    NoSpace,
    /// The request is larger than the server takes, or the answer to a read larger than 64 MiB. Nothing was changed.
    #[error("too large for etcd: {why}")]
    TooLarge {
        /// What the server said.
        why: String,
    },
    /// The server has more to do than it can. Nothing was changed.
    #[error("etcd has too many requests")]
    TooMany,
    /// What happened at that revision is forgotten.
    #[error("etcd has compacted the revision (the oldest is {revision})")]
    Compacted {
        /// The oldest that there is; 0 where the server does not say, as for reads.
        revision: i64,
    },
    /// There is no such lease: it has expired, was revoked, or never was.
    #[error("the lease is gone")]
    LeaseGone,
    /// User or password are wrong, or the user may not. Nothing was changed.
    #[error("etcd denies it: {why}")]
    Denied {
        /// What the server said.
        why: String,
    },
    /// No connection counts: of the certificate of the server, or of the own. Nothing was changed.
    #[error("no connection by TLS: {0}")]
    Tls(String),
    /// A file of TLS cannot be used.
    #[error("{path}: {why}")]
    Files {
        /// Which.
        path: PathBuf,
        /// What the system or the reader says.
        why: String,
    },
    /// Not `HOST:PORT`, or not one of those of this client.
    #[error("no endpoint: `{0}`")]
    Endpoint(String),
    /// Anything else that the server says no to. Nothing was changed.
    #[error("etcd refuses it ({code:?}): {message}")]
    Refused {
        /// Its code.
        code: Code,
        /// Its words.
        message: String,
    },
}
