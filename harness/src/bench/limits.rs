//! What the machine can do at all, measured in the same run: figures are compared with these.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::StreamExt as _;
use tokio_stream::wrappers::TcpListenerStream;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::figures::{Figure, percentile};

/// Of each measurement.
const DURATION: Duration = Duration::from_millis(700);
const BLOCK: [u8; 4096] = [7; 4096];
/// Written before it is overwritten.
const FILE_BLOCKS: u64 = 4_096;
const PINGS: usize = 2_000;
const PINGS_IN_FLIGHT: usize = 1_000;
/// One for each core.
const SPAWNERS: usize = 2;

/// All of them.
pub struct Limits {
    /// 4 KiB overwritten in a file and flushed, one after the other, by second.
    pub flush: Figure,
    /// A bare tonic call, in microseconds.
    pub ping: Figure,
    /// Bare tonic calls with 1,000 in flight, by second.
    pub calls: Figure,
    /// `/bin/true` started and waited for in two loops, by second.
    pub spawn: Figure,
}

impl Limits {
    /// `dir`: on the file system that is measured.
    ///
    /// # Errors
    /// The machine refused.
    pub fn measure(dir: &Path, repetitions: usize) -> anyhow::Result<Self> {
        let (mut flush, mut ping) = (Vec::new(), Vec::new());
        let (mut calls, mut spawn) = (Vec::new(), Vec::new());
        for _ in 0..repetitions.max(1) {
            flush.push(flushes(dir)?);
            let (one, many) = pings()?;
            ping.push(one);
            calls.push(many);
            spawn.push(spawns()?);
        }
        Ok(Self {
            flush: Figure::higher("limit_flush_4k", "/s", flush),
            ping: Figure::lower("limit_ping_p50", "us", ping),
            calls: Figure::higher("limit_calls", "/s", calls),
            spawn: Figure::higher("limit_spawn", "/s", spawn),
        })
    }

    /// The figure with its ratio to the limit that it rests on, if there is one.
    pub fn beside(&self, figure: Figure) -> Figure {
        let name = figure.figure.as_str();
        let limit = match name {
            "exec" => &self.spawn,
            "throughput" | "single" | "backlog_enqueue" | "backlog_drain" => &self.calls,
            "latency_p50" => {
                let in_us = figure.median * 1e3;
                return Figure { ratio: Some(in_us / self.ping.median), ..figure.of(&self.ping) };
            }
            _ => return figure,
        };
        figure.of(limit)
    }

    pub fn figures(&self) -> [&Figure; 4] {
        [&self.flush, &self.ping, &self.calls, &self.spawn]
    }
}

fn flushes(dir: &Path) -> anyhow::Result<f64> {
    let mut file: File = tempfile::tempfile_in(dir)?;
    for _ in 0..FILE_BLOCKS {
        file.write_all(&BLOCK)?;
    }
    file.sync_all()?;
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < DURATION {
        file.write_all_at(&BLOCK, (count % FILE_BLOCKS) * BLOCK.len() as u64)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

/// The health service of tonic itself, on a runtime of its own as if in another process.
fn pings() -> anyhow::Result<(f64, f64)> {
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let (server, client) = (runtime()?, runtime()?);
    let listener = server.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    let (_reporter, service) = tonic_health::server::health_reporter();
    let serving = server.spawn(
        tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    let measured = client.block_on(async {
        let channel =
            tonic::transport::Endpoint::new(format!("http://{address}"))?.connect().await?;
        let ping = || {
            let mut health = HealthClient::new(channel.clone());
            async move { health.check(HealthCheckRequest::default()).await.context("no answer") }
        };
        let mut waits = Vec::with_capacity(PINGS);
        for _ in 0..PINGS {
            let began = Instant::now();
            ping().await?;
            waits.push(began.elapsed().as_secs_f64() * 1e6);
        }
        let began = Instant::now();
        let count = PINGS * 20;
        let mut calls = futures::stream::iter(0..count).map(|_| ping()).buffered(PINGS_IN_FLIGHT);
        while let Some(answer) = calls.next().await {
            answer?;
        }
        let rate = count as f64 / began.elapsed().as_secs_f64();
        anyhow::Ok((percentile(&waits, 0.5), rate))
    });
    serving.abort();
    server.shutdown_background();
    measured
}

fn spawns() -> anyhow::Result<f64> {
    let ends = AtomicBool::new(false);
    let began = Instant::now();
    let count = std::thread::scope(|scope| {
        let spawner = || {
            let mut count = 0_u32;
            while !ends.load(Ordering::Relaxed) {
                Command::new("/bin/true").status().context("failed to start /bin/true")?;
                count += 1;
            }
            anyhow::Ok(count)
        };
        let spawners: Vec<_> = (0..SPAWNERS).map(|_| scope.spawn(spawner)).collect();
        std::thread::sleep(DURATION);
        ends.store(true, Ordering::Relaxed);
        spawners.into_iter().try_fold(0, |sum, spawner| {
            let count = spawner.join().map_err(|_| anyhow::anyhow!("a spawner panicked"))??;
            anyhow::Ok(sum + count)
        })
    })?;
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}
