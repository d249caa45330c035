//! Which tasks refer to which blobs: as long as one does, the nodes keep the blob.

use std::collections::BTreeMap;

use crate::digest;
use crate::ids::{BlobId, BlobRef, TaskId};

#[derive(Default)]
pub struct Blobs {
    by_task: BTreeMap<TaskId, BTreeMap<BlobId, u64>>,
    by_blob: BTreeMap<BlobId, Users>,
    references: usize,
    bytes: u64,
    /// Of what is referred to: equal for equal sets.
    sum: u128,
}

/// So many tasks refer to a blob of so many bytes.
struct Users {
    tasks: usize,
    bytes: u64,
}

impl Blobs {
    /// Whether that is new.
    pub fn insert(&mut self, task: TaskId, blob: BlobRef) -> bool {
        let of_task = self.by_task.entry(task).or_default();
        if of_task.contains_key(&blob.id) {
            return false;
        }
        of_task.insert(blob.id, blob.bytes);
        self.references += 1;
        let users = self.by_blob.entry(blob.id).or_insert_with(|| {
            self.bytes = self.bytes.saturating_add(blob.bytes);
            self.sum = self.sum.wrapping_add(leading(blob.id));
            Users { tasks: 0, bytes: blob.bytes }
        });
        users.tasks += 1;
        true
    }

    /// The task is forgotten; what it referred to.
    pub fn remove(&mut self, task: TaskId) -> Vec<BlobRef> {
        let of_task = self.by_task.remove(&task).unwrap_or_default();
        self.references -= of_task.len();
        for id in of_task.keys() {
            let Some(users) = self.by_blob.get_mut(id) else { continue };
            users.tasks -= 1;
            if users.tasks == 0 {
                self.bytes = self.bytes.saturating_sub(users.bytes);
                self.sum = self.sum.wrapping_sub(leading(*id));
                self.by_blob.remove(id);
            }
        }
        of_task.into_iter().map(|(id, bytes)| BlobRef { id, bytes }).collect()
    }

    pub fn refers(&self, task: TaskId) -> bool {
        self.by_task.contains_key(&task)
    }

    pub fn of_task(&self, task: TaskId) -> impl Iterator<Item = BlobRef> {
        let of_task = self.by_task.get(&task).into_iter().flatten();
        of_task.map(|(id, bytes)| BlobRef { id: *id, bytes: *bytes })
    }

    /// Everything that is referred to.
    pub fn referred(&self) -> impl Iterator<Item = BlobRef> {
        self.by_blob.iter().map(|(id, users)| BlobRef { id: *id, bytes: users.bytes })
    }

    /// Whether [`Self::referred`] has changed can be told by it.
    pub fn sum(&self) -> u128 {
        self.sum
    }

    pub fn references(&self) -> usize {
        self.references
    }

    pub fn iter(&self) -> impl Iterator<Item = (TaskId, BlobRef)> {
        let of_task = |(task, blobs): (&TaskId, &BTreeMap<BlobId, u64>)| {
            let task = *task;
            let blob =
                move |(id, bytes): (&BlobId, &u64)| (task, BlobRef { id: *id, bytes: *bytes });
            blobs.iter().map(blob).collect::<Vec<_>>()
        };
        self.by_task.iter().flat_map(of_task)
    }

    /// By task.
    pub fn all(&self) -> Vec<(TaskId, Vec<BlobRef>)> {
        self.by_task.keys().map(|task| (*task, self.of_task(*task).collect())).collect()
    }

    pub fn countdown(&self) -> Countdown<'_> {
        let (references, bytes) = (self.references, self.bytes);
        Countdown { blobs: self, gone: BTreeMap::new(), references, bytes }
    }
}

/// What would be left without some of the tasks.
pub struct Countdown<'a> {
    blobs: &'a Blobs,
    gone: BTreeMap<BlobId, usize>,
    references: usize,
    bytes: u64,
}

impl Countdown<'_> {
    pub fn without(&mut self, task: TaskId) {
        for BlobRef { id, .. } in self.blobs.of_task(task) {
            self.references -= 1;
            let gone = self.gone.entry(id).or_default();
            *gone += 1;
            let users = self.blobs.by_blob.get(&id).filter(|users| users.tasks == *gone);
            self.bytes = self.bytes.saturating_sub(users.map_or(0, |users| users.bytes));
        }
    }

    pub fn references(&self) -> usize {
        self.references
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Half of a hash is a hash.
fn leading(id: BlobId) -> u128 {
    id.0.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

/// What a reference adds to the digest.
pub fn hash(task: TaskId, blob: BlobRef) -> u128 {
    digest::reference(task, blob)
}
