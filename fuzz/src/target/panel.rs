//! What a page asks, or something that is no page: `/panel/api/`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use common::auth::{AS_KEY, TOKEN_KEY, USER_KEY};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use simulation::random::Random;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Target;
use crate::raw::Raw;
use crate::rig::{Rig, TOKEN};
use crate::{mutate, words};

const TOGETHER: usize = 12;
/// Within which each is answered.
const HANG: Duration = Duration::from_secs(20);

/// One request, as it is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asked {
    pub head: String,
    pub body: Raw,
}

/// The target.
pub struct Requests {
    rig: Rig,
}

impl Requests {
    /// # Errors
    /// The cluster did not start.
    pub fn start(dir: &Path) -> anyhow::Result<Self> {
        Ok(Self { rig: Rig::start(dir)? })
    }
}

async fn ask(port: u16, asked: &Asked) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut reader, mut writer) = stream.split();
    let all = [asked.head.as_bytes(), &asked.body.0].concat();
    // Whoever is refused because of its head may be cut off while it speaks.
    let said = async { drop(writer.write_all(&all).await) };
    let mut answer = vec![0; 12];
    let both = async { tokio::join!(said, reader.read_exact(&mut answer)).1 };
    tokio::time::timeout(HANG, both)
        .await
        .with_context(|| format!("no answer in time to {:?}", asked.head))?
        .with_context(|| format!("no answer to {:?}", asked.head))?;
    ensure!(answer.starts_with(b"HTTP/1.1 "), "an answer to {:?}: {answer:?}", asked.head);
    ensure!(&answer[9..12] != b"500", "{:?} is answered with 500", asked.head);
    Ok(())
}

fn encoded(bytes: &[u8]) -> String {
    bytes
        .iter()
        .take(3_000)
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' => char::from(*byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// A value for a field, of any kind.
fn value(name: &str, random: &mut Random) -> serde_json::Value {
    match random.between(0, 9) {
        0 => serde_json::Value::Null,
        1 => words::number(random).into(),
        2 => (-(random.between(0, u64::MAX >> 1) as i64)).into(),
        3 => random.coin().into(),
        4 => serde_json::json!([[], {}, "x"]),
        5 => 1e308.into(),
        _ => String::from_utf8_lossy(&words::text(name, random)).into(),
    }
}

fn body(random: &mut Random) -> Vec<u8> {
    let mut object = serde_json::Map::new();
    for name in
        ["task_id", "handler", "payload", "queue", "group", "priority", "new_task_id", "paused"]
    {
        if random.one_in_thousand(700) {
            object.insert(name.to_owned(), value(name, random));
        }
    }
    let mut body = serde_json::Value::from(object).to_string().into_bytes();
    match random.between(0, 9) {
        0 => mutate::mutate(&mut body, random),
        1 => body = words::nasty(random),
        2 => body = vec![b'['; random.between(1, 100_000) as usize],
        3 if random.one_in_thousand(50) => body = vec![b'"'; 20 << 20],
        _ => {}
    }
    body
}

impl Target for Requests {
    type Case = Asked;
    const NAME: &'static str = "panel";
    const BATCH: usize = 400;

    fn make(&self, random: &mut Random) -> Asked {
        let id = match random.coin() {
            true => words::id(random),
            false => encoded(&words::text("task_id", random)),
        };
        let name = encoded(&words::text("queue", random));
        let (method, path) = match random.between(0, 11) {
            0 => ("GET", "cluster".to_owned()),
            1 => ("GET", "me".to_owned()),
            2 => ("GET", "history".to_owned()),
            3 => ("GET", "queues".to_owned()),
            4 => ("POST", format!("queues/{name}")),
            5 => ("GET", "tasks".to_owned()),
            6 => ("POST", "tasks".to_owned()),
            7 => ("GET", format!("tasks/{id}")),
            8 => ("GET", format!("tasks/{id}/steps")),
            9 => ("POST", format!("tasks/{id}/cancel")),
            10 => ("POST", format!("tasks/{id}/retry")),
            _ => ("GET", "figures".to_owned()),
        };
        let keys = [
            "state", "size", "page", "queue", "handler", "worker", "group", "error", "array",
            "schedule", "whole", "x",
        ];
        let query: Vec<_> = (0..random.between(0, 4))
            .map(|_| {
                let key = keys[random.index(keys.len())];
                format!("{key}={}", encoded(&words::text(key, random)))
            })
            .collect();
        let body = if method == "POST" { body(random) } else { Vec::new() };
        let user = words::USERS[random.index(3)];
        let mut head = format!(
            "{method} /panel/api/{path}?{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
            query.join("&")
        );
        head += &format!("Content-Length: {}\r\n", body.len());
        if random.one_in_thousand(960) {
            head += &format!("{USER_KEY}: {user}\r\n{TOKEN_KEY}: {TOKEN}\r\n");
        }
        if random.one_in_thousand(100) {
            head += &format!("{AS_KEY}: {}\r\n", words::USERS[random.index(3)]);
        }
        if random.one_in_thousand(100) {
            head += "Origin: http://localhost:1\r\n";
        }
        Asked { head: head + "\r\n", body: Raw(body) }
    }

    fn run(&mut self, cases: &[Asked]) -> anyhow::Result<()> {
        let port = self.rig.ports()[0];
        let asked = self.rig.runtime().block_on(async {
            let asked = futures::stream::iter(cases).map(|case| ask(port, case));
            let ended: Vec<_> = asked.buffer_unordered(TOGETHER).collect().await;
            ended.into_iter().collect::<anyhow::Result<Vec<()>>>()
        });
        self.rig.check()?;
        asked.map(drop)
    }

    fn told(&self) -> String {
        format!("rss {}", self.rig.memory())
    }
}
