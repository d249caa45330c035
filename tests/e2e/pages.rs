//! What a node tells over plain HTTP: whether it is well, and its figures.

use std::collections::{BTreeSet, HashMap};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use harness::Cluster;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// Status and body; `None` while nobody listens.
fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// By name with its labels.
fn figures(port: u16) -> HashMap<String, f64> {
    let (status, text) = get(port, "/metrics").expect("it answers");
    assert_eq!(status, 200, "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pair = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    lines.filter_map(pair).collect()
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn both_nodes_tell_what_they_are_through_a_failover() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "3"])?;
    let (own, other) = (cluster.layout.principal_port, cluster.layout.backup_port);
    for port in [own, other] {
        assert_eq!(get(port, "/healthz"), Some((200, "ok\n".to_owned())));
        assert_eq!(get(port, "/readyz").map(|(status, _)| status), Some(200));
    }
    let principal = |port| get(port, "/readyz?role=principal").expect("it answers");
    assert_eq!(get(own, "/readyz?role=primary").map(|(status, _)| status), Some(400));
    let (status, body) = principal(own);
    let said: Value = serde_json::from_str(&body)?;
    assert_eq!((status, &said["standing"], &said["epoch"]), (200, &"principal".into(), &1.into()));
    let (status, body) = principal(other);
    let said: Value = serde_json::from_str(&body)?;
    assert_eq!((status, &said["standing"]), (503, &"standby".into()));
    let address = format!("http://localhost:{own}");
    assert_eq!(said["principal"], address.as_str(), "where to go instead");

    cli.run(&["run", "--", "true"])?;
    cli.run(&["run", "--", "false"])?;
    let waits = ["--queue", "later", "--label", "zone=nowhere", "--allow-unknown-handler"];
    cli.submit(&[&waits[..], &["--", "true"]].concat())?;
    let told = figures(own);
    let of = |name: &str| told.get(name).copied();
    assert_eq!(of(r#"mutirao_tasks{state="succeeded"}"#), Some(1.0), "{told:?}");
    assert_eq!(of(r#"mutirao_tasks{state="failed"}"#), Some(1.0));
    assert_eq!(of(r#"mutirao_queue_tasks{queue="later",state="queued"}"#), Some(1.0));
    let of_command =
        |state| of(&format!(r#"mutirao_handler_tasks{{handler="command",state="{state}"}}"#));
    assert_eq!(
        ["succeeded", "failed", "queued", "running"].map(of_command),
        [1.0, 1.0, 1.0, 0.0].map(Some)
    );
    assert_eq!(of("mutirao_tasks_finished_total"), Some(2.0));
    assert_eq!(of(r#"mutirao_tasks_ended_total{state="failed"}"#), Some(1.0));
    assert_eq!(of(r#"mutirao_standing{standing="principal"}"#), Some(1.0));
    assert_eq!((of("mutirao_workers"), of("mutirao_worker_slots")), (Some(1.0), Some(3.0)));
    assert_eq!((of("mutirao_epoch"), of("mutirao_view_replicas")), (Some(1.0), Some(2.0)));
    assert!(of("mutirao_journal_append_seconds_count").is_some_and(|count| count > 3.0));
    assert!(of("mutirao_commit_seconds_count").is_some_and(|count| count > 3.0));
    until("the other one has it all", || {
        figures(own).get("mutirao_replication_lag_entries") == Some(&0.0)
    });
    let standby = figures(other);
    assert_eq!(standby.get(r#"mutirao_standing{standing="standby"}"#), Some(&1.0));
    assert_eq!(standby.get("mutirao_workers"), None, "they are the principal's");

    // Each is documented, and each that is documented is told.
    let documented: BTreeSet<_> = include_str!("../../docs/metrics.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `mutirao_")?.split('`').next())
        // Of nodes with certificates; `renewing` looks at it.
        .filter(|name| *name != "certificate_expiry_seconds")
        .collect();
    let (_, text) = get(own, "/metrics").expect("it answers");
    let named = text.lines().filter_map(|line| line.strip_prefix("# TYPE mutirao_"));
    let ends = |kind: &str| match kind {
        "counter" => "_total",
        "info" => "_info",
        _ => "",
    };
    let named: BTreeSet<String> = named
        .filter_map(|line| line.split_once(' '))
        .map(|(name, kind)| format!("{name}{}", ends(kind)))
        .collect();
    assert_eq!(named.iter().map(String::as_str).collect::<BTreeSet<_>>(), documented);

    cluster.kill_principal()?;
    until("the other one takes over", || principal(other).0 == 200);
    let told = figures(other);
    assert_eq!(told.get("mutirao_epoch"), Some(&2.0), "{told:?}");
    assert_eq!(told.get(r#"mutirao_tasks{state="succeeded"}"#), Some(&1.0));
    assert_eq!(get(other, "/nothing").map(|(status, _)| status), Some(404));
    Ok(())
}
