//! A blob is kept as long as a task is known that refers to it, on every node; only finished tasks are forgotten.

use std::collections::{BTreeMap, BTreeSet};

use orquestrador_core::Machine;
use orquestrador_core::ids::{BlobRef, TaskId};

use super::{Violation, ensure};

const NAME: &str = "blobs are kept";

/// What the committed history says of blobs.
#[derive(Default)]
pub struct Blobs {
    by_task: BTreeMap<TaskId, BTreeSet<BlobRef>>,
}

impl Blobs {
    pub fn on_referred(&mut self, task: TaskId, blobs: &[BlobRef]) {
        self.by_task.entry(task).or_default().extend(blobs);
    }

    pub fn on_forgotten(&mut self, task: TaskId) {
        self.by_task.remove(&task);
    }

    /// A node has applied what was committed, all of it.
    pub fn check(&self, machine: &Machine) -> Result<(), Violation> {
        let told: BTreeSet<_> = self.by_task.values().flatten().copied().collect();
        let kept: BTreeSet<_> = machine.referred_blobs().collect();
        ensure(told == kept, NAME, || {
            format!("tasks refer to {} blobs, {} are kept", told.len(), kept.len())
        })
    }
}
