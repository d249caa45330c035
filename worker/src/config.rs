//! The command line, checked completely before the port is opened.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand as _};
use common::endpoint::{DEFAULT_BACKUP, DEFAULT_PRINCIPAL, Endpoint};
use common::lang::Lang;
use common::manual::Manual;
use common::messages::command_line::BadValue;
use common::messages::worker_help::{self, Problem};
use common::telemetry::LogFormat;
use common::tls::{self, Role, Tls};
use common::traces;

pub use crate::faults::Faults;
use crate::handlers::{self, Handler, Programs, RunAs};

/// Of files that tasks took.
const DEFAULT_CACHE_BYTES: u64 = 8 << 30;

/// Of what an attempt gives, and of each stream of a program.
const DEFAULT_RESULT_BYTES: u64 = 256 << 20;

/// The flags; their texts are in the message catalogue.
#[derive(Debug, Parser)]
#[command(name = "worker", version)]
struct Flags {
    #[arg(long, env = "MUTIRAO_PORT", value_name = "PORT")]
    port: u16,
    #[arg(long, env = "MUTIRAO_LISTEN", value_name = "IP", default_value = "127.0.0.1")]
    listen: IpAddr,
    #[arg(long, env = "MUTIRAO_INSECURE_NETWORK")]
    insecure_network: bool,
    #[command(flatten)]
    tls: tls::Flags,
    #[command(flatten)]
    traces: traces::Flags,
    #[arg(long, env = "MUTIRAO_ADVERTISE", value_name = "HOST:PORT")]
    advertise: Option<String>,
    #[arg(long, env = "MUTIRAO_ORCHESTRATORS", value_name = "URL", value_delimiter = ',', default_values = [DEFAULT_PRINCIPAL, DEFAULT_BACKUP])]
    orchestrators: Vec<Endpoint>,
    #[arg(long, env = "MUTIRAO_SLOTS", value_name = "N")]
    slots: Option<u32>,
    #[arg(
        long,
        env = "MUTIRAO_HANDLERS",
        value_name = "NAME",
        value_delimiter = ',',
        default_value = "default"
    )]
    handlers: Vec<String>,
    #[arg(long, env = "MUTIRAO_LABELS", value_name = "KEY=VALUE", value_delimiter = ',')]
    labels: Vec<String>,
    #[arg(long, env = "MUTIRAO_ALLOW_PROGRAMS", value_name = "NAME", value_delimiter = ',')]
    allow_programs: Option<Vec<String>>,
    #[arg(
        long,
        env = "MUTIRAO_ALLOW_VARIABLES",
        value_name = "NAME",
        value_delimiter = ',',
        requires = "allow_programs"
    )]
    allow_variables: Vec<String>,
    #[arg(long, env = "MUTIRAO_RUN_AS", value_name = "USER[:GROUP]")]
    run_as: Option<String>,
    #[arg(long, env = "MUTIRAO_RESOURCES", value_name = "NAME=N", value_delimiter = ',')]
    resources: Vec<String>,
    #[arg(long, env = "MUTIRAO_WORK_ROOT", value_name = "DIR")]
    work_root: Option<PathBuf>,
    #[arg(long, env = "MUTIRAO_CACHE_DIR", value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    #[arg(long, env = "MUTIRAO_MAX_CACHE_BYTES", value_name = "BYTES", value_parser = size, default_value_t = ByteSize(DEFAULT_CACHE_BYTES))]
    max_cache_bytes: ByteSize,
    #[arg(long, env = "MUTIRAO_MAX_RESULT_BYTES", value_name = "BYTES", value_parser = size, default_value_t = ByteSize(DEFAULT_RESULT_BYTES))]
    max_result_bytes: ByteSize,
    #[arg(long, env = "MUTIRAO_DRAIN_TIMEOUT_S", value_name = "S", default_value_t = 30)]
    drain_timeout_s: u64,
    #[arg(long, env = "MUTIRAO_ABANDON_AFTER_S", value_name = "S", value_parser = clap::value_parser!(u64).range(1..))]
    abandon_after_s: Option<u64>,
    #[arg(long, env = "MUTIRAO_FAIL_RATE", value_name = "0..1", default_value_t = 0.0)]
    fail_rate: f64,
    #[arg(long, env = "MUTIRAO_CRASH_AFTER", value_name = "N")]
    crash_after: Option<u64>,
    #[arg(long, env = "MUTIRAO_HANG_AFTER", value_name = "N")]
    hang_after: Option<u64>,
    #[arg(long, env = "MUTIRAO_SLOWDOWN", value_name = "FACTOR", default_value_t = 1.0)]
    slowdown: f64,
    #[arg(long, env = "MUTIRAO_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
    #[arg(
        long,
        env = "MUTIRAO_LANG",
        value_name = "LANG",
        value_enum,
        default_value_t,
        global = true
    )]
    lang: Lang,
}

