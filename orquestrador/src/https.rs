//! Connections to whoever speaks HTTP: receivers of webhooks, stores of objects. No redirect is followed, no proxy known.

use std::time::Duration;

use bytes::Bytes;
use hyper::body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that nobody uses stay open for so long, and so many to each host.
const IDLE: Duration = Duration::from_secs(30);
const IDLE_CONNECTIONS: usize = 4;

/// Keeps connections; cheap to clone.
pub type Client<B> = legacy::Client<HttpsConnector<HttpConnector>, B>;

/// # Errors
/// This machine has no root certificates, by which others could be known.
pub fn client<B>() -> std::io::Result<Client<B>>
where
    B: Body<Data = Bytes> + Send,
{
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let https = HttpsConnectorBuilder::new()
        .with_native_roots()?
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    Ok(legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .build(https))
}
