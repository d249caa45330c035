//! The state that a journal leads to, or the log in etcd.

use orquestrador_core::ids::ViewNumber;
use orquestrador_core::role::EntryId;
use orquestrador_core::{Event, Limits, Machine, invariants};
use orquestrador_etcd::RangeQuery;

use super::{Error, Place};
use crate::driver::input::Received;
use crate::engine::pages::Pages;
use crate::engine::{reader, snapshots};
use crate::journal::{self, Content, Entry, Journal};

/// Payload bytes read from the disk at a time.
const READ_BYTES: usize = 8 << 20;

/// What was read so far.
pub struct State {
    pub machine: Machine,
    /// The last entry.
    pub at: EntryId,
    /// The newest view that is recorded.
    pub view: ViewNumber,
}

impl State {
    fn new() -> Self {
        let machine = Machine::new(Limits::default());
        Self { machine, at: EntryId::default(), view: ViewNumber(0) }
    }

    /// All that the journal holds.
    pub fn of_journal(journal: &Journal) -> Result<Self, Error> {
        let mut state = Self::new();
        if let Some(snapshot) = journal.snapshot_reader()? {
            state.begin(snapshot.meta(), snapshot.events()?)?;
        }
        while state.at.index < journal.last().index {
            let entries = journal.read(state.at.index.next(), READ_BYTES)?;
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                let content = Content::decode(&entry.payload)
                    .map_err(|source| journal::Error::Content { index: entry.id.index, source })?;
                state.apply(&entry, &content);
            }
        }
        state.sound()
    }

    /// All that is in etcd.
    pub async fn of_etcd(place: &Place, journal: &Journal, take: Take) -> Result<Self, Error> {
        let mut state = Self::new();
        if let Some(received) = snapshots::receive(&place.etcd, &place.keys, journal).await? {
            state.begin(received.meta(), received.events()?)?;
            if take == Take::Keep {
                received.install()?;
            }
        }
        let (mut from, to) = place.keys.log();
        let mut pages = Pages::default();
        loop {
            let query =
                RangeQuery { from, to: to.clone(), limit: pages.limit(), ..Default::default() };
            let page = place.etcd.range(query).await?;
            pages.note(&page.values);
            for batch in &page.values {
                let entries = reader::entries(&place.etcd, &place.keys, batch).await?;
                let kept = state.follow(entries)?;
                if take == Take::Keep {
                    journal.append(&kept)?;
                }
            }
            match page.values.last() {
                Some(last) if page.more => from = [&last.key[..], &[0]].concat(),
                Some(_) | None => return state.sound(),
            }
        }
    }

    fn begin(
        &mut self,
        meta: &journal::SnapshotMeta,
        events: impl Iterator<Item = Result<Event, journal::Error>>,
    ) -> Result<(), Error> {
        for event in events {
            self.machine.apply(&event?);
        }
        self.at = meta.id;
        self.view = meta.view_records.iter().map(|(number, _)| *number).max().unwrap_or_default();
        Ok(())
    }

    /// Those that are new; they follow what was read before.
    fn follow(&mut self, entries: Vec<Received>) -> Result<Vec<Entry>, Error> {
        let mut new = Vec::new();
        for Received { entry, content } in entries {
            if entry.id.index <= self.at.index {
                continue;
            }
            if !entry.follows(&self.at) {
                return Err(crate::engine::Error::Missing("log").into());
            }
            self.apply(&entry, &content);
            new.push(entry);
        }
        Ok(new)
    }

    fn apply(&mut self, entry: &Entry, content: &Content) {
        match content {
            Content::View(view) => self.view = self.view.max(view.number),
            Content::Events(events) => events.iter().for_each(|event| self.machine.apply(event)),
        }
        self.at = entry.id;
    }

    fn sound(self) -> Result<Self, Error> {
        invariants::check(&self.machine).map_err(Error::Contradiction)?;
        Ok(self)
    }

    pub fn blobs(&self) -> usize {
        self.machine.referred_blobs().count()
    }
}

/// What becomes of what is read from etcd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// The journal, which is empty, gets it.
    Keep,
    /// The journal stays as it is.
    Look,
}
