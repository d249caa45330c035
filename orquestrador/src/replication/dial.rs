//! The link that this node dials: keeps it open, and tells the driver when the other process is gone.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use common::console::Console;
use common::endpoint::{CONNECT_TIMEOUT, Endpoint, MAX_PEER_MESSAGE_BYTES};
use common::error_code::ErrorCode;
use common::grpc_status;
use common::messages::node_peer::PeerMessage as ConsoleMessage;
use common::messages::tls::TlsMessage;
use common::proto::PeerMessage;
use common::proto::peer_message::Message as Wire;
use common::proto::synchronization_service_client::SynchronizationServiceClient;
use common::tls::Tls;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::convert;
use crate::driver::DriverHandle;
use crate::driver::input::Input;
use crate::driver::pulse::Pulse;
use crate::driver::store::{Clock as _, SystemClock};

/// Messages waiting on the link; beyond it the driver holds back or drops, and repeats later.
const LINK_QUEUE: usize = 1_024;
/// How long the other node may take to greet.
const GREETING_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the other node hears that this one lives.
const HEARTBEAT: Duration = Duration::from_millis(100);
/// Attempts at an address that is not loopback before it counts as unreachable.
const UNREACHABLE_AFTER: u32 = 12;

/// How often the console repeats that certificates are in the way.
const REPEAT_WARNING: Duration = Duration::from_secs(10);
/// And why there is no link otherwise.
const REPEAT_REASON: Duration = Duration::from_secs(60);
/// So many attempts fail before that is said: one that starts, or leaves, is no news.
const TOLD_AFTER: u32 = 20;

/// Where the other node is, and how it looked at the last attempt.
pub struct Dialler {
    pub peer: watch::Receiver<Endpoint>,
    pub tls: Tls,
    pub console: Console,
    /// When the console was last told what is in the way.
    pub warned: Option<Instant>,
    pub driver: DriverHandle,
    pub pulse: Pulse,
    pub clock: SystemClock,
    /// All addresses of both nodes are loopback ones: a refused connection proves the process dead.
    pub loopback: bool,
}

/// Why there is no link.
enum NoLink {
    /// Every address refuses.
    Refused,
    Other(String),
    /// It is there, and certificates do not come together.
    Insecure {
        code: ErrorCode,
        why: String,
    },
}

impl Dialler {
    /// Runs until the driver ends.
    pub async fn run(mut self) {
        let mut failures = 0;
        loop {
            let peer = self.peer.borrow_and_update().clone();
            match self.link(&peer).await {
                Ok(()) => {
                    failures = 0;
                    if self.driver.send(Input::DialLost).await.is_err() {
                        return;
                    }
                }
                Err(no_link) => {
                    failures += 1;
                    self.tell(&peer, &no_link, failures);
                    let news = self.news(&no_link, failures);
                    if let Some(news) = news
                        && self.driver.send(news).await.is_err()
                    {
                        return;
                    }
                    tokio::time::sleep(pause(failures)).await;
                }
            }
        }
    }

    /// A refusal is news at once; that it proves the process dead is for the role machine to judge (V11).
    fn news(&self, no_link: &NoLink, failures: u32) -> Option<Input> {
        match no_link {
            NoLink::Refused if self.loopback || failures < UNREACHABLE_AFTER => {
                Some(Input::PeerRefused)
            }
            NoLink::Refused => Some(Input::PeerUnreachable),
            NoLink::Other(why) | NoLink::Insecure { why, .. } => {
                tracing::debug!(%why, "no link to the other node");
                (!self.loopback && failures >= UNREACHABLE_AFTER).then_some(Input::PeerUnreachable)
            }
        }
    }

    fn tell(&mut self, peer: &Endpoint, no_link: &NoLink, failures: u32) {
        let is_over = |pause| self.warned.is_none_or(|last| last.elapsed() >= pause);
        let address = peer.to_string();
        match no_link {
            NoLink::Insecure { code, why } if is_over(REPEAT_WARNING) => {
                let (code, why) = (*code, why.clone());
                self.console.warn(&TlsMessage::PeerInsecure { address, code, why });
            }
            NoLink::Other(why) if failures >= TOLD_AFTER && is_over(REPEAT_REASON) => {
                self.console.warn(&ConsoleMessage::NoLink { address, why: why.clone() });
            }
            // Where nobody is, the console says for whom it waits.
            NoLink::Refused | NoLink::Insecure { .. } | NoLink::Other(_) => return,
        }
        self.warned = Some(Instant::now());
    }

