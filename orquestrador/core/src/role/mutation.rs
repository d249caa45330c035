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
    /// V2: the word is given although something was promised.
    WordAfterPromise,
    /// V3: a value found in the register is not completed.
    OverrideFoundValue,
    /// V4: a promise or an acceptance is answered before it is on disk.
    PromiseNotPersisted,
    /// V5: any replica may be proposed, whatever its journal holds.
    AnyoneEligible,
    /// V6: entries are told apart by index and epoch only.
    TruncateByIndex,
    /// V6: service begins before the view's record is committed.
    ServeBeforeRecord,
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
