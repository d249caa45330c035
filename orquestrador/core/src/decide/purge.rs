//! Cancelling all that waits in a queue, or is not finished of a group.

use std::collections::BTreeMap;

use crate::ids::Timestamp;
use crate::machine::{Machine, Step};
use crate::state::State;
use crate::state::classes::Class;
use crate::state::groups::Group;
use crate::state::queues::Queue;
use crate::state::slab::Slot;
use crate::state::tasks::{Seq, Task};

/// The oldest task of a class that waits in its line.
type Head = (Slot<Class>, Slot<Task>);

/// What is cancelled.
#[derive(Clone, Copy)]
pub(super) enum Scope {
    /// All that waits there, whosever it is.
    Queue(Slot<Queue>),
    /// What runs of it, too.
    Group(Slot<Group>),
}

impl Scope {
    fn has_class(self, class: &Class) -> bool {
        match self {
            Self::Queue(queue) => class.queue == queue,
            Self::Group(group) => class.group == Some(group),
        }
    }

    fn has(self, state: &State, task: Slot<Task>) -> bool {
        self.has_class(&state.classes[state.tasks[task].class])
    }

    /// The oldest task in each line.
    fn heads(self, state: &State) -> BTreeMap<Seq, Head> {
        let of_class = |slot| head(state, slot);
        match self {
            Self::Queue(_) => {
                let classes = state.classes.iter().filter(|(_, class)| self.has_class(class));
                classes.filter_map(|(slot, _)| of_class(slot)).collect()
            }
            Self::Group(group) => {
                state.groups[group].classes.iter().filter_map(|slot| of_class(*slot)).collect()
            }
        }
    }
}

impl Machine {
    /// One batch at most, so that no step takes long; an array counts as one. What comes after others goes first, so that
    /// none of it fails because these are cancelled. [`Machine::assign_ready`] must follow.
    pub(super) fn cancel_in(&mut self, now: Timestamp, scope: Scope, step: &mut Step) {
        let mut room = self.limits.purge_batch;
        let blocked = self.blocked_in(scope, room);
        room -= blocked.len();
        blocked.into_iter().for_each(|task| self.cancel_with_array(now, task, step));
        let arrays = self.state.arrays.iter();
        let arrays = arrays.filter(|(_, array)| {
            array.waiting() > 0 && scope.has_class(&self.state.classes[array.class])
        });
        let arrays: Vec<_> = arrays.map(|(slot, _)| slot).take(room).collect();
        room -= arrays.len();
        arrays.into_iter().for_each(|array| self.cancel_waiting_in(now, array, step));
        let delayed = self.state.delayed.values().copied();
        let delayed = delayed.filter(|task| scope.has(&self.state, *task));
        let delayed: Vec<_> = delayed.take(room).collect();
        room -= delayed.len();
        delayed.into_iter().for_each(|task| self.cancel_with_array(now, task, step));
        room -= self.cancel_lines_of(now, scope, room, step);
        if let Scope::Group(_) = scope {
            let running = self.state.workers.all().flat_map(|(_, worker)| &worker.running);
            let running = running.filter(|(_, task)| scope.has(&self.state, **task));
            let running: BTreeMap<_, _> = running.map(|(seq, task)| (*seq, *task)).collect();
            let running = running.into_values().take(room);
            running.for_each(|task| self.end_by_cancel(now, task, step));
        }
    }

    /// With what waits behind it, if it is the front of an array.
    fn cancel_with_array(&mut self, now: Timestamp, task: Slot<Task>, step: &mut Step) {
        if let Some(array) = self.behind(task) {
            self.cancel_waiting_in(now, array, step);
        }
        self.end_by_cancel(now, task, step);
    }

    /// Those that come after others, also where that has just been decided; the newest, because what comes after a task is
    /// newer than it.
    fn blocked_in(&self, scope: Scope, room: usize) -> Vec<Slot<Task>> {
        let state = &self.state;
        let waiting = state.dependents.iter().map(|(_, seq, slot)| (seq, slot));
        let over = state.resolved.iter().map(|(seq, slot)| (*seq, *slot));
        let blocked = waiting.chain(over).filter(|(_, slot)| scope.has(state, *slot));
        let blocked: BTreeMap<_, _> = blocked.collect();
        blocked.into_values().rev().take(room).collect()
    }

    /// The oldest first; gives how many.
    fn cancel_lines_of(
        &mut self,
        now: Timestamp,
        scope: Scope,
        room: usize,
        step: &mut Step,
    ) -> usize {
        let mut heads = scope.heads(&self.state);
        for nth in 0..room {
            let Some((_, (class, task))) = heads.pop_first() else { return nth };
            self.end_by_cancel(now, task, step);
            heads.extend(head(&self.state, class));
        }
        room
    }
}

/// The oldest of the line, if the class is still there.
fn head(state: &State, slot: Slot<Class>) -> Option<(Seq, Head)> {
    let class = state.classes.get(slot)?;
    let (seq, task) = class.line.first(&state.tasks)?;
    Some((seq, (slot, task)))
}