/// Everything a worker is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where its own port is.
    pub listen: SocketAddr,
    /// Its identity, `localhost:<port>` unless advertised otherwise.
    pub worker_id: String,
    /// By default it speaks none.
    pub tls: Tls,
    /// Who is told of what it runs.
    pub traces: traces::Flags,
    /// Tried in turn.
    pub orchestrators: Vec<Endpoint>,
    /// How many tasks run at once, 1 to 4,096.
    pub slots: u32,
    /// Names of built-in handlers to offer.
    pub handlers: Vec<String>,
    /// Those that tasks may start.
    pub programs: Programs,
    /// Whose rights these have.
    pub run_as: RunAs,
    /// For tasks that need them.
    pub labels: BTreeMap<String, String>,
    /// What it has a number of, for tasks that need some.
    pub resources: BTreeMap<String, u64>,
    /// Where directories of attempts are made; absolute.
    pub work_root: PathBuf,
    /// Where files that tasks took are kept for others.
    pub cache_dir: PathBuf,
    /// Of all of them.
    pub max_cache_bytes: u64,
    /// Of what an attempt gives, and of each stream of a program.
    pub max_result_bytes: u64,
    /// How long an orderly end waits for running tasks.
    pub drain_timeout: Duration,
    /// Without a principal for so long, what runs is stopped.
    pub abandon_after: Option<Duration>,
    /// Faults to inject.
    pub faults: Faults,
    /// How logs are written.
    pub log_format: LogFormat,
    /// What people read.
    pub lang: Lang,
}

/// The command line with its texts in `lang`.
pub fn command(lang: Lang) -> clap::Command {
    let command = common::version::told_by(Flags::command(), &[]);
    common::help::localize(command, lang, |id| worker_help::text(id, lang))
}

/// The same with what this program says of itself; that needs no port.
pub fn program(lang: Lang) -> clap::Command {
    let program = common::version::told_by(Flags::command(), &[]);
    let program = Manual::augment_subcommands(program).subcommand_negates_reqs(true);
    common::help::localize(program, lang, |id| worker_help::text(id, lang))
}

/// What was asked for.
pub enum Invocation {
    /// To work.
    Work(Box<Config>),
    /// Completions or manual pages, in this language.
    Manual(Manual, Lang),
}

impl Invocation {
    /// Reads the command line and the environment.
    ///
    /// # Errors
    /// As [`Config::parse`].
    pub fn parse(args: &[impl AsRef<OsStr>]) -> Result<Self, clap::Error> {
        let lang = Lang::early(args);
        let mut command = program(lang);
        let matches = common::help::parse(command.clone(), args, lang)?;
        match matches.subcommand() {
            Some(_) => Ok(Self::Manual(Manual::from_arg_matches(&matches)?, lang)),
            None => Config::read(&matches, &mut command, lang)
                .map(|config| Self::Work(Box::new(config))),
        }
    }
}

impl Config {
    /// Reads the command line and the environment.
    ///
    /// # Errors
    /// What clap prints: wrong flags, a combination that cannot work, or a request for help.
    pub fn parse(args: &[impl AsRef<OsStr>]) -> Result<Self, clap::Error> {
        let lang = Lang::early(args);
        let mut command = command(lang);
        let matches = common::help::parse(command.clone(), args, lang)?;
        Self::read(&matches, &mut command, lang)
    }

    fn read(
        matches: &ArgMatches,
        command: &mut clap::Command,
        lang: Lang,
    ) -> Result<Self, clap::Error> {
        let mut flags = Flags::from_arg_matches(matches)?;
        // The guide's addresses, which do not say whether by TLS.
        if matches.value_source("orchestrators") == Some(ValueSource::DefaultValue)
            && !flags.tls.is_empty()
        {
            flags.orchestrators = flags.orchestrators.iter().map(Endpoint::secured).collect();
        }
        Self::check(flags).map_err(|problem| {
            command.error(
                clap::error::ErrorKind::ValueValidation,
                worker_help::problem(&problem, lang),
            )
        })
    }

    /// The built-in handlers that it names.
    pub fn built_in_handlers(&self) -> Vec<Arc<dyn Handler>> {
        let of_programs = (self.programs.clone(), self.run_as.clone());
        let handler = |name: &String| handlers::built_in(name, &self.work_root, &of_programs);
        self.handlers.iter().filter_map(handler).collect()
    }

