//! Several groups of orchestrators on one etcd, each with queues of its own: whichever is asked, a task goes to the group that
//! has its queue, and is found there.

use std::time::Duration;

use anyhow::Context as _;
use cliente::{Place, TaskSpec};
use common::exit;
use harness::etcd::EtcdCluster;
use harness::{Cli, Cluster, Layout};
use mutirao_tests::wait_for;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);
/// Looks, a tenth of a second apart.
const TRIES: usize = 300;

/// Two groups on one etcd.
struct Stage {
    /// Without a name: it has all queues but those of the other.
    unnamed: Group,
    /// Has `video` and `audio`.
    media: Group,
    etcd: EtcdCluster,
}

struct Group {
    cluster: Cluster,
    cli: Cli,
    dir: tempfile::TempDir,
}

fn engine(etcd: &EtcdCluster) -> String {
    format!("etcd://{}/teste", etcd.endpoints().join(","))
}

fn group(etcd: &EtcdCluster, args: &[&str]) -> anyhow::Result<Group> {
    let dir = tempfile::tempdir()?;
    let mut layout = Layout { engine: Some(engine(etcd)), ..Layout::new(dir.path(), 1)? };
    layout.orchestrator_args = args.iter().map(|arg| (*arg).to_owned()).collect();
    layout.worker_args = ["--handlers", "default,command"].map(str::to_owned).into();
    let (cli, mut cluster) = (Cli::new(&layout), Cluster::new(layout));
    cluster.start()?;
    Ok(Group { cluster, cli, dir })
}

impl Group {
    fn ran(&self, task: &str) -> bool {
        let worker = self.cluster.workers[0].as_ref();
        worker.is_some_and(|worker| worker.lines().iter().any(|line| line.contains(task)))
    }

    fn succeeds(&self, task: &str) -> anyhow::Result<()> {
        let task = self.cli.finished(task, TRIES)?.context("it does not finish")?;
        assert_eq!(task["state"], "SUCCEEDED", "{task}");
        Ok(())
    }

    /// Waits until this one knows so many groups.
    fn knows(&self, count: usize) {
        wait_for("the groups", || {
            let told = self.cli.json(&["cluster"]).ok()?.pop()?;
            let groups = told["groups"].as_array()?;
            let are_there = |group: &&Value| group["orchestrators"][0].is_string();
            (groups.iter().filter(are_there).count() == count).then_some(())
        });
    }
}

impl Stage {
    fn start() -> anyhow::Result<Self> {
        let etcd = EtcdCluster::start(1)?;
        let unnamed = group(&etcd, &[])?;
        let media = group(&etcd, &["--group", "media", "--queues", "video,audio"])?;
        unnamed.knows(2);
        media.knows(2);
        Ok(Self { unnamed, media, etcd })
    }
}

const ECHO: [&str; 4] = ["--handler", "echo", "--payload", "x"];

