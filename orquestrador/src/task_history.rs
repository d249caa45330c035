//! What the journal says happened to one task, for whoever asks why. It reads the disk and changes nothing;
//! what a snapshot stands for is only known by its end.

use orquestrador_core::Event;
use orquestrador_core::event::{ArrayFailure, LossCause};
use orquestrador_core::ids::{
    ArrayId, Attempt, Epoch, Index, ProcessId, TaskId, Timestamp, WorkerId,
};
use orquestrador_core::terms::Expiry;

use crate::journal::{self, Content, Journal};

/// Payload bytes read from the disk at a time.
const READ_BYTES: usize = 8 << 20;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub index: Index,
    pub epoch: Epoch,
    pub at: Timestamp,
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Submitted,
    Assigned {
        attempt: Attempt,
        worker: WorkerId,
    },
    /// The attempt was lost with its worker; the task waits for another.
    Lost {
        attempt: Attempt,
        cause: LossCause,
    },
    /// The worker gave the attempt back; the task waits for another.
    Returned {
        attempt: Attempt,
        /// It was started, and stopped because the worker ends.
        begun: bool,
    },
    /// The attempt failed; the task waits for another until a moment.
    Retried {
        attempt: Attempt,
        code: String,
        until: Timestamp,
    },
    /// Its first attempt is not to begin before a moment.
    Delayed {
        until: Timestamp,
    },
    /// That moment has come.
    Due,
    /// It waits for other tasks.
    Blocked,
    /// It waits for them no longer.
    Released,
    /// One of them did not succeed, and so it failed.
    Skipped {
        because: TaskId,
    },
    /// The attempt was lost with its worker, and so is the task.
    TaskLost {
        attempt: Attempt,
        cause: LossCause,
    },
    Succeeded {
        attempt: Attempt,
    },
    Failed {
        attempt: Attempt,
        code: String,
    },
    Cancelled,
    /// The receiver of its webhook has confirmed that it knows.
    WebhookDelivered,
    /// An attempt to tell it failed; the next one comes not before a moment.
    WebhookDelayed {
        tries: u16,
        error: String,
        until: Timestamp,
    },
    /// Nobody is told of its end any more.
    WebhookGivenUp {
        error: String,
    },
    /// The task was out of time.
    Expired {
        expiry: Expiry,
    },
}

/// The steps of a task, oldest first, and whether the journal still holds all of them.
#[derive(Debug, Default)]
pub struct History {
    pub steps: Vec<Step>,
    /// What came before is in a snapshot, and no longer known step by step.
    pub is_cut: bool,
}

/// # Errors
/// The journal is damaged, cannot be read, or was pruned or truncated meanwhile.
///
/// `has_begun`: what becomes of tasks that wait in its array is no longer about it.
pub fn history(
    journal: &Journal,
    (task, has_begun): (TaskId, bool),
    up_to: Index,
) -> Result<History, journal::Error> {
    let mut history = History::default();
    let mut before = Before { has_begun, ..Before::default() };
    let mut here = journal.snapshot_reader()?.map(|s| s.id().index).unwrap_or_default();
    while here < up_to {
        let entries = journal.read(here.next(), READ_BYTES)?;
        let Some(last) = entries.last().map(|entry| entry.id.index) else { break };
        for entry in entries.iter().take_while(|entry| entry.id.index <= up_to) {
            let content = Content::decode(&entry.payload)
                .map_err(|source| journal::Error::Content { index: entry.id.index, source })?;
            if let Content::Events(events) = &content {
                let happened = steps(events, task, &mut before);
                let (index, epoch) = (entry.id.index, entry.id.epoch);
                let step = |(at, what)| Step { index, epoch, at, what };
                history.steps.extend(happened.into_iter().map(step));
            }
        }
        here = last;
    }
    history.is_cut = history.steps.first().is_none_or(|step| step.what != What::Submitted);
    Ok(history)
}

/// What is known of the task so far.
#[derive(Default)]
struct Before {
    last: Option<What>,
    /// It has begun, or ended.
    is_settled: bool,
    /// It has begun by now, maybe before what the journal still tells.
    has_begun: bool,
}

impl Before {
    /// False if it is known already: of the front of an array, which ends with what stands behind it.
    fn note(&mut self, what: &What) -> bool {
        self.is_settled |= !matches!(
            what,
            What::Submitted | What::Delayed { .. } | What::Due | What::Blocked | What::Released
        );
        self.last.replace(what.clone()).as_ref() != Some(what)
    }

