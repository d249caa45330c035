//! The web panel in a real browser: who enters, what is submitted and seen, and a page that outlives the principal.
//!
//! It needs `chromium` and `chromedriver`; without them each test says that it is skipped, and why, unless the environment
//! says that they are required.

#[path = "panel/attempts.rs"]
mod attempts;
#[path = "panel/roles.rs"]
mod roles;
#[path = "panel/rules.rs"]
mod rules;

use std::io::Write as _;

use anyhow::ensure;
use common::auth::{DEMO_TOKEN, DEMO_USER};
use harness::{Browser, Cli, Cluster, Layout};

/// Set where a skipped test is a failed one.
const REQUIRED: &str = "MUTIRAO_TEST_BROWSER";
/// The narrowest telephone.
const NARROW: (u32, u32) = (360, 740);

/// `None`, said aloud, where there is no browser.
pub fn window(name: &str, dir: &std::path::Path) -> anyhow::Result<Option<Browser>> {
    if let Some(reason) = Browser::unavailable() {
        ensure!(std::env::var_os(REQUIRED).is_none(), "a browser is required: {reason}");
        // Past the test runner. Whoever closed the output does not want to know.
        drop(writeln!(std::io::stderr(), "SKIPPED panel::{name}: {reason}"));
        return Ok(None);
    }
    let page = Browser::start(dir)?;
    page.resize(1280, 900)?;
    Ok(Some(page))
}

/// Where the panel of this node is.
pub fn panel(cluster: &Cluster, port: u16) -> String {
    let scheme = if cluster.layout.certificates.is_some() { "https" } else { "http" };
    format!("{scheme}://localhost:{port}/")
}

pub fn enter(page: &Browser, user: &str, token: &str) -> anyhow::Result<()> {
    page.fill("input[name=user]", user)?;
    page.fill("input[name=token]", token)?;
    page.click("form.login button")
}

/// Nothing in the console but requests that a dead node did not answer, and refusals.
pub fn has_no_errors(page: &Browser) -> anyhow::Result<()> {
    for (level, source, text) in page.log()? {
        ensure!(level != "SEVERE" || source == "network", "{source}: {text}");
    }
    Ok(())
}

/// The id of the task that the page shows.
fn shown_task(page: &Browser) -> anyhow::Result<String> {
    page.until_there("h1 code")?;
    let id = page.run("return document.querySelector('h1 code').textContent", &[])?;
    Ok(id.as_str().unwrap_or_default().to_owned())
}

fn submit(page: &Browser, handler: &str, payload: &str) -> anyhow::Result<String> {
    page.run("window.location.hash = '#/submit'", &[])?;
    page.choose("select[name=handler]", handler)?;
    page.fill("textarea[name=payload]", payload)?;
    page.click("form.form button[type=submit]")?;
    shown_task(page)
}

