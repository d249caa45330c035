//! The task machine: commands in, events and effects out.

use crate::command::Command;
use crate::effect::{Effect, UserRecord};
use crate::event::Event;
use crate::history::History;
use crate::ids::{BlobRef, SessionId, Timestamp, WorkerId};
use crate::limits::Limits;
use crate::mutation::Mutation;
use crate::office::Office;
use crate::state::State;

/// What one command led to. The events are applied already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    pub events: Vec<Event>,
    pub effects: Vec<Effect>,
}

impl Step {
    /// So many events and effects are about to come: what is there is moved once.
    pub(crate) fn reserve(&mut self, events: usize, effects: usize) {
        self.events.reserve(events);
        self.effects.reserve(effects);
    }
}

/// Tasks, workers and users. Does not know whether its node is principal or standby.
pub struct Machine {
    pub(crate) limits: Limits,
    /// Equal on every node.
    pub(crate) state: State,
    /// Only a principal's; made anew by [`Machine::take_office`].
    pub(crate) office: Office,
    /// Somebody watches.
    pub(crate) are_changes_told: bool,
    #[cfg(feature = "mutations")]
    pub(crate) mutation: Option<crate::mutation::Mutation>,
}

impl Machine {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::default(),
            office: Office::default(),
            are_changes_told: true,
            #[cfg(feature = "mutations")]
            mutation: None,
        }
    }

    /// Decides, applies what it decided and appends events and effects to `step`.
    ///
    /// Only a principal may, that is, after [`Machine::take_office`].
    pub fn handle(&mut self, now: Timestamp, command: Command, step: &mut Step) {
        self.decide(now, command, step);
        self.resolve(now, step);
    }

    /// The only code that changes the replicated state: live, at replay and on the standby.
    pub fn apply(&mut self, event: &Event) {
        if matches!(event, Event::BlobsReferred { .. })
            && self.lacks(Mutation::ReferencesLostAtReplay)
        {
            return;
        }
        self.state.apply(event);
        if let Event::TaskSucceeded { task, .. } = event
            && self.lacks(Mutation::MiscountedAtReplay)
        {
            self.state.miscount(*task);
        }
    }

    /// The node became principal: no worker is connected yet, every lease starts now.
    pub fn take_office(&mut self, now: Timestamp, step: &mut Step) {
        // A new office looks at all of them anyway.
        self.state.owners.take_crossed();
        self.office = Office::new(&self.state, &self.limits, now);
        if self.lacks(Mutation::OwedIsUnderWayAtTakeover) {
            self.state.webhooks.iter().for_each(|owed| {
                self.office.posts.begin(owed.report.task, owed.url.target());
            });
        }
        self.tell_users(step);
    }

    /// Whether commands from now on tell of each change by [`Effect::TaskChanged`]; they do at first. Nobody has to be
    /// told while nobody watches.
    pub fn tell_changes(&mut self, are_told: bool) {
        self.are_changes_told = are_told;
    }

    /// Applies and records what was decided.
    pub(crate) fn record(&mut self, event: Event, step: &mut Step) {
        self.state.apply(&event);
        step.events.push(event);
    }

    /// The shortest history that leads to this state: applied to a new machine it gives an equal
    /// digest. This is what a snapshot holds.
    pub fn history(&self) -> History {
        History::new(&self.state)
    }

    /// Equal for equal replicated state, whatever path led to it. Kept up incrementally.
    ///
    /// It covers every record, but not the order among them.
    pub fn digest(&self) -> u128 {
        self.state.digest
    }

    /// When [`Command::ExpireTimers`] is next worth sending.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.next_timer()
    }

    /// Through which a worker is connected.
    pub fn session_of(&self, worker: &WorkerId) -> Option<SessionId> {
        let slot = self.state.workers.find(worker)?;
        self.office.presence(slot).session
    }

    /// Every blob that a task refers to.
    pub fn referred_blobs(&self) -> impl Iterator<Item = BlobRef> {
        self.state.blobs.referred()
    }

    /// Whether [`Machine::referred_blobs`] has changed can be told by it.
    pub fn referred_sum(&self) -> u128 {
        self.state.blobs.sum()
    }

    /// As far as the state has them.
    pub fn users(&self) -> Vec<UserRecord> {
        self.state.users.values().cloned().collect()
    }

    /// All tasks, finished ones included.
    pub fn task_count(&self) -> u64 {
        self.state.totals.counts.iter().sum()
    }

    /// Finished tasks that retention has forgotten; `None` when nothing is left to tell by.
    pub fn forgotten(&self) -> Option<u64> {
        let retained = self.state.retained.len() as u64;
        (retained > 0).then(|| self.state.next_order.0.saturating_sub(retained))
    }

    /// The first event that did not fit the state. It means that the journal was written by code that
    /// decides otherwise: the node must stop, because its state is no longer what the others have.
    pub fn misfit(&self) -> Option<&str> {
        self.state.misfit.as_deref()
    }
}
