//! What must hold, one file for each. They only look: nothing here changes the world.

pub mod acknowledged;
pub mod blobs;
pub mod conservation;
pub mod digests;
pub mod epochs;
pub mod fair;
pub mod in_order;
pub mod keys;
pub mod linearizable;
pub mod one_history;
pub mod one_outcome;
pub mod one_principal;
pub mod quotas;
pub mod running_work;
pub mod runs_on;
pub mod started_once;
pub mod starvation;
pub mod timetable;
pub mod webhooks;

/// Something that must not happen has.
#[derive(Clone, Debug)]
pub struct Violation {
    pub invariant: &'static str,
    pub what: String,
}

impl Violation {
    pub fn new(invariant: &'static str, what: impl Into<String>) -> Self {
        Self { invariant, what: what.into() }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

/// All that the invariants remember.
#[derive(Default)]
pub struct Memory {
    pub acknowledged: acknowledged::Memory,
    pub epochs: epochs::Memory,
    pub linearizable: linearizable::Memory,
    pub one_outcome: one_outcome::Memory,
    pub one_principal: one_principal::Memory,
    pub started_once: started_once::Memory,
    pub digests: digests::Memory,
}

/// `Err` unless it holds.
pub(crate) fn ensure(
    holds: bool,
    invariant: &'static str,
    otherwise: impl FnOnce() -> String,
) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation::new(invariant, otherwise())) }
}
