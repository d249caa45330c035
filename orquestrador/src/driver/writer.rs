//! The one thread that writes the journal. Appends that wait together share one fsync.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use orquestrador_core::ids::Index;
use orquestrador_core::role::Durable;

use super::input::{Input, InputSender};
use super::store::Install;
use crate::journal::{Entry, Error, Journal, SetAside, SnapshotMeta};

/// Jobs in the queue: many times the turns that the driver leaves uncommitted.
const JOBS: usize = 4_096;

enum Job {
    Append(Vec<Entry>),
    SaveRole(Box<Durable>, SyncSender<Result<(), Error>>),
    SetAside(Index, SyncSender<Result<Option<SetAside>, Error>>),
    Install(Install, SyncSender<Result<SnapshotMeta, Error>>),
}

/// How far the thread has come. The driver looks at it every turn, so the thread never waits for the
/// driver and the two cannot wait for each other.
#[derive(Default)]
struct Progress {
    durable: AtomicU64,
    failure: Mutex<Option<Error>>,
}

/// Hands work to the journal's thread, in order.
pub struct Writer {
    jobs: Option<SyncSender<Job>>,
    progress: Arc<Progress>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// # Errors
    /// The thread could not be started.
    pub fn start(journal: Journal, driver: InputSender) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel(JOBS);
        let progress = Arc::new(Progress::default());
        let worker = Worker { journal, driver, progress: Arc::clone(&progress) };
        let thread =
            std::thread::Builder::new().name("journal".into()).spawn(move || worker.run(&queue))?;
        Ok(Self { jobs: Some(jobs), progress, thread: Some(thread) })
    }

    /// Waits only when the queue is full; before that the driver takes no more work, because too much is
    /// uncommitted.
    pub fn append(&self, entries: Vec<Entry>) -> Result<(), Error> {
        self.submit(Job::Append(entries))
    }

    /// Returns when it is on disk.
    pub fn save_role(&self, durable: &Durable) -> Result<(), Error> {
        let (done, wait) = sync_channel(1);
        self.submit(Job::SaveRole(Box::new(durable.clone()), done))?;
        wait.recv().map_err(|_| self.failure())?
    }

    /// Returns when what follows `keep` stands in its own file and no longer in the journal.
    pub fn set_aside_after(&self, keep: Index) -> Result<Option<SetAside>, Error> {
        let (done, wait) = sync_channel(1);
        self.submit(Job::SetAside(keep, done))?;
        let aside = wait.recv().map_err(|_| self.failure())?;
        self.progress.durable.fetch_min(keep.0, Ordering::AcqRel);
        aside
    }

    /// Returns when the snapshot has replaced the journal.
    pub fn install(&self, snapshot: Install) -> Result<SnapshotMeta, Error> {
        let (done, wait) = sync_channel(1);
        self.submit(Job::Install(snapshot, done))?;
        let meta = wait.recv().map_err(|_| self.failure())??;
        self.progress.durable.store(meta.id.index.0, Ordering::Release);
        Ok(meta)
    }

    /// The journal is fsynced up to here by this thread; 0 when it has not written yet.
    ///
    /// # Errors
    /// The journal failed; nothing more is written.
    pub fn durable(&self) -> Result<Index, Error> {
        match self.progress.failure.lock().ok().and_then(|mut failure| failure.take()) {
            Some(error) => Err(error),
            None => Ok(Index(self.progress.durable.load(Ordering::Acquire))),
        }
    }

    fn submit(&self, job: Job) -> Result<(), Error> {
        match &self.jobs {
            Some(jobs) => jobs.send(job).map_err(|_| self.failure()),
            None => Err(Error::Poisoned),
        }
    }

    fn failure(&self) -> Error {
        self.durable().err().unwrap_or(Error::Poisoned)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Closing the queue ends the thread once it has written what is in it.
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the journal thread panicked");
        }
    }
}

/// Payload bytes taken into one batch.
const BATCH_BYTES: usize = 8 << 20;

struct Worker {
    journal: Journal,
    driver: InputSender,
    progress: Arc<Progress>,
}

impl Worker {
    fn run(&self, queue: &Receiver<Job>) {
        let mut next = None;
        while let Some(job) = next.take().or_else(|| queue.recv().ok()) {
            match job {
                Job::Append(entries) => {
                    let (entries, following) = gather(entries, queue);
                    next = following;
                    if !self.append(&entries) {
                        return;
                    }
                }
                // The driver waits for these; if it is gone, nobody needs the answer.
                Job::SaveRole(durable, done) => drop(done.send(self.journal.save_role(&durable))),
                Job::SetAside(keep, done) => drop(done.send(self.journal.set_aside_after(keep))),
                Job::Install(snapshot, done) => drop(done.send((snapshot.run)())),
            }
        }
    }

    fn append(&self, entries: &[Entry]) -> bool {
        let Some(last) = entries.last() else { return true };
        let written = self.journal.append(entries);
        let go_on = written.is_ok();
        match written {
            Ok(()) => self.progress.durable.store(last.id.index.0, Ordering::Release),
            Err(error) => {
                if let Ok(mut failure) = self.progress.failure.lock() {
                    *failure = Some(error);
                }
            }
        }
        // A full queue wakes the driver by itself; a closed one means that it is gone.
        match self.driver.try_send(Input::JournalProgress) {
            Ok(()) | Err(tokio::sync::mpsc::error::TrySendError::Full(_)) => go_on,
            Err(tokio::sync::mpsc::error::TrySendError::Closed(_)) => false,
        }
    }
}

/// Takes the appends that wait already into one batch.
fn gather(mut entries: Vec<Entry>, queue: &Receiver<Job>) -> (Vec<Entry>, Option<Job>) {
    let size = |entries: &[Entry]| entries.iter().map(|e| e.payload.len()).sum::<usize>();
    let mut bytes = size(&entries);
    while bytes < BATCH_BYTES {
        match queue.try_recv() {
            Ok(Job::Append(more)) => {
                bytes += size(&more);
                entries.extend(more);
            }
            Ok(other) => return (entries, Some(other)),
            Err(_) => break,
        }
    }
    (entries, None)
}
