//! A real etcd of three members on loopback, for `cargo xtask test --engine etcd`: its first line says where it is, and it
//! ends with its standard input, or with Ctrl+C.

use std::io::Read as _;
use std::process::ExitCode;

use anyhow::Context as _;
use harness::EtcdCluster;
use tokio::sync::oneshot;

const MEMBERS: usize = 3;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mutirao-etcd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let etcd = EtcdCluster::start(MEMBERS)?;
    println!("etcd://{}", etcd.endpoints().join(","));
    let (closed, close) = oneshot::channel();
    std::thread::spawn(move || {
        let mut nothing = Vec::new();
        let read = std::io::stdin().read_to_end(&mut nothing);
        // Nobody waits for it any more after Ctrl+C.
        drop(closed.send(read.map(drop)));
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => pressed.context("failed to wait for Ctrl+C"),
            closed = close => closed.context("the standard input is not read")?.context("the standard input cannot be read"),
        }
    })
}
