//! Certificates for a cluster under test: by `cliente certs`, as operators make them; and such as it never makes.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;
use common::tls::{Flags, Role};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use time::{Duration, OffsetDateTime};

/// A directory as `cliente certs` makes it.
#[derive(Clone, Debug)]
pub struct Certificates {
    dir: PathBuf,
}

impl Certificates {
    /// An authority, and a certificate of each role with its name.
    ///
    /// # Errors
    /// `cliente certs` fails.
    pub fn new(cliente: &Path, dir: &Path) -> anyhow::Result<Self> {
        let made = Self { dir: dir.to_owned() };
        made.run(cliente, &["init"])?;
        for role in Role::ALL {
            made.run(cliente, &["issue", role.word(), "--role", role.word()])?;
        }
        Ok(made)
    }

    /// `cliente certs` in this directory.
    ///
    /// # Errors
    /// It fails.
    pub fn run(&self, cliente: &Path, args: &[&str]) -> anyhow::Result<()> {
        let dir = self.dir.display().to_string();
        let done = Command::new(cliente).arg("certs").args(args).args(["--dir", &dir]).output()?;
        if !done.status.success() {
            bail!("cliente certs {args:?} failed: {}", String::from_utf8_lossy(&done.stderr));
        }
        Ok(())
    }

    /// What `cliente certs revoke` writes.
    pub fn list(&self) -> PathBuf {
        self.dir.join("crl.pem")
    }

    pub fn authority(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// Those of one name.
    pub fn flags(&self, name: &str) -> Flags {
        Flags {
            tls_cert: Some(self.dir.join(format!("{name}.pem"))),
            tls_key: Some(self.dir.join(format!("{name}-key.pem"))),
            tls_ca: Some(self.authority()),
            tls_crl: None,
        }
    }

    /// For a command line.
    pub fn args(&self, name: &str) -> Vec<String> {
        args(&self.flags(name))
    }

    /// One that the authority of this directory signs, over for a day, with the name `expired-ROLE`.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn expired(&self, role: Role) -> anyhow::Result<Flags> {
        let key = KeyPair::from_pem(&std::fs::read_to_string(self.dir.join("ca-key.pem"))?)?;
        let issuer = Issuer::from_ca_cert_pem(&std::fs::read_to_string(self.authority())?, key)?;
        let now = OffsetDateTime::now_utc();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
        params.subject_alt_names.push(SanType::URI(role.uri().try_into()?));
        params.is_ca = IsCa::ExplicitNoCa;
        (params.not_before, params.not_after) = (now - Duration::days(2), now - Duration::days(1));
        let key = KeyPair::generate()?;
        let name = format!("expired-{role}");
        write(&self.dir.join(format!("{name}.pem")), &params.signed_by(&key, &issuer)?.pem())?;
        write(&self.dir.join(format!("{name}-key.pem")), &key.serialize_pem())?;
        Ok(self.flags(&name))
    }
}

/// For a command line.
pub fn args(flags: &Flags) -> Vec<String> {
    let named = [
        ("--tls-cert", &flags.tls_cert),
        ("--tls-key", &flags.tls_key),
        ("--tls-ca", &flags.tls_ca),
        ("--tls-crl", &flags.tls_crl),
    ];
    let pair = |(flag, path): (&str, &Option<PathBuf>)| {
        path.as_ref().map(|path| [flag.to_owned(), path.display().to_string()])
    };
    named.into_iter().filter_map(pair).flatten().collect()
}

/// Signed by nobody, with the role in it all the same.
///
/// # Errors
/// A file cannot be written.
pub fn self_signed(dir: &Path, role: Role, trusted: PathBuf) -> anyhow::Result<Flags> {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    params.subject_alt_names.push(SanType::URI(role.uri().try_into()?));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let key = KeyPair::generate()?;
    let (cert, secret) = (dir.join("self-signed.pem"), dir.join("self-signed-key.pem"));
    write(&cert, &params.self_signed(&key)?.pem())?;
    write(&secret, &key.serialize_pem())?;
    Ok(Flags { tls_cert: Some(cert), tls_key: Some(secret), tls_ca: Some(trusted), tls_crl: None })
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
