//! Makes an authority and the certificates that it signs. Owns no file: it gives what is to be written.

use std::net::IpAddr;

use common::tls::Role;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};

/// Clocks of other machines may be behind.
const EARLIER: Duration = Duration::hours(1);

/// A certificate and its key, both PEM.
pub struct Pair {
    pub cert: String,
    pub key: String,
}

/// What is asked of an authority.
pub struct Wanted {
    pub name: String,
    pub hosts: Vec<String>,
    pub role: Role,
    pub days: i64,
}

/// `mark` tells it from other authorities: a certificate of the wrong one is known by it.
pub fn found(mark: &str, days: i64, now: OffsetDateTime) -> Result<Pair, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, format!("Mutirao CA {mark}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = (now - EARLIER, now + Duration::days(days));
    let key = KeyPair::generate()?;
    let cert = params.self_signed(&key)?.pem();
    Ok(Pair { cert, key: key.serialize_pem() })
}

/// Signs; never beyond the end of the authority itself, at `limit`.
pub fn issue(
    authority: &Pair,
    limit: OffsetDateTime,
    wanted: &Wanted,
    now: OffsetDateTime,
) -> Result<Pair, rcgen::Error> {
    let issuer = Issuer::from_ca_cert_pem(&authority.cert, KeyPair::from_pem(&authority.key)?)?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, wanted.name.as_str());
    params.subject_alt_names = names(wanted)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    // A client never listens: its key cannot stand for a server's.
    params.extended_key_usages = match wanted.role {
        Role::Orchestrator | Role::Worker => {
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]
        }
        Role::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
    };
    let end = (now + Duration::days(wanted.days)).min(limit);
    (params.not_before, params.not_after) = (now - EARLIER, end);
    let key = KeyPair::generate()?;
    let cert = params.signed_by(&key, &issuer)?.pem();
    Ok(Pair { cert, key: key.serialize_pem() })
}

/// What an authority takes back.
pub struct TakenBack {
    /// The larger, the newer.
    pub number: u64,
    /// Serial numbers, and since when.
    pub revoked: Vec<(String, OffsetDateTime)>,
}

/// A list, PEM, that is good until then.
pub fn list(
    authority: &Pair,
    until: OffsetDateTime,
    taken: &TakenBack,
    now: OffsetDateTime,
) -> Result<String, rcgen::Error> {
    let issuer = Issuer::from_ca_cert_pem(&authority.cert, KeyPair::from_pem(&authority.key)?)?;
    let revoked = taken.revoked.iter().map(|(serial, at)| RevokedCertParams {
        serial_number: SerialNumber::from(bytes(serial)),
        revocation_time: *at,
        reason_code: None,
        invalidity_date: None,
    });
    let params = CertificateRevocationListParams {
        this_update: now - EARLIER,
        next_update: until,
        crl_number: SerialNumber::from(taken.number),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(&issuer)?.pem()
}

/// Of hexadecimal digits.
fn bytes(serial: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        serial.chars().filter_map(|c| c.to_digit(16)).filter_map(|d| d.try_into().ok()).collect();
    digits
        .rchunks(2)
        .rev()
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect()
}

fn names(wanted: &Wanted) -> Result<Vec<SanType>, rcgen::Error> {
    let mut names = vec![SanType::URI(wanted.role.uri().try_into()?)];
    for host in &wanted.hosts {
        names.push(match host.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(host.as_str().try_into()?),
        });
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use common::tls::{Certificate, RevocationList};

    use super::*;

    fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_800_000_000).expect("is a moment")
    }

    fn wanted(role: Role) -> Wanted {
        let hosts = vec!["node-1.example".to_owned(), "10.0.0.1".to_owned(), "::1".to_owned()];
        Wanted { name: "node-1".into(), hosts, role, days: 30 }
    }

    #[test]
    fn what_was_asked_for_stands_in_the_certificate() {
        let authority = found("abc", 100, now()).expect("is made");
        let known = Certificate::of_pem(authority.cert.as_bytes()).expect("is one");
        assert!(known.is_authority && known.role.is_none());
        for role in Role::ALL {
            let pair = issue(&authority, known.not_after, &wanted(role), now()).expect("is issued");
            let issued = Certificate::of_pem(pair.cert.as_bytes()).expect("is one");
            assert_eq!((issued.role, issued.is_authority), (Some(role), false));
            assert_eq!(issued.hosts, ["node-1.example", "10.0.0.1", "::1"]);
            assert_eq!(issued.issuer, "Mutirao CA abc");
            assert_eq!(issued.not_after, now() + Duration::days(30));
        }
    }

    #[test]
    fn nothing_outlives_its_authority() {
        let authority = found("abc", 10, now()).expect("is made");
        let limit = Certificate::of_pem(authority.cert.as_bytes()).expect("is one").not_after;
        let pair = issue(&authority, limit, &wanted(Role::Worker), now()).expect("is issued");
        let issued = Certificate::of_pem(pair.cert.as_bytes()).expect("is one");
        assert_eq!(issued.not_after, limit);
    }

    #[test]
    fn what_is_taken_back_stands_in_the_list() {
        let authority = found("abc", 10, now()).expect("is made");
        let until = now() + Duration::days(10);
        let read = |taken: &TakenBack| {
            let pem = list(&authority, until, taken, now()).expect("is signed");
            RevocationList::of_pem(pem.as_bytes()).expect("is one")
        };
        let empty = read(&TakenBack { number: 1, revoked: Vec::new() });
        assert_eq!((empty.number, empty.until, empty.revoked), (1, Some(until), Vec::new()));
        let revoked = vec![("5a".to_owned(), now()), ("f00ba12".to_owned(), now())];
        let full = read(&TakenBack { number: 300, revoked: revoked.clone() });
        assert_eq!((full.number, full.revoked), (300, revoked));
        assert_eq!(full.issuer, "Mutirao CA abc");
    }
}
