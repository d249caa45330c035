//! What the demo found.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use common::proto::Task;

/// Counts of one run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub submitted: usize,
    pub acknowledged: usize,
    pub lost: usize,
    pub duplicated: usize,
    /// Failed, or with another result than our own computation.
    pub wrong: usize,
    /// Tasks that needed more than one attempt.
    pub reassigned: usize,
    /// Tasks by handler and by worker.
    pub by_handler: BTreeMap<String, usize>,
    pub by_worker: BTreeMap<String, usize>,
    /// From the principal's death to the next acknowledgement, as the client saw it.
    pub failover: Option<Duration>,
    pub elapsed: Duration,
}

impl Report {
    pub fn count(&mut self, task: &Task) {
        *self.by_handler.entry(task.handler.clone()).or_default() += 1;
        *self.by_worker.entry(task.worker_id.clone()).or_default() += 1;
        if task.attempt > 1 {
            self.reassigned += 1;
        }
    }

    /// Everything acknowledged is there, once, and right.
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.wrong == 0 && self.failover.is_some()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "tarefas          {}", self.submitted)?;
        writeln!(f, "confirmadas      {}", self.acknowledged)?;
        writeln!(f, "perdidas         {}", self.lost)?;
        writeln!(f, "duplicadas       {}", self.duplicated)?;
        writeln!(f, "erradas          {}", self.wrong)?;
        writeln!(f, "reatribuídas     {}", self.reassigned)?;
        for (handler, count) in &self.by_handler {
            writeln!(f, "  {handler:<14} {count}")?;
        }
        for (worker, count) in &self.by_worker {
            writeln!(f, "  {worker:<20} {count}")?;
        }
        if let Some(failover) = self.failover {
            writeln!(
                f,
                "troca de principal vista pelo cliente  {:.0} ms",
                failover.as_secs_f64() * 1e3
            )?;
        }
        write!(f, "tempo            {:.1} s", self.elapsed.as_secs_f64())
    }
}
