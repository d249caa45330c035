//! The day: who does what when, and what the machine says to it.

use orquestrador_core::command::{AttemptRef, Failure, Outcome, ReportedOutcome};
use orquestrador_core::ids::{Blob, RequestId, TaskId, Timestamp};
use orquestrador_core::{Command, History, Limits, Machine, Step};

use crate::agenda::{Agenda, Happening, Nth};
use crate::cost::{Costs, Kind, Stopwatch};
use crate::fleet::Fleet;
use crate::incidents::SNAPSHOT_ENTRIES;
use crate::load::{self, Load};
use crate::random::Random;
use crate::settings::{HEARTBEAT_MS, OVERVIEW_MS, SLICE_MS, Settings, TICK_MS};
use crate::tally::Tally;

/// When the day begins, since the epoch.
pub const MIDNIGHT: u64 = 1_800_000_000_000;
const REQUEST: RequestId = RequestId(1);

/// Of all tasks.
const CANCELLED: f64 = 0.005;

pub struct Day {
    pub settings: Settings,
    pub machine: Machine,
    pub fleet: Fleet,
    pub tally: Tally,
    pub costs: Costs,
    pub(crate) load: Load,
    pub(crate) random: Random,
    pub(crate) agenda: Agenda,
    pub(crate) step: Step,
    /// Since midnight.
    pub(crate) now: u64,
    /// Being written, until then.
    pub(crate) snapshot: Option<(u64, History)>,
    pub(crate) snapshot_at: u64,
}

impl Day {
    pub fn new(settings: Settings) -> Self {
        Self {
            machine: Machine::new(Limits::default()),
            fleet: Fleet::new(settings.workers),
            tally: Tally::default(),
            costs: Costs::default(),
            load: Load::new(&settings),
            random: Random::new(settings.seed ^ 1),
            agenda: Agenda::default(),
            step: Step::default(),
            now: 0,
            snapshot: None,
            snapshot_at: SNAPSHOT_ENTRIES,
            settings,
        }
    }

    /// Until all that was submitted is finished.
    pub fn run(&mut self) {
        self.machine.tell_changes(false);
        self.take_office();
        while self.now < self.settings.span_ms() || self.has_unfinished() {
            self.slice();
            self.now += SLICE_MS;
        }
    }

    fn has_unfinished(&self) -> bool {
        self.tally.finished() + self.tally.turned_away < self.settings.tasks
    }

    /// How long it was until the last task was finished.
    pub fn length_ms(&self) -> u64 {
        self.now
    }

    fn slice(&mut self) {
        self.heartbeats();
        while let Some(happening) = self.agenda.next(self.now) {
            self.happen(happening);
        }
        if self.now < self.settings.span_ms() {
            self.incidents();
            self.arrivals();
        }
        if self.now.is_multiple_of(TICK_MS) {
            self.command(Kind::ExpireTimers, Command::ExpireTimers);
            self.snapshots();
        }
        if self.now.is_multiple_of(OVERVIEW_MS) {
            self.command(Kind::Overview, Command::Overview { request: REQUEST });
        }
    }

    /// Timed together: asking the clock takes as long as one of them.
    fn heartbeats(&mut self) {
        let phases = (HEARTBEAT_MS / SLICE_MS) as usize;
        let phase = (self.now / SLICE_MS) as usize % phases;
        let now = Timestamp(MIDNIGHT + self.now);
        let mut count = 0;
        let watch = Stopwatch::start();
        for session in self.fleet.sessions(phase, phases) {
            self.machine.handle(now, Command::WorkerHeartbeat { session }, &mut self.step);
            count += 1;
        }
        self.costs.add_many(Kind::Heartbeat, count, watch.elapsed_ns());
        self.settle();
    }

    pub(crate) fn command(&mut self, kind: Kind, command: Command) {
        let now = Timestamp(MIDNIGHT + self.now);
        let watch = Stopwatch::start();
        self.machine.handle(now, command, &mut self.step);
        self.costs.add(kind, watch.elapsed_ns());
        self.settle();
    }

