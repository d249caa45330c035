//! Every fault there is, one after the other and two at a time, while clients work.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::clients::{Clients, TOKEN, USER};
use super::deck::Deck;
use super::ending;
use super::fault::{Episode, Fault};
use super::injection::Injector;
use super::verdict::Verdict;
use crate::net::{Engine, Host, Load, Network};

/// Between two times at which everything must be as in the beginning.
const EPISODES_TO_WHOLE: usize = 4;
/// By then everything is finished and committed, if nobody writes.
const UNTIL_QUIET: Duration = Duration::from_millis(600);
/// The journals of so many minutes fit an orchestrator's disk.
const DISK_MEGABYTES: u32 = 192;
const DISK_MEGABYTES_PER_MINUTE: u32 = 24;

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    pub engine: Engine,
    pub minutes: f64,
    pub seed: u64,
    /// For what the processes write.
    pub dir: PathBuf,
    /// Histories and what all processes printed.
    pub evidence: PathBuf,
}

/// Faults until the time is up; then everything is healed, finished, stopped and looked at.
///
/// # Errors
/// The harness itself failed, or there can be no network; what the platform does wrong is in the verdict.
pub fn run(options: &Options, say: impl Fn(&str)) -> anyhow::Result<Verdict> {
    if let Some(reason) = Network::unavailable() {
        bail!("each process needs a machine of its own: {reason}");
    }
    std::fs::create_dir_all(&options.evidence)?;
    let began = Instant::now();
    let log = Log::new(&options.evidence, began)?;
    let mut storm = Storm::start(options, &log)?;
    let deadline = Instant::now() + Duration::from_secs_f64(options.minutes * 60.0);
    while Instant::now() < deadline {
        let episode = storm.deck.episode();
        let Err(error) = storm.play(&episode, deadline) else {
            say(&storm.line(began.elapsed()));
            continue;
        };
        log.line("chaos", &format!("{error:#}; {}", storm.injector.cluster.condition()));
        let what = format!("{}: {}", storm.names.join(" + "), in_a_line(&error));
        say(&what);
        storm.verdict.violations.push(what);
        break;
    }
    log.line("chaos", "the end");
    let mut verdict = storm.end(&options.evidence)?;
    verdict.elapsed = began.elapsed();
    verdict.evidence = Some(options.evidence.clone());
    Ok(verdict)
}

/// What is going on. What it holds ends in this order.
struct Storm {
    clients: Clients,
    load: Load,
    injector: Injector,
    deck: Deck,
    log: Log,
    /// The faults of the present episode.
    names: Vec<String>,
    verdict: Verdict,
}

/// Where tasks that run at most once note their start; the programs have other working directories.
fn starts(evidence: &Path) -> anyhow::Result<PathBuf> {
    Ok(evidence.canonicalize()?.join("starts.txt"))
}

impl Storm {
    fn start(options: &Options, log: &Log) -> anyhow::Result<Self> {
        let minutes = options.minutes.ceil() as u32;
        let disk = DISK_MEGABYTES + DISK_MEGABYTES_PER_MINUTE.saturating_mul(minutes);
        let mut injector = Injector::new(options.engine, &options.dir, disk)?;
        let log = log.clone();
        injector.cluster.on_line = Some(Arc::new({
            let log = log.clone();
            move |name, line| log.line(name, line)
        }));
        injector.cluster.layout.worker_args = vec!["--handlers".into(), "all".into()];
        injector.cluster.start()?;
        injector.cluster.add_another_user(USER, TOKEN)?;
        let mut random = StdRng::seed_from_u64(options.seed);
        let deck = Deck::new(options.engine, StdRng::seed_from_u64(random.random()));
        let load = Load::start_with_readers(&injector.cluster)?;
        load.wait_served(load.mark())?;
        let clients = Clients::start(&injector.cluster, &mut random, starts(&options.evidence)?)?;
        let Options { engine, minutes, seed, .. } = *options;
        let verdict = Verdict { engine, minutes, seed, ..Verdict::default() };
        Ok(Self { clients, load, injector, deck, log, names: Vec::new(), verdict })
    }

