//! The places of the two orchestrators: a disk each, and on it one process after another, with the real
//! driver in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, PoisonError};

use common::console::Console;
use common::lang::Lang;
use orquestrador::actions::Actions;
use orquestrador::driver::input::{Committed, Input};
use orquestrador::driver::{Driver, DriverHandle, EngineKind, Setup, Start, Tuning};
use orquestrador::meters::Meters;
use orquestrador::refusals::Refusals;
use orquestrador::users::{FirstUser, Users};
use orquestrador_core::ids::{ClusterId, Epoch, Index, ProcessId};
use orquestrador_core::role::{Candidate, Standing};
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use crate::clock::{Drifting, MILLI, Micros, SECOND};
use crate::disk::{Disk, SharedDisk, lock};
use crate::invariants::{Violation, one_history, runs_on};
use crate::link::Dialling;
use crate::mutation::Mutation;
use crate::network::{ConnId, End, Party};
use crate::plan::Shape;
use crate::posts::SimulatedPosts;
use crate::random::Random;
use crate::session::ServedSession;
use crate::store::{SharedRequests, SimulatedStore};
use crate::witness::ServedControl;
use crate::world::{Event, World};

const TICK: Micros = 50 * MILLI;
/// The wall clock of the world begins here.
const EPOCH_MS: u64 = 1_700_000_000_000;

/// Where a node lives.
pub struct Place {
    pub nth: usize,
    pub disk: SharedDisk,
    pub process: Option<Process>,
    pub life: u32,
    pub paused_until: Micros,
    /// How long the present process has stood still, in pauses that it must notice.
    pub paused_in_all: Micros,
    pub slow_disk: bool,
    /// The next start is already on its way.
    pub restart_due: bool,
    /// Its disk is new: it may only start beside a node that has the history.
    pub is_wiped: bool,
    /// What is wrong with its clock.
    rate: u64,
    wall_ms: u64,
    /// See [`Drifting::set_by`].
    pub set_by: Arc<AtomicI64>,
    pub chance: Random,
}

/// One life of a node.
pub struct Process {
    pub id: ProcessId,
    pub driver: Driver<SimulatedStore>,
    pub handle: DriverHandle,
    _queue: mpsc::Receiver<Input>,
    pub requests: SharedRequests,
    pub posts: SimulatedPosts,
    pub inbox: Vec<Input>,
    turn_due: bool,
    syncing: bool,
    pub dialling: Dialling,
    pub sessions: BTreeMap<ConnId, ServedSession>,
    pub calls: BTreeMap<ConnId, oneshot::Receiver<Result<Committed, Status>>>,
    pub learning: BTreeMap<ConnId, u64>,
    /// Streams of the other node that were greeted.
    pub greeted: BTreeSet<ConnId>,
    pub clock: Drifting,
    pub controls: BTreeMap<ConnId, ServedControl>,
    /// Whom the role machine knows as possible witnesses.
    pub candidates: Vec<Candidate>,
    leaving: Option<oneshot::Receiver<Option<Epoch>>>,
    pub committed: Index,
    standing: Option<Standing>,
    /// Since when it is principal, in time that it was awake.
    pub in_office: Option<Micros>,
    /// When each worker was last heard, in time that the node was awake, and who is in the inbox.
    pub heard: BTreeMap<String, Micros>,
    pub hearing: Vec<String>,
}

impl Place {
    pub fn new(nth: usize, mut chance: Random) -> Self {
        let rate = 1_000 + chance.between(0, 20) - 10;
        let wall_ms = EPOCH_MS + chance.between(0, 20_000);
        let disk = Disk::new(chance.fork());
        Self {
            nth,
            disk: Arc::new(std::sync::Mutex::new(disk)),
            process: None,
            life: 0,
            paused_until: 0,
            paused_in_all: 0,
            slow_disk: false,
            restart_due: false,
            is_wiped: false,
            rate,
            wall_ms,
            set_by: Arc::default(),
            chance,
        }
    }

    pub fn end(&self) -> End {
        End { party: Party::Node(self.nth), life: self.life }
    }

    pub fn address(nth: usize) -> String {
        format!("http://10.0.0.{}:50051", nth + 1)
    }

    /// The process of this life.
    pub fn living(&mut self, end: End) -> Option<&mut Process> {
        if self.life == end.life { self.process.as_mut() } else { None }
    }
}

