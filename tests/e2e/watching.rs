//! `cliente watch` while the principal is killed: on a terminal, where a table is drawn, and in a pipe.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::sync::mpsc;

use harness::Cluster;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::Value;

/// Both ends of a terminal of this size.
fn terminal(columns: u16, rows: u16) -> anyhow::Result<(File, File)> {
    let outside = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&outside)?;
    unlockpt(&outside)?;
    let name = ptsname(&outside, Vec::new())?;
    let inside = OpenOptions::new().read(true).write(true).open(name.to_str()?)?;
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&inside, size)?;
    Ok((outside.into(), inside))
}

/// All that is said there until nobody is inside any more; `seen` gets what there is so far.
fn read_all(mut outside: File, seen: mpsc::Sender<String>) -> String {
    let (mut all, mut part) = (Vec::new(), [0; 4_096]);
    // The kernel tells of the end of a terminal by an error.
    while let Ok(count @ 1..) = outside.read(&mut part) {
        all.extend_from_slice(&part[..count]);
        // Who has seen enough is gone.
        drop(seen.send(String::from_utf8_lossy(&all).into_owned()));
    }
    String::from_utf8_lossy(&all).into_owned()
}

fn on(inside: File, command: &mut Command) -> anyhow::Result<std::process::Child> {
    let child = command.env("TERM", "xterm").stdout(inside.try_clone()?).stderr(inside).spawn()?;
    // Otherwise this process keeps the terminal open.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Ok(child)
}

#[test]
fn each_end_is_told_once_though_the_principal_is_killed() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "4"])?;
    let gate = dir.path().join("gate");
    let wait = format!("until test -e {}; do sleep 0.05; done", gate.display());
    let mut ids = Vec::new();
    for (count, script) in [("15", "true"), ("15", &*wait)] {
        let flags = ["submit", "--count", count, "--", "sh", "-c", script];
        let accepted = cli.json(&flags)?;
        ids.extend(accepted.iter().filter_map(|task| task["task_id"].as_str().map(str::to_owned)));
    }
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();

    let watch = [&["watch"], &ids[..]].concat();
    let (outside, inside) = terminal(60, 12)?;
    let mut table = on(inside, &mut cli.command(&watch))?;
    let (seen, sight) = mpsc::channel();
    let reader = std::thread::spawn(move || read_all(outside, seen));
    let mut piped = cli.start(&[&["--output", "json"], &watch[..]].concat())?;
    let lines = BufReader::new(piped.stdout.take().expect("is piped"));
    let objects = std::thread::spawn(move || lines.lines().collect::<Result<Vec<_>, _>>());

    let is_half = |text: &String| ids[..15].iter().all(|id| text.contains(id));
    assert!(sight.iter().any(|text| is_half(&text)), "the watch ended early");
    cluster.kill_principal()?;
    fs::write(&gate, "")?;
    assert!(table.wait()?.success() && piped.wait()?.success());

    let text = reader.join().expect("reads to the end");
    for id in &ids {
        let ends = text.matches(&format!("{id}  CONCLUIDA")).count();
        assert_eq!((ends, text.matches(id).count()), (1, 1), "rows have short ids: {text}");
    }
    assert!(text.contains("… e mais "), "{text}");
    let mut told: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
    for line in objects.join().expect("reads to the end")? {
        let task: Value = serde_json::from_str(&line)?;
        let word = |field: &str| task[field].as_str().unwrap_or_default().to_owned();
        let change = (word("state"), task["attempt"].as_u64().unwrap_or_default());
        told.entry(word("task_id")).or_default().push(change);
    }
    assert_eq!(told.len(), ids.len());
    for (id, changes) in &told {
        let ends = changes.iter().filter(|(state, _)| state == "SUCCEEDED").count();
        let mut distinct = changes.clone();
        distinct.dedup();
        assert!(ends == 1 && distinct == *changes, "{id}: {changes:?}");
    }
    Ok(())
}
