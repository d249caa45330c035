//! Reads the log: what there is, then what comes, by a watch.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::BytesMut;
use orquestrador_core::election;
use orquestrador_core::ids::Index;
use orquestrador_core::role::EntryId;
use orquestrador_etcd::{Etcd, KeyValue, Kind, RangeQuery};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::keys::Keys;
use super::pages::Pages;
use super::values::Batch;
use super::{Error, Patience, Shared, snapshots, values};
use crate::driver::engine::News;
use crate::driver::input::Received;

/// Of entries on their way to the driver; more wait for it.
const UNDER_WAY_BYTES: usize = 32 << 20;
/// Beside an entry's payload.
const ENTRY_OVERHEAD: usize = 256;

/// The task that reads.
pub struct Reader {
    shared: Shared,
    places: watch::Receiver<Option<EntryId>>,
    /// A permit is a byte.
    room: Arc<Semaphore>,
    patience: Patience,
}

impl Reader {
    /// `places`: after which entry to read.
    pub fn new(shared: Shared, places: watch::Receiver<Option<EntryId>>) -> Self {
        let (room, patience) = (Arc::new(Semaphore::new(UNDER_WAY_BYTES)), Patience::default());
        Self { shared, places, room, patience }
    }

    /// Until the driver ends.
    pub async fn run(mut self) {
        if self.shared.settled.wait_for(|is_settled| *is_settled).await.is_err() {
            return;
        }
        let mut place = None;
        loop {
            match self.places.has_changed() {
                Ok(true) => place = *self.places.borrow_and_update(),
                Ok(false) => {}
                Err(_) => return,
            }
            let mut places = self.places.clone();
            let Some(at) = &mut place else {
                if places.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let before = *at;
            let ended = tokio::select! {
                _ = places.changed() => continue,
                ended = self.follow(at) => ended,
            };
            let error = match ended {
                Ok(never) => match never {},
                Err(Error::Stopping) => return,
                Err(error) => error,
            };
            if *at != before {
                self.patience.reset();
            }
            self.patience.tell(&self.shared, &error);
            self.patience.pause().await;
        }
    }

    /// Tells the driver what follows `at`, which goes with it.
    async fn follow(&self, at: &mut EntryId) -> Result<Infallible, Error> {
        let Shared { etcd, keys, .. } = &self.shared;
        let tip = etcd.get(&keys.tip()).await?;
        let tip = tip.map(|tip| values::read_tip(&tip.value)).transpose()?.unwrap_or_default();
        self.shared.tell(News::Election(election::Input::Tip(tip.index))).await?;
        let start = self.start(at).await?;
        let revision = self.read(at, start).await?;
        let (from, to) = keys.log();
        let mut watch = etcd.watch(&from, &to, revision + 1).await?;
        loop {
            let batch = watch.next().await?;
            for change in batch.events.iter().filter(|change| change.kind == Kind::Put) {
                self.deliver(at, &change.kv).await?;
            }
        }
    }

    /// The key of the batch that has what follows `at`, or ends there. Where that is gone, `at` moves to the snapshot
    /// that stands for it.
    async fn start(&self, at: &mut EntryId) -> Result<Vec<u8>, Error> {
        let Shared { etcd, keys, .. } = &self.shared;
        let (from, end) = keys.log();
        let first = |to: Vec<u8>, descending| {
            let (from, limit, keys_only) = (from.clone(), 1, true);
            etcd.range(RangeQuery {
                from,
                to,
                limit,
                keys_only,
                descending,
                ..RangeQuery::default()
            })
        };
        let after = |index: Index| keys.batch(index.next().next());
        if let Some(batch) = first(after(at.index), true).await?.values.pop() {
            return Ok(batch.key);
        }
        if first(end, false).await?.values.is_empty() {
            return Ok(from.clone());
        }
        *at = snapshots::fetch(&self.shared).await?;
        let batch = first(after(at.index), true).await?.values.pop();
        batch.map(|batch| batch.key).ok_or(Error::Missing("log"))
    }

    /// What there is from that key on; gives the revision of etcd up to which that is all.
    async fn read(&self, at: &mut EntryId, start: Vec<u8>) -> Result<i64, Error> {
        let Shared { etcd, keys, .. } = &self.shared;
        let (mut from, mut revision) = (start, 0);
        let mut pages = Pages::default();
        loop {
            let (to, limit) = (keys.log().1, pages.limit());
            let query = RangeQuery { from, to, limit, revision, ..RangeQuery::default() };
            let page = etcd.range(query).await?;
            if revision == 0 {
                revision = page.revision;
            }
            pages.note(&page.values);
            for batch in &page.values {
                self.deliver(at, batch).await?;
            }
            match page.values.last() {
                Some(last) if page.more => from = [&last.key[..], &[0]].concat(),
                Some(_) | None => return Ok(revision),
            }
        }
    }

    async fn deliver(&self, at: &mut EntryId, batch: &KeyValue) -> Result<(), Error> {
        let entries = entries(&self.shared.etcd, &self.shared.keys, batch).await?;
        let new = |received: &Received| received.entry.id.index > at.index;
        let entries: Vec<Received> = entries.into_iter().filter(new).collect();
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(()) };
        if first.entry.id.index != at.index.next() {
            return Err(Error::Missing("log"));
        }
        let last = last.entry.id;
        let room = take_room(&self.room, &entries).await?;
        self.shared.tell(News::Read { entries, room }).await?;
        *at = last;
        Ok(())
    }
}

