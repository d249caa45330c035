//! Writes to the log: one transaction after the other, with all that has gathered meanwhile. Each is refused unless
//! the office is still ours and the log ends where we think it does (E2), so one whose outcome is not known is simply
//! sent again.

use std::collections::VecDeque;

use bytes::Bytes;
use orquestrador_core::election::{self, Fence};
use orquestrador_core::ids::Index;
use orquestrador_core::role::EntryId;
use orquestrador_etcd::{Compare, Etcd, Op, Txn, TxnOutcome};
use tokio::sync::mpsc;

use super::{Error, Patience, Shared, values};
use crate::driver::engine::News;
use crate::journal::Entry;

/// Of one value: requests to etcd may have 1.5 MiB unless it is told otherwise.
pub const VALUE_BYTES: usize = 1 << 20;
/// What every disk should have written within [`super::BRISK`].
const SMALL_BYTES: usize = 64 << 10;
/// Beside an entry's payload in a batch.
const ENTRY_OVERHEAD: usize = 64;

/// What the driver wants.
pub enum Order {
    Lead { fence: Fence, after: EntryId },
    Append(Vec<Entry>),
    Confirm(u64),
    Stop,
}

/// The office in which this process writes.
#[derive(Clone, Copy)]
struct Office {
    fence: Fence,
    /// The last entry that is in the log.
    last: EntryId,
}

/// The task that writes.
pub struct Writer {
    shared: Shared,
    /// For what is small: a member that is silent is given up soon.
    brisk: Etcd,
    orders: mpsc::UnboundedReceiver<Order>,
    office: Option<Office>,
    waiting: VecDeque<Entry>,
    question: Option<u64>,
    patience: Patience,
}

/// How a guarded transaction ended.
enum Outcome {
    /// Whatever was written is in the log up to here; after a read, as before.
    Done(EntryId),
    /// The office is another one's.
    Deposed,
}

impl Writer {
    pub fn new(shared: Shared, brisk: Etcd, orders: mpsc::UnboundedReceiver<Order>) -> Self {
        let (waiting, patience) = (VecDeque::new(), Patience::default());
        Self { shared, brisk, orders, office: None, waiting, question: None, patience }
    }

    /// Until the driver ends.
    pub async fn run(mut self) {
        loop {
            if self.waiting.is_empty() && self.question.is_none() {
                match self.orders.recv().await {
                    Some(order) => self.take(order),
                    None => return,
                }
            }
            while let Ok(order) = self.orders.try_recv() {
                self.take(order);
            }
            match self.work().await {
                Ok(()) => self.patience.reset(),
                Err(Error::Stopping) => return,
                Err(error) => {
                    self.patience.tell(&self.shared, &error);
                    self.patience.pause().await;
                }
            }
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Lead { fence, after } => {
                self.clear();
                self.office = Some(Office { fence, last: after });
            }
            // Of an office that is over.
            Order::Append(_) | Order::Confirm(_) if self.office.is_none() => {}
            Order::Append(entries) => self.waiting.extend(entries),
            Order::Confirm(nonce) => self.question = self.question.max(Some(nonce)),
            Order::Stop => self.clear(),
        }
    }

    fn clear(&mut self) {
        self.office = None;
        self.waiting.clear();
        self.question = None;
    }

    /// One transaction; what it answers may be said afterwards.
    async fn work(&mut self) -> Result<(), Error> {
        let Some(office) = self.office else { return Ok(()) };
        let question = self.question;
        let batch = self.next_batch();
        let outcome = match batch.last() {
            Some(last) => self.write(office, &batch, last.id).await?,
            None if question.is_some() => self.ask(office).await?,
            None => return Ok(()),
        };
        let fence = office.fence;
        let last = match outcome {
            Outcome::Done(last) => last,
            Outcome::Deposed => {
                self.clear();
                return self.shared.tell(News::Election(election::Input::Deposed { fence })).await;
            }
        };
        if last != office.last {
            while self.waiting.pop_front_if(|entry| entry.id.index <= last.index).is_some() {}
            self.office = Some(Office { fence, last });
            self.shared.tell(News::Written(last)).await?;
        }
        if let Some(nonce) = question {
            self.question.take_if(|asked| *asked == nonce);
            self.shared.tell(News::Election(election::Input::Confirmed { fence, nonce })).await?;
        }
        Ok(())
    }

