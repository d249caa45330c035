//! What operators do with a running cluster.

use std::time::Duration;

use common::auth::{Credentials, DEMO_TOKEN, DEMO_USER};
use common::endpoint::Endpoint;
use common::proto::SwitchoverRequest;
use common::proto::operator_service_client::OperatorServiceClient;
use harness::{Cli, Cluster, Layout};
use rustix::process::Signal;
use serde_json::Value;
use tonic::Request;

const SOON: Duration = Duration::from_secs(20);
/// Looks, a tenth of a second apart.
const TRIES: usize = 200;

/// A pair with three workers, which are witnesses.
fn cluster(args: &[&str]) -> anyhow::Result<(tempfile::TempDir, Cluster, Cli)> {
    let dir = tempfile::tempdir()?;
    let mut layout = Layout::new(dir.path(), 3)?;
    layout.orchestrator_args = args.iter().map(|arg| (*arg).to_owned()).collect();
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    let witnessed = |nodes: &[Value]| nodes.len() == 2 && nodes.iter().all(goes_on);
    let explained = cli.until(&["cluster", "explain"], TRIES, witnessed)?;
    assert!(explained.is_some(), "the workers became no witnesses");
    Ok((dir, cluster, cli))
}

/// The other one takes over by itself, whatever the engine.
fn goes_on(node: &Value) -> bool {
    matches!(node["failover"].as_str(), Some("BY_WITNESSES" | "BY_ENGINE"))
}

fn last_cause(node: &Value) -> Option<&str> {
    node["views"].as_array()?.last()?["cause"].as_str()
}

fn was_handed_over(node: &Value, epoch: u64) -> bool {
    let is_it = |view: &Value| {
        view["cause"].as_str() == Some("HANDED_OVER") && view["epoch"].as_u64() == Some(epoch)
    };
    node["views"].as_array().is_some_and(|views| views.iter().any(is_it))
}

#[test]
fn a_planned_switch_over_and_back() -> anyhow::Result<()> {
    let (_dir, cluster, cli) = cluster(&[])?;
    let before = cli.submit(&["--handler", "echo", "--payload", "antes"])?;
    let mut former = 1;
    for port in [cluster.layout.backup_port, cluster.layout.principal_port] {
        let answer = cli.json(&["cluster", "switchover"])?.pop().expect("one object");
        let epoch = answer["epoch"].as_u64().expect("a number");
        assert!(epoch > former, "{answer}");
        former = epoch;
        let principal = format!("http://localhost:{port}");
        let is_there =
            |now: &[Value]| now.iter().any(|c| c["principal"].as_str() == Some(&*principal));
        assert!(
            cli.until(&["cluster"], TRIES, is_there)?.is_some(),
            "{principal} is not principal"
        );
        let in_sync = |nodes: &[Value]| {
            nodes.iter().all(|node| {
                was_handed_over(node, epoch)
                    && matches!(node["standing"].as_str(), Some("PRINCIPAL" | "STANDBY"))
            })
        };
        if cli.until(&["cluster", "explain"], TRIES, in_sync)?.is_none() {
            panic!("not in sync: {:#?}", cli.json(&["cluster", "explain"])?);
        }
    }
    let task = cli.finished(&before, TRIES)?.expect("it finishes");
    assert_eq!(task["state"].as_str(), Some("SUCCEEDED"), "{task}");
    let audit = cli.json(&["audit"])?.pop().expect("one object");
    assert_eq!(audit["verdict"].as_str(), Some("PROVEN"), "{audit}");
    Ok(())
}

/// A client repeats a request whose answer was lost.
#[test]
fn a_repeated_switch_over_does_not_switch_back() -> anyhow::Result<()> {
    let (_dir, cluster, cli) = cluster(&[])?;
    let before = cli.json(&["cluster"])?[0]["epoch"].as_u64().expect("a number");
    let done = cli.json(&["cluster", "switchover"])?.pop().expect("one object");
    let principal = format!("http://localhost:{}", cluster.layout.backup_port);
    let is_there = |now: &[Value]| now.iter().any(|c| c["principal"].as_str() == Some(&*principal));
    assert!(cli.until(&["cluster"], TRIES, is_there)?.is_some());
    let again = tokio::runtime::Runtime::new()?.block_on(async {
        let channel = principal.parse::<Endpoint>()?.channel();
        let mut request = Request::new(SwitchoverRequest { from_epoch: before });
        Credentials::new(DEMO_USER, DEMO_TOKEN)?.attach(request.metadata_mut());
        let answer = OperatorServiceClient::new(channel).switchover(request).await?;
        anyhow::Ok(answer.into_inner().epoch)
    })?;
    assert_eq!(done["epoch"].as_u64(), Some(again), "the same switch-over");
    assert!(is_there(&cli.json(&["cluster"])?), "it switched back");
    Ok(())
}

