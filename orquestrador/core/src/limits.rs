//! Every bound has a name. Passed to the machine; these are the defaults.

use crate::policy::Policy;

/// Payloads that are longer are kept as they come, like all results: whoever brings them decides where they lie, and
/// what they are part of. Shorter ones are copied, so that none keeps the message that it came in.
pub const SMALL_BYTES: usize = 256;

/// Of a task that a worker may hold without having started it: longer ones are sent when they can start.
pub const MAX_WAITING_BYTES: usize = 64 << 10;

/// Of the message of a failure, while its task waits for the next attempt.
pub const MAX_WAITING_MESSAGE: usize = 256;

/// Bounds and intervals of the task machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Unfinished tasks.
    pub max_active_tasks: u64,
    /// Payload bytes of unfinished tasks.
    pub max_active_bytes: u64,
    /// Finished tasks kept; older ones are forgotten, oldest first.
    pub max_finished_tasks: u64,
    /// Result bytes of finished tasks kept.
    pub max_finished_bytes: u64,
    /// Tasks forgotten by one event.
    pub prune_batch: usize,
    /// Tasks of a queue, and arrays, that one step cancels.
    pub purge_batch: usize,
    /// Delayed tasks that one step wakes.
    pub wake_batch: usize,
    /// Different combinations of owner, handler and policy of unfinished tasks; those that retry nothing do not count.
    pub max_policies: usize,
    /// Pairs of a task and another, not finished, that it waits for.
    pub max_dependencies: usize,
    /// Tasks that wait for the same one, or the same array.
    pub max_dependents: usize,
    /// Keys that tasks hold.
    pub max_keys: usize,
    pub max_user_keys: usize,
    /// Schedules, paused ones included.
    pub max_schedules: usize,
    pub max_user_schedules: usize,
    /// Payload bytes of schedules.
    pub max_schedule_bytes: u64,
    /// Firings that one step decides.
    pub fire_batch: usize,
    /// A firing that is decided later than so long after it was due was missed.
    pub missed_after_ms: u64,
    /// Missed firings of a schedule that are made up for, where all of them are wanted: the last ones.
    pub max_catch_up: u32,
    /// Until a firing that was refused is tried again.
    pub refire_ms: u64,
    /// Groups that have unfinished tasks.
    pub max_groups: usize,
    /// Of all blobs that tasks refer to; beyond it finished tasks are forgotten, oldest first.
    pub max_referred_bytes: u64,
    /// Pairs of a task and a blob; beyond it finished tasks are forgotten, oldest first, and no task with blobs is accepted.
    pub max_references: usize,
    /// Tasks with a webhook that are not finished, and reports that are owed.
    pub max_webhooks: u64,
    /// Reports that were given up and are kept, the last ones.
    pub max_given_up: usize,
    /// Reports that one step has told at once, however many wait.
    pub retry_webhooks: usize,
    /// Reports under way at a time, in all and to one target.
    pub max_posts: usize,
    pub max_posts_to_target: usize,
    /// After so many failed attempts a report is given up.
    pub webhook_attempts: u16,
    /// From the first failed attempt to the next, at most; it triples with each further one, up to a day.
    pub webhook_retry_ms: u64,
    /// Queues that have unfinished tasks, or settings.
    pub max_queues: usize,
    /// A task that has waited for so long is no longer overtaken by all of a higher priority.
    pub patience_ms: u64,
    /// Silence after which a worker's work is given to others.
    pub worker_lease_ms: u64,
    /// Attempts lost with their worker before a task is quarantined.
    pub max_lost_attempts: u32,
    pub max_users: usize,
    /// Of one user.
    pub max_tokens: usize,
    /// Which of the free workers gets the next task.
    pub policy: Policy,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_active_tasks: 10_000_000,
            max_active_bytes: 4 << 30,
            max_finished_tasks: 1_000_000,
            max_finished_bytes: 1 << 30,
            prune_batch: 10_000,
            purge_batch: 5_000,
            wake_batch: 5_000,
            max_policies: 50_000,
            max_dependencies: 500_000,
            max_dependents: 20_000,
            max_keys: 500_000,
            max_user_keys: 250_000,
            max_schedules: 10_000,
            max_user_schedules: 1_000,
            max_schedule_bytes: 256 << 20,
            fire_batch: 1_000,
            missed_after_ms: 60_000,
            max_catch_up: 100,
            refire_ms: 1_000,
            max_groups: 50_000,
            max_referred_bytes: 12 << 30,
            max_references: 1_000_000,
            max_webhooks: 200_000,
            max_given_up: 1_000,
            retry_webhooks: 1_000,
            max_posts: 64,
            max_posts_to_target: 16,
            webhook_attempts: 10,
            webhook_retry_ms: 10_000,
            max_queues: 1_000,
            patience_ms: 60_000,
            worker_lease_ms: 3_000,
            max_lost_attempts: 5,
            max_users: 10_000,
            max_tokens: 32,
            policy: Policy::default(),
        }
    }
}