impl World {
    /// A process starts, if there is none, and if it may.
    pub fn start_node(&mut self, place: usize) -> Result<(), Violation> {
        self.places[place].restart_due = false;
        if self.places[place].process.is_some() {
            return Ok(());
        }
        if self.places[place].is_wiped && !self.other_has_history(place) {
            self.restart_later(place, 100 * MILLI);
            return Ok(());
        }
        let opened = lock(&self.places[place].disk).open();
        let recovered = match opened {
            Ok(recovered) => recovered,
            Err(error) => {
                self.tell(|_| format!("node {place} finds its disk damaged: {error}"));
                runs_on::on_opening(place, &lock(&self.places[place].disk), &error)?;
                self.replace_disk(place);
                return Ok(());
            }
        };
        self.collect_synced(place);
        let now = self.now();
        let spot = &mut self.places[place];
        spot.life += 1;
        spot.paused_in_all = 0;
        spot.wall_ms += spot.chance.between(0, 2_000);
        let (handle, queue) = DriverHandle::new();
        let requests = SharedRequests::default();
        let id = ProcessId(spot.chance.wide());
        let identity = Start {
            process: id,
            fresh_cluster: ClusterId(spot.chance.wide()),
            // The operator starts a machine without its disk as `orquestrador-backup`, which founds nothing.
            preferred: place == 0 && !spot.is_wiped,
            loopback: self.plan.shape == Shape::Loopback,
            own_address: Place::address(place),
            peer_address: Place::address(1 - place),
        };
        let clock = Drifting {
            time: self.time.clone(),
            began: now,
            wall_ms: spot.wall_ms + now / MILLI,
            set_by: Arc::clone(&spot.set_by),
            rate: spot.rate,
        };
        let refusals = Refusals::new(Console::new(Lang::En), Meters::default());
        let setup = Setup {
            engine: EngineKind::Pair,
            store: SimulatedStore::new(spot.disk.clone(), requests.clone()),
            clock: Box::new(clock.clone()),
            recovered,
            identity,
            limits: self.plan.limits.clone(),
            users: Users::new(FirstUser::Demo, [0; 32], refusals, Actions::of_nobody()),
            console: Console::new(Lang::En),
            tuning: Tuning {
                snapshot_entries: self.plan.snapshot_entries,
                recent_bytes: self.plan.recent_bytes,
                ..Tuning::default()
            },
        };
        let mut driver = Driver::new(setup)
            .map_err(|error| Violation::new("a clean disk opens", error.to_string()))?;
        mutate(self.mutation, &mut driver);
        let posts = SimulatedPosts::default();
        let driver = driver.with_webhooks(posts.clone());
        let committed = driver.role().committed();
        let process = Process {
            id,
            driver,
            handle,
            _queue: queue,
            requests,
            posts,
            inbox: Vec::new(),
            turn_due: false,
            syncing: false,
            dialling: Dialling::default(),
            sessions: BTreeMap::new(),
            calls: BTreeMap::new(),
            learning: BTreeMap::new(),
            greeted: BTreeSet::new(),
            clock,
            controls: BTreeMap::new(),
            candidates: Vec::new(),
            leaving: None,
            committed,
            standing: None,
            in_office: None,
            heard: BTreeMap::new(),
            hearing: Vec::new(),
        };
        let end = End { party: Party::Node(place), life: spot.life };
        spot.process = Some(process);
        self.tell(|_| format!("node {place} starts, life {}", end.life));
        self.schedule.put(now + self.chance.between(0, 5) * MILLI, Event::Tick(end));
        self.schedule.put(now + self.chance.between(0, 5) * MILLI, Event::Dial(end));
        self.schedule.put(now + self.chance.between(0, 5) * MILLI, Event::Survey(end));
        Ok(())
    }

    pub fn restart_later(&mut self, place: usize, delay: Micros) {
        if !std::mem::replace(&mut self.places[place].restart_due, true) {
            self.schedule.put(self.now() + delay, Event::Restart(place));
        }
    }

    /// A wiped node founds a new cluster when it meets nobody: the operator starts it beside the other.
    fn other_has_history(&self, place: usize) -> bool {
        let other = &self.places[1 - place];
        let is_up = other.process.is_some()
            && other.paused_until <= self.now()
            && self.network.is_clear(Party::Node(0), Party::Node(1), self.now());
        is_up && lock(&other.disk).role.cluster.is_some()
    }

    /// The process ends at once. What others hold of it breaks; its disk keeps what it keeps.
    pub fn kill_node(&mut self, place: usize) {
        if self.places[place].process.take().is_none() {
            return;
        }
        let end = self.places[place].end();
        self.places[place].paused_until = 0;
        lock(&self.places[place].disk).crash();
        for (conn, side) in self.network.held_by(end) {
            self.hang_up(conn, side);
        }
        self.tell(|_| format!("node {place} is dead"));
    }

