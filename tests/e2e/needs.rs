//! What tasks need of their workers: labels, slots and resources, while the principal is killed.

use std::path::Path;
use std::time::{Duration, Instant};

use common::exit;
use harness::Cluster;
use serde_json::json;

const SOON: Duration = Duration::from_secs(60);

/// Fails where another one of the same kind runs at the same time.
fn alone(dir: &Path, name: &str) -> String {
    let lock = dir.join(name);
    format!("mkdir {0} || exit 9; sleep 0.05; rmdir {0}", lock.display())
}

/// What it offers.
const WORKER: [&str; 6] =
    ["--slots", "3", "--labels", "zone=a,disk=ssd", "--resources", "gpus=2,memory=64"];

#[test]
fn what_tasks_need_is_theirs_alone_through_a_failover() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &WORKER)?;
    let submit = |needs: &[&str], name: &str| -> anyhow::Result<String> {
        let program = ["--", "sh", "-c", &alone(dir.path(), name)];
        let args = [&["submit", "--array", "1-15"], needs, &program[..]].concat();
        let accepted = cli.json(&args)?.remove(0);
        Ok(accepted["array_id"].as_str().unwrap_or_default().to_owned())
    };
    let arrays = [
        submit(&["--resource", "gpus=2", "--label", "zone=a"], "gpus")?,
        submit(&["--slots", "2"], "slots")?,
        submit(&["--resource", "memory=40", "--label", "disk=ssd"], "memory")?,
    ];
    let counted = |id: &str, state: &str| -> anyhow::Result<u64> {
        Ok(cli.json(&["status", id])?.remove(0)["tasks"][state].as_u64().unwrap_or_default())
    };
    let until = |least: u64| -> anyhow::Result<()> {
        let deadline = Instant::now() + SOON;
        for id in &arrays {
            while counted(id, "SUCCEEDED")? < least {
                assert_eq!(counted(id, "FAILED")?, 0, "two ran at a time");
                assert!(Instant::now() < deadline, "they do not go on");
            }
        }
        Ok(())
    };
    until(2)?;
    cluster.kill_principal()?;
    until(15)?;
    let worker = cli.json(&["workers"])?.remove(0);
    let has = |name: &str| worker["resources"][name].as_u64();
    assert_eq!((has("gpus"), has("memory")), (Some(2), Some(64)), "{worker}");
    assert!(has("cpus") > Some(0), "what the machine has need not be said: {worker}");
    assert_eq!((&worker["resources_used"], &worker["busy"]), (&json!({}), &json!(0)), "{worker}");
    Ok(())
}

#[test]
fn what_nobody_has_is_refused_and_explained() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &WORKER)?;
    for (needs, word) in [
        (["--slots", "4"], "4 slots"),
        (["--label", "zone=b"], "zone=b"),
        (["--resource", "gpus=3"], "3 gpus"),
    ] {
        let refused = cli.run(&[&["submit"], &needs[..], &["--", "true"]].concat())?;
        assert_eq!(refused.code, Some(i32::from(exit::REFUSED)), "{refused:?}");
        assert!(refused.stderr.contains(word), "{refused:?}");
    }
    let bad = cli.run(&["submit", "--resource", "gpus=0", "--", "true"])?;
    assert_eq!(bad.code, Some(i32::from(exit::USAGE)), "{bad:?}");
    let waits = cli.submit(&["--allow-unknown-handler", "--slots", "4", "--", "true"])?;
    let waits = cli.json(&["status", &waits])?.remove(0);
    assert_eq!(waits["pending_reason"], "NO_WORKER_FOR_NEEDS", "{waits}");
    Ok(())
}
