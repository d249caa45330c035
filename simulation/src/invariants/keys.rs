//! Of the tasks of one user that have the same key only one is not finished, or in its window.

use std::collections::{BTreeMap, BTreeSet};

use orquestrador_core::ids::{Index, KeyName, TaskId, Timestamp, UserName};

use super::{Violation, ensure};
use crate::truth::Story;

const NAME: &str = "one task for a key";

/// What the committed history says of keys.
#[derive(Default)]
pub struct Keys {
    holders: BTreeMap<(UserName, KeyName), (TaskId, Timestamp)>,
    /// Every task that ever held it, and since when.
    all: BTreeMap<TaskId, (UserName, KeyName, Index)>,
}

impl Keys {
    /// A task that was submitted at this moment holds a key from now on.
    pub fn on_keyed(
        &mut self,
        tasks: &BTreeMap<TaskId, Story>,
        (task, owner, key): (TaskId, &UserName, &KeyName),
        (at, until): (Timestamp, Timestamp),
        index: Index,
    ) -> Result<(), Violation> {
        let name = (owner.clone(), key.clone());
        if let Some((before, held_until)) = self.holders.insert(name, (task, until)) {
            let is_open = tasks.get(&before).is_some_and(Story::is_open);
            ensure(!is_open, NAME, || {
                format!("task {task} has the key {key}, and {before} is not finished")
            })?;
            ensure(held_until <= at, NAME, || {
                format!("task {task} has the key {key} in the window of {before}")
            })?;
        }
        self.all.insert(task, (owner.clone(), key.clone(), index));
        Ok(())
    }

    /// A task has ended; its key is free if its window has, by the clock of that moment.
    pub fn on_end(&mut self, task: TaskId, at: Timestamp) {
        let Some((owner, key, _)) = self.all.get(&task) else { return };
        let name = (owner.clone(), key.clone());
        if self.holders.get(&name).is_some_and(|(of, until)| *of == task && *until <= at) {
            self.holders.remove(&name);
        }
    }

    /// Nothing holds these any more.
    pub fn on_released(
        &mut self,
        tasks: &BTreeMap<TaskId, Story>,
        released: &[(UserName, KeyName)],
    ) -> Result<(), Violation> {
        let twice: BTreeSet<_> = released.iter().collect();
        ensure(twice.len() == released.len(), NAME, || "a key is released twice".to_owned())?;
        for name in released {
            let Some((task, _)) = self.holders.remove(name) else {
                return Err(Violation::new(NAME, format!("nobody held the key {}", name.1)));
            };
            let is_open = tasks.get(&task).is_some_and(Story::is_open);
            ensure(!is_open, NAME, || format!("{task} loses its key before its end"))?;
        }
        Ok(())
    }

    /// `asked` was submitted with a key, and this task was answered.
    pub fn check_holder(
        &self,
        owner: &UserName,
        key: &KeyName,
        (asked, answered): (TaskId, TaskId),
        index: Index,
    ) -> Result<(), Violation> {
        self.check_named(owner, key, answered, index)?;
        ensure(asked == answered || !self.all.contains_key(&asked), NAME, || {
            format!("{answered} is said to hold the key {key}, but {asked} was accepted as well")
        })
    }

    /// A task was said to have, or to have had, the key.
    pub fn check_named(
        &self,
        owner: &UserName,
        key: &KeyName,
        task: TaskId,
        index: Index,
    ) -> Result<(), Violation> {
        let fits = self
            .all
            .get(&task)
            .is_some_and(|(of, name, since)| (of, name) == (owner, key) && *since <= index);
        ensure(fits, NAME, || format!("task {task} is said to have the key {key}"))
    }
}
