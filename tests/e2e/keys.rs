//! Keys: what is submitted twice is done once, whoever is principal by then.

use common::exit;
use harness::Cluster;

#[test]
fn a_key_keeps_a_task_from_being_done_twice_through_the_death_of_the_principal()
-> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    let ran = dir.path().join("ran");
    let pay = |flags: &[&str], amount: &str| {
        let script = format!("echo x >> {}; echo paid {amount}", ran.display());
        let program = ["--wait", "--", "sh", "-c", &script];
        cli.run(&[&["--output", "json", "submit", "--key", "4711"], flags, &program].concat())
    };
    let window = ["--key-window", "1h"];
    let first = pay(&window, "7")?;
    assert_eq!(first.code, Some(exit::OK.into()), "{first:?}");
    cluster.kill_principal()?;
    let again = pay(&window, "7")?;
    assert_eq!(again.code, Some(exit::OK.into()), "{again:?}");
    let task = |said: &str| serde_json::from_str::<serde_json::Value>(said);
    let (first, again) = (task(&first.stdout)?, task(&again.stdout)?);
    assert_eq!(first["task_id"], again["task_id"]);
    assert_eq!((&first["existed"], &again["existed"]), (&false.into(), &true.into()));
    assert_eq!(again["result"]["stdout"], "paid 7\n");
    assert_eq!(std::fs::read_to_string(&ran)?.lines().count(), 1);

    let other = pay(&window, "8")?;
    assert_eq!(other.code, Some(exit::REFUSED.into()), "{other:?}");
    assert!(other.stderr.contains("KEY_CONFLICT"), "{other:?}");
    Ok(())
}

#[test]
fn what_is_unique_is_skipped_while_it_runs_and_done_anew_afterwards() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    let gate = dir.path().join("gate");
    let script = format!("until test -e {}; do sleep 0.05; done", gate.display());
    let sync = ["--key", "sync", "--", "sh", "-c", &script];
    let id = cli.submit(&sync)?;
    assert_eq!(cli.submit(&sync)?, id, "while it is active");
    std::fs::write(&gate, "")?;
    let done = cli.run(&["result", &id, "--wait"])?;
    assert_eq!(done.code, Some(exit::OK.into()), "{done:?}");
    assert_ne!(cli.submit(&sync)?, id);
    for wrong in [&["--key", "a b"][..], &["--key", "a", "--count", "2"], &["--key-window", "1h"]] {
        let refused = cli.run(&[&["submit"], wrong, &["--", "true"]].concat())?;
        assert!(
            [exit::USAGE, exit::REFUSED].map(i32::from).map(Some).contains(&refused.code),
            "{refused:?}"
        );
    }
    Ok(())
}
