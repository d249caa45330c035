//! Programs that the `command` handler runs, and what becomes of them.

use std::io::BufRead as _;
use std::time::Duration;

use harness::{Cli, Cluster, Layout};
use mutirao_tests::{runs, wait_for};
use rustix::process::Signal;

const SOON: Duration = Duration::from_secs(20);

fn guardian_of(worker: u32) -> String {
    let children = format!("/proc/{worker}/task");
    let tasks = std::fs::read_dir(children).expect("it runs").flatten();
    let children = tasks.map(|task| {
        std::fs::read_to_string(task.path().join("children")).expect("they are listed")
    });
    let children: String = children.collect();
    let is_guardian = |pid: &&str| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains("mutirao-guardian")
    };
    children.split_whitespace().find(is_guardian).expect("there is one").to_owned()
}

#[test]
fn the_programs_of_a_killed_worker_end_with_it() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut layout = Layout::new(dir.path(), 1)?;
    layout.worker_args = ["--handlers", "default,command"].map(str::to_owned).to_vec();
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    let pids = dir.path().join("pids");
    // A program that ended before must not confuse who watches over them.
    let before = cli.submit(&["--handler", "command", "--", "true"])?;
    let task = cli.finished(&before, 200)?.expect("it finishes");
    assert_eq!(task["state"].as_str(), Some("SUCCEEDED"), "{task}");
    // Of those that leave the group one cleans its environment, and one is no longer a descendant.
    let script = format!(
        "sleep 1000 & a=$!; env -i /usr/bin/setsid sleep 1000 & b=$!; (setsid sleep 1000 & echo $! > {0}.c); \
         echo $$ $a $b $(cat {0}.c) > {0}; wait",
        pids.display()
    );
    cli.submit(&["--handler", "command", "--", "sh", "-c", &script])?;
    let family = wait_for("the program to run", || {
        let text = std::fs::read_to_string(&pids).ok()?;
        let family: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        (family.len() == 4).then_some(family)
    });
    assert!(family.iter().all(|pid| runs(pid)), "{family:?}");
    let mut worker = cluster.workers[0].take().expect("it was started");
    // Who watches over them may be killed, too: with the next program there is another.
    let guardian = guardian_of(worker.id());
    let signal = |pid: &str| std::process::Command::new("kill").args(["-s", "KILL", pid]).status();
    assert!(signal(&guardian)?.success());
    wait_for("its end", || (!runs(&guardian)).then_some(()));
    assert_eq!(cli.run(&["run", "--", "true"])?.code, Some(0));
    worker.signal(Signal::KILL)?;
    worker.wait(SOON)?;
    wait_for("the program and its child to end", || {
        (!family.iter().any(|pid| runs(pid))).then_some(())
    });
    Ok(())
}

