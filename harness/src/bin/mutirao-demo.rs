//! `cargo xtask demo`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use harness::demo::{self, Options, Victims};
use harness::{Cluster, Layout, chaos, ports};

/// Renders a picture and hashes files on a cluster, kills a worker and the principal, checks everything.
#[derive(Parser)]
struct Arguments {
    /// Points of the picture's side
    #[arg(long, default_value_t = 2048)]
    size: u32,
    /// Points of a tile's side
    #[arg(long, default_value_t = 96)]
    tile: u32,
    /// Where the picture goes
    #[arg(long, default_value = "mutirao-demo.png")]
    picture: PathBuf,
    /// Write the picture shrunk by this factor, each point the mean of so many squared
    #[arg(long, default_value_t = 1)]
    shrink: u32,
    /// Show what the processes print
    #[arg(long)]
    verbose: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("mutirao-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let dir = tempfile::tempdir()?;
    let mut layout = Layout::with_ports(dir.path(), &guide_ports()?)?;
    layout.worker_args = vec!["--handlers".into(), "all".into()];
    let client_layout = layout.clone();
    let mut cluster = Cluster::new(layout);
    if arguments.verbose {
        cluster = cluster.on_line(|name, line| println!("{name:>9} | {line}"));
    }
    cluster.start()?;
    println!(
        "principal :{}, backup :{}, workers {:?}",
        client_layout.principal_port, client_layout.backup_port, client_layout.worker_ports
    );
    let options = Options {
        size: arguments.size,
        tile: arguments.tile,
        repository: demo::repository_root(),
        picture: arguments.picture.clone(),
        shrink: arguments.shrink.max(1),
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let report = runtime.block_on(async {
        let client = chaos::rounds::client(&client_layout)?;
        let worker = &mut cluster.workers[0];
        let victims = Victims { worker, principal: &mut cluster.principal };
        demo::run(&options, victims, &client).await
    })?;
    println!("{report}");
    println!("imagem           {}", arguments.picture.display());
    Ok(report.is_clean())
}

fn guide_ports() -> anyhow::Result<Vec<u16>> {
    if ports::GUIDE.iter().all(|&port| ports::is_free(port)) {
        return Ok(ports::GUIDE.to_vec());
    }
    println!("uma porta do guia está ocupada: usando portas livres");
    Ok(ports::free(ports::GUIDE.len())?)
}
