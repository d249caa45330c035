//! The one loop that owns the machines. It takes what has queued up, steps them, appends all events of
//! the turn as one entry (group commit), and releases each effect when its events are committed.

mod backups;
mod disk;
mod effects;
pub mod engine;
mod held;
pub mod input;
mod leadership;
mod lines;
mod mutation;
mod operator;
pub mod posts;
pub mod pulse;
mod release;
mod replicator;
mod requests;
mod sessions;
mod spill;
mod stalls;
mod state;
pub mod store;
mod tail;
mod turn;
pub mod views;
mod watch;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use common::console::Console;
use common::error_code::ErrorCode;
use common::messages::node::NodeMessage;
use orquestrador_core::election::{self, Election};
use orquestrador_core::ids::{ClusterId, Epoch, Index, NodeId, ProcessId, RequestId, SessionId};
use orquestrador_core::role::{Durable, EntryId, Identity, Log as _, Millis, Role, Timing};
use orquestrador_core::{Limits, Step};
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use crate::journal::{self, Recovered};
use crate::meters::Meters;
use crate::output::Outputs;
use crate::traces::Tracer;
use crate::users::Users;
use crate::witness::Witnesses;
use backups::Backups;
use engine::Engaged;
use held::HeldWork;
use input::{Committed, Input, InputSender, Received};
use lines::Lines;
use posts::Posts;
use pulse::Pulse;
use release::{Pending, Spares, Uncommitted};
use replicator::Replicator;
use sessions::Sessions;
use stalls::Stalls;
use state::Applied;
use store::{Clock, Store};
use tail::Tail;
use views::Views;
use watch::WatchHub;

pub use disk::Disk;
pub use leadership::Leadership;
#[cfg(feature = "mutations")]
pub use mutation::Mutation;
pub use watch::lagged;

/// Inputs waiting for the driver; services wait beyond it.
const QUEUE: usize = 16_384;
/// Inputs in the queue beyond which no new work is taken into it: some tens of milliseconds.
const MAX_WAITING_SUBMISSIONS: usize = 2_048;
/// Events after which a turn ends, whatever else has queued up.
const TURN_EVENTS: usize = 8_192;
/// Of a turn that is worth a line.
const LONG_TURN_MS: u64 = 50;
/// Inputs taken in one turn.
const TURN: usize = 4_096;
/// Content bytes after which a turn's entry is closed: an entry must fit one message to the follower.
const ENTRY_BYTES: usize = 4 << 20;
/// Turns that wait for their commit; beyond it no new work is taken.
const MAX_UNCOMMITTED_TURNS: usize = 256;

/// What the driver is given at the start.
pub struct Setup<S> {
    pub store: S,
    pub clock: Box<dyn Clock>,
    pub recovered: Recovered,
    pub identity: Start,
    pub limits: Limits,
    pub users: Users,
    pub console: Console,
    pub tuning: Tuning,
    pub engine: EngineKind,
}

/// Where the log and the office are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EngineKind {
    /// With this orchestrator and another one.
    Pair,
    /// The driver wants one, by [`Driver::with_engine`].
    Etcd,
}

/// What is kept and when, for speed alone.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Payload bytes of journal after which a snapshot is worth its cost.
    pub snapshot_bytes: u64,
    /// Entries after which a snapshot is worth its cost.
    pub snapshot_entries: u64,
    /// Payload bytes of the newest entries kept in memory for a follower that keeps up; one further
    /// behind is served from the disk.
    pub recent_bytes: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { snapshot_bytes: 128 << 20, snapshot_entries: 200_000, recent_bytes: 32 << 20 }
    }
}

/// Who this process is.
pub struct Start {
    pub process: ProcessId,
    pub fresh_cluster: ClusterId,
    pub preferred: bool,
    pub loopback: bool,
    pub own_address: String,
    pub peer_address: String,
}

/// How the services reach the driver. Cheap to clone.
#[derive(Clone)]
pub struct DriverHandle {
    queue: InputSender,
    next_id: Arc<AtomicU64>,
    meters: Meters,
    /// Where the log is there is too little space for new work.
    is_full: Arc<AtomicBool>,
}

