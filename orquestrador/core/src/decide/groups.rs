//! Groups as their owners see and cancel them.

use super::purge::Scope;
use crate::effect::{Answer, GroupSnapshot};
use crate::ids::{GroupName, Timestamp, UserName};
use crate::machine::{Machine, Step};
use crate::rejection::Rejection;
use crate::state::groups::Group;
use crate::state::slab::Slot;

impl Machine {
    pub(super) fn query_group(
        &self,
        owner: &UserName,
        group: GroupName,
    ) -> Result<Answer, Rejection> {
        let slot = self.group_of(owner, group)?;
        Ok(Answer::Group { snapshot: snapshot(&self.state.groups[slot]) })
    }

    pub(super) fn list_groups(
        &self,
        owner: &UserName,
        after: Option<&GroupName>,
        limit: usize,
    ) -> Answer {
        let mut behind = self.state.groups.of_owner(owner, after);
        let groups: Vec<_> = behind.by_ref().take(limit.max(1)).map(snapshot).collect();
        let is_more = behind.next().is_some();
        let next = groups.last().map(|last| last.group.clone()).filter(|_| is_more);
        Answer::Groups { groups, next }
    }

    /// One batch at most, so that no step takes long.
    pub(super) fn cancel_group(
        &mut self,
        now: Timestamp,
        owner: &UserName,
        group: GroupName,
        step: &mut Step,
    ) -> Result<Answer, Rejection> {
        let slot = self.group_of(owner, group)?;
        let before = self.state.groups[slot].open();
        self.cancel_in(now, Scope::Group(slot), step);
        let snapshot = snapshot(&self.state.groups[slot]);
        self.assign_ready(now, step);
        // Only now, because retention may forget even these.
        self.prune(step);
        Ok(Answer::GroupCancelled { cancelled: before - snapshot.open(), snapshot })
    }

    pub(super) fn group_of(
        &self,
        owner: &UserName,
        group: GroupName,
    ) -> Result<Slot<Group>, Rejection> {
        self.state.groups.find(owner, &group).ok_or(Rejection::GroupNotFound { group })
    }
}

fn snapshot(group: &Group) -> GroupSnapshot {
    GroupSnapshot {
        group: group.name.clone(),
        counts: group.all_counts(),
        forgotten: group.past.forgotten.iter().sum(),
        retried: group.past.repeated.iter().sum(),
        submitted_at: group.past.submitted_at,
        started_at: group.past.started_at,
        finished_at: group.past.finished_at,
    }
}
