//! What events do to the groups of tasks.

use super::Applied;
use crate::effect::TaskState;
use crate::event::RestoredGroup;
use crate::ids::{GroupName, UserName};
use crate::state::State;
use crate::state::classes::Class;
use crate::state::groups::{Group, Past};
use crate::state::slab::Slot;

impl State {
    pub(super) fn find_or_begin_group(
        &mut self,
        owner: &UserName,
        name: &GroupName,
    ) -> Slot<Group> {
        let (slot, is_new) = self.groups.find_or_insert(owner, name);
        if is_new {
            self.digest = self.digest.wrapping_add(self.groups[slot].hash());
        }
        slot
    }

    /// The class is gone, and with the last one the group.
    pub(super) fn leave_group(&mut self, slot: Slot<Group>, class: Slot<Class>) {
        if let Some(group) = self.groups.leave(slot, class) {
            self.digest = self.digest.wrapping_sub(group.hash());
        }
    }

    /// After all of its tasks.
    pub(super) fn group_restored(&mut self, restored: &RestoredGroup) -> Applied {
        let slot = self.groups.find(&restored.owner, &restored.group);
        self.in_past(slot.ok_or("there is no such group")?, |past| *past = restored.past);
        Ok(())
    }

    /// Changes what is kept of the group that tasks of this class belong to.
    pub(super) fn in_past_of(&mut self, class: Slot<Class>, change: impl FnOnce(&mut Past)) {
        if let Some(group) = self.classes[class].group {
            self.in_past(group, change);
        }
    }

    fn in_past(&mut self, group: Slot<Group>, change: impl FnOnce(&mut Past)) {
        self.digest = self.digest.wrapping_sub(self.groups[group].hash());
        change(self.groups.past_mut(group));
        self.digest = self.digest.wrapping_add(self.groups[group].hash());
    }

    /// So many tasks of this class are counted in their group from now on, or no longer.
    pub(super) fn count_within_group(
        &mut self,
        class: Slot<Class>,
        state: TaskState,
        tasks: u32,
        is_counted: bool,
    ) {
        if let Some(group) = self.classes[class].group {
            self.groups.count(group, state, tasks, is_counted);
        }
    }
}
