//! Connections, with and without TLS.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::Uri;
use tower_service::Service;

use crate::failure::Untrusted;
use crate::{Error, Result, TlsOptions};

type BoxError = Box<dyn StdError + Send + Sync>;
type Opening = Pin<Box<dyn Future<Output = std::result::Result<Stream, BoxError>> + Send>>;

/// What a connection is read from and written to.
type Stream = TokioIo<Box<dyn Duplex>>;

pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Opens connections: all of them by TLS or none.
#[derive(Clone)]
pub(crate) struct Connector(Option<TlsConnector>);

impl Connector {
    pub fn new(options: Option<&TlsOptions>) -> Result<Self> {
        Ok(Self(options.map(config).transpose()?.map(|config| Arc::new(config).into())))
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Opening;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Opening {
        let tls = self.0.clone();
        Box::pin(async move {
            let port = uri.port_u16().unwrap_or_default();
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
            let stream = TcpStream::connect((host, port)).await?;
            stream.set_nodelay(true)?;
            let Some(tls) = tls else {
                return Ok(TokioIo::new(Box::new(stream) as Box<dyn Duplex>));
            };
            let name = ServerName::try_from(host.to_owned())?;
            let endpoint = || format!("{host}:{port}");
            let secured = tls.connect(name, stream).await.map_err(|e| defect(e, endpoint))?;
            Ok(TokioIo::new(Box::new(secured) as Box<dyn Duplex>))
        })
    }
}

/// Tells a handshake that was refused from one that was cut off.
fn defect(error: io::Error, endpoint: impl Fn() -> String) -> BoxError {
    let found = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match found {
        Some(why) => Untrusted { endpoint: endpoint(), why: why.clone() }.into(),
        None => error.into(),
    }
}

fn config(options: &TlsOptions) -> Result<ClientConfig> {
    let TlsOptions { authority, identity } = options;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authority)? {
        roots.add(certificate).map_err(|error| unusable(authority, &error))?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(authority, &error))?
        .with_root_certificates(roots);
    let mut config = match identity {
        None => config.with_no_client_auth(),
        Some((cert, key)) => {
            let secret =
                PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, &error))?;
            config
                .with_client_auth_cert(certificates(cert)?, secret)
                .map_err(|error| unusable(cert, &error))?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// At least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|error| unusable(path, &error))?;
    match found.is_empty() {
        true => Err(unusable(path, &"it holds no certificate")),
        false => Ok(found),
    }
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::Files { path: path.to_owned(), why: why.to_string() }
}
