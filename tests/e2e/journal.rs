//! A journal that cannot be written, or is not what was written: the node stops and says so, the other one goes
//! on, and the node is made anew from it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use common::exit;
use harness::{Cli, Cluster, Layout, Process};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);
/// Looks, a tenth of a second apart.
const TRIES: usize = 200;
const TASK: [&str; 5] = ["--handler", "echo", "--allow-unknown-handler", "--payload", "oi"];

struct Pair {
    cluster: Cluster,
    cli: Cli,
    dir: tempfile::TempDir,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    Principal,
    Backup,
}

impl Pair {
    fn new() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let layout = Layout::new(dir.path(), 0)?;
        let cli = Cli::new(&layout);
        Ok(Self { cluster: Cluster::new(layout), cli, dir })
    }

    fn started() -> anyhow::Result<Self> {
        let mut pair = Self::new()?;
        pair.cluster.start()?;
        Ok(pair)
    }

    fn process(&mut self, side: Side) -> &mut Option<Process> {
        match side {
            Side::Principal => &mut self.cluster.principal,
            Side::Backup => &mut self.cluster.backup,
        }
    }

    fn start(&mut self, side: Side) -> anyhow::Result<()> {
        match side {
            Side::Principal => self.cluster.start_principal(),
            Side::Backup => self.cluster.start_backup(),
        }
    }

    fn kill(&mut self, side: Side) -> anyhow::Result<()> {
        let mut process = self.process(side).take().context("it does not run")?;
        process.kill()
    }

    /// Binary, own port and the other's.
    fn names(&self, side: Side) -> (&'static str, u16, u16) {
        let layout = &self.cluster.layout;
        match side {
            Side::Principal => ("orquestrador", layout.principal_port, layout.backup_port),
            Side::Backup => ("orquestrador-backup", layout.backup_port, layout.principal_port),
        }
    }

    fn data(&self, side: Side) -> PathBuf {
        self.cluster.layout.data_dir(self.names(side).1)
    }

    fn address(&self, side: Side) -> String {
        format!("http://localhost:{}", self.names(side).1)
    }

    /// `orquestrador journal …` for a node's directory.
    fn journal(&self, side: Side, args: &[&str]) -> anyhow::Result<Output> {
        let (binary, ..) = self.names(side);
        Command::new(self.cluster.layout.binary(binary))
            .arg("journal")
            .args(args)
            .arg("--data-dir")
            .arg(self.data(side))
            .env_remove("MUTIRAO_LANG")
            .stdin(Stdio::null())
            .output()
            .context("failed to run the tool")
    }

    fn repair(&self, side: Side) -> anyhow::Result<Output> {
        let peer = format!("http://localhost:{}", self.names(side).2);
        self.journal(side, &["repair", "--from-peer", "--peer", &peer, "--yes"])
    }

    fn verified(&self, side: Side) -> anyhow::Result<(Option<i32>, Value)> {
        let output = self.journal(side, &["verify", "--output", "json"])?;
        Ok((output.status.code(), serde_json::from_slice(&output.stdout)?))
    }

    /// Until this node is the principal and serves.
    fn wait_principal(&self, side: Side) -> anyhow::Result<()> {
        let address = self.address(side);
        let serves = |answer: &[Value]| {
            answer
                .iter()
                .any(|c| c["principal"].as_str() == Some(&*address) && c["waiting_for"].is_null())
        };
        let found = self.cli.until(&["cluster"], TRIES, serves)?;
        found.map(drop).with_context(|| format!("{address} is not principal"))
    }

    /// It does not start, says why, and ends with the code of a broken guarantee.
    fn refuses_to_start(&self, side: Side) -> anyhow::Result<()> {
        let mut process = self.spawn(side, None)?;
        let status = process.wait(SOON)?;
        assert_eq!(status.code(), Some(i32::from(exit::BROKEN)), "{:?}", process.lines());
        process.wait_for("journal repair --from-peer", SOON)?;
        Ok(())
    }

    /// Starts a node by itself; `limit` is a script that goes before.
    fn spawn(&self, side: Side, limit: Option<&str>) -> anyhow::Result<Process> {
        let (binary, port, peer) = self.names(side);
        let script = format!(r#"{} exec "$0" "$@""#, limit.unwrap_or_default());
        let mut args = vec!["-c".to_owned(), script];
        args.push(self.cluster.layout.binary(binary).display().to_string());
        args.extend(["--port".to_owned(), port.to_string()]);
        args.extend(["--peer".to_owned(), format!("http://localhost:{peer}")]);
        args.extend(["--data-dir".to_owned(), self.data(side).display().to_string()]);
        Process::start(binary, Path::new("/bin/sh"), &args, self.dir.path(), None)
    }

    fn proven(&self) -> anyhow::Result<()> {
        let audit = self.cli.json(&["audit"])?.pop().context("no audit")?;
        assert_eq!(audit["verdict"].as_str(), Some("PROVEN"), "{audit}");
        Ok(())
    }
}

