//! What a certificate says, of itself and unverified.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::Role;

/// The parts that people and roles need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The common name.
    pub subject: String,
    /// The common name of who signed it.
    pub issuer: String,
    /// Its number among those of the same signer: hexadecimal digits.
    pub serial: String,
    /// Names and addresses under which its owner may listen.
    pub hosts: Vec<String>,
    /// `None`: it names none, or several.
    pub role: Option<Role>,
    /// It signs others.
    pub is_authority: bool,
    /// Valid from then on.
    pub not_before: OffsetDateTime,
    /// Valid until then.
    pub not_after: OffsetDateTime,
}

/// It is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a certificate: {0}")]
pub struct Unreadable(String);

impl Unreadable {
    pub(super) fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl Certificate {
    /// The first one in a PEM file.
    ///
    /// # Errors
    /// There is none.
    pub fn of_pem(pem: &[u8]) -> Result<Self, Unreadable> {
        let der = CertificateDer::from_pem_slice(pem).map_err(|e| Unreadable(e.to_string()))?;
        Self::of_der(&der)
    }

    /// # Errors
    /// It is none.
    pub fn of_der(der: &[u8]) -> Result<Self, Unreadable> {
        let unreadable = |error: &dyn std::fmt::Display| Unreadable(error.to_string());
        let (_, x509) = X509Certificate::from_der(der).map_err(|e| unreadable(&e))?;
        let (mut hosts, mut roles) = (Vec::new(), Vec::new());
        let names = x509.subject_alternative_name().map_err(|e| unreadable(&e))?;
        for name in names.iter().flat_map(|names| &names.value.general_names) {
            match name {
                GeneralName::DNSName(name) => hosts.push((*name).to_owned()),
                GeneralName::IPAddress(bytes) => hosts.extend(address(bytes)),
                GeneralName::URI(uri) => roles.extend(Role::of_uri(uri)),
                _ => {}
            }
        }
        let validity = x509.validity();
        Ok(Self {
            subject: common_name(x509.subject()),
            issuer: common_name(x509.issuer()),
            serial: serial(x509.raw_serial()),
            hosts,
            role: match roles[..] {
                [role] => Some(role),
                _ => None,
            },
            is_authority: x509.is_ca(),
            not_before: validity.not_before.to_datetime(),
            not_after: validity.not_after.to_datetime(),
        })
    }
}

pub(super) fn common_name(name: &x509_parser::x509::X509Name<'_>) -> String {
    let common = name.iter_common_name().find_map(|attribute| attribute.as_str().ok());
    common.map_or_else(|| name.to_string(), str::to_owned)
}

/// Without the zeros that DER puts before it.
pub(super) fn serial(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() { "0".to_owned() } else { digits.to_owned() }
}

fn address(bytes: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let address = four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
    address.ok().map(|address| address.to_string())
}
