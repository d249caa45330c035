//! What events do to the references of tasks and arrays to blobs.

use super::Applied;
use crate::ids::{ArrayId, BlobRef, TaskId};
use crate::state::slab::Slot;
use crate::state::tasks::Task;
use crate::state::{State, blobs};

impl State {
    pub(super) fn blobs_referred(&mut self, of: TaskId, blobs: &[BlobRef]) -> Applied {
        let tasks = match (self.tasks.find(of), self.arrays.find(ArrayId(of.0))) {
            (Some(task), _) => vec![task],
            (None, Some(array)) => {
                // Its front alone, but in a snapshot, which tells of blobs after all tasks.
                let array = &self.arrays[array];
                let begun = (0..array.begun).filter_map(|p| self.tasks.find(array.task(p)));
                begun.chain(array.early.records()).collect()
            }
            (None, None) => return Err("there is no such task, or array"),
        };
        for blob in blobs {
            if self.blobs.insert(of, *blob) {
                self.digest = self.digest.wrapping_add(blobs::hash(of, *blob));
            }
        }
        tasks.into_iter().for_each(|task| self.note_blobs(task));
        Ok(())
    }

    /// Retention may make room for others by forgetting it.
    fn note_blobs(&mut self, slot: Slot<Task>) {
        let task = &self.tasks[slot];
        let order = task.finished().and_then(|finished| finished.order);
        if let Some(order) = order.filter(|_| self.refers_to_blobs(task.id())) {
            self.with_blobs.insert(order, slot);
        }
    }

    pub(super) fn blobs_given_up(&mut self, of: TaskId) {
        for blob in self.blobs.remove(of) {
            self.digest = self.digest.wrapping_sub(blobs::hash(of, blob));
        }
    }
}
