//! What is going to happen, in the order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use orquestrador_core::command::AttemptRef;
use orquestrador_core::ids::{TaskId, UserName};

/// A worker, by its number.
pub type Nth = u32;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happening {
    /// The work is done, if it still runs.
    Ends {
        worker: Nth,
        attempt: AttemptRef,
    },
    /// A cancelled attempt has stopped.
    Stopped {
        worker: Nth,
        attempt: AttemptRef,
    },
    /// The process dies, if it is still the same.
    Dies {
        worker: Nth,
        incarnation: u64,
    },
    /// Another process begins in place of a dead one.
    Starts {
        worker: Nth,
    },
    /// The same process dials again.
    Dials {
        worker: Nth,
    },
    Cancelled {
        owner: UserName,
        task: TaskId,
    },
    Asked {
        owner: UserName,
        task: TaskId,
    },
}

#[derive(Default)]
pub struct Agenda(BinaryHeap<Reverse<(u64, Happening)>>);

impl Agenda {
    pub fn add(&mut self, at: u64, happening: Happening) {
        self.0.push(Reverse((at, happening)));
    }

    /// The next one that is due.
    pub fn next(&mut self, now: u64) -> Option<Happening> {
        if self.0.peek()?.0.0 > now {
            return None;
        }
        self.0.pop().map(|Reverse((_, happening))| happening)
    }
}
