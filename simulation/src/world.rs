//! The one loop: takes the next event, lets its party act, lets the invariants look.

use std::collections::BTreeMap;

use orquestrador::driver::store::Clock as _;
use orquestrador_core::ids::{Index, Timestamp};
use orquestrador_core::role::Standing;

use crate::client::{Client, ClientEvent};
use crate::clock::{MILLI, Micros, SECOND, Time};
use crate::disk::{Snapshot, lock};
use crate::invariants::{self, Memory, Violation};
use crate::mutation::Mutation;
use crate::network::{Arrival, ConnId, End, Network, Party, Side, Wire};
use crate::node::Place;
use crate::plan::Plan;
use crate::posts::Attempt;
use crate::random::Random;
use crate::schedule::Schedule;
use crate::truth::Truth;
use crate::worker::{Worker, WorkerEvent};

/// Something that happens to someone, if it still lives that life.
pub enum Event {
    Tick(End),
    Turn(End),
    Synced(End, Index),
    SnapshotSaved(End),
    Dial(End),
    DialTimeout(End, ConnId),
    Survey(End),
    Exit(End),
    Restart(usize),
    Worker(End, WorkerEvent),
    Client(usize, ClientEvent),
    Arrival(ConnId, Side),
    Broken(ConnId, Side),
    Posted(Attempt),
    Fault,
    DiskHasRoom(usize),
    DiskIsFast(usize),
    Check,
}

/// What part of a run this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    Faults,
    /// No more faults; what is under way must come to an end.
    Healing,
    /// All is idle: one batch shows whether the work is spread evenly.
    Spreading,
    Over,
}

pub struct World {
    pub plan: Plan,
    pub time: Time,
    pub schedule: Schedule<Event>,
    pub network: Network,
    pub places: Vec<Place>,
    pub workers: Vec<Worker>,
    pub clients: Vec<Client>,
    pub truth: Truth,
    pub memory: Memory,
    pub chance: Random,
    /// What becomes of attempts to tell receivers.
    pub posts_chance: Random,
    pub phase: Phase,
    pub mutation: Option<Mutation>,
    /// The last lines of what happened, when somebody wants them.
    pub story: Option<Vec<String>>,
    /// Everything that happened, in one number.
    pub fingerprint: u64,
    pub events: u64,
    /// Assignments of the last batch, by worker.
    pub spread: BTreeMap<String, u64>,
    /// The epoch that its client knew before.
    pub spread_in: u64,
    /// It was so at the last look.
    is_at_rest: bool,
    /// When the operator speaks, in a world that lost a disk.
    pub operator_at: Option<Micros>,
    pub lost_a_disk: bool,
    /// How much was committed when the world last looked.
    progress: Index,
    /// See [`crate::clock::Drifting::set_by`]: the most that it ever was.
    pub latest_clock: i64,
    /// Those that were ever sent.
    pub snapshots: Vec<Snapshot>,
}

/// How often the world looks whether everything has come to rest.
const CHECK_EVERY: Micros = 100 * MILLI;

