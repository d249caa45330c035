//! Bytes on the port: frames of HTTP/2 by the thousand, broken ones, and requests of HTTP/1 that are none.

use std::path::Path;
use std::time::Duration;

use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use simulation::random::Random;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Target, frames};
use crate::raw::Raw;
use crate::rig::Rig;
use crate::{messages, mutate, words};

/// Connections at the same time.
const TOGETHER: usize = 16;
/// What a connection may take in all.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Bytes of one connection.
const MOST: usize = 8 << 20;

/// One connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Connection {
    /// 0: the principal, 1: the standby, 2: the worker.
    pub to: usize,
    pub first: Raw,
    pub again: Raw,
    pub times: u32,
    /// What is answered is read.
    pub reads: bool,
    /// How long it stays open then.
    pub open_ms: u64,
}

/// The target.
pub struct Bytes {
    rig: Rig,
    paths: Vec<String>,
}

impl Bytes {
    /// # Errors
    /// The cluster did not start.
    pub fn start(dir: &Path) -> anyhow::Result<Self> {
        let methods = messages::methods(&messages::pool()?);
        let path = |method: &prost_reflect::MethodDescriptor| {
            format!("/{}/{}", method.parent_service().full_name(), method.name())
        };
        Ok(Self { rig: Rig::start(dir)?, paths: methods.iter().map(path).collect() })
    }
}

async fn speak(ports: [u16; 3], case: &Connection) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", ports[case.to.min(2)])).await?;
    let (mut reader, mut writer) = stream.split();
    let said = async {
        writer.write_all(&case.first.0).await?;
        let times = (MOST / case.again.0.len().max(1)).min(case.times as usize);
        for _ in 0..times {
            writer.write_all(&case.again.0).await?;
        }
        tokio::time::sleep(Duration::from_millis(case.open_ms)).await;
        writer.shutdown().await
    };
    let heard = async {
        let mut buffer = vec![0; 64 << 10];
        while case.reads && reader.read(&mut buffer).await? > 0 {}
        std::io::Result::Ok(())
    };
    let (said, heard) = tokio::join!(said, heard);
    said.and(heard)
}

/// Requests of HTTP/1, among them those that the port answers.
fn plain(random: &mut Random) -> Vec<u8> {
    let paths = [
        "/metrics",
        "/healthz",
        "/readyz",
        "/",
        "/panel/",
        "/panel/api/cluster",
        "/panel/../x",
        "*",
        "//",
        "/%ff",
    ];
    let methods = ["GET", "POST", "HEAD", "OPTIONS", "PRI", "CONNECT", "G\0T"];
    let versions = ["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9", ""];
    let extra = [
        "Content-Length: 18446744073709551615\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Expect: 100-continue\r\n",
        "Range: bytes=0-,0-,0-\r\n",
        "Origin: http://evil.example\r\n",
        "",
    ];
    let pick = |of: &[&'static str], random: &mut Random| of[random.index(of.len())];
    let mut head = format!(
        "{} {} {}\r\n",
        pick(&methods, random),
        pick(&paths, random),
        pick(&versions, random)
    );
    head += "Host: localhost\r\n";
    (0..random.between(0, 3)).for_each(|_| head += pick(&extra, random));
    if random.one_in_thousand(100) {
        head += &format!("X-Long: {}\r\n", "a".repeat(random.between(1, 600_000) as usize));
    }
    if random.one_in_thousand(100) {
        (0..random.between(1, 3_000)).for_each(|n| head += &format!("X-{n}: y\r\n"));
    }
    let mut bytes = (head + "\r\n").into_bytes();
    let bodies: [&[u8]; 4] =
        [b"", b"ffffffffffffffff\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"{\"task_id\":1}"];
    bytes.extend_from_slice(bodies[random.index(bodies.len())]);
    if random.coin() {
        mutate::mutate(&mut bytes, random);
    }
    bytes
}

impl Target for Bytes {
    type Case = Connection;
    const NAME: &'static str = "bytes";
    const BATCH: usize = 120;

    fn make(&self, random: &mut Random) -> Connection {
        let path = &self.paths[random.index(self.paths.len())];
        let (first, again, times) = match random.between(0, 9) {
            0..=5 => frames::session(path, random),
            6..=8 => (plain(random), Vec::new(), 0),
            _ => (words::nasty(random), words::nasty(random), random.between(0, 9) as u32),
        };
        let to = [0, 0, 0, 1, 2][random.index(5)];
        let (reads, open_ms) = (random.one_in_thousand(700), random.between(0, 40));
        Connection { to, first: Raw(first), again: Raw(again), times, reads, open_ms }
    }

    fn run(&mut self, cases: &[Connection]) -> anyhow::Result<()> {
        let ports = self.rig.ports();
        self.rig.runtime().block_on(async {
            let spoken = futures::stream::iter(cases)
                .map(|case| tokio::time::timeout(PATIENCE, speak(ports, case)));
            // Whoever is cut off, or still waits, has had what it came for.
            let _: Vec<_> = spoken.buffer_unordered(TOGETHER).collect().await;
        });
        self.rig.check()
    }

    fn told(&self) -> String {
        format!("rss {}", self.rig.memory())
    }
}
