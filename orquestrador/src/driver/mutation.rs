//! Rules left out on purpose, to prove that the simulation notices. Test-only: without the feature
//! `mutations` no [`Driver`] can have one, and every question is the constant `false`.

#[cfg(feature = "mutations")]
use orquestrador_core::{mutation as machine, role};

use super::Driver;

/// The rule that is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutation {
    /// V2: what a turn led to is said at once.
    ReleaseBeforeCommit,
    /// V2: a read is answered without the standby's word.
    ReadWithoutWord,
    /// V2: what waited when the office ended is said when the next one begins.
    AnswerAfterDeposition,
    /// V3: a standby whose link broke makes itself principal.
    PromoteWithoutRegister,
    /// V6: the entries are set aside, what they did is not.
    KeepAppliedTail,
    /// G5: after a takeover the leases count from long ago.
    LeasesEndAtTakeover,
}

#[cfg(feature = "mutations")]
impl<S> Driver<S> {
    /// Leaves out this rule from now on.
    pub fn mutate(&mut self, mutation: Mutation) {
        self.mutation = Some(mutation);
    }

    /// The same of the role machine.
    pub fn mutate_role(&mut self, mutation: role::Mutation) {
        if let super::Leadership::Pair(role) = &mut self.role {
            role.mutate(mutation);
        }
    }

    /// The same of the task machine.
    pub fn mutate_machine(&mut self, mutation: machine::Mutation) {
        self.applied.mutate(mutation);
    }

    pub(super) fn lacks(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }
}

#[cfg(not(feature = "mutations"))]
impl<S> Driver<S> {
    pub(super) fn lacks(&self, _: Mutation) -> bool {
        false
    }
}
