//! Which state of a task follows which. The same table stands in `docs/task-lifecycle.md`.

use crate::effect::TaskState;

/// What can happen to a task after its submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    Assigned,
    Succeeded,
    Failed,
    Cancelled,
    Requeued,
    Retried,
    Delayed,
    Due,
    Lost,
    Expired,
    Blocked,
    Released,
    Skipped,
}

/// Everything that is allowed.
pub const TABLE: [(TaskState, Transition, TaskState); 17] = [
    (TaskState::Queued, Transition::Assigned, TaskState::Running),
    (TaskState::Queued, Transition::Cancelled, TaskState::Cancelled),
    // Only in a snapshot: earlier attempts of a queued task were lost.
    (TaskState::Queued, Transition::Requeued, TaskState::Queued),
    // Only in a snapshot: earlier attempts of a queued task failed.
    (TaskState::Queued, Transition::Retried, TaskState::Queued),
    (TaskState::Queued, Transition::Delayed, TaskState::Queued),
    (TaskState::Queued, Transition::Due, TaskState::Queued),
    (TaskState::Queued, Transition::Expired, TaskState::Failed),
    (TaskState::Queued, Transition::Blocked, TaskState::Queued),
    (TaskState::Queued, Transition::Released, TaskState::Queued),
    (TaskState::Queued, Transition::Skipped, TaskState::Failed),
    (TaskState::Running, Transition::Succeeded, TaskState::Succeeded),
    (TaskState::Running, Transition::Failed, TaskState::Failed),
    (TaskState::Running, Transition::Cancelled, TaskState::Cancelled),
    (TaskState::Running, Transition::Requeued, TaskState::Queued),
    (TaskState::Running, Transition::Retried, TaskState::Queued),
    (TaskState::Running, Transition::Lost, TaskState::Lost),
    (TaskState::Running, Transition::Expired, TaskState::Failed),
];

/// The state that follows; `None` when it is not allowed.
pub fn next(from: TaskState, transition: Transition) -> Option<TaskState> {
    TABLE.iter().find(|(state, by, _)| *state == from && *by == transition).map(|(_, _, to)| *to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_follows_a_finished_state() {
        assert!(TABLE.iter().all(|(from, _, _)| !from.is_finished()));
    }

    #[test]
    fn the_documented_table_is_this_one() {
        let documented: Vec<_> = include_str!("../../../../docs/task-lifecycle.md")
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .map(|line| {
                let cells: Vec<_> =
                    line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
                (cells[0].to_owned(), cells[1].to_owned(), cells[2].to_owned())
            })
            .collect();
        let allowed: Vec<_> =
            TABLE.iter().map(|(from, by, to)| (word(from), format!("{by:?}"), word(to))).collect();
        assert_eq!(documented, allowed);
    }

    fn word(state: &TaskState) -> String {
        format!("{state:?}").to_uppercase()
    }
}
