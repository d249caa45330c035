//! etcd as the engine: the log of the cluster and the office of its principal are there. Each task here waits for etcd
//! and tells the driver what came of it; what that means is decided by the rules in `orquestrador_core::election`.

mod flags;
mod keys;
pub mod marker;
pub mod migration;
mod office;
mod pages;
pub mod publication;
mod reader;
pub mod shards;
mod snapshots;
mod space;
mod values;
mod writer;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::console::Console;
use common::messages::Message;
use common::messages::node_engine::EngineMessage;
use orquestrador_core::election::Fence;
use orquestrador_core::ids::{ClusterId, NodeId, ProcessId};
use orquestrador_core::role::EntryId;
use orquestrador_etcd::Etcd;
use tokio::sync::{mpsc, watch};

use crate::driver::engine::{Engine, News};
use crate::driver::input::{Input, InputSender};
use crate::driver::pulse::Pulse;
use crate::driver::store::{Clock as _, SystemClock};
use crate::journal::{Entry, Journal};
use crate::node::End;
use crate::shards::{Shards, UNNAMED};
pub use flags::{Access, Flags, queue};
pub use keys::Keys;
use shards::Registrar;
use space::Space;
pub use values::Snapshot;

/// A request about the office; the lease does not live longer than a few of these.
const QUICK: Duration = Duration::from_millis(700);
/// A small one about the log: without an answer it is sent again, to another member.
const BRISK: Duration = Duration::from_millis(1_500);
/// A request about the log, which may be a mebibyte on a slow disk.
const STEADY: Duration = Duration::from_secs(5);
/// After a failure; longer each time, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A turn of the driver that takes so long, in milliseconds, is the disk's: as long as a pair's principal may commit
/// nothing (V10).
const HUNG_MS: u64 = 5_000;
/// So often one after the other what is read may be trimmed meanwhile before it is something to mend.
const OVERTAKEN: u32 = 3;
/// How often the console repeats what is in the way.
const REPEAT: Duration = Duration::from_secs(10);

/// No lease is taken.
pub const NO_LEASE: Duration = Duration::from_secs(0);

/// Where etcd is, and what of it is ours.
#[derive(Clone, Debug)]
pub struct EtcdConfig {
    /// Its timeout is not used.
    pub options: orquestrador_etcd::Options,
    /// Of all keys.
    pub prefix: String,
    /// Of several shards with one log each, below that prefix; `None`: the unnamed one.
    pub shard: Option<String>,
    /// That this shard takes.
    pub queues: BTreeSet<String>,
    /// How long etcd waits for a sign of life before it gives the office to another one.
    pub lease: Duration,
    /// How large its database may become, in bytes, as its members were told.
    pub quota: u64,
}

/// Who this node is to etcd.
#[derive(Clone, Debug)]
pub struct Me {
    pub node: NodeId,
    pub process: ProcessId,
    /// Where others reach it.
    pub address: String,
    /// Of what is in the data directory.
    pub cluster: Option<ClusterId>,
    /// The id of a cluster that this node founds; `None` if it may not.
    pub founds: Option<ClusterId>,
}

