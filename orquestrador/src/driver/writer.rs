//! The one thread that writes the journal. Appends that wait together share one fsync. A little that finds the
//! thread idle is written by the driver itself: to wake another thread and to be woken takes longer than the disk.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use orquestrador_core::ids::Index;
use orquestrador_core::role::Durable;

use super::input::{Input, InputSender};
use super::store::Install;
use crate::journal::{Entry, Error, Journal, SetAside, SnapshotMeta};
use crate::meters::Meters;

/// Jobs in the queue: many times the turns that the driver leaves uncommitted.
const JOBS: usize = 4_096;

enum Job {
    Append(Vec<Entry>),
    SaveRole(Box<Durable>, SyncSender<Result<(), Error>>),
    SetAside(Index, SyncSender<Result<Option<SetAside>, Error>>),
    Install(Install, SyncSender<Result<SnapshotMeta, Error>>),
    /// All before it is done.
    Settle(SyncSender<()>),
}

/// How far the thread has come. The driver looks at it every turn, so the thread never waits for the
/// driver and the two cannot wait for each other.
#[derive(Default)]
struct Progress {
    durable: AtomicU64,
    /// Jobs that the thread has not done yet.
    under_way: AtomicUsize,
    /// Payload bytes in them.
    bytes_under_way: AtomicUsize,
    failure: Mutex<Option<Error>>,
}

/// Hands work to the journal's thread, in order.
pub struct Writer {
    jobs: Option<SyncSender<Job>>,
    progress: Arc<Progress>,
    thread: Option<JoinHandle<()>>,
    journal: Journal,
    meters: Meters,
    /// Appended, and not on its way yet.
    waiting: Vec<Entry>,
    waiting_bytes: usize,
}