#[test]
fn nobody_to_switch_over_to() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 0)?;
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start_principal()?;
    let run = cli.run(&["cluster", "switchover"])?;
    assert_eq!(run.code, Some(i32::from(common::exit::REFUSED)), "{}", run.stderr);
    let explained = cli.json(&["cluster", "explain"])?;
    assert_eq!(explained[0]["failover"].as_str(), Some("NO_STANDBY"), "{explained:?}");
    assert_eq!(explained[1]["standing"], Value::Null, "{explained:?}");
    Ok(())
}

#[test]
fn a_drill_kills_the_principal_and_loses_nothing() -> anyhow::Result<()> {
    let (_dir, mut cluster, cli) = cluster(&["--allow-drill"])?;
    let drill = cli.json(&["cluster", "drill", "--load", "1s"])?.pop().expect("one object");
    assert_eq!(drill["lost"].as_u64(), Some(0), "{drill}");
    assert_eq!(drill["duplicated"].as_u64(), Some(0), "{drill}");
    assert!(drill["acknowledged"].as_u64() > Some(0), "{drill}");
    let figures = ["detection_ms", "elected_ms", "first_acknowledged_ms"];
    let times = figures.map(|figure| drill[figure].as_u64().expect("the backup took over"));
    assert!(times.is_sorted(), "{drill}");
    assert_eq!(drill["audit"].as_str(), Some("ONE_NODE_ONLY"), "the killed one is read by nobody");
    let mut principal = cluster.principal.take().expect("it was started");
    principal.wait(SOON)?;
    Ok(())
}

/// Too short a pause for anybody to notice.
#[test]
fn a_drill_without_a_failover_says_so() -> anyhow::Result<()> {
    let (_dir, _cluster, cli) = cluster(&["--allow-drill"])?;
    let args = ["--output", "json", "cluster", "drill", "--load", "0s", "--pause", "1ms"];
    let run = cli.run(&args)?;
    assert_eq!(run.code, Some(i32::from(common::exit::TASK_FAILED)), "{}", run.stdout);
    let drill: Value = serde_json::from_str(&run.stdout)?;
    assert_eq!(drill["failover"].as_bool(), Some(false), "{drill}");
    assert_eq!(drill["first_acknowledged_ms"], Value::Null, "{drill}");
    Ok(())
}

/// It would end the service.
#[test]
fn the_only_orchestrator_is_not_killed_in_a_drill() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut layout = Layout::new(dir.path(), 0)?;
    layout.orchestrator_args = vec!["--allow-drill".into()];
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start_principal()?;
    let serves = |nodes: &[Value]| nodes[0]["standing"].as_str() == Some("PRINCIPAL");
    assert!(cli.until(&["cluster", "explain"], TRIES, serves)?.is_some());
    let run = cli.run(&["cluster", "drill", "--load", "0s"])?;
    assert_eq!(run.code, Some(i32::from(common::exit::REFUSED)), "{}", run.stderr);
    assert!(run.stderr.contains("O ensaio não começou"), "{}", run.stderr);
    assert!(cluster.principal.as_mut().is_some_and(|process| process.is_running()));
    Ok(())
}