    /// The front of its array is named for all that stands behind it.
    fn waits_with(&self, front: TaskId, of: TaskId) -> bool {
        let array = |task: TaskId| task.in_array().map(|(array, _)| array);
        front == of || !self.is_settled && array(front).is_some() && array(front) == array(of)
    }

    fn ends_with(&self, array: ArrayId, of: TaskId) -> bool {
        !(self.is_settled || self.has_begun) && of.in_array().is_some_and(|(of, _)| of == array)
    }
}

/// Of one entry.
fn steps(events: &[Event], of: TaskId, before: &mut Before) -> Vec<(Timestamp, What)> {
    let mut steps = Vec::new();
    let mut lost: Option<(&WorkerId, ProcessId)> = None;
    for (nth, event) in events.iter().enumerate() {
        let step = match event {
            Event::TaskSubmitted { task, at, .. } if *task == of => (*at, What::Submitted),
            Event::ArraySubmitted { array, first, count, at, .. }
                if array.has(of, *first, *count) =>
            {
                (*at, What::Submitted)
            }
            Event::TaskAssigned { task, attempt, worker, at } if *task == of => {
                (*at, What::Assigned { attempt: *attempt, worker: worker.clone() })
            }
            Event::TaskRequeued { task, attempt, at } if *task == of => {
                let cause =
                    lost.map_or(LossCause::WorkerSilent, |lost| cause(lost, &events[nth..]));
                (*at, What::Lost { attempt: *attempt, cause })
            }
            Event::TaskReturned { task, attempt, begun, at, .. } if *task == of => {
                (*at, What::Returned { attempt: *attempt, begun: *begun })
            }
            Event::TaskRetried { task, attempt, until, code, at, .. } if *task == of => {
                let (attempt, code, until) = (*attempt, code.clone(), *until);
                (*at, What::Retried { attempt, code, until })
            }
            Event::TaskDelayed { task, until, at } if before.waits_with(*task, of) => {
                (*at, What::Delayed { until: *until })
            }
            // Of another one it may also be the end of the wait for a retry.
            Event::TaskDue { task, at }
                if *task == of
                    || matches!(before.last, Some(What::Delayed { .. }))
                        && before.waits_with(*task, of) =>
            {
                (*at, What::Due)
            }
            Event::TaskBlocked { task, at, .. } if before.waits_with(*task, of) => {
                (*at, What::Blocked)
            }
            Event::TaskReleased { task, at } if before.waits_with(*task, of) => {
                (*at, What::Released)
            }
            Event::TaskSkipped { task, because, at, .. } if *task == of => {
                (*at, What::Skipped { because: *because })
            }
            Event::TaskLost { task, attempt, cause, at } if *task == of => {
                (*at, What::TaskLost { attempt: *attempt, cause: *cause })
            }
            Event::TaskSucceeded { task, attempt, at, .. } if *task == of => {
                (*at, What::Succeeded { attempt: *attempt })
            }
            Event::TaskFailed { task, attempt, failure, at } if *task == of => {
                (*at, What::Failed { attempt: *attempt, code: failure.code.clone() })
            }
            Event::TaskCancelled { task, at } if *task == of => (*at, What::Cancelled),
            Event::TaskExpired { task, expiry, at } if *task == of => {
                (*at, What::Expired { expiry: *expiry })
            }
            Event::ArrayFailed { array, failure, at } if before.ends_with(*array, of) => {
                match failure {
                    ArrayFailure::Skipped { because } => (*at, What::Skipped { because: *because }),
                    ArrayFailure::Expired(expiry) => (*at, What::Expired { expiry: *expiry }),
                }
            }
            Event::ArrayCancelled { array, at } if before.ends_with(*array, of) => {
                (*at, What::Cancelled)
            }
            Event::WebhookDelivered { task, at } if *task == of => (*at, What::WebhookDelivered),
            Event::WebhookDelayed { task, tries, until, error, at } if *task == of => {
                let (tries, error, until) = (*tries, error.clone(), *until);
                (*at, What::WebhookDelayed { tries, error, until })
            }
            Event::WebhookGivenUp { task, error, at, .. } if *task == of => {
                (*at, What::WebhookGivenUp { error: error.clone() })
            }
            Event::WorkerLost { worker, incarnation, .. } => {
                lost = Some((worker, *incarnation));
                continue;
            }
            Event::TaskSubmitted { .. }
            | Event::ArraySubmitted { .. }
            | Event::ArrayCancelled { .. }
            | Event::ArrayFailed { .. }
            | Event::TaskAssigned { .. }
            | Event::TaskRequeued { .. }
            | Event::TaskReturned { .. }
            | Event::TaskRetried { .. }
            | Event::TaskDelayed { .. }
            | Event::TaskDue { .. }
            | Event::TaskLost { .. }
            | Event::TaskSucceeded { .. }
            | Event::TaskFailed { .. }
            | Event::TaskCancelled { .. }
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
            | Event::WorkerRegistered { .. }
            | Event::HandlersLearned { .. }
            | Event::AttemptEnded { .. }
            | Event::TaskRestored(_)
            | Event::ArrayRestored(_)
            | Event::UserAdded { .. }
            | Event::UserRemoved { .. }
            | Event::TokenIssued { .. }
            | Event::TokenRevoked { .. } => continue,
        };
        if before.note(&step.1) {
            steps.push(step);
        }
    }
    steps
}

