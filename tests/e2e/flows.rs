//! Tasks that come after others: one by one, and from a file. A whole build is in `real_jobs.rs`.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};

use common::exit;
use harness::cli::Run;
use harness::{Cli, Cluster};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Whatever the outcome.
fn ended(cli: &Cli, id: &str) -> anyhow::Result<Value> {
    let ended = cli.run(&["--output", "json", "result", id, "--wait"])?;
    Ok(serde_json::from_str(&ended.stdout)?)
}

#[test]
fn a_task_comes_after_others_through_a_failover_and_fails_with_them() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let go = dir.path().join("go");
    let script = format!("until [ -e {} ]; do sleep 0.05; done; exit $0", go.display());
    let submit = |code: &str| cli.submit(&["--", "sh", "-c", &script, code]);
    let (good, bad) = (submit("0")?, submit("1")?);
    let both = format!("{good},{bad}");
    let after_good = cli.submit(&["--after", &good, "--", "echo", "after good"])?;
    let after_both = cli.submit(&["--after", &both, "--", "true"])?;
    let chained = cli.submit(&["--after", &after_both, "--", "true"])?;
    let any_end = cli.submit(&["--after", &chained, "--after-any-end", "--", "echo", "any end"])?;
    let waits = cli.json(&["status", &after_both])?.remove(0);
    assert_eq!(
        (&waits["pending_reason"], &waits["waits_for"]),
        (&"DEPENDENCIES".into(), &2.into())
    );
    cluster.kill_principal()?;
    assert_eq!(cli.json(&["status", &after_both])?.remove(0)["waits_for"], 2);
    fs::write(&go, "")?;
    assert_eq!(ended(&cli, &after_good)?["result"]["stdout"], "after good\n");
    for (id, because) in [(&after_both, &bad), (&chained, &after_both)] {
        let ended = ended(&cli, id)?;
        assert_eq!((&ended["state"], &ended["attempt"]), (&"FAILED".into(), &0.into()), "{ended}");
        assert_eq!(ended["error"]["code"], "DEPENDENCY_FAILED", "{ended}");
        let explained = cli.json(&["status", id, "--explain"])?.remove(0);
        let last = explained["steps"].as_array().and_then(|steps| steps.last()).cloned();
        assert_eq!(last.expect("there are some")["cause"], because.as_str(), "{explained}");
    }
    assert_eq!(ended(&cli, &any_end)?["result"]["stdout"], "any end\n");
    Ok(())
}

#[test]
fn a_reduction_comes_after_a_whole_array() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let parts = dir.path().join("parts");
    fs::create_dir(&parts)?;
    let map = format!("echo $MUTIRAO_ARRAY_INDEX > {}/$MUTIRAO_ARRAY_INDEX", parts.display());
    let array = cli.json(&["submit", "--array", "1-50", "--", "sh", "-c", &map])?.remove(0);
    let array = array["array_id"].as_str().unwrap_or_default().to_owned();
    let reduce = format!("cat {}/* | sort -n | tr '\\n' ' '", parts.display());
    let sum = cli.submit(&["--after", &array, "--", "sh", "-c", &reduce])?;
    let all: String = (1..=50).map(|n| format!("{n} ")).collect();
    assert_eq!(ended(&cli, &sum)?["result"]["stdout"], all);
    let unknown =
        cli.run(&["submit", "--after", "0190b4a0-0000-7000-8000-000000000001", "--", "true"])?;
    assert_eq!(unknown.code, Some(i32::from(exit::NOT_FOUND)), "{unknown:?}");
    Ok(())
}

#[test]
fn a_build_that_fails_shows_what_the_compiler_says_where_the_user_is() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let source = dir.path().join("source");
    fs::create_dir(&source)?;
    fs::write(source.join("wrong.c"), "int main(void) { return zero; }\n")?;
    fs::write(source.join("right.c"), "int one(void) { return 1; }\n")?;
    let flow = source.join("flow.toml");
    let compile = "command = [\"gcc\", \"-c\"";
    let text = format!(
        "[defaults]\ncwd = \".\"\n[tasks.right]\n{compile}, \"right.c\"]\n[tasks.wrong]\n{compile}, \"wrong.c\"]\n\
         [tasks.link]\nshell = \"gcc *.o\"\nafter = [\"right\", \"wrong\"]"
    );
    fs::write(&flow, text)?;
    // The worker's folder is another one.
    let here = |args: &[&str]| cli.command(args).current_dir(&source).output().map(Run::from);
    let failed = here(&["submit", "--wait", "--file", "flow.toml"])?;
    assert_eq!(failed.code, Some(i32::from(exit::TASK_FAILED)), "{failed:?}");
    assert!(failed.stderr.contains("    1 | int main(void) { return zero; }"), "{failed:?}");
    let lines: Vec<_> = failed.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "a line for each: {failed:?}");
    assert!(source.join("right.o").exists(), "what did not depend on it is done");
    assert!(!failed.stdout.contains("{\"exit_code"), "{failed:?}");

    fs::write(source.join("wrong.c"), "int main(void) { return 0; }\n")?;
    let mended = here(&["submit", "--wait", "--file", "flow.toml"])?;
    assert_eq!(mended.code, Some(0), "{mended:?}");
    assert!(source.join("a.out").exists());
    let missing = here(&["run", "--cwd", "nowhere", "--", "true"])?;
    let nowhere = source.join("nowhere").display().to_string();
    assert!(missing.stderr.contains(&nowhere), "the folder is told: {missing:?}");
    Ok(())
}

