//! The end of a task is told to a URL: signed, again and again until it is confirmed, whoever is principal.

#[path = "webhooks/arrays.rs"]
mod arrays;
#[path = "webhooks/failures.rs"]
mod failures;
#[path = "webhooks/https.rs"]
mod https;
#[path = "webhooks/switchover.rs"]
mod switchover;
#[path = "webhooks/undelivered.rs"]
mod undelivered;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::cluster::Layout;
use harness::{Cli, Cluster};
use hmac::{Hmac, Mac as _};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);
/// In the place of an answer: there is none, until whoever asks goes away.
const HOLD: u16 = 0;
const KEY: &[u8; 32] = b"of both orchestrators, and of us";

/// What was received, and how it was answered.
#[derive(Clone, Debug)]
struct Got {
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    answer: u16,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn is_signed(&self) -> bool {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(KEY).expect("any length will do");
        let signed = format!("{}.{}.", self.header("webhook-id"), self.header("webhook-timestamp"));
        mac.update(signed.as_bytes());
        mac.update(&self.body);
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        self.header("webhook-signature") == expected
    }
}

#[derive(Default)]
struct Shared {
    all: Mutex<(Vec<Got>, u16)>,
    grown: Condvar,
}

trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// Listens on loopback, and answers every request alike.
struct Receiver {
    port: u16,
    shared: Arc<Shared>,
}

impl Receiver {
    fn start(answer: u16) -> anyhow::Result<Self> {
        Self::behind(answer, |stream| Ok(Box::new(stream)))
    }

    /// What is said goes through `wrap`.
    fn behind(
        answer: u16,
        wrap: impl Fn(TcpStream) -> anyhow::Result<Box<dyn Stream>> + Clone + Send + 'static,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        shared.all.lock().expect("nobody panicked").1 = answer;
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (theirs, wrap) = (Arc::clone(&theirs), wrap.clone());
                // Whoever sends nothing sensible is not counted.
                std::thread::spawn(move || drop(wrap(stream).and_then(|s| theirs.serve(s))));
            }
        });
        Ok(Self { port, shared })
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn answer_from_now(&self, answer: u16) {
        self.shared.all.lock().expect("nobody panicked").1 = answer;
    }

    /// All that came, once `is_enough`.
    fn wait_for(&self, is_enough: impl Fn(&[Got]) -> bool) -> anyhow::Result<Vec<Got>> {
        let deadline = Instant::now() + SOON;
        let mut all = self.shared.all.lock().expect("nobody panicked");
        while !is_enough(&all.0) {
            let left = deadline.checked_duration_since(Instant::now());
            let left = left.with_context(|| format!("only this came: {:?}", all.0))?;
            all = self.shared.grown.wait_timeout(all, left).expect("nobody panicked").0;
        }
        Ok(all.0.clone())
    }
}

impl Shared {
    fn serve(&self, stream: impl Read + Write) -> anyhow::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let path = line.split(' ').nth(1).context("no path")?.to_owned();
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").context("no length")?.parse()?;
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut all = self.all.lock().expect("nobody panicked");
        let answer = all.1;
        all.0.push(Got { path, headers, body, answer });
        self.grown.notify_all();
        drop(all);
        if answer == HOLD {
            reader.read_to_end(&mut Vec::new())?;
            return Ok(());
        }
        let rest = "location: /elsewhere\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
        let answer = format!("HTTP/1.1 {answer} Whatever\r\n{rest}");
        let stream = reader.get_mut();
        stream.write_all(answer.as_bytes())?;
        stream.flush()?;
        Ok(())
    }
}

/// A cluster that allows these receivers.
fn cluster(dir: &Path, allowed: &[String], more: &[&str]) -> anyhow::Result<(Cli, Cluster)> {
    let layout = layout(dir, allowed, more)?;
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    Ok((cli, cluster))
}

fn layout(dir: &Path, allowed: &[String], more: &[&str]) -> anyhow::Result<Layout> {
    let secret = dir.join("webhook-secret");
    std::fs::write(&secret, format!("whsec_{}\n", STANDARD.encode(KEY)))?;
    let mut layout = Layout::new(dir, 1)?;
    layout.worker_args = ["--handlers", "default,command"].map(str::to_owned).to_vec();
    layout.orchestrator_args = vec!["--webhook-secret-file".into(), secret.display().to_string()];
    for allowed in allowed {
        layout.orchestrator_args.extend(["--webhook-allow".to_owned(), allowed.clone()]);
    }
    layout.orchestrator_args.extend(more.iter().map(|arg| (*arg).to_owned()));
    Ok(layout)
}

