//! Calling an orchestrator by TLS.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::Uri;
use tower_service::Service;

use super::open::{Other, Revocable};
use super::{Failure, Inner, Tls};

type BoxError = Box<dyn Error + Send + Sync>;
type Secured = TokioIo<Revocable<TlsStream<TcpStream>>>;
type Opening = Pin<Box<dyn Future<Output = Result<Secured, BoxError>> + Send>>;

/// Opens connections to `https://` addresses; to others none at all.
#[derive(Clone)]
pub(crate) struct Connector {
    tcp: HttpConnector,
    /// Each connection is by what was read last.
    tls: Option<Arc<Inner>>,
}

impl Connector {
    pub fn new(tls: &Tls) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        Self { tcp, tls: tls.0.clone() }
    }
}

impl Service<Uri> for Connector {
    type Response = Secured;
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
        let Some(tls) = self.tls.clone() else {
            return refused(Failure::NoAuthority { address });
        };
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned());
        let connecting = self.tcp.call(uri);
        Box::pin(async move {
            let (stream, name) = (connecting.await?.into_inner(), name?);
            let config = Arc::clone(&tls.material().calling);
            let secured = TlsConnector::from(config).connect(name.clone(), stream).await;
            let stream = secured.map_err(|error| -> BoxError {
                match Failure::of_handshake(address, &error) {
                    Some(failure) => failure.into(),
                    None => error.into(),
                }
            })?;
            let open = tls.open.add(stream.get_ref().1.peer_certificates(), Other::Called(name));
            // Should the list have been read since: it is judged by one of both.
            if let Some(open) = &open {
                open.judge(&tls.material());
            }
            Ok(TokioIo::new(Revocable::new(stream, open)))
        })
    }
}