/// The causes of views outlive the processes, and nobody claims a switch-over that was not asked for.
#[test]
fn who_became_principal_and_why_is_known_after_a_restart() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 0)?;
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    cli.json(&["cluster", "switchover"])?;
    let causes = |node: &Value| -> Vec<String> {
        let views = node["views"].as_array().map(Vec::as_slice).unwrap_or_default();
        views.iter().filter_map(|view| view["cause"].as_str().map(str::to_owned)).collect()
    };
    let handed = |nodes: &[Value]| {
        nodes.len() == 2 && nodes.iter().all(|node| causes(node).iter().any(|c| c == "HANDED_OVER"))
    };
    assert!(cli.until(&["cluster", "explain"], TRIES, handed)?.is_some());
    drop(cluster.backup.take());
    drop(cluster.principal.take());
    cluster.start_principal()?;
    let waits = |nodes: &[Value]| nodes[0]["failover"].as_str() == Some("WAITING");
    assert!(cli.until(&["cluster", "explain"], TRIES, waits)?.is_some());
    cluster.start_backup()?;
    let both = |nodes: &[Value]| {
        let standing = |node: &Value| node["standing"].as_str().map(str::to_owned);
        let mut standings: Vec<_> = nodes.iter().filter_map(standing).collect();
        standings.sort();
        standings == ["PRINCIPAL", "STANDBY"]
    };
    let nodes = cli.until(&["cluster", "explain"], TRIES, both)?.expect("they found each other");
    for node in &nodes {
        let causes = causes(node);
        assert_eq!(causes.first().map(String::as_str), Some("FOUNDED"), "{node}");
        let switched = causes.iter().filter(|cause| *cause == "HANDED_OVER").count();
        assert_eq!(switched, 1, "one was asked for: {node}");
        assert!(
            causes.iter().all(|cause| cause != "LEARNT"),
            "each follows the one before: {node}"
        );
    }
    Ok(())
}

#[test]
fn without_leave_there_is_no_drill() -> anyhow::Result<()> {
    let (_dir, _cluster, cli) = cluster(&[])?;
    let run = cli.run(&["cluster", "drill", "--load", "0s"])?;
    assert_eq!(run.code, Some(i32::from(common::exit::REFUSED)), "{}", run.stderr);
    assert!(run.stderr.contains("--allow-drill"), "{}", run.stderr);
    Ok(())
}

#[test]
fn the_whole_cluster_ends_in_order_and_starts_again() -> anyhow::Result<()> {
    let (_dir, mut cluster, cli) = cluster(&[])?;
    let payload = r#"{"description": "acaba antes", "seconds": 1}"#;
    let id = cli.submit(&["--handler", "simulated", "--payload", payload])?;
    let running = |task: &[Value]| task.iter().all(|t| t["state"].as_str() == Some("RUNNING"));
    assert!(cli.until(&["status", &id], TRIES, running)?.is_some());
    let answer = cli.json(&["cluster", "shutdown"])?.pop().expect("one object");
    assert_eq!(answer["interrupted"].as_u64(), Some(0), "{answer}");
    let orchestrators = [cluster.principal.take(), cluster.backup.take()];
    let workers = std::mem::take(&mut cluster.workers);
    for process in orchestrators.into_iter().chain(workers).flatten() {
        let mut process = process;
        let status = process.wait(SOON)?;
        assert_eq!(status.code(), Some(0), "{}", process.name());
    }
    cluster.start_backup()?;
    cluster.start_principal()?;
    let task = cli.finished(&id, TRIES)?.expect("it is known");
    assert_eq!(task["state"].as_str(), Some("SUCCEEDED"), "{task}");
    Ok(())
}