/// Waits until there is room for them. What is larger than all of it goes alone.
async fn take_room(
    room: &Arc<Semaphore>,
    entries: &[Received],
) -> Result<OwnedSemaphorePermit, Error> {
    let size = |received: &Received| received.entry.payload.len() + ENTRY_OVERHEAD;
    let bytes = entries.iter().map(size).sum::<usize>().min(UNDER_WAY_BYTES);
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    // Nobody closes it.
    Arc::clone(room).acquire_many_owned(bytes).await.map_err(|_| Error::Stopping)
}

/// What a batch holds.
pub async fn entries(etcd: &Etcd, keys: &Keys, batch: &KeyValue) -> Result<Vec<Received>, Error> {
    let (parts, fence) = match values::read_batch(&batch.value)? {
        Batch::Whole(entries) => return Ok(entries),
        Batch::Parts(parts, fence) => (parts, fence),
    };
    let first = keys.index_of(&batch.key).ok_or(Error::Malformed("log"))?;
    let mut whole = BytesMut::new();
    for nth in 0..parts {
        let part = etcd.get(&keys.part(first, fence, nth)).await?;
        whole.extend_from_slice(&part.ok_or(Error::Missing("part"))?.value);
    }
    match values::read_batch(&whole.freeze())? {
        Batch::Whole(entries) => Ok(entries),
        Batch::Parts(..) => Err(Error::Malformed("part")),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use orquestrador_core::ids::Epoch;

    use super::*;
    use crate::journal::{Content, Entry};

    fn of(bytes: usize) -> Vec<Received> {
        let payload = Bytes::from(vec![0; bytes]);
        let entry = Entry::following(&EntryId::default(), Epoch(1), payload);
        vec![Received { entry, content: Content::Events(Vec::new()) }]
    }

    #[tokio::test]
    async fn what_is_under_way_has_a_limit_and_what_is_larger_goes_alone() {
        let room = Arc::new(Semaphore::new(UNDER_WAY_BYTES));
        let third = of(UNDER_WAY_BYTES / 3);
        let first = take_room(&room, &third).await.expect("there is room");
        let second = take_room(&room, &third).await.expect("there is room");
        let mut more = std::pin::pin!(take_room(&room, &third));
        assert!(futures::poll!(&mut more).is_pending());
        drop(first);
        let more = more.await.expect("there is room again");
        let large = of(2 * UNDER_WAY_BYTES);
        let mut alone = std::pin::pin!(take_room(&room, &large));
        assert!(futures::poll!(&mut alone).is_pending());
        drop((second, more));
        assert!(alone.await.is_ok());
    }
}
