//! TLS between all processes: certificates of one authority, each with a role. Without the flags nothing of it is used.

mod accept;
mod certificate;
mod connect;
mod defect;
mod follow;
mod list;
mod material;
mod open;
mod role;
mod verify;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use time::OffsetDateTime;

use self::material::Material;
use self::open::OpenConnections;
use crate::messages::tls::TlsMessage;

pub use accept::{Acceptor, Caller, Connected, Connection, incoming};
pub use certificate::{Certificate, Unreadable};
pub(crate) use connect::Connector;
pub use defect::{Defect, Failure};
pub use list::RevocationList;
pub use role::Role;

/// So long before its end a certificate is spoken of.
const WARN_DAYS: i64 = 30;

/// The flags of all four binaries; their texts are in the message catalogue.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, clap::Args, serde::Deserialize, serde::Serialize,
)]
#[serde(default)]
#[group(skip)]
pub struct Flags {
    /// The certificate of this process, with those between it and the authority.
    #[arg(long, env = "MUTIRAO_TLS_CERT", value_name = "FILE", global = true)]
    pub tls_cert: Option<PathBuf>,
    /// Its key.
    #[arg(long, env = "MUTIRAO_TLS_KEY", value_name = "FILE", global = true)]
    pub tls_key: Option<PathBuf>,
    /// The certificate of the authority that signs all others.
    #[arg(long, env = "MUTIRAO_TLS_CA", value_name = "FILE", global = true)]
    pub tls_ca: Option<PathBuf>,
    /// Its list of certificates that do not count any more.
    #[arg(long, env = "MUTIRAO_TLS_CRL", value_name = "FILE", global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_crl: Option<PathBuf>,
}

impl Flags {
    /// None is given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The same files, named so that they are found from anywhere.
    ///
    /// # Errors
    /// There is no current directory.
    pub fn absolute(&self) -> std::io::Result<Self> {
        let absolute = |path: &Option<PathBuf>| path.as_ref().map(std::path::absolute).transpose();
        Ok(Self {
            tls_cert: absolute(&self.tls_cert)?,
            tls_key: absolute(&self.tls_key)?,
            tls_ca: absolute(&self.tls_ca)?,
            tls_crl: absolute(&self.tls_crl)?,
        })
    }
}

/// What is wrong with the files that the flags name.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Problem {
    /// A server needs all three; a client the authority, and both of the others or none.
    #[error("--tls-cert, --tls-key and --tls-ca belong together, and --tls-crl to --tls-ca")]
    Incomplete,
    /// It cannot be read.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: Arc<std::io::Error>,
    },
    /// It holds neither a certificate nor a key, whichever it should.
    #[error("{path}: {why}")]
    NotPem {
        /// Which.
        path: PathBuf,
        /// What the reader says.
        why: String,
    },
    /// Everybody on this machine can read it.
    #[error("{path} can be read by others")]
    OpenKey {
        /// Which.
        path: PathBuf,
    },
    /// The key belongs to another certificate, or cannot be used.
    #[error("{key} is not the key of {cert}: {why}")]
    OtherKey {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
        /// What the library says.
        why: String,
    },
    /// A list of revoked certificates that another authority signed, or nobody.
    #[error("{path} is not signed by the authority")]
    OtherList {
        /// Which.
        path: PathBuf,
    },
    /// The others would refuse it.
    #[error("{path}: {defect}")]
    Own {
        /// The certificate.
        path: PathBuf,
        /// What is wrong.
        defect: Defect,
    },
    /// An address without TLS beside certificates.
    #[error("{address} is without TLS")]
    PlainAddress {
        /// Which.
        address: String,
    },
    /// An address with TLS, and nobody to trust.
    #[error("{address} needs --tls-ca")]
    NoAuthority {
        /// Which.
        address: String,
    },
}

/// What a process needs to speak TLS. By default it speaks none. Cheap to clone, and all clones have what was read last.
#[derive(Clone, Debug, Default)]
pub struct Tls(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    flags: Flags,
    /// It serves in this role.
    needed: Option<Role>,
    material: RwLock<Arc<Material>>,
    open: OpenConnections,
}

impl Inner {
    fn material(&self) -> Arc<Material> {
        Arc::clone(&self.material.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Tls {
    /// Of a client: at least the authority.
    ///
    /// # Errors
    /// Some flags lack others, or a file is not what it should be. Whether others would take the certificate is not looked at.
    pub fn read(flags: &Flags) -> Result<Self, Problem> {
        Self::new(flags, None)
    }

    /// Of a process that serves in this role: all of it or nothing, and a certificate that others will take.
    ///
    /// # Errors
    /// As [`Tls::read`]; or the certificate is of another authority or role, revoked, or not valid now.
    pub fn serving(flags: &Flags, role: Role) -> Result<Self, Problem> {
        Self::new(flags, Some(role))
    }

    fn new(flags: &Flags, needed: Option<Role>) -> Result<Self, Problem> {
        let inner = |material| {
            let (flags, material) = (flags.clone(), RwLock::new(Arc::new(material)));
            Arc::new(Inner { flags, needed, material, open: OpenConnections::default() })
        };
        Ok(Self(Material::read(flags, needed)?.map(inner)))
    }

    /// Certificates were given.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Of this process.
    pub fn own(&self) -> Option<Certificate> {
        self.0.as_ref()?.material().own.as_ref().map(|own| own.certificate.clone())
    }

    /// Whether who calls this process by that name takes its certificate for it; so does everybody without TLS.
    pub fn is_named(&self, host: &str) -> bool {
        let material = self.0.as_ref().map(|inner| inner.material());
        material
            .and_then(|material| material.own.as_ref().map(|own| own.is_named(host)))
            .unwrap_or(true)
    }

    /// When the own certificate is over, and the first authority.
    pub fn ends(&self) -> (Option<OffsetDateTime>, Option<OffsetDateTime>) {
        let authority = self.0.as_ref().and_then(|inner| inner.material().authority_until);
        (self.own().map(|own| own.not_after), authority)
    }

    /// What to say of a process whose certificate, or list, will not count for long.
    pub fn warnings(&self) -> Vec<TlsMessage> {
        let now = OffsetDateTime::now_utc();
        let soon = self.own().and_then(|own| {
            let days = (own.not_after - now).whole_days();
            let (subject, until) = (own.subject, own.not_after);
            (days < WARN_DAYS).then_some(TlsMessage::ExpiresSoon { subject, until, days })
        });
        let list = self.0.as_ref().and_then(|inner| inner.material().list_until);
        let old = list.filter(|until| *until < now).map(|until| TlsMessage::OldList { until });
        soon.into_iter().chain(old).collect()
    }

    /// For a port; `None` where there is no own certificate.
    pub fn acceptor(&self) -> Option<Acceptor> {
        self.own()?;
        self.0.clone().map(Acceptor::new)
    }
}