    /// Opens the link, greets, and holds it until it breaks.
    async fn link(&mut self, peer: &Endpoint) -> Result<(), NoLink> {
        knock(peer).await?;
        let other = |why: &dyn std::fmt::Display| NoLink::Other(why.to_string());
        let greeting =
            self.driver.ask(|reply| Input::Greet { reply }).await.map_err(|s| other(&s))?;
        let (link, outgoing) = mpsc::channel::<PeerMessage>(LINK_QUEUE);
        link.try_send(greeting).map_err(|e| other(&e))?;
        let mut client = SynchronizationServiceClient::new(peer.channel_by(&self.tls))
            .max_decoding_message_size(MAX_PEER_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_PEER_MESSAGE_BYTES);
        let opened = async {
            let mut incoming = client.link(ReceiverStream::new(outgoing)).await?.into_inner();
            let first = incoming.next().await.transpose()?;
            Ok::<_, tonic::Status>((incoming, first))
        };
        let (mut incoming, first) = tokio::time::timeout(GREETING_TIMEOUT, opened)
            .await
            .map_err(|_| NoLink::Other("no greeting in time".into()))?
            .map_err(|status| no_stream(&status))?;
        let first =
            first.ok_or_else(|| NoLink::Other("the link ended before a greeting".into()))?;
        let (sender, _) = convert::sender(&first).map_err(|e| other(&e))?;
        let Some(Wire::Hello(hello)) = first.message else {
            return Err(NoLink::Other("the first message is not a greeting".into()));
        };
        let (hello, address) = convert::read_hello(hello).map_err(|e| other(&e))?;
        tracing::debug!(?sender, ?address, "linked");
        let heartbeats = link.downgrade();
        let dialed = Input::Dialed { peer: sender, hello, address, link };
        self.driver.send(dialed).await.map_err(|s| other(&s))?;
        let mut ticks = tokio::time::interval(HEARTBEAT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // Nothing more comes on this stream: its end is the news.
                ended = incoming.next() => if !matches!(ended, Some(Ok(_))) {
                    return Ok(());
                },
                _ = ticks.tick() => self.beat(&heartbeats),
                // Another machine took its place.
                changed = self.peer.changed() => if changed.is_ok() {
                    return Ok(());
                },
            }
        }
    }

    /// A task of its own: a busy driver does not look like a dead one.
    fn beat(&self, link: &mpsc::WeakSender<PeerMessage>) {
        if let Some(heartbeat) = self.pulse.heartbeat(self.clock.monotonic())
            && let Some(link) = link.upgrade()
            && link.try_send(heartbeat).is_err()
        {
            tracing::debug!("the link is full: a heartbeat was dropped");
        }
    }
}

fn no_stream(status: &tonic::Status) -> NoLink {
    match grpc_status::meaning(status).code {
        code if code.is_of_tls() => NoLink::Insecure { code, why: status.message().to_owned() },
        _ => NoLink::Other(status.to_string()),
    }
}

/// Before the next attempt. A process that is just dying resets connections before its port refuses them.
fn pause(failures: u32) -> Duration {
    Duration::from_millis(match failures {
        0..=4 => 5,
        5..=20 => 50,
        21.. => 250,
    })
}

/// Finds out at once whether anybody listens, at every address of the name.
async fn knock(peer: &Endpoint) -> Result<(), NoLink> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((peer.host(), peer.port()))
        .await
        .map_err(|e| NoLink::Other(e.to_string()))?
        .collect();
    let mut refused = 0;
    for address in &addresses {
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => refused += 1,
            Ok(Err(error)) => tracing::debug!(%address, %error, "no connection"),
            Err(_) => tracing::debug!(%address, "no connection in time"),
        }
    }
    if refused == addresses.len() && refused > 0 {
        Err(NoLink::Refused)
    } else {
        Err(NoLink::Other(format!("no connection to {}", peer)))
    }
}