/// How the webhook of a task stands, once it `is_so`.
fn standing(cli: &Cli, id: &str, is_so: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    let deadline = Instant::now() + SOON;
    loop {
        let status = cli.json(&["status", id])?.remove(0);
        if is_so(&status["webhook"]) {
            return Ok(status["webhook"].clone());
        }
        anyhow::ensure!(Instant::now() < deadline, "it stands so: {status}");
    }
}

#[test]
fn what_is_owed_is_told_by_the_next_principal_under_the_same_id() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let receiver = Receiver::start(503)?;
    let allowed = [format!("127.0.0.1:{}", receiver.port)];
    let (cli, mut cluster) = cluster(dir.path(), &allowed, &["--webhook-retry-ms", "1000"])?;
    let hook = receiver.url("/hooks?from=mutirao");
    let program = ["--", "sh", "-c", "echo said; exit 3"];
    let id = cli.submit(&[&["--webhook", &hook, "--group", "build"][..], &program].concat())?;
    receiver.wait_for(|all| !all.is_empty())?;
    let owed = standing(&cli, &id, |webhook| webhook["tries"].as_u64() > Some(0))?;
    assert_eq!((&owed["state"], &owed["url"]), (&"OWED".into(), &hook.as_str().into()));
    assert!(owed["error"].as_str().is_some_and(|error| error.contains("503")), "{owed}");
    assert!(owed["next_at"].is_string(), "{owed}");
    cluster.kill_principal()?;
    receiver.answer_from_now(204);
    let all = receiver.wait_for(|all| all.iter().any(|got| got.answer == 204))?;
    let delivered = standing(&cli, &id, |webhook| webhook["state"] == "DELIVERED")?;
    assert_eq!(delivered["tries"], all.len(), "{delivered}");
    for got in &all {
        assert!(got.is_signed(), "{got:?}");
        assert_eq!(got.header("webhook-id"), format!("finished_{id}"));
        assert_eq!(got.header("content-type"), "application/json");
        assert_eq!((&*got.path, &got.body), ("/hooks?from=mutirao", &all[0].body));
    }
    let told = all[0].json();
    assert_eq!(told["type"], "task.finished");
    let data = &told["data"];
    let word = |field: &str| data[field].as_str().unwrap_or_default();
    assert_eq!((word("task_id"), word("owner")), (&*id, "user1"));
    assert_eq!((word("state"), word("handler"), word("group")), ("FAILED", "command", "build"));
    assert_eq!((&data["attempt"], &data["error"]["code"]), (&1.into(), &"NON_ZERO_EXIT".into()));
    assert_eq!(told["timestamp"], data["finished_at"]);

    // Whatever follows comes after it, which is not told again.
    let next = cli.submit(&["--webhook", &hook, "--handler", "echo", "--payload", "x"])?;
    let of = |id: &str, got: &Got| got.header("webhook-id") == format!("finished_{id}");
    let all = receiver.wait_for(|all| all.iter().any(|got| of(&next, got)))?;
    let confirmed = all.iter().filter(|got| of(&id, got) && got.answer == 204);
    assert_eq!(confirmed.count(), 1);
    Ok(())
}

#[test]
fn all_ways_to_submit_can_say_where_and_every_end_is_told() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let receiver = Receiver::start(200)?;
    let (cli, _cluster) = cluster(dir.path(), &[receiver.url("/hooks")], &[])?;
    let hook = receiver.url("/hooks/a");
    let echo = ["--handler", "echo", "--payload", "x"];
    let array = [&["submit"], &echo[..], &["--array", "3-5", "--webhook", &hook]].concat();
    let array = cli.json(&array)?[0]["array_id"].clone();
    let flow = dir.path().join("flow.toml");
    let text = format!(
        "[defaults]\nwebhook = \"{hook}\"\n[tasks.one]\nshell = \"true\"\n[tasks.two]\nshell = \"true\"\nafter = [\"one\"]\n"
    );
    std::fs::write(&flow, text)?;
    cli.json(&["submit", "--file", &flow.display().to_string()])?;
    let late = cli.submit(&[&echo[..], &["--delay", "1h", "--webhook", &hook]].concat())?;
    assert_eq!(cli.json(&["status", &late])?[0]["webhook"]["state"], "EXPECTED");
    cli.json(&["cancel", &late])?;
    let plan = ["--cron", "0 3 1 1 *", "--webhook", &hook];
    cli.json(&[&["schedule", "set", "yearly"], &plan[..], &echo].concat())?;
    assert_eq!(cli.json(&["schedule", "show", "yearly"])?[0]["webhook"], *hook);
    let shown = cli.run(&["schedule", "show", "yearly"])?.stdout;
    assert!(shown.contains(&hook), "{shown}");
    let all = receiver.wait_for(|all| all.len() >= 6)?;
    let told: Vec<_> = all.iter().map(|got| got.json()["data"].clone()).collect();
    let mut numbers: Vec<_> = told.iter().filter(|data| data["array_id"] == array).collect();
    numbers.sort_by_key(|data| data["array_index"].as_u64());
    let numbers: Vec<_> = numbers.iter().map(|data| data["array_index"].as_u64()).collect();
    assert_eq!(numbers, [Some(3), Some(4), Some(5)]);
    let cancelled = told.iter().find(|data| data["task_id"] == late.as_str());
    assert_eq!(cancelled.map(|data| &data["state"]), Some(&"CANCELLED".into()));
    assert_eq!(told.iter().filter(|data| data["handler"] == "command").count(), 2);
    Ok(())
}

