//! Tasks that come after others: one by one, and from a file, while the principal is killed.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::exit;
use harness::{Cli, Cluster};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(120);

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

/// A program of several dozen files, and how it is built: each is compiled by itself, and then all are linked.
fn project(dir: &Path, files: usize) -> anyhow::Result<String> {
    let mut main = "#include <stdio.h>\n".to_owned();
    let (mut sum, mut flow) = ("0".to_owned(), String::new());
    let cwd = dir.display();
    writeln!(flow, "[defaults]\nretries = 1\nqueue = \"build\"\n")?;
    let mut objects = Vec::new();
    for n in 0..files {
        writeln!(main, "int part{n}(void);")?;
        write!(sum, " + part{n}()")?;
        fs::write(
            dir.join(format!("part{n}.c")),
            format!("int part{n}(void) {{ return {n}; }}\n"),
        )?;
        writeln!(
            flow,
            "[tasks.part{n}]\ncommand = [\"gcc\", \"-O2\", \"-c\", \"part{n}.c\", \"-o\", \"part{n}.o\"]\ncwd = \"{cwd}\"\n"
        )?;
        objects.push(format!("\"part{n}\""));
    }
    writeln!(main, "int main(void) {{ printf(\"%d\\n\", {sum}); return 0; }}")?;
    fs::write(dir.join("main.c"), main)?;
    let after = objects.join(", ");
    writeln!(
        flow,
        "[tasks.link]\nshell = \"gcc -o program main.c part*.o\"\ncwd = \"{cwd}\"\nafter = [{after}]\n\n\
         [tasks.check]\nshell = \"./program\"\ncwd = \"{cwd}\"\nafter = [\"link\"]\npriority = 5"
    )?;
    Ok(flow)
}

#[test]
fn a_c_program_is_built_from_a_file_through_the_death_of_the_principal() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 2, &[])?;
    let source = dir.path().join("source");
    fs::create_dir(&source)?;
    let flow = dir.path().join("flow.toml");
    fs::write(&flow, project(&source, 40)?)?;
    let mut submit = cli.command(&["--output", "json", "submit", "--wait", "--file"]);
    submit.arg(&flow).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = submit.spawn()?;
    let objects = || -> anyhow::Result<usize> {
        let names = fs::read_dir(&source)?.flatten().map(|entry| entry.path());
        Ok(names.filter(|path| path.extension().is_some_and(|end| end == "o")).count())
    };
    let deadline = Instant::now() + SOON;
    while objects()? < 5 {
        assert!(Instant::now() < deadline, "{} objects", objects()?);
        std::thread::yield_now();
    }
    cluster.kill_principal()?;
    let done = child.wait_with_output()?;
    let told = String::from_utf8(done.stdout)?;
    assert_eq!(done.status.code(), Some(0), "{told}{}", String::from_utf8_lossy(&done.stderr));
    let tasks: Vec<Value> = told.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(tasks.len(), 42);
    let last = tasks.last().expect("there are some");
    assert_eq!((&last["name"], &last["queue"]), (&"check".into(), &"build".into()));
    assert_eq!(last["result"]["stdout"], format!("{}\n", (0..40).sum::<u32>()));
    let program = Command::new(source.join("program")).output()?;
    assert_eq!(program.stdout, b"780\n");
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
