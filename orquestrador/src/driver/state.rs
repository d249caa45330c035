//! The applied state: the task machine, and up to where the journal is in it.

use orquestrador_core::ids::{Index, ViewNumber};
use orquestrador_core::role::{EntryId, Log as _, View};
use orquestrador_core::{Event, Limits, Machine};

use super::spill;
use super::store::Store;
use super::tail::Tail;
use crate::journal::{self, Content, Entry};
use crate::users::Users;

/// Payload bytes read from the disk at a time.
const READ_BYTES: usize = 8 << 20;
/// Events of a snapshot whose contents are put on the disk together.
const APPLIED_TOGETHER: usize = 1_000;
/// Views kept for those who ask.
const MAX_RECORDS: usize = 50;

/// Everything that the journal says, applied: also what is not committed yet, which a truncation undoes
/// by [`Applied::rebuild`].
pub struct Applied {
    pub machine: Machine,
    pub index: Index,
    /// The newest views whose records were read or received, until they are taken.
    pub records: Vec<View>,
    limits: Limits,
    users: Users,
    #[cfg(feature = "mutations")]
    mutation: Option<orquestrador_core::mutation::Mutation>,
}

impl Applied {
    /// Reads the snapshot and what follows it, and gives the journal's tail too.
    ///
    /// # Errors
    /// The journal is damaged or cannot be read.
    pub fn recover(
        store: &impl Store,
        limits: Limits,
        users: Users,
        records: Vec<(ViewNumber, Index)>,
        recent_bytes: usize,
    ) -> Result<(Self, Tail), journal::Error> {
        let mut applied = Self {
            machine: Machine::new(limits.clone()),
            index: Index(0),
            records: Vec::new(),
            limits,
            users,
            #[cfg(feature = "mutations")]
            mutation: None,
        };
        let floor = applied.load_snapshot(store)?;
        let mut tail = Tail::new(floor, records, recent_bytes);
        let last = store.last().index;
        let mut ids = Vec::new();
        applied.replay(store, last, |entry| ids.push(entry.id))?;
        for id in ids {
            tail.push_id(id);
        }
        applied.tell_users();
        Ok((applied, tail))
    }

    /// Goes back to what the journal holds up to `keep`: the rest was set aside.
    ///
    /// # Errors
    /// The journal is damaged or cannot be read.
    pub fn rebuild(&mut self, store: &impl Store, keep: Index) -> Result<(), journal::Error> {
        self.load_snapshot(store)?;
        self.replay(store, keep, |_| {})?;
        self.tell_users();
        Ok(())
    }

    fn load_snapshot(&mut self, store: &impl Store) -> Result<EntryId, journal::Error> {
        self.begin_anew();
        let mut events = Vec::new();
        let mut apply = |events: &mut Vec<Event>| {
            spill::events(store, events);
            events.drain(..).for_each(|event| self.machine.apply(&event));
        };
        let id = store.read_snapshot(&mut |event| {
            events.push(event);
            if events.len() >= APPLIED_TOGETHER {
                apply(&mut events);
            }
        })?;
        apply(&mut events);
        let id = id.unwrap_or_default();
        self.index = id.index;
        Ok(id)
    }

    fn replay(
        &mut self,
        store: &impl Store,
        up_to: Index,
        mut seen: impl FnMut(&Entry),
    ) -> Result<(), journal::Error> {
        while self.index < up_to {
            let entries = store.read(self.index.next(), READ_BYTES)?;
            if entries.is_empty() {
                break;
            }
            for entry in entries.iter().take_while(|entry| entry.id.index <= up_to) {
                seen(entry);
                let mut content = Content::decode(&entry.payload)
                    .map_err(|source| journal::Error::Content { index: entry.id.index, source })?;
                self.apply(store, entry.id.index, &mut content);
            }
        }
        Ok(())
    }

    /// Applies an entry that another node made.
    pub fn apply_entry(&mut self, store: &impl Store, index: Index, content: &mut Content) {
        self.apply(store, index, content);
        if let Content::Events(events) = content
            && events.iter().any(changes_users)
        {
            self.tell_users();
        }
    }

    fn apply(&mut self, store: &impl Store, index: Index, content: &mut Content) {
        match content {
            Content::View(view) => {
                if self.records.len() >= MAX_RECORDS {
                    self.records.remove(0);
                }
                self.records.push(view.clone());
            }
            Content::Events(events) => {
                spill::events(store, events);
                events.iter().for_each(|event| self.machine.apply(event));
            }
        }
        self.index = index;
    }

    /// All at once: while a journal is read back, those known before are known.
    fn tell_users(&self) {
        self.users.replace(self.machine.users());
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Everything is forgotten: the history was abandoned.
    pub fn clear(&mut self) {
        self.begin_anew();
        self.tell_users();
    }

    fn begin_anew(&mut self) {
        self.machine = Machine::new(self.limits.clone());
        #[cfg(feature = "mutations")]
        if let Some(mutation) = self.mutation {
            self.machine.mutate(mutation);
        }
        self.index = Index(0);
    }

    #[cfg(feature = "mutations")]
    pub fn mutate(&mut self, mutation: orquestrador_core::mutation::Mutation) {
        self.mutation = Some(mutation);
        self.machine.mutate(mutation);
    }

    /// What the tail's last entry is, applied or not, must be applied: checked in debug builds.
    pub fn debug_assert_current(&self, tail: &Tail) {
        debug_assert_eq!(self.index, tail.last().index, "every entry is applied when it is stored");
    }
}

fn changes_users(event: &Event) -> bool {
    match event {
        Event::UserAdded { .. }
        | Event::UserRemoved { .. }
        | Event::TokenIssued { .. }
        | Event::TokenRevoked { .. } => true,
        Event::TaskSubmitted { .. }
        | Event::ArraySubmitted { .. }
        | Event::ArrayCancelled { .. }
        | Event::ArrayFailed { .. }
        | Event::TaskAssigned { .. }
        | Event::TaskSucceeded { .. }
        | Event::TaskFailed { .. }
        | Event::TaskCancelled { .. }
        | Event::TaskRequeued { .. }
        | Event::TaskReturned { .. }
        | Event::TaskRetried { .. }
        | Event::TaskDelayed { .. }
        | Event::TaskDue { .. }
        | Event::TaskLost { .. }
        | Event::TaskExpired { .. }
        | Event::TaskBlocked { .. }
        | Event::TaskReleased { .. }
        | Event::TaskSkipped { .. }
        | Event::TaskRepeated { .. }
        | Event::SourcesTaken { .. }
        | Event::TaskTraced { .. }
        | Event::TaskKeyed { .. }
        | Event::KeysReleased { .. }
        | Event::OutputKept { .. }
        | Event::WebhookDelivered { .. }
        | Event::WebhookDelayed { .. }
        | Event::WebhookGivenUp { .. }
        | Event::WebhookOwed(_)
        | Event::WebhooksRetried { .. }
        | Event::ScheduleSet { .. }
        | Event::ScheduleFired { .. }
        | Event::ScheduleRemoved { .. }
        | Event::GroupRestored(_)
        | Event::OrderRestored { .. }
        | Event::BlobsReferred { .. }
        | Event::QueueChanged { .. }
        | Event::QuotaChanged { .. }
        | Event::TasksPruned { .. }
        | Event::TaskRestored(_)
        | Event::ArrayRestored(_)
        | Event::WorkerRegistered { .. }
        | Event::HandlersLearned { .. }
        | Event::WorkerLost { .. }
        | Event::AttemptEnded { .. } => false,
    }
}
