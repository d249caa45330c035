//! The load of a drill: clients that submit small tasks, one after the other.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use cliente::{Client, TaskSpec};
use tokio::task::JoinHandle;

/// One acknowledgement.
pub struct Acknowledged {
    pub task_id: String,
    pub at: Instant,
    pub epoch: u64,
}

/// What the submitters share.
pub struct Load {
    client: Client,
    submitted: AtomicU64,
    acknowledged: Mutex<Vec<Acknowledged>>,
    ends: AtomicBool,
}

impl Load {
    pub fn new(client: Client) -> Self {
        Self {
            client,
            submitted: AtomicU64::new(0),
            acknowledged: Mutex::default(),
            ends: AtomicBool::new(false),
        }
    }

    pub fn begin(self: &Arc<Self>, clients: u64) -> Vec<JoinHandle<()>> {
        (0..clients).map(|_| tokio::spawn(Self::submit(Arc::clone(self)))).collect()
    }

    /// No further tasks.
    pub fn end(&self) {
        self.ends.store(true, Ordering::Relaxed);
    }

    pub fn submitted(&self) -> u64 {
        self.submitted.load(Ordering::Relaxed)
    }

    /// So far, in the order in which they came.
    pub fn take_acknowledged(&self) -> Vec<Acknowledged> {
        let mut all = std::mem::take(&mut *self.lock());
        all.sort_by_key(|done| done.at);
        all
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Acknowledged>> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A task that is not accepted is part of what the drill shows: only those acknowledged must be there.
    async fn submit(self: Arc<Self>) {
        while !self.ends.load(Ordering::Relaxed) {
            let number = self.submitted.fetch_add(1, Ordering::Relaxed);
            let task = TaskSpec::new("echo", format!("drill {number}").into_bytes());
            let task_id = task.task_id.clone();
            match self.client.submit(task, false).await {
                Ok(done) => {
                    let epoch = done.receipt.epoch;
                    self.lock().push(Acknowledged { task_id, at: Instant::now(), epoch });
                }
                Err(error) => {
                    tracing::debug!(%error, task.id = task_id, "not accepted");
                    return;
                }
            }
        }
    }
}
