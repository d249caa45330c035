//! What programs say while they run, whoever is principal meanwhile.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use common::exit;
use harness::{Cli, Cluster};
use rustix::process::Signal;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);

/// A script that waits for the file.
fn until(gate: &Path) -> String {
    format!("until test -e {}; do sleep 0.05; done", gate.display())
}

/// Reads from the child as it comes.
fn lines(child: &mut Child) -> impl Iterator<Item = String> {
    let stdout = child.stdout.take().expect("it is piped");
    BufReader::new(stdout).lines().map(|line| line.expect("it is text"))
}

fn wait_for<T>(
    what: &str,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn status(cli: &Cli, id: &str) -> anyhow::Result<Value> {
    Ok(cli.json(&["status", id])?.remove(0))
}

#[test]
fn what_a_program_says_is_followed_through_the_death_of_the_principal() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let script = format!(
        "echo first; {}; echo second; echo err >&2; {}; printf third",
        until(&one),
        until(&two)
    );
    let id = cli.submit(&["--", "sh", "-c", &script])?;
    let mut follower = cli.start(&["logs", "-f", &id])?;
    let mut said = lines(&mut follower);
    assert_eq!(said.next().as_deref(), Some("first"), "while it runs");

    cluster.kill_principal()?;
    std::fs::write(&one, "")?;
    assert_eq!(said.next().as_deref(), Some("second"), "not twice, and nothing left out");
    let late = wait_for("the new principal to have heard all", || {
        let late = cli.run(&["logs", &id])?;
        Ok((late.stdout == "first\nsecond\n").then_some(late))
    })?;
    assert_eq!(late.code, Some(exit::OK.into()), "{late:?}");
    std::fs::write(&two, "")?;
    assert_eq!(said.collect::<Vec<_>>(), ["third"]);
    let mut beside = String::new();
    follower.stderr.take().expect("it is piped").read_to_string(&mut beside)?;
    assert_eq!((follower.wait()?.code(), beside.as_str()), (Some(exit::OK.into()), "err\n"));
    let after = cli.run(&["logs", &id])?;
    assert_eq!((after.stdout.as_str(), after.stderr.as_str()), ("first\nsecond\nthird", "err\n"));
    Ok(())
}

#[test]
fn run_shows_what_is_said_as_it_comes_and_ends_with_its_reader() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let gate = dir.path().join("gate");
    let script = format!("echo first; {}; echo second; exit 7", until(&gate));
    let mut run = cli.start(&["run", "--", "sh", "-c", &script])?;
    let mut said = lines(&mut run);
    assert_eq!(said.next().as_deref(), Some("first"));
    std::fs::write(&gate, "")?;
    assert_eq!(said.collect::<Vec<_>>(), ["second"]);
    assert_eq!(run.wait()?.code(), Some(7));

    let mut endless = cli.start(&["run", "--", "sh", "-c", "while echo y; do sleep 0.01; done"])?;
    let mut said = lines(&mut endless);
    assert_eq!(said.next().as_deref(), Some("y"));
    drop(said);
    endless.wait()?;
    wait_for("the program to end with its reader", || {
        let running = cli.json(&["list", "--state", "running"])?;
        Ok(running.is_empty().then_some(()))
    })?;
    let cancelled = cli.json(&["list", "--state", "cancelled"])?;
    assert_eq!(cancelled.len(), 1, "{cancelled:?}");

    let burst = "sleep 0.5; seq 1 40000; sleep 0.5";
    let burst = cli.command(&["run", "--", "sh", "-c", burst]).output()?;
    assert_eq!((burst.stdout.len(), burst.stderr.as_slice()), (228_894, &[][..]));
    // More than a result keeps: all of it comes, because it was heard while it was said.
    let many = "i=0; while [ $i -lt 40 ]; do head -c 50000 /dev/zero | tr '\\0' x; sleep 0.25; i=$((i+1)); done";
    let much = cli.command(&["run", "--", "sh", "-c", many]).output()?;
    assert_eq!((much.stdout.len(), much.status.code()), (2_000_000, Some(0)));
    assert!(much.stderr.is_empty(), "{}", String::from_utf8_lossy(&much.stderr));
    Ok(())
}

