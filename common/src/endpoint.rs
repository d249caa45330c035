//! Addresses of orchestrators, and channels to them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use http::uri::Scheme;
use tonic::transport::{Channel, Endpoint as TonicEndpoint, Uri};

use crate::tls::{self, Connector, Tls};

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

/// An orchestrator's address, `http://host:port` or `https://host:port`. `host:port` is accepted too: it means either, as
/// [`Endpoint::settled`] says, and http until then.
#[derive(Clone)]
pub struct Endpoint {
    uri: Uri,
    /// It does not say which.
    is_bare: bool,
}

/// Not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address of the form http://host:port or https://host:port")]
pub struct BadEndpoint(String);

impl Endpoint {
    /// The one of a process that speaks TLS, or does not: a bare address is called as the caller calls others.
    #[must_use]
    pub fn settled(&self, tls: &Tls) -> Self {
        match self.is_bare && tls.is_on() {
            true => self.secured(),
            false => Self { is_bare: false, ..self.clone() },
        }
    }

    /// The same place, by TLS.
    #[must_use]
    pub fn secured(&self) -> Self {
        let mut parts = self.uri.clone().into_parts();
        parts.scheme = Some(Scheme::HTTPS);
        // What had a scheme may have another.
        let uri = Uri::from_parts(parts).unwrap_or_else(|_| self.uri.clone());
        Self { uri, is_bare: false }
    }

    /// That it can be called by whoever has these certificates.
    ///
    /// # Errors
    /// It is one without TLS and there are some, or the other way round.
    pub fn check(&self, tls: &Tls) -> Result<(), tls::Problem> {
        let address = self.to_string();
        match (self.is_secure(), tls.is_on()) {
            (true, false) => Err(tls::Problem::NoAuthority { address }),
            (false, true) => Err(tls::Problem::PlainAddress { address }),
            (true, true) | (false, false) => Ok(()),
        }
    }

    /// By TLS.
    pub fn is_secure(&self) -> bool {
        self.uri.scheme() == Some(&Scheme::HTTPS)
    }

    /// The host without brackets.
    pub fn host(&self) -> &str {
        self.uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or_default()
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

    /// A channel without TLS, that connects when it is first used, and again after a failure.
    pub fn channel(&self) -> Channel {
        self.channel_by(&Tls::default())
    }

    /// The same by TLS, if there is any; the address and the certificates must agree ([`Endpoint::check`]), or it connects
    /// to nobody.
    pub fn channel_by(&self, tls: &Tls) -> Channel {
        let endpoint = TonicEndpoint::from(self.uri.clone())
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(2))
            .keep_alive_timeout(Duration::from_secs(3))
            .keep_alive_while_idle(true)
            .initial_stream_window_size(8 << 20)
            .initial_connection_window_size(16 << 20);
        match self.is_secure() || tls.is_on() {
            true => endpoint.connect_with_connector_lazy(Connector::new(tls)),
            false => endpoint.connect_lazy(),
        }
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.uri == other.uri
    }
}

impl Eq for Endpoint {}

impl FromStr for Endpoint {
    type Err = BadEndpoint;

    fn from_str(text: &str) -> Result<Self, BadEndpoint> {
        let bad = || BadEndpoint(text.to_owned());
        let is_bare = !text.contains("://");
        let full = if is_bare { format!("http://{text}") } else { text.to_owned() };
        let uri: Uri = full.parse().map_err(|_| bad())?;
        let plain = matches!(uri.scheme_str(), Some("http" | "https"))
            && matches!(uri.path(), "" | "/")
            && uri.query().is_none();
        let complete =
            uri.host().is_some_and(|h| !h.is_empty()) && uri.port_u16().is_some_and(|p| p != 0);
        // What else is there, a user and a password for example, would be left out, and nobody would know.
        let is_all = |authority: &str| {
            authority
                == format!(
                    "{}:{}",
                    uri.host().unwrap_or_default(),
                    uri.port_u16().unwrap_or_default()
                )
        };
        let is_all = uri.authority().is_some_and(|authority| is_all(authority.as_str()));
        if plain && complete && is_all { Ok(Self { uri, is_bare }) } else { Err(bad()) }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure() { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.uri.host().unwrap_or_default(), self.port())
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
    fn only_a_bare_address_may_become_one_with_tls() {
        let endpoint = |text: &str| text.parse::<Endpoint>().expect("parses");
        let secured = endpoint("localhost:1").secured();
        assert_eq!(
            (secured.to_string().as_str(), secured.is_secure()),
            ("https://localhost:1", true)
        );
        assert!(secured.is_same_place(&endpoint("http://127.0.0.1:1")));
        let none = Tls::default();
        assert_eq!(endpoint("localhost:1").settled(&none).to_string(), "http://localhost:1");
        assert!(endpoint("https://localhost:1").settled(&none).is_secure());
        assert!(endpoint("https://localhost:1").check(&none).is_err());
        assert!(endpoint("http://localhost:1").check(&none).is_ok());
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
            "http://user:password@x:1",
            "http://x:1/?a",
            "https://x[::1]:1",
            "https://[::1]x:1",
            "x:[::1]:01",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text} was accepted");
        }
    }
}
