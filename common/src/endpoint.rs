//! Addresses of orchestrators, and channels to them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use tonic::transport::{Channel, Endpoint as TonicEndpoint, Uri};

/// Where the principal listens unless told otherwise.
pub const DEFAULT_PRINCIPAL: &str = "http://localhost:50051";
/// Where the backup listens unless told otherwise.
pub const DEFAULT_BACKUP: &str = "http://localhost:50052";
/// How long a connection may take to open.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The largest gRPC message, both ways: several batches of payloads.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;
/// The largest message between the orchestrators: an entry of the journal, which can hold a whole
/// request of the largest kind beside other work.
pub const MAX_PEER_MESSAGE_BYTES: usize = 64 << 20;
/// The largest payload that a client sends.
pub const MAX_LARGE_PAYLOAD_BYTES: usize = 1 << 30;
/// The largest payload or result of a task that travels in messages; a larger one is a blob.
pub const MAX_PAYLOAD_BYTES: usize = 4 << 20;

/// An orchestrator's address, `http://host:port`. `host:port` is accepted too.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint(Uri);

/// Not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address of the form http://host:port")]
pub struct BadEndpoint(String);

impl Endpoint {
    /// The host without brackets.
    pub fn host(&self) -> &str {
        self.0.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or_default()
    }

    /// The same port of the same host; this machine has several names.
    pub fn is_same_place(&self, other: &Self) -> bool {
        let is_loopback = |host: &str| {
            let address = host.trim_start_matches('[').trim_end_matches(']');
            host == "localhost" || address.parse::<IpAddr>().is_ok_and(|a| a.is_loopback())
        };
        self.port() == other.port()
            && (self.host() == other.host()
                || (is_loopback(self.host()) && is_loopback(other.host())))
    }

    /// A channel that connects when it is first used, and again after a failure.
    pub fn channel(&self) -> Channel {
        TonicEndpoint::from(self.0.clone())
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(2))
            .keep_alive_timeout(Duration::from_secs(3))
            .keep_alive_while_idle(true)
            .initial_stream_window_size(8 << 20)
            .initial_connection_window_size(16 << 20)
            .connect_lazy()
    }
}

impl FromStr for Endpoint {
    type Err = BadEndpoint;

    fn from_str(text: &str) -> Result<Self, BadEndpoint> {
        let bad = || BadEndpoint(text.to_owned());
        let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = full.parse().map_err(|_| bad())?;
        let plain = uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/");
        let complete =
            uri.host().is_some_and(|h| !h.is_empty()) && uri.port_u16().is_some_and(|p| p != 0);
        if plain && complete { Ok(Self(uri)) } else { Err(bad()) }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", self.0.host().unwrap_or_default(), self.port())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, other: &str) -> bool {
        let endpoint = |text: &str| text.parse::<Endpoint>().expect("is an address");
        endpoint(one).is_same_place(&endpoint(other))
    }

    #[test]
    fn this_machine_has_several_names() {
        assert!(same("http://localhost:1", "http://127.0.0.1:1"));
        assert!(same("http://[::1]:1", "http://localhost:1"));
        assert!(!same("http://localhost:1", "http://localhost:2"));
        assert!(!same("http://10.0.0.1:1", "http://10.0.0.2:1"));
    }

    #[test]
    fn host_and_port_are_enough() {
        assert_eq!(
            "localhost:50051".parse::<Endpoint>().expect("parses").to_string(),
            "http://localhost:50051"
        );
        assert_eq!("http://[::1]:50051".parse::<Endpoint>().expect("parses").host(), "::1");
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for text in [
            "",
            "localhost",
            "ftp://localhost:1",
            "http://localhost:0",
            "http://x:1/path",
            "http://:1",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text} was accepted");
        }
    }
}
