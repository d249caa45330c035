//! Whoever has applied the same entries has the same state.

use std::collections::BTreeMap;

use orquestrador_core::role::EntryId;

use super::{Violation, ensure};
use crate::truth::Truth;

/// States of what is not committed yet, to be compared between the nodes.
const REMEMBERED: usize = 256;

#[derive(Default)]
pub struct Memory {
    digests: BTreeMap<EntryId, u128>,
}

impl Memory {
    /// A node has applied everything up to this entry.
    pub fn on_applied(
        &mut self,
        truth: &Truth,
        last: EntryId,
        digest: u128,
    ) -> Result<(), Violation> {
        let is_committed = truth.id_at(last.index) == Some(last);
        let committed = is_committed.then(|| truth.digest_at(last.index)).flatten();
        let expected = match committed {
            Some(expected) => expected,
            None => *self.digests.entry(last).or_insert(digest),
        };
        if self.digests.len() > REMEMBERED {
            self.digests.pop_first();
        }
        ensure(last.index.0 == 0 || digest == expected, "digests", || {
            format!("after entry {} one state is {digest:x}, another {expected:x}", last.index)
        })
    }
}
