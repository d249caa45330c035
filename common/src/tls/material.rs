//! What the files hold that the flags name, read together.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use time::OffsetDateTime;

use super::{Certificate, Defect, Flags, Problem, RevocationList, Role, list, verify};

/// All of it: what is of one reading belongs together.
#[derive(Debug)]
pub(super) struct Material {
    pub calling: Arc<ClientConfig>,
    /// Whether whoever was called counts.
    pub called: Arc<dyn ServerCertVerifier>,
    /// `None`: there is no own certificate.
    pub own: Option<Own>,
    /// When the first of the authorities is over.
    pub authority_until: Option<OffsetDateTime>,
    /// When another list of revoked certificates should have come.
    pub list_until: Option<OffsetDateTime>,
    /// What the files were, by which it is seen that they are others.
    pub print: Print,
}

/// The files as they were. A file that cannot be read is none.
pub(super) type Print = [Option<blake3::Hash>; 4];

#[derive(Debug)]
pub(super) struct Own {
    path: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    pub certificate: Certificate,
    pub serving: Arc<ServerConfig>,
    pub callers: Arc<dyn ClientCertVerifier>,
}

/// Taken before they are read: what changes meanwhile is seen later.
pub(super) fn print(flags: &Flags) -> Print {
    let hash = |path: &Option<PathBuf>| {
        std::fs::read(path.as_ref()?).ok().map(|bytes| blake3::hash(&bytes))
    };
    [&flags.tls_cert, &flags.tls_key, &flags.tls_ca, &flags.tls_crl].map(hash)
}

impl Material {
    /// `None` without flags. Of a process that serves in a role (`needed`), others must take its certificate.
    pub fn read(flags: &Flags, needed: Option<Role>) -> Result<Option<Self>, Problem> {
        let (ca, own) = match (&flags.tls_ca, &flags.tls_cert, &flags.tls_key) {
            (None, None, None) if flags.tls_crl.is_none() => return Ok(None),
            (Some(ca), None, None) => (ca, None),
            (Some(ca), Some(cert), Some(key)) => (ca, Some((cert, key))),
            _ => return Err(Problem::Incomplete),
        };
        let print = print(flags);
        let authorities = certificates(ca)?;
        let trusted = Trusted::new(ca, &authorities, flags.tls_crl.as_deref())?;
        let called: Arc<dyn ServerCertVerifier> = trusted.called()?;
        let calling = ClientConfig::builder_with_provider(Arc::clone(&trusted.provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(|e| trusted.unusable(&e))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verify::Orchestrators(called.clone())));
        let (mut calling, own) = match own {
            None => (calling.with_no_client_auth(), None),
            Some((cert, key)) => {
                let chain = certificates(cert)?;
                let secret = private_key(key)?;
                let calling = calling
                    .with_client_auth_cert(chain.clone(), secret.clone_key())
                    .map_err(other_key(cert, key))?;
                let callers = trusted.callers()?;
                let provider = Arc::clone(&trusted.provider);
                (calling, Some(Own::new((cert, key), chain, secret, callers, provider)?))
            }
        };
        calling.alpn_protocols = vec![b"h2".to_vec()];
        // Each connection shows its certificate anew.
        calling.resumption = Resumption::disabled();
        if let Some(role) = needed {
            own.as_ref().ok_or(Problem::Incomplete)?.check(role)?;
        }
        let ends = authorities.iter().filter_map(|one| Certificate::of_der(one).ok());
        let authority_until = ends.map(|authority| authority.not_after).min();
        let (calling, list_until) = (Arc::new(calling), trusted.list_until);
        Ok(Some(Self { calling, called, own, authority_until, list_until, print }))
    }
}

/// Whose certificates count, and which of them do not any more.
struct Trusted<'a> {
    path: &'a Path,
    roots: Arc<RootCertStore>,
    lists: Vec<rustls::pki_types::CertificateRevocationListDer<'static>>,
    list_until: Option<OffsetDateTime>,
    provider: Arc<CryptoProvider>,
}

impl<'a> Trusted<'a> {
    fn new(
        path: &'a Path,
        authorities: &[CertificateDer<'static>],
        list: Option<&Path>,
    ) -> Result<Self, Problem> {
        let mut roots = RootCertStore::empty();
        for certificate in authorities {
            let added = roots.add(certificate.clone());
            added.map_err(|e| Problem::NotPem { path: path.to_owned(), why: e.to_string() })?;
        }
        let lists = match list {
            Some(list) => list::read(list, &read(list)?)?,
            None => Vec::new(),
        };
        let mut list_until = None;
        for (one, list) in lists.iter().filter_map(|one| Some((one, list?))) {
            let not_pem = |why: String| Problem::NotPem { path: list.to_owned(), why };
            let until = RevocationList::of_der(one).map_err(|e| not_pem(e.to_string()))?.until;
            list_until = list_until.into_iter().chain(until).min();
            if !list::is_signed_by(one, authorities) {
                return Err(Problem::OtherList { path: list.to_owned() });
            }
        }
        let provider = Arc::new(ring::default_provider());
        Ok(Self { path, roots: Arc::new(roots), lists, list_until, provider })
    }

    fn unusable(&self, error: &dyn std::fmt::Display) -> Problem {
        Problem::NotPem { path: self.path.to_owned(), why: error.to_string() }
    }

    /// A list that is old counts as well as a new one: otherwise a forgotten command would end the cluster. Of an authority
    /// without a list nothing is revoked.
    fn called(&self) -> Result<Arc<WebPkiServerVerifier>, Problem> {
        let (roots, provider) = (Arc::clone(&self.roots), Arc::clone(&self.provider));
        WebPkiServerVerifier::builder_with_provider(roots, provider)
            .with_crls(self.lists.iter().cloned())
            .allow_unknown_revocation_status()
            .build()
            .map_err(|e| self.unusable(&e))
    }

    fn callers(&self) -> Result<Arc<dyn ClientCertVerifier>, Problem> {
        let (roots, provider) = (Arc::clone(&self.roots), Arc::clone(&self.provider));
        WebPkiClientVerifier::builder_with_provider(roots, provider)
            .with_crls(self.lists.iter().cloned())
            .allow_unknown_revocation_status()
            .build()
            .map_err(|e| self.unusable(&e))
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

    /// Whether it is a certificate for that host.
    pub fn is_named(&self, host: &str) -> bool {
        let parsed = self.chain.first().and_then(|first| ParsedCertificate::try_from(first).ok());
        let name = ServerName::try_from(host).ok();
        parsed.zip(name).is_some_and(|(parsed, name)| verify_server_name(&parsed, &name).is_ok())
    }

    fn check(&self, needed: Role) -> Result<(), Problem> {
        let judged = self.judge(needed);
        judged.map_err(|defect| Problem::Own { path: self.path.clone(), defect })
    }

    fn judge(&self, needed: Role) -> Result<(), Defect> {
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