#[test]
fn a_user_enters_submits_watches_and_cancels() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let Some(page) = window("a_user_enters_submits_watches_and_cancels", dir.path())? else {
        return Ok(());
    };
    let (cli, cluster) = Cluster::with_programs(dir.path(), 2, &[])?;
    page.open(&panel(&cluster, cluster.layout.principal_port))?;
    enter(&page, DEMO_USER, "outro_token_errado")?;
    page.until_said("Usuário ou token errado.")?;
    enter(&page, DEMO_USER, DEMO_TOKEN)?;
    page.until_there("#nodes .is-standby")?;
    let worker = format!("localhost:{}", cluster.layout.worker_ports[0]);
    page.until_said(&worker)?;

    // What it says comes while it runs, and its end by itself.
    let said = r#"{"argv": ["sh", "-c", "echo primeiro; sleep 2; echo segundo"]}"#;
    let id = submit(&page, "command", said)?;
    page.until("it speaks while it runs", |page| {
        let text = page.text()?;
        Ok(text.contains("Em execução") && text.contains("primeiro\n"))
    })?;
    page.until_there(".heading .is-succeeded")?;
    page.until_said("Código de saída 0.")?;
    page.until_there(".step.is-succeeded")?;
    ensure!(cli.json(&["status", &id])?[0]["state"] == "SUCCEEDED");

    let id = submit(&page, "command", r#"{"argv": ["sleep", "600"]}"#)?;
    page.until_there(".heading .is-running")?;
    page.click("#cancel")?;
    page.until_there(".heading .is-cancelled")?;
    ensure!(cli.json(&["status", &id])?[0]["state"] == "CANCELLED");
    page.until("it can be cancelled no more", |page| Ok(!page.is_there("#cancel")?))?;

    let id = submit(&page, "command", r#"{"argv": ["false"]}"#)?;
    page.until_said("NON_ZERO_EXIT")?;
    page.click("#retry")?;
    page.until("the repetition is another task", |page| Ok(shown_task(page)? != id))?;
    page.until_said(&id)?;
    has_no_errors(&page)
}

#[test]
fn tasks_are_found_by_page_filter_and_id() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let Some(page) = window("tasks_are_found_by_page_filter_and_id", dir.path())? else {
        return Ok(());
    };
    let (cli, cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "8"])?;
    let first = cli.submit(&[
        "--handler",
        "echo",
        "--payload",
        "<img src=x onerror=alert(1)>",
        "--queue",
        "rara",
    ])?;
    for nth in 0..60 {
        cli.submit(&["--handler", "echo", "--payload", &nth.to_string()])?;
    }
    page.open(&format!("{}panel/#/tasks", panel(&cluster, cluster.layout.principal_port)))?;
    enter(&page, DEMO_USER, DEMO_TOKEN)?;
    let rows = |wanted: u64| {
        move |page: &Browser| {
            let count =
                page.run("return document.querySelectorAll('main tbody tr').length", &[])?;
            Ok(count.as_u64() == Some(wanted))
        }
    };
    page.until("a full page", rows(50))?;
    page.click(".paging a")?;
    page.until("the rest", rows(11))?;
    page.fill("input[name=search]", "queue:rara")?;
    page.click("form.search button[type=submit]")?;
    page.until("one of them", rows(1))?;
    page.click(".chip")?;
    page.until("all again", rows(50))?;
    page.choose("select[name=state]", "FAILED")?;
    page.until("none of these", rows(0))?;
    for (said, wrong) in [
        ("stat:failed", "stat: não é um filtro; os filtros são queue,"),
        ("state:falhou", "falhou não é um estado"),
        ("queue:", "queue: falta o valor."),
    ] {
        page.fill("input[name=search]", said)?;
        page.click("form.search button[type=submit]")?;
        page.until_said(wrong)?;
    }
    page.fill("input[name=search]", &first)?;
    page.click("form.search button[type=submit]")?;
    // What users send is text.
    page.until_said("<img src=x onerror=alert(1)>")?;
    ensure!(shown_task(&page)? == first);
    for (hash, seen) in [("workers", ".gantt a"), ("queues", "tbody tr"), ("history", ".verdict")] {
        page.run("window.location.hash = arguments[0]", &[&format!("#/{hash}")])?;
        page.until_there(seen)?;
    }
    page.until_said("Visões registradas")?;
    has_no_errors(&page)
}

#[test]
fn an_open_page_goes_on_at_the_next_principal() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let Some(page) = window("an_open_page_goes_on_at_the_next_principal", dir.path())? else {
        return Ok(());
    };
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 3, &[])?;
    let (own, other) = (cluster.layout.principal_port, cluster.layout.backup_port);
    let before = cli.submit(&["--handler", "echo", "--payload", "antes"])?;
    page.open(&panel(&cluster, own))?;
    enter(&page, DEMO_USER, DEMO_TOKEN)?;
    let principal = |port: u16| {
        move |page: &Browser| {
            let pill = page.run("return document.getElementById('principal')?.textContent", &[])?;
            Ok(pill.as_str().is_some_and(|pill| pill.contains(&format!("localhost:{port}"))))
        }
    };
    page.until("who is principal", principal(own))?;
    // A mark in the page: nobody reloads it.
    page.run("window.mark = 1", &[])?;
    let said =
        r#"{"argv": ["sh", "-c", "for i in 1 2 3 4 5 6 7 8; do echo passo $i; sleep 1; done"]}"#;
    let running = submit(&page, "command", said)?;
    page.until_said("passo 1")?;
    cluster.kill_principal()?;
    page.until("the page follows", principal(other))?;
    // What runs says on, and ends.
    page.until_said("passo 8")?;
    page.until_there(".heading .is-succeeded")?;
    ensure!(shown_task(&page)? == running);
    page.run("window.location.hash = '#/tasks'", &[])?;
    let end = before[before.len() - 12..].to_owned();
    page.until_said(&end)?;
    submit(&page, "echo", "depois")?;
    page.until_there(".heading .is-succeeded")?;
    page.run("window.location.hash = '#/history'", &[])?;
    page.until_said(&format!("localhost:{other} é o principal"))?;
    page.until_said("assumiu após falha")?;

    // The old one comes back as the standby: its page shows the cluster too.
    cluster.start_principal()?;
    page.run("window.location.hash = '#/'", &[])?;
    page.until_there("#nodes .is-standby")?;
    ensure!(page.run("return window.mark", &[])? == 1, "nobody has reloaded it");
    has_no_errors(&page)?;
    page.open(&panel(&cluster, own))?;
    page.until_there("#nodes .is-standby")?;
    page.until("the page of the standby", principal(other))
}