/// Not half a minute later, which is what workers take by themselves.
#[test]
fn workers_end_within_the_time_that_the_operator_gives() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 1)?;
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    let id = cli.submit(&["--handler", "simulated", "--payload", r#"{"seconds": 60}"#])?;
    let running = |task: &[Value]| task.iter().all(|t| t["state"].as_str() == Some("RUNNING"));
    assert!(cli.until(&["status", &id], TRIES, running)?.is_some());
    let answer = cli.json(&["cluster", "shutdown", "--wait", "1s"])?.pop().expect("one object");
    assert_eq!(answer["interrupted"].as_u64(), Some(1), "{answer}");
    let mut worker = cluster.workers[0].take().expect("it was started");
    worker.wait(SOON)?;
    Ok(())
}

#[test]
fn another_machine_takes_the_place_of_a_dead_backup() -> anyhow::Result<()> {
    let (dir, mut cluster, cli) = cluster(&[])?;
    let spare = Layout::new(&dir.path().join("spare"), 0)?.principal_port;
    let address = format!("http://localhost:{spare}");
    let early = cli.run(&["cluster", "replace", &address])?;
    assert_eq!(early.code, Some(i32::from(common::exit::REFUSED)), "the backup lives");
    drop(cluster.backup.take());
    let alone = |nodes: &[Value]| nodes.iter().any(|node| last_cause(node) == Some("SHRANK"));
    assert!(cli.until(&["cluster", "explain"], TRIES, alone)?.is_some());
    let id = cli.submit(&["--handler", "echo", "--payload", "só"])?;
    cli.json(&["cluster", "replace", &address])?;
    cluster.layout.backup_port = spare;
    cluster.start_backup()?;
    cluster.wait_in_sync()?;
    let moved = Cli::new(&cluster.layout);
    let witnessed = |nodes: &[Value]| nodes.len() == 2 && nodes.iter().all(goes_on);
    assert!(moved.until(&["cluster", "explain"], TRIES, witnessed)?.is_some());
    // The old addresses lead to the member that took its place.
    let audit = cli.json(&["audit"])?.pop().expect("one object");
    assert_eq!(audit["verdict"].as_str(), Some("PROVEN"), "{audit}");
    assert_eq!(audit["nodes"][1]["address"].as_str(), Some(&*address), "{audit}");
    drop(cluster.principal.take());
    let task = moved.finished(&id, TRIES)?.expect("the new backup has it and took over");
    assert_eq!(task["state"].as_str(), Some("SUCCEEDED"), "{task}");
    Ok(())
}

#[test]
fn an_audit_misses_what_is_not_there() -> anyhow::Result<()> {
    let (dir, _cluster, cli) = cluster(&[])?;
    let id = cli.submit(&["--handler", "echo", "--payload", "x"])?;
    let file = dir.path().join("acknowledged");
    let path = file.display().to_string();
    std::fs::write(&file, format!("{id}\n"))?;
    let audit = cli.json(&["audit", "--acknowledged", &path])?.pop().expect("one object");
    assert_eq!(audit["verdict"].as_str(), Some("PROVEN"), "{audit}");
    let stranger = "01900000-0000-7000-8000-000000000001";
    std::fs::write(&file, format!("{{\"task_id\": \"{id}\"}}\n{stranger}\n"))?;
    let run = cli.run(&["--output", "json", "audit", "--acknowledged", &path])?;
    assert_eq!(run.code, Some(i32::from(common::exit::BROKEN)), "{}", run.stdout);
    assert!(run.stdout.contains(stranger) && !run.stdout.contains(&id), "{}", run.stdout);
    Ok(())
}

/// V15: what only the missing orchestrator had is not lost for ever.
#[test]
fn what_an_override_left_behind_is_submitted_again() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 1)?;
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    drop(cluster.backup.take());
    let alone = |nodes: &[Value]| nodes.iter().any(|node| last_cause(node) == Some("SHRANK"));
    assert!(cli.until(&["cluster", "explain"], TRIES, alone)?.is_some());
    cluster.workers[0] = None;
    let id = cli.submit(&["--handler", "echo", "--payload", "só um disco"])?;
    drop(cluster.principal.take());

    cluster.start_backup()?;
    let backup = cluster.backup.as_ref().expect("runs");
    backup.wait_for("Aguardando o outro orquestrador", SOON)?;
    cli.json(&["cluster", "promote", "--force"])?;
    backup.wait_for("Backup promovido a principal.", SOON)?;
    let gone = cli.run(&["status", &id])?;
    assert_eq!(gone.code, Some(i32::from(common::exit::NOT_FOUND)), "{}", gone.stderr);

    cluster.start_principal()?;
    let principal = cluster.principal.as_ref().expect("runs");
    principal.wait_for("Sincronizado: pronto para assumir", SOON)?;
    let audit = cli.json(&["audit"])?.pop().expect("one object");
    assert_eq!(audit["overrides"].as_array().map(Vec::len), Some(1), "{audit}");
    let recovered = cli.json(&["cluster", "recover-tail"])?;
    let accepted: u64 = recovered.iter().filter_map(|tail| tail["accepted"].as_u64()).sum();
    assert_eq!(accepted, 1, "{recovered:?}");
    let again = cli.json(&["cluster", "recover-tail"])?;
    assert!(again.iter().all(|tail| tail["accepted"].as_u64() == Some(0)), "{again:?}");
    cluster.start_worker(0)?;
    let task = cli.finished(&id, TRIES)?.expect("it finishes");
    assert_eq!(task["state"].as_str(), Some("SUCCEEDED"), "{task}");
    Ok(())
}

