//! The snapshot in etcd: what stands for the beginning of the log, so that this can be removed (E5). The principal
//! brings there what it has saved on its own disk; a node with an empty disk, or one that was away for long, begins with it.

use orquestrador_core::election::Fence;
use orquestrador_core::role::EntryId;
use orquestrador_etcd::Etcd;
use tokio::sync::watch;

use super::keys::Keys;
use super::publication::{Done, Held, Publication};
use super::{Error, Patience, Shared, values};
use crate::driver::engine::News;
use crate::driver::store::Install;
use crate::journal::{self, Journal, ReceivedSnapshot, SnapshotReader};

/// Of one value: what is written to the log meanwhile does not wait long.
pub const PART_BYTES: usize = 512 << 10;

/// Takes the snapshot from etcd and gives it to the driver; returns what it stands for.
pub async fn fetch(shared: &Shared) -> Result<EntryId, Error> {
    let received = receive(&shared.etcd, &shared.keys, &shared.journal).await?;
    let received = received.ok_or(Error::Missing("snapshot"))?;
    let meta = received.meta().clone();
    let install = Install { records: meta.view_records, run: Box::new(move || received.install()) };
    shared.tell(News::Snapshot { last: meta.id, snapshot: install }).await?;
    Ok(meta.id)
}

/// The snapshot in etcd, whole and verified, in a file of the journal's; `None`: there is none.
pub async fn receive(
    etcd: &Etcd,
    keys: &Keys,
    journal: &Journal,
) -> Result<Option<ReceivedSnapshot>, Error> {
    let Some(found) = etcd.get(&keys.snapshot()).await? else { return Ok(None) };
    let snapshot = values::read_snapshot(&found.value)?;
    let journal = journal.clone();
    let mut receiver = tokio::task::spawn_blocking(move || journal.receive_snapshot()).await??;
    for nth in 0..snapshot.parts {
        let key = keys.snapshot_part(snapshot.last.index, snapshot.fence, nth);
        let part = etcd.get(&key).await?.ok_or(Error::Missing("snap"))?.value;
        let write = move || {
            receiver.write(receiver.offset(), &part)?;
            Ok::<_, journal::Error>(receiver)
        };
        receiver = tokio::task::spawn_blocking(write).await??;
    }
    if receiver.offset() != snapshot.length {
        return Err(Error::Missing("snap"));
    }
    let received: ReceivedSnapshot =
        tokio::task::spawn_blocking(move || receiver.verify()).await??;
    match received.meta().id == snapshot.last {
        true => Ok(Some(received)),
        false => Err(Error::Malformed("snapshot")),
    }
}

/// The task that brings snapshots to etcd.
pub struct Publisher {
    shared: Shared,
    saved: watch::Receiver<Option<Fence>>,
    patience: Patience,
}

impl Publisher {
    /// `saved`: there is a new one on this node's disk, and the office in which it is to be brought.
    pub fn new(shared: Shared, saved: watch::Receiver<Option<Fence>>) -> Self {
        Self { shared, saved, patience: Patience::default() }
    }

    /// Until the driver ends.
    pub async fn run(mut self) {
        while self.saved.changed().await.is_ok() {
            let Some(fence) = *self.saved.borrow_and_update() else { continue };
            loop {
                match self.publish(fence).await {
                    Ok(()) => break self.patience.reset(),
                    Err(Error::Stopping) => return,
                    Err(error) => {
                        self.patience.tell(&self.shared, &error);
                        self.patience.pause().await;
                    }
                }
                // A newer one is as good.
                if self.saved.has_changed().unwrap_or(true) {
                    break;
                }
            }
        }
    }

    /// Brings what is on the disk, if it is newer than what etcd holds; then removes what the one in etcd stands for.
    /// Ends quietly when the office is over.
    async fn publish(&self, fence: Fence) -> Result<(), Error> {
        let Shared { etcd, keys, journal, .. } = self.shared.clone();
        let publication = Publication::new(etcd, keys, fence);
        let mut held = publication.held().await?;
        let opened = tokio::task::spawn_blocking(move || journal.snapshot_reader()).await??;
        if let Some(reader) = opened.filter(|reader| !held.covers(reader.id())) {
            match bring(&publication, &held, reader).await? {
                Done::At(_) => held = publication.held().await?,
                Done::Deposed => return Ok(()),
                Done::Overtaken => return Err(Error::Overtaken),
            }
        } else if held.snapshot.is_some() && !held.is_whole {
            tracing::warn!("the snapshot in etcd lacks parts: a later one is to take its place");
            return self.shared.tell(News::WantsSnapshot).await;
        }
        if held.snapshot.is_none() {
            return Ok(());
        }
        match publication.trim(&held).await? {
            Done::At(revision) => {
                tracing::debug!(?held, revision, "the log in etcd was trimmed");
                self.compact(revision).await;
            }
            Done::Deposed => return Ok(()),
            Done::Overtaken => return Err(Error::Overtaken),
        }
        match publication.put_again(&held).await? {
            Done::At(_) | Done::Deposed => Ok(()),
            Done::Overtaken => Err(Error::Overtaken),
        }
    }

    /// Its space is free for others only then. If it fails the next one does it, or whoever else compacts.
    async fn compact(&self, revision: i64) {
        if let Err(error) = self.shared.etcd.compact(revision).await {
            tracing::warn!(%error, "etcd was not compacted");
        }
    }
}

/// All of it, or nothing that counts.
async fn bring(
    publication: &Publication,
    held: &Held,
    mut reader: SnapshotReader,
) -> Result<Done, Error> {
    let (id, mut parts, mut length) = (reader.id(), 0, 0);
    loop {
        let offset = length;
        let read = move || {
            let chunk = reader.chunk(offset, PART_BYTES)?;
            Ok::<_, journal::Error>((reader, chunk))
        };
        let chunk;
        (reader, chunk) = tokio::task::spawn_blocking(read).await??;
        length += chunk.bytes.len() as u64;
        let done = publication.bring_part(held, id, parts, chunk.bytes).await?;
        parts += 1;
        if !matches!(done, Done::At(_)) {
            return Ok(done);
        }
        if chunk.last {
            return publication.name(held, id, (parts, length)).await;
        }
    }
}
