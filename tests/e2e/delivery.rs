//! Tasks that may be started once only, while workers and the principal are killed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::{Cli, Cluster, Layout};
use rustix::process::Signal;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);
/// Of each kind at first: all of them run at once.
const RUNNING: usize = 6;
/// Of each kind: they wait.
const WAITING: usize = 12;

/// Programs that write down their task, and go on when they may.
struct Stage {
    starts: PathBuf,
    go: PathBuf,
}

impl Stage {
    fn new(dir: &Path) -> Self {
        Self { starts: dir.join("starts"), go: dir.join("go") }
    }

    fn script(&self) -> String {
        let (starts, go) = (self.starts.display(), self.go.display());
        format!("echo $MUTIRAO_TASK_ID >> {starts}; until [ -e {go} ]; do sleep 0.05; done")
    }

    fn submit(&self, cli: &Cli, delivery: &str, count: usize) -> anyhow::Result<BTreeSet<String>> {
        let (count, script) = (count.to_string(), self.script());
        let args = ["submit", "--delivery", delivery, "--count", &count, "--", "sh", "-c", &script];
        Ok(cli.json(&args)?.iter().map(id).collect())
    }

    /// How often each task was started.
    fn started(&self) -> BTreeMap<String, usize> {
        let mut started = BTreeMap::new();
        for task in std::fs::read_to_string(&self.starts).unwrap_or_default().lines() {
            *started.entry(task.to_owned()).or_default() += 1;
        }
        started
    }

