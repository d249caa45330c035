//! Reading a backup to its end, and making a new cluster of it.
//!
//! A cluster that goes back in time must not be taken for the one that went on: the new one has an id of its own, so that no
//! orchestrator, witness or worker of the former has a say in it.

use std::collections::BTreeMap;
use std::path::Path;

use common::blobs::{Content, Hash};
use orquestrador_core::ids::{ClusterId, Epoch, NodeId, ProcessId, ViewNumber};
use orquestrador_core::role::{Acceptor, Durable, Replica, View};
use orquestrador_core::{Limits, Machine, invariants};
use uuid::Uuid;

use crate::blobs::store::{self, Incoming, Store};
use crate::journal::{
    self, BackupMeta, BackupReader, Filling, Journal, NotEmpty, Part, SnapshotBuilder, SnapshotMeta,
};

/// Why a backup is not restored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The backup itself: it cannot be read, is not whole, or is none.
    #[error("the backup cannot be read")]
    Unreadable(#[source] journal::Error),
    /// It is intact and does not come to the state that it was made of.
    #[error("the backup contradicts itself: {0}")]
    Contradiction(String),
    #[error(transparent)]
    NotEmpty(#[from] NotEmpty),
    #[error("failed to fill the data directory")]
    Journal(#[source] journal::Error),
    #[error("failed to store a file of a task")]
    Blob(#[from] store::Error),
    #[error("failed to use the data directory")]
    Io(#[from] std::io::Error),
}

/// What a backup holds, all of it verified.
#[derive(Debug)]
pub struct Found {
    pub meta: BackupMeta,
    pub tasks: u64,
    pub blobs: u64,
    /// The length of the file.
    pub bytes: u64,
}

/// Reads all of it, and builds the state.
///
/// # Errors
/// It is not whole, or comes to another state than it was made of.
pub async fn check(file: &Path) -> Result<Found, Error> {
    Reading::begin(file)?.read_all(None).await
}

/// Makes a new cluster, of one node, whose state is that of the backup. The directory is the node's when this returns;
/// interrupted, it leaves one that no node starts from.
///
/// # Errors
/// The directory is not empty, or as [`check`].
pub async fn restore(file: &Path, dir: &Path) -> Result<(Found, ClusterId), Error> {
    let reading = Reading::begin(file)?;
    let filling = Filling::begin(dir).map_err(Error::Journal)??;
    let (journal, recovered) = Journal::open(filling.folder()).map_err(Error::Journal)?;
    let blobs = Store::open(filling.folder(), u64::MAX, store::MAX)?;
    let meta = reading.reader.meta().clone();
    let cluster = ClusterId(Uuid::new_v4().as_u128());
    let (id, view_records) = (meta.id, meta.view_records);
    // Written by no node: one that a node wrote follows from entries of its own.
    let snapshot = SnapshotMeta { id, view_records, cluster: Some(cluster), node: None };
    let snapshot = journal.build_snapshot(snapshot).map_err(Error::Journal)?;
    let mut target = Target { snapshot, blobs };
    let found = reading.read_all(Some(&mut target)).await?;
    let installed = target.snapshot.finish().and_then(journal::ReceivedSnapshot::install);
    installed.map_err(Error::Journal)?;
    let role = first_role(cluster, recovered.node, found.meta.view, found.meta.epoch);
    journal.save_role(&role).map_err(Error::Journal)?;
    drop(journal);
    filling.finish().map_err(Error::Journal)?;
    Ok((found, cluster))
}

/// The node alone, as if it had led the cluster after this view and its process had ended: it takes the office in a later
/// epoch.
pub fn first_role(cluster: ClusterId, node: NodeId, after: ViewNumber, epoch: Epoch) -> Durable {
    let number = after.next();
    let view = View {
        number,
        epoch: epoch.next(),
        principal_node: node,
        principal_process: ProcessId(Uuid::new_v4().as_u128()),
        replicas: vec![Replica { node, since: number }],
        witnesses: Vec::new(),
        forced: false,
    };
    let acceptor = Acceptor { view: number, ..Acceptor::default() };
    Durable { cluster: Some(cluster), acceptor, newest: Some(view) }
}

/// Where what is read goes.
struct Target {
    snapshot: SnapshotBuilder,
    blobs: Store,
}

struct Reading {
    reader: BackupReader,
    machine: Machine,
    /// The blob whose content comes, and what has come of it.
    current: Option<Blob>,
    /// Those that came whole.
    whole: BTreeMap<Hash, u64>,
}

struct Blob {
    content: Content,
    hasher: blake3::Hasher,
    bytes: u64,
    incoming: Option<Incoming>,
}

impl Reading {
    fn begin(file: &Path) -> Result<Self, Error> {
        Ok(Self {
            reader: BackupReader::open(file).map_err(Error::Unreadable)?,
            machine: Machine::new(Limits::default()),
            current: None,
            whole: BTreeMap::new(),
        })
    }

    async fn read_all(mut self, mut target: Option<&mut Target>) -> Result<Found, Error> {
        while let Some(part) = self.reader.next_part().map_err(Error::Unreadable)? {
            match part {
                Part::Events(events, chunk) => {
                    events.iter().for_each(|event| self.machine.apply(event));
                    if let Some(target) = &mut target {
                        target.snapshot.add(&chunk).map_err(Error::Journal)?;
                    }
                }
                Part::Blob(content) => {
                    self.end_blob().await?;
                    let incoming = match &target {
                        Some(target) => Some(target.blobs.receive(content).await?),
                        None => None,
                    };
                    let hasher = blake3::Hasher::new();
                    self.current = Some(Blob { content, hasher, bytes: 0, incoming });
                }
                Part::Content(bytes) => {
                    let none = || Error::Contradiction("content of no blob".to_owned());
                    self.current.as_mut().ok_or_else(none)?.add(&bytes).await?;
                }
            }
        }
        self.end_blob().await?;
        self.verify()?;
        Ok(Found {
            tasks: self.machine.task_count(),
            blobs: self.whole.len() as u64,
            bytes: self.reader.length(),
            meta: self.reader.meta().clone(),
        })
    }

    async fn end_blob(&mut self) -> Result<(), Error> {
        let Some(blob) = self.current.take() else { return Ok(()) };
        let Content { hash, bytes } = blob.content;
        if (blob.bytes, *blob.hasher.finalize().as_bytes()) != (bytes, hash.0) {
            return Err(Error::Contradiction(format!("blob {hash} is not what its name says")));
        }
        if let Some(incoming) = blob.incoming {
            incoming.keep().await?;
        }
        self.whole.insert(hash, bytes);
        Ok(())
    }

    /// The state is the one that was backed up, sound, and has all that it refers to.
    fn verify(&self) -> Result<(), Error> {
        invariants::check(&self.machine).map_err(Error::Contradiction)?;
        let (found, written) = (self.machine.digest(), self.reader.meta().digest);
        if found != written {
            let why = format!("the state has the digest {found:032x}, not {written:032x}");
            return Err(Error::Contradiction(why));
        }
        let meta = self.reader.meta();
        if meta.view.0 == u64::MAX || meta.epoch.0 == u64::MAX {
            return Err(Error::Contradiction("no view or epoch can follow".to_owned()));
        }
        let is_there = |blob: &orquestrador_core::ids::BlobRef| {
            self.whole.get(&Hash(blob.id.0)) == Some(&blob.bytes)
        };
        match self.machine.referred_blobs().find(|blob| !is_there(blob)) {
            Some(blob) => {
                Err(Error::Contradiction(format!("blob {} is not in it", Hash(blob.id.0))))
            }
            None => Ok(()),
        }
    }
}

impl Blob {
    async fn add(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        match &mut self.incoming {
            Some(incoming) => Ok(incoming.write(bytes).await?),
            None => Ok(()),
        }
    }
}
