//! The store of a real node: the journal, with a thread for each kind of work that takes long.

use std::thread::JoinHandle;

use orquestrador_core::Event;
use orquestrador_core::ids::{Blob, Index};
use orquestrador_core::role::{Durable, EntryId};

use super::input::{Input, InputSender};
use super::replicator::Link;
use super::store::{Install, NewSnapshot, Signature, Store};
use super::writer::Writer;
use crate::journal::{Entry, Error, Journal, SetAside, SnapshotMeta, ViewNote};
use crate::meters::Meters;
use crate::replication::snapshot;

/// See [`Store`].
pub struct Disk {
    journal: Journal,
    writer: Writer,
    driver: InputSender,
    /// The thread that sends a snapshot, and on which link.
    sending: Option<(JoinHandle<()>, Link)>,
}

impl Disk {
    /// # Errors
    /// The journal's thread could not be started.
    pub fn start(journal: Journal, driver: InputSender, meters: Meters) -> std::io::Result<Self> {
        let writer = Writer::start(journal.clone(), driver.clone(), meters)?;
        Ok(Self { journal, writer, driver, sending: None })
    }
}

impl Store for Disk {
    fn append(&mut self, entry: Entry) -> Result<(), Error> {
        self.writer.append(entry);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.writer.flush()
    }

    fn durable(&self) -> Result<Index, Error> {
        self.writer.durable()
    }

    fn unwritten_bytes(&self) -> usize {
        self.writer.unwritten_bytes()
    }

    fn settle(&mut self) -> Result<(), Error> {
        self.writer.settle()
    }

    fn save_role(&mut self, durable: &Durable) -> Result<(), Error> {
        self.writer.save_role(durable)
    }

    fn set_aside_after(&mut self, keep: Index) -> Result<Option<SetAside>, Error> {
        self.writer.set_aside_after(keep)
    }

    fn set_aside_snapshot(&mut self) -> Result<Option<SetAside>, Error> {
        self.journal.set_aside_snapshot()
    }

    fn install(&mut self, snapshot: Install) -> Result<SnapshotMeta, Error> {
        self.writer.install(snapshot)
    }

    fn prune_below(&mut self, index: Index) -> Result<(), Error> {
        let (journal, driver) = (self.journal.clone(), self.driver.clone());
        let prune = move || {
            let pruned = match journal.prune_below(index) {
                // Another journal took its place meanwhile.
                Err(Error::SnapshotBoundary { .. }) => Ok(()),
                pruned => pruned,
            };
            if let Err(error) = pruned
                && driver.blocking_send(Input::PruningFailed(error)).is_err()
            {
                tracing::debug!("the driver ended before its journal was pruned");
            }
        };
        let started = std::thread::Builder::new().name("prune".into()).spawn(prune);
        if let Err(error) = started {
            tracing::warn!(%error, "failed to start a thread to prune; the next snapshot does it");
        }
        Ok(())
    }

    fn save_snapshot(&mut self, snapshot: NewSnapshot) -> std::io::Result<()> {
        let (journal, driver) = (self.journal.clone(), self.driver.clone());
        let save = move || {
            let NewSnapshot { id, records, history } = snapshot;
            let saved = journal.save_snapshot(id, &records, history).map(|()| id);
            if driver.blocking_send(Input::SnapshotSaved(saved)).is_err() {
                tracing::debug!("the driver ended before a snapshot was saved");
            }
        };
        std::thread::Builder::new().name("snapshot".into()).spawn(save).map(drop)
    }

    fn send_snapshot(&mut self, link: Link, signature: Signature) {
        let is_under_way =
            |(thread, on): &(JoinHandle<()>, Link)| !thread.is_finished() && on.same_channel(&link);
        if self.sending.as_ref().is_some_and(is_under_way) {
            return;
        }
        let (journal, driver, on) = (self.journal.clone(), self.driver.clone(), link.clone());
        let send = move || match snapshot::send(&journal, &link, &signature) {
            Ok(()) => tracing::debug!("snapshot sent"),
            Err(error) => {
                if driver.blocking_send(Input::SnapshotUnreadable(error)).is_err() {
                    tracing::debug!("the driver ended before a snapshot was sent");
                }
            }
        };
        match std::thread::Builder::new().name("snapshot-send".into()).spawn(send) {
            Ok(thread) => self.sending = Some((thread, on)),
            // The learner asks again.
            Err(error) => tracing::warn!(%error, "failed to start a thread to send the snapshot"),
        }
    }

    fn keep_payload(&self, payload: &Blob) -> Blob {
        self.journal.keep_payload(payload)
    }

    fn keep_results(&self, results: &mut [&mut Blob]) {
        self.journal.keep_results(results);
    }

    fn last(&self) -> EntryId {
        self.journal.last()
    }

    fn read(&self, from: Index, max_bytes: usize) -> Result<Vec<Entry>, Error> {
        self.journal.read(from, max_bytes)
    }

    fn save_views(&mut self, notes: &[ViewNote]) -> Result<(), Error> {
        self.journal.save_views(notes)
    }

    fn views(&self) -> Result<Vec<ViewNote>, Error> {
        self.journal.views()
    }

    fn read_snapshot(&self, visit: &mut dyn FnMut(Event)) -> Result<Option<EntryId>, Error> {
        let Some(reader) = self.journal.snapshot_reader()? else { return Ok(None) };
        for event in reader.events()? {
            visit(event?);
        }
        Ok(Some(reader.id()))
    }
}