    /// As many entries as one value takes; at least one.
    fn next_batch(&self) -> Vec<Entry> {
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            let before = bytes;
            bytes += entry.payload.len() + ENTRY_OVERHEAD;
            before == 0 || bytes <= VALUE_BYTES
        };
        self.waiting.iter().take_while(fits).cloned().collect()
    }

    async fn write(
        &self,
        office: Office,
        entries: &[Entry],
        last: EntryId,
    ) -> Result<Outcome, Error> {
        let first = office.last.index.next();
        let mut value = values::batch(entries);
        if value.len() > VALUE_BYTES {
            match self.write_parts(office.fence, first, &value).await? {
                Some(parts) => value = values::batch_in_parts(parts, office.fence),
                None => return Ok(Outcome::Deposed),
            }
        }
        let (keys, bytes) = (&self.shared.keys, value.len());
        let tip = match office.last.index {
            Index(0) => Compare::absent(keys.tip()),
            _ => Compare::value(keys.tip(), values::tip(office.last)),
        };
        let txn = Txn::new()
            .when(Compare::created(keys.leader(), office.fence.0))
            .when(tip)
            .then(Op::put(keys.batch(first), value))
            .then(Op::put(keys.tip(), values::tip(last)))
            .otherwise(Op::get(keys.leader()))
            .otherwise(Op::get(keys.tip()));
        let etcd = if bytes <= SMALL_BYTES { &self.brisk } else { &self.shared.etcd };
        let done = etcd.txn(txn).await?;
        if done.succeeded {
            return Ok(Outcome::Done(last));
        }
        judge(office.fence, entries, &done)
    }

    /// A batch that is too large for one value; nothing of it counts before its last transaction. `None`: deposed.
    async fn write_parts(
        &self,
        fence: Fence,
        first: Index,
        value: &Bytes,
    ) -> Result<Option<u32>, Error> {
        let mut parts = 0;
        for start in (0..value.len()).step_by(VALUE_BYTES) {
            let part = value.slice(start..value.len().min(start + VALUE_BYTES));
            let key = self.shared.keys.part(first, fence, parts);
            let txn = Txn::new()
                .when(Compare::created(self.shared.keys.leader(), fence.0))
                .then(Op::put(key, part));
            if !self.shared.etcd.txn(txn).await?.succeeded {
                return Ok(None);
            }
            parts += 1;
        }
        Ok(Some(parts))
    }

    /// Whether the office is still ours: a read that etcd answers as of now.
    async fn ask(&self, office: Office) -> Result<Outcome, Error> {
        let leader = self.brisk.get(&self.shared.keys.leader()).await?;
        match leader.is_some_and(|leader| leader.create_revision == office.fence.0) {
            true => Ok(Outcome::Done(office.last)),
            false => Ok(Outcome::Deposed),
        }
    }
}

/// A refused write: an earlier attempt whose outcome was not known may have been done, with fewer entries, because more
/// have gathered since.
fn judge(fence: Fence, entries: &[Entry], done: &TxnOutcome) -> Result<Outcome, Error> {
    let [leader, tip] = &done.got[..] else { return Err(Error::Missing("leader")) };
    let is_ours = leader.first().is_some_and(|leader| leader.create_revision == fence.0);
    let end = tip.first().map(|tip| values::read_tip(&tip.value)).transpose()?;
    let written = end.filter(|end| is_ours && entries.iter().any(|entry| entry.id == *end));
    Ok(written.map_or(Outcome::Deposed, Outcome::Done))
}

#[cfg(test)]
mod tests {
    use orquestrador_core::ids::Epoch;
    use orquestrador_etcd::KeyValue;

    use super::*;

    const FENCE: Fence = Fence(7);

    fn entries(count: usize) -> Vec<Entry> {
        let mut last = EntryId::default();
        let next = |_| {
            let entry = Entry::following(&last, Epoch(1), Bytes::from_static(b"x"));
            last = entry.id;
            entry
        };
        (0..count).map(next).collect()
    }

    /// What etcd shows: whose the office is, and where the log ends.
    fn refused(fence: Fence, tip: EntryId) -> TxnOutcome {
        let leader = KeyValue { create_revision: fence.0, ..KeyValue::default() };
        let tip = KeyValue { value: values::tip(tip), ..KeyValue::default() };
        TxnOutcome { got: vec![vec![leader], vec![tip]], ..TxnOutcome::default() }
    }

    fn written(fence: Fence, tip: EntryId) -> Option<EntryId> {
        match judge(FENCE, &entries(3), &refused(fence, tip)).expect("can be read") {
            Outcome::Done(last) => Some(last),
            Outcome::Deposed => None,
        }
    }

    #[test]
    fn what_an_earlier_attempt_wrote_counts_although_more_has_gathered_since() {
        let ids: Vec<_> = entries(3).iter().map(|entry| entry.id).collect();
        assert_eq!(written(FENCE, ids[0]), Some(ids[0]));
        assert_eq!(written(FENCE, ids[2]), Some(ids[2]));
    }

    #[test]
    fn an_end_that_is_not_ours_is_another_one_s() {
        let ids: Vec<_> = entries(3).iter().map(|entry| entry.id).collect();
        assert_eq!(written(Fence(8), ids[0]), None);
        assert_eq!(written(FENCE, EntryId { epoch: Epoch(2), ..ids[0] }), None);
    }
}
