//! The driver's store on a simulated disk. What takes time is put down as a request, which the world
//! carries out later.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use orquestrador::driver::store::{Install, NewSnapshot, Signature, Store};
use orquestrador::journal::{Entry, Error, SetAside, SnapshotMeta};
use orquestrador_core::Event;
use orquestrador_core::ids::Index;
use orquestrador_core::role::{Durable, EntryId};

use crate::disk::{SharedDisk, lock};

/// Where the driver sends what goes to its peer.
pub type Link = tokio::sync::mpsc::Sender<common::proto::PeerMessage>;

/// What the driver wants done meanwhile.
#[derive(Default)]
pub struct Requests {
    pub save: Option<NewSnapshot>,
    pub send: Vec<(Link, Signature)>,
}

pub type SharedRequests = Arc<Mutex<Requests>>;

/// See [`Store`].
pub struct SimulatedStore {
    pub disk: SharedDisk,
    pub requests: SharedRequests,
    /// The real journal's thread reports a failed append later too.
    pub failure: Mutex<Option<Error>>,
}

impl SimulatedStore {
    pub fn new(disk: SharedDisk, requests: SharedRequests) -> Self {
        Self { disk, requests, failure: Mutex::default() }
    }
}

impl Store for SimulatedStore {
    fn append(&mut self, entry: Entry) -> Result<(), Error> {
        if let Err(error) = lock(&self.disk).append(entry) {
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn durable(&self) -> Result<Index, Error> {
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => Ok(lock(&self.disk).progress),
        }
    }

    fn save_role(&mut self, durable: &Durable) -> Result<(), Error> {
        lock(&self.disk).operate(|disk| disk.role = durable.clone())
    }

    fn set_aside_after(&mut self, keep: Index) -> Result<Option<SetAside>, Error> {
        let entries = lock(&self.disk).set_aside_after(keep)?;
        Ok((entries > 0).then(|| SetAside { path: PathBuf::from("simulated"), entries }))
    }

    fn set_aside_snapshot(&mut self) -> Result<Option<SetAside>, Error> {
        Ok(None)
    }

    fn install(&mut self, snapshot: Install) -> Result<SnapshotMeta, Error> {
        (snapshot.run)()
    }

    fn prune_below(&mut self, index: Index) -> Result<(), Error> {
        lock(&self.disk).prune_below(index)
    }

    fn save_snapshot(&mut self, snapshot: NewSnapshot) -> std::io::Result<()> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).save = Some(snapshot);
        Ok(())
    }

    fn send_snapshot(&mut self, link: Link, signature: Signature) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.send.push((link, signature));
    }

    fn last(&self) -> EntryId {
        lock(&self.disk).last()
    }

    fn read(&self, from: Index, max_bytes: usize) -> Result<Vec<Entry>, Error> {
        lock(&self.disk).read(from, max_bytes)
    }

    fn read_snapshot(&self, visit: &mut dyn FnMut(Event)) -> Result<Option<EntryId>, Error> {
        let Some(snapshot) = lock(&self.disk).snapshot.clone() else { return Ok(None) };
        snapshot.events.iter().cloned().for_each(visit);
        Ok(Some(snapshot.meta.id))
    }
}
