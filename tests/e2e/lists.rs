//! `cliente list`: filters, and pages that go on at the next principal.

use std::collections::BTreeSet;

use harness::{Cli, Cluster};
use serde_json::Value;

fn ids(tasks: &[Value]) -> Vec<String> {
    tasks.iter().filter_map(|task| task["task_id"].as_str().map(str::to_owned)).collect()
}

fn list(cli: &Cli, flags: &[&str]) -> anyhow::Result<Vec<Value>> {
    cli.json(&[&["list"], flags].concat())
}

#[test]
fn a_filtered_list_goes_on_page_by_page_after_the_principal_is_dead() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 2, &[])?;
    let echo = ["--handler", "echo", "--payload", "x"];
    let submit = |flags: &[&str]| cli.ok(&[&["submit", "--wait"], flags].concat());
    submit(&[&echo[..], &["--count", "6", "--queue", "noite"]].concat())?;
    submit(&[&echo[..], &["--count", "5"]].concat())?;
    submit(&["--queue", "noite", "--", "true"])?;
    cli.ok(&["queues", "pause", "noite"])?;
    cli.ok(&[&["submit"], &echo[..], &["--array", "0-3", "--queue", "noite"]].concat())?;

    let night = list(&cli, &["--queue", "noite"])?;
    assert_eq!(night.len(), 11, "{night:?}");
    assert!(night.iter().all(|task| task["queue"] == "noite"));
    let waiting = list(&cli, &["--queue", "noite", "--state", "queued"])?;
    assert_eq!(ids(&waiting), ids(&night)[..4]);
    assert_eq!(list(&cli, &["--handler", "command"])?.len(), 1);
    let done: BTreeSet<_> = ids(&list(&cli, &["--state", "succeeded"])?).into_iter().collect();
    let mut of_workers = BTreeSet::new();
    for port in &cluster.layout.worker_ports {
        let theirs = list(&cli, &["--worker", &format!("localhost:{port}")])?;
        let at = format!("localhost:{port}");
        assert!(theirs.iter().all(|task| task["worker_id"] == at), "{theirs:?}");
        of_workers.extend(ids(&theirs));
    }
    assert_eq!(of_workers, done);
    let first = night.last().and_then(|task| task["submitted_at"].as_str()).expect("it has one");
    assert_eq!(list(&cli, &["--until", first])?.len(), 0);
    assert_eq!(list(&cli, &["--since", first])?.len(), 16);
    assert_eq!(list(&cli, &["--since", "1h", "--until", "0s", "--queue", "noite"])?.len(), 11);

    let page = list(&cli, &["--queue", "noite", "--limit", "7"])?;
    cluster.kill_principal()?;
    let after = ids(&page).pop().expect("it has seven");
    let rest = list(&cli, &["--queue", "noite", "--after", &after])?;
    assert_eq!([ids(&page), ids(&rest)].concat(), ids(&night));
    Ok(())
}

#[test]
fn a_schedule_that_is_not_there_has_no_empty_list() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    cli.ok(&["schedule", "set", "noite", "--cron", "0 3 1 1 *", "--", "true"])?;
    let known = cli.run(&["list", "--schedule", "noite"])?;
    assert_eq!((known.code, known.stderr.as_str()), (Some(0), ""), "none was made yet");
    let unknown = cli.run(&["list", "--schedule", "noit", "--output", "json"])?;
    assert!(unknown.stderr.contains("SCHEDULE_NOT_FOUND"), "{unknown:?}");
    assert_ne!(unknown.code, Some(0));
    // What a schedule made is listed when it is gone.
    cli.ok(&["schedule", "run", "noite", "--wait"])?;
    cli.ok(&["schedule", "remove", "noite"])?;
    assert_eq!(list(&cli, &["--schedule", "noite"])?.len(), 1);
    Ok(())
}

