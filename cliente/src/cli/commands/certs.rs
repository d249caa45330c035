//! `cliente certs`: needs no orchestrator.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use common::exit;
use common::lang::Lang;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::messages::client_certs::CertsMessage;
use common::messages::tls::moment;
use common::tls::{Certificate, Role};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::super::args::{CertsAction, Issue};
use super::super::authority::{self, Pair, Wanted};
use super::super::failure::Failure;
use super::super::output;

/// What is said to listen where nothing else is asked for.
const HERE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
const MAX_NAME: usize = 64;
const MAX_HOST: usize = 253;

pub fn run(action: &CertsAction, is_json: bool, lang: Lang) -> Result<u8, Failure> {
    let told = match action {
        CertsAction::Init { dir, days } => init(dir, *days)?,
        CertsAction::Issue(asked) => issue(asked)?,
        CertsAction::Show { file } => show(file)?,
    };
    let text = if is_json { object(&told).to_string() } else { told.text(lang) };
    output::print(&format!("{text}\n"))?;
    Ok(exit::OK)
}

fn init(dir: &Path, days: i64) -> Result<CertsMessage, Failure> {
    fs::create_dir_all(dir).map_err(Failure::io(dir.display().to_string()))?;
    let (cert, key) = files(dir, "ca");
    let mark = format!("{:08x}", rand::random::<u32>());
    let pair = authority::found(&mark, days, OffsetDateTime::now_utc()).map_err(unusable(&cert))?;
    let until = read(&pair.cert, &cert)?.not_after;
    write(&pair, &cert, &key)?;
    Ok(CertsMessage::Made { cert, key, until })
}

fn issue(asked: &Issue) -> Result<CertsMessage, Failure> {
    let wanted = wanted(asked)?;
    let (ca_cert, ca_key) = files(&asked.dir, "ca");
    let authority = Pair { cert: part(&ca_cert, &asked.dir)?, key: part(&ca_key, &asked.dir)? };
    let limit = read(&authority.cert, &ca_cert)?.not_after;
    let issued = authority::issue(&authority, limit, &wanted, OffsetDateTime::now_utc());
    let pair = issued.map_err(unusable(&ca_key))?;
    let (cert, key) = files(&asked.dir, &asked.name);
    let certificate = Box::new(read(&pair.cert, &cert)?);
    write(&pair, &cert, &key)?;
    Ok(CertsMessage::Issued { cert, key, certificate })
}

fn show(file: &Path) -> Result<CertsMessage, Failure> {
    let shown = file.display().to_string();
    let pem = fs::read_to_string(file).map_err(Failure::input(&shown))?;
    let certificate = Box::new(read(&pem, file)?);
    let left = certificate.not_after - OffsetDateTime::now_utc();
    let days = if left.is_negative() { -1 } else { left.whole_days() };
    Ok(CertsMessage::Shown { certificate, days })
}

fn wanted(asked: &Issue) -> Result<Wanted, Failure> {
    let name = asked.name.clone();
    if !is_name(&name) {
        return Err(told(CertsMessage::BadName { name }));
    }
    let hosts = match (asked.role, asked.host.is_empty()) {
        (Role::Client, true) => Vec::new(),
        (Role::Client, false) => return Err(told(CertsMessage::HostOfClient)),
        (Role::Orchestrator | Role::Worker, false) => asked.host.clone(),
        (Role::Orchestrator | Role::Worker, true) => {
            let named = Some(name.clone()).filter(|name| is_host(name));
            HERE.map(str::to_owned).into_iter().chain(named).collect()
        }
    };
    match hosts.iter().find(|host| !is_host(host)) {
        Some(host) => Err(told(CertsMessage::BadHost { host: host.clone() })),
        None => Ok(Wanted { name, hosts, role: asked.role, days: asked.days }),
    }
}

fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    let is_short = (1..=MAX_NAME).contains(&name.len());
    is_short
        && name.chars().all(is_plain)
        && !name.starts_with('.')
        && name != "ca"
        && name != "ca-key"
}

/// As RFC 1123 has names, or an address.
fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        let is_plain = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        is_plain
            && (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.parse::<IpAddr>().is_ok() || host.len() <= MAX_HOST && host.split('.').all(is_label)
}

fn files(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
    (dir.join(format!("{name}.pem")), dir.join(format!("{name}-key.pem")))
}

/// Of the authority.
fn part(path: &Path, dir: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => told(CertsMessage::NoAuthority { dir: dir.to_owned() }),
        _ => Failure::io(path.display().to_string())(error),
    })
}

fn read(pem: &str, path: &Path) -> Result<Certificate, Failure> {
    Certificate::of_pem(pem.as_bytes()).map_err(unusable(path))
}

/// The key first: a certificate without its key would be of no use.
fn write(pair: &Pair, cert: &Path, key: &Path) -> Result<(), Failure> {
    if let Some(path) = [key, cert].into_iter().find(|path| path.exists()) {
        return Err(exists(path));
    }
    create(key, &pair.key, 0o600)?;
    create(cert, &pair.cert, 0o644)
}

fn create(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(mode).open(path);
    let written = opened.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => Failure::io(path.display().to_string())(error),
    })
}

fn exists(path: &Path) -> Failure {
    told(CertsMessage::Exists { path: path.to_owned() })
}

fn unusable<E: std::fmt::Display>(path: &Path) -> impl FnOnce(E) -> Failure {
    let path = path.to_owned();
    move |error| told(CertsMessage::Unusable { path, why: error.to_string() })
}

fn told(message: CertsMessage) -> Failure {
    Failure::usage(ClientMessage::Certs(message))
}

/// The same for programs.
fn object(told: &CertsMessage) -> Value {
    match told {
        CertsMessage::Made { cert, key, until } => {
            json!({ "certificate": cert, "key": key, "not_after": moment(*until) })
        }
        CertsMessage::Issued { cert, key, certificate } => {
            let mut object = described(certificate);
            object["certificate"] = json!(cert);
            object["key"] = json!(key);
            object
        }
        CertsMessage::Shown { certificate, days } => {
            let mut object = described(certificate);
            object["expired"] = json!(*days < 0);
            object
        }
        // These end the subcommand, and are told as its error.
        CertsMessage::Exists { .. }
        | CertsMessage::NoAuthority { .. }
        | CertsMessage::BadName { .. }
        | CertsMessage::BadHost { .. }
        | CertsMessage::HostOfClient
        | CertsMessage::Unusable { .. } => Value::Null,
    }
}

fn described(certificate: &Certificate) -> Value {
    json!({
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "hosts": certificate.hosts,
        "role": certificate.role.map(Role::word),
        "authority": certificate.is_authority,
        "not_before": moment(certificate.not_before),
        "not_after": moment(certificate.not_after),
    })
}
