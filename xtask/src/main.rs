//! Developer commands. Each is one line to type and works on a fresh machine.

mod deny;
mod dist;
mod python;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};

/// `cargo xtask COMMAND`
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build in release, start a cluster, run real work on it, kill processes in the middle, check everything
    Demo {
        /// Options of the demo itself, for example `-- --size 4096`
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Build in release and run a cluster with prefixed logs until Ctrl+C
    Cluster {
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Everything that is tested in a reasonable time
    Test {
        /// With `etcd` only end-to-end tests, those that hold for either engine, on a real etcd of three members
        #[arg(long, value_enum, default_value_t)]
        engine: Engine,
        /// Passed to the test runner, for example a filter
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Format, lints, licences and advisories, tests and documentation; writes nothing
    Verify,
    /// Licences, sources and duplicates of what is depended on, and advisories about it; a part of `verify`
    Deny,
    /// The tests of sdk/python at a real pair, in a virtual environment below `target/`
    Python {
        /// Options of pytest, for example `-- -k killed`
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Build the four programs as they are installed, with manual pages, completions and all of deploy/, in an archive
    Dist,
    /// The same as a Debian package
    Deb,
    /// Format, and apply what clippy can mend by itself
    Fix,
    /// Measure throughput, latency and failover time in release
    Bench {
        /// Options of the benchmark itself, for example `-- --json`
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Run the whole platform in one thread, in virtual time, once for each seed; a failing seed is replayed
    Simulate {
        /// How many seeds
        #[arg(long, default_value_t = 1_000)]
        seeds: u64,
        /// The first one
        #[arg(long, default_value_t = 0)]
        first: u64,
    },
    /// Hostile input: random messages to every service, bytes to the port, journals, parsers and the panel's JSON
    ///
    /// Built for debugging, so that overflows and assertions are noticed. What fails is written to `fuzz/corpus`, which
    /// `cargo xtask test` repeats.
    Fuzz {
        /// Only these: decoders, journal, wire, bytes, panel; all unless given, each for its part of the time
        targets: Vec<String>,
        /// For so long in all
        #[arg(long, default_value_t = 5.0)]
        minutes: f64,
        /// Decides every case; a random one, which is printed, unless given
        #[arg(long)]
        seed: Option<u64>,
        /// Further options of the run, for example `-- --first N --count 1`
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Write the manual pages of the four binaries, for packages
    Man {
        /// Where to; made if it is not there
        dir: PathBuf,
        /// `pt` or `en`
        #[arg(long, default_value = "pt")]
        lang: String,
    },
    /// Random faults under load: nothing acknowledged may be lost, done twice or answered wrongly
    ///
    /// With --minutes: kills, pauses, cut and slow links, lost and full disks, switch-overs, each process on a machine of its
    /// own (network namespaces: needs root, `ip` and `iptables`), and every answer checked for linearizability.
    /// Without: so many rounds of kills on one machine. The exit code tells whether all is well.
    Chaos {
        /// Every fault there is, for so long
        #[arg(long)]
        minutes: Option<f64>,
        /// Who keeps the log: `pair`, two orchestrators with witnesses, or `etcd`, three of its members for three orchestrators,
        /// which are killed, paused and cut off too
        #[arg(long, requires = "minutes")]
        engine: Option<String>,
        /// Only kills: so many
        #[arg(long, conflicts_with = "minutes")]
        rounds: Option<u32>,
        /// Decides what happens and in which order; a random one, which is printed, unless given
        #[arg(long)]
        seed: Option<u64>,
        /// The verdict as JSON on stdout
        #[arg(long, requires = "minutes")]
        json: bool,
        /// Further options of the run, for example `-- --dir DIR`
        #[arg(last = true)]
        args: Vec<String>,
    },
}

const PROGRAMS: [&str; 4] = ["orquestrador", "orquestrador-backup", "worker", "cliente"];

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<()> {
    match task {
        Task::Demo { args } => release("mutirao-demo", &args),
        Task::Cluster { args } => release("mutirao-cluster", &args),
        Task::Bench { args } => release("mutirao-bench", &args),
        Task::Chaos { minutes, engine, rounds, seed, json, args } => {
            let flags = [
                minutes.map(|minutes| format!("--minutes={minutes}")),
                engine.map(|engine| format!("--engine={engine}")),
                rounds.map(|rounds| format!("--rounds={rounds}")),
                seed.map(|seed| format!("--seed={seed}")),
                json.then(|| "--json".to_owned()),
            ];
            release("mutirao-chaos", &flags.into_iter().flatten().chain(args).collect::<Vec<_>>())
        }
        Task::Fuzz { targets, minutes, seed, args } => fuzz(targets, minutes, seed, args),
        Task::Man { dir, lang } => man(&std::path::absolute(dir)?, &lang),
        Task::Simulate { seeds, first } => simulate(seeds, first),
        Task::Test { engine: Engine::Pair, args } => test(&args),
        Task::Test { engine: Engine::Etcd, args } => test_on_etcd(&args),
        Task::Verify => verify(),
        Task::Python { args } => python::test(&args),
        Task::Deny => deny::run(),
        Task::Dist => dist::archive(),
        Task::Deb => dist::debian(),
        Task::Fix => {
            cargo(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--fix",
                "--allow-dirty",
                "--allow-staged",
            ])?;
            cargo(&["fmt", "--all"])
        }
    }
}

/// The end-to-end tests run the binaries, so these are built first.
fn test(args: &[String]) -> anyhow::Result<()> {
    cargo(&["build", "--workspace", "--bins"])?;
    let mut command = vec!["test", "--workspace"];
    command.extend(args.iter().map(String::as_str));
    cargo(&command)
}

/// What keeps the log in tests.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Engine {
    #[default]
    Pair,
    Etcd,
}

/// What a pair does, and orchestrators on etcd no less. The others are about witnesses, the link between two, and data
/// directories of a pair.
const ON_EITHER_ENGINE: [&str; 33] = [
    "again",
    "array_flows",
    "arrays",
    "bad_input",
    "blob_store",
    "chaos",
    "delivery",
    "files",
    "flows",
    "groups",
    "guide",
    "hostile",
    "keys",
    "large",
    "leaving",
    "limits",
    "lists",
    "logs",
    "map",
    "needs",
    "panel",
    "passed_on",
    "programs",
    "queues",
    "real_jobs",
    "retries",
    "run",
    "schedules",
    "surroundings",
    "times",
    "top",
    "users",
    "webhooks",
];

fn test_on_etcd(args: &[String]) -> anyhow::Result<()> {
    cargo(&["build", "--workspace", "--bins"])?;
    let mut etcd = Command::new(target_dir()?.join("debug").join("mutirao-etcd"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("failed to start mutirao-etcd")?;
    let mut engine = String::new();
    BufReader::new(etcd.stdout.take().context("it is piped")?).read_line(&mut engine)?;
    // Of the workspace, so that nothing is built with other features than the other tests are.
    let mut command = vec!["test", "--workspace", "--no-fail-fast"];
    command.extend(ON_EITHER_ENGINE.iter().flat_map(|test| ["--test", test]));
    command.extend(args.iter().map(String::as_str));
    let tested = cargo_with(&command, &[("MUTIRAO_TEST_ENGINE", engine.trim())]);
    drop(etcd.stdin.take());
    etcd.wait()?;
    tested
}

fn man(dir: &Path, lang: &str) -> anyhow::Result<()> {
    cargo(&["build", "--workspace", "--bins", "--exclude", "xtask"])?;
    PROGRAMS.into_iter().try_for_each(|program| {
        let binary = target_dir()?.join("debug").join(program);
        started(Command::new(binary).args(["--lang", lang, "man"]).arg(dir))
    })
}

/// Runs it to its end, which must be a good one.
fn started(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().display().to_string();
    let status = command.status().with_context(|| format!("failed to start {program}"))?;
    if !status.success() {
        bail!("{program} ended with {status}");
    }
    Ok(())
}

/// A command of cargo that is not part of it: of just this version, in a place of its own.
fn tool(name: &str, version: &str) -> anyhow::Result<PathBuf> {
    let root = target_dir()?.join("tools");
    let binary = root.join("bin").join(name);
    let current = Command::new(&binary).arg("--version").output();
    let is_there =
        current.is_ok_and(|told| String::from_utf8_lossy(&told.stdout).contains(version));
    if !is_there {
        eprintln!("{name} {version} is made first; that takes minutes, once");
        let root = root.display().to_string();
        cargo(&["install", "--locked", "--root", &root, "--version", version, name])?;
    }
    Ok(binary)
}

fn simulate(seeds: u64, first: u64) -> anyhow::Result<()> {
    let (seeds, first) = (seeds.to_string(), first.to_string());
    let program =
        ["run", "--release", "--package", "simulation", "--bin", "mutirao-simulate", "--"];
    cargo(&[&program[..], &["--seeds", &seeds, "--first", &first]].concat())
}

fn fuzz(
    targets: Vec<String>,
    minutes: f64,
    seed: Option<u64>,
    args: Vec<String>,
) -> anyhow::Result<()> {
    cargo(&["build", "--workspace", "--bins", "--exclude", "xtask"])?;
    let mut command = Command::new(target_dir()?.join("debug").join("mutirao-fuzz"));
    command.arg(format!("--minutes={minutes}")).args(seed.map(|seed| format!("--seed={seed}")));
    started(command.args(targets).args(args).current_dir(root()))
}

fn verify() -> anyhow::Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    deny::run()?;
    test(&[])?;
    cargo_with(&["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])
}

/// Builds the four binaries and `program` together, then runs it at the top of the repository.
fn release(program: &str, args: &[String]) -> anyhow::Result<()> {
    cargo(&["build", "--release", "--workspace", "--bins", "--exclude", "xtask"])?;
    let status = Command::new(target_dir()?.join("release").join(program))
        .args(args)
        .current_dir(root())
        .status()
        .with_context(|| format!("failed to start {program}"))?;
    if !status.success() {
        bail!("{program} ended with {status}");
    }
    Ok(())
}

/// Where cargo builds, wherever that was set: this program lies in `<target>/<profile>`.
fn target_dir() -> anyhow::Result<PathBuf> {
    let exe = std::env::current_exe()?;
    exe.ancestors().nth(2).map(Path::to_owned).context("this program lies at no usual place")
}

fn cargo(args: &[&str]) -> anyhow::Result<()> {
    cargo_with(args, &[])
}

fn cargo_with(args: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<()> {
    eprintln!("+ cargo {}", args.join(" "));
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(args)
        .envs(environment.iter().copied())
        .current_dir(root())
        .status()
        .context("failed to start cargo")?;
    if !status.success() {
        bail!("`cargo {}` ended with {status}", args.join(" "));
    }
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}
