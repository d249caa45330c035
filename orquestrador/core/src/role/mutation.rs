//! Rules left out on purpose, to prove that the model check notices. Test-only: without the feature
//! `mutations` no [`Role`] can have one, and every question is the constant `false`.

use super::Role;

/// The rule that is left out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mutation {
    /// V1: an acknowledgement counts by its index, whatever history it stands for.
    AckWithoutHash,
    /// V1: what is fsynced here is committed, whatever the standby has.
    CommitAlone,
    /// V1: the standby acknowledges what it has not fsynced.
    AckBeforeFsync,
    /// V3: a value found in the register is not completed.
    OverrideFoundValue,
    /// V5: any replica may be proposed, whatever its journal holds.
    AnyoneEligible,
    /// V6: entries are told apart by index only, so a divergent tail stays.
    TruncateByIndex,
    /// V6: a restarted principal waits for a record that it never had.
    RecordAlwaysNeeded,
    /// V6: service begins before the view's record is committed.
    ServeBeforeRecord,
    /// V7: who takes over keeps the epoch.
    SameEpoch,
    /// V8: after growth the old rule goes on until the record is acknowledged.
    GrowthUnderOldRule,
    /// V11: a restart and a catch-up arm the loopback rule too.
    ArmedByAnything,
}

impl Role {
    /// Leaves out this rule from now on.
    #[cfg(feature = "mutations")]
    pub fn mutate(&mut self, mutation: Mutation) {
        self.mutation = Some(mutation);
    }

    #[cfg(feature = "mutations")]
    pub(super) fn lacks(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    #[cfg(not(feature = "mutations"))]
    pub(super) fn lacks(&self, _: Mutation) -> bool {
        false
    }
}
