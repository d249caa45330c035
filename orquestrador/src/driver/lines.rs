//! Console lines about tasks: each one while few, one a second with counts when many.

use common::console::Console;
use common::messages::node::NodeMessage;
use common::messages::node_arrays::ArrayMessage;
use common::messages::node_webhooks::WebhookMessage;
use orquestrador_core::effect::{Notice, TaskState};
use orquestrador_core::role::Millis;

/// Task lines printed one by one within a second; the rest of that second is counted.
const LINES_PER_SECOND: u32 = 50;
const WINDOW: Millis = 1_000;

/// Prints notices.
pub struct Lines {
    console: Console,
    since: Millis,
    printed: u32,
    /// Refused outcomes in this second: a worker that lies says many things.
    fenced: u64,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    submitted: u64,
    assigned: u64,
    reassigned: u64,
    succeeded: u64,
    failed: u64,
    cancelled: u64,
    lost: u64,
    retried: u64,
}

impl Lines {
    pub fn new(console: Console) -> Self {
        Self { console, since: 0, printed: 0, fenced: 0, counts: Counts::default() }
    }

    pub fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::WorkerRegistered { worker } => {
                self.console.info(&NodeMessage::WorkerRegistered { worker: worker.to_string() });
            }
            Notice::WorkerReconnected { worker } => {
                self.console.info(&NodeMessage::WorkerReconnected { worker: worker.to_string() });
            }
            Notice::WorkerLost { worker } => {
                self.console.warn(&NodeMessage::WorkerLost { worker: worker.to_string() });
            }
            Notice::TaskSubmitted { task, owner } => self.task_line(
                |c| &mut c.submitted,
                || NodeMessage::TaskSubmitted { task: task.to_string(), owner: owner.to_string() },
            ),
            Notice::ArraySubmitted { array, owner, count } => {
                self.console.info(&ArrayMessage::Submitted {
                    array: array.to_string(),
                    owner: owner.to_string(),
                    tasks: count,
                });
            }
            Notice::ArrayCancelled { array, tasks } => {
                let array = array.to_string();
                self.console.info(&ArrayMessage::Cancelled { array, tasks });
            }
            Notice::ArrayFailed { array, tasks, failure } => {
                let (array, error) =
                    (array.to_string(), format!("{}: {}", failure.code, failure.message));
                self.console.info(&ArrayMessage::Failed { array, tasks, error });
            }
            Notice::QueueChanged { queue, settings } => {
                self.console.info(&NodeMessage::QueueChanged {
                    queue: queue.to_string(),
                    weight: settings.weight,
                    max_running: settings.max_running,
                    paused: settings.paused,
                });
            }
            Notice::QuotaChanged { user, quota } => {
                let quota = quota.unwrap_or_default();
                self.console.info(&NodeMessage::QuotaChanged {
                    user: user.map(|user| user.to_string()),
                    max_active: quota.max_active,
                    max_bytes: quota.max_bytes,
                    max_running: quota.max_running,
                    submit_rate: quota.submit_rate,
                });
            }
            Notice::TaskAssigned { task, worker } => self.task_line(
                |c| &mut c.assigned,
                || NodeMessage::TaskAssigned { task: task.to_string(), worker: worker.to_string() },
            ),
            Notice::TaskReassigned { task, worker } => self.task_line(
                |c| &mut c.reassigned,
                || NodeMessage::TaskReassigned {
                    task: task.to_string(),
                    worker: worker.to_string(),
                },
            ),
            Notice::TaskFinished { task, state: TaskState::Failed, failure, .. } => self.task_line(
                |c| &mut c.failed,
                || NodeMessage::TaskFailed {
                    task: task.to_string(),
                    error: failure
                        .map(|f| format!("{}: {}", f.code, f.message))
                        .unwrap_or_default(),
                },
            ),
            Notice::TaskFinished { task, state: TaskState::Cancelled, .. } => self.task_line(
                |c| &mut c.cancelled,
                || NodeMessage::TaskCancelled { task: task.to_string() },
            ),
            Notice::TaskFinished { task, state: TaskState::Lost, .. } => {
                self.task_line(|c| &mut c.lost, || NodeMessage::TaskLost { task: task.to_string() })
            }
            Notice::TaskFinished { task, .. } => self.task_line(
                |c| &mut c.succeeded,
                || NodeMessage::TaskSucceeded { task: task.to_string() },
            ),
            Notice::TaskRetried { task, failure, delay_ms } => self.task_line(
                |c| &mut c.retried,
                || NodeMessage::TaskRetried {
                    task: task.to_string(),
                    error: format!("{}: {}", failure.code, failure.message),
                    delay_ms,
                },
            ),
            Notice::WebhookGivenUp { task, url, tries, error } => {
                let (task, url) = (task.to_string(), url.to_string());
                self.console.warn(&WebhookMessage::GivenUp { task, url, tries, error });
            }
            Notice::OutcomeFenced { attempt } => {
                self.fenced += 1;
                if self.fenced > u64::from(LINES_PER_SECOND) {
                    return;
                }
                self.console.warn(&NodeMessage::OutcomeFenced {
                    task: attempt.task.to_string(),
                    attempt: attempt.attempt.0,
                });
            }
        }
    }

    fn task_line(
        &mut self,
        count: fn(&mut Counts) -> &mut u64,
        line: impl FnOnce() -> NodeMessage,
    ) {
        if self.printed < LINES_PER_SECOND {
            self.printed += 1;
            self.console.info(&line());
        } else {
            *count(&mut self.counts) += 1;
        }
    }

    /// To be called a few times a second: ends the window and prints what was only counted.
    pub fn tick(&mut self, now: Millis) {
        if now - self.since < WINDOW {
            return;
        }
        self.since = now;
        self.printed = 0;
        let fenced = std::mem::take(&mut self.fenced).saturating_sub(LINES_PER_SECOND.into());
        if fenced > 0 {
            self.console.warn(&NodeMessage::OutcomesFenced { outcomes: fenced });
        }
        let counts = std::mem::take(&mut self.counts);
        let Counts { submitted, assigned, reassigned, succeeded, failed, cancelled, lost, retried } =
            counts;
        let all =
            submitted + assigned + reassigned + succeeded + failed + cancelled + lost + retried;
        if all > 0 {
            self.console.info(&NodeMessage::TasksAggregated {
                submitted,
                assigned,
                reassigned,
                succeeded,
                failed,
                cancelled,
                lost,
                retried,
            });
        }
    }
}