#[test]
fn progress_is_told_while_it_runs() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let gate = dir.path().join("gate");
    let script = format!("echo mutirao:progress 0.25 um quarto >&2; {}", until(&gate));
    let id = cli.submit(&["--", "sh", "-c", &script])?;
    let told = |task: &Value| {
        (task["progress"]["fraction"].as_f64(), task["progress"]["message"] == "um quarto")
    };
    let is_told = || Ok((told(&status(&cli, &id)?) == (Some(0.25), true)).then_some(()));
    wait_for("its progress", is_told)?;
    let shown = cli.run(&["status", &id])?;
    assert!(shown.stdout.contains("25 % um quarto"), "{shown:?}");
    cluster.kill_principal()?;
    wait_for("its progress from the new principal", is_told)?;
    std::fs::write(&gate, "")?;
    assert_eq!(cli.run(&["result", &id, "--wait"])?.code, Some(exit::OK.into()));
    assert_eq!(status(&cli, &id)?["progress"], Value::Null);
    Ok(())
}

#[test]
fn what_an_attempt_said_outlives_its_worker() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let id = cli.submit(&["--", "sh", "-c", "echo attempt $MUTIRAO_ATTEMPT; sleep 1000"])?;
    let logs = |of: &str| {
        wait_for(of, || Ok(Some(cli.run(&["logs", &id])?).filter(|logs| logs.stdout.contains(of))))
    };
    logs("attempt 1\n")?;
    let mut worker = cluster.workers[0].take().expect("it was started");
    worker.signal(Signal::KILL)?;
    worker.wait(SOON)?;
    wait_for("its worker to be lost", || {
        Ok((status(&cli, &id)?["state"] == "QUEUED").then_some(()))
    })?;
    assert_eq!(logs("attempt 1\n")?.stdout, "attempt 1\n", "the last that is known of it");
    cluster.start_worker(0)?;
    assert_eq!(logs("attempt 2\n")?.stdout, "attempt 2\n");
    let json = cli.json(&["logs", &id])?.remove(0);
    let piece = (&json["attempt"], &json["stream"], &json["offset"], &json["text"]);
    assert_eq!(piece, (&2.into(), &"stdout".into(), &0.into(), &"attempt 2\n".into()));
    assert_eq!(cli.run(&["cancel", &id])?.code, Some(exit::OK.into()));
    let other = cli.with_credentials("ana", "another-token").run(&["logs", &id])?;
    assert_ne!(other.code, Some(exit::OK.into()));
    Ok(())
}

#[test]
fn the_last_words_of_a_task_that_ended_with_its_worker_stay_with_it() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let once = ["--delivery", "at-most-once", "--", "sh", "-c", "echo half; sleep 1000"];
    let id = cli.submit(&once)?;
    wait_for("its first words", || {
        Ok(Some(cli.run(&["logs", &id])?).filter(|logs| logs.stdout == "half\n"))
    })?;
    let mut worker = cluster.workers[0].take().expect("it was started");
    worker.signal(Signal::KILL)?;
    worker.wait(SOON)?;
    wait_for("its end", || Ok((status(&cli, &id)?["state"] == "LOST").then_some(())))?;
    cluster.kill_principal()?;
    let logs = cli.run(&["logs", &id])?;
    assert_eq!(logs.stdout, "half\n", "{logs:?}");
    assert_eq!(status(&cli, &id)?["result"]["stdout"], "half\n");
    Ok(())
}

#[test]
fn what_a_cancelled_task_had_said_stays_with_it() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let script = "trap 'echo last; exit 0' TERM; echo half; while :; do sleep 0.1; done";
    let id = cli.submit(&["--", "sh", "-c", script])?;
    wait_for("its first words", || {
        Ok(Some(cli.run(&["logs", &id])?).filter(|logs| logs.stdout == "half\n"))
    })?;
    assert_eq!(cli.run(&["cancel", &id])?.code, Some(exit::OK.into()));
    wait_for("its last words", || {
        Ok((status(&cli, &id)?["result"]["stdout"] == "half\nlast\n").then_some(()))
    })?;
    cluster.kill_principal()?;
    let logs = cli.run(&["logs", &id])?;
    assert_eq!((logs.code, &logs.stdout[..]), (Some(exit::OK.into()), "half\nlast\n"), "{logs:?}");
    let result = cli.run(&["result", &id])?;
    assert_eq!(result.code, Some(exit::TASK_FAILED.into()), "{result:?}");
    assert_eq!(result.stdout, "half\nlast\n", "as of any that did not succeed");
    Ok(())
}