/// The driver has ended, and with it the node.
fn stopped() -> Status {
    common::grpc_status::status(ErrorCode::Unavailable, "this node is stopping")
}

impl DriverHandle {
    /// The handle, and the queue that [`Driver::run`] wants.
    pub fn new() -> (Self, mpsc::Receiver<Input>) {
        let (queue, receiver) = mpsc::channel(QUEUE);
        let (next_id, meters, is_full) = (Arc::default(), Meters::default(), Arc::default());
        (Self { queue, next_id, meters, is_full }, receiver)
    }

    fn next(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    pub fn session_id(&self) -> SessionId {
        SessionId(self.next())
    }

    pub fn request_id(&self) -> RequestId {
        RequestId(self.next())
    }

    pub fn sender(&self) -> &InputSender {
        &self.queue
    }

    /// What is counted of this node.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// # Errors
    /// The node is stopping.
    pub async fn send(&self, input: Input) -> Result<(), Status> {
        self.queue.send(input).await.map_err(|_| stopped())
    }

    /// Asks and waits until the answer is committed.
    ///
    /// # Errors
    /// `NOT_PRIMARY`, or `UNAVAILABLE` when the office ended before the answer was committed: whether it
    /// took effect is then unknown, and the same request may be repeated.
    pub async fn call(
        &self,
        command: impl FnOnce(RequestId) -> orquestrador_core::Command,
    ) -> Result<Committed, Status> {
        let request = self.request_id();
        let (reply, answer) = oneshot::channel();
        self.send(Input::Call { request, command: command(request), reply }).await?;
        answer.await.map_err(|_| {
            common::grpc_status::status(
                ErrorCode::Unavailable,
                "this node ceased to be the principal before the answer was committed",
            )
        })?
    }

    /// The same for new work, which is refused at once when much waits for the driver already: what is under way, and
    /// who only wants to know how things are, must not wait behind it.
    ///
    /// # Errors
    /// `OVERLOADED`, and those of [`DriverHandle::call`].
    pub async fn submit(
        &self,
        command: impl FnOnce(RequestId) -> orquestrador_core::Command,
    ) -> Result<Committed, Status> {
        self.admit()?;
        self.call(command).await
    }

    /// Set while there is too little space for new work where the log is.
    pub fn is_full(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_full)
    }

    /// # Errors
    /// Too much waits already for new work to be taken, or there is too little space for it.
    pub fn admit(&self) -> Result<(), Status> {
        if self.is_full.load(Ordering::Relaxed) {
            self.meters.shed();
            let why = "etcd has too little space left for new work";
            return Err(common::grpc_status::status(ErrorCode::Overloaded, why));
        }
        if self.queue.max_capacity() - self.queue.capacity() >= MAX_WAITING_SUBMISSIONS {
            self.meters.shed();
            let why = "too many requests wait already";
            return Err(common::grpc_status::status(ErrorCode::Overloaded, why));
        }
        Ok(())
    }

    /// Asks something that every node answers.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn ask<T>(
        &self,
        input: impl FnOnce(oneshot::Sender<T>) -> Input,
    ) -> Result<T, Status> {
        let (reply, answer) = oneshot::channel();
        self.send(input(reply)).await?;
        answer.await.map_err(|_| stopped())
    }
}

/// Who waits for an answer.
enum Asker {
    Call(oneshot::Sender<Result<Committed, Status>>),
    Watch(input::Watcher),
}

/// What is known of the other node while this one is linked to it.
#[derive(Default)]
struct PeerFacts {
    sender: Option<orquestrador_core::role::Sender>,
    /// Where it looks for the other orchestrator; empty where it does not say.
    expects: String,
    linked_at: Millis,
    /// It has dialled this node: messages come.
    speaks: bool,
}

