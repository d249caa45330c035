//! Console lines about tasks: each one while few, one a second with counts when many.

use std::time::{Duration, Instant};

use common::console::Console;
use common::messages::worker::WorkerMessage;

const LINES_PER_SECOND: u32 = 50;
const WINDOW: Duration = Duration::from_secs(1);

/// Prints what happens to tasks.
pub struct Lines {
    console: Console,
    since: Instant,
    printed: u32,
    started: u64,
    finished: u64,
    failed: u64,
    stopped: u64,
}

impl Lines {
    pub fn new(console: Console) -> Self {
        let since = Instant::now();
        Self { console, since, printed: 0, started: 0, finished: 0, failed: 0, stopped: 0 }
    }

    pub fn started(&mut self, task: &str, handler: &str) {
        if self.may_print() {
            self.console
                .info(&WorkerMessage::TaskStarted { task: task.into(), handler: handler.into() });
        } else {
            self.started += 1;
        }
    }

    pub fn finished(&mut self, task: &str) {
        if self.may_print() {
            self.console.info(&WorkerMessage::TaskFinished { task: task.into() });
        } else {
            self.finished += 1;
        }
    }

    pub fn failed(&mut self, task: &str, error: &str) {
        if self.may_print() {
            self.console
                .warn(&WorkerMessage::TaskFailed { task: task.into(), error: error.into() });
        } else {
            self.failed += 1;
        }
    }

    pub fn stopped(&mut self, task: &str) {
        if self.may_print() {
            self.console.info(&WorkerMessage::TaskStopped { task: task.into() });
        } else {
            self.stopped += 1;
        }
    }

    fn may_print(&mut self) -> bool {
        let may = self.printed < LINES_PER_SECOND;
        self.printed += u32::from(may);
        may
    }

    /// To be called a few times a second.
    pub fn tick(&mut self) {
        if self.since.elapsed() < WINDOW {
            return;
        }
        self.since = Instant::now();
        self.printed = 0;
        let Self { started, finished, failed, stopped, .. } = *self;
        if started + finished + failed + stopped > 0 {
            let line = WorkerMessage::TasksAggregated { started, finished, failed, stopped };
            self.console.info(&line);
        }
        (self.started, self.finished, self.failed, self.stopped) = (0, 0, 0, 0);
    }
}
