//! The task machine: commands in, events and effects out.

use crate::command::Command;
use crate::effect::Effect;
use crate::event::Event;
use crate::ids::Timestamp;
use crate::limits::Limits;

/// What one command led to. The events are applied already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    pub events: Vec<Event>,
    pub effects: Vec<Effect>,
}

/// Tasks, workers and users. Does not know whether its node is principal or standby.
pub struct Machine {
    limits: Limits,
}

impl Machine {
    pub fn new(limits: Limits) -> Self {
        Self { limits }
    }

    /// Decides, applies what it decided and appends events and effects to `step`.
    pub fn handle(&mut self, now: Timestamp, command: Command, step: &mut Step) {
        let _ = (now, command, step, &self.limits);
    }

    /// The only code that changes the replicated state: live, at replay and on the standby.
    pub fn apply(&mut self, event: &Event) {
        let _ = event;
    }

    /// The node became principal: no worker is connected yet, every lease starts now.
    pub fn take_office(&mut self, now: Timestamp, step: &mut Step) {
        let _ = (now, step);
    }

    /// The shortest history that leads to this state: applied to a new machine it gives an equal
    /// digest. This is what a snapshot holds.
    pub fn history(&self) -> impl Iterator<Item = Event> + '_ {
        std::iter::empty()
    }

    /// Equal for equal replicated state, whatever path led to it. Kept up incrementally.
    pub fn digest(&self) -> u128 {
        0
    }

    /// Tasks known, finished ones included.
    pub fn task_count(&self) -> u64 {
        0
    }

    /// When [`Command::ExpireTimers`] is next worth sending.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        None
    }
}