    fn wait_until_started(&self, count: usize) {
        let deadline = Instant::now() + SOON;
        while self.started().len() < count {
            assert!(Instant::now() < deadline, "{} of {count} started", self.started().len());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn id(task: &Value) -> String {
    task["task_id"].as_str().unwrap_or_default().to_owned()
}

fn state(task: &Value) -> &str {
    task["state"].as_str().unwrap_or_default()
}

fn kill_worker(cluster: &mut Cluster, nth: usize) -> anyhow::Result<()> {
    let mut worker = cluster.workers[nth].take().expect("it was started");
    worker.signal(Signal::KILL)?;
    worker.wait(SOON)?;
    Ok(())
}

/// What the tasks of `ids` came to, once all of them are finished.
fn ends(cli: &Cli, ids: &BTreeSet<String>) -> anyhow::Result<BTreeMap<String, Value>> {
    let is_over =
        |tasks: &[Value]| tasks.iter().all(|task| !matches!(state(task), "QUEUED" | "RUNNING"));
    let tasks = cli.until(&["list", "--all"], 600, is_over)?.expect("all tasks come to an end");
    let ended: BTreeMap<_, _> = tasks.into_iter().map(|task| (id(&task), task)).collect();
    assert!(ids.iter().all(|id| ended.contains_key(id)), "an acknowledged task is gone");
    Ok(ended)
}

#[test]
fn at_most_once_tasks_are_never_started_twice() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let stage = Stage::new(dir.path());
    let mut layout = Layout::new(dir.path(), 3)?;
    let args = ["--handlers", "default,command", "--slots", "4"];
    layout.worker_args = args.map(str::to_owned).to_vec();
    // Long enough for a worker to be restarted within it, even on a busy machine.
    layout.orchestrator_args = ["--worker-lease-ms", "8000"].map(str::to_owned).to_vec();
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    let mut once = stage.submit(&cli, "at-most-once", RUNNING)?;
    let mut often = stage.submit(&cli, "at-least-once", RUNNING)?;
    stage.wait_until_started(2 * RUNNING);
    once.extend(stage.submit(&cli, "at-most-once", WAITING)?);
    often.extend(stage.submit(&cli, "at-least-once", WAITING)?);

    // Two of each kind run on every worker: a worker dies, then the principal before it can notice.
    kill_worker(&mut cluster, 0)?;
    cluster.principal.take().expect("it was started").kill()?;
    let backup = cluster.backup.as_ref().expect("it was started");
    backup.wait_for("Backup promovido a principal.", SOON)?;
    // Another worker is restarted at once, and the first one comes back after its lease.
    kill_worker(&mut cluster, 1)?;
    cluster.start_worker(1)?;
    let backup = cluster.backup.as_ref().expect("it was started");
    let silent =
        format!("Worker [localhost:{}] considerado falho.", cluster.layout.worker_ports[0]);
    backup.wait_for(&silent, SOON)?;
    cluster.start_worker(0)?;
    std::fs::write(&stage.go, "")?;

    let all = once.union(&often).cloned().collect();
    let ended = ends(&cli, &all)?;
    let started = stage.started();
    let mut causes = BTreeMap::<String, usize>::new();
    for id in &once {
        let task = &ended[id];
        assert!(started.get(id).is_none_or(|times| *times == 1), "{id} was started again");
        assert_eq!(task["delivery"].as_str(), Some("AT_MOST_ONCE"), "{task}");
        assert_eq!(task["attempt"].as_u64(), Some(1), "{task}");
        match state(task) {
            "SUCCEEDED" => assert_eq!(started.get(id), Some(&1), "{task}"),
            "LOST" => {
                let cause = task["error"]["code"].as_str().unwrap_or_default();
                *causes.entry(cause.to_owned()).or_default() += 1;
            }
            _ => panic!("neither done nor lost: {task}"),
        }
    }
    let expected = [("WORKER_RESTARTED".to_owned(), 2), ("WORKER_SILENT".to_owned(), 2)];
    assert_eq!(causes, BTreeMap::from(expected), "what ran on the dead workers, and only that");
    for id in &often {
        assert_eq!(state(&ended[id]), "SUCCEEDED", "{}", ended[id]);
    }
    explained(&cli, &once, &ended)
}

/// The client says why, in both languages, and a wait ends as for a failure.
fn explained(
    cli: &Cli,
    once: &BTreeSet<String>,
    ended: &BTreeMap<String, Value>,
) -> anyhow::Result<()> {
    let restarted = |id: &&String| ended[*id]["error"]["code"] == "WORKER_RESTARTED";
    let lost = once.iter().find(restarted).expect("there are two");
    let text = cli.run(&["status", lost, "--explain"])?.stdout;
    assert!(text.contains("PERDIDA") && text.contains("o worker foi reiniciado"), "{text}");
    let text = cli.run(&["--lang", "en", "status", lost, "--explain"])?.stdout;
    assert!(text.contains("LOST") && text.contains("the worker was restarted"), "{text}");
    let waited = cli.run(&["result", lost, "--wait"])?;
    assert_eq!(waited.code, Some(common::exit::TASK_FAILED.into()), "{waited:?}");
    let listed = cli.json(&["list", "--state", "lost"])?;
    assert_eq!(listed.len(), 4, "{listed:?}");
    Ok(())
}

#[test]
fn a_task_that_allows_one_lost_worker_fails_with_it_and_another_one_goes_on_elsewhere()
-> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let stage = Stage::new(dir.path());
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 2, &["--slots", "2"])?;
    let script = stage.script();
    let program = ["--", "sh", "-c", &script];
    let submit = |most: &[&str]| cli.json(&[&["submit", "--count", "2"], most, &program].concat());
    let fragile: BTreeSet<_> = submit(&["--max-lost-attempts", "1"])?.iter().map(id).collect();
    let usual: BTreeSet<_> = submit(&[])?.iter().map(id).collect();
    stage.wait_until_started(4);
    let asked = cli.json(&["status", fragile.first().expect("there are two")])?.remove(0);
    assert_eq!(asked["asked"]["max_lost_attempts"], 1, "{asked}");

    // One of each kind runs on either.
    kill_worker(&mut cluster, 0)?;
    cluster.kill_principal()?;
    std::fs::write(&stage.go, "")?;
    let ended = ends(&cli, &fragile.union(&usual).cloned().collect())?;
    let of = |ids: &BTreeSet<String>| {
        let mut ends: Vec<_> = ids.iter().map(|id| state(&ended[id]).to_owned()).collect();
        ends.sort();
        ends
    };
    assert_eq!(of(&fragile), ["FAILED", "SUCCEEDED"], "{ended:?}");
    assert_eq!(of(&usual), ["SUCCEEDED", "SUCCEEDED"], "{ended:?}");
    let failed = fragile.iter().find(|id| state(&ended[*id]) == "FAILED").expect("there is one");
    assert_eq!(ended[failed]["error"]["code"], "QUARANTINED", "{}", ended[failed]);
    assert_eq!(stage.started()[failed], 1, "it went to no second worker");
    let both = ["submit", "--max-lost-attempts", "2", "--delivery", "at-most-once"];
    let refused = cli.run(&[&both[..], &program].concat())?;
    assert_eq!(refused.code, Some(common::exit::USAGE.into()), "{refused:?}");
    Ok(())
}
