//! No task comes from nowhere and none goes away: the counts by state add up to what was accepted.

use orquestrador_core::effect::Overview;
use orquestrador_core::ids::Index;

use super::{Violation, ensure};
use crate::truth::Truth;

const NAME: &str = "conservation";

/// What a client was told, computed at this entry.
pub fn on_overview(truth: &Truth, overview: &Overview, index: Index) -> Result<(), Violation> {
    let sum: u64 = overview.counts.iter().sum();
    // Tasks that are cancelled without a record, or forgotten, are counted no more.
    let (low, high) = truth.count_at(index);
    ensure((low..=high).contains(&sum), NAME, || {
        format!("{sum} tasks are counted at entry {index}, there were {low} to {high}")
    })
}

/// The committed state, looked at completely.
pub fn check(truth: &Truth) -> Result<(), Violation> {
    orquestrador_core::invariants::check(&truth.machine)
        .map_err(|what| Violation::new(NAME, what))?;
    let counted = truth.tasks.values().filter(|story| !story.is_gone()).count();
    let (known, told) = (truth.machine.task_count(), counted as u64);
    ensure(known == told, NAME, || format!("{told} tasks were accepted, {known} are there"))
}
