//! Lists of revoked certificates.

use std::path::Path;

use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject as _;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use super::Unreadable;
use super::certificate::{common_name, serial};

/// What one says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationList {
    /// The common name of the authority that signed it.
    pub issuer: String,
    /// The larger, the newer; 0 if it does not say.
    pub number: u64,
    /// When it was made.
    pub made: OffsetDateTime,
    /// When another one should have come; it counts also after that.
    pub until: Option<OffsetDateTime>,
    /// Serial numbers, and when they were revoked.
    pub revoked: Vec<(String, OffsetDateTime)>,
}

impl RevocationList {
    /// The first one in a PEM file.
    ///
    /// # Errors
    /// There is none.
    pub fn of_pem(pem: &[u8]) -> Result<Self, Unreadable> {
        let der = CertificateRevocationListDer::from_pem_slice(pem);
        Self::of_der(&der.map_err(Unreadable::of)?)
    }

    /// # Errors
    /// It is none.
    pub fn of_der(der: &[u8]) -> Result<Self, Unreadable> {
        let (_, list) = CertificateRevocationList::from_der(der).map_err(Unreadable::of)?;
        let revoked = list.iter_revoked_certificates();
        let revoked = revoked
            .map(|one| (serial(one.raw_serial()), one.revocation_date.to_datetime()))
            .collect();
        Ok(Self {
            issuer: common_name(list.issuer()),
            number: list.crl_number().and_then(|number| number.try_into().ok()).unwrap_or(0),
            made: list.last_update().to_datetime(),
            until: list.next_update().map(|until| until.to_datetime()),
            revoked,
        })
    }
}

/// Whether one of these authorities signed the list. Nobody looks at that again before somebody calls.
pub(super) fn is_signed_by(list: &[u8], authorities: &[impl AsRef<[u8]>]) -> bool {
    let Ok((_, list)) = CertificateRevocationList::from_der(list) else { return false };
    authorities.iter().any(|authority| {
        X509Certificate::from_der(authority.as_ref())
            .is_ok_and(|(_, authority)| list.verify_signature(authority.public_key()).is_ok())
    })
}

/// Those in a PEM file.
pub(super) fn read(
    path: &Path,
    pem: &[u8],
) -> Result<Vec<CertificateRevocationListDer<'static>>, super::Problem> {
    let not_pem = |why: String| super::Problem::NotPem { path: path.to_owned(), why };
    let read: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(pem).collect();
    match read {
        Ok(found) if found.is_empty() => Err(not_pem("no list of revoked certificates".into())),
        Ok(found) => Ok(found),
        Err(error) => Err(not_pem(error.to_string())),
    }
}
