//! Files of tasks, long payloads and long results in an object store, which outlives both orchestrators' disks.

#[path = "blob_store/s3.rs"]
mod s3;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::exit;
use harness::cli::Run;
use harness::{Cli, Cluster, Layout};
use s3::{BUCKET, KEY_ID, Mood, S3};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes that no two of which are alike.
fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut hasher = blake3::Hasher::new_derive_key("blob store");
    hasher.update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::yield_now();
    }
}

struct Desk {
    dir: tempfile::TempDir,
    cli: Cli,
    cluster: Cluster,
}

impl Desk {
    /// A pair and a worker that runs programs. `args`: more of the orchestrators'.
    fn new(s3: &S3, args: &[&str]) -> anyhow::Result<Self> {
        let mut desk = Self::without_store()?;
        desk.with_store(s3, args);
        desk.cluster.start()?;
        Ok(desk)
    }

    /// Nothing runs yet.
    fn without_store() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut layout = Layout::new(dir.path(), 1)?;
        layout.worker_args = ["--handlers", "default,command"].map(str::to_owned).to_vec();
        fs::create_dir_all(dir.path().join("desk"))?;
        let cli = Cli::new(&layout);
        Ok(Self { dir, cli, cluster: Cluster::new(layout) })
    }

    fn with_store(&mut self, s3: &S3, args: &[&str]) {
        let store = format!("s3://{BUCKET}/of/ours");
        let flags = ["--blob-store", &store, "--s3-endpoint", &s3.url];
        let layout = &mut self.cluster.layout;
        layout.orchestrator_args = flags.iter().chain(args).map(|&arg| arg.to_owned()).collect();
        let secrets = [("AWS_ACCESS_KEY_ID", KEY_ID), ("AWS_SECRET_ACCESS_KEY", "secret")];
        layout.orchestrator_environment =
            secrets.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("desk").join(name)
    }

    fn run(&self, args: &[&str]) -> anyhow::Result<Run> {
        let desk = self.dir.path().join("desk");
        Ok(self.cli.command(args).current_dir(desk).output()?.into())
    }

    fn ok(&self, args: &[&str]) -> anyhow::Result<Run> {
        let run = self.run(args)?;
        assert_eq!(run.code, Some(exit::OK.into()), "{args:?}: {run:?}");
        Ok(run)
    }

    fn blobs(&self, port: u16) -> PathBuf {
        self.cluster.layout.data_dir(port).join("blobs")
    }

    /// Blobs in the directory of a node.
    fn copies(&self, port: u16) -> usize {
        let names = fs::read_dir(self.blobs(port)).expect("is there").flatten();
        names.filter(|entry| entry.file_name().len() == 64).count()
    }
}

fn is_kept(store: &Path, content: &[u8]) -> bool {
    store.join(blake3::hash(content).to_hex().as_str()).exists()
}

#[test]
fn what_is_in_the_store_needs_neither_disk() -> anyhow::Result<()> {
    let s3 = S3::start()?;
    let mut desk = Desk::new(&s3, &[])?;
    let (scene, long) = (bytes(20 << 20, 1), bytes(6 << 20, 2));
    fs::write(desk.path("scene"), &scene)?;
    fs::write(desk.path("long"), &long)?;
    let render = ["--input", "scene", "--output-file", "frame", "--", "sh", "-c"];
    let made =
        desk.ok(&[&["run"], &render[..], &["cat scene scene > frame; cat scene"]].concat())?;
    assert!(made.stdout.len() >= scene.len(), "{} bytes", made.stdout.len());
    desk.ok(&["submit", "--wait", "--handler", "echo", "--payload", "@long"])?;
    let frame = [&scene[..], &scene].concat();
    for content in [&scene, &frame, &long] {
        assert_eq!(s3.epochs_of(content).len(), 1, "{:?}", s3.keys());
    }
    assert!(s3.keys().iter().all(|key| key.starts_with("of/ours/")), "{:?}", s3.keys());
    assert!(s3.served("part") > 5, "larger ones in parts");
    let [own, other] = [desk.cluster.layout.principal_port, desk.cluster.layout.backup_port];
    assert_eq!(desk.copies(other), 0, "one copy that outlives all machines is enough");

    let before = s3.epochs_of(&scene);
    desk.cluster.kill_principal()?;
    fs::remove_dir_all(desk.cluster.layout.data_dir(own))?;
    let tasks: Vec<Value> = desk.cli.json(&["list"])?;
    let with_files = tasks.iter().find(|task| task["handler"] == "command").expect("is listed");
    let id = with_files["task_id"].as_str().expect("has an id");
    fs::remove_file(desk.path("frame"))?;
    desk.ok(&["result", id, "--files"])?;
    assert!(fs::read(desk.path("frame"))? == frame, "from the store alone");
    let echoed = tasks.iter().find(|task| task["handler"] == "echo").expect("is listed");
    let echoed = echoed["task_id"].as_str().expect("has an id");
    let got = desk.cli.command(&["result", echoed]).output()?;
    assert!(got.stdout.starts_with(&long), "{} bytes", got.stdout.len());

    // What the new principal relies upon, its predecessor does not remove any more.
    let puts = (s3.served("put"), s3.served("part"));
    desk.ok(&["run", "--input", "scene", "--", "true"])?;
    assert_eq!((s3.served("put"), s3.served("part")), puts, "nothing was sent again");
    let after = s3.epochs_of(&scene);
    assert!(after.len() == 2 && after.contains(&before[0]), "{before:?}, then {after:?}");
    Ok(())
}

