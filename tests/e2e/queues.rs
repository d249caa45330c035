//! Named queues, priorities and turns, while the principal is killed.

use std::time::{Duration, Instant};

use common::exit;
use harness::{Cli, Cluster};
use serde_json::json;

const SOON: Duration = Duration::from_secs(60);
const TOKEN: &str = "um-token-da-ana";

fn submit_array(cli: &Cli, args: &[&str]) -> anyhow::Result<String> {
    let accepted = cli.json(&[&["submit"], args].concat())?.remove(0);
    Ok(accepted["array_id"].as_str().unwrap_or_default().to_owned())
}

fn until(what: &str, mut holds: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + SOON;
    while !holds()? {
        assert!(Instant::now() < deadline, "{what}");
    }
    Ok(())
}

#[test]
fn a_paused_queue_stays_so_through_a_failover_and_then_goes_by_priority() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    let order = dir.path().join("order");
    cli.ok(&["queues", "pause", "noite"])?;
    let submit = |priority: &str| {
        let script = format!("echo {priority} >> {}", order.display());
        let flags = ["--queue", "noite", "--priority", priority];
        cli.submit(&[&flags[..], &["--", "sh", "-c", &script]].concat())
    };
    let ids =
        ["0", "-5", "127", "3", "3"].map(submit).into_iter().collect::<Result<Vec<_>, _>>()?;
    let waiting = cli.json(&["status", &ids[0]])?.remove(0);
    assert_eq!(waiting["pending_reason"], "QUEUE_PAUSED", "{waiting}");
    assert_eq!((&waiting["queue"], &waiting["priority"]), (&json!("noite"), &json!(0)));
    cluster.kill_principal()?;
    let queues = cli.json(&["queues"])?;
    let night = queues.iter().find(|queue| queue["queue"] == "noite").expect("it is there");
    assert_eq!((&night["paused"], &night["queued"]), (&json!(true), &json!(5)), "{night}");
    // Others are not held up.
    assert_eq!(cli.run(&["run", "--", "true"])?.code, Some(0));
    assert!(!order.exists());
    cli.ok(&["queues", "resume", "noite"])?;
    for id in &ids {
        cli.ok(&["result", id, "--wait"])?;
    }
    assert_eq!(std::fs::read_to_string(&order)?, "127\n3\n3\n0\n-5\n");
    Ok(())
}

#[test]
fn no_more_run_at_a_time_than_their_queue_allows() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "4"])?;
    cli.ok(&["queues", "set", "api", "--max-running", "1", "--weight", "2"])?;
    let (lock, overlaps) = (dir.path().join("lock"), dir.path().join("overlaps"));
    let script = format!(
        "mkdir {lock} || echo x >> {overlaps}; sleep 0.05; rmdir {lock}",
        lock = lock.display(),
        overlaps = overlaps.display()
    );
    let program = ["--array", "0-29", "--queue", "api", "--", "sh", "-c", &script];
    let array = submit_array(&cli, &program)?;
    let done = || -> anyhow::Result<u64> {
        let status = cli.json(&["status", &array])?.remove(0);
        Ok(status["tasks"]["SUCCEEDED"].as_u64().unwrap_or_default())
    };
    until("none of them runs", || Ok(done()? > 3))?;
    cluster.kill_principal()?;
    until("they do not end", || Ok(done()? == 30))?;
    assert!(!overlaps.exists(), "two ran at a time");
    let queues = cli.json(&["queues"])?;
    let api = queues.iter().find(|queue| queue["queue"] == "api").expect("it is there");
    assert_eq!((&api["max_running"], &api["weight"]), (&json!(1), &json!(2)), "{api}");
    Ok(())
}

