//! `cargo xtask bench`: what a client sees, measured with every guarantee on, beside what the machine can do.

mod backlog;
mod compare;
mod engine;
mod exec;
mod failover;
mod figures;
mod growth;
mod isolation;
mod latency;
mod limits;
mod onlooker;
mod overload;
mod plot;
mod rig;
mod throughput;
mod workers;

use std::path::{Path, PathBuf};

use clap::ValueEnum;

pub use compare::{Comparison, compare, read};
use figures::Runs;
pub use figures::{Figure, print_header, print_json, print_row};
use limits::Limits;

/// What is measured. Every run of every scenario starts a new cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Scenario {
    /// Echo tasks submitted in batches
    Throughput,
    /// Echo tasks submitted one by one, 1,000 requests in flight
    Single,
    /// One task at a time
    Latency,
    /// Tasks that arrive at a fixed rate
    OpenLoop,
    /// A process of /bin/true each
    Exec,
    /// Many tasks without a worker: how fast they come in, what they take in memory, how fast they are drained
    Backlog,
    /// The same tasks as one array
    Array,
    /// Both orchestrators killed with that backlog
    Recovery,
    /// The principal killed, stopped, asked to hand over, and cut off (as root, with `ip` and `iptables`)
    Failover,
    /// One worker, ten, a hundred, a thousand
    Workers,
    /// A thousand tasks queued, ten thousand, …
    Growth,
    /// Twice as much as can be done
    Overload,
    /// The same on a pair and on an etcd of three (fetched as the tests do), beside what that writes by itself
    Engine,
}

/// How much of it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Echo tasks in a run of `throughput`; fewer, in proportion, elsewhere.
    pub tasks: usize,
    /// Submissions in a run of `latency`.
    pub probes: usize,
    /// Queued tasks in `backlog`, `array` and `recovery`, and the most in `growth`.
    pub backlog: usize,
    /// The most workers.
    pub workers: usize,
    /// Failovers of each kind.
    pub failovers: usize,
    /// Runs; the median is reported.
    pub repetitions: usize,
    /// Data directories are made below it: its file system is what is measured.
    pub dir: PathBuf,
    /// Where the picture of `workers` and `growth` is written.
    pub plot: Option<PathBuf>,
}

/// Runs the scenarios, and gives each figure to `tell` as soon as it is known.
///
/// # Errors
/// The cluster could not be started, a task was not acknowledged, or a result was wrong.
pub fn run(
    scenarios: &[Scenario],
    options: &Options,
    say: impl Fn(&str),
    mut tell: impl FnMut(Figure) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let _entered = runtime.enter();
    say("the machine's limits");
    let limits = Limits::measure(&options.dir, options.repetitions)?;
    limits.figures().into_iter().cloned().try_for_each(&mut tell)?;
    let mut curves = plot::Curves::default();
    for scenario in scenarios {
        let mut runs = Runs::default();
        let repetitions = match scenario {
            Scenario::Failover => 1,
            _ => options.repetitions,
        };
        for repetition in 1..=repetitions {
            say(&format!("{scenario:?} {repetition}/{repetitions}"));
            let bench = Bench { options, dir: &options.dir, say: &say };
            runtime.block_on(bench.once(*scenario, &mut runs, &mut curves))?;
        }
        runs.figures().into_iter().map(|figure| limits.beside(figure)).try_for_each(&mut tell)?;
    }
    match &options.plot {
        Some(path) => curves.draw(path),
        None => Ok(()),
    }
}

struct Bench<'a> {
    options: &'a Options,
    dir: &'a Path,
    say: &'a dyn Fn(&str),
}

impl Bench<'_> {
    async fn once(
        &self,
        scenario: Scenario,
        runs: &mut Runs,
        curves: &mut plot::Curves,
    ) -> anyhow::Result<()> {
        let Options { tasks, probes, backlog, .. } = *self.options;
        match scenario {
            Scenario::Throughput => throughput::batches(self.dir, tasks, runs).await,
            Scenario::Single => throughput::single(self.dir, tasks / 2, runs).await,
            Scenario::Latency => latency::idle(self.dir, probes, runs).await,
            Scenario::OpenLoop => latency::open_loop(self.dir, runs).await,
            Scenario::Exec => exec::run(self.dir, tasks / 50, runs).await,
            Scenario::Backlog => backlog::enqueue_and_drain(self.dir, backlog, runs).await,
            Scenario::Array => backlog::array(self.dir, backlog, runs).await,
            Scenario::Recovery => backlog::recovery(self.dir, backlog, runs).await,
            Scenario::Failover => {
                let count = self.options.failovers;
                failover::all(self.dir, count, self.say, runs).await?;
                let (dir, say) = (self.dir, self.say);
                tokio::task::block_in_place(|| isolation::run(dir, count, say, runs))
            }
            Scenario::Workers => {
                growth::by_workers(self.dir, self.options, self.say, runs, curves).await
            }
            Scenario::Growth => {
                growth::by_queue(self.dir, self.options, self.say, runs, curves).await
            }
            Scenario::Overload => overload::run(self.dir, runs).await,
            Scenario::Engine => {
                engine::run(self.dir, tasks, probes, self.say, runs).await?;
                let failovers = self.options.failovers.div_ceil(self.options.repetitions.max(1));
                engine::failovers(self.dir, failovers, self.say, runs).await
            }
        }
    }
}