    fn check(flags: Flags) -> Result<Self, Problem> {
        if flags.port == 0 {
            return Err(Problem::PortZero);
        }
        let tls = Tls::serving(&flags.tls, Role::Worker).map_err(Problem::Tls)?;
        if !flags.listen.is_loopback() && !tls.is_on() && !flags.insecure_network {
            return Err(Problem::OpenNetwork { listen: flags.listen.to_string() });
        }
        let orchestrators: Vec<_> = flags.orchestrators.iter().map(|o| o.settled(&tls)).collect();
        orchestrators.iter().try_for_each(|o| o.check(&tls)).map_err(Problem::Tls)?;
        let slots = flags.slots.unwrap_or_else(default_slots);
        if !(1..=4096).contains(&slots) {
            return Err(Problem::Slots);
        }
        if !(0.0..=1.0).contains(&flags.fail_rate) {
            return Err(Problem::FailRate);
        }
        if !(1.0..=1000.0).contains(&flags.slowdown) {
            return Err(Problem::Slowdown);
        }
        let worker_id = match flags.advertise {
            Some(text) => identity(text)?,
            None => format!("localhost:{}", flags.port),
        };
        let work_root = work_root(flags.work_root)?;
        let handlers = handler_names(&flags.handlers)?;
        let (run_as, work_root) = run_as(flags.run_as.as_deref(), &handlers, work_root)?;
        let cache_dir = flags.cache_dir.unwrap_or_else(|| default_cache(&work_root, &worker_id));
        Ok(Self {
            listen: SocketAddr::new(flags.listen, flags.port),
            worker_id,
            tls,
            traces: flags.traces,
            orchestrators,
            slots,
            handlers,
            programs: programs(flags.allow_programs.as_deref(), &flags.allow_variables)?,
            run_as,
            labels: labels(&flags.labels)?,
            resources: resources(&flags.resources)?,
            work_root,
            cache_dir,
            max_cache_bytes: flags.max_cache_bytes.0,
            max_result_bytes: flags.max_result_bytes.0,
            drain_timeout: Duration::from_secs(flags.drain_timeout_s),
            abandon_after: flags.abandon_after_s.map(Duration::from_secs),
            faults: Faults {
                fail_rate: flags.fail_rate,
                crash_after: flags.crash_after,
                hang_after: flags.hang_after,
                slowdown: flags.slowdown,
            },
            log_format: flags.log_format,
            lang: flags.lang,
        })
    }
}

/// `HOST:PORT`, as the orchestrators and people name this worker.
fn identity(text: String) -> Result<String, Problem> {
    match text.parse::<Endpoint>() {
        Ok(_) if !text.contains('/') => Ok(text),
        Ok(_) | Err(_) => Err(Problem::Advertise { text }),
    }
}

/// The system's temporary directory unless it is given. Programs are told of it from elsewhere, so it is absolute.
fn work_root(wanted: Option<PathBuf>) -> Result<PathBuf, Problem> {
    let dir = wanted.unwrap_or_else(std::env::temp_dir);
    std::path::absolute(&dir).map_err(|_| Problem::WorkRoot { text: dir.display().to_string() })
}

/// Of its own, so that it needs no agreement with other workers.
fn default_cache(work_root: &Path, worker_id: &str) -> PathBuf {
    let user = rustix::process::geteuid().as_raw();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let name: String = worker_id.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    work_root.join(format!("mutirao-cache-{user}-{name}"))
}

/// One for each core.
fn default_slots() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1))
}

/// `default` and `all` stand for several.
fn handler_names(wanted: &[String]) -> Result<Vec<String>, Problem> {
    let mut names = Vec::new();
    for name in wanted {
        match name.as_str() {
            "default" => names.extend(handlers::DEFAULT.map(str::to_owned)),
            "all" => {
                names.extend(handlers::DEFAULT.map(str::to_owned));
                names.push("command".to_owned());
            }
            name if handlers::built_in(name, Path::new(""), &Default::default()).is_some() => {
                names.push(name.to_owned())
            }
            name => return Err(Problem::UnknownHandler { name: name.to_owned() }),
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}

fn programs(only: Option<&[String]>, variables: &[String]) -> Result<Programs, Problem> {
    match only {
        None => Ok(Programs::default()),
        Some(only) => {
            Programs::only(only, variables).map_err(|name| Problem::UnknownProgram { name })
        }
    }
}

/// Tried where there are programs to run; then the directory is named without links, which others could change.
fn run_as(
    wanted: Option<&str>,
    handlers: &[String],
    work_root: PathBuf,
) -> Result<(RunAs, PathBuf), Problem> {
    let run_as = wanted.map_or(Ok(RunAs::Unsaid), RunAs::of).map_err(Problem::RunAs)?;
    let has_programs = handlers.iter().any(|handler| handler == "command");
    let Some(user) = run_as.user().filter(|_| has_programs) else { return Ok((run_as, work_root)) };
    let not_there = |_| Problem::WorkRoot { text: work_root.display().to_string() };
    let place = work_root.canonicalize().map_err(not_there)?;
    user.try_in(&place).map_err(Problem::RunAs)?;
    Ok((run_as, place))
}

fn labels(pairs: &[String]) -> Result<BTreeMap<String, String>, Problem> {
    pairs
        .iter()
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            Some(_) | None => Err(Problem::Label { text: pair.clone() }),
        })
        .collect()
}

