//! G7: what is accepted has bounds, in bytes too, and long payloads and results do not stay in memory.

use std::fs;
use std::path::Path;

use common::exit;
use harness::process::Process;
use harness::{Cli, Cluster, Layout};

/// Each payload and result.
const BYTES: usize = 1 << 20;
const COUNT: usize = 512;

fn pair(args: &[&str]) -> anyhow::Result<(tempfile::TempDir, Cluster, Cli)> {
    let dir = tempfile::tempdir()?;
    let mut layout = Layout::new(dir.path(), 1)?;
    layout.orchestrator_args.extend(args.iter().map(|arg| (*arg).to_owned()));
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start_principal()?;
    cluster.start_backup()?;
    cluster.wait_in_sync()?;
    Ok((dir, cluster, cli))
}

fn file(dir: &Path, bytes: usize) -> anyhow::Result<String> {
    let path = dir.join("payload");
    fs::write(&path, vec![b'x'; bytes])?;
    Ok(format!("@{}", path.display()))
}

#[test]
fn beyond_the_limit_in_bytes_clients_wait_until_there_is_room() -> anyhow::Result<()> {
    let (dir, mut cluster, cli) = pair(&["--max-active-bytes", "100KiB"])?;
    let payload = file(dir.path(), 60 << 10)?;
    let submit = ["submit", "--handler", "echo", "--allow-unknown-handler", "--payload", &payload];
    let first = cli.run(&submit)?;
    assert_eq!(first.code, Some(0), "{first:?}");

    let refused = cli.run(&[&["--timeout", "2s"][..], &submit].concat())?;
    assert_eq!(refused.code, Some(i32::from(exit::REFUSED)), "{refused:?}");
    assert!(refused.stderr.contains("102400 bytes"), "it names the limit: {refused:?}");
    let empty = cli.run(&["submit", "--handler", "echo", "--allow-unknown-handler"])?;
    assert_eq!(empty.code, Some(0), "what fits is accepted: {empty:?}");

    // Another one waits for room, which the first worker makes.
    let second = std::thread::scope(|scope| {
        let waits = scope.spawn(|| cli.run(&[&["--timeout", "60s"][..], &submit].concat()));
        cluster.start_worker(0)?;
        waits.join().expect("no panic")
    })?;
    assert_eq!(second.code, Some(0), "{second:?}");
    Ok(())
}

#[test]
fn long_payloads_and_results_do_not_stay_in_memory() -> anyhow::Result<()> {
    let (dir, mut cluster, cli) = pair(&[])?;
    let payload = file(dir.path(), BYTES)?;
    let before = anonymous(&cluster)?;
    let submit = ["submit", "--handler", "echo", "--allow-unknown-handler", "--payload", &payload];
    let count = COUNT.to_string();
    let queued = cli.run(&[&submit[..], &["--count", &count]].concat())?;
    assert_eq!(queued.code, Some(0), "{queued:?}");
    let held = anonymous(&cluster)?;
    let most = (COUNT * BYTES / 2) as u64;
    for (before, held) in before.iter().zip(&held) {
        assert!(held.saturating_sub(*before) < most, "queued: {before} to {held} bytes");
    }

    cluster.start_worker(0)?;
    let last = cli.run(&[&submit[..], &["--wait"]].concat())?;
    assert_eq!(last.code, Some(0), "{last:?}");
    let held = anonymous(&cluster)?;
    for (before, held) in before.iter().zip(&held) {
        assert!(held.saturating_sub(*before) < most, "finished: {before} to {held} bytes");
    }
    Ok(())
}

/// Bytes of memory that the kernel can only take by swapping, of both orchestrators.
fn anonymous(cluster: &Cluster) -> anyhow::Result<Vec<u64>> {
    let of = |process: &Process| -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        Ok(kib.unwrap_or_default().parse::<u64>()? << 10)
    };
    [&cluster.principal, &cluster.backup].into_iter().flatten().map(of).collect()
}
