//! Groups: tasks and arrays that a user has given one name. A group is there as long as a class names it, that is, as long as
//! any of its tasks is known.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::classes::Class;
use super::slab::{Slab, Slot};
use crate::digest;
use crate::effect::TaskState;
use crate::ids::{GroupName, Timestamp, UserName};

#[derive(Clone)]
pub struct Group {
    pub owner: UserName,
    pub name: GroupName,
    /// Of the tasks that are known, those included that wait in arrays; in the order of [`TaskState::ALL`].
    pub counts: [u64; 6],
    pub past: Past,
    pub classes: BTreeSet<Slot<Class>>,
}

/// What its tasks that are known do not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Of the tasks that are no longer known, or were cancelled in an array; in the order of [`TaskState::ALL`].
    pub forgotten: [u64; 6],
    /// Of the tasks, known or not, that failed or were lost and are done once more; in the order of [`TaskState::ALL`].
    pub repeated: [u64; 6],
    /// Of the first one submitted, here and below.
    pub submitted_at: Option<Timestamp>,
    /// Of the first one assigned.
    pub started_at: Option<Timestamp>,
    /// Of the last one that ended.
    pub finished_at: Option<Timestamp>,
}

impl Past {
    pub fn forget(&mut self, end: TaskState, tasks: u32) {
        self.forgotten[end as usize] += u64::from(tasks);
    }

    pub fn note_submission(&mut self, at: Timestamp) {
        self.submitted_at = Some(self.submitted_at.map_or(at, |first| first.min(at)));
    }

    pub fn note_start(&mut self, at: Timestamp) {
        self.started_at = Some(self.started_at.map_or(at, |first| first.min(at)));
    }

    pub fn note_end(&mut self, at: Timestamp) {
        self.finished_at = self.finished_at.max(Some(at));
    }
}

impl Group {
    /// Tasks that are not finished.
    pub fn open(&self) -> u64 {
        self.counts[TaskState::Queued as usize] + self.counts[TaskState::Running as usize]
    }

    /// What it adds to the digest.
    pub fn hash(&self) -> u128 {
        digest::group(self)
    }

    /// Of all tasks, the forgotten ones too, but for those that are done once more.
    pub fn all_counts(&self) -> [u64; 6] {
        let Past { forgotten, repeated, .. } = self.past;
        TaskState::ALL.map(|state| {
            let state = state as usize;
            (self.counts[state] + forgotten[state]).saturating_sub(repeated[state])
        })
    }
}

/// All groups, by place, and by owner and name.
#[derive(Default)]
pub struct Groups {
    places: Slab<Group>,
    by_name: BTreeMap<(UserName, GroupName), Slot<Group>>,
    open: usize,
}

impl Groups {
    /// There is such a group from now on; whether it is new. [`Groups::join`] must follow.
    pub fn find_or_insert(&mut self, owner: &UserName, name: &GroupName) -> (Slot<Group>, bool) {
        if let Some(slot) = self.find(owner, name) {
            return (slot, false);
        }
        let slot = self.places.insert(Group {
            owner: owner.clone(),
            name: name.clone(),
            counts: [0; 6],
            past: Past::default(),
            classes: BTreeSet::new(),
        });
        self.by_name.insert((owner.clone(), name.clone()), slot);
        (slot, true)
    }

    /// One more class names it.
    pub fn join(&mut self, slot: Slot<Group>, class: Slot<Class>) {
        self.places[slot].classes.insert(class);
    }

    /// The group itself, if no other class names it.
    pub fn leave(&mut self, slot: Slot<Group>, class: Slot<Class>) -> Option<Group> {
        let classes = &mut self.places[slot].classes;
        classes.remove(&class);
        if !classes.is_empty() {
            return None;
        }
        let group = self.places.remove(slot);
        self.by_name.remove(&(group.owner.clone(), group.name.clone()));
        Some(group)
    }

    /// So many of its tasks are counted from now on, or no longer.
    pub fn count(&mut self, slot: Slot<Group>, state: TaskState, tasks: u32, is_counted: bool) {
        let group = &mut self.places[slot];
        let was_open = group.open() > 0;
        let count = &mut group.counts[state as usize];
        match is_counted {
            true => *count += u64::from(tasks),
            false => *count -= u64::from(tasks),
        }
        self.open = self.open + usize::from(group.open() > 0) - usize::from(was_open);
    }

    /// How many of them have unfinished tasks.
    pub fn open(&self) -> usize {
        self.open
    }

    pub fn find(&self, owner: &UserName, name: &GroupName) -> Option<Slot<Group>> {
        self.by_name.get(&(owner.clone(), name.clone())).copied()
    }

    /// This owner's, by name, those behind `after`.
    pub fn of_owner<'a>(
        &'a self,
        owner: &'a UserName,
        after: Option<&GroupName>,
    ) -> impl Iterator<Item = &'a Group> {
        let from = match after {
            Some(after) => Bound::Excluded((owner.clone(), after.clone())),
            None => Bound::Included((owner.clone(), GroupName::from(""))),
        };
        let behind = self.by_name.range((from, Bound::Unbounded));
        behind.take_while(move |((of, _), _)| of == owner).map(|(_, slot)| &self.places[*slot])
    }

    /// By owner and name.
    pub fn iter(&self) -> impl Iterator<Item = (Slot<Group>, &Group)> {
        self.by_name.values().map(|slot| (*slot, &self.places[*slot]))
    }

    pub(crate) fn past_mut(&mut self, slot: Slot<Group>) -> &mut Past {
        &mut self.places[slot].past
    }
}

impl std::ops::Index<Slot<Group>> for Groups {
    type Output = Group;

    fn index(&self, slot: Slot<Group>) -> &Group {
        &self.places[slot]
    }
}