/// G8: why it was run again, and why one waits.
#[test]
fn a_task_is_explained() -> anyhow::Result<()> {
    let (_dir, mut cluster, cli) = cluster(&[])?;
    let id = cli.submit(&["--handler", "simulated", "--payload", r#"{"seconds": 2}"#])?;
    let task = cli.until(&["status", &id], TRIES, |t| t[0]["worker_id"].is_string())?;
    let worker = task.expect("it is assigned")[0]["worker_id"].as_str().map(str::to_owned);
    let ports = cluster.layout.worker_ports.clone();
    let nth = ports
        .iter()
        .position(|port| worker.as_deref().is_some_and(|id| id.ends_with(&format!(":{port}"))));
    cluster.workers[nth.expect("one of ours")] = None;
    cli.finished(&id, TRIES)?.expect("another worker runs it");
    let explained = cli.json(&["status", "--explain", &id])?.pop().expect("one object");
    let steps = explained["steps"].as_array().expect("an array");
    let what: Vec<_> = steps.iter().filter_map(|step| step["what"].as_str()).collect();
    assert_eq!(what, ["SUBMITTED", "ASSIGNED", "LOST", "ASSIGNED", "SUCCEEDED"], "{explained}");
    assert_eq!(steps[2]["cause"].as_str(), Some("WORKER_SILENT"), "{explained}");

    let waits = cli.submit(&["--handler", "ausente", "--allow-unknown-handler"])?;
    let explained = cli.json(&["status", "--explain", &waits])?.pop().expect("one object");
    assert_eq!(explained["pending_reason"].as_str(), Some("NO_WORKER_FOR_HANDLER"), "{explained}");
    assert_eq!(explained["workers_offering"].as_u64(), Some(0), "{explained}");
    let shown = cli.run(&["status", "--explain", &waits])?;
    assert!(shown.stdout.contains("submetida"), "{}", shown.stdout);
    Ok(())
}

/// Also one that runs nothing, and so ends with its last word.
#[test]
fn a_worker_that_is_asked_to_end_is_not_considered_failed() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 6)?;
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    for worker in cluster.workers.iter_mut().flatten() {
        worker.signal(Signal::TERM)?;
        worker.wait(SOON)?;
    }
    let workers = cli.json(&["workers"])?;
    assert!(workers.is_empty(), "{workers:?}");
    Ok(())
}

#[test]
fn a_worker_whose_last_attempt_is_cancelled_says_so_before_it_leaves() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let id = cli.submit(&["--", "sh", "-c", "echo begun; sleep 600"])?;
    let running = |task: &[Value]| task.iter().all(|t| t["state"].as_str() == Some("RUNNING"));
    assert!(cli.until(&["status", &id], TRIES, running)?.is_some());
    let worker = cli.json(&["status", &id])?[0]["worker_id"].as_str().expect("it runs").to_owned();
    assert_eq!(cli.run(&["workers", "drain", &worker])?.code, Some(0));
    assert_eq!(cli.run(&["cancel", &id])?.code, Some(0));
    let mut left = cluster.workers[0].take().expect("it was started");
    assert_eq!(left.wait(SOON)?.code(), Some(0));
    assert_eq!(cli.json(&["workers"])?, Vec::<Value>::new(), "it has taken its leave");
    let users = cli.json(&["users", "list"])?;
    assert!(users.iter().all(|user| user["running"] == 0), "nothing holds a slot: {users:?}");
    let principal = cluster.principal.as_ref().expect("it runs");
    assert!(!principal.lines().iter().any(|line| line.contains("considerado falho")));
    Ok(())
}

#[test]
fn a_worker_leaves_when_it_has_finished_what_it_runs_and_takes_nothing_more() -> anyhow::Result<()>
{
    let dir = tempfile::tempdir()?;
    let mut layout = Layout::new(dir.path(), 2)?;
    // Its own patience is not the operator's.
    layout.worker_args = ["--drain-timeout-s", "0", "--slots", "1"].map(str::to_owned).to_vec();
    let (cli, ports) = (Cli::new(&layout), layout.worker_ports.clone());
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    let short = r#"{"seconds": 1}"#;
    let ids = [0, 1].map(|_| cli.submit(&["--handler", "simulated", "--payload", short]));
    let [first, second] = ids;
    let (first, second) = (first?, second?);
    let running = |task: &[Value]| task.iter().all(|t| t["state"].as_str() == Some("RUNNING"));
    for id in [&first, &second] {
        assert!(cli.until(&["status", id], TRIES, running)?.is_some());
    }
    let of = cli.json(&["status", &first])?.pop().expect("one object");
    let leaving = of["worker_id"].as_str().expect("it runs").to_owned();
    let drained = cli.run(&["workers", "drain", &leaving, "--within", "60s", "--wait"])?;
    assert_eq!(drained.code, Some(0), "{drained:?}");
    for id in [&first, &second] {
        let task = cli.finished(id, TRIES)?.expect("it is known");
        assert_eq!((&task["state"], &task["attempt"]), (&"SUCCEEDED".into(), &1.into()), "{task}");
    }
    let workers = cli.json(&["workers"])?;
    let is_there = |id: &str| workers.iter().any(|worker| worker["worker_id"] == id);
    assert!(!is_there(&leaving) && workers.len() == 1, "{workers:?}");
    let other = cli.submit(&["--handler", "echo", "--payload", "x"])?;
    let done = cli.finished(&other, TRIES)?.expect("it is known");
    assert_ne!(done["worker_id"], leaving.as_str());
    let nth = ports.iter().position(|port| leaving.ends_with(&format!(":{port}")));
    let mut left = cluster.workers[nth.expect("it is one of them")].take().expect("was started");
    assert_eq!(left.wait(SOON)?.code(), Some(0));
    let unknown = cli.run(&["workers", "drain", &leaving])?;
    assert_eq!(unknown.code, Some(i32::from(common::exit::NOT_FOUND)), "{unknown:?}");
    Ok(())
}

