//! A backup is taken while the cluster works, and comes back as another cluster.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::exit;
use harness::{Cli, Cluster, Layout};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);
/// Looks, a tenth of a second apart.
const TRIES: usize = 300;
const ROOT: &str = "um-token-de-verdade-1";
const ANA: &str = "outro-token-de-verdade-2";

fn text(path: &Path) -> &str {
    path.to_str().expect("a name of ours")
}

fn made(dir: &Path, name: &str) -> std::io::Result<PathBuf> {
    let dir = dir.join(name);
    fs::create_dir(&dir)?;
    Ok(dir)
}

/// Another cluster, of which nothing runs yet.
fn another(dir: &Path, workers: usize) -> anyhow::Result<(Cli, Cluster)> {
    let mut layout = Layout::new(dir, workers)?;
    layout.worker_args = ["--handlers", "default,command"].map(str::to_owned).to_vec();
    Ok((Cli::new(&layout), Cluster::new(layout)))
}

/// Contents of tasks lie there.
fn is_of_its_owner_alone(path: &Path) -> anyhow::Result<()> {
    let metadata = std::fs::symlink_metadata(path)?;
    assert_eq!(metadata.permissions().mode() & 0o077, 0, "{}", path.display());
    if metadata.is_dir() {
        for child in std::fs::read_dir(path)? {
            is_of_its_owner_alone(&child?.path())?;
        }
    }
    Ok(())
}

fn restore(cli: &Cli, file: &Path, dir: &Path) -> anyhow::Result<harness::cli::Run> {
    // There is nobody to log in to.
    let mut command = cli.command(&["cluster", "restore", text(file), "--data-dir", text(dir)]);
    let nobody = command.env_remove("MUTIRAO_USER").env_remove("MUTIRAO_TOKEN").env("HOME", "/");
    Ok(nobody.output()?.into())
}

fn states(cli: &Cli, ids: &[&String]) -> anyhow::Result<Vec<String>> {
    let state = |id: &&String| {
        let task = cli.json(&["status", id])?.pop().expect("one object");
        Ok(task["state"].as_str().expect("a word").to_owned())
    };
    ids.iter().map(state).collect()
}

#[test]
fn a_cluster_comes_back_with_all_that_it_had_at_that_moment() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (demo, mut cluster) = Cluster::with_programs(&made(dir.path(), "first")?, 1, &[])?;
    demo.run_with_input(&["users", "add", "root", "--admin"], ROOT)?;
    let cli = demo.with_credentials("root", ROOT);
    cli.run_with_input(&["users", "add", "ana"], ANA)?;
    let desk = dir.path().join("desk");
    fs::create_dir_all(&desk)?;
    fs::write(desk.join("scene"), "a scene")?;
    let ran = cli
        .command(&[
            "run",
            "--input",
            "scene",
            "--output-file",
            "frame=out",
            "--",
            "sh",
            "-c",
            "cat scene > frame; echo done",
        ])
        .current_dir(&desk)
        .output()?;
    assert!(ran.status.success(), "{ran:?}");
    let files = cli.json(&["list", "--handler", "command"])?;
    let with_file = files[0]["task_id"].as_str().expect("an id").to_owned();
    let done = cli.submit(&["--handler", "echo", "--payload", "olá"])?;
    cli.finished(&done, TRIES)?.expect("it ends");
    cli.ok(&["queues", "pause", "later", "--create"])?;
    let waits = cli.submit(&["--handler", "echo", "--payload", "depois", "--queue", "later"])?;
    let runs = cli.submit(&["--handler", "simulated", "--payload", r#"{"seconds": 600}"#])?;
    let once = ["--delivery", "at-most-once", "--queue", "later"];
    let once = cli.submit(&[&["--handler", "echo", "--payload", "uma vez"], &once[..]].concat())?;
    let is_running = |task: &[Value]| task[0]["state"] == "RUNNING";
    assert!(cli.until(&["status", &runs], TRIES, is_running)?.is_some());

    let file = dir.path().join("cluster.backup");
    let taken = cli.json(&["cluster", "backup", text(&file)])?.pop().expect("one object");
    assert_eq!(taken["tasks"], 5, "{taken}");
    assert_eq!(taken["bytes"], fs::metadata(&file)?.len(), "{taken}");
    let after = cli.submit(&["--handler", "echo", "--payload", "depois da cópia"])?;
    let checked = cli.json(&["cluster", "restore", "--check", text(&file)])?.pop().expect("one");
    assert_eq!(checked["cluster_id"], taken["cluster_id"], "{checked}");
    assert_eq!(checked["restored"], Value::Null, "{checked}");
    cluster.kill_principal()?;
    drop(cluster);

    let (new, mut restored) = another(&made(dir.path(), "second")?, 1)?;
    let (new, ana) = (new.with_credentials("root", ROOT), new.with_credentials("ana", ANA));
    let data = restored.layout.data_dir(restored.layout.principal_port);
    let told = restore(&cli, &file, &data)?;
    is_of_its_owner_alone(&data)?;
    assert_eq!(told.code, Some(0), "{told:?}");
    restored.start_principal()?;
    restored.start_backup()?;
    restored.wait_in_sync()?;
    restored.start_worker(0)?;
    let cluster_id = new.json(&["cluster", "explain"])?[0]["cluster_id"].clone();
    assert_ne!(cluster_id, taken["cluster_id"], "it is another one");
    assert_eq!(new.run(&["result", &done])?.stdout, "olá");
    let out = dir.path().join("back");
    fs::create_dir_all(&out)?;
    let back = new.command(&["result", &with_file, "--files"]).current_dir(&out).output()?;
    assert!(back.status.success(), "{back:?}");
    assert_eq!(fs::read_to_string(out.join("frame"))?, "a scene");
    assert_eq!(states(&new, &[&waits, &once])?, ["QUEUED", "QUEUED"]);
    new.ok(&["queues", "resume", "later"])?;
    // Its worker is gone with the other cluster: what it ran is run again.
    new.ok(&["cancel", &runs])?;
    for id in [&waits, &once] {
        let Some(task) = new.finished(id, TRIES)? else {
            panic!("it does not end: {:?}", new.run(&["status", id, "--explain"])?);
        };
        assert_eq!(task["state"], "SUCCEEDED", "{task}");
    }
    let unknown = new.run(&["status", &after])?;
    assert_eq!(unknown.code, Some(exit::NOT_FOUND.into()), "it came after the backup");
    ana.ok(&["list"])?;
    let refused = ana.run(&["cluster", "backup", text(&dir.path().join("hers"))])?;
    assert_eq!(refused.code, Some(exit::REFUSED.into()), "{refused:?}");
    assert!(!dir.path().join("hers").exists());
    let audit = new.json(&["audit"])?.pop().expect("one object");
    assert_eq!(audit["verdict"], "PROVEN", "{audit}");
    // And it goes on as any pair does.
    restored.kill_principal()?;
    let later = new.submit(&["--handler", "echo", "--payload", "segue"])?;
    assert_eq!(new.finished(&later, TRIES)?.expect("it ends")["state"], "SUCCEEDED");
    Ok(())
}

#[test]
fn a_backup_is_of_one_moment_though_tasks_come_and_end_meanwhile() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, cluster) = Cluster::with_programs(&made(dir.path(), "first")?, 2, &["--slots", "8"])?;
    let lines: String = (0..5_000).map(|n| format!("{n}\n")).collect();
    let each = dir.path().join("lines");
    fs::write(&each, lines)?;
    let submit = ["submit", "--handler", "echo", "--payload", "{}", "--each-line", text(&each)];
    let submitting = cli.start(&[&submit[..], &["--wait"]].concat())?;
    let mut files = Vec::new();
    for nth in 0..5 {
        let file = dir.path().join(format!("backup-{nth}"));
        cli.ok(&["cluster", "backup", text(&file)])?;
        files.push(file);
    }
    let submitted = submitting.wait_with_output()?;
    assert!(submitted.status.success(), "{submitted:?}");
    for file in files {
        // The digest and all invariants of the state hold, or it is refused.
        let checked = cli.json(&["cluster", "restore", "--check", text(&file)])?;
        assert_eq!(checked.len(), 1, "{checked:?}");
    }
    drop(cluster);
    Ok(())
}

