//! What was asked about each task, when, and what was answered.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use common::proto::TaskState;

/// A question about one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asked {
    Submit,
    Status,
    Result,
    /// Of several tasks, of which this one was shown.
    List,
    Cancel,
}

/// A task as it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sight {
    pub state: TaskState,
    pub attempt: u32,
    /// A digest of its result, where it was finished and the result was asked for.
    pub result: Option<u64>,
}

impl Sight {
    pub fn is_finished(self) -> bool {
        !matches!(self.state, TaskState::Unspecified | TaskState::Queued | TaskState::Running)
    }
}

/// A definite answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    Accepted {
        sight: Sight,
        /// It was known before the try that was answered.
        existed: bool,
    },
    Shown(Sight),
    Cancelled(Sight),
    NotFound,
    /// Too late to cancel.
    Finished,
}

/// One operation of one client. Times count from the beginning of the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    pub client: usize,
    pub asked: Asked,
    pub began: Duration,
    /// `None`: nobody knows whether it happened, or will.
    pub answered: Option<(Duration, Answer)>,
}

/// The calls about each task, as many clients record them.
#[derive(Debug)]
pub struct Histories {
    zero: Instant,
    tasks: Mutex<BTreeMap<String, Vec<Call>>>,
}

impl Default for Histories {
    fn default() -> Self {
        Self { zero: Instant::now(), tasks: Mutex::default() }
    }
}

impl Histories {
    /// Now.
    pub fn now(&self) -> Duration {
        self.zero.elapsed()
    }

    pub fn add(&self, task: &str, call: Call) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        match tasks.get_mut(task) {
            Some(calls) => calls.push(call),
            None => drop(tasks.insert(task.to_owned(), vec![call])),
        }
    }

    /// All calls so far.
    pub fn take(&self) -> BTreeMap<String, Vec<Call>> {
        std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// For people: one line for each call, in the order in which they began.
pub fn text(task: &str, calls: &[Call]) -> String {
    let mut calls = calls.to_vec();
    calls.sort_by_key(|call| call.began);
    let mut text = format!("task {task}: began, ended (ms), client, question, answer\n");
    for call in calls {
        let (ended, answer) = match call.answered {
            Some((ended, answer)) => (milliseconds(ended), format!("{answer:?}")),
            None => ("?".to_owned(), "unknown".to_owned()),
        };
        let (began, client, asked) = (milliseconds(call.began), call.client, call.asked);
        writeln!(text, "{began:>12} {ended:>12}  {client:>2}  {asked:?}  {answer}")
            .expect("a string takes everything");
    }
    text
}

fn milliseconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64() * 1e3)
}