#[test]
fn a_program_runs_elsewhere_as_if_it_were_here() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut layout = Layout::new(dir.path(), 1)?;
    layout.worker_args = ["--handlers", "default,command"].map(str::to_owned).to_vec();
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    let run = cli.run(&["run", "--", "sh", "-c", "echo out; echo err >&2; exit 7"])?;
    assert_eq!((run.code, &*run.stdout, &*run.stderr), (Some(7), "out\n", "err\n"));
    let named = ["run", "--env", "A=b=c", "--env", "D=", "--", "sh", "-c", "echo $A-$D-${D+set}"];
    assert_eq!(cli.run(&named)?.stdout, "b=c--set\n");
    // What a program says reaches the terminal raw where it is asked for, and nowhere else.
    let script = r#"printf 'mutirao:progress 0.5 \033[2J\n' >&2; printf '\033[2Jx'; exit 1"#;
    let failed = cli.run(&["submit", "--wait", "--count", "4", "--", "sh", "-c", script])?;
    assert!(failed.stderr.contains(r"\u{1b}[2J"), "{failed:?}");
    assert!(!format!("{}{}", failed.stdout, failed.stderr).contains('\x1b'), "{failed:?}");
    let any: Vec<u8> = (0..=255).collect();
    let path = dir.path().join("any");
    std::fs::write(&path, &any)?;
    let named = path.display().to_string();
    let run = cli.command(&["run", "--stdin-from", &named, "--", "cat"]).output()?;
    assert!(run.stdout == any, "{run:?}");
    let run = cli.run_with_input(&["run", "--stdin-from", "-", "--", "wc", "-c"], "12345")?;
    assert_eq!((run.code, run.stdout.trim()), (Some(0), "5"), "{}", run.stderr);
    for args in [&["run", "--", "true"][..], &["map", "--", "true", ":::", "1"]] {
        assert_eq!(cli.run(&["queues", "pause", "default"])?.code, Some(0));
        let waits = cli.start(args)?;
        let mut said = std::io::BufReader::new(waits.stderr.expect("it is piped")).lines();
        let line = said.next().expect("it says why it waits")?;
        assert!(line.contains("a fila está em pausa"), "{line}");
        assert_eq!(cli.run(&["queues", "resume", "default"])?.code, Some(0));
        while said.next().transpose()?.is_some() {}
    }
    // More at once than is kept: the rest comes at the end, for which nobody waits who reads the beginning.
    let mut endless = cli.start(&["run", "--", "yes"])?;
    let mut reader = std::io::BufReader::new(endless.stdout.take().expect("it is piped"));
    let mut first = String::new();
    reader.read_line(&mut first)?;
    assert_eq!(first, "y\n");
    drop(reader);
    endless.wait()?;
    let running = cli.json(&["list", "--state", "running"])?;
    assert!(running.is_empty(), "it was cancelled: {running:?}");
    let ignored = cli.run_with_input(&["run", "--", "cat"], "12345")?;
    assert!(ignored.stderr.contains("--stdin-from -"), "nothing is lost silently: {ignored:?}");
    for limit in ["--attempt-timeout", "--deadline"] {
        let late = cli.run(&["run", limit, "1s", "--", "sleep", "1000"])?;
        assert_eq!(late.code, Some(124), "as timeout gives it: {late:?}");
    }
    let missing = cli.run(&["run", "--", "/no/such/program"])?;
    assert_eq!(missing.code, Some(127));
    assert!(missing.stderr.contains("/no/such/program"), "{}", missing.stderr);

    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let started = dir.path().join(format!("started-{code}"));
        let script = format!("echo $$ > {}; exec sleep 1000", started.display());
        let mut client = cli.start(&["run", "--", "sh", "-c", &script])?;
        let pid = wait_for("the program to run", || {
            std::fs::read_to_string(&started).ok().filter(|pid| pid.ends_with('\n'))
        });
        let of_client = rustix::process::Pid::from_child(&client);
        rustix::process::kill_process(of_client, signal)?;
        assert_eq!(client.wait()?.code(), Some(code));
        wait_for("the program to end with it", || (!runs(pid.trim())).then_some(()));
    }
    Ok(())
}

#[test]
fn what_a_program_says_when_it_is_interrupted_is_heard() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let script = "trap 'echo tidied up; exit 5' TERM; echo begun; while :; do sleep 0.05; done";
    let mut client = cli.start(&["run", "--", "sh", "-c", script])?;
    let mut said = std::io::BufReader::new(client.stdout.take().expect("it is piped")).lines();
    assert_eq!(said.next().transpose()?.as_deref(), Some("begun"));
    rustix::process::kill_process(rustix::process::Pid::from_child(&client), Signal::INT)?;
    assert_eq!(said.next().transpose()?.as_deref(), Some("tidied up"));
    assert_eq!(said.next().transpose()?, None);
    assert_eq!(client.wait()?.code(), Some(130));
    Ok(())
}

#[test]
fn shells_get_their_completions() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let cli = Cli::new(&Layout::new(dir.path(), 0)?);
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = cli.run(&["completions", shell])?;
        assert_eq!(script.code, Some(0), "{}", script.stderr);
        assert!(script.stdout.contains("allow-unknown-handler"), "{shell}");
    }
    Ok(())
}

#[test]
fn a_worker_runs_the_programs_that_its_operator_allows_and_no_others() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut layout = Layout::new(dir.path(), 1)?;
    let args = ["--handlers", "command", "--allow-programs", "echo", "--allow-variables", "SEED"];
    layout.worker_args = args.map(str::to_owned).to_vec();
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    let allowed = cli.run(&["run", "--env", "SEED=7", "--", "echo", "sim"])?;
    assert_eq!((allowed.code, allowed.stdout.as_str()), (Some(0), "sim\n"), "{allowed:?}");
    let limited = cli.run(&["run", "--memory-limit", "64MiB", "--", "echo", "sim"])?;
    assert_eq!((limited.code, limited.stdout.as_str()), (Some(0), "sim\n"), "{limited:?}");
    let path = dir.path().join("echo");
    std::fs::copy("/bin/sh", &path)?;
    let path = format!("PATH={}", dir.path().display());
    let refused: [&[&str]; 3] = [
        &["run", "--", "sh", "-c", "echo não"],
        &["run", "--env", &path, "--", "echo", "-c", "id"],
        &["run", "--env", "LD_PRELOAD=/tmp/x.so", "--", "echo", "não"],
    ];
    for command in refused {
        let run = cli.run(command)?;
        assert!(run.stderr.contains("PROGRAM_NOT_ALLOWED"), "{run:?}");
        assert!(run.code != Some(0) && run.stdout.is_empty(), "{run:?}");
    }
    Ok(())
}
