//! What a watch begins with, and where it goes on after it was broken.

use std::collections::BTreeMap;

use crate::command::Look;
use crate::effect::Answer;
use crate::ids::{Blob, UserName};
use crate::machine::Machine;
use crate::rejection::Rejection;
use crate::state::classes::Class;
use crate::state::groups::Group;
use crate::state::slab::Slot;
use crate::state::tasks::{FinishOrder, Seq, Task};

use super::MAX_SCANNED;

/// Tasks that are told of at once: ends, and as many that are not finished.
pub const MAX_TOLD: usize = 5_000;
/// Bytes of the results that are told at once, but for the last one.
const MAX_TOLD_BYTES: usize = 4 << 20;

impl Machine {
    /// Ends are told in their order, which is the same on every node; so whoever was told of them up to a place goes on
    /// from there, whoever is principal by then. What is not finished is told of beside, because it may have changed.
    pub(super) fn look(&self, owner: &UserName, look: Look) -> Result<Answer, Rejection> {
        let Look { group, since, with_results } = look;
        let group = group.map(|group| self.group_of(owner, group)).transpose()?;
        let is_theirs = |class: Slot<Class>| match group {
            Some(group) => self.state.classes[class].group == Some(group),
            None => self.state.owner_of(class).name == *owner,
        };
        let (mut tasks, mut position, mut is_all) = (Vec::new(), self.state.next_order.0, true);
        let mut bytes = 0;
        let tell = |slot| {
            let output = if with_results { self.output(slot) } else { None };
            (self.snapshot(slot), output)
        };
        if let Some(since) = since {
            // One beyond all places is from a history that went on otherwise: nothing is known to have been told.
            let since = FinishOrder(if since > position { 0 } else { since });
            for (nth, (order, slot)) in self.state.retained.range(since..).enumerate() {
                if nth >= MAX_SCANNED || tasks.len() >= MAX_TOLD || bytes >= MAX_TOLD_BYTES {
                    (position, is_all) = (order.0, false);
                    break;
                }
                if is_theirs(self.state.tasks[*slot].class) {
                    let (snapshot, output) = tell(*slot);
                    bytes += output.as_ref().map_or(0, Blob::len);
                    tasks.push((snapshot, output));
                }
            }
            tasks.extend(self.held(is_theirs).into_iter().map(tell));
        }
        if let Some(group) = group {
            let open = self.open_in(&self.state.groups[group]);
            tasks.extend(open.into_values().take(MAX_TOLD).map(|slot| (self.snapshot(slot), None)));
        }
        let is_open = group.is_none_or(|group| self.state.groups[group].open() > 0);
        Ok(Answer::Looked { tasks, position, is_all, is_open })
    }

    /// Cancelled tasks that still hold a slot: they have no place yet.
    fn held(&self, is_theirs: impl Fn(Slot<Class>) -> bool) -> Vec<Slot<Task>> {
        let held = self.state.workers.all().flat_map(|(_, worker)| worker.cancelled.values());
        let held = held.map(|held| held.task);
        held.filter(|slot| is_theirs(self.state.tasks[*slot].class)).collect()
    }

    /// What has a record and is not finished, in the order of submission.
    fn open_in(&self, group: &Group) -> BTreeMap<Seq, Slot<Task>> {
        let state = &self.state;
        let lines =
            group.classes.iter().flat_map(|class| state.classes[*class].line.iter(&state.tasks));
        let running = state.workers.all().flat_map(|(_, worker)| worker.running.values().copied());
        let delayed = state.delayed.values().copied();
        let blocked = state.dependents.iter().map(|(_, _, slot)| slot);
        let blocked = blocked.chain(state.resolved.values().copied());
        let others = running.chain(delayed).chain(blocked);
        let others = others.filter(|slot| group.classes.contains(&state.tasks[*slot].class));
        lines.chain(others).map(|slot| (state.tasks[slot].seq, slot)).collect()
    }
}
