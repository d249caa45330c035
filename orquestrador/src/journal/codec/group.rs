//! Groups, as snapshots hold them.

use common::proto::GroupRestored;
use orquestrador_core::effect::TaskState;
use orquestrador_core::event::{Past, RestoredGroup};
use orquestrador_core::ids::Timestamp;

pub fn to_proto(restored: &RestoredGroup) -> GroupRestored {
    let Past { forgotten, repeated, submitted_at, started_at, finished_at } = restored.past;
    let ms = |at: Option<Timestamp>| at.map(|at| at.0);
    GroupRestored {
        owner: restored.owner.to_string(),
        group: restored.group.to_string(),
        forgotten_succeeded: forgotten[TaskState::Succeeded as usize],
        forgotten_failed: forgotten[TaskState::Failed as usize],
        forgotten_cancelled: forgotten[TaskState::Cancelled as usize],
        forgotten_lost: forgotten[TaskState::Lost as usize],
        repeated_failed: repeated[TaskState::Failed as usize],
        repeated_lost: repeated[TaskState::Lost as usize],
        submitted_at_ms: ms(submitted_at),
        started_at_ms: ms(started_at),
        finished_at_ms: ms(finished_at),
    }
}

pub fn from_proto(e: GroupRestored) -> RestoredGroup {
    let forgotten = TaskState::ALL.map(|state| match state {
        TaskState::Queued | TaskState::Running => 0,
        TaskState::Succeeded => e.forgotten_succeeded,
        TaskState::Failed => e.forgotten_failed,
        TaskState::Cancelled => e.forgotten_cancelled,
        TaskState::Lost => e.forgotten_lost,
    });
    let repeated = TaskState::ALL.map(|state| match state {
        TaskState::Queued | TaskState::Running | TaskState::Succeeded | TaskState::Cancelled => 0,
        TaskState::Failed => e.repeated_failed,
        TaskState::Lost => e.repeated_lost,
    });
    let at = |ms: Option<u64>| ms.map(Timestamp);
    RestoredGroup {
        owner: e.owner.as_str().into(),
        group: e.group.as_str().into(),
        past: Past {
            forgotten,
            repeated,
            submitted_at: at(e.submitted_at_ms),
            started_at: at(e.started_at_ms),
            finished_at: at(e.finished_at_ms),
        },
    }
}
