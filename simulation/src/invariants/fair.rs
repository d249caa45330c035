//! G6: among equal free workers, assignment counts differ by at most one.

use std::collections::BTreeMap;

use super::{Violation, ensure};

/// How many tasks of one batch each idle, equal worker got.
pub fn check(counts: &BTreeMap<String, u64>) -> Result<(), Violation> {
    let (low, high) = (counts.values().min(), counts.values().max());
    let holds = low.zip(high).is_none_or(|(low, high)| high - low <= 1);
    ensure(holds, "G6 fair", || format!("equal workers got {counts:?}"))
}