#[test]
fn what_nobody_takes_is_given_up_and_redirects_are_not_followed() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (gone, moved) = (Receiver::start(410)?, Receiver::start(302)?);
    // Nobody listens there any more.
    let closed = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let allowed = [gone.port, moved.port, closed].map(|port| format!("127.0.0.1:{port}"));
    let limits = ["--webhook-attempts", "2", "--webhook-retry-ms", "1"];
    let (cli, cluster) = cluster(dir.path(), &allowed, &limits)?;
    let closed = format!("http://127.0.0.1:{closed}/");
    for (url, tries, error) in [
        (gone.url("/"), 1, "410"),
        (moved.url("/"), 2, "redirecionamentos"),
        (closed, 2, "recusada"),
    ] {
        let id = cli.submit(&["--webhook", &url, "--handler", "echo", "--payload", "x"])?;
        let given_up = standing(&cli, &id, |webhook| webhook["state"] == "GIVEN_UP")?;
        assert_eq!(given_up["tries"], tries, "{given_up}");
        let why = given_up["error"].as_str().unwrap_or_default().to_lowercase();
        assert!(why.contains(error), "{given_up}");
        let principal = cluster.principal.as_ref().context("it runs")?;
        principal.wait_for(&format!("[{id}] abandonado"), SOON)?;
        let shown = cli.run(&["status", &id])?.stdout;
        assert!(shown.contains("abandonado"), "{shown}");
    }
    assert_eq!(gone.wait_for(|_| true)?.len(), 1);
    let paths: Vec<_> = moved.wait_for(|_| true)?.into_iter().map(|got| got.path).collect();
    assert_eq!(paths, ["/", "/"]);
    Ok(())
}

#[test]
fn a_url_that_is_not_allowed_is_refused_and_none_is_by_default() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let receiver = Receiver::start(200)?;
    let good = "http://good.example".to_owned();
    let (cli, running) = cluster(dir.path(), &[good.clone(), receiver.url("/hooks")], &[])?;
    let submit = |cli: &Cli, url: &str, more: &[&str]| {
        let submit = ["submit", "--handler", "echo", "--payload", "x", "--webhook", url];
        cli.run(&[&submit[..], more].concat())
    };
    for url in [
        "http://good.example.evil.com/",
        "https://good.example/",
        "http://good.example:81/",
        &receiver.url("/hooks-and-more"),
        &receiver.url("/hooks/../other"),
    ] {
        for more in [&[][..], &["--array", "1-3"], &["--count", "2"]] {
            let refused = submit(&cli, url, more)?;
            assert_eq!(refused.code, Some(3), "{url}: {}", refused.stderr);
            let says = refused.stderr.contains("--webhook-allow");
            assert!(says, "{url}: {}", refused.stderr);
        }
    }
    for (url, named) in
        [("ftp://good.example/", "task.webhook"), ("http://u@good.example/", "user")]
    {
        let refused = submit(&cli, url, &[])?;
        assert_eq!(refused.code, Some(3), "{url}: {}", refused.stderr);
        assert!(refused.stderr.contains(named), "{url}: {}", refused.stderr);
    }
    drop(running);
    let other = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(other.path(), 1, &[])?;
    let refused = submit(&cli, &good, &[])?;
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(refused.stderr.contains("--webhook-allow"), "{}", refused.stderr);
    Ok(())
}
