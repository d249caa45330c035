//! Whose certificates count. A called process must be an orchestrator; of a caller any certificate is taken at first, so that its
//! requests can be refused with a reason instead of a broken connection.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::{Certificate, Defect, Role};

/// Valid for the host, of the trusted authority, and an orchestrator's.
#[derive(Debug)]
pub(super) struct Orchestrators(pub Arc<dyn ServerCertVerifier>);

impl ServerCertVerifier for Orchestrators {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.0.verify_server_cert(own, others, name, ocsp, now)?;
        let found = Certificate::of_der(own).map_err(|e| Defect::from(e).into_rustls())?.role;
        match found {
            Some(Role::Orchestrator) => Ok(verified),
            found => Err(Defect::OtherRole { found, needed: Role::Orchestrator }.into_rustls()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, own, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, own, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Lets a connection begin. That the caller has the key of what it shows is proved here; whether that counts is judged by
/// [`Acceptor`](super::Acceptor), for each connection, before any request is answered.
#[derive(Debug)]
pub(super) struct ToBeJudged(pub Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for ToBeJudged {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: a caller that looks for a match would show nothing, and could not be told what is wrong.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _own: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, own, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, own, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
