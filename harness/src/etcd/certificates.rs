//! Certificates for an etcd under test.

use std::path::{Path, PathBuf};

use orquestrador_etcd::TlsOptions;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// An authority, and a certificate of it for the members and one for clients.
#[derive(Clone, Debug)]
pub struct EtcdCertificates {
    dir: PathBuf,
}

impl EtcdCertificates {
    /// Makes them in that directory. They are for `127.0.0.1` and no other name.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn new(dir: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(rcgen::DnType::CommonName, "etcd under test");
        let key = KeyPair::generate()?;
        std::fs::write(dir.join("ca.pem"), authority.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(authority, key);
        for name in ["server", "client"] {
            let params = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &issuer)?;
            std::fs::write(dir.join(format!("{name}.pem")), certificate.pem())?;
            std::fs::write(dir.join(format!("{name}-key.pem")), key.serialize_pem())?;
        }
        Ok(Self { dir: dir.to_owned() })
    }

    /// The certificate of the authority.
    pub fn authority(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// What a client needs.
    pub fn client(&self) -> TlsOptions {
        TlsOptions { authority: self.authority(), identity: Some(self.pair("client")) }
    }

    /// Flags of a member.
    pub(super) fn args(&self) -> Vec<String> {
        let (cert, key) = self.pair("server");
        vec![
            format!("--cert-file={}", cert.display()),
            format!("--key-file={}", key.display()),
            format!("--trusted-ca-file={}", self.authority().display()),
            "--client-cert-auth".to_owned(),
        ]
    }

    fn pair(&self, name: &str) -> (PathBuf, PathBuf) {
        (self.dir.join(format!("{name}.pem")), self.dir.join(format!("{name}-key.pem")))
    }
}
