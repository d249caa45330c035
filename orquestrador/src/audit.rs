//! Reads the journal as it stands on disk and proves what it can: one chain, epochs that never go back,
//! one outcome for each task, and the state that it all comes to. It changes nothing.

use std::collections::{BTreeSet, HashSet};

use orquestrador_core::event::RestoredEnd;
use orquestrador_core::ids::{ArrayId, Epoch, Index, TaskId};
use orquestrador_core::role::{EntryId, View};
use orquestrador_core::{Event, Limits, Machine};

use crate::journal::{self, Content, Journal};

/// Payload bytes read from the disk at a time.
const READ_BYTES: usize = 8 << 20;

/// What a journal holds, up to one entry.
#[derive(Debug)]
pub struct Report {
    /// The first entry after the snapshot.
    pub first: Index,
    /// The last entry that was read.
    pub at: EntryId,
    /// Of the state after it.
    pub digest: u128,
    pub tasks: u64,
    /// Outcomes beyond the first of a task.
    pub second_outcomes: u64,
    /// Entries with a lower epoch than the one before.
    pub epoch_regressions: u64,
    pub highest_epoch: Epoch,
    /// Of the tasks asked about, those that were never in the journal.
    pub missing: BTreeSet<TaskId>,
    /// Of the tasks asked about, those that retention may have forgotten before the snapshot.
    pub forgotten: BTreeSet<TaskId>,
    /// Views that an operator forced, and where their records are.
    pub overrides: Vec<(View, Index)>,
    /// An event that its own state rules out.
    pub misfit: Option<String>,
}

struct Audit {
    machine: Machine,
    finished: HashSet<TaskId>,
    asked: BTreeSet<TaskId>,
    second_outcomes: u64,
    overrides: Vec<(View, Index)>,
}

/// Replays the journal up to `at`, or to its end. `asked`: tasks that must be there.
///
/// # Errors
/// The journal is damaged, cannot be read, or was pruned or truncated meanwhile.
pub fn audit(
    journal: &Journal,
    limits: Limits,
    at: Option<Index>,
    asked: BTreeSet<TaskId>,
) -> Result<Report, journal::Error> {
    let mut audit = Audit {
        machine: Machine::new(limits),
        finished: HashSet::new(),
        asked,
        second_outcomes: 0,
        overrides: Vec::new(),
    };
    let mut here = EntryId::default();
    let mut may_be_forgotten = Some(0);
    if let Some(snapshot) = journal.snapshot_reader()? {
        for event in snapshot.events()? {
            audit.see(&event?);
        }
        here = snapshot.id();
        may_be_forgotten = audit.machine.forgotten();
    }
    let first = here.index.next();
    let (mut epoch_regressions, mut highest_epoch) = (0, here.epoch);
    let last = at.unwrap_or(journal.last().index);
    while here.index < last {
        // Their hashes are verified as they are read.
        let entries = journal.read(here.index.next(), READ_BYTES)?;
        if entries.is_empty() {
            break;
        }
        for entry in entries.iter().take_while(|entry| entry.id.index <= last) {
            epoch_regressions += u64::from(entry.id.epoch < highest_epoch);
            highest_epoch = highest_epoch.max(entry.id.epoch);
            let content = Content::decode(&entry.payload)
                .map_err(|source| journal::Error::Content { index: entry.id.index, source })?;
            match content {
                Content::Events(events) => events.iter().for_each(|event| audit.see(event)),
                Content::View(view) if view.forced => {
                    audit.overrides.push((view, entry.id.index));
                }
                Content::View(_) => {}
            }
            here = entry.id;
        }
    }
    let (missing, forgotten) = told_apart(audit.asked, may_be_forgotten);
    Ok(Report {
        first,
        at: here,
        digest: audit.machine.digest(),
        tasks: audit.machine.task_count(),
        second_outcomes: audit.second_outcomes,
        epoch_regressions,
        highest_epoch,
        missing,
        forgotten,
        overrides: audit.overrides,
        misfit: audit.machine.misfit().map(str::to_owned),
    })
}

/// Those that were never there, and those that may have been: the snapshot tells how many tasks were forgotten
/// before it (`None`: it has none left to tell by), not which.
fn told_apart(
    unknown: BTreeSet<TaskId>,
    may_be_forgotten: Option<u64>,
) -> (BTreeSet<TaskId>, BTreeSet<TaskId>) {
    let fits = may_be_forgotten.is_none_or(|count| unknown.len() as u64 <= count);
    if fits { (BTreeSet::new(), unknown) } else { (unknown, BTreeSet::new()) }
}

