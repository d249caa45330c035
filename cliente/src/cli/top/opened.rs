//! One task that was opened: how it stands, what happened to it, and the end of what it says.

use common::messages::words::plain_cell;
use common::proto::{ExplainTaskResponse, FollowOutputResponse, Task};

use super::super::output::TaskView;
use super::super::output::{Output as _, Table};
use super::super::report::Report;
use super::log::Log;
use crate::cli::commands;
use common::lang::Lang;

#[derive(Clone, Debug, Default)]
pub struct Opened {
    pub task_id: String,
    pub task: Option<Task>,
    steps: Option<ExplainTaskResponse>,
    pub log: Log,
    /// Why it cannot be shown.
    pub problem: Option<String>,
    /// Lines above the screen.
    pub scroll: usize,
}

impl Opened {
    pub fn new(task_id: String, task: Option<Task>) -> Self {
        Self { task_id, task, ..Self::default() }
    }

    pub fn part(&mut self, part: FollowOutputResponse) {
        self.log.take(&part);
        let Some(task) = part.task else { return };
        // What a program said is whole there; a part of it may have been missed.
        if !part.result.is_empty() {
            let text = match Report::of(&task, &part.result) {
                Some(report) => report.text(),
                None => String::from_utf8_lossy(&part.result).into_owned(),
            };
            self.log.replace(&text);
        }
        self.task = Some(task);
    }

    pub fn steps(&mut self, steps: ExplainTaskResponse) {
        self.steps = Some(steps);
    }

    /// All that is known of it but what it says.
    pub fn details(&self, lang: Lang) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(task) = &self.task {
            let view = TaskView::without_result(task.clone(), None);
            let text = Table::new(lang).task(&view);
            lines.extend(text.lines().map(|line| plain_cell(line).into_owned()));
        }
        if let Some(steps) = &self.steps {
            let told = commands::steps(steps).into_iter().map(|line| line.text(lang));
            lines.push(String::new());
            lines.extend(told.map(|line| plain_cell(&line).into_owned()));
        }
        lines
    }
}