/// Why something in etcd could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Etcd(#[from] orquestrador_etcd::Error),
    #[error("what is in etcd was not written by an orchestrator: `{0}`")]
    Malformed(&'static str),
    #[error("a part of what is in etcd is missing: `{0}`")]
    Missing(&'static str),
    /// Somebody, or an earlier attempt of this node, was there first.
    #[error("what is in etcd has changed meanwhile")]
    Overtaken,
    #[error("the journal of this node could not be used")]
    Journal(#[from] crate::journal::Error),
    #[error("a task ended early")]
    Task(#[from] tokio::task::JoinError),
    /// Nobody is there to be told.
    #[error("the driver has ended")]
    Stopping,
}

/// What all tasks of the engine use.
#[derive(Clone)]
struct Shared {
    /// For what takes its time.
    etcd: Etcd,
    keys: Keys,
    me: Me,
    driver: InputSender,
    journal: Journal,
    console: Console,
    endpoints: String,
    liveness: Liveness,
    /// The cluster in etcd is that of this node: before that nothing there is of any concern.
    settled: watch::Receiver<bool>,
}

/// Whether the driver goes on.
#[derive(Clone)]
pub struct Liveness {
    pub pulse: Pulse,
    pub clock: SystemClock,
}

impl Liveness {
    fn hangs(&self) -> bool {
        self.pulse.turn_ms(self.clock.monotonic()) > HUNG_MS
    }
}

impl Shared {
    async fn tell(&self, news: News) -> Result<(), Error> {
        self.driver.send(Input::Engine(news)).await.map_err(|_| Error::Stopping)
    }
}

/// What of this process the engine uses.
pub struct Process {
    pub journal: Journal,
    pub driver: InputSender,
    pub console: Console,
    pub liveness: Liveness,
    /// Set while etcd has too little space for new work.
    pub is_full: Arc<AtomicBool>,
    pub end: End,
    /// Learns which shards there are.
    pub shards: Shards,
}

/// Starts the tasks of the engine.
///
/// # Errors
/// An endpoint cannot be one, or files of certificates cannot be used.
pub fn start(
    config: &EtcdConfig,
    me: Me,
    process: Process,
) -> Result<EtcdEngine, orquestrador_etcd::Error> {
    let Process { journal, driver, console, liveness, is_full, end, shards } = process;
    let client =
        |timeout| Etcd::new(orquestrador_etcd::Options { timeout, ..config.options.clone() });
    let (settles, settled) = watch::channel(false);
    let shared = Shared {
        etcd: client(STEADY)?,
        keys: Keys::new(&config.prefix, config.shard.as_deref()),
        me,
        driver,
        journal,
        console,
        endpoints: config.options.endpoints.join(","),
        liveness,
        settled,
    };
    let (place, places) = watch::channel(None);
    let (writes, write_orders) = mpsc::unbounded_channel();
    let (offices, office_orders) = mpsc::unbounded_channel();
    let (saves, saved) = watch::channel(None);
    let keeper =
        office::Keeper::new(shared.clone(), client(QUICK)?, config.lease, office_orders, settles);
    tokio::spawn(keeper.run());
    tokio::spawn(reader::Reader::new(shared.clone(), places).run());
    tokio::spawn(writer::Writer::new(shared.clone(), client(BRISK)?, write_orders).run());
    tokio::spawn(snapshots::Publisher::new(shared.clone(), saved).run());
    let leads = Arc::new(AtomicBool::new(false));
    let registrar = Registrar {
        shared: shared.clone(),
        name: config.shard.clone().unwrap_or_else(|| UNNAMED.to_owned()),
        queues: config.queues.clone(),
        shards,
        leads: Arc::clone(&leads),
    };
    tokio::spawn(registrar.run());
    let space = Space { shared, quota: config.quota, is_full, leads: Arc::clone(&leads) };
    tokio::spawn(space.run());
    Ok(EtcdEngine { place, writes, offices, saves, leads, fence: None, end })
}

/// How the driver reaches the tasks. What waits for them is bounded by what the driver lets be uncommitted.
pub struct EtcdEngine {
    /// After which entry the log is read; `None`: not at all.
    place: watch::Sender<Option<EntryId>>,
    writes: mpsc::UnboundedSender<writer::Order>,
    offices: mpsc::UnboundedSender<office::Order>,
    saves: watch::Sender<Option<Fence>>,
    leads: Arc<AtomicBool>,
    fence: Option<Fence>,
    end: End,
}

impl EtcdEngine {
    fn write(&self, order: writer::Order) {
        if self.writes.send(order).is_err() {
            tracing::debug!("the task that writes to etcd has ended");
        }
    }

    fn ask(&self, order: office::Order) {
        if self.offices.send(order).is_err() {
            tracing::debug!("the task that keeps the office in etcd has ended");
        }
    }
}

impl Engine for EtcdEngine {
    fn follow(&mut self, after: EntryId) {
        self.fence = None;
        self.leads.store(false, Ordering::Relaxed);
        self.write(writer::Order::Stop);
        self.place.send_replace(Some(after));
    }

    fn announce(&mut self, in_sync: bool) {
        self.ask(office::Order::Announce(in_sync));
    }

    fn campaign(&mut self) {
        self.ask(office::Order::Campaign);
    }

    fn lead(&mut self, fence: Fence, after: EntryId) {
        self.fence = Some(fence);
        self.leads.store(true, Ordering::Relaxed);
        self.place.send_replace(None);
        self.write(writer::Order::Lead { fence, after });
        // What this node has saved while it stood by may be newer than what etcd holds.
        self.saves.send_replace(self.fence);
    }

    fn append(&mut self, entries: Vec<Entry>) {
        self.write(writer::Order::Append(entries));
    }

    fn confirm(&mut self, nonce: u64) {
        self.write(writer::Order::Confirm(nonce));
    }

    fn resign(&mut self, fence: Fence) {
        self.ask(office::Order::Resign(fence));
    }

    fn snapshot_saved(&mut self) {
        if self.fence.is_some() {
            self.saves.send_replace(self.fence);
        }
    }

    fn end_all(&mut self, fence: Fence) {
        self.ask(office::Order::EndAll(fence));
    }

    fn end(&mut self) {
        self.end.soon();
    }

    fn leave(&mut self) {
        self.ask(office::Order::Leave);
    }
}

/// Waits longer after each failure.
#[derive(Default)]
struct Patience {
    failures: u32,
    overtaken: u32,
    told: Option<std::time::Instant>,
}

impl Patience {
    /// It worked.
    fn reset(&mut self) {
        *self = Self::default();
    }

    async fn pause(&mut self) {
        let pause = PAUSE.saturating_mul(1 << self.failures.min(5)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        tokio::time::sleep(pause).await;
    }

    /// Others go on while something is read, and trim: what was there is gone, and a snapshot stands for it. Again and
    /// again is another matter.
    fn is_overtaken(&mut self, error: &Error) -> bool {
        let may_pass = matches!(error, Error::Missing(_) | Error::Overtaken);
        self.overtaken = if may_pass { self.overtaken.saturating_add(1) } else { 0 };
        may_pass && self.overtaken <= OVERTAKEN
    }

    /// Says what a person has to mend, now and then; what passes by itself is said by whoever keeps the office.
    fn tell(&mut self, shared: &Shared, error: &Error) {
        if self.is_overtaken(error) {
            return tracing::debug!(%error, "etcd: once more");
        }
        let Error::Etcd(cause) = error else {
            return self.warn(shared, &EngineMessage::Refused { why: error.to_string() });
        };
        use orquestrador_etcd::Error as Etcd;
        match cause {
            Etcd::NoSpace => {
                let endpoints = shared.endpoints.clone();
                self.warn(shared, &EngineMessage::OutOfSpace { endpoints });
            }
            Etcd::Denied { .. }
            | Etcd::Tls(_)
            | Etcd::Files { .. }
            | Etcd::Endpoint(_)
            | Etcd::TooLarge { .. }
            | Etcd::Refused { .. } => {
                self.warn(shared, &EngineMessage::Refused { why: cause.to_string() });
            }
            Etcd::Unavailable { .. }
            | Etcd::Unknown { .. }
            | Etcd::TooMany
            | Etcd::Compacted { .. }
            | Etcd::LeaseGone => tracing::debug!(error = %cause, "etcd"),
        }
    }

    fn warn(&mut self, shared: &Shared, message: &impl Message) {
        if self.told.is_none_or(|told| told.elapsed() >= REPEAT) {
            self.told = Some(std::time::Instant::now());
            shared.console.error(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_be_overtaken_is_said_only_when_it_repeats() {
        let mut patience = Patience::default();
        for _ in 0..OVERTAKEN {
            assert!(patience.is_overtaken(&Error::Missing("snap")));
        }
        assert!(!patience.is_overtaken(&Error::Missing("snap")));
        assert!(!patience.is_overtaken(&Error::Malformed("snap")));
        assert!(patience.is_overtaken(&Error::Overtaken), "it is another time");
        patience.reset();
        assert!(patience.is_overtaken(&Error::Missing("log")));
    }
}