#[test]
fn the_panel_speaks_two_languages_and_fits_a_telephone() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let Some(page) = window("the_panel_speaks_two_languages_and_fits_a_telephone", dir.path())?
    else {
        return Ok(());
    };
    let (cli, cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let id = cli.submit(&["--handler", "echo", "--payload", "oi"])?;
    page.open(&panel(&cluster, cluster.layout.principal_port))?;
    page.until_said("Painel do cluster")?;
    page.click("#lang")?;
    page.until_said("The cluster's panel")?;
    enter(&page, DEMO_USER, DEMO_TOKEN)?;
    page.until_said("Orchestrators")?;
    ensure!(page.run("return document.documentElement.lang", &[])? == "en");
    page.resize(NARROW.0, NARROW.1)?;
    let pages = ["", "tasks", "submit", "workers", "queues", "history", &format!("tasks/{id}")];
    for name in pages {
        page.run("window.location.hash = arguments[0]", &[&format!("#/{name}")])?;
        page.until_there("h1")?;
        let over = "return document.documentElement.scrollWidth - window.innerWidth";
        page.until(&format!("/{name} fits"), |page| Ok(page.run(over, &[])?.as_i64() <= Some(0)))?;
        // Nor does a table scroll by itself: a row is a card, whose cells say what they are.
        let wide = "return [...document.querySelectorAll('.wide')].every((e) => e.scrollWidth <= e.clientWidth)";
        page.until(&format!("the tables of /{name} fit"), |page| Ok(page.run(wide, &[])? == true))?;
        let unsaid = "return [...document.querySelectorAll('tbody td')].filter((e) => !e.dataset.head).length";
        ensure!(page.run(unsaid, &[])? == 0, "{name}: a cell without a name");
        // Each field and button has a name for those who do not see it.
        let nameless = "return [...document.querySelectorAll('input, select, textarea, button, a')].filter((e) => e.checkVisibility() \
            && !(e.labels?.length || e.ariaLabel || e.textContent.trim())).map((e) => e.outerHTML).join()";
        ensure!(page.run(nameless, &[])? == "", "{name}: {}", page.run(nameless, &[])?);
    }
    let ink = "return getComputedStyle(document.body).backgroundColor";
    page.click("#theme")?;
    let light = page.run(ink, &[])?;
    page.click("#theme")?;
    ensure!(page.run(ink, &[])? != light, "another theme has other colours");
    has_no_errors(&page)
}

#[test]
fn the_panel_works_over_tls_with_a_token_alone() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let Some(page) = window("the_panel_works_over_tls_with_a_token_alone", dir.path())? else {
        return Ok(());
    };
    let mut cluster = Cluster::new(Layout::new(dir.path(), 1)?.secured()?);
    let cli = Cli::new(&cluster.layout);
    cluster.start()?;
    // At the standby, which only knows where the principal is.
    page.open(&panel(&cluster, cluster.layout.backup_port))?;
    enter(&page, DEMO_USER, DEMO_TOKEN)?;
    page.until_there("#nodes .is-standby")?;
    let id = submit(&page, "echo", "por TLS")?;
    page.until_there(".heading .is-succeeded")?;
    ensure!(cli.json(&["status", &id])?[0]["state"] == "SUCCEEDED");
    cluster.kill_principal()?;
    let there = format!("localhost:{}", cluster.layout.backup_port);
    page.until_said(&there)?;
    has_no_errors(&page)
}
