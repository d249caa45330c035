//! Schedules: each firing is one task, whoever is principal when it is due.

use std::collections::BTreeSet;
use std::path::Path;

use common::exit;
use harness::{Cli, Cluster};
use serde_json::{Value, json};

/// Looks, a tenth of a second apart.
const TRIES: usize = 600;

/// The tasks of the schedule.
fn made(tasks: &[Value], schedule: &str) -> Vec<String> {
    let of = tasks.iter().filter(|task| task["schedule"] == schedule);
    of.filter_map(|task| task["task_id"].as_str()).map(str::to_owned).collect()
}

/// The moment in a UUIDv7, in milliseconds.
fn moment(id: &str) -> u64 {
    u64::from_str_radix(&id[..13].replace('-', ""), 16).expect("is a UUID")
}

fn until_made(cli: &Cli, schedule: &str, wanted: impl Fn(&[u64]) -> bool) -> anyhow::Result<()> {
    let is_wanted = |tasks: &[Value]| {
        let moments: Vec<_> = made(tasks, schedule).iter().map(|id| moment(id)).collect();
        wanted(&moments)
    };
    assert!(cli.until(&["list", "--all"], TRIES, is_wanted)?.is_some(), "it does not fire");
    Ok(())
}

#[test]
fn every_second_there_is_one_task_though_the_principal_is_killed() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "2"])?;
    let file = dir.path().join("moments");
    let script = format!("echo $MUTIRAO_SCHEDULE $MUTIRAO_SCHEDULED_AT >> {}", file.display());
    let when = ["--cron", "* * * * * *", "--zone", "America/Sao_Paulo", "--catch-up", "all"];
    let set = [&["schedule", "set", "tick"], &when[..], &["--", "sh", "-c", &script]].concat();
    cli.ok(&set)?;
    until_made(&cli, "tick", |moments| moments.len() >= 3)?;
    cluster.kill_principal()?;
    let killed = moment(&cliente::new_task_id());
    until_made(&cli, "tick", |moments| moments.iter().filter(|at| **at > killed).count() >= 3)?;
    cli.ok(&["schedule", "pause", "tick"])?;

    let ids = made(&cli.json(&["list", "--all"])?, "tick");
    let moments: BTreeSet<_> = ids.iter().map(|id| moment(id)).collect();
    let (first, last) = (moments.first().copied(), moments.last().copied());
    let (first, last) = first.zip(last).expect("there are some");
    let expect: BTreeSet<_> = (first..=last).step_by(1_000).collect();
    assert_eq!(first % 1_000, 0);
    assert_eq!(moments, expect, "each second, and nothing between");
    assert_eq!(ids.len(), expect.len(), "each once");
    for id in &ids {
        cli.ok(&["result", id, "--wait"])?;
    }
    // The programs were told the same moments, each once.
    assert_eq!(ran(&file)?.len(), ids.len());
    assert_eq!(ran(&file)?.into_iter().collect::<BTreeSet<_>>().len(), ids.len());
    let told = cli.json(&["schedule", "show", "tick"])?.remove(0);
    assert_eq!((&told["paused"], &told["last_task_id"]), (&json!(true), &json!(ids[0])));
    assert_eq!(told["upcoming"].as_array().map(Vec::len), Some(5), "{told}");
    Ok(())
}

fn ran(file: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(file)?;
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    assert!(lines.iter().all(|line| line.starts_with("tick 20") && line.ends_with('Z')), "{text}");
    Ok(lines)
}

#[test]
fn a_schedule_is_set_shown_paused_run_by_hand_and_removed() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    let when = ["--cron", "0 3 * * 1-5", "--zone", "Europe/Lisbon", "--overlap", "skip"];
    let how = ["--queue", "night", "--priority", "3", "--retries", "2", "--deadline", "8h"];
    let program = ["--", "sh", "-c", "echo \"$MUTIRAO_SCHEDULE\""];
    let set = [&["schedule", "set", "report"], &when[..], &how, &program].concat();
    let told = cli.json(&set)?.remove(0);
    assert_eq!(
        (&told["schedule"], &told["catch_up"], &told["overlap"], &told["paused"]),
        (&json!("report"), &json!("SKIP"), &json!("SKIP"), &json!(false)),
        "{told}"
    );
    cli.ok(&["schedule", "pause", "report"])?;
    cluster.kill_principal()?;
    let again = cli.json(&set)?.remove(0);
    assert_eq!(
        (&again["paused"], &again["next"]),
        (&json!(true), &told["next"]),
        "it stays paused"
    );
    let ran = cli.run(&["schedule", "run", "report", "--wait"])?;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "report\n"), "{ran:?}");
    let task = cli.json(&["list"])?.remove(0);
    assert_eq!(
        (&task["schedule"], &task["queue"], &task["priority"]),
        (&json!("report"), &json!("night"), &json!(3)),
        "{task}"
    );
    let shown = cli.json(&["schedule", "show", "report"])?.remove(0);
    assert_eq!(shown["payload"]["argv"][0], "sh", "{shown}");
    assert_eq!((&shown["last_task_id"], &shown["last_by_hand"]), (&task["task_id"], &json!(true)));
    let listed = cli.json(&["schedule", "list"])?;
    assert_eq!(listed.len(), 1);
    assert_eq!(cli.run(&["schedule", "show", "report"])?.code, Some(0));
    cli.ok(&["schedule", "resume", "report"])?;
    cli.ok(&["schedule", "remove", "report"])?;
    assert_eq!(cli.json(&["schedule", "list"])?, Vec::<Value>::new());
    assert_eq!(cli.json(&["list"])?.len(), 1, "its task stays");
    Ok(())
}

#[test]
fn what_is_wrong_with_a_schedule_is_named() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    for (wrong, expect) in [
        (&["a b", "--cron", "@daily"][..], "spec.name: "),
        (&["s", "--cron", "0 3 * *"], "spec.expression: it has 4 fields"),
        (&["s", "--cron", "0 25 * * *"], "spec.expression: "),
        (&["s", "--cron", "0 0 30 2 *"], "spec.expression: no day fits"),
        (&["s", "--cron", "@every 1"], "spec.expression: `@every` takes"),
        (&["s", "--cron", "@daily", "--zone", "Sao_Paulo"], "spec.zone: `Sao_Paulo` is not"),
    ] {
        let program = ["--", "true"];
        let set = ["--output", "json", "schedule", "set"];
        let refused = cli.run(&[&set[..], wrong, &program].concat())?;
        assert_eq!(refused.code, Some(exit::REFUSED.into()), "{refused:?}");
        assert!(refused.stderr.contains("INVALID_ARGUMENT"), "{refused:?}");
        assert!(refused.stderr.contains(expect), "{expect}: {refused:?}");
    }
    let unknown =
        ["--output", "json", "schedule", "set", "s", "--cron", "@daily", "--handler", "nobody"];
    assert!(cli.run(&unknown)?.stderr.contains("UNKNOWN_HANDLER"));
    for verb in ["show", "pause", "resume", "run", "remove"] {
        let refused = cli.run(&["--output", "json", "schedule", verb, "nothing"])?;
        assert_eq!(refused.code, Some(exit::NOT_FOUND.into()), "{verb}: {refused:?}");
        assert!(refused.stderr.contains("SCHEDULE_NOT_FOUND"), "{refused:?}");
    }
    Ok(())
}