impl World {
    pub fn new(seed: u64, mutation: Option<Mutation>, with_story: bool) -> Self {
        let mut chance = Random::new(seed);
        let plan = Plan::new(&mut chance);
        let time = Time::default();
        let network = Network::new(plan.latency, chance.fork());
        let places = (0..2).map(|nth| Place::new(nth, chance.fork())).collect();
        let workers = (0..plan.workers).map(|nth| Worker::new(nth, chance.fork())).collect();
        let clients = (0..plan.clients).map(|nth| Client::new(nth, &plan, chance.fork())).collect();
        let truth = Truth::new(plan.limits.clone(), plan.weights.set_clock == 0);
        let mut world = Self {
            time,
            network,
            places,
            workers,
            clients,
            truth,
            posts_chance: chance.fork(),
            chance,
            plan,
            mutation,
            schedule: Schedule::default(),
            memory: Memory::default(),
            phase: Phase::Faults,
            story: with_story.then(Vec::new),
            fingerprint: seed,
            events: 0,
            spread: BTreeMap::new(),
            spread_in: 0,
            is_at_rest: false,
            operator_at: None,
            lost_a_disk: false,
            progress: Index(0),
            latest_clock: 0,
            snapshots: Vec::new(),
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        self.tell(|world| format!("{:?}", world.plan));
        for place in 0..2 {
            let at = self.chance.between(0, 300) * MILLI;
            self.places[place].restart_due = true;
            self.schedule.put(at, Event::Restart(place));
        }
        for worker in 0..self.workers.len() {
            let at = self.chance.between(0, 500) * MILLI;
            self.start_worker(worker, at);
        }
        for client in 0..self.clients.len() {
            let at = self.chance.between(0, 600) * MILLI;
            self.schedule.put(at, Event::Client(client, ClientEvent::Next));
        }
        self.schedule.put(SECOND, Event::Fault);
        self.schedule.put(self.plan.safety, Event::Check);
    }

    /// To the end, or to the first violation.
    pub fn run(&mut self) -> Result<(), Violation> {
        while self.phase != Phase::Over {
            let Some((at, event)) = self.schedule.pop() else {
                return Err(Violation::new("no starvation", "nothing happens any more"));
            };
            self.time.set(at);
            self.events += 1;
            self.handle(event)?;
        }
        self.memory.acknowledged.check(&self.truth)?;
        invariants::conservation::check(&self.truth)
    }

    pub fn now(&self) -> Micros {
        self.time.now()
    }

    /// Adds to the story, if there is one, and to the fingerprint.
    pub fn tell(&mut self, what: impl FnOnce(&Self) -> String) {
        if self.story.is_some() {
            let line = format!("{:>12.3} ms  {}", self.now() as f64 / 1_000.0, what(self));
            if let Some(story) = &mut self.story {
                story.push(line);
            }
        }
    }

    pub fn mix(&mut self, value: u64) {
        self.fingerprint = (self.fingerprint ^ value)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(29)
            .wrapping_add(self.now());
    }

    fn handle(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Tick(_)
            | Event::Turn(_)
            | Event::Synced(..)
            | Event::SnapshotSaved(_)
            | Event::Dial(_)
            | Event::DialTimeout(..)
            | Event::Survey(_)
            | Event::Exit(_) => self.node_event(event),
            Event::Restart(place) => self.start_node(place),
            Event::Worker(end, event) => self.worker_event(end, event),
            Event::Client(client, event) => self.client_event(client, event),
            Event::Arrival(conn, side) => self.arrival(conn, side),
            Event::Broken(conn, side) => self.broken(conn, side),
            Event::Posted(attempt) => self.posted(attempt),
            Event::Fault => self.fault(),
            Event::DiskHasRoom(place) => {
                lock(&self.places[place].disk).full = false;
                Ok(())
            }
            Event::DiskIsFast(place) => {
                self.places[place].slow_disk = false;
                Ok(())
            }
            Event::Check => self.check(),
        }
    }

    // ---- Streams. ----

    pub fn send(&mut self, conn: ConnId, from: Side, wire: Wire) {
        if let Some(at) = self.network.send(conn, from, wire, self.time.now()) {
            self.schedule.put(at, Event::Arrival(conn, from.other()));
        }
    }

