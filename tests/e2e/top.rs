//! `cliente top` on a terminal: what it shows, what the keys do, while the principal dies, and how it leaves the terminal.

#[path = "top/sight.rs"]
mod sight;

use std::fs;

use anyhow::{Context as _, ensure};
use common::exit;
use harness::{Cli, Cluster};
use rustix::process::Signal;
use sight::Sight;

/// Often, so that little is waited for.
const TOP: [&str; 3] = ["top", "--interval", "200ms"];

/// Of the orchestrators, without what both have.
fn places(cluster: &Cluster) -> [String; 2] {
    [cluster.layout.principal_port, cluster.layout.backup_port]
        .map(|port| format!("localhost:{port}"))
}

fn state_of(cli: &Cli, id: &str) -> anyhow::Result<String> {
    let task = cli.json(&["status", id])?.pop().context("no answer")?;
    Ok(task["state"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn it_shows_the_cluster_and_goes_on_at_the_new_principal() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 2, &["--slots", "2"])?;
    let [first, second] = places(&cluster);
    let mut sight = Sight::open(&cli, &TOP, (100, 30))?;
    let found = sight.found();
    for worker in cluster.layout.worker_ports.clone() {
        sight.until_said(&format!("localhost:{worker}"))?;
    }
    sight.until_said(&format!("principal {first} · época 1"))?;

    // What is submitted comes, and counts.
    let gate = dir.path().join("gate");
    let wait =
        format!("printf 'olá \\033[2J\\n'; until test -e {}; do sleep 0.05; done", gate.display());
    cli.submit(&["--handler", "echo", "--payload", "x"])?;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(cli.submit(&["--", "sh", "-c", &wait])?);
    }
    sight.until("three run and one is done", |screen| {
        let text = screen.contents();
        text.contains("EM_EXECUCAO 3") && text.contains("CONCLUIDA 1")
    })?;

    sight.until("commits are measured", |screen| {
        let text = screen.contents();
        text.contains("Confirmação  p50 ") && !text.contains("p50 —")
    })?;

    // A task that is opened tells its story, and what it says says nothing to the terminal.
    let last = &ids[2];
    sight.press("4/")?;
    sight.press(&last[last.len() - 6..])?;
    sight.until_said("1 de 4")?;
    sight.press("\r\r")?;
    sight.until_said("tentativa 1 atribuída a localhost:")?;
    sight.until_said(r"olá \u{1b}[2J")?;
    sight.press("\x1b")?;

    // Nobody answers: the principal is dead, and the other one is held.
    let backup = cluster.backup.take().context("it runs")?;
    backup.signal(Signal::STOP)?;
    cluster.kill_principal()?;
    sight.until_said(&format!(": {first}; abaixo, o que ele disse"))?;
    sight.until("what it said is dim", |screen| {
        sight::style_of(screen, "command").is_some_and(|(is_dim, _)| is_dim)
    })?;
    backup.signal(Signal::CONT)?;
    cluster.backup = Some(backup);
    sight.until_said(&format!("principal {second} · época 2"))?;
    sight.until_said(&format!("no lugar de {first}"))?;
    sight.press("\x1b1")?;
    sight.until("the same three run", |screen| screen.contents().contains("EM_EXECUCAO 3"))?;

    // Smaller than ever.
    sight.resize((40, 20))?;
    sight.until_said("[1 Cluster] 2  3  4  5")?;
    sight.press("4c")?;
    sight.until_said("s/n")?;
    sight.press("s")?;
    sight.until_said("CANCELADA")?;
    let states = ids.iter().map(|id| state_of(&cli, id)).collect::<Result<Vec<_>, _>>()?;
    ensure!(states.iter().filter(|state| *state == "CANCELLED").count() == 1, "{states:?}");
    fs::write(&gate, "")?;
    sight.press("q")?;
    ensure!(sight.ended()? == Some(0));
    sight.is_as(&found)
}

