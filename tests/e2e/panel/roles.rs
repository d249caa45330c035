//! What the panel shows to whom.

use anyhow::ensure;
use harness::Cluster;

use super::{enter, has_no_errors, panel, window};

const TOKEN: &str = "um_token_de_teste";

#[test]
fn a_viewer_sees_everything_and_has_no_buttons() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let Some(page) = window("a_viewer_sees_everything_and_has_no_buttons", dir.path())? else {
        return Ok(());
    };
    let (demo, cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    demo.run_with_input(&["users", "add", "root", "--role", "admin"], TOKEN)?;
    let root = demo.with_credentials("root", TOKEN);
    for (name, role) in [("ana", "submitter"), ("olho", "viewer")] {
        let added = root.run_with_input(&["users", "add", name, "--role", role], TOKEN)?;
        ensure!(added.code == Some(0), "{}", added.stderr);
    }
    let ana = demo.with_credentials("ana", TOKEN);
    let id = ana.submit(&["--", "sleep", "600"])?;
    let end = &id[id.len() - 12..];
    page.open(&format!("{}panel/#/tasks", panel(&cluster, cluster.layout.principal_port)))?;
    enter(&page, "olho", TOKEN)?;
    page.until_said("observador")?;
    page.until_said("Nenhuma tarefa nesta página.")?;
    ensure!(!page.is_there("a[href='#/submit']")?, "nothing to be submitted");
    page.fill("input[name=as]", "ana")?;
    page.click("form.as button")?;
    page.until_said(end)?;
    page.click("tbody a.id")?;
    page.until_there(".heading .is-running")?;
    page.until_there(".step.is-assigned")?;
    ensure!(!page.is_there("main button")?, "nothing to be changed");

    // The buttons are not what keeps a viewer from changing something.
    let tried = "return import('/panel/net.js').then(({ act }) => act('tasks/' + arguments[0] + '/cancel', {})) \
        .then(() => 'done', (failure) => failure.code)";
    ensure!(page.run(tried, &[&id])? == "PERMISSION_DENIED");
    ensure!(ana.json(&["status", &id])?[0]["state"] == "RUNNING");
    has_no_errors(&page)?;

    // Whoever leaves is forgotten; a user sees what is theirs.
    page.click("#leave")?;
    enter(&page, "ana", TOKEN)?;
    page.until_there("#cancel")?;
    ensure!(!page.is_there("form.as")?);
    has_no_errors(&page)
}
