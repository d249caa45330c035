//! Which endpoint is asked, and the connection to each.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tonic::transport::{Channel, Endpoint, Uri};

use crate::tls::Connector;
use crate::{Error, Options, Result};

/// Servers end connections that ping more often than each 5 s. So a silent endpoint is noticed sooner by the timeout of
/// each request, and by the questions of each watch; this is for requests that may take long.
const PING_EVERY: Duration = Duration::from_secs(6);
const PONG_WITHIN: Duration = Duration::from_secs(2);

/// All of one cluster.
#[derive(Debug)]
pub(crate) struct Endpoints {
    all: Vec<Slot>,
    /// The one that is asked first.
    current: AtomicUsize,
}

struct Slot {
    name: String,
    endpoint: Endpoint,
    connector: Connector,
    channel: Mutex<Option<Channel>>,
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Endpoints {
    pub fn new(options: &Options) -> Result<Self> {
        let connector = Connector::new(options.tls.as_ref())?;
        let slot = |name: &String| Slot::new(name, options, connector.clone());
        let all = options.endpoints.iter().map(slot).collect::<Result<Vec<_>>>()?;
        if all.is_empty() {
            return Err(Error::Endpoint(String::new()));
        }
        Ok(Self { all, current: AtomicUsize::new(0) })
    }

    /// Each once, from the current one on.
    pub fn in_turn(&self) -> impl Iterator<Item = usize> + use<> {
        let (first, count) = (self.current.load(Ordering::Relaxed), self.all.len());
        (0..count).map(move |step| (first + step) % count)
    }

    /// The next requests go to another than this, and one that comes back to it connects anew: an endpoint that is silent may
    /// have lost the connection. What is under way goes on.
    pub fn leave(&self, at: usize) {
        let next = (at + 1) % self.all.len();
        // If it is another already, someone else has seen the same.
        let moved = self.current.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed);
        tracing::debug!(endpoint = ?self.all.get(at), first = moved.is_ok(), "etcd endpoint left");
        if let Some(slot) = self.all.get(at) {
            slot.forget();
        }
    }

    /// The next requests go to this.
    pub fn stay(&self, at: usize) {
        self.current.store(at, Ordering::Relaxed);
    }

    pub fn channel(&self, at: usize) -> Option<Channel> {
        self.all.get(at).map(Slot::channel)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|slot| slot.name.as_str())
    }
}

impl Slot {
    fn new(name: &str, options: &Options, connector: Connector) -> Result<Self> {
        let bad = || Error::Endpoint(name.to_owned());
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        let uri: Uri = format!("{scheme}://{name}").parse().map_err(|_| bad())?;
        let is_plain = uri.authority().is_some_and(|authority| authority.as_str() == name)
            && !name.contains('@')
            && uri.port_u16().is_some_and(|port| port != 0)
            && uri.host().is_some_and(|host| !host.is_empty());
        if !is_plain {
            return Err(bad());
        }
        // A connection that comes about late is then told from a request without an answer.
        let endpoint = Endpoint::from(uri)
            .connect_timeout(options.timeout / 2)
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PONG_WITHIN);
        Ok(Self { name: name.to_owned(), endpoint, connector, channel: Mutex::new(None) })
    }

    fn channel(&self) -> Channel {
        let mut channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        let connect = || self.endpoint.connect_with_connector_lazy(self.connector.clone());
        channel.get_or_insert_with(connect).clone()
    }

    fn forget(&self) {
        *self.channel.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