fn size(text: &str) -> Result<ByteSize, BadValue> {
    text.parse().map_err(|_| BadValue::Bytes)
}

/// What the machine has, and what the operator says, which counts.
fn resources(pairs: &[String]) -> Result<BTreeMap<String, u64>, Problem> {
    let mut all = of_machine();
    for pair in pairs {
        let bad = || Problem::Resource { text: pair.clone() };
        let (name, count) =
            pair.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(bad)?;
        let count = count.parse().or_else(|_| count.parse().map(|ByteSize(bytes)| bytes));
        all.insert(name.to_owned(), count.map_err(|_| bad())?);
    }
    Ok(all)
}

/// Processors, and bytes of memory as proc(5) tells them in `/proc/meminfo`.
fn of_machine() -> BTreeMap<String, u64> {
    let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u64);
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = meminfo.lines().find_map(|line| {
        let kib = line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?;
        kib.parse::<u64>().ok()?.checked_mul(1 << 10)
    });
    let memory = memory.map(|bytes| ("memory".to_owned(), bytes));
    [("cpus".to_owned(), cpus)].into_iter().chain(memory).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Config, clap::Error> {
        Config::parse(&[&["worker"], args].concat())
    }

    #[test]
    fn a_port_is_enough() {
        let config = parse(&["--port", "50061"]).expect("is enough");
        assert_eq!(config.worker_id, "localhost:50061");
        assert_eq!(config.handlers, ["echo", "mandelbrot", "simulated"]);
    }

    #[test]
    fn programs_are_only_run_when_the_operator_says_so() {
        let config =
            parse(&["--port", "50061", "--handlers", "default,command"]).expect("is right");
        assert!(config.handlers.contains(&"command".to_owned()));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for args in [
            &["--port", "0"][..],
            &["--port", "1", "--slots", "0"],
            &["--port", "1", "--fail-rate", "2"],
            &["--port", "1", "--slowdown", "0.5"],
            &["--port", "1", "--handlers", "inexistente"],
            &["--port", "1", "--allow-programs", "true,inexistente"],
            &["--port", "1", "--allow-variables", "PATH"],
            &["--port", "1", "--run-as", "usuario-inexistente"],
            &["--port", "1", "--labels", "sem-valor"],
            &["--port", "1", "--resources", "gpus"],
            &["--port", "1", "--resources", "gpus=muitas"],
            &["--port", "1", "--resources", "memory=-1GiB"],
            &["--port", "1", "--advertise", ""],
            &["--port", "1", "--advertise", "a b c"],
            &["--port", "1", "--advertise", "sem-porta"],
            &["--port", "1", "--advertise", "http://a:1"],
            &["--port", "1", "--listen", "0.0.0.0"],
            &["--port", "1", "--orchestrators", "https://a:1"],
            &["--port", "1", "--tls-ca", "ca.pem"],
            &[],
        ] {
            assert!(parse(args).is_err(), "{args:?} was accepted");
        }
    }

    #[test]
    fn a_worker_has_what_its_machine_has_unless_it_says_otherwise() {
        let resources = |args: &[&str]| {
            let args = [&["--port", "1"], args].concat();
            parse(&args).map(|config| config.resources).expect("is right")
        };
        let of_machine = resources(&[]);
        assert!(of_machine["cpus"] > 0 && of_machine["memory"] > 1 << 20, "{of_machine:?}");
        let told = resources(&["--resources", "memory=2GiB,gpus=1"]);
        assert_eq!((told["memory"], told["gpus"]), (2 << 30, 1));
        assert_eq!(told["cpus"], of_machine["cpus"]);
    }

    #[test]
    fn every_flag_has_help_in_both_languages() {
        for lang in [Lang::Pt, Lang::En] {
            assert_eq!(common::help::missing(&program(lang)), Vec::<String>::new());
        }
    }
}
