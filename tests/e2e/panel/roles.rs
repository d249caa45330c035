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
    page.choose("select[name=users]", "one")?;
    page.fill("input[name=as]", "ana")?;
    page.click("form.as button")?;
    page.until_said(end)?;
    page.click("tbody a.id")?;
    page.until_there(".heading .is-running")?;
    page.until_there(".step.is-assigned")?;
    ensure!(!page.is_there("main button")?, "nothing to be changed");

    // The buttons are not what keeps a viewer from changing something.
    let tried = "return import('/panel/net.js').then(({ act }) => act('tasks/' + arguments[0] + '/cancel', {}, 'ana')) \
        .then(() => 'done', (failure) => failure.code)";
    ensure!(page.run(tried, &[&id])? == "PERMISSION_DENIED");
    ensure!(ana.json(&["status", &id])?[0]["state"] == "RUNNING");
    has_no_errors(&page)?;

    page.run("window.at = window.location.hash; window.location.hash = '#/submit'", &[])?;
    page.until_there("#nodes .is-standby")?;
    ensure!(!page.is_there("form.form")?, "there is nothing to fill in");
    has_no_errors(&page)?;
    page.run("window.location.hash = window.at", &[])?;
    page.until_there(".heading .is-running")?;

    // Whoever leaves is forgotten; a user sees what is theirs.
    page.click("#leave")?;
    enter(&page, "ana", TOKEN)?;
    page.until_there("#cancel")?;
    ensure!(!page.is_there("form.as")?);
    has_no_errors(&page)
}

#[test]
fn whoever_may_sees_the_tasks_of_all_users_and_acts_on_each() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let Some(page) =
        window("whoever_may_sees_the_tasks_of_all_users_and_acts_on_each", dir.path())?
    else {
        return Ok(());
    };
    let (demo, cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "4"])?;
    demo.run_with_input(&["users", "add", "root", "--role", "admin"], TOKEN)?;
    let root = demo.with_credentials("root", TOKEN);
    for name in ["ana", "bia"] {
        let added = root.run_with_input(&["users", "add", name], TOKEN)?;
        ensure!(added.code == Some(0), "{}", added.stderr);
    }
    let (ana, bia) = (demo.with_credentials("ana", TOKEN), demo.with_credentials("bia", TOKEN));
    let running = ana.submit(&["--", "sh", "-c", "echo de ana; sleep 600"])?;
    let failed = bia.submit(&["--", "false"])?;
    bia.run(&["wait", &failed])?;
    page.open(&format!("{}panel/#/tasks", panel(&cluster, cluster.layout.principal_port)))?;
    enter(&page, "root", TOKEN)?;
    page.until_said("Nenhuma tarefa nesta página.")?;
    page.choose("select[name=users]", "all")?;
    page.until("both, with their owners", |page| {
        let owners = page.run(
            "return [...document.querySelectorAll('td.owner')].map((cell) => cell.textContent).join()",
            &[],
        )?;
        Ok(owners == "bia,ana")
    })?;
    // What stands in the address is all that is needed: another filter keeps it.
    page.choose("select[name=state]", "RUNNING")?;
    page.until("one of them", |page| {
        Ok(page.run("return document.querySelectorAll('td.owner').length", &[])? == 1)
    })?;
    page.click("tbody a.id")?;
    page.until_said("de ana\n")?;
    page.click("#cancel")?;
    page.until_there(".heading .is-cancelled")?;
    ensure!(ana.json(&["status", &running])?[0]["state"] == "CANCELLED");
    page.run("window.location.hash = '#/tasks?users=all&state=FAILED'", &[])?;
    page.click("tbody a.id")?;
    page.click("#retry")?;
    page.until_said(&failed)?;
    page.until("the repetition is hers, too", |_| Ok(bia.json(&["list"])?.len() == 2))?;

    // An id that is looked for there is anybody's.
    page.run("window.location.hash = '#/tasks?users=all'", &[])?;
    page.until_there("td.owner")?;
    page.fill("input[name=search]", &failed)?;
    page.click("form.search button[type=submit]")?;
    page.until_said("NON_ZERO_EXIT")?;
    page.until_there(".heading .is-failed")?;

    // A search names users, too; one who may see nobody's is refused.
    page.run("window.location.hash = '#/tasks'", &[])?;
    page.until_said("Nenhuma tarefa nesta página.")?;
    page.fill("input[name=search]", "user:bia state:failed")?;
    page.click("form.search button[type=submit]")?;
    page.until_said(&failed[failed.len() - 12..])?;
    page.click("#leave")?;
    page.run("window.location.hash = '#/tasks?users=all'", &[])?;
    enter(&page, "bia", TOKEN)?;
    page.until_said("Seu papel não permite isso.")?;
    ensure!(!page.is_there("form.as")?);
    has_no_errors(&page)
}