    /// One episode: faults, an end to them, and service again.
    fn play(&mut self, episode: &Episode, deadline: Instant) -> anyhow::Result<()> {
        self.names.clear();
        if episode.fault.needs_whole() {
            self.injector.cluster.wait_whole()?;
        }
        if episode.quiet {
            self.be_quiet(true);
            std::thread::sleep(UNTIL_QUIET);
        }
        // Asked once: whoever was struck may not answer.
        let serving = self.injector.cluster.serving()?;
        let began = Instant::now();
        let struck = self.strike(&episode.fault, serving);
        self.be_quiet(false);
        struck?;
        if let Some((after, other)) = &episode.company {
            std::thread::sleep(*after);
            self.strike(other, serving)?;
        }
        std::thread::sleep((began + episode.lasts).saturating_duration_since(Instant::now()));
        self.log.line("chaos", "healing");
        self.injector.heal()?;
        self.clients.be_quiet_beside(false);
        self.log.line("chaos", "healed");
        self.load.wait_served(self.load.mark()).context("no service after it was healed")?;
        self.verdict.outages.push(self.load.outage_during(began, Instant::now()));
        if self.verdict.outages.len().is_multiple_of(EPISODES_TO_WHOLE) {
            self.injector.cluster.wait_whole()?;
        }
        std::thread::sleep(episode.rest.min(deadline.saturating_duration_since(Instant::now())));
        Ok(())
    }

    /// Those beside the orchestrators stay quiet until it is healed.
    fn be_quiet(&self, quiet: bool) {
        self.load.be_quiet(quiet);
        self.clients.be_quiet(quiet);
        if quiet {
            self.clients.be_quiet_beside(true);
        }
    }

    /// `serving`: where the principal was when the episode began.
    fn strike(&mut self, fault: &Fault, serving: Option<Host>) -> anyhow::Result<()> {
        let name = fault.name(serving);
        self.log.line("chaos", &format!("{name}: {fault:?}"));
        *self.verdict.faults.entry(name.clone()).or_default() += 1;
        self.names.push(name);
        self.injector.inject(fault, &self.load)
    }
}

impl Storm {
    /// Healed, everything must come back, end as it must, and be found in the journals.
    fn end(mut self, evidence: &Path) -> anyhow::Result<Verdict> {
        let injector = &mut self.injector;
        if let Err(error) = injector.heal().and_then(|()| injector.cluster.wait_whole()) {
            let what = format!("after everything was healed: {}", in_a_line(&error));
            self.verdict.violations.push(what);
        }
        let recorded = self.clients.stop()?;
        let history = self.load.stop()?;
        self.verdict.refused_switchovers = injector.refused;
        let acknowledged =
            ending::settle(&mut self.verdict, &injector.cluster, &recorded, &history)?;
        ending::audit(&mut self.verdict, &mut injector.cluster, &acknowledged)?;
        ending::count_starts(&mut self.verdict, &starts(evidence)?)?;
        ending::check(&mut self.verdict, &recorded.histories, evidence)?;
        Ok(self.verdict)
    }

    /// When, what, and how long the client waited.
    fn line(&self, elapsed: Duration) -> String {
        let outage = self.verdict.outages.last().copied().unwrap_or_default();
        let (seconds, names) = (elapsed.as_secs(), self.names.join(" + "));
        format!("{seconds:>5} s  {names:<50} {:>6} ms", outage.as_millis())
    }
}

/// What follows the first line is what everybody printed, which is in the log.
fn in_a_line(error: &anyhow::Error) -> String {
    format!("{error:#}").lines().next().unwrap_or_default().to_owned()
}

/// What everybody printed, and what was done to them, in one order.
#[derive(Clone)]
struct Log {
    file: Arc<Mutex<File>>,
    zero: Instant,
}

impl Log {
    fn new(evidence: &Path, zero: Instant) -> anyhow::Result<Self> {
        let path = evidence.join("run.log");
        let file =
            File::create(&path).with_context(|| format!("failed to create {}", path.display()))?;
        Ok(Self { file: Arc::new(Mutex::new(file)), zero })
    }

    fn line(&self, name: &str, line: &str) {
        let seconds = self.zero.elapsed().as_secs_f64();
        if let Ok(mut file) = self.file.lock()
            && let Err(error) = writeln!(file, "{seconds:>9.3} {name:<10} {line}")
        {
            tracing::warn!(%error, "the log of the run has a gap");
        }
    }
}
