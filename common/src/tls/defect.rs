//! Why a certificate does not count, and why a connection could not be secured.

use rustls::pki_types::UnixTime;
use rustls::{CertificateError, OtherError};
use time::OffsetDateTime;

use super::{Role, Unreadable};

/// What is wrong with a certificate. A lower-case English fragment for developers; what to do stands beside the error code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// Signed by nobody who is trusted here.
    #[error("it is not signed by the authority that is trusted here")]
    OtherAuthority,
    /// Over.
    #[error("it expired at {}", moment(*.0))]
    Expired(Option<OffsetDateTime>),
    /// Not yet begun: a clock may be wrong.
    #[error("it is valid only from {}", moment(*.0))]
    NotYetValid(Option<OffsetDateTime>),
    /// Taken back by who signed it.
    #[error("it was revoked")]
    Revoked,
    /// Made for other names than the one that was called.
    #[error("it is for {presented}, not for {expected}")]
    OtherHost {
        /// What was called.
        expected: String,
        /// What stands in it.
        presented: String,
    },
    /// Its extensions exclude this use.
    #[error("it may not be used for this side of a connection")]
    Purpose,
    /// Made for something else.
    #[error("its role is {}, not {needed}", role(*.found))]
    OtherRole {
        /// In the certificate.
        found: Option<Role>,
        /// For this.
        needed: Role,
    },
    /// What was sent is none.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Anything rarer.
    #[error("{0}")]
    Other(String),
}

fn moment(moment: Option<OffsetDateTime>) -> String {
    moment.map_or_else(|| "a time that it does not say".to_owned(), |moment| moment.to_string())
}

fn role(role: Option<Role>) -> &'static str {
    role.map_or("none", Role::word)
}

impl Defect {
    /// `None`: the certificate is not what is wrong.
    pub(super) fn of(error: &rustls::Error) -> Option<Self> {
        match error {
            rustls::Error::InvalidCertificate(error) => Some(Self::of_certificate(error)),
            _ => None,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            // An authority of the same name has another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Self::OtherAuthority
            }
            CertificateError::Revoked => Self::Revoked,
            CertificateError::Expired => Self::Expired(None),
            CertificateError::ExpiredContext { not_after, .. } => Self::Expired(at(*not_after)),
            CertificateError::NotValidYet => Self::NotYetValid(None),
            CertificateError::NotValidYetContext { not_before, .. } => {
                Self::NotYetValid(at(*not_before))
            }
            CertificateError::NotValidForNameContext { expected, presented } => Self::OtherHost {
                expected: expected.to_str().into_owned(),
                presented: presented.join(", "),
            },
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Self::Purpose
            }
            CertificateError::Other(OtherError(error)) => match error.downcast_ref::<Self>() {
                Some(own) => own.clone(),
                None => Self::Other(error.to_string()),
            },
            other => Self::Other(other.to_string()),
        }
    }

    /// In the form in which a verifier may refuse.
    pub(super) fn into_rustls(self) -> rustls::Error {
        CertificateError::Other(OtherError(std::sync::Arc::new(self))).into()
    }
}

fn at(time: UnixTime) -> Option<OffsetDateTime> {
    let seconds = i64::try_from(time.as_secs()).ok()?;
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}

/// A connection that was not made: what is wrong with whoever was called. Found in the causes of a gRPC status.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Its answer to a handshake is none.
    #[error(
        "{address} does not speak TLS: call it by http://, without --tls-ca, or start it with --tls-cert"
    )]
    NotTls {
        /// What was called.
        address: String,
    },
    /// It is not who it should be.
    #[error("the certificate of {address} is refused: {defect}")]
    Certificate {
        /// What was called.
        address: String,
        /// What is wrong.
        defect: Defect,
    },
    /// Nobody can be known without a trusted authority.
    #[error("{address} speaks TLS, and no --tls-ca says whom to trust")]
    NoAuthority {
        /// What was to be called.
        address: String,
    },
    /// Nothing is sent in the clear by whoever has certificates.
    #[error("{address} would be called without TLS although --tls-ca is given: write https://")]
    Plain {
        /// What was to be called.
        address: String,
    },
    /// The protocol failed otherwise.
    #[error("no TLS with {address}: {error}")]
    Protocol {
        /// What was called.
        address: String,
        /// What the library says.
        error: rustls::Error,
    },
}

impl Failure {
    /// Among the causes of an error.
    pub fn within<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    /// `None`: the connection broke, which says nothing of TLS.
    pub(super) fn of_handshake(address: String, error: &std::io::Error) -> Option<Self> {
        let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
        Some(match (Defect::of(error), error) {
            (Some(defect), _) => Self::Certificate { address, defect },
            (None, rustls::Error::InvalidMessage(_)) => Self::NotTls { address },
            (None, error) => Self::Protocol { address, error: error.clone() },
        })
    }
}
