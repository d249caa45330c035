//! Rules left out on purpose, to prove that the model check notices. Test-only: without the feature
//! `mutations` no [`Role`] can have one, and every question is the constant `false`.

use super::{Role, Witness};
#[cfg(feature = "mutations")]
use crate::ids::ProcessId;

/// The rule that is left out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mutation {
    /// V1: an acknowledgement counts by its index, whatever history it stands for.
    AckWithoutHash,
    /// V1: what is fsynced here is committed, whatever the standby has.
    CommitAlone,
    /// V1: the standby acknowledges what it has not fsynced.
    AckBeforeFsync,
    /// V2: the word is given to whoever asks, although the register of that view was dropped.
    WordAfterRegister,
    /// V3: a restarted process proposes with the ballots of the one before it.
    BallotReused,
    /// V3: a value found in the register is not completed.
    OverrideFoundValue,
    /// V3: one witness stands for the majority.
    OneWitnessDecides,
    /// V4: a replica promises and accepts without writing it down.
    ForgetfulAcceptor,
    /// V4: a witness that knows a later view still answers in the register of the older one.
    AnswerClosedRegister,
    /// V5: any replica may be proposed, whatever its journal holds.
    AnyoneEligible,
    /// V5: only the record of the newest view makes eligible, not that of any since the membership began.
    RecordOfNewestNeeded,
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
    /// V11: the loopback rule is used although the view has witnesses.
    AloneDespiteWitnesses,
    /// V11: that another node answers at the port is no proof that the process there is dead.
    OnlyRefusalProves,
    /// V15: the forced view has the numbers that the other node may have used meanwhile.
    ForcedWithoutLeap,
}

impl Role {
    /// Leaves out this rule from now on.
    #[cfg(feature = "mutations")]
    pub fn mutate(&mut self, mutation: Mutation) {
        self.mutation = Some(mutation);
    }

    /// Whether the present proposal counts on this witness.
    #[cfg(feature = "mutations")]
    pub fn counts_on(&self, witness: ProcessId) -> bool {
        self.proposal.as_ref().is_some_and(|proposal| proposal.counts_on(witness))
    }

    /// V11: whether this process may decide alone as soon as the other one is dead.
    #[cfg(feature = "mutations")]
    pub fn may_outlive_the_other(&self) -> bool {
        let Some(view) = self.newest() else { return false };
        let knows = |other: super::Replica| self.peer.confirmed.contains(&other.node);
        self.me.loopback
            && view.witnesses.is_empty()
            && self.armed == Some(view.number)
            && view.other(self.me.node).is_some_and(knows)
    }

    /// Exchanges two witnesses that stand in the same views: for a model that takes them for one another.
    #[cfg(feature = "mutations")]
    pub fn exchange(&mut self, one: ProcessId, other: ProcessId) {
        if let Some(proposal) = &mut self.proposal {
            proposal.exchange(one, other);
        }
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

impl Witness {
    /// The same memory in another incarnation.
    #[cfg(feature = "mutations")]
    pub fn named(&self, me: ProcessId) -> Self {
        let mut named = self.clone();
        named.me = me;
        named
    }

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
