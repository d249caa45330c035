//! What is not delivered is seen, and tried again when somebody wants it.

use super::*;

const TOKEN: &str = "um-token-de-todos";

/// An administrator, and two others.
fn people(cli: &Cli) -> anyhow::Result<[Cli; 3]> {
    let [root, ana, bia] = ["root", "ana", "bia"].map(|name| cli.with_credentials(name, TOKEN));
    for (asks, args) in [
        (cli, &["users", "add", "root", "--admin"][..]),
        (&root, &["users", "add", "ana"]),
        (&root, &["users", "add", "bia"]),
    ] {
        let added = asks.run_with_input(args, TOKEN)?;
        assert_eq!(added.code, Some(0), "{added:?}");
    }
    Ok([root, ana, bia])
}

#[test]
fn what_was_given_up_is_kept_through_a_failover_and_tried_again() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let receiver = Receiver::start(410)?;
    let (cli, mut cluster) = cluster(dir.path(), &[receiver.url("/")], &[])?;
    let [root, ana, bia] = people(&cli)?;
    let hook = receiver.url("/secret");
    let id = ana.submit(&["--webhook", &hook, "--handler", "echo", "--payload", "x"])?;
    standing(&ana, &id, |webhook| webhook["state"] == "GIVEN_UP")?;
    cluster.kill_principal()?;
    let list = ["webhooks", "list", "--given-up"];
    let listed = ana.json(&list)?;
    let [given_up] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!(
        (&given_up["task_id"], &given_up["state"]),
        (&id.as_str().into(), &"GIVEN_UP".into())
    );
    assert_eq!((&given_up["tries"], &given_up["owner"]), (&1.into(), &"ana".into()));
    assert_eq!(given_up["target"], receiver.url(""));
    assert!(given_up["error"].as_str().is_some_and(|error| error.contains("410")), "{given_up}");
    assert_eq!(root.json(&list)?, listed, "administrators see all");
    assert_eq!(bia.json(&list)?, Vec::<Value>::new());
    let shown = ana.run(&["webhooks"])?.stdout;
    assert!(shown.contains("abandonado") && !shown.contains("/secret"), "{shown}");

    receiver.answer_from_now(204);
    let refused = bia.run(&["webhooks", "retry", &id])?;
    assert_eq!(refused.code, Some(common::exit::NOT_FOUND.into()), "{refused:?}");
    assert!(refused.stderr.contains("cliente webhooks list"), "{refused:?}");
    ana.ok(&["webhooks", "retry", &id])?;
    let delivered = standing(&ana, &id, |webhook| webhook["state"] == "DELIVERED")?;
    assert_eq!(delivered["tries"], 1, "counted from the beginning: {delivered}");
    assert_eq!(root.json(&["webhooks"])?, Vec::<Value>::new());
    Ok(())
}

#[test]
fn what_waits_for_its_next_attempt_is_tried_at_once_if_somebody_wants_it() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let receiver = Receiver::start(503)?;
    let hours = ["--webhook-retry-ms", "36000000"];
    let (cli, _cluster) = cluster(dir.path(), &[receiver.url("/")], &hours)?;
    let hook = receiver.url("/");
    let id = cli.submit(&["--webhook", &hook, "--handler", "echo", "--payload", "x"])?;
    standing(&cli, &id, |webhook| webhook["tries"] == 1)?;
    let listed = cli.json(&["webhooks"])?;
    assert_eq!((&listed[0]["state"], &listed[0]["tries"]), (&"OWED".into(), &1.into()));
    receiver.answer_from_now(204);
    assert_eq!(cli.json(&["webhooks", "retry", "--all"])?[0]["retried"], 1);
    let delivered = standing(&cli, &id, |webhook| webhook["state"] == "DELIVERED")?;
    assert_eq!(delivered["tries"], 2, "{delivered}");
    Ok(())
}