    fn arrival(&mut self, conn: ConnId, side: Side) -> Result<(), Violation> {
        let Some((sender, receiver)) = self.network.ends(conn, side) else { return Ok(()) };
        if let Some(until) = self.paused_until(receiver.party) {
            // What waited is read in any order, but what one party sent in the order in which it did.
            let late = sender.party.mix(until) % 5 * MILLI;
            self.schedule.put(until + late, Event::Arrival(conn, side));
            return Ok(());
        }
        match self.network.arrive(conn, side, self.now()) {
            Arrival::HeldUpUntil(until) => self.schedule.put(until, Event::Arrival(conn, side)),
            Arrival::Refused => {
                let heard = self.now() + self.network.delay();
                self.schedule.put(heard, Event::Broken(conn, side.other()));
            }
            Arrival::Nothing => {}
            Arrival::Message(wire) => {
                return match receiver.party {
                    Party::Node(_) => self.node_receives(receiver, conn, side, wire),
                    Party::Worker(_) => self.worker_receives(receiver, conn, wire),
                    Party::Client(client) => self.client_receives(client, conn, wire),
                };
            }
        }
        Ok(())
    }

    /// An end closes the stream: the other one learns it, sooner or later.
    pub fn hang_up(&mut self, conn: ConnId, side: Side) {
        let Some((other, _)) = self.network.ends(conn, side) else { return };
        let Some((me, _)) = self.network.ends(conn, side.other()) else { return };
        if !self.network.close(conn, side) {
            return;
        }
        let now = self.now();
        let heard = match self.network.blocked(me.party, other.party, now) {
            Some(until) => until.min(now + SECOND),
            None => now + self.network.delay(),
        };
        self.schedule.put(heard, Event::Broken(conn, side.other()));
    }

    /// This end finds that the stream is broken.
    fn broken(&mut self, conn: ConnId, side: Side) -> Result<(), Violation> {
        let Some((_, end)) = self.network.ends(conn, side) else { return Ok(()) };
        if let Some(until) = self.paused_until(end.party) {
            self.schedule.put(until + MILLI, Event::Broken(conn, side));
            return Ok(());
        }
        if !self.network.close(conn, side) {
            return Ok(());
        }
        match end.party {
            Party::Node(_) => self.node_loses(end, conn, side),
            Party::Worker(_) => self.worker_loses(end, conn),
            Party::Client(client) => self.client_loses(client, conn),
        }
    }

    pub fn paused_until(&self, party: Party) -> Option<Micros> {
        let until = match party {
            Party::Node(place) => self.places[place].paused_until,
            Party::Worker(worker) => self.workers[worker].paused_until,
            Party::Client(_) => 0,
        };
        (until > self.now()).then_some(until)
    }

    // ---- The course of a run. ----

    fn check(&mut self) -> Result<(), Violation> {
        if self.phase == Phase::Faults {
            self.phase = Phase::Healing;
            self.tell(|_| "the faults are over".into());
            self.end_faults();
        }
        if self.phase == Phase::Healing {
            self.tidy();
        }
        let open = self.open();
        let rested = std::mem::replace(&mut self.is_at_rest, open.is_empty());
        let is_late = self.now() > self.plan.safety + self.plan.heal;
        match self.phase {
            // What was said last may be on its way still: a worker that has just come back is not free before.
            Phase::Healing | Phase::Spreading if open.is_empty() && !rested => {}
            Phase::Healing if open.is_empty() => {
                self.check_blobs()?;
                self.spread();
            }
            // Amid an election the workers come back to the new principal one by one: they were not equal.
            Phase::Spreading
                if open.is_empty() && self.clients[0].highest_epoch > self.spread_in =>
            {
                self.spread();
            }
            Phase::Spreading if open.is_empty() => {
                invariants::fair::check(&self.spread)?;
                self.phase = Phase::Over;
            }
            Phase::Healing | Phase::Spreading if is_late => {
                return Err(invariants::starvation::report(&open));
            }
            Phase::Faults | Phase::Healing | Phase::Spreading | Phase::Over => {
                self.consult_operator();
            }
        }
        self.schedule.put(self.now() + CHECK_EVERY, Event::Check);
        Ok(())
    }

