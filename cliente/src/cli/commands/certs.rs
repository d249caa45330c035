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
use common::tls::{Certificate, RevocationList, Role};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::super::args::{CertsAction, Issue};
use super::super::authority::{self, Pair, TakenBack, Wanted};
use super::super::failure::Failure;
use super::super::output;

/// What is said to listen where nothing else is asked for.
const HERE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
const MAX_NAME: usize = 64;
const MAX_HOST: usize = 253;
/// Digits: 20 bytes, as RFC 5280 has it.
const MAX_SERIAL: usize = 40;

pub fn run(action: &CertsAction, is_json: bool, lang: Lang) -> Result<u8, Failure> {
    let told = match action {
        CertsAction::Init { dir, days } => init(dir, *days)?,
        CertsAction::Issue(asked) => issue(asked)?,
        CertsAction::Renew { name, days, dir } => renew(name, *days, dir)?,
        CertsAction::Revoke { which, dir } => revoke(which, dir)?,
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
    let none = TakenBack { number: 1, revoked: Vec::new() };
    let empty = authority::list(&pair, until, &none, OffsetDateTime::now_utc());
    let (empty, list) = (empty.map_err(unusable(&cert))?, list_of(dir));
    if list.exists() {
        return Err(exists(&list));
    }
    write(&pair, &cert, &key)?;
    create(&list, &empty, 0o644)?;
    Ok(CertsMessage::Made { cert, key, list, until })
}

fn issue(asked: &Issue) -> Result<CertsMessage, Failure> {
    let wanted = wanted(asked)?;
    let (pair, cert, key) = signed(&wanted, &asked.dir)?;
    let certificate = Box::new(read(&pair.cert, &cert)?);
    write(&pair, &cert, &key)?;
    Ok(CertsMessage::Issued { cert, key, certificate })
}

/// The same once more, with another key, in its place: whoever follows the files reads them when both are there.
fn renew(name: &str, days: i64, dir: &Path) -> Result<CertsMessage, Failure> {
    if !is_name(name) {
        return Err(told(CertsMessage::BadName { name: name.to_owned() }));
    }
    let (cert, _) = files(dir, name);
    let before = fs::read_to_string(&cert).map_err(Failure::input(&cert.display().to_string()))?;
    let before = read(&before, &cert)?;
    let role = before.role.ok_or("no role of Mutirão").map_err(unusable(&cert))?;
    let wanted = Wanted { name: before.subject, hosts: before.hosts, role, days };
    let (pair, ..) = signed(&wanted, dir)?;
    let (cert, key) = files(dir, name);
    let certificate = Box::new(read(&pair.cert, &cert)?);
    replace(&key, &pair.key, 0o600)?;
    replace(&cert, &pair.cert, 0o644)?;
    Ok(CertsMessage::Issued { cert, key, certificate })
}

fn signed(wanted: &Wanted, dir: &Path) -> Result<(Pair, PathBuf, PathBuf), Failure> {
    let (authority, known) = authority_in(dir)?;
    let issued = authority::issue(&authority, known.not_after, wanted, OffsetDateTime::now_utc());
    let (cert, key) = files(dir, &wanted.name);
    Ok((issued.map_err(unusable(&files(dir, "ca").1))?, cert, key))
}

fn authority_in(dir: &Path) -> Result<(Pair, Certificate), Failure> {
    let (cert, key) = files(dir, "ca");
    let pair = Pair { cert: part(&cert, dir)?, key: part(&key, dir)? };
    let known = read(&pair.cert, &cert)?;
    Ok((pair, known))
}

/// Adds to the list, and signs it anew.
fn revoke(which: &[String], dir: &Path) -> Result<CertsMessage, Failure> {
    let (authority, known) = authority_in(dir)?;
    let (now, list) = (OffsetDateTime::now_utc(), list_of(dir));
    let before = match fs::read(&list) {
        Ok(pem) => Some(RevocationList::of_pem(&pem).map_err(unusable(&list))?),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(Failure::io(list.display().to_string())(error)),
    };
    let number = before.as_ref().map_or(1, |before| before.number + 1);
    let mut taken = TakenBack { number, revoked: before.map_or_else(Vec::new, |b| b.revoked) };
    let serials: Result<Vec<_>, _> = which.iter().map(|which| serial(which, dir, &known)).collect();
    let serials = serials?;
    for serial in &serials {
        if !taken.revoked.iter().any(|(known, _)| known == serial) {
            taken.revoked.push((serial.clone(), now));
        }
    }
    let signed = authority::list(&authority, known.not_after, &taken, now);
    replace(&list, &signed.map_err(unusable(&list))?, 0o644)?;
    Ok(CertsMessage::Revoked { list, serials, all: taken.revoked.len() })
}

/// Of a certificate's file, of a name in the directory, or the number itself.
fn serial(which: &str, dir: &Path, authority: &Certificate) -> Result<String, Failure> {
    let places = [PathBuf::from(which), files(dir, which).0];
    if let Some(place) = places.iter().find(|place| place.is_file()) {
        let pem = fs::read_to_string(place).map_err(Failure::input(which))?;
        let certificate = read(&pem, place)?;
        if certificate.issuer != authority.subject || certificate.is_authority {
            let (path, issuer) = (place.clone(), certificate.issuer);
            return Err(told(CertsMessage::NotIssuedHere { path, issuer }));
        }
        return Ok(certificate.serial);
    }
    let digits = which.replace(':', "").to_ascii_lowercase();
    let digits = digits.trim_start_matches('0');
    let is_number = digits.chars().all(|c| c.is_ascii_hexdigit());
    match is_number && (1..=MAX_SERIAL).contains(&digits.len()) {
        true => Ok(digits.to_owned()),
        false => Err(told(CertsMessage::BadSerial { text: which.to_owned() })),
    }
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
        && name != "crl"
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

fn list_of(dir: &Path) -> PathBuf {
    dir.join("crl.pem")
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

/// In the place of what is there: whoever reads it finds the one or the other, whole.
fn replace(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let new = path.with_added_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(Failure::io(new.display().to_string())(error));
        }
        Ok(()) | Err(_) => {}
    }
    create(&new, text, mode)?;
    fs::rename(&new, path).map_err(Failure::io(path.display().to_string()))
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
        CertsMessage::Made { cert, key, list, until } => {
            json!({ "certificate": cert, "key": key, "list": list, "not_after": moment(*until) })
        }
        CertsMessage::Revoked { list, serials, all } => {
            json!({ "list": list, "revoked": serials, "all": all })
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
        | CertsMessage::NotIssuedHere { .. }
        | CertsMessage::BadSerial { .. }
        | CertsMessage::Unusable { .. } => Value::Null,
    }
}

fn described(certificate: &Certificate) -> Value {
    json!({
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "serial": certificate.serial,
        "hosts": certificate.hosts,
        "role": certificate.role.map(Role::word),
        "authority": certificate.is_authority,
        "not_before": moment(certificate.not_before),
        "not_after": moment(certificate.not_after),
    })
}
