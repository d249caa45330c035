//! G4: the answers are those of one copy. The journal gives the order: an answer was computed at the entry
//! that its receipt names. So it must fit the history there, and must not be older than what anybody had
//! been told before the question was asked.

use common::proto::Receipt;
use orquestrador_core::effect::{TaskSnapshot, TaskState};
use orquestrador_core::ids::{Blob, Index, TaskId, UserName};

use super::{Violation, ensure};
use crate::truth::{Story, Truth};

const NAME: &str = "G4 linearizable";

#[derive(Default)]
pub struct Memory {
    /// The highest entry that any completed call was answered at.
    told: Index,
}

impl Memory {
    /// A call begins: whatever anybody knows by now, its answer must include.
    pub fn on_begin(&self) -> Index {
        self.told
    }

    /// A call is answered. `floor`: what [`Memory::on_begin`] said.
    pub fn on_answer(&mut self, floor: Index, receipt: &Receipt) -> Result<(), Violation> {
        let index = Index(receipt.journal_index);
        self.told = self.told.max(index);
        ensure(index >= floor, NAME, || {
            format!("an answer of entry {index}, although {floor} had been answered before")
        })
    }
}

/// A task as it was answered at this entry.
pub fn check_task(
    truth: &Truth,
    snapshot: &TaskSnapshot,
    result: Option<&Blob>,
    index: Index,
) -> Result<(), Violation> {
    if truth.tasks.get(&snapshot.id).is_some_and(|story| story.is_reborn) {
        return Ok(());
    }
    let Some(story) = truth.tasks.get(&snapshot.id).filter(|story| story.begins() <= index) else {
        let what = format!("task {} is shown before it was accepted", snapshot.id);
        return Err(Violation::new(NAME, what));
    };
    let fits = story
        .visible_at(index)
        .any(|step| step.state == snapshot.state && step.attempt == snapshot.attempt.0);
    ensure(fits, NAME, || {
        format!(
            "task {} is shown as {:?}, attempt {}, at entry {index}; its story is {:?}",
            snapshot.id, snapshot.state, snapshot.attempt, story.steps
        )
    })?;
    let has_result = snapshot.state == TaskState::Succeeded && result.is_some();
    ensure(!has_result || result == story.result.as_ref(), NAME, || {
        format!("task {} is shown with another result than it has", snapshot.id)
    })
}

/// A task was said not to exist.
pub fn check_absent(truth: &Truth, task: TaskId, index: Index) -> Result<(), Violation> {
    // Of one without a record nothing is told once others behind it have begun, and nothing of what is forgotten.
    let must_be = |story: &Story| story.begins() < index && !story.is_gone();
    let existed = truth.tasks.get(&task).is_some_and(must_be);
    ensure(!existed, NAME, || format!("task {task} is said not to exist at entry {index}"))
}

/// A task was said to be finished otherwise than by being cancelled.
pub fn check_finished(truth: &Truth, task: TaskId, index: Index) -> Result<(), Violation> {
    let is_done =
        |state| matches!(state, TaskState::Succeeded | TaskState::Failed | TaskState::Lost);
    let fits = truth
        .tasks
        .get(&task)
        .is_some_and(|story| story.visible_at(index).any(|step| is_done(step.state)));
    ensure(fits, NAME, || format!("task {task} is said to be finished at entry {index}"))
}

/// A whole list of an owner's tasks.
pub fn check_list(
    truth: &Truth,
    owner: &UserName,
    shown: &[(TaskSnapshot, Option<Blob>)],
    index: Index,
) -> Result<(), Violation> {
    for (snapshot, result) in shown {
        check_task(truth, snapshot, result.as_ref(), index)?;
    }
    let is_missing = |(id, story): &(&TaskId, &Story)| {
        story.owner == *owner
            && story.begins() < index
            && !story.is_gone()
            && !shown.iter().any(|(snapshot, _)| snapshot.id == **id)
    };
    match truth.tasks.iter().find(is_missing) {
        Some((id, _)) => Err(Violation::new(NAME, format!("task {id} is missing from a list"))),
        None => Ok(()),
    }
}
