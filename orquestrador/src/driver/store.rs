//! What the driver needs from outside: a journal and two clocks. Nothing else reaches it but inputs, so a
//! driver with a scripted store and clock is a deterministic state machine.

use orquestrador_core::ids::{Blob, Epoch, Index, Timestamp, ViewNumber};
use orquestrador_core::role::{Durable, EntryId, Millis, Sender, View};
use orquestrador_core::{Event, History};

use super::replicator::Link;
use crate::journal::{Entry, Error, SetAside, SnapshotMeta, ViewNote};

/// A received snapshot, whole and verified.
pub struct Install {
    /// Where the history that it stands for has the records of its newest views.
    pub records: Vec<(ViewNumber, Index)>,
    /// Puts it in the place of the journal.
    pub run: Box<dyn FnOnce() -> Result<SnapshotMeta, Error> + Send>,
}

/// The node's durable memory. After an error nothing more is promised: the driver ends.
pub trait Store {
    /// Appends an entry that follows the last one, with the next [`Store::flush`] at the latest.
    fn append(&mut self, entry: Entry) -> Result<(), Error>;

    /// Sends what was appended on its way to the disk. Waits for it only where that is sooner done than said:
    /// [`Store::durable`] tells when it is there, and an
    /// [`Input::JournalProgress`](super::input::Input::JournalProgress) when to ask again.
    fn flush(&mut self) -> Result<(), Error>;

    /// The journal is fsynced up to here by this process; 0 when it has not written yet.
    fn durable(&self) -> Result<Index, Error>;

    /// Payload bytes that were appended and are not on disk.
    fn unwritten_bytes(&self) -> usize {
        0
    }

    /// Returns when all that was appended is on disk.
    ///
    /// # Errors
    /// It could not be written.
    fn settle(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Returns when it is on disk.
    fn save_role(&mut self, durable: &Durable) -> Result<(), Error>;

    /// Returns when what follows `keep` stands in its own file and no longer in the journal.
    fn set_aside_after(&mut self, keep: Index) -> Result<Option<SetAside>, Error>;

    /// Returns when the snapshot stands in its own file, too; `None` without one.
    fn set_aside_snapshot(&mut self) -> Result<Option<SetAside>, Error>;

    /// Returns when the snapshot has replaced the journal.
    fn install(&mut self, snapshot: Install) -> Result<SnapshotMeta, Error>;

    /// Forgets the entries below `index`, which the snapshot stands for; their space comes back meanwhile. An
    /// [`Input::PruningFailed`](super::input::Input::PruningFailed) tells if it does not.
    fn prune_below(&mut self, index: Index) -> Result<(), Error>;

    /// Writes a snapshot meanwhile; an [`Input::SnapshotSaved`](super::input::Input::SnapshotSaved) tells
    /// how it ended.
    ///
    /// # Errors
    /// It could not be begun; later it may.
    fn save_snapshot(&mut self, snapshot: NewSnapshot) -> std::io::Result<()>;

    /// Sends the present snapshot meanwhile, as far as the link goes. The learner asks again if it must.
    fn send_snapshot(&mut self, link: Link, signature: Signature);

    /// The same bytes, where the kernel can take them out of memory. They need not survive the process.
    fn keep_payload(&self, payload: &Blob) -> Blob {
        payload.clone()
    }

    /// Puts the same bytes where the kernel can take them out of memory. They need not survive the process.
    fn keep_results(&self, _results: &mut [&mut Blob]) {}

    /// The last entry on disk, or what stands before the first one.
    fn last(&self) -> EntryId;

    /// The entries from `from` on, verified, until their payloads exceed `max_bytes`; at least one if
    /// there is one.
    fn read(&self, from: Index, max_bytes: usize) -> Result<Vec<Entry>, Error>;

    /// Remembers these views for people. Nothing depends on it.
    ///
    /// # Errors
    /// It could not be written: they are forgotten at the end of the process.
    fn save_views(&mut self, _notes: &[ViewNote]) -> Result<(), Error> {
        Ok(())
    }

    /// What [`Store::save_views`] was given last.
    ///
    /// # Errors
    /// It cannot be read, or is not what was written.
    fn views(&self) -> Result<Vec<ViewNote>, Error> {
        Ok(Vec::new())
    }

    /// Shows the events of the snapshot, and gives the entry that it stands for; `None` without one.
    fn read_snapshot(&self, visit: &mut dyn FnMut(Event)) -> Result<Option<EntryId>, Error>;
}

/// A snapshot to be written.
pub struct NewSnapshot {
    pub id: EntryId,
    /// The view records up to there.
    pub records: Vec<(ViewNumber, Index)>,
    /// What led to the state.
    pub history: History,
}

/// Who sends a snapshot, and in which view.
pub struct Signature {
    pub sender: Sender,
    pub epoch: Epoch,
    pub view: View,
}

/// What time it is. Neither clock is part of safety.
pub trait Clock: Send {
    /// Since some moment of this process; it never goes back.
    fn monotonic(&self) -> Millis;

    /// As people count it.
    fn wall(&self) -> Timestamp;
}

/// The clocks of this machine.
#[derive(Clone)]
pub struct SystemClock {
    began: std::time::Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { began: std::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Millis {
        Millis::try_from(self.began.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }

    fn wall(&self) -> Timestamp {
        let since =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