#[test]
fn tasks_of_all_users_are_listed_to_whom_may_see_them() -> anyhow::Result<()> {
    const TOKEN: &str = "um_token_de_teste";
    let dir = tempfile::tempdir()?;
    let (demo, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "4"])?;
    demo.run_with_input(&["users", "add", "root", "--role", "admin"], TOKEN)?;
    let root = demo.with_credentials("root", TOKEN);
    for (name, role) in [("ana", "submitter"), ("bia", "submitter"), ("olho", "viewer")] {
        root.run_with_input(&["users", "add", name, "--role", role], TOKEN)?;
    }
    let of = |name: &str| demo.with_credentials(name, TOKEN);
    let mut submitted = Vec::new();
    for nth in 0..9 {
        let name = ["ana", "bia", "root"][nth % 3];
        submitted.push(of(name).submit(&["--handler", "echo", "--payload", "x"])?);
    }
    submitted.reverse();
    let page = list(&of("olho"), &["--all-users", "--limit", "4"])?;
    let owners: Vec<_> = page.iter().map(|task| task["owner"].as_str().unwrap_or("")).collect();
    assert_eq!(owners, ["root", "bia", "ana", "root"]);
    cluster.kill_principal()?;
    let rest = list(&root, &["--all-users", "--all", "--after", &submitted[3]])?;
    assert_eq!([ids(&page), ids(&rest)].concat(), submitted);
    assert_eq!(list(&root, &[])?.len(), 3, "one's own, unless all are asked for");

    let table = root.run(&["list", "--all-users", "--lang", "en"])?.stdout;
    let head: Vec<_> = table.lines().take(1).flat_map(str::split_whitespace).take(3).collect();
    assert_eq!(head, ["TASK", "OWNER", "STATUS"]);
    let refused = of("ana").run(&["list", "--all-users", "--output", "json"])?;
    assert!(refused.stderr.contains("PERMISSION_DENIED"), "{refused:?}");
    let refused = root.run(&["--as", "ana", "list", "--all-users"])?;
    assert!(refused.stderr.contains("--all-users") && refused.code == Some(2), "{refused:?}");

    // `top` shows whose each is, and only then.
    let of_all = root.run(&["top", "--once", "--interval", "200ms", "--all-users"])?.stdout;
    assert!(of_all.contains("DE QUEM") && of_all.contains("bia"), "{of_all}");
    let own = root.run(&["top", "--once", "--interval", "200ms"])?.stdout;
    assert!(!own.contains("DE QUEM") && !own.contains("bia"), "{own}");
    let refused = of("ana").run(&["top", "--once", "--all-users", "--interval", "200ms"])?;
    assert_ne!(refused.code, Some(0), "{refused:?}");
    Ok(())
}

#[test]
fn a_task_tells_what_was_asked_for_until_it_is_done() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--resources", "gpus=1"])?;
    let flags = ["--retries", "2", "--deadline", "1h", "--resource", "gpus=1", "--env", "A=1"];
    let id = cli.submit(&[&flags[..], &["--", "sleep", "600"]].concat())?;
    cluster.kill_principal()?;
    let asked = cli.json(&["status", &id])?[0]["asked"].clone();
    assert_eq!(asked["payload"]["argv"], serde_json::json!(["sleep", "600"]), "{asked}");
    let numbers = ["max_attempts", "deadline_after_ms", "slots"].map(|field| asked[field].as_u64());
    assert_eq!(numbers, [Some(3), Some(3_600_000), Some(1)]);
    assert_eq!(asked["resources"]["gpus"], 1);
    let shown = cli.run(&["status", &id])?.stdout;
    for words in ["sleep 600", "--retries 2", "--deadline 1h", "gpus=1"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let array = cli.json(&["submit", "--array", "0-9", "--", "sleep", "1"])?.remove(0);
    let waits = format!("{}_9", array["array_id"].as_str().expect("an array"));
    let waits = cli.json(&["status", &waits])?.remove(0);
    assert_eq!(waits["asked"]["payload"]["argv"][0], "sleep", "{waits}");
    assert_eq!(cli.run(&["cancel", &id])?.code, Some(0));
    assert!(cli.json(&["status", &id])?[0].get("asked").is_none());
    Ok(())
}
