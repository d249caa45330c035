//! Whom to call, and as whom.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What a client is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Each as `HOST:PORT`, a host of IPv6 in brackets. They are of one cluster.
    pub endpoints: Vec<String>,
    /// `None`: without TLS.
    pub tls: Option<TlsOptions>,
    /// `None`: as nobody.
    pub credentials: Option<Credentials>,
    /// Of one request to one endpoint; half of it is for connecting.
    pub timeout: Duration,
}

/// Whose certificates count, and which one is shown. All files are PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// Certificates of the authorities; no others count.
    pub authority: PathBuf,
    /// The own certificate, with those between it and the authority, and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A user of etcd's.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Its name.
    pub user: String,
    /// In clear; [`fmt::Debug`] does not show it.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}
