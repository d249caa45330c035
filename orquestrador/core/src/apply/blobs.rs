//! What events do to the references of tasks to blobs.

use super::Applied;
use crate::ids::{BlobRef, TaskId};
use crate::state::{State, blobs};

impl State {
    pub(super) fn blobs_referred(&mut self, task: TaskId, blobs: &[BlobRef]) -> Applied {
        let slot = self.tasks.find(task).ok_or("there is no such task")?;
        for blob in blobs {
            if self.blobs.insert(task, *blob) {
                self.digest = self.digest.wrapping_add(blobs::hash(task, *blob));
            }
        }
        let order = self.tasks[slot].finished().and_then(|finished| finished.order);
        if let Some(order) = order.filter(|_| self.blobs.refers(task)) {
            self.with_blobs.insert(order, slot);
        }
        Ok(())
    }

    pub(super) fn blobs_given_up(&mut self, task: TaskId) {
        for blob in self.blobs.remove(task) {
            self.digest = self.digest.wrapping_sub(blobs::hash(task, blob));
        }
    }
}