    /// What is not at rest yet.
    fn open(&self) -> Vec<String> {
        let mut open = Vec::new();
        let paused = self.places.iter().any(|place| place.paused_until > self.now());
        if paused || self.workers.iter().any(|worker| worker.paused_until > self.now()) {
            open.push("someone is paused".into());
        }
        if !self.network.is_whole(self.now()) {
            open.push("the network is cut".into());
        }
        let standing = |place: &Place| place.process.as_ref().map(|p| p.driver.role().standing());
        let standings: Vec<_> = self.places.iter().map(standing).collect();
        if !standings.contains(&Some(Standing::Principal))
            || !standings.contains(&Some(Standing::Standby))
        {
            open.push(format!("the nodes are {standings:?}"));
        }
        let unfinished =
            self.truth.tasks.iter().filter(|(_, story)| !story.now().state.is_finished());
        let unfinished: Vec<_> = unfinished.map(|(id, _)| *id).collect();
        if let Some(first) = unfinished.first() {
            let steps = &self.truth.tasks[first].steps;
            open.push(format!("{} tasks, among them {first}: {steps:?}", unfinished.len()));
        }
        let (schedules, settings) = (self.truth.timetable.count(), &self.truth.settings);
        let limited = self.truth.quotas.limited();
        if schedules > 0 || !settings.is_empty() || limited.is_some() {
            let left = format!("{schedules} schedules, {settings:?} and {limited:?} are left");
            open.push(left);
        }
        // Cancelled attempts may be on their way to an end.
        let taken = orquestrador_core::invariants::slots_taken(&self.truth.machine);
        if taken > 0 {
            open.push(format!("{taken} slots are taken"));
        }
        let untold = self.truth.webhooks.open();
        if untold > 0 {
            open.push(format!("{untold} ends are not told"));
        }
        open.extend(self.clients.iter().filter_map(Client::open));
        open.extend(self.workers.iter().filter_map(Worker::open));
        let served: Vec<_> = self
            .places
            .iter()
            .flat_map(|p| p.process.iter().flat_map(|p| p.sessions.keys()))
            .collect();
        let unserved =
            self.workers.iter().filter_map(Worker::conn).filter(|c| !served.contains(&c));
        open.extend(unserved.map(|conn| format!("nobody serves the session on stream {conn}")));
        let applied: Vec<_> = self
            .places
            .iter()
            .filter_map(|p| Some(p.process.as_ref()?.driver.applied().1))
            .collect();
        if applied.iter().any(|id| *id != self.truth.last()) {
            open.push(format!("the nodes have applied {applied:?}"));
        }
        open
    }

    /// Both nodes have applied everything.
    fn check_blobs(&self) -> Result<(), Violation> {
        let nodes = self.places.iter().filter_map(|place| place.process.as_ref());
        let machines = nodes.map(|process| process.driver.applied().0);
        machines.chain([&self.truth.machine]).try_for_each(|m| self.truth.blobs.check(m))
    }

    /// What the invariants remember of tasks that were forgotten and began anew.
    pub fn forget_reborn(&mut self) {
        for task in std::mem::take(&mut self.truth.reborn) {
            self.memory.one_outcome.forget(task);
        }
    }

    /// What the clock of the node says that is principal.
    pub fn principals_clock(&self) -> Option<Timestamp> {
        let processes = self.places.iter().filter_map(|place| place.process.as_ref());
        let mut principals =
            processes.filter(|p| p.driver.role().standing() == Standing::Principal);
        principals.next().map(|process| process.clock.wall())
    }

    /// A node may wait for a disk that is gone for ever (V15).
    fn consult_operator(&mut self) {
        let progress = self.truth.last().index;
        let stands_still = self.progress == progress && self.phase != Phase::Faults;
        self.progress = progress;
        if !stands_still || !self.lost_a_disk {
            self.operator_at = None;
            return;
        }
        let at = *self.operator_at.get_or_insert(self.time.now() + 5 * SECOND);
        if self.now() >= at {
            self.operator_at = None;
            self.override_by_operator();
        }
    }
}
