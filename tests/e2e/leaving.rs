//! Workers that end before their work does, and two that go by one name.

use std::time::Duration;

use harness::{Cli, Cluster};
use rustix::process::Signal;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);
const TRIES: usize = 400;
/// As many as a task may lose, and one more.
const DRAINS: usize = 6;

fn runs(cli: &Cli, id: &str) -> anyhow::Result<()> {
    let runs = |task: &[Value]| task.iter().all(|t| t["state"] == "RUNNING");
    anyhow::ensure!(cli.until(&["status", id], TRIES, runs)?.is_some(), "{id} does not run");
    Ok(())
}

#[test]
fn however_often_a_worker_is_drained_in_the_middle_no_task_is_quarantined() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--drain-timeout-s", "0"])?;
    let long = cli.submit(&["--", "sh", "-c", "echo begun; sleep 600"])?;
    let once =
        cli.submit(&["--delivery", "at-most-once", "--", "sh", "-c", "echo begun; sleep 600"])?;
    for id in [&long, &once] {
        runs(&cli, id)?;
    }
    for nth in 0..DRAINS {
        if nth > 0 {
            cluster.start_worker(0)?;
        }
        runs(&cli, &long)?;
        let mut worker = cluster.workers[0].take().expect("it was started");
        worker.signal(Signal::TERM)?;
        assert_eq!(worker.wait(SOON)?.code(), Some(0));
        assert!(worker.lines().iter().any(|line| line.contains(&format!("[{long}] interrompida"))));
        assert_eq!(cli.json(&["workers"])?, Vec::<Value>::new(), "it has taken its leave");
    }
    let waits = &cli.json(&["status", &long])?[0];
    assert_eq!((&waits["state"], &waits["attempt"]), (&"QUEUED".into(), &DRAINS.into()));
    let explained = cli.json(&["status", &long, "--explain"])?;
    let steps = explained[0]["steps"].as_array().expect("its steps");
    let given_back = steps.iter().filter(|step| step["what"] == "RETURNED");
    let causes: Vec<_> = given_back.map(|step| step["cause"].clone()).collect();
    assert_eq!(causes, vec![Value::from("WORKER_DRAINED"); DRAINS]);
    let lost = &cli.json(&["status", &once])?[0];
    let (state, code) = (&lost["state"], &lost["error"]["code"]);
    assert_eq!((state, code), (&"LOST".into(), &"WORKER_DRAINED".into()), "{lost}");
    let principal = cluster.principal.as_ref().expect("it runs");
    assert!(!principal.lines().iter().any(|line| line.contains("considerado falho")));
    Ok(())
}

#[test]
fn of_two_workers_with_one_id_one_works_and_the_other_waits_and_says_why() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let id = format!("localhost:{}", cluster.layout.worker_ports[0]);
    let go = dir.path().join("go");
    let script = format!("until [ -e {} ]; do sleep 0.05; done", go.display());
    let task = cli.submit(&["--", "sh", "-c", &script])?;
    runs(&cli, &task)?;
    let incarnation = cli.json(&["workers"])?[0]["incarnation"].clone();

    let [port] = harness::ports::free(1)?[..] else { anyhow::bail!("no port") };
    cluster.layout.worker_ports.push(port);
    cluster.workers.push(None);
    cluster.layout.worker_args.extend(["--advertise".to_owned(), id.clone()]);
    cluster.start_worker(1)?;
    let second = cluster.workers[1].as_ref().expect("it was started");
    second.wait_for(&format!("outro worker já está conectado como {id}"), SOON)?;
    let workers = cli.json(&["workers"])?;
    assert_eq!((workers.len(), &workers[0]["incarnation"]), (1, &incarnation), "{workers:?}");
    std::fs::write(&go, "")?;
    let done = cli.finished(&task, TRIES)?.expect("it is known");
    assert_eq!((&done["state"], &done["attempt"]), (&"SUCCEEDED".into(), &1.into()), "{done}");

    // One that is gone makes room.
    cluster.workers[0].take().expect("it was started").kill()?;
    let other = |workers: &[Value]| workers.iter().any(|w| w["incarnation"] != incarnation);
    assert!(cli.until(&["workers"], TRIES, other)?.is_some());
    assert_eq!(cli.run(&["run", "--", "true"])?.code, Some(0));
    Ok(())
}

#[test]
fn a_worker_that_is_left_alone_stops_what_it_runs_where_that_is_wanted() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--abandon-after-s", "1"])?;
    let long = cli.submit(&["--", "sh", "-c", "echo $$; sleep 600"])?;
    let once = cli.submit(&["--delivery", "at-most-once", "--", "sleep", "600"])?;
    for id in [&long, &once] {
        runs(&cli, id)?;
    }
    let pair = [cluster.principal.take(), cluster.backup.take()];
    for mut orchestrator in pair.into_iter().flatten() {
        orchestrator.kill()?;
    }
    let worker = cluster.workers[0].as_ref().expect("it was started");
    worker.wait_for("2 tarefa(s) interrompida(s)", SOON)?;
    worker.wait_for(&format!("[{long}] interrompida"), SOON)?;
    cluster.start_pair_at_once()?;
    let ended = |task: &[Value]| task.iter().all(|t| t["state"] == "LOST");
    let lost = cli.until(&["status", &once], TRIES, ended)?.expect("nobody starts it again");
    assert_eq!(lost[0]["error"]["code"], "WORKER_DRAINED", "{lost:?}");
    let again = |task: &[Value]| task.iter().all(|t| t["attempt"] == 2 && t["state"] == "RUNNING");
    assert!(cli.until(&["status", &long], TRIES, again)?.is_some());
    assert_eq!(cli.run(&["cancel", &long])?.code, Some(0));
    Ok(())
}
