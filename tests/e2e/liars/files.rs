//! Files of a journal from elsewhere: the node does not start, says which file it is and what to do, and changes nothing.

use std::fs;
use std::path::{Path, PathBuf};

use common::exit;
use harness::{Cli, Cluster, Layout, Process};

use super::SOON;

const TASK: [&str; 5] = ["--handler", "echo", "--allow-unknown-handler", "--payload", "x"];

/// The data directory of a principal that has worked and was killed.
fn written(dir: &Path) -> anyhow::Result<(Layout, PathBuf)> {
    fs::create_dir_all(dir)?;
    let layout = Layout::new(dir, 0)?;
    let mut cluster = Cluster::new(layout.clone());
    cluster.start()?;
    let cli = Cli::new(&layout);
    for _ in 0..3 {
        cli.submit(&TASK)?;
    }
    cluster.kill_principal()?;
    let data = layout.data_dir(layout.principal_port);
    Ok((layout, data))
}

fn segment(data: &Path) -> anyhow::Result<PathBuf> {
    let mut found = fs::read_dir(data.join("store"))?.collect::<Result<Vec<_>, _>>()?;
    found.sort_by_key(fs::DirEntry::file_name);
    Ok(found.first().expect("it has entries").path())
}

#[test]
fn files_of_another_cluster_are_refused_at_the_start() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (layout, ours) = written(&dir.path().join("ours"))?;
    let (_, theirs) = written(&dir.path().join("theirs"))?;
    let pairs = [
        (segment(&ours)?, segment(&theirs)?),
        (ours.join("role"), theirs.join("role")),
        (ours.join("bounds"), theirs.join("bounds")),
    ];
    for (own, foreign) in pairs {
        let before = fs::read(&own)?;
        fs::copy(&foreign, &own)?;
        let swapped = fs::read(&own)?;
        let port = layout.principal_port.to_string();
        let (peer, data) = (format!("http://localhost:{}", layout.backup_port), ours.display());
        let args = ["--port", &port, "--peer", &peer, "--data-dir", &data.to_string()];
        let args = args.map(str::to_owned);
        let binary = layout.binary("orquestrador");
        let mut process = Process::start("principal", &binary, &args, &layout.dir, None)?;
        let code = process.wait(SOON)?.code();
        assert_eq!(
            code,
            Some(i32::from(exit::BROKEN)),
            "{}: {:#?}",
            own.display(),
            process.lines()
        );
        process.wait_for("journal repair --from-peer", SOON)?;
        assert_eq!(fs::read(&own)?, swapped, "nothing was changed");
        fs::write(&own, before)?;
    }
    // With its own files it is as it was.
    let mut cluster = Cluster::new(layout);
    cluster.start_principal()?;
    cluster.start_backup()
}