#[test]
fn who_was_principal_is_shown_to_everybody_and_the_machines_to_administrators() -> anyhow::Result<()>
{
    let dir = tempfile::tempdir()?;
    let Some(page) = window(
        "who_was_principal_is_shown_to_everybody_and_the_machines_to_administrators",
        dir.path(),
    )?
    else {
        return Ok(());
    };
    let (demo, cluster) = Cluster::with_programs(dir.path(), 3, &[])?;
    demo.run_with_input(&["users", "add", "root", "--role", "admin"], TOKEN)?;
    let root = demo.with_credentials("root", TOKEN);
    for (name, role) in [("ana", "submitter"), ("olho", "viewer")] {
        root.run_with_input(&["users", "add", name, "--role", role], TOKEN)?;
    }
    page.open(&format!("{}panel/#/history", panel(&cluster, cluster.layout.principal_port)))?;
    if cluster.layout.engine.is_some() {
        // There are no witnesses.
        enter(&page, "root", TOKEN)?;
        page.until_said("o etcd dá o lugar a quem está a postos")?;
        return has_no_errors(&page);
    }
    for (name, machines) in
        [("root", "localhost,localhost,localhost"), ("ana", ",,"), ("olho", ",,")]
    {
        enter(&page, name, TOKEN)?;
        page.until_said("cluster fundado")?;
        page.until_said("decidido pelas testemunhas")?;
        let hosts = "return import('/panel/net.js').then(({ ask }) => ask('history')) \
            .then((told) => told.witnesses.map(({ host }) => host).join())";
        page.until(name, |page| Ok(page.run(hosts, &[])? == machines))?;
        page.click("#leave")?;
    }
    for (cli, told) in [(demo.with_credentials("ana", TOKEN), false), (root, true)] {
        let explained = cli.json(&["cluster", "explain"])?;
        let views = explained[0]["views"].as_array().map_or(0, Vec::len);
        let host = explained[0]["witnesses"][0]["host"].as_str().unwrap_or_default();
        ensure!(views > 0 && host.is_empty() != told, "{explained:?}");
    }
    has_no_errors(&page)
}

#[test]
fn whoever_is_put_out_is_told_why_at_the_door() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let Some(page) = window("whoever_is_put_out_is_told_why_at_the_door", dir.path())? else {
        return Ok(());
    };
    let (demo, cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    demo.run_with_input(&["users", "add", "root", "--role", "admin"], TOKEN)?;
    let root = demo.with_credentials("root", TOKEN);
    root.run_with_input(&["users", "add", "ana"], TOKEN)?;
    page.open(&panel(&cluster, cluster.layout.principal_port))?;
    enter(&page, "ana", TOKEN)?;
    page.until_there("#nodes .is-standby")?;
    root.ok(&["users", "remove", "ana"])?;
    page.until_there("form.login")?;
    page.until_said("Sua sessão terminou: este token não vale mais.")?;
    // In the other language too, and no longer once somebody else is in and out again.
    page.click("#lang")?;
    page.until_said("Your session has ended: this token is no longer valid.")?;
    enter(&page, "root", TOKEN)?;
    page.until_there("#nodes .is-standby")?;

    page.click("#leave")?;
    page.until_there("form.login")?;
    ensure!(!page.text()?.contains("Your session has ended"), "who leaves knows why");
    let made = root.run(&["users", "tokens", "create", "breve", "--expires", "20s"])?;
    enter(&page, "root", made.stdout.trim())?;
    page.until_there("#nodes .is-standby")?;
    page.until_said("Your session has ended: the token has expired.")?;
    has_no_errors(&page)
}