fn echo(more: &[&'static str]) -> Vec<&'static str> {
    ECHO.iter().chain(more).copied().collect()
}

#[test]
fn a_task_goes_to_the_group_of_its_queue_and_is_found_there() -> anyhow::Result<()> {
    let stage = Stage::start()?;
    let Stage { unnamed, media, .. } = &stage;
    // Each is asked for what the other one has.
    let video = unnamed.cli.submit(&echo(&["--queue", "video"]))?;
    let plain = media.cli.submit(&echo(&[]))?;
    for asked in [unnamed, media] {
        asked.succeeds(&video)?;
        asked.succeeds(&plain)?;
        let waited = asked.cli.json(&["wait", &video, &plain])?;
        assert!(waited.iter().all(|task| task["state"] == "SUCCEEDED"), "{waited:?}");
        let result = asked.cli.json(&["result", &video])?.pop().context("no answer")?;
        assert_eq!(
            result["task"]["task_id"].as_str().or(result["task_id"].as_str()),
            Some(&*video)
        );
    }
    assert!(media.ran(&video) && !unnamed.ran(&video), "by the worker of its group");
    assert!(unnamed.ran(&plain) && !media.ran(&plain), "by the worker of its group");
    let unknown = unnamed.cli.run(&["status", ID])?;
    assert_eq!(unknown.code, Some(exit::NOT_FOUND.into()), "neither has it: {unknown:?}");
    Ok(())
}

#[test]
fn files_follow_their_task_and_many_go_in_one_request() -> anyhow::Result<()> {
    let stage = Stage::start()?;
    let Stage { unnamed, media, .. } = &stage;
    let file = unnamed.dir.path().join("in.txt");
    std::fs::write(&file, "of a file")?;
    let run = ["run", "--queue", "audio", "--input", "in.txt", "--", "cat", "in.txt"];
    let said = unnamed.cli.command(&run).current_dir(unnamed.dir.path()).output()?;
    assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), "of a file", "{said:?}");
    let lines = unnamed.dir.path().join("lines");
    std::fs::write(&lines, (0..200).map(|n| format!("{n}\n")).collect::<String>())?;
    let path = lines.display().to_string();
    let many = [
        "submit",
        "--handler",
        "echo",
        "--payload",
        "{}",
        "--queue",
        "video",
        "--each-line",
        &path,
    ];
    let id = |task: &Value| task["task_id"].as_str().map(str::to_owned);
    let tasks: Vec<String> = unnamed.cli.json(&many)?.iter().filter_map(id).collect();
    assert_eq!(tasks.len(), 200);
    let wait: Vec<&str> = ["wait"].into_iter().chain(tasks.iter().map(String::as_str)).collect();
    let waited = unnamed.cli.json(&wait)?;
    assert_eq!(waited.iter().filter(|task| task["state"] == "SUCCEEDED").count(), 200);
    let succeeded = |group: &Group| -> anyhow::Result<Value> {
        let told = group.cli.json(&["cluster"])?.pop().context("no answer")?;
        Ok(told["tasks"]["SUCCEEDED"].clone())
    };
    assert_eq!(succeeded(media)?, 201, "all are there");
    assert_eq!(succeeded(unnamed)?, 0, "and nowhere else");
    Ok(())
}

#[test]
fn a_group_that_stands_still_does_not_hold_up_the_other() -> anyhow::Result<()> {
    let mut stage = Stage::start()?;
    let before = stage.unnamed.cli.submit(&echo(&["--queue", "video", "--delay", "1s"]))?;
    stage.media.cluster.kill_principal()?;
    // Nobody leads the other group before its lease is over.
    let plain = stage.unnamed.cli.submit(&echo(&[]))?;
    stage.unnamed.succeeds(&plain)?;
    let video = stage.unnamed.cli.submit(&echo(&["--queue", "video"]))?;
    stage.unnamed.succeeds(&video)?;
    stage.unnamed.succeeds(&before)?;
    assert!(stage.media.ran(&video));
    Ok(())
}

#[test]
fn a_group_that_is_stopped_is_nobody_elses_trouble() -> anyhow::Result<()> {
    let stage = Stage::start()?;
    let Stage { unnamed, media, etcd } = &stage;
    // Its name comes first.
    let mut stopped = group(etcd, &["--group", "aaa", "--queues", "rest"])?;
    unnamed.knows(3);
    stopped.cluster.kill_principal()?;
    stopped.cluster.backup.take().context("it runs")?.kill()?;
    let video = unnamed.cli.submit(&echo(&["--queue", "video"]))?;
    unnamed.succeeds(&video)?;
    let waited = unnamed.cli.json(&["wait", &video])?;
    assert_eq!(waited[0]["state"], "SUCCEEDED", "{waited:?}");
    assert!(media.ran(&video));
    // It may have this one: that is said, and by its name.
    let unknown = unnamed.cli.run(&["--timeout", "2s", "status", ID])?;
    assert_eq!(unknown.code, Some(exit::UNAVAILABLE.into()), "{unknown:?}");
    assert!(unknown.stderr.contains("group `aaa`"), "{unknown:?}");
    Ok(())
}

