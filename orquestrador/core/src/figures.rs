//! Numbers about the state, for whoever watches the node. Nothing is looked at task by task.

use std::collections::BTreeMap;

use crate::ids::{HandlerName, QueueName, Timestamp};
use crate::machine::Machine;

/// What there is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Tasks by state, in the order of `TaskState::ALL`; finished ones until they are forgotten.
    pub counts: [u64; 6],
    /// Tasks that have finished, the forgotten ones included.
    pub finished_ever: u64,
    /// Payload bytes of unfinished tasks.
    pub active_bytes: u64,
    /// Bytes that finished tasks hold.
    pub finished_bytes: u64,
    /// Those that a worker offered once come first; by name.
    pub handlers: Vec<HandlerFigures>,
    pub queues: Vec<QueueFigures>,
    pub workers: WorkerFigures,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerFigures {
    pub handler: HandlerName,
    /// Like those of all tasks.
    pub counts: [u64; 6],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueFigures {
    pub queue: QueueName,
    pub queued: u64,
    pub running: u64,
    pub paused: bool,
    /// When the one was submitted that has waited for a worker longest.
    pub oldest: Option<Timestamp>,
}

/// Of the workers that are connected to this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerFigures {
    pub connected: u64,
    pub draining: u64,
    pub slots: u64,
    pub busy: u64,
}

impl Machine {
    /// Takes as long as there are handlers, queues, kinds of tasks and workers.
    pub fn figures(&self) -> Figures {
        let mut oldest: BTreeMap<_, Timestamp> = BTreeMap::new();
        for (_, class) in self.state.classes.iter() {
            let Some((_, first)) = class.line.first(&self.state.tasks) else { continue };
            let at = self.state.tasks[first].submitted_at;
            let of_queue = oldest.entry(class.queue).or_insert(at);
            *of_queue = at.min(*of_queue);
        }
        let queues = self.state.queues.iter().map(|(slot, queue)| QueueFigures {
            queue: queue.name.clone(),
            queued: queue.queued,
            running: u64::from(queue.running),
            paused: queue.settings.paused,
            oldest: oldest.get(&slot).copied(),
        });
        let (learned, others): (Vec<_>, Vec<_>) =
            self.state.handlers.iter().partition(|(_, handler)| handler.learned);
        let handlers = learned.into_iter().chain(others).map(|(_, handler)| HandlerFigures {
            handler: handler.name.clone(),
            counts: handler.counts,
        });
        let mut workers = WorkerFigures::default();
        for (slot, worker) in self.state.workers.iter() {
            let presence = self.office.presence(slot);
            if presence.session.is_some() {
                workers.connected += 1;
                workers.draining += u64::from(presence.draining);
                workers.slots += u64::from(worker.slots);
                workers.busy += u64::from(worker.used.slots);
            }
        }
        let totals = &self.state.totals;
        Figures {
            counts: totals.counts,
            finished_ever: self.state.next_order.0,
            active_bytes: totals.active_bytes,
            finished_bytes: totals.finished_bytes,
            handlers: handlers.collect(),
            queues: queues.collect(),
            workers,
        }
    }
}
