//! A planned change of the principal loses no delivery that is under way.

use super::*;

#[test]
fn what_is_under_way_in_a_switch_over_is_told_by_the_new_principal() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let receiver = Receiver::start(HOLD)?;
    let (cli, cluster) = cluster(dir.path(), &[receiver.url("/")], &[])?;
    let hook = receiver.url("/");
    let id = cli.submit(&["--webhook", &hook, "--handler", "echo", "--payload", "x"])?;
    receiver.wait_for(|all| !all.is_empty())?;
    receiver.answer_from_now(204);
    cli.json(&["cluster", "switchover"])?;
    let all = receiver.wait_for(|all| all.iter().any(|got| got.answer == 204))?;
    let [held, told] = &all[..] else { panic!("{all:?}") };
    assert_eq!((held.answer, held.header("webhook-id")), (HOLD, &*format!("finished_{id}")));
    assert_eq!((told.header("webhook-id"), &told.body), (held.header("webhook-id"), &held.body));
    let delivered = standing(&cli, &id, |webhook| webhook["state"] == "DELIVERED")?;
    assert_eq!(delivered["tries"], 1, "what nobody answered is no failure: {delivered}");
    let backup = format!("http://localhost:{}", cluster.layout.backup_port);
    assert_eq!(cli.json(&["cluster"])?[0]["principal"], backup);
    Ok(())
}
