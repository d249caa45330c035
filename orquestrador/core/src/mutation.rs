//! Rules of the task machine left out on purpose, to prove that the simulation notices. Test-only:
//! without the feature `mutations` no [`Machine`] can have one, and every question is the constant
//! `false`.

use crate::machine::Machine;

/// The rule that is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutation {
    /// G2: an outcome counts whatever attempt it is of.
    AnyAttemptCounts,
    /// G5: an assignment that never arrived is not delivered again.
    NoRedelivery,
    /// G2: an at-most-once task whose attempt was lost is given out again.
    AlwaysRequeued,
    /// G6: the first free worker gets every task.
    NoTurns,
    /// The next firing of a schedule is computed from the clock.
    NextFromTheClock,
    /// What a new office fires first stays due.
    FiresAgainAtTakeover,
    /// A paused schedule goes on.
    PausesNotHeeded,
    /// Users may have as much unfinished as they like.
    NoQuotas,
    /// Who runs as much as may is given more.
    RunningNotHeeded,
    /// Whoever only applies events counts a finished task as unfinished.
    MiscountedAtReplay,
    /// Another task may have the same key.
    KeysNotHeeded,
    /// Whoever only applies events does not know what tasks refer to.
    ReferencesLostAtReplay,
    /// What was owed to receivers before an office began counts as under way.
    OwedIsUnderWayAtTakeover,
}

impl Machine {
    /// Leaves out this rule from now on.
    #[cfg(feature = "mutations")]
    pub fn mutate(&mut self, mutation: Mutation) {
        self.mutation = Some(mutation);
    }

    #[cfg(feature = "mutations")]
    pub(crate) fn lacks(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    #[cfg(not(feature = "mutations"))]
    pub(crate) fn lacks(&self, _: Mutation) -> bool {
        false
    }
}
