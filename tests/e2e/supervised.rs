//! The servers under a service manager, which is played here: what they tell it, and what not; and the units for the real one.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use harness::{Cli, Layout, Process};
use rustix::process::Signal;

/// How long nothing comes before the manager would kill.
const WATCHDOG: Duration = Duration::from_millis(1_500);
const SOON: Duration = Duration::from_secs(30);
/// More than one process tells in the time of a test before it is stopped.
const MANY: usize = 200;

struct Manager {
    socket: UnixDatagram,
    environment: Vec<(String, String)>,
}

impl Manager {
    fn new(dir: &Path, name: &str) -> anyhow::Result<Self> {
        let path = dir.join(name);
        let socket = UnixDatagram::bind(&path)?;
        let environment = vec![
            ("NOTIFY_SOCKET".to_owned(), path.display().to_string()),
            ("WATCHDOG_USEC".to_owned(), WATCHDOG.as_micros().to_string()),
        ];
        Ok(Self { socket, environment })
    }

    /// The next thing that is told; `None` when nothing is for so long.
    fn told(&self, within: Duration) -> anyhow::Result<Option<String>> {
        self.socket.set_read_timeout(Some(within))?;
        let mut text = [0; 4096];
        match self.socket.recv(&mut text) {
            Ok(length) => Ok(Some(String::from_utf8_lossy(&text[..length]).trim().to_owned())),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// All that is told up to something like that.
    fn until(&self, text: &str) -> anyhow::Result<Vec<String>> {
        let mut all = Vec::new();
        while all.len() < MANY {
            let next = self.told(SOON)?;
            let Some(next) = next else { break };
            all.push(next);
            if all.last().is_some_and(|last| last.starts_with(text)) {
                return Ok(all);
            }
        }
        panic!("{text} was not told: {all:?}")
    }

    /// It tells nothing any more, for so long that it would be killed.
    fn falls_silent(&self) -> anyhow::Result<bool> {
        for _ in 0..MANY {
            if self.told(WATCHDOG)?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn start(layout: &Layout, program: &str, args: &[String], of: &Manager) -> anyhow::Result<Process> {
    let binary = layout.binary(program);
    Process::start_with(program, &binary, args, &of.environment, &layout.dir, None)
}

fn orchestrator_args(layout: &Layout, own: u16, other: u16) -> Vec<String> {
    let dir = layout.data_dir(own).display().to_string();
    let (port, peer) = (own.to_string(), format!("http://localhost:{other}"));
    ["--port", &port, "--peer", &peer, "--data-dir", &dir].map(str::to_owned).to_vec()
}

#[test]
fn an_orchestrator_tells_that_it_serves_and_lives_and_what_it_is() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 0)?;
    let (own, other) = (layout.principal_port, layout.backup_port);
    let manager = Manager::new(dir.path(), "notify")?;
    let mut node =
        start(&layout, "orquestrador", &orchestrator_args(&layout, own, other), &manager)?;
    assert_eq!(manager.until("READY=1")?.len(), 1, "the first word");
    manager.until("STATUS=principal")?;
    manager.until("WATCHDOG=1")?;
    // The backup is ready without being in sync: here it waits for a node that does not answer.
    let backups = Manager::new(dir.path(), "notify-backup")?;
    node.signal(Signal::STOP)?;
    let args = orchestrator_args(&layout, other, own);
    let backup = start(&layout, "orquestrador-backup", &args, &backups)?;
    backups.until("READY=1")?;
    assert!(manager.falls_silent()?, "a process that stands still gives no sign of life");
    drop(backup);
    node.signal(Signal::CONT)?;
    manager.until("WATCHDOG=1")?;
    node.signal(Signal::TERM)?;
    manager.until("STOPPING=1")?;
    assert!(node.wait(SOON)?.success());
    Ok(())
}

#[test]
fn a_worker_is_ready_when_it_is_registered() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 1)?;
    let manager = Manager::new(dir.path(), "notify")?;
    let (port, orchestrators) = (layout.worker_ports[0].to_string(), layout.orchestrators());
    let orchestrators = orchestrators.join(",");
    let args = ["--port", &port, "--orchestrators", &orchestrators, "--handlers", "command"];
    let mut worker = start(&layout, "worker", &args.map(str::to_owned), &manager)?;
    // It searches, and lives.
    for _ in 0..3 {
        assert_eq!(manager.told(SOON)?.as_deref(), Some("WATCHDOG=1"));
    }
    let principal = orchestrator_args(&layout, layout.principal_port, layout.backup_port);
    let nobody = Manager::new(dir.path(), "notify-principal")?;
    let principal = start(&layout, "orquestrador", &principal, &nobody)?;
    manager.until("READY=1")?;
    // Its programs do not speak for it.
    let cli = Cli::new(&layout);
    let program = "echo ${NOTIFY_SOCKET-nobody} ${WATCHDOG_USEC-never}";
    let run = cli.run(&["run", "--", "sh", "-c", program])?;
    assert_eq!(run.stdout, "nobody never\n", "{}", run.stderr);
    drop(principal);
    manager.until("STATUS=")?;
    manager.until("WATCHDOG=1")?;
    worker.signal(Signal::STOP)?;
    assert!(manager.falls_silent()?, "a process that stands still gives no sign of life");
    worker.signal(Signal::CONT)?;
    manager.until("WATCHDOG=1")?;
    worker.signal(Signal::TERM)?;
    manager.until("STOPPING=1")?;
    assert!(worker.wait(SOON)?.success());
    Ok(())
}

/// A copy of the units whose programs are the ones that were built.
fn units(layout: &Layout) -> anyhow::Result<Vec<(PathBuf, u32)>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd");
    // The exposure that `systemd-analyze security` may find, in tenths: programs of users need room.
    let all = [
        ("mutirao-orquestrador.service", "mutirao-orquestrador.service", 20),
        ("mutirao-orquestrador-backup.service", "mutirao-orquestrador-backup.service", 20),
        ("mutirao-worker@.service", "mutirao-worker@50061.service", 45),
    ];
    let binaries = format!("ExecStart={}/", layout.binaries.display());
    let copy = |(from, to, exposure): (&str, &str, u32)| {
        let text = std::fs::read_to_string(source.join(from))?;
        let path = layout.dir.join(to);
        std::fs::write(&path, text.replace("ExecStart=/usr/bin/", &binaries))?;
        Ok((path, exposure))
    };
    all.into_iter().map(copy).collect()
}

#[test]
fn systemd_finds_the_units_in_order_and_shut_in() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 0)?;
    for (unit, exposure) in units(&layout)? {
        let verified =
            Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output();
        let verified = match verified {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                eprintln!("NOT CHECKED: there is no systemd-analyze (Debian package systemd)");
                return Ok(());
            }
            verified => verified?,
        };
        let said = String::from_utf8_lossy(&verified.stderr);
        assert!(verified.status.success() && said.is_empty(), "{}: {said}", unit.display());
        let threshold = format!("--threshold={exposure}");
        let security = ["security", "--offline=true", "--no-pager", &threshold];
        let shut_in = Command::new("systemd-analyze").args(security).arg(&unit).output()?;
        let said = String::from_utf8_lossy(&shut_in.stdout);
        assert!(shut_in.status.success(), "{}: {said}", unit.display());
    }
    Ok(())
}
