//! Work that waits while the office changes hands: whoever has the office afterwards does it, the other refuses
//! it. A caller that were sent away at once would come back only after a pause of its own.

use orquestrador_core::role::{Millis, Standing};

use super::input::Input;
use super::store::Store;
use super::{Driver, ENTRY_BYTES, Error, TURN_EVENTS};

/// Inputs that wait; more are taken at once: refused, or to the delay of a handover.
const MAX_HELD: usize = 16_384;
/// How long a node that may be elected keeps its callers waiting for that.
const EXPECTATION: Millis = 250;

/// What waits, and since when there may be something to wait for.
#[derive(Default)]
pub struct HeldWork {
    inputs: Vec<Input>,
    /// This node, a replica, knows of no principal that is alive.
    leaderless_since: Option<Millis>,
}

impl<S: Store> Driver<S> {
    /// Until so much has happened that the turn should end.
    pub(super) fn take_some(
        &mut self,
        inputs: &mut impl Iterator<Item = Input>,
    ) -> Result<(), Error> {
        while self.step.events.len() < TURN_EVENTS
            && let Some(input) = inputs.next()
        {
            if matches!(input, Input::Tick) {
                self.is_tick_due = true;
                continue;
            }
            if self.holds(&input) && self.held.inputs.len() < MAX_HELD {
                self.held.inputs.push(input);
                continue;
            }
            self.take(input)?;
            if self.turn_bytes >= ENTRY_BYTES {
                self.close_entry()?;
            }
        }
        Ok(())
    }

    /// At the end of a turn: the question who does the work may be answered, or may have taken too long.
    pub(super) fn take_held(&mut self) -> Result<(), Error> {
        self.held.leaderless_since = match self.role.standing() {
            Standing::Waiting | Standing::Elected => {
                self.held.leaderless_since.or_else(|| Some(self.clock.monotonic()))
            }
            Standing::Unfounded | Standing::Learner | Standing::Standby | Standing::Principal => {
                None
            }
        };
        if self.held.inputs.is_empty() || self.is_giving_office_away() || self.expects_office() {
            return Ok(());
        }
        let held = std::mem::take(&mut self.held.inputs);
        let mut held = held.into_iter();
        while !held.as_slice().is_empty() {
            self.take_some(&mut held)?;
            self.end_turn()?;
        }
        Ok(())
    }

    /// Something waits that would have been taken in its turn.
    pub(super) fn holds_any(&self) -> bool {
        !self.held.inputs.is_empty()
    }

    /// A worker's stream belongs to the epoch in which it was opened: it does not wait for the next one.
    fn holds(&self, input: &Input) -> bool {
        let is_call = matches!(input, Input::Call { .. } | Input::Watch { .. });
        let is_of_worker = matches!(input, Input::OpenSession { .. } | Input::Session(_));
        let gives_away = (is_call || is_of_worker) && self.is_giving_office_away();
        gives_away || (is_call && self.expects_office())
    }

    fn expects_office(&self) -> bool {
        self.held
            .leaderless_since
            .is_some_and(|since| self.clock.monotonic().saturating_sub(since) < EXPECTATION)
    }

    /// What is appended now would have to be taken back.
    pub(super) fn is_giving_office_away(&self) -> bool {
        self.serving && self.role.is_handing_over()
    }
}