#[test]
fn a_schedule_of_a_name_is_in_one_group() -> anyhow::Result<()> {
    let stage = Stage::start()?;
    let Stage { unnamed, media, .. } = &stage;
    let set = |more: &[&str]| -> anyhow::Result<()> {
        let set = ["schedule", "set", "nightly", "--cron", "0 3 * * *", "--handler", "echo"];
        unnamed.cli.ok(&[&set[..], &["--payload", "x"], more].concat())
    };
    let is_there = |group: &Group| -> anyhow::Result<bool> {
        let all = group.cli.json(&["schedule", "list"])?;
        Ok(all.iter().any(|schedule| schedule["schedule"] == "nightly"))
    };
    set(&[])?;
    assert_eq!((is_there(unnamed)?, is_there(media)?), (true, false));
    set(&["--queue", "video"])?;
    assert_eq!((is_there(unnamed)?, is_there(media)?), (false, true));
    unnamed.cli.ok(&["schedule", "remove", "nightly"])?;
    assert!(!is_there(media)?);
    Ok(())
}

#[test]
fn a_queue_is_of_one_group_until_it_is_moved() -> anyhow::Result<()> {
    let stage = Stage::start()?;
    let known = stage.unnamed.cli.submit(&echo(&["--queue", "later", "--id", ID]))?;
    let third = group(&stage.etcd, &["--group", "third", "--queues", "video,later"])?;
    let principal = third.cluster.principal.as_ref().context("it runs")?;
    principal.wait_for("a fila video é do grupo media", SOON)?;
    third.knows(3);
    stage.unnamed.knows(3);
    // What is repeated is not done once more by the new owner.
    let again = stage.unnamed.cli.json(&[
        "submit",
        "--handler",
        "echo",
        "--payload",
        "x",
        "--queue",
        "later",
        "--id",
        ID,
    ])?;
    assert_eq!(again[0]["existed"], true, "{again:?}");
    stage.unnamed.succeeds(&known)?;
    assert!(stage.unnamed.ran(&known) && !third.ran(&known));
    // Nor when it comes together with what is new.
    let of = |id: &str| {
        let place = Place { queue: "later".to_owned(), ..Place::default() };
        TaskSpec { task_id: id.to_owned(), place, ..TaskSpec::new("echo", b"x".to_vec()) }
    };
    let fresh = cliente::new_task_id();
    let client = stage.unnamed.cluster.layout.clone();
    let batches = tokio::runtime::Runtime::new()?.block_on(async {
        let client = harness::chaos::rounds::client(&client)?;
        Ok::<_, anyhow::Error>(client.submit_many(vec![of(ID), of(&fresh)], false).await?)
    })?;
    assert_eq!(batches.iter().map(|batch| batch.accepted).sum::<u32>(), 1, "{batches:?}");
    third.succeeds(&fresh)?;
    assert!(third.ran(&fresh) && !third.ran(&known));
    let later = stage.unnamed.cli.submit(&echo(&["--queue", "later"]))?;
    stage.unnamed.succeeds(&later)?;
    assert!(third.ran(&later));

    let tool = |args: &[&str]| -> anyhow::Result<std::process::Output> {
        let program = third.cluster.layout.binary("orquestrador");
        let engine = engine(&stage.etcd);
        let args = [&["groups", "--engine", &engine], args].concat();
        Ok(std::process::Command::new(program).args(args).output()?)
    };
    let listed = String::from_utf8(tool(&["--output", "json"])?.stdout)?;
    let groups: Vec<Value> = listed.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let names: Vec<_> = groups.iter().filter_map(|group| group["group"].as_str()).collect();
    assert_eq!(names, ["default", "media", "third"], "{listed}");
    assert_eq!(groups[1]["queues"], serde_json::json!(["audio", "video"]));
    let video = tool(&["--move", "video", "--to", "third"])?;
    assert!(video.status.success(), "{video:?}");
    principal.wait_for("com as filas later, video", SOON)?;
    let video = stage.media.cli.submit(&echo(&["--queue", "video"]))?;
    stage.media.succeeds(&video)?;
    assert!(third.ran(&video));
    let nobody = tool(&["--move", "video", "--to", "fourth"])?;
    assert_eq!(nobody.status.code(), Some(exit::REFUSED.into()), "{nobody:?}");
    Ok(())
}

/// Chosen by who submits.
const ID: &str = "0190b4a0-0000-7000-8000-0000000000aa";