fn segment(data: &Path) -> anyhow::Result<PathBuf> {
    let first = fs::read_dir(data.join("store"))?.next().context("no segment")??;
    Ok(first.path())
}

/// Alters the last byte that was written, which belongs to an acknowledged entry.
fn flip(data: &Path) -> anyhow::Result<()> {
    let path = segment(data)?;
    let mut bytes = fs::read(&path)?;
    let last = bytes.iter().rposition(|byte| *byte != 0).context("nothing was written")?;
    bytes[last] ^= 0x40;
    Ok(fs::write(path, bytes)?)
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn code(code: u8) -> Option<i32> {
    Some(i32::from(code))
}

/// Damaged while it was stopped: found, refused, made anew from the other one, in sync again.
fn damaged_and_repaired(side: Side, other: Side) -> anyhow::Result<()> {
    let mut pair = Pair::started()?;
    let task = pair.cli.submit(&TASK)?;
    let in_use = pair.journal(side, &["verify"])?;
    assert_eq!(in_use.status.code(), code(exit::RESOURCE), "{}", text(&in_use));
    pair.kill(side)?;
    pair.wait_principal(other)?;
    assert_eq!(pair.verified(side)?.0, code(exit::OK));
    let dumped = pair.journal(side, &["dump"])?;
    assert!(text(&dumped).contains(&task), "{}", text(&dumped));

    flip(&pair.data(side))?;
    let (verdict, found) = pair.verified(side)?;
    assert_eq!(verdict, code(exit::BROKEN), "{found}");
    let old = found["node_id"].as_str().context("no node id")?.to_owned();
    let [damage] = &found["damage"].as_array().context("no damage")?[..] else { panic!("{found}") };
    assert!(damage["file"].as_str().is_some_and(|file| file.starts_with("store")), "{found}");
    assert!(damage["offset"].is_u64() && damage["index"].is_u64(), "{found}");
    pair.refuses_to_start(side)?;

    let repaired = pair.repair(side)?;
    assert_eq!(repaired.status.code(), code(exit::OK), "{}", text(&repaired));
    let aside = pair.data(side).join("damaged-1");
    assert!(text(&repaired).contains(&aside.display().to_string()), "{}", text(&repaired));
    assert!(segment(&aside)?.is_file());
    pair.start(side)?;
    let process = pair.process(side).as_ref().context("it does not run")?;
    process.wait_for("Sincronizado: pronto para assumir", SOON)?;
    pair.proven()?;
    pair.kill(other)?;
    pair.wait_principal(side)?;
    assert_eq!(pair.cli.json(&["status", &task])?[0]["state"].as_str(), Some("QUEUED"));
    pair.kill(side)?;
    let (verdict, now) = pair.verified(side)?;
    assert_eq!(verdict, code(exit::OK), "{now}");
    assert!(now["node_id"].as_str().is_some_and(|node| node != old), "{now}");
    Ok(())
}

#[test]
fn the_backup_s_journal_is_damaged_and_repaired() -> anyhow::Result<()> {
    damaged_and_repaired(Side::Backup, Side::Principal)
}

#[test]
fn the_principal_s_journal_is_damaged_and_repaired() -> anyhow::Result<()> {
    damaged_and_repaired(Side::Principal, Side::Backup)
}

/// What the principal acknowledged alone is only in its journal: setting that aside would lose it.
#[test]
fn a_journal_that_knows_more_than_the_other_stays() -> anyhow::Result<()> {
    let mut pair = Pair::started()?;
    pair.kill(Side::Backup)?;
    // Only a principal that is alone knows more than the other.
    let is_alone = |nodes: &[serde_json::Value]| {
        nodes.iter().any(|node| {
            node["views"]
                .as_array()
                .and_then(|all| all.last())
                .is_some_and(|v| v["cause"] == "SHRANK")
        })
    };
    pair.cli.until(&["cluster", "explain"], 200, is_alone)?.context("it is not alone")?;
    let task = pair.cli.submit(&TASK)?;
    pair.kill(Side::Principal)?;
    flip(&pair.data(Side::Principal))?;
    let silent = pair.repair(Side::Principal)?;
    assert_eq!(silent.status.code(), code(exit::UNAVAILABLE), "{}", text(&silent));

    pair.start(Side::Backup)?;
    let before = fs::read(segment(&pair.data(Side::Principal))?)?;
    let refused = pair.repair(Side::Principal)?;
    assert_eq!(refused.status.code(), code(exit::REFUSED), "{}", text(&refused));
    assert_eq!(fs::read(segment(&pair.data(Side::Principal))?)?, before);
    assert!(!pair.data(Side::Principal).join("damaged-1").exists());
    // The entry that was altered is the one that only this journal has.
    let dumped = pair.journal(Side::Principal, &["dump"])?;
    assert_eq!(dumped.status.code(), code(exit::BROKEN));
    assert!(!text(&dumped).contains(&task), "{}", text(&dumped));
    Ok(())
}

/// Nobody else can be asked, and the other one has everything: it is promoted first, as the refusal says.
#[test]
fn one_damaged_of_two_that_were_stopped() -> anyhow::Result<()> {
    let mut pair = Pair::started()?;
    let task = pair.cli.submit(&TASK)?;
    let stopped = pair.cluster.principal.as_ref().context("it does not run")?;
    // Stopped first, so that it does not learn of the backup's death.
    stopped.signal(rustix::process::Signal::STOP)?;
    pair.kill(Side::Backup)?;
    pair.kill(Side::Principal)?;
    flip(&pair.data(Side::Backup))?;
    pair.start(Side::Principal)?;
    let refused = pair.repair(Side::Backup)?;
    assert_eq!(refused.status.code(), code(exit::REFUSED), "{}", text(&refused));
    assert!(text(&refused).contains("cluster promote --force"), "{}", text(&refused));
    let promoted = pair.cli.run(&["cluster", "promote", "--force"])?;
    assert_eq!(promoted.code, code(exit::OK), "{}", promoted.stderr);
    pair.wait_principal(Side::Principal)?;
    let repaired = pair.repair(Side::Backup)?;
    assert_eq!(repaired.status.code(), code(exit::OK), "{}", text(&repaired));
    pair.cluster.start_backup()?;
    pair.cluster.wait_in_sync()?;
    assert_eq!(pair.cli.json(&["status", &task])?[0]["state"].as_str(), Some("QUEUED"));
    pair.proven()
}

/// Of an append that a crash interrupted nobody was told.
#[test]
fn a_torn_end_is_reported_and_the_node_starts() -> anyhow::Result<()> {
    let mut pair = Pair::started()?;
    pair.cli.submit(&TASK)?;
    pair.kill(Side::Backup)?;
    let path = segment(&pair.data(Side::Backup))?;
    let mut bytes = fs::read(&path)?;
    let end = bytes.iter().rposition(|byte| *byte != 0).context("nothing was written")?;
    bytes[end + 10..end + 90].fill(0xa5);
    fs::write(&path, bytes)?;
    let (verdict, found) = pair.verified(Side::Backup)?;
    assert_eq!(verdict, code(exit::OK), "{found}");
    assert!(found.to_string().contains("TORN"), "{found}");
    pair.cluster.start_backup()?;
    let backup = pair.cluster.backup.as_ref().context("it does not run")?;
    backup.wait_for("foi interrompida", SOON)?;
    pair.cluster.wait_in_sync()?;
    pair.proven()
}

/// The failing node ends loudly; the other one has, or takes, the office, and serves.
fn stops_and_the_other_serves(pair: &mut Pair, failing: Side, other: Side) -> anyhow::Result<()> {
    let process = pair.process(failing).as_mut().context("it does not run")?;
    process.wait_for("o diário não pôde ser gravado", SOON)?;
    let status = process.wait(SOON)?;
    assert_eq!(status.code(), code(exit::BROKEN), "{:?}", process.lines());
    pair.wait_principal(other)?;
    pair.cli.submit(&TASK)?;
    Ok(())
}

/// A limit on the length of files stands for a full disk: the same failure of the same calls.
fn disk_full(failing: Side, other: Side) -> anyhow::Result<()> {
    let mut pair = Pair::new()?;
    for side in [Side::Principal, Side::Backup] {
        if side == failing {
            let process = pair.spawn(side, Some(r#"trap "" XFSZ; ulimit -f 600;"#))?;
            process.wait_for("iniciado na porta", SOON)?;
            *pair.process(side) = Some(process);
        } else {
            pair.start(side)?;
        }
    }
    pair.cluster.wait_in_sync()?;
    let payload = pair.dir.path().join("payload");
    fs::write(&payload, vec![b'x'; 200_000])?;
    let payload = format!("@{}", payload.display());
    let big = ["--handler", "echo", "--allow-unknown-handler", "--payload", &payload];
    // Beyond the limit; the client finds whoever accepts it.
    let tasks: Vec<_> = (0..5).map(|_| pair.cli.submit(&big)).collect::<Result<_, _>>()?;
    stops_and_the_other_serves(&mut pair, failing, other)?;
    let process = pair.process(failing).as_ref().context("it does not run")?;
    let told = process.lines().iter().filter(|line| line.contains("está cheio")).count();
    assert_eq!(told, 1, "{:?}", process.lines());
    // With space again it is a pair, and nothing that was acknowledged is missing.
    pair.start(failing)?;
    let process = pair.process(failing).as_ref().context("it does not run")?;
    process.wait_for("Sincronizado: pronto para assumir", SOON)?;
    for task in &tasks {
        assert_eq!(pair.cli.json(&["status", task])?[0]["state"].as_str(), Some("QUEUED"));
    }
    pair.proven()
}

#[test]
fn the_principal_s_disk_fills_up() -> anyhow::Result<()> {
    disk_full(Side::Principal, Side::Backup)
}

#[test]
fn the_backup_s_disk_fills_up() -> anyhow::Result<()> {
    disk_full(Side::Backup, Side::Principal)
}

/// `prepare` makes the role file of the principal one that cannot be replaced; handing over writes it.
fn role_cannot_be_written(
    prepare: impl FnOnce(&Path) -> std::io::Result<()>,
) -> anyhow::Result<()> {
    let mut pair = Pair::started()?;
    prepare(&pair.data(Side::Principal).join("role.new"))?;
    // It may be answered by the successor or not at all: what counts is who serves in the end.
    pair.cli.run(&["--timeout", "5s", "cluster", "switchover"])?;
    stops_and_the_other_serves(&mut pair, Side::Principal, Side::Backup)
}

/// A device that takes every write and cannot be flushed.
#[test]
fn a_flush_fails() -> anyhow::Result<()> {
    role_cannot_be_written(|path| std::os::unix::fs::symlink("/dev/null", path))
}

/// As on a disk that became read-only.
#[test]
fn no_file_can_be_created() -> anyhow::Result<()> {
    role_cannot_be_written(|path| fs::create_dir(path))
}
