//! What the journals of stopped orchestrators say happened.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use orquestrador::journal::{Content, Journal};
use orquestrador_core::Event;
use orquestrador_core::ids::{Index, TaskId};

/// Payload bytes read at a time.
const READ_BYTES: usize = 8 << 20;

/// What one journal says.
#[derive(Debug, Default)]
pub struct Audit {
    /// Outcomes recorded for each task: exactly one for each that finished.
    pub outcomes: BTreeMap<TaskId, u32>,
    /// Tasks whose submission it holds.
    pub submitted: BTreeSet<TaskId>,
    /// No snapshot stands for its beginning.
    pub is_whole: bool,
    /// Entries that lost an attempt, for the report.
    pub requeued: u64,
    /// Epochs in the order of the entries never go down.
    pub epochs_monotone: bool,
}

/// Reads the journal of a stopped orchestrator; what a snapshot stands for is not in it.
///
/// # Errors
/// It is in use or damaged.
pub fn read(data_dir: &Path) -> anyhow::Result<Audit> {
    let (journal, recovered) = Journal::open(data_dir)
        .with_context(|| format!("failed to open {}", data_dir.display()))?;
    let is_whole = recovered.snapshot.is_none();
    let mut audit = Audit { epochs_monotone: true, is_whole, ..Audit::default() };
    let mut at = recovered.snapshot.map_or(Index(0), |id| id.index);
    let mut epoch = recovered.snapshot.unwrap_or_default().epoch;
    while at < recovered.last.index {
        let entries = journal.read(at.next(), READ_BYTES)?;
        let Some(last) = entries.last() else { break };
        at = last.id.index;
        for entry in &entries {
            audit.epochs_monotone &= entry.id.epoch >= epoch;
            epoch = entry.id.epoch;
            if let Content::Events(events) = Content::decode(&entry.payload)? {
                events.iter().for_each(|event| audit.count(event));
            }
        }
    }
    Ok(audit)
}

/// Whether each of these journals is the beginning of the longest one, entry by entry, as far back as both reach.
/// Each entry has the hash of all before it, and opening a journal verifies them.
///
/// # Errors
/// One is in use or damaged, or parts from the longest.
pub fn compare(data_dirs: &[PathBuf]) -> anyhow::Result<()> {
    let open = |dir: &PathBuf| {
        Journal::open(dir)
            .map(|(journal, _)| journal)
            .with_context(|| format!("failed to open {}", dir.display()))
    };
    let journals = data_dirs.iter().map(open).collect::<anyhow::Result<Vec<_>>>()?;
    let Some(longest) = journals.iter().max_by_key(|journal| journal.last().index) else {
        return Ok(());
    };
    for journal in &journals {
        let (first, last) = (journal.first().max(longest.first()), journal.last().index);
        let names = format!("{} and {}", journal.path().display(), longest.path().display());
        // Known too is what stands before the first entry.
        if first > last.next() {
            bail!("{names} have no entry in common");
        }
        for index in (first.0.saturating_sub(1)..=last.0).map(Index) {
            let (one, other) = (journal.id_at(index)?, longest.id_at(index)?);
            if one != other {
                bail!("{names} part at entry {index}: {one:?}, {other:?}");
            }
        }
    }
    Ok(())
}

impl Audit {
    fn count(&mut self, event: &Event) {
        match event {
            Event::TaskSucceeded { task, .. }
            | Event::TaskFailed { task, .. }
            | Event::TaskCancelled { task, .. }
            | Event::TaskExpired { task, .. }
            | Event::TaskSkipped { task, .. }
            | Event::TaskLost { task, .. } => *self.outcomes.entry(*task).or_default() += 1,
            Event::TaskRequeued { .. } => self.requeued += 1,
            Event::TaskSubmitted { task, .. } => {
                self.submitted.insert(*task);
            }
            Event::TaskRepeated { .. }
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
            | Event::ArraySubmitted { .. }
            | Event::ArrayCancelled { .. }
            | Event::ArrayFailed { .. }
            | Event::ArrayRestored(_)
            | Event::TaskReturned { .. }
            | Event::TaskRetried { .. }
            | Event::TaskDelayed { .. }
            | Event::TaskDue { .. }
            | Event::TaskAssigned { .. }
            | Event::TasksPruned { .. }
            | Event::TaskRestored(_)
            | Event::WorkerRegistered { .. }
            | Event::HandlersLearned { .. }
            | Event::WorkerLost { .. }
            | Event::AttemptEnded { .. }
            | Event::UserAdded { .. }
            | Event::QueueChanged { .. }
            | Event::QuotaChanged { .. }
            | Event::TaskBlocked { .. }
            | Event::TaskReleased { .. }
            | Event::UserRemoved { .. }
            | Event::TokenIssued { .. }
            | Event::TokenRevoked { .. } => {}
        }
    }

    /// Tasks with more than one outcome.
    pub fn duplicated(&self) -> usize {
        self.outcomes.values().filter(|count| **count > 1).count()
    }
}