#[test]
fn a_store_that_is_away_or_refuses_is_named_and_stops_only_what_needs_it() -> anyhow::Result<()> {
    let s3 = S3::start()?;
    let desk = Desk::new(&s3, &[])?;
    let with_file = ["--timeout", "4s", "run", "--input", "a", "--", "cat", "a"];
    for (mood, said, code) in [
        (Mood::Down, "depósito de objetos, onde ficam", exit::UNAVAILABLE),
        (Mood::Refuses, "recusa o orquestrador", exit::REFUSED),
    ] {
        fs::write(desk.path("a"), said)?;
        s3.is_from_now(mood);
        let refused = desk.run(&with_file)?;
        assert!(refused.stderr.contains(said), "{refused:?}");
        assert_eq!(refused.code, Some(code.into()), "{refused:?}");
        let other = desk.ok(&["run", "--", "echo", "goes on"])?;
        assert_eq!(other.stdout, "goes on\n");
        let principal = desk.cluster.principal.as_ref().expect("it runs");
        principal.wait_for("o depósito de arquivos de tarefas não responde", PATIENCE)?;
        s3.is_from_now(Mood::Well);
        let back = format!("s3://{BUCKET}/of/ours, responde de novo");
        principal.wait_for(&back, PATIENCE)?;
        assert_eq!(desk.ok(&with_file)?.stdout, said);
    }
    Ok(())
}

#[test]
fn a_task_whose_result_cannot_be_stored_waits_for_the_store() -> anyhow::Result<()> {
    let s3 = S3::start()?;
    let desk = Desk::new(&s3, &[])?;
    let gate = desk.path("gate");
    let script = format!("until [ -e {} ]; do sleep 0.1; done; echo made > x", gate.display());
    let id = desk.cli.submit(&["--output-file", "x", "--", "sh", "-c", &script])?;
    s3.is_from_now(Mood::Down);
    fs::write(&gate, "")?;
    let principal = desk.cluster.principal.as_ref().expect("it runs");
    principal.wait_for("o depósito de arquivos de tarefas não responde", PATIENCE)?;
    s3.is_from_now(Mood::Well);
    desk.cli.finished(&id, 60)?.expect("it ends");
    desk.ok(&["result", &id, "--files"])?;
    assert_eq!(fs::read_to_string(desk.path("x"))?, "made\n");
    Ok(())
}

#[test]
fn what_no_task_needs_goes_and_nothing_else() -> anyhow::Result<()> {
    let s3 = S3::start()?;
    let foreign = ["elsewhere/object", "of/ours/00000000-0000-4000-8000-000000000001/x/1"];
    foreign.iter().for_each(|key| s3.put(key, b"of somebody else"));
    let args = ["--blob-grace-ms", "2000", "--max-finished-tasks", "1"];
    let mut desk = Desk::new(&s3, &args)?;
    fs::write(desk.path("a"), "waits")?;
    desk.ok(&["submit", "--delay", "1h", "--input", "a", "--", "true"])?;
    for text in ["first", "second"] {
        let script = format!("echo {text} > x");
        desk.ok(&["run", "--output-file", "x", "--", "sh", "-c", &script])?;
    }
    until("what is forgotten goes", || s3.epochs_of(b"first\n").is_empty());
    assert_eq!(s3.epochs_of(b"waits").len(), 1);
    assert_eq!(s3.epochs_of(b"second\n").len(), 1);

    desk.cluster.kill_principal()?;
    desk.ok(&["run", "--input", "a", "--", "true"])?;
    until("the older of two goes", || s3.epochs_of(b"waits") == ["2"]);
    for key in foreign {
        assert!(s3.keys().contains(&key.to_owned()), "{key}: {:?}", s3.keys());
    }
    Ok(())
}

