//! G2: an at-most-once task is started once at most, by whatever worker and in whatever attempt. It alone
//! ends as lost.

use std::collections::BTreeSet;

use common::proto;
use orquestrador_core::command::Delivery;
use orquestrador_core::ids::TaskId;

use super::{Violation, ensure};
use crate::truth::Truth;

const NAME: &str = "G2 started once";

/// The at-most-once tasks that some worker has started.
#[derive(Default)]
pub struct Memory {
    started: BTreeSet<TaskId>,
}

impl Memory {
    /// A worker begins to run a task that was given to it under `delivery`.
    pub fn on_start(
        &mut self,
        truth: &Truth,
        task: TaskId,
        delivery: proto::Delivery,
    ) -> Result<(), Violation> {
        let wanted = truth.tasks.get(&task).map(|story| story.delivery);
        let told = match delivery {
            proto::Delivery::AtMostOnce => Some(Delivery::AtMostOnce),
            proto::Delivery::AtLeastOnce => Some(Delivery::AtLeastOnce),
            proto::Delivery::Unspecified => None,
        };
        ensure(told == wanted, NAME, || {
            format!("task {task} was submitted as {wanted:?} and is given out as {told:?}")
        })?;
        let once = wanted == Some(Delivery::AtMostOnce);
        ensure(!once || self.started.insert(task), NAME, || {
            format!("at-most-once task {task} is started again")
        })
    }
}

/// A task ends as lost.
pub fn may_be_lost(task: TaskId, delivery: Delivery) -> Result<(), Violation> {
    ensure(delivery == Delivery::AtMostOnce, NAME, || {
        format!("task {task} is lost, although it may be started again")
    })
}

/// An assignment that only an override could bring back.
pub fn replayed(task: &str) -> Violation {
    Violation::new(NAME, format!("task {task} is given once more to a worker that is done with it"))
}
