//! TLS between all processes: certificates of one authority, each with a role. Without the flags nothing of it is used.

mod accept;
mod certificate;
mod connect;
mod defect;
mod role;
mod verify;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use time::OffsetDateTime;

use crate::messages::tls::TlsMessage;

pub use accept::{Acceptor, Caller, Connected, Connection, incoming};
pub use certificate::{Certificate, Unreadable};
pub(crate) use connect::Connector;
pub use defect::{Defect, Failure};
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
        })
    }
}

/// What is wrong with the files that the flags name.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Problem {
    /// A server needs all three; a client the authority, and both of the others or none.
    #[error("--tls-cert, --tls-key and --tls-ca belong together")]
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

/// What a process needs to speak TLS. By default it speaks none. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tls(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    calling: Arc<ClientConfig>,
    /// `None`: there is no own certificate.
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    path: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    certificate: Certificate,
    serving: Arc<ServerConfig>,
    callers: Arc<dyn ClientCertVerifier>,
}

impl Tls {
    /// Of a client: at least the authority.
    ///
    /// # Errors
    /// Some flags lack others, or a file is not what it should be. Whether others would take the certificate is not looked at.
    pub fn read(flags: &Flags) -> Result<Self, Problem> {
        let (ca, own) = match (&flags.tls_ca, &flags.tls_cert, &flags.tls_key) {
            (None, None, None) => return Ok(Self::default()),
            (Some(ca), None, None) => (ca, None),
            (Some(ca), Some(cert), Some(key)) => (ca, Some((cert, key))),
            _ => return Err(Problem::Incomplete),
        };
        let roots = Arc::new(roots(ca)?);
        let provider = Arc::new(ring::default_provider());
        let unusable = |error: &dyn std::fmt::Display| Problem::NotPem {
            path: ca.clone(),
            why: error.to_string(),
        };
        let servers =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
                .build()
                .map_err(|e| unusable(&e))?;
        let calling = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(|e| unusable(&e))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verify::Orchestrators(servers)));
        let (mut calling, own) = match own {
            None => (calling.with_no_client_auth(), None),
            Some((cert, key)) => {
                let chain = certificates(cert)?;
                let secret = private_key(key)?;
                let calling = calling
                    .with_client_auth_cert(chain.clone(), secret.clone_key())
                    .map_err(other_key(cert, key))?;
                let callers = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
                    .build()
                    .map_err(|e| unusable(&e))?;
                (calling, Some(Own::new((cert, key), chain, secret, callers, provider)?))
            }
        };
        calling.alpn_protocols = vec![b"h2".to_vec()];
        // Each connection shows its certificate anew.
        calling.resumption = Resumption::disabled();
        Ok(Self(Some(Arc::new(Inner { calling: Arc::new(calling), own }))))
    }

    /// Of a process that serves in this role: all of it or nothing, and a certificate that others will take.
    ///
    /// # Errors
    /// As [`Tls::read`]; or the certificate is of another authority or role, or not valid now.
    pub fn serving(flags: &Flags, role: Role) -> Result<Self, Problem> {
        let tls = Self::read(flags)?;
        match &tls.0 {
            None => {}
            Some(inner) => {
                let own = inner.own.as_ref().ok_or(Problem::Incomplete)?;
                own.check(role)
                    .map_err(|defect| Problem::Own { path: own.path.clone(), defect })?;
            }
        }
        Ok(tls)
    }

    /// Certificates were given.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Of this process.
    pub fn own(&self) -> Option<&Certificate> {
        Some(&self.0.as_ref()?.own.as_ref()?.certificate)
    }

    /// What to say at the start of a process whose certificate will not count for long.
    pub fn expires_soon(&self) -> Option<TlsMessage> {
        let own = self.own()?;
        let days = (own.not_after - OffsetDateTime::now_utc()).whole_days();
        let (subject, until) = (own.subject.clone(), own.not_after);
        (days < WARN_DAYS).then_some(TlsMessage::ExpiresSoon { subject, until, days })
    }

    /// For a port; `None` where there is no own certificate.
    pub fn acceptor(&self) -> Option<Acceptor> {
        let own = self.0.as_ref()?.own.as_ref()?;
        Some(Acceptor::new(Arc::clone(&own.serving), Arc::clone(&own.callers)))
    }

    pub(crate) fn calling(&self) -> Option<Arc<ClientConfig>> {
        Some(Arc::clone(&self.0.as_ref()?.calling))
    }
}

impl Own {
    fn new(
        (cert, key): (&Path, &Path),
        chain: Vec<CertificateDer<'static>>,
        secret: PrivateKeyDer<'static>,
        callers: Arc<dyn ClientCertVerifier>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, Problem> {
        let not_pem = |why: String| Problem::NotPem { path: cert.to_owned(), why };
        let first = chain.first().ok_or_else(|| not_pem("no certificate".into()))?;
        let certificate = Certificate::of_der(first).map_err(|e| not_pem(e.to_string()))?;
        let mut serving = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(other_key(cert, key))?
            .with_client_cert_verifier(Arc::new(verify::ToBeJudged(Arc::clone(&callers))))
            .with_single_cert(chain.clone(), secret)
            .map_err(other_key(cert, key))?;
        serving.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        serving.send_tls13_tickets = 0;
        let path = cert.to_owned();
        Ok(Self { path, chain, certificate, serving: Arc::new(serving), callers })
    }

    fn check(&self, needed: Role) -> Result<(), Defect> {
        let Some((first, others)) = self.chain.split_first() else {
            return Err(Defect::Other("no certificate".into()));
        };
        let found = self.certificate.role;
        if found != Some(needed) {
            return Err(Defect::OtherRole { found, needed });
        }
        let verified = self.callers.verify_client_cert(first, others, UnixTime::now());
        verified
            .map(drop)
            .map_err(|error| Defect::of(&error).unwrap_or_else(|| Defect::Other(error.to_string())))
    }
}

fn other_key(cert: &Path, key: &Path) -> impl Fn(rustls::Error) -> Problem {
    let (cert, key) = (cert.to_owned(), key.to_owned());
    move |error| Problem::OtherKey { cert: cert.clone(), key: key.clone(), why: error.to_string() }
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    std::fs::read(path).map_err(|error| file(path, error))
}

fn file(path: &Path, error: std::io::Error) -> Problem {
    Problem::File { path: path.to_owned(), error: Arc::new(error) }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let pem = read(path)?;
    let not_pem = |why: String| Problem::NotPem { path: path.to_owned(), why };
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match read {
        Ok(found) if found.is_empty() => Err(not_pem("no certificate".into())),
        Ok(found) => Ok(found),
        Err(error) => Err(not_pem(error.to_string())),
    }
}

fn roots(path: &Path) -> Result<RootCertStore, Problem> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        let added = roots.add(certificate);
        added.map_err(|e| Problem::NotPem { path: path.to_owned(), why: e.to_string() })?;
    }
    Ok(roots)
}

/// Access of everybody.
const OTHERS: u32 = 0o007;

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Problem> {
    let metadata = std::fs::metadata(path).map_err(|error| file(path, error))?;
    if metadata.permissions().mode() & OTHERS != 0 {
        return Err(Problem::OpenKey { path: path.to_owned() });
    }
    let pem = read(path)?;
    PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|e| Problem::NotPem { path: path.to_owned(), why: e.to_string() })
}