#[test]
fn a_purged_queue_is_empty_and_others_are_not() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    for queue in ["a", "b"] {
        cli.ok(&["queues", "pause", queue])?;
    }
    let echo = ["--handler", "echo", "--payload", "x"];
    let array = [&echo[..], &["--queue", "a", "--array", "1-20000"]].concat();
    let array = submit_array(&cli, &array)?;
    let many = [&["submit"], &echo[..], &["--queue", "a", "--count", "12000"]].concat();
    cli.ok(&many)?;
    let other = cli.submit(&[&echo[..], &["--queue", "b"]].concat())?;
    let purged = cli.run(&["queues", "purge", "a"])?;
    assert!(purged.stderr.contains("32000"), "{purged:?}");
    let status = cli.json(&["status", &array])?.remove(0);
    assert_eq!(status["tasks"]["CANCELLED"], 20_000);
    assert_eq!(cli.json(&["status", &other])?.remove(0)["state"], "QUEUED");
    Ok(())
}

#[test]
fn only_administrators_change_queues_and_bad_names_are_refused() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    for (name, admin) in [("ana", true), ("bia", false)] {
        let add = ["users", "add", name, "--admin"];
        let add = if admin { &add[..] } else { &add[..3] };
        let asks = if admin { cli.clone() } else { cli.with_credentials("ana", TOKEN) };
        assert_eq!(asks.run_with_input(add, TOKEN)?.code, Some(0));
    }
    let (admin, other) = (cli.with_credentials("ana", TOKEN), cli.with_credentials("bia", TOKEN));
    let code = |cli: &Cli, args: &[&str]| Ok::<_, anyhow::Error>(cli.run(args)?.code);
    assert_eq!(code(&other, &["queues"])?, Some(0), "to look is allowed");
    for args in [&["queues", "pause", "a"][..], &["queues", "purge", "a"]] {
        assert_eq!(code(&other, args)?, Some(i32::from(exit::REFUSED)));
        assert_eq!(code(&admin, args)?, Some(0));
    }
    let usage = code(&admin, &["queues", "set", "a"])?;
    assert_eq!(usage, Some(i32::from(exit::USAGE)));
    for args in
        [&["queues", "pause", "a b"][..], &["submit", "--handler", "echo", "--queue", "a b"]]
    {
        let refused = admin.run(args)?;
        assert_eq!(refused.code, Some(i32::from(exit::REFUSED)), "{refused:?}");
        assert!(refused.stderr.contains("spaces"), "it says why: {refused:?}");
    }
    Ok(())
}

#[test]
fn an_administrator_pauses_and_resumes_a_queue_in_the_menu() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let unknown = ["--handler", "nenhum", "--payload", "x", "--allow-unknown-handler"];
    cli.ok(&[&["submit", "--queue", "noite"], &unknown[..]].concat())?;
    let paused = || -> anyhow::Result<Vec<bool>> {
        let queues = cli.json(&["queues"])?;
        let of_night = queues.iter().filter(|queue| queue["queue"] == "noite");
        Ok(of_night.map(|queue| queue["paused"] == true).collect())
    };
    let menu = |input: &str| cli.run_with_input(&["menu"], input);
    let run = menu("7\nnoite\n7\ndia\n9\n8\n")?;
    assert_eq!(run.code, Some(0), "{run:?}");
    for words in [
        "7: Filas\n8: Sair\n",
        "A fila noite está em pausa",
        "Não há fila dia",
        "de 1 a 8",
        "Até logo.",
    ] {
        assert!(run.stdout.contains(words), "no `{words}` in {}", run.stdout);
    }
    assert_eq!(paused()?, [true]);
    assert!(menu("7\nnoite\n7\n\n8\n")?.stdout.contains("A fila noite foi retomada."));
    assert_eq!(paused()?, [false]);

    cli.run_with_input(&["users", "add", "chefe", "--admin"], TOKEN)?;
    let chief = cli.with_credentials("chefe", TOKEN);
    chief.run_with_input(&["users", "add", "ana"], TOKEN)?;
    let ana = cli.with_credentials("ana", TOKEN).run_with_input(&["menu"], "7\n")?;
    assert!(ana.stdout.contains("6: Workers e Cluster\n7: Sair\n"), "{ana:?}");
    assert_eq!((ana.code, ana.stdout.contains("Filas")), (Some(0), false), "{ana:?}");
    Ok(())
}
