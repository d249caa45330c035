//! Programs that the `command` handler runs, and what becomes of them.

use std::path::Path;
use std::time::{Duration, Instant};

use harness::{Cli, Cluster, Layout};
use rustix::process::Signal;

const SOON: Duration = Duration::from_secs(20);

/// Looks until it is there.
fn wait_for<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Not even a zombie counts: the program is gone.
fn runs(pid: &str) -> bool {
    std::fs::read_to_string(Path::new("/proc").join(pid).join("stat"))
        .is_ok_and(|stat| !stat.contains(") Z "))
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
    let script = format!("sleep 1000 & echo $$ $! > {}; wait", pids.display());
    cli.submit(&["--handler", "command", "--", "sh", "-c", &script])?;
    let family = wait_for("the program to run", || {
        let text = std::fs::read_to_string(&pids).ok()?;
        let family: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        (family.len() == 2).then_some(family)
    });
    assert!(family.iter().all(|pid| runs(pid)), "{family:?}");
    let mut worker = cluster.workers[0].take().expect("it was started");
    worker.signal(Signal::KILL)?;
    worker.wait(SOON)?;
    wait_for("the program and its child to end", || {
        (!family.iter().any(|pid| runs(pid))).then_some(())
    });
    Ok(())
}
