//! `cargo xtask cluster`: the guide's cluster with prefixed, coloured logs, until Ctrl+C.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use harness::{Cluster, Layout, ports};

/// Starts a principal, a backup and workers and leaves them running.
#[derive(Parser)]
struct Options {
    /// How many workers
    #[arg(long, default_value_t = 3)]
    workers: usize,
    /// Where the data is kept from one run to the next
    #[arg(long, default_value = "mutirao-data/cluster")]
    dir: PathBuf,
    /// Handlers that the workers offer
    #[arg(long, default_value = "simulated,echo,mandelbrot,command")]
    handlers: String,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mutirao-cluster: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> anyhow::Result<()> {
    std::fs::create_dir_all(&options.dir)?;
    let dir = options.dir.canonicalize()?;
    let ports = guide_ports(options.workers)?;
    let mut layout = Layout::with_ports(&dir, &ports)?;
    layout.worker_args = vec!["--handlers".into(), options.handlers.clone()];
    println!(
        "principal :{}  backup :{}  workers {:?}  (Ctrl+C ends all)",
        layout.principal_port, layout.backup_port, layout.worker_ports
    );
    println!("cliente --orchestrators {}", layout.orchestrators().join(","));
    let mut cluster = Cluster::new(layout).on_line(print_prefixed);
    // On a second run the old backup may be principal: readiness is not waited for, only shown.
    cluster.start_principal()?;
    cluster.start_backup()?;
    for nth in 0..cluster.workers.len() {
        cluster.start_worker(nth)?;
    }
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(tokio::signal::ctrl_c())
        .context("failed to wait for Ctrl+C")
}

/// The guide's ports, or free ones when any of them is taken.
fn guide_ports(workers: usize) -> anyhow::Result<Vec<u16>> {
    let guide: Vec<u16> =
        ports::GUIDE[..2].iter().copied().chain((0..workers).map(|n| 50061 + n as u16)).collect();
    if guide.iter().all(|&port| ports::is_free(port)) {
        return Ok(guide);
    }
    println!("uma porta do guia está ocupada: usando portas livres");
    Ok(ports::free(guide.len())?)
}

fn print_prefixed(name: &str, line: &str) {
    let colour = match name {
        "principal" => 32,
        "backup" => 33,
        _ => 36,
    };
    if std::env::var_os("NO_COLOR").is_some() {
        println!("{name:>9} | {line}");
    } else {
        println!("\x1b[{colour}m{name:>9}\x1b[0m | {line}");
    }
}
