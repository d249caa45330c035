//! Calling an orchestrator by TLS.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::Uri;
use tower_service::Service;

use super::{Failure, Tls};

type BoxError = Box<dyn Error + Send + Sync>;
type Opening =
    Pin<Box<dyn Future<Output = Result<TokioIo<TlsStream<TcpStream>>, BoxError>> + Send>>;

/// Opens connections to `https://` addresses; to others none at all.
#[derive(Clone)]
pub(crate) struct Connector {
    tcp: HttpConnector,
    config: Option<Arc<ClientConfig>>,
}

impl Connector {
    pub fn new(tls: &Tls) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        Self { tcp, config: tls.calling() }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = BoxError;
    type Future = Opening;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Opening {
        let address = format!("{}:{}", uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(0));
        let refused = |failure: Failure| -> Opening { Box::pin(async { Err(failure.into()) }) };
        if uri.scheme_str() != Some("https") {
            return refused(Failure::Plain { address });
        }
        let Some(config) = self.config.clone() else {
            return refused(Failure::NoAuthority { address });
        };
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned());
        let connecting = self.tcp.call(uri);
        Box::pin(async move {
            let stream = connecting.await?.into_inner();
            let secured = TlsConnector::from(config).connect(name?, stream).await;
            secured.map(TokioIo::new).map_err(|error| {
                match Failure::of_handshake(address, &error) {
                    Some(failure) => failure.into(),
                    None => error.into(),
                }
            })
        })
    }
}