#[test]
fn what_is_no_whole_backup_is_refused_and_leaves_nothing() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, cluster) = Cluster::with_programs(&made(dir.path(), "first")?, 1, &[])?;
    for n in 0..20 {
        cli.submit(&["--handler", "echo", "--payload", &n.to_string()])?;
    }
    let file = dir.path().join("whole");
    cli.ok(&["cluster", "backup", text(&file)])?;
    let again = cli.run(&["cluster", "backup", text(&file)])?;
    assert_eq!(again.code, Some(exit::RESOURCE.into()), "it exists: {again:?}");
    cli.ok(&["cluster", "backup", text(&file), "--overwrite"])?;
    let whole = fs::read(&file)?;
    let target = dir.path().join("new");
    let mut damaged = vec![whole[..whole.len() - 1].to_vec(), whole[..whole.len() / 2].to_vec()];
    damaged.push([&whole[..], b"x"].concat());
    damaged.push(Vec::new());
    for at in [3, 20, whole.len() / 2, whole.len() - 40] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        damaged.push(bytes);
    }
    for bytes in damaged {
        let file = dir.path().join("damaged");
        fs::write(&file, bytes)?;
        let refused = restore(&cli, &file, &target)?;
        assert_eq!(refused.code, Some(exit::BROKEN.into()), "{refused:?}");
        assert!(!target.join("format").exists(), "no node starts from it");
    }
    // What the refused ones left is no hindrance; what somebody else left is.
    let told = restore(&cli, &file, &target)?;
    assert_eq!(told.code, Some(0), "{told:?}");
    let twice = restore(&cli, &file, &target)?;
    assert_eq!(twice.code, Some(exit::RESOURCE.into()), "{twice:?}");
    assert!(twice.stderr.contains(text(&target)), "{twice:?}");
    let missing = restore(&cli, &dir.path().join("missing"), &dir.path().join("other"))?;
    assert_eq!(missing.code, Some(exit::RESOURCE.into()), "{missing:?}");
    assert!(!dir.path().join("other").exists());
    drop(cluster);
    Ok(())
}

/// Its witnesses and workers belong to what went on.
#[test]
fn a_worker_of_the_former_cluster_does_not_work_for_the_new_one() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(&made(dir.path(), "first")?, 1, &[])?;
    let file = dir.path().join("backup");
    cli.ok(&["cluster", "backup", text(&file)])?;
    let (principal, backup) = (cluster.layout.principal_port, cluster.layout.backup_port);
    cluster.principal.take().expect("it runs").kill()?;
    cluster.backup.take().expect("it runs").kill()?;
    for port in [principal, backup] {
        let data = cluster.layout.data_dir(port);
        fs::rename(&data, data.with_extension("former"))?;
    }
    let told = restore(&cli, &file, &cluster.layout.data_dir(principal))?;
    assert_eq!(told.code, Some(0), "{told:?}");
    cluster.start_principal()?;
    let worker = cluster.workers[0].as_ref().expect("it runs");
    worker.wait_for("outro cluster", SOON)?;
    assert_eq!(cli.json(&["workers"])?.iter().filter(|w| w["connected"] == true).count(), 0);
    Ok(())
}
