//! The snapshot in etcd, as a principal changes it (E5). Every transaction compares the office and the last change of the
//! key `snapshot`: one that arrives late, sent again or overtaken by another, changes nothing.

use bytes::Bytes;
use orquestrador_core::election::Fence;
use orquestrador_core::role::EntryId;
use orquestrador_etcd::{Compare, Etcd, Op, RangeQuery, Txn};

use super::Error;
use super::keys::Keys;
use super::values::{self, Snapshot};

/// What one office does to the snapshot in etcd.
pub struct Publication {
    etcd: Etcd,
    keys: Keys,
    fence: Fence,
}

/// What the key `snapshot` says, and since when.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// Of its last change; 0: it is not there.
    revision: i64,
    pub snapshot: Option<Snapshot>,
    /// All of its parts are there.
    pub is_whole: bool,
}

impl Held {
    /// Nothing is to be gained by a snapshot up to there.
    pub fn covers(&self, id: EntryId) -> bool {
        let last = self.snapshot.as_ref().map(|snapshot| snapshot.last.index);
        last.is_some_and(|last| last > id.index || (last == id.index && self.is_whole))
    }
}

/// What came of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// At that revision of etcd.
    At(i64),
    /// Nothing was: the office is another one.
    Deposed,
    /// Nothing was: the key says something else meanwhile, as when an earlier attempt was done after all.
    Overtaken,
}

impl Publication {
    pub fn new(etcd: Etcd, keys: Keys, fence: Fence) -> Self {
        Self { etcd, keys, fence }
    }

    /// # Errors
    /// etcd does not answer, or somebody else has written there.
    pub async fn held(&self) -> Result<Held, Error> {
        let Some(found) = self.etcd.get(&self.keys.snapshot()).await? else {
            return Ok(Held::default());
        };
        let snapshot = values::read_snapshot(&found.value)?;
        let (from, to) = self.keys.snapshot_parts(snapshot.last.index, snapshot.fence);
        let query = RangeQuery { from, to, keys_only: true, ..RangeQuery::default() };
        let parts = self.etcd.range(query).await?.values.len();
        let is_whole = u32::try_from(parts) == Ok(snapshot.parts);
        Ok(Held { revision: found.mod_revision, snapshot: Some(snapshot), is_whole })
    }

    /// Brings a part of a later snapshot than the one that is held, or of the same.
    ///
    /// # Errors
    /// It is not known whether it was done.
    pub async fn bring_part(
        &self,
        held: &Held,
        last: EntryId,
        nth: u32,
        bytes: Bytes,
    ) -> Result<Done, Error> {
        let key = self.keys.snapshot_part(last.index, self.fence, nth);
        self.guarded(held, vec![Op::put(key, bytes).into()]).await
    }

    /// From now on the snapshot whose parts were brought is the one that counts.
    ///
    /// # Errors
    /// It is not known whether it was done.
    pub async fn name(&self, held: &Held, last: EntryId, size: (u32, u64)) -> Result<Done, Error> {
        let (parts, length) = size;
        let value = values::snapshot(&Snapshot { last, fence: self.fence, parts, length });
        self.guarded(held, vec![Op::put(self.keys.snapshot(), value).into()]).await
    }

    /// Writes what the key says already. What a compaction frees a member counts as free only with its next write, and
    /// where new work waits for that there may be none.
    ///
    /// # Errors
    /// It is not known whether it was done.
    pub async fn put_again(&self, held: &Held) -> Result<Done, Error> {
        let value = held.snapshot.as_ref().map(values::snapshot);
        let value = value.ok_or(Error::Missing("snapshot"))?;
        self.guarded(held, vec![Op::put(self.keys.snapshot(), value).into()]).await
    }

    /// Removes what the held snapshot stands for, but for the batch in which that ends. Parts of a later snapshot stay:
    /// they may be on their way when this is done late.
    ///
    /// # Errors
    /// The snapshot is not whole, or it is not known whether it was done.
    pub async fn trim(&self, held: &Held) -> Result<Done, Error> {
        let snapshot = held.snapshot.as_ref().filter(|_| held.is_whole);
        let last = snapshot.ok_or(Error::Missing("snap"))?;
        let (keys, at) = (&self.keys, last.last.index);
        let (from, to) = (keys.log().0, keys.batch(at.next()));
        let (descending, keys_only, limit) = (true, true, 1);
        let query = RangeQuery { from, to, descending, keys_only, limit, ..RangeQuery::default() };
        let kept = self.etcd.range(query).await?.values.pop();
        let kept = kept.and_then(|batch| keys.index_of(&batch.key));
        let of_log = kept.map(|kept| [keys.batches_below(kept), keys.parts_below(kept)]);
        let spans = of_log.into_iter().flatten().chain([keys.earlier_snapshots(at, last.fence)]);
        let delete = spans.map(|(from, to)| Op::delete_range(&from, &to)).collect();
        self.guarded(held, delete).await
    }

    async fn guarded(&self, held: &Held, ops: Vec<Op>) -> Result<Done, Error> {
        let leader = self.keys.leader();
        let guard = Txn::new()
            .when(Compare::created(leader.clone(), self.fence.0))
            .when(Compare::modified(self.keys.snapshot(), held.revision))
            .otherwise(Op::get(leader));
        let done = self.etcd.txn(ops.into_iter().fold(guard, Txn::then)).await?;
        if done.succeeded {
            return Ok(Done::At(done.revision));
        }
        let leader = done.got.first().and_then(|found| found.first());
        let is_ours = leader.is_some_and(|leader| leader.create_revision == self.fence.0);
        Ok(if is_ours { Done::Overtaken } else { Done::Deposed })
    }
}