#[test]
fn a_wait_that_ends_early_says_what_goes_on() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let go = dir.path().join("go");
    let flow = dir.path().join("flow.toml");
    let text = format!(
        "[tasks.early]\nshell = \"true\"\n\
         [tasks.late]\nshell = \"until [ -e {} ]; do sleep 0.05; done\"\nafter = [\"early\"]\n\
         [tasks.last]\nshell = \"echo done\"\nafter = [\"late\"]",
        go.display()
    );
    fs::write(&flow, text)?;
    let flow = flow.display().to_string();

    let mut waiting = cli.start(&["submit", "--wait", "--file", &flow])?;
    let mut first = String::new();
    let mut stdout = BufReader::new(waiting.stdout.take().expect("is piped"));
    stdout.read_line(&mut first)?;
    assert!(first.starts_with("early\t"), "{first}");
    kill_process(Pid::from_child(&waiting), Signal::INT)?;
    let interrupted = Run::from(waiting.wait_with_output()?);
    assert_eq!(interrupted.code, Some(i32::from(exit::INTERRUPTED)), "{interrupted:?}");
    assert!(interrupted.stderr.contains("continua"), "{interrupted:?}");
    let mut left = String::new();
    stdout.read_to_string(&mut left)?;
    let names: Vec<_> = left.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(names, ["late", "last"], "what goes on: {left}");
    let sleeping = ["submit", "--count", "2", "--wait", "--", "sleep", "600"];
    let waiting = cli.start(&sleeping)?;
    let is_there = |tasks: &[serde_json::Value]| tasks.len() == 5;
    cli.until(&["list", "--all"], 600, is_there)?.expect("both are accepted");
    kill_process(Pid::from_child(&waiting), Signal::TERM)?;
    let ended_early = Run::from(waiting.wait_with_output()?);
    assert_eq!(ended_early.code, Some(143), "{ended_early:?}");
    assert_eq!(ended_early.stdout.lines().count(), 2, "their ids: {ended_early:?}");
    for id in ended_early.stdout.lines() {
        assert_eq!(cli.run(&["cancel", id])?.code, Some(0));
    }

    let timed = cli.run(&["submit", "--wait", "--wait-timeout", "1s", "--file", &flow])?;
    assert_eq!(timed.code, Some(i32::from(exit::TIMEOUT)), "{timed:?}");
    let open: Vec<_> = timed.stdout.lines().filter_map(|line| line.split_once('\t')).collect();
    let [.., ("late", _), ("last", last)] = open[..] else { panic!("not both: {timed:?}") };
    fs::write(&go, "")?;
    assert_eq!(ended(&cli, last)?["result"]["stdout"], "done\n");
    Ok(())
}

#[test]
fn a_file_with_a_mistake_submits_nothing() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let file = dir.path().join("flow.toml").display().to_string();
    let mistakes = [
        (
            "[tasks.a]\nshell = \"x\"\nafter = [\"b\"]\n[tasks.b]\nshell = \"x\"\nafter = [\"a\"]",
            "a → b → a",
        ),
        ("[tasks.a]\nshell = \"x\"\nafter = [\"c\"]", "c"),
        ("[tasks.a]\nshell = \"x\"\ndeadline = \"amanhã\"", "amanhã"),
        ("[tasks.a\n", "line 1"),
    ];
    for (text, word) in mistakes {
        fs::write(&file, format!("[tasks.first]\nshell = \"true\"\n{text}"))?;
        let refused = cli.run(&["submit", "--file", &file])?;
        assert_eq!(refused.code, Some(i32::from(exit::USAGE)), "{refused:?}");
        assert!(refused.stderr.contains(word) || word == "line 1", "{refused:?}");
    }
    fs::write(&file, "[tasks.a]\nshell = \"x\"\n[tasks.b]\nshell = \"x\"\nretries = 5000")?;
    let refused = cli.run(&["submit", "--file", &file])?;
    assert_eq!(refused.code, Some(i32::from(exit::REFUSED)), "{refused:?}");
    assert!(refused.stderr.contains("b.retry.max_attempts"), "it names the task: {refused:?}");
    assert_eq!(cli.json(&["list"])?, Vec::<Value>::new());
    fs::write(
        &file,
        "[tasks.um]\nshell = \"echo olá\"\n[tasks.dois]\nshell = \"echo $X\"\nenv = { X = \"oi\" }\nafter = [\"um\"]",
    )?;
    let done = cli.run(&["submit", "--wait", "--file", &file])?;
    assert_eq!(done.code, Some(0), "{done:?}");
    let flags = ["submit", "--queue", "fila", "--priority", "3", "--file", &file];
    let accepted = cli.json(&flags)?.remove(0);
    let id = accepted["task_id"].as_str().unwrap_or_default();
    let status = cli.json(&["status", id])?.remove(0);
    assert_eq!((&status["queue"], &status["priority"]), (&"fila".into(), &3.into()), "{status}");
    let lines: Vec<_> = done.stdout.lines().map(|line| line.split('\t').next()).collect();
    assert_eq!(lines, [Some("um"), Some("dois")], "{done:?}");
    Ok(())
}