impl Audit {
    fn see(&mut self, event: &Event) {
        match event {
            Event::TaskSubmitted { task, .. } => {
                self.asked.remove(task);
            }
            Event::ArraySubmitted { array, first, count, .. } => {
                self.found_in_array(*array, *first, *count);
            }
            Event::ArrayRestored(restored) => {
                self.found_in_array(restored.array, restored.first, restored.count);
            }
            Event::TaskSucceeded { task, .. }
            | Event::TaskFailed { task, .. }
            | Event::TaskCancelled { task, .. }
            | Event::TaskExpired { task, .. }
            | Event::TaskSkipped { task, .. }
            | Event::TaskLost { task, .. } => self.finish(*task),
            Event::TaskRestored(restored) => {
                self.asked.remove(&restored.task);
                match restored.end {
                    RestoredEnd::Succeeded { .. }
                    | RestoredEnd::Failed(_)
                    | RestoredEnd::Cancelled { .. }
                    | RestoredEnd::Lost { .. } => self.finish(restored.task),
                }
            }
            Event::TasksPruned { tasks } => {
                for task in tasks {
                    self.finished.remove(task);
                }
            }
            Event::TaskAssigned { .. }
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
            | Event::ArrayCancelled { .. }
            | Event::ArrayFailed { .. }
            | Event::TaskRequeued { .. }
            | Event::TaskReturned { .. }
            | Event::TaskRetried { .. }
            | Event::TaskDelayed { .. }
            | Event::TaskDue { .. }
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
        self.machine.apply(event);
    }

    fn found_in_array(&mut self, array: ArrayId, first: u32, count: u32) {
        // Who wrote down the id of the array has it, too.
        self.asked.remove(&TaskId(array.0));
        let (from, to) =
            (array.task(first), array.task(first.saturating_add(count.saturating_sub(1))));
        let found: Vec<_> = self.asked.range(from..=to).copied().collect();
        for task in found {
            self.asked.remove(&task);
        }
    }

    fn finish(&mut self, task: TaskId) {
        if !self.finished.insert(task) {
            self.second_outcomes += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use orquestrador_core::command::Delivery;
    use orquestrador_core::ids::Timestamp;

    use super::*;
    use crate::journal::Entry;

    fn append(journal: &Journal, content: &Content) {
        let entry = Entry::following(&journal.last(), Epoch(1), content.encode());
        journal.append(&[entry]).expect("an append");
    }

    fn submitted(task: u128) -> Event {
        Event::TaskSubmitted {
            task: TaskId(task),
            owner: "ana".into(),
            handler: "echo".into(),
            payload: Default::default(),
            terms: Delivery::AtLeastOnce.into(),
            at: Timestamp(1),
        }
    }

    fn cancelled(task: u128) -> Event {
        Event::TaskCancelled { task: TaskId(task), at: Timestamp(2) }
    }

    /// Tasks 1 and 2, of which retention forgets the first; then a snapshot, and task 3.
    fn journal(dir: &std::path::Path) -> Journal {
        let (journal, _) = Journal::open(dir).expect("opens");
        let events = [1, 2].map(|task| [submitted(task), cancelled(task)]).concat();
        let pruned = Event::TasksPruned { tasks: vec![TaskId(1)] };
        let events: Vec<_> = events.into_iter().chain([pruned]).collect();
        let mut machine = Machine::new(Limits::default());
        events.iter().for_each(|event| machine.apply(event));
        append(&journal, &Content::Events(events));
        let at = journal.last();
        journal.save_snapshot(at, &[], machine.history()).expect("a snapshot");
        append(&journal, &Content::Events(vec![submitted(3)]));
        journal
    }

    fn read(journal: &Journal, tasks: &[u128]) -> Report {
        let asked = tasks.iter().map(|task| TaskId(*task)).collect();
        audit(journal, Limits::default(), None, asked).expect("is sound")
    }

    #[test]
    fn what_was_forgotten_before_the_snapshot_is_not_missing() {
        let dir = tempfile::tempdir().expect("a directory");
        let journal = journal(dir.path());
        let report = read(&journal, &[1, 2, 3]);
        assert_eq!((report.misfit, report.missing.len()), (None, 0));
        assert_eq!(report.forgotten, BTreeSet::from([TaskId(1)]));
    }

    #[test]
    fn more_than_was_forgotten_cannot_have_been_there() {
        let dir = tempfile::tempdir().expect("a directory");
        let journal = journal(dir.path());
        let report = read(&journal, &[1, 8, 9]);
        assert_eq!(report.missing.len(), 3, "which of them is not known");
        assert!(report.forgotten.is_empty());
    }

    #[test]
    fn an_array_is_found_by_its_own_id_and_by_those_of_its_tasks() {
        let dir = tempfile::tempdir().expect("a directory");
        let journal = journal(dir.path());
        let array = ArrayId(8 << 76);
        let submitted = Event::ArraySubmitted {
            array,
            owner: "ana".into(),
            handler: "echo".into(),
            payload: Default::default(),
            terms: Delivery::AtLeastOnce.into(),
            first: 5,
            count: 10,
            without: Vec::new(),
            at: Timestamp(3),
        };
        append(&journal, &Content::Events(vec![submitted]));
        let report = read(&journal, &[array.0, array.task(5).0, array.task(14).0]);
        assert_eq!((report.misfit, report.missing.len()), (None, 0));
        // One could have been forgotten, not both.
        let others = [array.task(4), array.task(15)];
        assert_eq!(read(&journal, &others.map(|task| task.0)).missing, BTreeSet::from(others));
    }
}
