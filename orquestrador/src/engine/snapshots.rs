//! The snapshot in etcd: what stands for the beginning of the log, so that this can be removed (E5). The principal
//! brings there what it has saved on its own disk; a node with an empty disk, or one that was away for long, begins with it.

use orquestrador_core::election::Fence;
use orquestrador_core::ids::Index;
use orquestrador_core::role::EntryId;
use orquestrador_etcd::{Compare, Etcd, Op, RangeQuery, Txn};
use tokio::sync::watch;

use super::keys::Keys;
use super::values::{self, Snapshot};
use super::{Error, Patience, Shared};
use crate::driver::engine::News;
use crate::driver::store::Install;
use crate::journal::{self, Journal, ReceivedSnapshot};

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
    saved: watch::Receiver<Option<(Fence, EntryId)>>,
    patience: Patience,
}

impl Publisher {
    /// `saved`: the newest on this node's disk, and the office in which it was saved.
    pub fn new(shared: Shared, saved: watch::Receiver<Option<(Fence, EntryId)>>) -> Self {
        Self { shared, saved, patience: Patience::default() }
    }

    /// Until the driver ends.
    pub async fn run(mut self) {
        while self.saved.changed().await.is_ok() {
            let Some((fence, id)) = *self.saved.borrow_and_update() else { continue };
            loop {
                match self.publish(fence, id).await {
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

    /// All of it, or nothing that counts; then what it stands for goes. Ends quietly when the office is over.
    async fn publish(&self, fence: Fence, id: EntryId) -> Result<(), Error> {
        let journal = self.shared.journal.clone();
        let opened = tokio::task::spawn_blocking(move || journal.snapshot_reader()).await??;
        // A later one has replaced it, and is published next.
        let Some(mut reader) = opened.filter(|reader| reader.id() == id) else { return Ok(()) };
        let (mut parts, mut length) = (0, 0);
        loop {
            let offset = length;
            let read = move || {
                let chunk = reader.chunk(offset, PART_BYTES)?;
                Ok::<_, journal::Error>((reader, chunk))
            };
            let chunk;
            (reader, chunk) = tokio::task::spawn_blocking(read).await??;
            length += chunk.bytes.len() as u64;
            let key = self.shared.keys.snapshot_part(id.index, fence, parts);
            parts += 1;
            if self.guarded(fence, vec![Op::put(key, chunk.bytes).into()]).await?.is_none() {
                return Ok(());
            }
            if chunk.last {
                break;
            }
        }
        let keys = &self.shared.keys;
        let value = values::snapshot(&Snapshot { last: id, fence, parts, length });
        if self.guarded(fence, vec![Op::put(keys.snapshot(), value).into()]).await?.is_some() {
            self.trim(fence, id.index).await?;
        }
        Ok(())
    }

    /// Removes what the snapshot stands for, but for the batch in which that ends.
    async fn trim(&self, fence: Fence, last: Index) -> Result<(), Error> {
        let keys = &self.shared.keys;
        let (from, to) = (keys.log().0, keys.batch(last.next()));
        let (descending, keys_only, limit) = (true, true, 1);
        let query = RangeQuery { from, to, descending, keys_only, limit, ..RangeQuery::default() };
        let kept = self.shared.etcd.range(query).await?.values.pop();
        let Some(kept) = kept.and_then(|batch| keys.index_of(&batch.key)) else { return Ok(()) };
        let mut spans = vec![keys.batches_below(kept), keys.parts_below(kept)];
        spans.extend(keys.other_snapshots(last, fence));
        let delete = spans.iter().map(|(from, to)| Op::delete_range(from, to)).collect();
        // Its space is free for others only then.
        let Some(deleted_at) = self.guarded(fence, delete).await? else { return Ok(()) };
        match self.shared.etcd.compact(deleted_at).await {
            // The next one does it, or whoever else compacts; the snapshot itself is there.
            Err(error) => {
                tracing::warn!(%error, "etcd was not compacted");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// The revision of etcd at which it was done; `None`: the office is another one.
    async fn guarded(&self, fence: Fence, ops: Vec<Op>) -> Result<Option<i64>, Error> {
        let guard = Compare::created(self.shared.keys.leader(), fence.0);
        let txn = ops.into_iter().fold(Txn::new().when(guard), Txn::then);
        let done = self.shared.etcd.txn(txn).await?;
        Ok(done.succeeded.then_some(done.revision))
    }
}
