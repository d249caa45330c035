//! Which tasks are listed.

use std::time::{SystemTime, UNIX_EPOCH};

use common::proto::{self, TaskState};

/// Tasks of which all of this is true; the default admits every task.
#[derive(Clone, Debug, Default)]
pub struct TaskFilter {
    /// Empty: in any state.
    pub states: Vec<TaskState>,
    /// The queue that it waits in, or waited.
    pub queue: Option<String>,
    /// The handler that runs it.
    pub handler: Option<String>,
    /// The worker of the present or last attempt.
    pub worker_id: Option<String>,
    /// Submitted then or later, by the principal's clock.
    pub since: Option<SystemTime>,
    /// Submitted before.
    pub until: Option<SystemTime>,
    /// The group that it belongs to.
    pub group: Option<String>,
    /// The code of its failure, or loss.
    pub error_code: Option<String>,
    /// The array that it belongs to.
    pub array_id: Option<String>,
    /// The schedule that made it.
    pub schedule: Option<String>,
    /// Those of all users, for administrators and viewers; otherwise the caller's.
    pub all_users: bool,
}

impl TaskFilter {
    /// Tasks in one state.
    pub fn in_state(state: TaskState) -> Self {
        Self { states: vec![state], ..Self::default() }
    }

    pub(crate) fn page(&self, page_size: u32, page_token: &str) -> proto::ListTasksRequest {
        let Self { states, queue, handler, worker_id, since, until, .. } = self.clone();
        let Self { group, error_code, array_id, schedule, all_users, .. } = self.clone();
        proto::ListTasksRequest {
            states: states.into_iter().map(Into::into).collect(),
            page_size,
            page_token: page_token.to_owned(),
            queue: queue.unwrap_or_default(),
            handler: handler.unwrap_or_default(),
            worker_id: worker_id.unwrap_or_default(),
            submitted_since_ms: since.map(unix_ms),
            submitted_until_ms: until.map(unix_ms),
            group: group.unwrap_or_default(),
            error_code: error_code.unwrap_or_default(),
            array_id: array_id.unwrap_or_default(),
            schedule: schedule.unwrap_or_default(),
            all_users,
            task_id: String::new(),
        }
    }
}

/// 0 for what was before 1970.
fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