/// A worker that comes back as another process is registered in the same turn.
fn cause((lost, before): (&WorkerId, ProcessId), rest: &[Event]) -> LossCause {
    let returned = rest.iter().any(|event| {
        matches!(event, Event::WorkerRegistered { worker, incarnation, .. }
            if worker == lost && *incarnation != before)
    });
    if returned { LossCause::WorkerRestarted } else { LossCause::WorkerSilent }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: TaskId = TaskId(7);
    const AT: Timestamp = Timestamp(1);

    fn lost() -> Event {
        Event::WorkerLost { worker: WorkerId::from("w"), incarnation: ProcessId(1), at: AT }
    }

    fn requeued(task: TaskId) -> Event {
        Event::TaskRequeued { task, attempt: Attempt(1), at: AT }
    }

    fn registered(incarnation: u128) -> Event {
        Event::WorkerRegistered {
            worker: WorkerId::from("w"),
            incarnation: ProcessId(incarnation),
            slots: 1,
            handlers: Vec::new(),
            labels: Vec::new(),
            resources: Vec::new(),
            at: AT,
        }
    }

    fn cause_of(events: &[Event]) -> Option<LossCause> {
        match steps(events, TASK, &mut Before::default()).first()? {
            (_, What::Lost { cause, .. }) => Some(*cause),
            _ => None,
        }
    }

    #[test]
    fn a_silent_worker_and_a_restarted_one_are_told_apart() {
        assert_eq!(cause_of(&[lost(), requeued(TASK)]), Some(LossCause::WorkerSilent));
        let restarted = [lost(), requeued(TASK), registered(2)];
        assert_eq!(cause_of(&restarted), Some(LossCause::WorkerRestarted));
    }

    #[test]
    fn other_tasks_are_left_out() {
        assert_eq!(steps(&[lost(), requeued(TaskId(8))], TASK, &mut Before::default()), []);
    }

    /// Its front is named; what has begun, or was cancelled before its turn, does not end with the others.
    #[test]
    fn what_happens_to_an_array_that_waits_happened_to_each_of_its_tasks() {
        let array = ArrayId(8 << 76);
        let (front, other, early) = (array.task(0), array.task(1), array.task(2));
        let because = TaskId(1);
        let (failure, at) = (ArrayFailure::Skipped { because }, AT);
        let events = [
            Event::TaskDelayed { task: front, until: AT, at },
            Event::TaskCancelled { task: early, at },
            Event::TaskDue { task: front, at },
            Event::TaskDue { task: front, at },
            Event::ArrayFailed { array, failure, at },
            Event::TaskSkipped { task: front, because, after: vec![because], at },
        ];
        let of = |task, has_begun| {
            let mut before = Before { has_begun, ..Before::default() };
            let steps = steps(&events, task, &mut before);
            steps.into_iter().map(|(_, what)| what).collect::<Vec<_>>()
        };
        let all = [What::Delayed { until: AT }, What::Due, What::Skipped { because }];
        assert_eq!(of(front, false), all);
        assert_eq!(of(other, false), all);
        assert_eq!(of(early, false), [What::Delayed { until: AT }, What::Cancelled]);
        assert_eq!(of(other, true), all[..2]);
    }
}
