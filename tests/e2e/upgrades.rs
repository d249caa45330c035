//! An upgrade: what the format before this build wrote goes on, and the pair is restarted one after the other under load.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use harness::{Cli, Cluster, Layout, Process};
use rustix::process::Signal;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);
/// The directories of a pair that was killed in the middle of its work, written by the last build whose journals know
/// no traces, and a backup of the same moment.
const FORMER: &str = "golden/format-1";
/// Which was not to begin before the evening of that day.
const DELAYED: &str = "01a223e2-f167-70bd-824b-1d514468a31f";

fn golden(what: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(FORMER).join(what)
}

/// As it was: what is checked in has no permissions of its own, nor empty directories.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o700))?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &to)?,
            false => {
                std::fs::copy(entry.path(), &to)?;
            }
        }
    }
    Ok(())
}

fn states(tasks: &[Value]) -> BTreeMap<String, String> {
    let text = |task: &Value, field: &str| task[field].as_str().unwrap_or_default().to_owned();
    tasks.iter().map(|task| (text(task, "task_id"), text(task, "state"))).collect()
}

#[test]
fn a_pair_of_the_former_format_goes_on_where_it_was() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut layout = Layout::new(dir.path(), 1)?;
    layout.worker_args = ["--handlers", "default,command"].map(str::to_owned).to_vec();
    layout.orchestrator_args = ["--worker-lease-ms", "1000"].map(str::to_owned).to_vec();
    copy(&golden("principal"), &layout.data_dir(layout.principal_port))?;
    copy(&golden("standby"), &layout.data_dir(layout.backup_port))?;
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start_pair_at_once()?;
    cluster.start_worker(0)?;
    let all = ["list", "--limit", "100"];
    // Its worker is gone, and what that ran is run by another one.
    let is_settled = |tasks: &[Value]| {
        let has_ended = |task: &Value| task["finished_at"].is_string();
        tasks.iter().all(|t| t["queue"] == "later" || t["task_id"] == DELAYED || has_ended(t))
    };
    let tasks = cli.until(&all, 300, is_settled)?.context("what ran is not run again")?;
    let mut found = states(&tasks);
    assert!(found.remove(DELAYED).is_some_and(|state| state == "QUEUED" || state == "SUCCEEDED"));
    let count = |state: &str| found.values().filter(|found| *found == state).count();
    assert_eq!(found.len(), 15, "{found:?}");
    assert_eq!((count("SUCCEEDED"), count("FAILED"), count("CANCELLED")), (7, 1, 1), "{found:?}");
    assert_eq!(found["01a223e2-f0bb-714c-b20e-e064dccf5509"], "FAILED");
    let again = tasks.iter().find(|task| task["task_id"] == "01a223e3-7f1d-75a5-81f0-0858c2162b0e");
    assert_eq!(again.map(|task| &task["attempt"]), Some(&Value::from(2)));
    // A key, users, a schedule, files and the pause are as they were.
    let work = ["--queue", "later", "--handler", "echo", "--payload", "waits"];
    let key = ["--key", "invoice-4711", "--key-window", "365d"];
    let keyed = cli.submit(&[&work[..], &key].concat())?;
    assert_eq!(keyed, "01a223e2-f13b-7679-b0a3-0a2877f18b81", "the key is held");
    let ana = cli.with_credentials("ana", "token-da-ana-123");
    assert_eq!(states(&ana.json(&all)?).len(), 1);
    assert_eq!(cli.json(&["schedule", "list"])?.len(), 1);
    cli.ok(&["queues", "resume", "later"])?;
    let is_done = |tasks: &[Value]| {
        let has_ended = |task: &Value| task["finished_at"].is_string();
        tasks.iter().all(|task| task["task_id"] == DELAYED || has_ended(task))
    };
    let tasks = cli.until(&all, 300, is_done)?.context("what waited does not run")?;
    let mut ended = states(&tasks);
    ended.remove(DELAYED);
    assert_eq!(ended.values().filter(|state| *state == "SUCCEEDED").count(), 13, "{ended:?}");
    let counted = cli.run(&["result", "01a223e2-f190-708f-a1d5-37dbba0e9c68"])?;
    assert!(counted.stdout.contains("300 input.txt"), "{counted:?}");
    cli.ok(&["audit"])?;
    Ok(())
}

#[test]
fn a_backup_of_the_former_format_is_restored() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 0)?;
    let restored = std::process::Command::new(layout.binary("orquestrador"))
        .args(["journal", "restore", "--data-dir"])
        .arg(layout.data_dir(layout.principal_port))
        .arg(golden("backup.mutirao"))
        .output()?;
    // It is verified, its digest with that of the principal that wrote it.
    assert!(restored.status.success(), "{restored:?}");
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start_principal()?;
    cluster.start_backup()?;
    cluster.wait_in_sync()?;
    assert_eq!(states(&cli.json(&["list", "--limit", "100"])?).len(), 16);
    Ok(())
}

/// Ends as a service manager ends it.
fn stop(process: &mut Option<Process>) -> anyhow::Result<()> {
    let mut process = process.take().context("it does not run")?;
    process.signal(Signal::TERM)?;
    let status = process.wait(SOON)?;
    anyhow::ensure!(status.success(), "{status}: {:?}", process.lines());
    Ok(())
}

#[test]
fn the_pair_is_restarted_one_after_the_other_and_nothing_is_lost_or_run_again() -> anyhow::Result<()>
{
    let dir = tempfile::tempdir()?;
    let ran = dir.path().join("ran");
    std::fs::create_dir(&ran)?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 2, &["--slots", "2"])?;
    let script = format!("echo >> {}/$MUTIRAO_TASK_ID; sleep 0.3", ran.display());
    let is_enough = AtomicBool::new(false);
    let submitted = std::thread::scope(|threads| -> anyhow::Result<Vec<String>> {
        let submitting = threads.spawn(|| -> anyhow::Result<Vec<String>> {
            let mut ids = Vec::new();
            while !is_enough.load(Ordering::Relaxed) {
                ids.push(cli.submit(&["--handler", "command", "--", "sh", "-c", &script])?);
            }
            Ok(ids)
        });
        let restarted = (|| {
            // As the runbook has it: the backup, then the other one, which hands its office over.
            stop(&mut cluster.backup)?;
            cluster.start_backup()?;
            cluster.wait_in_sync()?;
            stop(&mut cluster.principal)?;
            cluster.start_principal()?;
            let principal = cluster.principal.as_ref().context("it was started")?;
            principal.wait_for("Sincronizado: pronto para assumir", SOON)?;
            anyhow::Ok(())
        })();
        is_enough.store(true, Ordering::Relaxed);
        let ids = submitting.join().expect("nobody panicked")?;
        restarted.map(|()| ids)
    })?;
    assert!(!submitted.is_empty());
    let wait: Vec<_> = ["wait"].into_iter().chain(submitted.iter().map(String::as_str)).collect();
    cli.ok(&wait)?;
    for id in &submitted {
        let task = cli.json(&["status", id])?.pop().context("one object")?;
        assert_eq!(
            (task["state"].as_str(), task["attempt"].as_u64()),
            (Some("SUCCEEDED"), Some(1))
        );
        assert_eq!(std::fs::read_to_string(ran.join(id))?.lines().count(), 1, "{id} ran again");
    }
    let cluster_now = cli.json(&["cluster"])?.pop().context("one object")?;
    assert_eq!(cluster_now["nodes"].as_array().map(Vec::len), Some(2));
    cli.ok(&["audit"])?;
    Ok(())
}
