//! What was decided in the course of the day.

use orquestrador_core::{Event, QUARANTINED, Step};

use crate::load;
use crate::size;

/// Events of one kind, and the journal bytes of them.
#[derive(Clone, Copy, Default)]
pub struct Kept {
    pub count: u64,
    pub bytes: u64,
}

/// In the order of [`NAMES`].
pub const NAMES: [&str; 13] = [
    "TaskSubmitted",
    "TaskAssigned",
    "TaskSucceeded",
    "TaskFailed",
    "TaskCancelled",
    "TaskLost",
    "TaskRequeued",
    "TasksPruned",
    "WorkerRegistered",
    "WorkerLost",
    "AttemptEnded",
    "HandlersLearned",
    "TaskReturned",
];

#[derive(Default)]
pub struct Tally {
    pub events: [Kept; NAMES.len()],
    /// Steps that decided something: where no turn brings two of them together, each is one entry.
    pub deciding_steps: u64,
    pub effects: u64,
    pub to_workers: u64,
    pub answers: u64,
    pub refused: u64,
    /// Tasks refused with their whole request.
    pub turned_away: u64,
    pub fenced: u64,
    pub quarantined: u64,
    pub pruned: u64,
    pub deaths: u64,
    pub reconnects: u64,
    pub peak_queued: u64,
    /// Slots that were busy, summed over all looks at them.
    pub busy_seen: u64,
    pub looks: u64,
    /// By the binary logarithm of the milliseconds from the submission to the first assignment.
    pub waits: [u64; 32],
    pub longest_wait_ms: u64,
}

impl Tally {
    pub fn record(&mut self, step: &Step) {
        self.deciding_steps += u64::from(!step.events.is_empty());
        self.effects += step.effects.len() as u64;
        for event in &step.events {
            self.event(event);
        }
    }

    fn event(&mut self, event: &Event) {
        let place = match event {
            Event::TaskSubmitted { .. } => 0,
            Event::TaskAssigned { task, attempt, at, .. } => {
                if attempt.0 == 1 {
                    self.waited(at.0.saturating_sub(load::submitted_at(*task)));
                }
                1
            }
            Event::TaskSucceeded { .. } => 2,
            Event::TaskFailed { failure, .. } => {
                self.quarantined += u64::from(failure.code == QUARANTINED);
                3
            }
            Event::TaskCancelled { .. } => 4,
            Event::TaskLost { .. } => 5,
            Event::TaskRequeued { .. } => 6,
            Event::TasksPruned { tasks } => {
                self.pruned += tasks.len() as u64;
                7
            }
            Event::WorkerRegistered { .. } => 8,
            Event::WorkerLost { .. } => 9,
            Event::AttemptEnded { .. } => 10,
            Event::HandlersLearned { .. } => 11,
            Event::TaskReturned { .. } => 12,
            Event::TaskRetried { .. }
            | Event::TaskDelayed { .. }
            | Event::TaskDue { .. }
            | Event::ArraySubmitted { .. }
            | Event::ArrayCancelled { .. }
            | Event::ArrayFailed { .. }
            | Event::ArrayRestored(_)
            | Event::TaskRestored(_)
            | Event::UserAdded { .. }
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
            | Event::UserRemoved { .. }
            | Event::TokenIssued { .. }
            | Event::TokenRevoked { .. } => return,
        };
        self.events[place].count += 1;
        self.events[place].bytes += size::of(event).unwrap_or_default();
    }

    fn waited(&mut self, ms: u64) {
        self.waits[((ms + 1).ilog2() as usize).min(31)] += 1;
        self.longest_wait_ms = self.longest_wait_ms.max(ms);
    }

    pub fn looked(&mut self, queued: u64, busy: u64) {
        self.peak_queued = self.peak_queued.max(queued);
        self.busy_seen += busy;
        self.looks += 1;
    }

    pub fn count(&self, name: &str) -> u64 {
        let events = NAMES.iter().zip(&self.events);
        events.filter(|(other, _)| **other == name).map(|(_, kept)| kept.count).sum()
    }

    pub fn finished(&self) -> u64 {
        ["TaskSucceeded", "TaskFailed", "TaskCancelled", "TaskLost"]
            .into_iter()
            .map(|name| self.count(name))
            .sum()
    }

    /// Attempts that ended with their worker.
    pub fn lost_attempts(&self) -> u64 {
        self.count("TaskRequeued") + self.count("TaskLost") + self.quarantined
    }

    /// A wait that so much of all first assignments did not exceed, at most doubled.
    pub fn wait_quantile_ms(&self, share: f64) -> u64 {
        let wanted = self.waits.iter().sum::<u64>() as f64 * share;
        let mut seen = 0;
        let place = self.waits.iter().position(|count| {
            seen += count;
            seen as f64 >= wanted
        });
        (2 << place.unwrap_or_default()) - 2
    }
}