#[test]
fn what_one_part_leaves_another_does_not_take_along_and_no_file_is_read_without_end()
-> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 0, &[])?;
    let file = dir.path().join("flow.toml");
    let text = r#"
        tasks.a = { shell = "echo > a.txt", outputs = ["a.txt"] }
        tasks.b = { shell = "cat a.txt", inputs = ["a.txt"], after = ["a"] }
    "#;
    fs::write(&file, text)?;
    let refused = cli.run(&["submit", "--file", &file.display().to_string()])?;
    assert_eq!(refused.code, Some(i32::from(exit::USAGE)));
    assert!(refused.stderr.contains("a.txt: é a tarefa a que o faz"), "{}", refused.stderr);
    let endless = cli.run(&["submit", "--file", "/dev/zero"])?;
    assert_eq!(endless.code, Some(i32::from(exit::USAGE)));
    assert!(endless.stderr.contains("mais de 16 MiB"), "{}", endless.stderr);
    Ok(())
}

#[test]
fn a_part_of_a_file_may_begin_later() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let file = dir.path().join("flow.toml");
    let text = r#"
        tasks.now = { shell = "true" }
        tasks.later = { shell = "true", delay = "1h" }
        tasks.then = { shell = "true", not_before = "2100-01-01T00:00:00Z" }
        tasks.last = { shell = "true", after = ["later"] }
    "#;
    fs::write(&file, text)?;
    let named = file.display().to_string();
    let parts = cli.json(&["submit", "--file", &named])?;
    let part = |name: &str| -> anyhow::Result<Value> {
        let part = parts.iter().find(|part| part["name"] == name).expect("it is one of them");
        let id = part["task_id"].as_str().expect("a task");
        Ok(cli.json(&["status", id])?.remove(0))
    };
    for (name, reason) in
        [("later", "NOT_BEFORE"), ("then", "NOT_BEFORE"), ("last", "DEPENDENCIES")]
    {
        assert_eq!(part(name)?["pending_reason"], reason, "{name}");
    }
    assert!(part("then")?["not_before"].as_str().is_some_and(|at| at.starts_with("2100-01-01")));
    Ok(())
}

#[test]
fn a_file_that_is_submitted_once_more_under_its_id_is_done_once() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let (flow, runs) = (dir.path().join("flow.toml"), dir.path().join("runs"));
    let text = format!(
        "[tasks.each]\narray = \"1-3\"\nshell = \"echo x >> {0}\"\n\
         [tasks.sum]\nshell = \"echo y >> {0}\"\nafter = [\"each\"]",
        runs.display()
    );
    fs::write(&flow, text)?;
    let id = cliente::new_task_id();
    let flow = flow.display().to_string();
    let submit = ["submit", "--id", &id, "--file", &flow];
    let first = cli.json(&submit)?;
    cluster.kill_principal()?;
    let again = cli.json(&submit)?;
    let ids = |all: &[serde_json::Value]| {
        let id = |one: &serde_json::Value| (one["task_id"].clone(), one["array_id"].clone());
        all.iter().map(id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&first), ids(&again));
    let waited = cli.run(&[&submit[..], &["--wait"]].concat())?;
    assert_eq!(waited.code, Some(exit::OK.into()), "{waited:?}");
    assert!(waited.stderr.contains("nada foi duplicado"), "{waited:?}");
    assert_eq!(fs::read_to_string(&runs)?.lines().count(), 4);
    let other = cli.run(&["submit", "--id", &cliente::new_task_id(), "--file", &flow, "--wait"])?;
    assert_eq!(other.code, Some(exit::OK.into()), "another id is another submission: {other:?}");
    assert_eq!(fs::read_to_string(&runs)?.lines().count(), 8);
    Ok(())
}