#[test]
fn copies_make_room_for_others_and_come_again() -> anyhow::Result<()> {
    let s3 = S3::start()?;
    let desk = Desk::new(&s3, &["--blob-cache-bytes", "1MiB"])?;
    let mut ids = Vec::new();
    for n in 0..4_u64 {
        fs::write(desk.path("in"), bytes(400_000, n))?;
        let copy = ["--input", "in", "--output-file", "out", "--", "sh", "-c", "cat in in > out"];
        let id = desk.cli.command(&[&["submit", "--wait"], &copy[..]].concat());
        let mut id = id;
        let ran: Run = id.current_dir(desk.path("")).output()?.into();
        assert_eq!(ran.code, Some(exit::OK.into()), "{ran:?}");
        let newest: Vec<Value> = desk.cli.json(&["list", "--limit", "1"])?;
        ids.push(newest[0]["task_id"].as_str().expect("has an id").to_owned());
    }
    for (n, id) in ids.iter().enumerate() {
        desk.ok(&["result", id, "--files"])?;
        let twice = bytes(400_000, n as u64).repeat(2);
        assert!(fs::read(desk.path("out"))? == twice, "of task {n}");
    }
    let kept = fs::read_dir(desk.blobs(desk.cluster.layout.principal_port))?;
    let kept: u64 = kept.flatten().filter_map(|e| e.metadata().ok()).map(|m| m.len()).sum();
    assert!(kept < 1 << 20, "{kept} bytes");
    Ok(())
}

#[test]
fn what_the_store_has_damaged_is_not_given_to_anybody() -> anyhow::Result<()> {
    let s3 = S3::start()?;
    let mut desk = Desk::new(&s3, &[])?;
    fs::write(desk.path("a"), "content")?;
    desk.ok(&["run", "--input", "a", "--output-file", "a", "--", "true"])?;
    desk.cluster.kill_principal()?;
    s3.damage(b"content");
    let tasks: Vec<Value> = desk.cli.json(&["list"])?;
    let id = tasks[0]["task_id"].as_str().expect("has an id");
    let got = desk.run(&["--timeout", "4s", "result", id, "--files", "--into", "there"])?;
    assert!(got.code != Some(exit::OK.into()) && !desk.path("there/a").exists(), "{got:?}");
    // Whoever has it sends it again, and it is whole.
    assert_eq!(desk.ok(&["run", "--input", "a", "--", "cat", "a"])?.stdout, "content");
    desk.ok(&["result", id, "--files", "--into", "there"])?;
    assert_eq!(fs::read_to_string(desk.path("there/a"))?, "content");
    Ok(())
}

#[test]
fn a_cluster_moves_to_a_store_and_back() -> anyhow::Result<()> {
    let s3 = S3::start()?;
    let mut desk = Desk::without_store()?;
    desk.cluster.start()?;
    fs::write(desk.path("a"), "content")?;
    desk.ok(&["run", "--input", "a", "--output-file", "a", "--", "true"])?;
    let [own, other] = [desk.cluster.layout.principal_port, desk.cluster.layout.backup_port];
    until("both have it", || {
        [own, other].iter().all(|&port| is_kept(&desk.blobs(port), b"content"))
    });
    // The backup first, as with every change of a flag.
    desk.with_store(&s3, &[]);
    desk.cluster.backup.take().expect("it runs").kill()?;
    desk.cluster.start_backup()?;
    desk.cluster.wait_in_sync()?;
    desk.cluster.kill_principal()?;
    let backup = desk.cluster.backup.as_ref().expect("it runs");
    backup.wait_for("foram levados para lá: 1, com 7 B", PATIENCE)?;
    assert_eq!(s3.epochs_of(b"content").len(), 1);

    desk.cluster.layout.orchestrator_args.clear();
    fs::remove_dir_all(desk.blobs(own))?;
    fs::remove_file(desk.blobs(other).join(blake3::hash(b"content").to_hex().as_str()))?;
    desk.cluster.start_principal()?;
    let back = desk.cluster.principal.as_ref().expect("it runs");
    back.wait_for("vieram do outro orquestrador: 1, com 7 B", PATIENCE)?;
    assert!(is_kept(&desk.blobs(own), b"content"));
    Ok(())
}