impl Writer {
    /// # Errors
    /// The thread could not be started.
    pub fn start(journal: Journal, driver: InputSender, meters: Meters) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel(JOBS);
        let progress = Arc::new(Progress::default());
        let worker = Worker {
            journal: journal.clone(),
            driver,
            progress: Arc::clone(&progress),
            meters: meters.clone(),
        };
        let thread =
            std::thread::Builder::new().name("journal".into()).spawn(move || worker.run(&queue))?;
        let (jobs, thread) = (Some(jobs), Some(thread));
        let (waiting, waiting_bytes) = (Vec::new(), 0);
        Ok(Self { jobs, progress, thread, journal, meters, waiting, waiting_bytes })
    }

    /// With the next [`Writer::flush`], or whatever else is asked.
    pub fn append(&mut self, entry: Entry) {
        self.waiting_bytes += entry.payload.len();
        self.waiting.push(entry);
    }

    /// Waits for the disk if little waits and the thread is idle, else only when its queue is full; before that
    /// the driver takes no more work, because too much is uncommitted.
    pub fn flush(&mut self) -> Result<(), Error> {
        let is_little = self.waiting_bytes <= INLINE_BYTES;
        let (Some(last), true, 0) =
            (self.waiting.last(), is_little, self.progress.under_way.load(Ordering::Acquire))
        else {
            return self.hand_over();
        };
        let last = last.id.index;
        let began = Instant::now();
        self.journal.append(&self.waiting)?;
        self.meters.appended(began.elapsed());
        self.progress.durable.store(last.0, Ordering::Release);
        self.waiting.clear();
        self.waiting_bytes = 0;
        Ok(())
    }

    fn hand_over(&mut self) -> Result<(), Error> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.waiting_bytes);
        self.progress.bytes_under_way.fetch_add(bytes, Ordering::AcqRel);
        let entries = std::mem::take(&mut self.waiting);
        self.submit(Job::Append(entries))
    }

    /// Payload bytes that were appended and are not on disk.
    pub fn unwritten_bytes(&self) -> usize {
        self.waiting_bytes + self.progress.bytes_under_way.load(Ordering::Acquire)
    }

    /// Returns when all that was appended is on disk.
    pub fn settle(&mut self) -> Result<(), Error> {
        self.hand_over()?;
        let (done, wait) = sync_channel(1);
        self.submit(Job::Settle(done))?;
        wait.recv().map_err(|_| self.failure())
    }

    /// Returns when it is on disk.
    pub fn save_role(&mut self, durable: &Durable) -> Result<(), Error> {
        self.hand_over()?;
        let (done, wait) = sync_channel(1);
        self.submit(Job::SaveRole(Box::new(durable.clone()), done))?;
        wait.recv().map_err(|_| self.failure())?
    }

    /// Returns when what follows `keep` stands in its own file and no longer in the journal.
    pub fn set_aside_after(&mut self, keep: Index) -> Result<Option<SetAside>, Error> {
        self.hand_over()?;
        let (done, wait) = sync_channel(1);
        self.submit(Job::SetAside(keep, done))?;
        let aside = wait.recv().map_err(|_| self.failure())?;
        self.progress.durable.fetch_min(keep.0, Ordering::AcqRel);
        aside
    }

    /// Returns when the snapshot has replaced the journal.
    pub fn install(&mut self, snapshot: Install) -> Result<SnapshotMeta, Error> {
        self.hand_over()?;
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
            Some(jobs) => {
                self.progress.under_way.fetch_add(1, Ordering::AcqRel);
                jobs.send(job).map_err(|_| self.failure())
            }
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

/// Payload bytes that the driver writes itself: the disk takes no longer for them than for one.
const INLINE_BYTES: usize = 16 << 10;
/// Payload bytes taken into one batch.
const BATCH_BYTES: usize = 8 << 20;

struct Worker {
    journal: Journal,
    driver: InputSender,
    progress: Arc<Progress>,
    meters: Meters,
}

impl Worker {
    fn run(&self, queue: &Receiver<Job>) {
        let mut next = None;
        while let Some(job) = next.take().or_else(|| queue.recv().ok()) {
            match job {
                Job::Append(entries) => {
                    let (entries, following) = gather(entries, queue);
                    next = following;
                    let jobs = entries.jobs;
                    if !self.append(&entries.all) {
                        return;
                    }
                    self.progress.bytes_under_way.fetch_sub(entries.bytes, Ordering::AcqRel);
                    self.progress.under_way.fetch_sub(jobs, Ordering::AcqRel);
                    continue;
                }
                // The driver waits for these; if it is gone, nobody needs the answer.
                Job::SaveRole(durable, done) => drop(done.send(self.journal.save_role(&durable))),
                Job::SetAside(keep, done) => drop(done.send(self.journal.set_aside_after(keep))),
                Job::Install(snapshot, done) => drop(done.send((snapshot.run)())),
                Job::Settle(done) => drop(done.send(())),
            }
            self.progress.under_way.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn append(&self, entries: &[Entry]) -> bool {
        let Some(last) = entries.last() else { return true };
        let began = Instant::now();
        let written = self.journal.append(entries);
        self.meters.appended(began.elapsed());
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

/// Entries of several jobs.
struct Gathered {
    all: Vec<Entry>,
    jobs: usize,
    bytes: usize,
}

/// Takes the appends that wait already into one batch.
fn gather(entries: Vec<Entry>, queue: &Receiver<Job>) -> (Gathered, Option<Job>) {
    let size = |entries: &[Entry]| entries.iter().map(|e| e.payload.len()).sum::<usize>();
    let mut gathered = Gathered { bytes: size(&entries), all: entries, jobs: 1 };
    while gathered.bytes < BATCH_BYTES {
        match queue.try_recv() {
            Ok(Job::Append(more)) => {
                gathered.bytes += size(&more);
                gathered.all.extend(more);
                gathered.jobs += 1;
            }
            Ok(other) => return (gathered, Some(other)),
            Err(_) => break,
        }
    }
    (gathered, None)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use orquestrador_core::ids::Epoch;
    use orquestrador_core::role::EntryId;

    use super::*;

    #[test]
    fn what_is_not_on_disk_is_counted_until_it_is() -> Result<(), Error> {
        let dir = tempfile::tempdir().expect("a directory");
        let (journal, _) = Journal::open(dir.path())?;
        let (driver, _queue) = tokio::sync::mpsc::channel(1);
        let mut writer = Writer::start(journal, driver, Meters::default()).expect("a thread");
        let payload = Bytes::from(vec![7; 2 * INLINE_BYTES]);
        let mut last = EntryId::default();
        for _ in 0..3 {
            let entry = Entry::following(&last, Epoch(1), payload.clone());
            last = entry.id;
            writer.append(entry);
        }
        assert_eq!(writer.unwritten_bytes(), 3 * payload.len());
        writer.settle()?;
        assert_eq!((writer.unwritten_bytes(), writer.durable()?), (0, last.index));
        Ok(())
    }
}
