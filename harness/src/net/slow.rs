//! A slow link: a proxy on the sender's machine through which everybody there reaches a port of another one, and
//! nobody knows: connections are redirected to it by address translation, so that no address of the proxy is
//! ever told to anybody.
//!
//! The kernel may lack what delays packets. An orchestrator's messages travel on the link that it dialled
//! itself, so what goes the other way is the other one's affair.

use std::io::ErrorKind;
use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::cluster::{SpreadCluster, port};
use super::cut::{Engine, Host};
use super::etcd::CLIENT_PORT;
use super::network::Network;

/// Of the first proxy on a machine; each has its own.
const FIRST_PORT: u16 = 60_000;
/// Below those that proxies open from.
const PORTS: u16 = 1_000;
/// What the proxy opens comes from these ports, above those that the system gives out: it is not redirected.
const OWN_PORTS: std::ops::RangeInclusive<u16> = 61_000..=65_535;
/// How often the proxy looks whether the port over there refuses, and how long it waits for that.
const LOOK: Duration = Duration::from_millis(50);
const CHUNK_BYTES: usize = 64 << 10;
/// What is under way at once; beyond it the sender waits, as with a link of little capacity.
const CHUNKS: usize = 1024;

/// Ends with everything that goes through it when it is dropped.
pub struct SlowLink {
    delay: watch::Sender<Duration>,
    thread: Option<(oneshot::Sender<()>, JoinHandle<anyhow::Result<()>>)>,
}

impl SlowLink {
    /// From `host` to a port of another machine; without delay at first. To be started before what uses it.
    ///
    /// # Errors
    /// There is no address translation, or no thread to be had.
    fn start(network: &Network, host: Host, there: SocketAddrV4) -> anyhow::Result<Self> {
        static COUNT: AtomicU16 = AtomicU16::new(0);
        let (delay, delays) = watch::channel(Duration::ZERO);
        let (end, ended) = oneshot::channel();
        let port = FIRST_PORT + COUNT.fetch_add(1, Ordering::Relaxed) % PORTS;
        let route = Route { here: SocketAddrV4::new(host.address(), port), there };
        network.translate(host, &route.redirection())?;
        let thread = network.spawn(host, move || async move {
            tokio::select! {
                done = serve(route, &delays) => done,
                _ = ended => Ok(()),
            }
        })?;
        Ok(Self { delay, thread: Some((end, thread)) })
    }

    /// What is sent from now on takes so much longer.
    pub fn delay(&self, delay: Duration) {
        self.delay.send_replace(delay);
    }
}

impl Drop for SlowLink {
    fn drop(&mut self) {
        let Some((end, thread)) = self.thread.take() else { return };
        if end.send(()).is_err() {
            tracing::debug!("the proxy had ended before");
        }
        if let Ok(Err(error)) = thread.join() {
            tracing::debug!(%error, "a proxy ended");
        }
    }
}

impl SpreadCluster {
    /// Slow links from an orchestrator to its engine: the other one, or each member of etcd.
    ///
    /// # Errors
    /// There is no address translation, or no thread to be had.
    pub fn slow_links(&self, host: Host) -> anyhow::Result<Vec<SlowLink>> {
        let places = match self.engine() {
            Engine::Pair => vec![(host.peer(), port(host.peer()))],
            Engine::Etcd => Host::etcd().map(|member| (member, CLIENT_PORT)).collect(),
        };
        let links = places.into_iter().map(|(far, port)| {
            SlowLink::start(self.network(), host, SocketAddrV4::new(far.address(), port))
        });
        links.collect()
    }
}

/// Where the proxy is, and whom it speaks for.
#[derive(Clone, Copy)]
struct Route {
    here: SocketAddrV4,
    there: SocketAddrV4,
}

impl Route {
    /// A rule of the packet filter.
    fn redirection(self) -> String {
        let (there, port, here) = (self.there.ip(), self.there.port(), self.here);
        let (first, last) = (OWN_PORTS.start(), OWN_PORTS.end());
        format!(
            "-A OUTPUT -d {there} -p tcp --dport {port} ! --sport {first}:{last} \
             -j DNAT --to-destination {here}"
        )
    }

    /// Past the redirection.
    async fn connect(self) -> std::io::Result<TcpStream> {
        static TURN: AtomicU16 = AtomicU16::new(0);
        let own_ports = OWN_PORTS.end() - OWN_PORTS.start() + 1;
        loop {
            let port = OWN_PORTS.start() + TURN.fetch_add(1, Ordering::Relaxed) % own_ports;
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            let own = SocketAddrV4::new(*self.here.ip(), port);
            let opened = match socket.bind(own.into()) {
                Ok(()) => socket.connect(self.there.into()).await,
                Err(error) => Err(error),
            };
            match opened {
                // Another port may be free.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable
                    ) => {}
                opened => return opened,
            }
        }
    }

    /// Silence is no refusal.
    async fn refuses(self) -> bool {
        let refused = |error: std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
        let knock = tokio::time::timeout(LOOK, self.connect()).await;
        knock.is_ok_and(|knock| knock.is_err_and(refused))
    }
}

/// A port that refuses over there refuses here, too: who dialled must see the difference to silence.
async fn serve(route: Route, delay: &watch::Receiver<Duration>) -> anyhow::Result<()> {
    let mut listener = None;
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            near = accept(listener.as_ref()) => {
                tokio::spawn(forward_until_it_breaks(near?, route, delay.clone()));
            }
            _ = looks.tick() => {
                if route.refuses().await {
                    listener = None;
                } else if listener.is_none() {
                    let opened = TcpListener::bind(route.here).await;
                    listener = Some(opened.context("failed to open the proxy")?);
                }
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> std::io::Result<TcpStream> {
    match listener {
        Some(listener) => Ok(listener.accept().await?.0),
        None => std::future::pending().await,
    }
}

async fn forward_until_it_breaks(near: TcpStream, route: Route, delay: watch::Receiver<Duration>) {
    if let Err(error) = forward(near, route, &delay).await {
        tracing::debug!(%error, "a connection through the proxy broke");
    }
}

async fn forward(
    near: TcpStream,
    route: Route,
    delay: &watch::Receiver<Duration>,
) -> std::io::Result<()> {
    let far = route.connect().await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((near_in, mut near_out), (mut far_in, far_out)) = (near.into_split(), far.into_split());
    let (queue, queued) = mpsc::channel(CHUNKS);
    // When one direction ends both do.
    tokio::select! {
        done = take(near_in, queue, delay) => done,
        done = give(far_out, queued) => done,
        done = tokio::io::copy(&mut far_in, &mut near_out) => done.map(drop),
    }
}

async fn take(
    mut from: OwnedReadHalf,
    queue: mpsc::Sender<(Instant, Bytes)>,
    delay: &watch::Receiver<Duration>,
) -> std::io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = from.read(&mut chunk).await?;
        let due = Instant::now() + *delay.borrow();
        let sent = queue.send((due, Bytes::copy_from_slice(&chunk[..length]))).await;
        if length == 0 || sent.is_err() {
            return Ok(());
        }
    }
}

async fn give(
    mut to: OwnedWriteHalf,
    mut queue: mpsc::Receiver<(Instant, Bytes)>,
) -> std::io::Result<()> {
    while let Some((due, chunk)) = queue.recv().await {
        tokio::time::sleep_until(due).await;
        to.write_all(&chunk).await?;
    }
    Ok(())
}