    // ---- What comes from outside. ----

    pub(crate) fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Ends { worker, attempt } => self.end(worker, attempt),
            Happening::Stopped { worker, attempt } => {
                if let Some(session) = self.fleet.session(worker) {
                    let attempts = vec![attempt];
                    self.command(Kind::Ended, Command::ReportEnded { session, attempts });
                }
            }
            Happening::Dies { worker, incarnation } => {
                if self.fleet[worker].is_up && self.fleet[worker].incarnation == incarnation {
                    let back = self.random.between(1_000, 120_000);
                    self.die(worker, back);
                }
            }
            Happening::Starts { worker } => {
                self.fleet.start(worker);
                self.connect(worker);
            }
            Happening::Dials { worker } => {
                if self.fleet[worker].is_up && self.fleet.session(worker).is_none() {
                    self.tally.reconnects += 1;
                    self.connect(worker);
                }
            }
            Happening::Cancelled { owner, task } => {
                self.command(Kind::Cancel, Command::Cancel { request: REQUEST, owner, task });
            }
            Happening::Asked { owner, task } => {
                let (request, with_result) = (REQUEST, true);
                self.command(Kind::Query, Command::Query { request, owner, task, with_result });
            }
        }
    }

    fn arrivals(&mut self) {
        for _ in 0..self.load.arrivals(self.now) {
            let Some(batch) = self.load.batch(MIDNIGHT + self.now) else { break };
            let owner = batch.owner.clone();
            for task in &batch.tasks {
                if self.random.chance(CANCELLED) {
                    let at = self.now + self.random.below(60_000);
                    let (owner, task) = (owner.clone(), task.id);
                    self.agenda.add(at, Happening::Cancelled { owner, task });
                }
            }
            let (at, task) = (self.now + self.random.below(30_000), batch.tasks[0].id);
            self.agenda.add(at, Happening::Asked { owner, task });
            self.submit(batch);
        }
    }

    fn submit(&mut self, batch: load::Batch) {
        let load::Batch { owner, tasks } = batch;
        let (size, before) = (tasks.len() as u64, self.tally.count("TaskSubmitted"));
        let (request, allow_unknown_handler) = (REQUEST, false);
        let command = Command::Submit { request, owner, tasks, allow_unknown_handler };
        self.command(Kind::Submit, command);
        if self.tally.count("TaskSubmitted") == before {
            self.tally.turned_away += size;
        }
    }

    fn end(&mut self, worker: Nth, attempt: AttemptRef) {
        let runner = &mut self.fleet[worker];
        let Some(place) = runner.running.iter().position(|running| *running == attempt) else {
            return;
        };
        runner.running.swap_remove(place);
        let outcome = ReportedOutcome { attempt, outcome: outcome_of(attempt.task), blobs: vec![] };
        runner.done.push(outcome.clone());
        self.tell(worker, vec![outcome]);
    }

    fn tell(&mut self, worker: Nth, outcomes: Vec<ReportedOutcome>) {
        let Some(session) = self.fleet.session(worker) else { return };
        if !outcomes.is_empty() {
            self.command(Kind::Outcomes, Command::ReportOutcomes { session, outcomes });
        }
    }

    pub(crate) fn connect(&mut self, worker: Nth) {
        // It repeats its outcomes before it hears which of them nobody wants any more.
        let done = self.fleet[worker].done.clone();
        let hello = self.fleet.dial(worker);
        self.command(Kind::Connect, Command::ConnectWorker(hello));
        self.tell(worker, done);
    }
}

fn outcome_of(task: TaskId) -> Outcome {
    if load::is_failing(task) {
        Outcome::Failed(Failure {
            code: "HANDLER_ERROR".to_owned(),
            message: "the handler failed".to_owned(),
            output: Blob::new(),
        })
    } else {
        Outcome::Succeeded { result: Blob::from_static(&load::PAYLOAD) }
    }
}