/// Owns everything that changes.
pub struct Driver<S> {
    start: Start,
    role: Leadership,
    /// `None` in a pair.
    engaged: Option<Engaged>,
    applied: Applied,
    tail: Tail,
    store: S,
    clock: Box<dyn Clock>,
    replicator: Replicator,
    witnesses: Witnesses,
    pulse: Pulse,
    pending: Pending,
    askers: HashMap<RequestId, Asker>,
    sessions: Sessions,
    watch: WatchHub,
    users: Users,
    outputs: Outputs,
    lines: Lines,
    console: Console,
    tuning: Tuning,
    peer: PeerFacts,
    /// The node that was linked last, and its address, as it calls itself.
    acquaintance: Option<(NodeId, String)>,
    /// Events and effects of the turn so far.
    step: Step,
    spares: Spares,
    uncommitted: Uncommitted,
    /// An answer of this turn appended nothing, so that it needs the standby's word.
    turn_has_read: bool,
    /// Content bytes of the turn's events.
    turn_bytes: usize,
    /// Entries of the message that the role machine is looking at.
    in_hand: Vec<Received>,
    durable_reported: Index,
    nonce: u64,
    word: u64,
    snapshots: turn::Snapshots,
    backups: Backups,
    handing_over: Option<oneshot::Sender<Option<Epoch>>>,
    /// A tick waits for the end of what has queued up.
    is_tick_due: bool,
    held: HeldWork,
    serving: bool,
    /// The whole cluster ends: the other node's end is no failure.
    ending: bool,
    views: Views,
    /// `None` where nobody is told of tasks' ends.
    webhooks: Option<Box<dyn Posts>>,
    meters: Meters,
    tracer: Tracer,
    stalls: Stalls,
    /// The office that is about to begin was another node's.
    succeeds_another: bool,
    /// The last epoch in which this node was said to stand by, where etcd gives the office.
    told_standby: Option<Epoch>,
    /// The epoch of an office that ended here, until somebody else has it.
    has_led: Option<u64>,
    warnings: turn::Warnings,
    #[cfg(feature = "mutations")]
    mutation: Option<Mutation>,
}

/// Why the driver ended otherwise than by being dropped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing can be promised any more; the other node takes over.
    #[error("failed to write the journal")]
    Journal(#[from] journal::Error),
    /// The journal holds an event that its own state rules out.
    #[error("the journal contradicts itself: {0}")]
    Misfit(String),
}

impl<S: Store> Driver<S> {
    /// Reads the journal.
    ///
    /// # Errors
    /// The journal is damaged or cannot be read.
    pub fn new(setup: Setup<S>) -> Result<Self, Error> {
        let Setup { store, clock, recovered, identity, limits, users, console, tuning, engine } =
            setup;
        let began = clock.monotonic();
        let recorded = engine::newest_record(&recovered.view_records);
        let (mut applied, tail) = Applied::recover(
            &store,
            limits,
            users.clone(),
            recovered.view_records,
            tuning.recent_bytes,
        )?;
        if !recovered.created {
            console.info(&NodeMessage::Recovered {
                entries: tail.last().index.0,
                tasks: applied.machine.task_count(),
                ms: clock.monotonic() - began,
            });
        }
        let durable: Durable = recovered.role;
        let noted = store.views().unwrap_or_else(|error| {
            tracing::warn!(%error, "the file of the last views is ignored");
            Vec::new()
        });
        let mut views = Views::new(noted, durable.newest.as_ref());
        applied.records.drain(..).for_each(|view| views.recorded(&view));
        let durable_reported = tail.last().index;
        let me = Identity {
            node: recovered.node,
            process: identity.process,
            preferred: identity.preferred,
            fresh_cluster: identity.fresh_cluster,
            loopback: identity.loopback,
        };
        let role = match engine {
            EngineKind::Pair => {
                let timing = Timing::default();
                let role = Role::new(me, timing, durable, durable_reported, tail.floor());
                Leadership::Pair(Box::new(role))
            }
            // What is in its journal was in the log before.
            EngineKind::Etcd => {
                let timing = election::Timing::default();
                let election = Election::new(me, timing, durable, durable_reported, recorded);
                Leadership::Etcd(Box::new(election))
            }
        };
        let stalls = Stalls::since(clock.monotonic(), clock.wall());
        Ok(Self {
            start: identity,
            role,
            engaged: None,
            applied,
            tail,
            store,
            clock,
            replicator: Replicator::default(),
            witnesses: Witnesses::default(),
            pulse: Pulse::default(),
            pending: Pending::default(),
            askers: HashMap::new(),
            sessions: Sessions::default(),
            watch: WatchHub::default(),
            users,
            outputs: Outputs::default(),
            lines: Lines::new(console),
            console,
            tuning,
            peer: PeerFacts::default(),
            acquaintance: None,
            step: Step::default(),
            spares: Spares::default(),
            uncommitted: Uncommitted::default(),
            turn_has_read: false,
            turn_bytes: 0,
            in_hand: Vec::new(),
            durable_reported,
            nonce: 0,
            word: 0,
            snapshots: turn::Snapshots::default(),
            backups: Backups::default(),
            handing_over: None,
            is_tick_due: false,
            held: HeldWork::default(),
            serving: false,
            ending: false,
            views,
            webhooks: None,
            meters: Meters::default(),
            tracer: Tracer::default(),
            stalls,
            succeeds_another: false,
            told_standby: None,
            has_led: None,
            warnings: turn::Warnings::default(),
            #[cfg(feature = "mutations")]
            mutation: None,
        })
    }