#[test]
fn tasks_of_another_user_are_opened_and_cancelled() -> anyhow::Result<()> {
    const TOKEN: &str = "um_token_de_teste";
    let dir = tempfile::tempdir()?;
    let (demo, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    demo.run_with_input(&["users", "add", "root", "--role", "admin"], TOKEN)?;
    let root = demo.with_credentials("root", TOKEN);
    root.run_with_input(&["users", "add", "ana"], TOKEN)?;
    let ana = demo.with_credentials("ana", TOKEN);
    let id = ana.submit(&["--", "sh", "-c", "echo de ana; sleep 600"])?;
    let mut sight = Sight::open(&root, &[&TOP[..], &["--all-users"]].concat(), (120, 30))?;
    let found = sight.found();
    sight.until_said("[1 Cluster]")?;
    sight.press("4")?;
    sight.until_said("DE QUEM")?;
    sight.press("\r")?;
    sight.until_said("de ana")?;
    sight.press("\x1bc")?;
    sight.until_said("s/n")?;
    sight.press("s")?;
    sight.until_said("CANCELADA")?;
    ensure!(state_of(&ana, &id)? == "CANCELLED");
    sight.press("q")?;
    ensure!(sight.ended()? == Some(0));
    sight.is_as(&found)
}

#[test]
fn the_terminal_is_left_as_it_was_whatever_ends_or_stops_it() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let signals =
        [(Signal::TERM, 143), (Signal::INT, i32::from(exit::INTERRUPTED)), (Signal::HUP, 129)];
    for (signal, code) in signals {
        let mut sight = Sight::open(&cli, &TOP, (80, 24))?;
        let found = sight.found();
        sight.until_said("EM_EXECUCAO 0")?;
        ensure!(sight.found() != found, "keys come as they are pressed");
        sight.signal(signal)?;
        ensure!(sight.ended()? == Some(code), "{signal:?}");
        sight.is_as(&found)?;
    }

    let mut sight = Sight::open(&cli, &TOP, (80, 24))?;
    let found = sight.found();
    sight.until_said("EM_EXECUCAO 0")?;
    sight.press("\x1a")?;
    sight.until_stopped()?;
    sight.is_as(&found)?;
    sight.signal(Signal::CONT)?;
    sight.until("it is back", |screen| {
        screen.alternate_screen() && screen.contents().contains("EM_EXECUCAO 0")
    })?;
    // As a Ctrl+C that is pressed there.
    sight.press("\x03")?;
    ensure!(sight.ended()? == Some(0));
    sight.is_as(&found)
}

#[test]
fn without_a_terminal_it_is_a_text_or_an_error() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let [first, _] = places(&cluster);
    for args in [&TOP[..], &["top", "--once", "--interval", "200ms", "--lang", "en"]] {
        let run = cli.run(args)?;
        ensure!(run.code == Some(0) && !run.stdout.contains('\x1b'), "{run:?}");
        let worker = format!("localhost:{}", cluster.layout.worker_ports[0]);
        ensure!(run.stdout.contains(&first) && run.stdout.contains(&worker), "{run:?}");
        let is_english = run.stdout.contains("RUNNING 0");
        ensure!(is_english == args.contains(&"en"), "{}", run.stdout);
    }
    for (args, word) in
        [(&["--output", "json", "top"][..], "JSON"), (&["top", "--interval", "1ms"], "200ms")]
    {
        let run = cli.run(args)?;
        ensure!(run.code == Some(i32::from(exit::USAGE)) && run.stderr.contains(word), "{run:?}");
    }
    let wrong = cli.with_credentials("user1", "outro_token_errado");
    let mut refused = Sight::open(&wrong, &TOP, (80, 24))?;
    ensure!(refused.ended()? == Some(i32::from(exit::UNAUTHENTICATED)));
    refused.until("the error is told where it stays", |screen| {
        !screen.alternate_screen() && screen.contents().contains("token")
    })
}