#[test]
fn the_last_word_on_a_worker_counts_and_it_is_gone_when_it_is_gone() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 1)?;
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    let id = cli.submit(&["--handler", "simulated", "--payload", r#"{"seconds": 600}"#])?;
    let running = |task: &[Value]| task.iter().all(|t| t["state"].as_str() == Some("RUNNING"));
    assert!(cli.until(&["status", &id], TRIES, running)?.is_some());
    let worker = cli.json(&["status", &id])?[0]["worker_id"].as_str().expect("it runs").to_owned();
    let patient = cli.json(&["workers", "drain", &worker, "--within", "1h"])?;
    assert_eq!(patient, [serde_json::json!({ "worker_id": worker, "busy": 1 })]);
    cluster.kill_principal()?;
    let waits = ["workers", "drain", &worker, "--within", "1h", "--wait", "--wait-timeout", "2s"];
    let waits = cli
        .until(&["workers"], TRIES, |workers| {
            workers.iter().all(|worker| worker["connected"] == true)
        })?
        .map(|_| cli.run(&waits));
    let waits = waits.expect("it comes back")?;
    assert_eq!(waits.code, Some(i32::from(common::exit::TIMEOUT)), "it runs: {waits:?}");
    let ends = cli.run(&["workers", "drain", &worker, "--within", "0s", "--wait"])?;
    assert_eq!(ends.code, Some(0), "{ends:?}");
    assert_eq!(cli.json(&["workers"])?, Vec::<Value>::new());
    cluster.workers[0].take().expect("it was started").wait(SOON)?;
    assert_eq!(cli.json(&["status", &id])?[0]["state"], "QUEUED", "nothing is lost");
    Ok(())
}

#[test]
fn what_orchestrators_log_is_changed_while_they_run() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 0)?;
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    let debug = |process: &Option<harness::process::Process>| {
        let lines = process.as_ref().map(harness::process::Process::lines).unwrap_or_default();
        lines.iter().filter(|line| line.contains("h2::")).count()
    };
    assert_eq!(debug(&cluster.principal) + debug(&cluster.backup), 0);
    let changed = cli.json(&["cluster", "log-filter", "warn,h2=debug"])?;
    assert_eq!(changed.len(), 2, "{changed:?}");
    for process in [&cluster.principal, &cluster.backup] {
        process.as_ref().expect("it runs").wait_for("h2::", SOON)?;
    }
    let wrong = cli.run(&["cluster", "log-filter", "h2=loud"])?;
    assert_eq!(wrong.code, Some(i32::from(common::exit::REFUSED)), "{wrong:?}");
    assert_eq!(cli.run(&["cluster", "log-filter"])?.code, Some(i32::from(common::exit::USAGE)));

    assert_eq!(cli.json(&["cluster", "log-filter", "--reset"])?.len(), 2);
    // What was under way is told by the time of the next line of the console.
    cluster.kill_principal()?;
    let backup = cluster.backup.as_ref().expect("it runs");
    backup.wait_for("ASSUMINDO", SOON)?;
    let told = debug(&cluster.backup);
    for _ in 0..20 {
        cli.json(&["cluster"])?;
    }
    assert_eq!(debug(&cluster.backup), told, "it tells no more");
    Ok(())
}