    /// Who tells of tasks' ends.
    #[must_use]
    pub fn with_webhooks(self, webhooks: impl Posts + 'static) -> Self {
        Self { webhooks: Some(Box::new(webhooks)), ..self }
    }

    /// Counts there rather than for nobody.
    pub fn with_meters(self, meters: Meters) -> Self {
        Self { meters, ..self }
    }

    /// Tells of tasks there.
    pub fn with_tracer(self, tracer: Tracer) -> Self {
        Self { tracer, ..self }
    }

    /// Runs until the queue is closed or the journal fails.
    ///
    /// # Errors
    /// The journal failed: the process must end.
    pub fn run(mut self, mut queue: mpsc::Receiver<Input>) -> Result<(), Error> {
        let mut inputs = Vec::with_capacity(TURN);
        while queue.blocking_recv_many(&mut inputs, TURN) > 0 {
            self.turn(inputs.drain(..))?;
        }
        Ok(())
    }

    /// The control streams of the witnesses, for the service that holds them.
    pub fn witnesses(&self) -> Witnesses {
        self.witnesses.clone()
    }

    /// What running attempts say, for those who hear it and those who follow.
    pub fn outputs(&self) -> Outputs {
        self.outputs.clone()
    }

    /// Signs of life, for those who tell others.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// The role machine, for an observer.
    pub fn role(&self) -> &Leadership {
        &self.role
    }

    /// The task machine, and the last entry that is applied to it; for an observer.
    pub fn applied(&self) -> (&orquestrador_core::Machine, EntryId) {
        (&self.applied.machine, self.tail.last())
    }

    /// Takes what has queued up, in turns that do not take long.
    ///
    /// # Errors
    /// The journal failed: the process must end.
    pub fn turn(&mut self, inputs: impl Iterator<Item = Input>) -> Result<(), Error> {
        let mut inputs = inputs.peekable();
        loop {
            let began = self.clock.monotonic();
            self.pulse.begin_turn(began);
            self.take_some(&mut inputs)?;
            // Whoever has spoken already is heard before anybody's silence is judged.
            if inputs.peek().is_none() && std::mem::take(&mut self.is_tick_due) {
                self.take(Input::Tick)?;
            }
            self.end_turn()?;
            self.take_held()?;
            self.pulse.end_turn(&self.role, self.waiting_since());
            let ms = self.clock.monotonic() - began;
            if ms > LONG_TURN_MS {
                self.meters.long_turn();
                tracing::debug!(ms, "a long turn: everybody waited for it");
            }
            if inputs.peek().is_none() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orquestrador_core::Command;

    #[tokio::test]
    async fn new_work_is_refused_while_much_waits_and_nothing_else_is() {
        let (handle, _queue) = DriverHandle::new();
        for _ in 0..MAX_WAITING_SUBMISSIONS {
            handle.send(Input::JournalProgress).await.expect("there is room");
        }
        let ask = |request| Command::Overview { request };
        let refusal = handle.submit(ask).await.expect_err("too much waits");
        assert_eq!(common::grpc_status::meaning(&refusal).code, ErrorCode::Overloaded);
        let asked = handle.call(ask);
        assert!(futures::poll!(std::pin::pin!(asked)).is_pending(), "it waits for the driver");
    }
}
