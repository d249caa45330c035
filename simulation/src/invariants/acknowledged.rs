//! G1: what is acknowledged is committed, fsynced where the receipt says, and there in the end.

use std::collections::BTreeSet;

use common::proto::{Durability, Receipt};
use orquestrador_core::ids::{Index, TaskId};

use super::{Violation, ensure};
use crate::truth::Truth;

const NAME: &str = "G1 acknowledged";
const BOTH: u8 = 0b11;

/// The tasks that clients were told of.
#[derive(Default)]
pub struct Memory {
    tasks: BTreeSet<TaskId>,
}

/// The moment an answer leaves the driver of `place`.
pub fn on_release(truth: &Truth, place: usize, receipt: &Receipt) -> Result<(), Violation> {
    let index = Index(receipt.journal_index);
    let id = truth.id_at(index).ok_or_else(|| {
        Violation::new(NAME, format!("an answer names entry {index}, which is not committed"))
    })?;
    if index == Index(0) {
        return Ok(());
    }
    let needed = match receipt.durability() {
        Durability::Replicated => BOTH,
        Durability::LocalOnly => 1 << place,
        Durability::Unspecified => {
            return Err(Violation::new(NAME, "a receipt without a durability"));
        }
    };
    let has = truth.fsynced.get(&id.hash).copied().unwrap_or(0);
    ensure(has & needed == needed, NAME, || {
        format!("entry {index} is acknowledged as {:?}, places {has:#b}", receipt.durability())
    })
}

impl Memory {
    /// A client was told that its task is accepted.
    pub fn on_submitted(&mut self, truth: &Truth, task: TaskId) -> Result<(), Violation> {
        self.tasks.insert(task);
        ensure(truth.tasks.contains_key(&task), NAME, || {
            format!("task {task} is acknowledged, but nobody has committed it")
        })
    }

    /// A submission was refused: it was not accepted before, all of it, unless a part of it is forgotten and would be new.
    pub fn on_refused(&self, truth: &Truth, tasks: &[TaskId]) -> Result<(), Violation> {
        let is_known = |task: &TaskId| {
            let story = truth.tasks.get(task);
            self.tasks.contains(task) && story.is_some_and(|story| !story.is_gone())
        };
        ensure(!tasks.iter().all(is_known), NAME, || {
            format!("{tasks:?} are refused after they were accepted")
        })
    }

    /// In the end.
    pub fn check(&self, truth: &Truth) -> Result<(), Violation> {
        match self.tasks.iter().find(|task| !truth.tasks.contains_key(task)) {
            Some(task) => Err(Violation::new(NAME, format!("task {task} is gone"))),
            None => Ok(()),
        }
    }
}
