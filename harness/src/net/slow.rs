//! A slow link: a proxy on the sender's machine through which an orchestrator reaches the other one.
//!
//! The kernel may lack what delays packets. An orchestrator's messages travel on the link that it dialled
//! itself, so what goes the other way is the other one's affair.

use std::net::Ipv4Addr;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use common::endpoint::Endpoint;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::cluster::endpoint;
use super::cut::Host;
use super::network::Network;

const PORT: u16 = 60051;
/// How often the proxy looks whether the port over there refuses, and how long it waits for that.
const LOOK: Duration = Duration::from_millis(20);
const CHUNK_BYTES: usize = 64 << 10;
/// What is under way at once; beyond it the sender waits, as with a link of little capacity.
const CHUNKS: usize = 1024;

/// Ends with everything that goes through it when it is dropped.
pub struct SlowLink {
    /// Where the other orchestrator seems to be.
    pub address: Endpoint,
    delay: watch::Sender<Duration>,
    thread: Option<(oneshot::Sender<()>, JoinHandle<anyhow::Result<()>>)>,
}

impl SlowLink {
    /// From the orchestrator on `host` to the other one; without delay at first.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(network: &Network, host: Host) -> anyhow::Result<Self> {
        let (delay, delays) = watch::channel(Duration::ZERO);
        let (end, ended) = oneshot::channel();
        let target = endpoint(host.peer())?;
        let own = (host.address(), PORT);
        let thread = network.spawn(host, move || async move {
            tokio::select! {
                done = serve(own, &target, &delays) => done,
                _ = ended => Ok(()),
            }
        })?;
        let address = format!("{}:{PORT}", host.address()).parse()?;
        Ok(Self { address, delay, thread: Some((end, thread)) })
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

/// A port that refuses over there refuses here, too: who dialled must see the difference to silence.
async fn serve(
    own: (Ipv4Addr, u16),
    target: &Endpoint,
    delay: &watch::Receiver<Duration>,
) -> anyhow::Result<()> {
    let mut listener = None;
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            near = accept(listener.as_ref()) => {
                let (target, delay) = (target.clone(), delay.clone());
                tokio::spawn(forward_until_it_breaks(near?, target, delay));
            }
            _ = looks.tick() => {
                if refuses(target).await {
                    listener = None;
                } else if listener.is_none() {
                    listener = Some(TcpListener::bind(own).await.context("failed to open the proxy")?);
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

/// Silence is no refusal.
async fn refuses(target: &Endpoint) -> bool {
    let knock = TcpStream::connect((target.host(), target.port()));
    matches!(
        tokio::time::timeout(LOOK, knock).await,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused
    )
}

async fn forward_until_it_breaks(
    near: TcpStream,
    target: Endpoint,
    delay: watch::Receiver<Duration>,
) {
    if let Err(error) = forward(near, &target, &delay).await {
        tracing::debug!(%error, "a connection through the proxy broke");
    }
}

async fn forward(
    near: TcpStream,
    target: &Endpoint,
    delay: &watch::Receiver<Duration>,
) -> std::io::Result<()> {
    let far = TcpStream::connect((target.host(), target.port())).await?;
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
