//! What a browser is told of the panel, and what strangers get. No browser is needed here.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, ensure};
use common::auth::{DEMO_TOKEN, DEMO_USER};
use harness::{Cluster, Layout};

struct Answer {
    status: u16,
    headers: HashMap<String, String>,
    body: String,
}

fn ask(port: u16, what: (&str, &str), headers: &[(&str, &str)]) -> anyhow::Result<Answer> {
    send(port, what, headers, b"")
}

fn send(
    port: u16,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: &[u8],
) -> anyhow::Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    let host = headers.iter().any(|(name, _)| *name == "Host");
    let own = if host { String::new() } else { format!("Host: localhost:{port}\r\n") };
    let mut more: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    if !body.is_empty() {
        more += &format!("Content-Length: {}\r\n", body.len());
    }
    let request = format!("{method} {path} HTTP/1.1\r\n{own}{more}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    let pair =
        |line: &str| Some(line.split_once(": ")?).map(|(n, v)| (n.to_lowercase(), v.to_owned()));
    let headers = head.lines().skip(1).filter_map(pair).collect();
    Ok(Answer { status, headers, body: body.to_owned() })
}

#[test]
fn strangers_get_the_files_and_nothing_else() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::new(Layout::new(dir.path(), 0)?);
    cluster.start()?;
    let (own, other) = (cluster.layout.principal_port, cluster.layout.backup_port);
    let page = ask(own, ("GET", "/panel/"), &[])?;
    ensure!(page.status == 200 && page.body.contains("main.js"), "{}", page.body);
    let policy = &page.headers["content-security-policy"];
    for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
        ensure!(policy.contains(part), "{policy}");
    }
    ensure!(policy.contains(&format!("connect-src 'self' http://localhost:{other};")), "{policy}");
    ensure!(page.headers["x-content-type-options"] == "nosniff");
    ensure!(page.headers["referrer-policy"] == "no-referrer");
    let root = ask(own, ("GET", "/"), &[])?;
    ensure!(root.status == 307 && root.headers["location"] == "/panel/");
    ensure!(ask(own, ("GET", "/panel/../Cargo.toml"), &[])?.status == 404);
    let id = "0197c0de-0000-7000-8000-000000000000";
    let asked = ["cluster", "me", "history", "queues", "tasks"].map(str::to_owned);
    let of_task = ["", "?whole", "/steps", "/output"].map(|end| format!("tasks/{id}{end}"));
    for path in asked.iter().chain(&of_task) {
        let answer = ask(own, ("GET", &format!("/panel/api/{path}")), &[])?;
        ensure!(
            answer.status == 401 && answer.body.contains("UNAUTHENTICATED"),
            "{path}: {}",
            answer.body
        );
        ensure!(answer.headers["cache-control"] == "no-store");
        ensure!(!answer.headers.contains_key("www-authenticate"), "no window of the browser's own");
    }
    let cancel = format!("/panel/api/tasks/{id}/cancel");
    ensure!(ask(own, ("POST", &cancel), &[("Content-Length", "0")])?.status == 401);
    Ok(())
}

#[test]
fn what_cannot_be_read_is_refused_as_everything_else_is() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::new(Layout::new(dir.path(), 0)?);
    cluster.start()?;
    let known = [("mutirao-user", DEMO_USER), ("mutirao-token", DEMO_TOKEN)];
    // More than a page may send, by what axum takes.
    let long = [b"\"".as_slice(), &vec![b'x'; 2 << 20], b"\""].concat();
    let id = "0197c0de-0000-7000-8000-000000000000";
    let broken = b"{\"handler\": \"\xff\xfe\"}".as_slice();
    for (path, body, status) in [
        ("tasks".to_owned(), long.as_slice(), 413),
        ("tasks".to_owned(), broken, 400),
        (format!("tasks/{id}/retry"), broken, 400),
        ("queues/default".to_owned(), b"{".as_slice(), 400),
        ("queues/%ff".to_owned(), b"{\"paused\": true}".as_slice(), 400),
    ] {
        let path = format!("/panel/api/{path}");
        let port = cluster.layout.principal_port;
        let answer = send(port, ("POST", &path), &known, body)?;
        ensure!(answer.status == status, "{path}: {} {}", answer.status, answer.body);
        ensure!(answer.headers["content-type"] == "application/json", "{path}");
        let told: serde_json::Value = serde_json::from_str(&answer.body)?;
        ensure!(told["code"] == "INVALID_ARGUMENT" && told["fields"][0]["why"] != "", "{told}");
    }
    Ok(())
}

#[test]
fn only_pages_of_the_cluster_may_read_answers() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::new(Layout::new(dir.path(), 0)?);
    cluster.start()?;
    let (own, other) = (cluster.layout.principal_port, cluster.layout.backup_port);
    let known = [("mutirao-user", DEMO_USER), ("mutirao-token", DEMO_TOKEN)];
    let from = |origin: &str, method: &str| {
        let headers = [known[0], known[1], ("Origin", origin)];
        ask(own, (method, "/panel/api/cluster"), &headers)
    };
    let friend = format!("http://localhost:{other}");
    for method in ["GET", "OPTIONS"] {
        let answer = from(&friend, method)?;
        ensure!(answer.headers.get("access-control-allow-origin") == Some(&friend), "{method}");
        let stranger = from("http://evil.example:50052", method)?;
        ensure!(!stranger.headers.contains_key("access-control-allow-origin"), "{method}");
    }
    // A stranger's name that leads to this machine: everybody knows the demo's token.
    let renamed = ask(
        own,
        ("GET", "/panel/api/cluster"),
        &[known[0], known[1], ("Host", "evil.example:50051")],
    )?;
    ensure!(renamed.status == 403, "{}", renamed.body);
    ensure!(from(&friend, "GET")?.body.contains("\"role\":\"PRINCIPAL\""));
    Ok(())
}
