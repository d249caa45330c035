//! What a schedule says, and what its tasks are called.

use std::sync::Arc;

use orquestrador_schedule::Plan;
use xxhash_rust::xxh3::xxh3_128;

use crate::ids::{Blob, HandlerName, ScheduleName, TaskId, Timestamp, UserName};
use crate::terms::Terms;

/// A task that is to be made again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// When, as a [`Plan`] understands it.
    pub expression: String,
    /// Of the IANA database.
    pub zone: String,
    pub catch_up: CatchUp,
    pub overlap: Overlap,
    pub handler: HandlerName,
    pub payload: Blob,
    /// Without a schedule: its name is added to those of its tasks.
    pub terms: Arc<Terms>,
}

impl Schedule {
    /// # Errors
    /// Says what is wrong with the expression or the zone.
    pub fn plan(&self) -> Result<Plan, orquestrador_schedule::Error> {
        Plan::parse(&self.expression, &self.zone)
    }
}

/// What becomes of firings that were missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum CatchUp {
    /// Nothing.
    #[default]
    Skip = 1,
    /// One task for all of them, of the last one.
    One = 2,
    /// A task for each, of the last [`Limits::max_catch_up`](crate::Limits).
    All = 3,
}

/// What becomes of a firing while the task of the one before has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Overlap {
    /// Its task is made all the same.
    #[default]
    Allow = 1,
    /// Nothing.
    Skip = 2,
}

/// Where a UUIDv7 has its moment.
const MOMENT_SHIFT: u32 = 80;
const MAX_MOMENT: u64 = (1 << 48) - 1;

/// What the task of a firing is called, whoever decides it: a UUIDv7 of the moment at which it was due.
pub fn task_of(
    owner: &UserName,
    name: &ScheduleName,
    created: Timestamp,
    due: Timestamp,
) -> TaskId {
    let mut bytes = Vec::with_capacity(owner.0.len() + name.0.len() + 24);
    for text in [&owner.0, &name.0] {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    }
    bytes.extend(created.0.to_le_bytes());
    bytes.extend(due.0.to_le_bytes());
    let rest = xxh3_128(&bytes) & !(0xf << 76) & !(0b11 << 62) & ((1 << MOMENT_SHIFT) - 1);
    let moment = u128::from(due.0.min(MAX_MOMENT)) << MOMENT_SHIFT;
    TaskId(moment | rest | 7 << 76 | 0b10 << 62)
}

/// The moment in a UUIDv7.
pub fn moment_of(task: TaskId) -> Timestamp {
    Timestamp((task.0 >> MOMENT_SHIFT) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_firing_has_a_name_of_its_own() {
        let (ana, bia) = (UserName::from("ana"), UserName::from("bia"));
        let (a, b) = (ScheduleName::from("a"), ScheduleName::from("ab"));
        let name =
            |owner, name, created, due| task_of(owner, name, Timestamp(created), Timestamp(due));
        let all = [
            name(&ana, &a, 1, 1_700_000_000_123),
            name(&bia, &a, 1, 1_700_000_000_123),
            name(&ana, &b, 1, 1_700_000_000_123),
            name(&ana, &a, 2, 1_700_000_000_123),
            name(&ana, &a, 1, 1_700_000_001_123),
        ];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        for id in all {
            let text = id.to_string();
            assert_eq!(&text[14..15], "7", "{text}");
            assert!("89ab".contains(&text[19..20]), "{text}");
        }
        assert_eq!(moment_of(all[0]), Timestamp(1_700_000_000_123));
    }
}