    /// One of its events, if it still lives that life.
    pub fn node_event(&mut self, event: Event) -> Result<(), Violation> {
        let (Event::Tick(end)
        | Event::Turn(end)
        | Event::Synced(end, _)
        | Event::SnapshotSaved(end)
        | Event::Dial(end)
        | Event::DialTimeout(end, _)
        | Event::Survey(end)
        | Event::Exit(end)) = event
        else {
            return Ok(());
        };
        let Party::Node(place) = end.party else { return Ok(()) };
        if self.places[place].living(end).is_none() {
            return Ok(());
        }
        if let Some(until) = self.paused_until(end.party) {
            self.schedule.put(until, event);
            return Ok(());
        }
        match event {
            Event::Tick(_) => {
                self.schedule.put(self.now() + TICK, Event::Tick(end));
                self.put_in(place, Input::Tick);
                Ok(())
            }
            Event::Turn(_) => self.turn(place),
            Event::Synced(_, index) => {
                lock(&self.places[place].disk).sync(index);
                self.collect_synced(place);
                if let Some(process) = self.places[place].process.as_mut() {
                    process.syncing = false;
                }
                self.put_in(place, Input::JournalProgress);
                self.sync_later(place);
                Ok(())
            }
            Event::SnapshotSaved(_) => {
                self.save_snapshot(place);
                Ok(())
            }
            Event::Dial(_) => self.dial(place),
            Event::DialTimeout(_, conn) => {
                self.give_up_dialling(place, conn);
                Ok(())
            }
            Event::Survey(_) => {
                self.survey(place);
                Ok(())
            }
            Event::Exit(_) => {
                self.kill_node(place);
                self.restart_later(place, 500 * MILLI);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Puts an input into the queue of the driver, which looks at it in its next turn.
    pub fn put_in(&mut self, place: usize, input: Input) {
        let delay = self.chance.between(5, 300);
        let now = self.now();
        let end = self.places[place].end();
        let Some(process) = &mut self.places[place].process else { return };
        process.inbox.push(input);
        if !std::mem::replace(&mut process.turn_due, true) {
            self.schedule.put(now + delay, Event::Turn(end));
        }
    }

    fn turn(&mut self, place: usize) -> Result<(), Violation> {
        let Some(process) = &mut self.places[place].process else { return Ok(()) };
        process.turn_due = false;
        let inputs = std::mem::take(&mut process.inbox);
        self.drive(place, inputs)
    }

    /// One turn of the driver, and all that follows from it.
    pub fn drive(&mut self, place: usize, inputs: Vec<Input>) -> Result<(), Violation> {
        let awake = self.awake(place);
        let Some(process) = &mut self.places[place].process else { return Ok(()) };
        let hearing = std::mem::take(&mut process.hearing);
        let ended = process.driver.turn(inputs.into_iter());
        self.look(place, ended.is_ok())?;
        if let Some(process) = &mut self.places[place].process {
            // Only now: what came in this turn may have come after the decisions in it.
            process.heard.extend(hearing.into_iter().map(|worker| (worker, awake)));
        }
        self.answer_calls(place)?;
        self.tell_workers(place)?;
        self.tell_peer(place);
        self.tell_witnesses(place);
        self.begin_posts(place)?;
        match ended {
            Ok(()) => {
                self.carry_out(place);
                Ok(())
            }
            Err(error @ orquestrador::driver::Error::Misfit(_)) => {
                Err(Violation::new("one history", error.to_string()))
            }
            Err(error) => {
                self.tell(|_| format!("node {place} stops: {error}"));
                runs_on::on_end(place, &lock(&self.places[place].disk), &error)?;
                self.kill_node(place);
                let delay = self.chance.between(50, 1_500) * MILLI;
                self.restart_later(place, delay);
                Ok(())
            }
        }
    }

    /// The invariants look at a node after each of its turns. One that failed half-way is not at an entry.
    fn look(&mut self, place: usize, is_whole: bool) -> Result<(), Violation> {
        let now = self.awake(place);
        self.collect_synced(place);
        self.check_decisions(place)?;
        let spot = &mut self.places[place];
        let Some(process) = &mut spot.process else { return Ok(()) };
        let role = process.driver.role();
        let standing = role.standing();
        let serves = standing == Standing::Principal;
        let is_new = process.standing.replace(standing) != Some(standing);
        process.in_office = if serves { process.in_office.or(Some(now)) } else { None };
        let (before, committed) = (process.committed, role.committed());
        process.committed = committed;
        let disk = lock(&spot.disk);
        self.memory.epochs.on_durable(disk.node, &disk.role)?;
        let events = one_history::advance(&mut self.truth, &disk, before, committed)?;
        drop(disk);
        let (machine, last) = process.driver.applied();
        let digest = machine.digest();
        if is_whole {
            self.memory.digests.on_applied(&self.truth, last, digest)?;
        }
        self.forget_reborn();
        self.follow_committed(&events);
        if is_new {
            self.tell(|_| format!("node {place} is {standing:?}"));
        }
        self.mix(digest as u64 ^ last.index.0);
        Ok(())
    }

    /// The time without that in which the node stood still.
    pub fn awake(&self, place: usize) -> Micros {
        self.now() - self.places[place].paused_in_all
    }

    pub fn collect_synced(&mut self, place: usize) {
        let synced = std::mem::take(&mut lock(&self.places[place].disk).newly_synced);
        for id in synced {
            *self.truth.fsynced.entry(id.hash).or_default() |= 1 << place;
        }
    }

    /// What the driver asked for in this turn.
    fn carry_out(&mut self, place: usize) {
        self.sync_later(place);
        let Some(process) = &mut self.places[place].process else { return };
        let mut requests = process.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let send = std::mem::take(&mut requests.send);
        let saves = requests.save.is_some();
        drop(requests);
        let has_left = process.leaving.as_mut().is_some_and(|leaving| leaving.try_recv().is_ok());
        let end = self.places[place].end();
        for (link, signature) in send {
            self.send_snapshot(place, &link, &signature);
        }
        if saves {
            let delay = self.chance.around(self.plan.saving);
            self.schedule.put(self.now() + delay, Event::SnapshotSaved(end));
        }
        if has_left {
            self.schedule.put(self.now() + MILLI, Event::Exit(end));
        }
    }

    fn sync_later(&mut self, place: usize) {
        let slow = self.places[place].slow_disk;
        let end = self.places[place].end();
        let (dirty, last) = {
            let disk = lock(&self.places[place].disk);
            (disk.is_dirty() && !disk.dead, disk.last().index)
        };
        let Some(process) = &mut self.places[place].process else { return };
        if dirty && !process.syncing {
            process.syncing = true;
            let mean = if slow { 300 * MILLI } else { self.plan.sync };
            let at = self.time.now() + 20 + self.chance.around(mean);
            self.schedule.put(at, Event::Synced(end, last));
        }
    }

    /// SIGTERM: hands over, then ends.
    pub fn terminate_node(&mut self, place: usize) {
        let end = self.places[place].end();
        let Some(process) = &mut self.places[place].process else { return };
        let (reply, answer) = oneshot::channel();
        process.leaving = Some(answer);
        self.tell(|_| format!("node {place} is asked to end"));
        self.put_in(place, Input::HandOver { reply });
        self.schedule.put(self.now() + SECOND, Event::Exit(end));
    }

    pub fn override_by_operator(&mut self) {
        // The disk that has most is the one that was not lost; of two that are equal, the principal's.
        let by_length = |nth: &usize| {
            let process = self.places[*nth].process.as_ref();
            let leads = process.is_some_and(|process| {
                matches!(process.driver.role().standing(), Standing::Principal | Standing::Elected)
            });
            (lock(&self.places[*nth].disk).last().index, leads)
        };
        let Some(place) =
            (0..2).filter(|nth| self.places[*nth].process.is_some()).max_by_key(by_length)
        else {
            return;
        };
        self.tell(|_| format!("the operator promotes node {place}"));
        let (reply, _) = oneshot::channel();
        self.put_in(place, Input::Promote { accept_incomplete: true, reply });
    }
}

#[cfg(feature = "mutations")]
fn mutate(mutation: Option<Mutation>, driver: &mut Driver<SimulatedStore>) {
    match mutation {
        Some(Mutation::Driver(mutation)) => driver.mutate(mutation),
        Some(Mutation::Role(mutation)) => driver.mutate_role(mutation),
        Some(Mutation::Machine(mutation)) => driver.mutate_machine(mutation),
        None => {}
    }
}

#[cfg(not(feature = "mutations"))]
fn mutate(mutation: Option<Mutation>, _: &mut Driver<SimulatedStore>) {
    debug_assert!(mutation.is_none(), "there is none");
}
