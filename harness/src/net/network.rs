//! The namespaces: made, entered, cut, and taken away again, also what a killed run left behind.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::cut::{Cut, Engine, Host, ruleset};
use crate::process::{OnLine, Process};

/// Everything that is made has a name of this beginning, followed by the process that made it.
pub(super) const PREFIX: &str = "mutirao-";

/// `ip netns add` sets up its folder on first use, which two at once would do twice.
static MAKING: Mutex<()> = Mutex::new(());

/// One namespace for each [`Host`] of an engine, and one with the bridge between them. Gone when it is dropped.
#[derive(Debug)]
pub struct Network {
    name: String,
    hosts: Vec<Host>,
}

impl Network {
    /// Why there can be no network here; `None` when there can.
    pub fn unavailable() -> Option<String> {
        if !geteuid().is_root() {
            return Some("network namespaces need root".to_owned());
        }
        Self::new(Engine::Pair).err().map(|error| format!("{error:#}"))
    }

    /// # Errors
    /// The system does not allow it, or a tool is missing.
    pub fn new(engine: Engine) -> anyhow::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let making = MAKING.lock().ok();
        remove_leftovers()?;
        let nth = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{nth}", std::process::id());
        let network = Self { name, hosts: engine.hosts() };
        let bridge = network.bridge();
        run("ip", &["netns", "add", &bridge], "")?;
        for host in &network.hosts {
            run("ip", &["netns", "add", &network.namespace(*host)], "")?;
        }
        drop(making);
        network.join()?;
        network.apply(&[])?;
        Ok(network)
    }

    /// A machine's interface is called `eth0`; its other end, at the bridge, as the machine.
    fn join(&self) -> anyhow::Result<()> {
        let mut bridge = String::from("link add bridge type bridge\nlink set bridge up\n");
        for host in self.hosts.iter().copied() {
            let (name, namespace) = (host.name(), self.namespace(host));
            bridge.push_str(&format!(
                "link add {name} type veth peer name eth0 netns {namespace}\n\
                 link set {name} master bridge\nlink set {name} up\n"
            ));
        }
        run("ip", &["-n", &self.bridge(), "-batch", "-"], &bridge)?;
        for host in self.hosts.iter().copied() {
            let address = host.address();
            let batch =
                format!("addr add {address}/24 dev eth0\nlink set eth0 up\nlink set lo up\n");
            run("ip", &["-n", &self.namespace(host), "-batch", "-"], &batch)?;
        }
        Ok(())
    }

    /// These cuts, and no others; the empty list heals everything.
    ///
    /// # Errors
    /// The packet filter refuses.
    pub fn apply(&self, cuts: &[Cut]) -> anyhow::Result<()> {
        for host in self.hosts.iter().copied() {
            let (namespace, rules) = (self.namespace(host), ruleset(host, cuts));
            run("ip", &["netns", "exec", &namespace, "iptables-restore"], &rules)?;
        }
        Ok(())
    }

    /// One rule of address translation on that machine, which stays.
    ///
    /// # Errors
    /// The packet filter refuses.
    pub(super) fn translate(&self, host: Host, rule: &str) -> anyhow::Result<()> {
        let (namespace, rules) = (self.namespace(host), format!("*nat\n{rule}\nCOMMIT\n"));
        let restore = ["netns", "exec", &namespace, "iptables-restore", "--noflush"];
        run("ip", &restore, &rules).map(drop)
    }

    /// Starts a program on that machine; it is the process itself that is given.
    ///
    /// # Errors
    /// It could not be started.
    pub fn start(
        &self,
        host: Host,
        program: &Path,
        args: &[String],
        dir: &Path,
        on_line: Option<OnLine>,
    ) -> anyhow::Result<Process> {
        let program = program.display().to_string();
        // It becomes the program in that namespace.
        let mut all = vec!["netns".to_owned(), "exec".to_owned(), self.namespace(host), program];
        all.extend(args.iter().cloned());
        Process::start(&host.name(), Path::new("ip"), &all, dir, on_line)
    }

    /// A command on that machine.
    pub fn command(&self, host: Host, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(host)]).arg(program).stdin(Stdio::null());
        command
    }

    /// Runs `work` on a thread of its own on that machine.
    ///
    /// # Errors
    /// The namespace is not there, or there is no thread to be had.
    pub fn spawn<T, F>(
        &self,
        host: Host,
        work: impl FnOnce() -> F + Send + 'static,
    ) -> anyhow::Result<JoinHandle<anyhow::Result<T>>>
    where
        T: Send + 'static,
        F: Future<Output = anyhow::Result<T>>,
    {
        let path = PathBuf::from("/run/netns").join(self.namespace(host));
        let namespace =
            File::open(&path).with_context(|| format!("failed to open {}", path.display()))?;
        let on_host = move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work())
        };
        Ok(std::thread::Builder::new().name(host.name()).spawn(on_host)?)
    }

    /// Runs `work` on that machine and waits for it.
    ///
    /// # Errors
    /// Those of `work` and of [`Network::spawn`].
    pub fn run<T, F>(
        &self,
        host: Host,
        work: impl FnOnce() -> F + Send + 'static,
    ) -> anyhow::Result<T>
    where
        T: Send + 'static,
        F: Future<Output = anyhow::Result<T>>,
    {
        let Ok(done) = self.spawn(host, work)?.join() else { bail!("a thread panicked") };
        done
    }

    pub(super) fn namespace(&self, host: Host) -> String {
        format!("{}-{}", self.name, host.name())
    }

    fn bridge(&self) -> String {
        format!("{}-bridge", self.name)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let namespaces = self.hosts.iter().map(|host| self.namespace(*host));
        for namespace in namespaces.chain([self.bridge()]) {
            if let Err(error) = run("ip", &["netns", "delete", &namespace], "") {
                tracing::debug!(%error, "a namespace stays");
            }
        }
    }
}

/// Of runs that were killed: their processes, namespaces and small disks.
fn remove_leftovers() -> anyhow::Result<()> {
    let namespaces = run("ip", &["netns", "list"], "")?;
    let names = namespaces.lines().filter_map(|line| line.split_whitespace().next());
    for namespace in names.filter(|name| is_leftover(name, is_running)) {
        for pid in run("ip", &["netns", "pids", namespace], "")?.lines() {
            if let Some(pid) = pid.trim().parse().ok().and_then(Pid::from_raw)
                && let Err(error) = kill_process(pid, Signal::KILL)
            {
                tracing::debug!(%error, "a process of a killed run ended by itself");
            }
        }
        run("ip", &["netns", "delete", namespace], "")?;
    }
    let mounts = std::fs::read_to_string("/proc/mounts")?;
    for mount in mounts.lines() {
        let mut fields = mount.split(' ');
        if let (Some(name), Some(path)) = (fields.next(), fields.next())
            && is_leftover(name, is_running)
        {
            run("umount", &["--lazy", path], "")?;
        }
    }
    Ok(())
}

/// Whether it has the name of something that we make, and its maker is gone.
fn is_leftover(name: &str, is_running: impl Fn(u32) -> bool) -> bool {
    let maker = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
    maker.and_then(|pid| pid.parse().ok()).is_some_and(|pid| !is_running(pid))
}

fn is_running(pid: u32) -> bool {
    PathBuf::from(format!("/proc/{pid}")).exists()
}

/// Runs a tool of the system to its end and gives what it printed.
pub(super) fn run(program: &str, args: &[&str], input: &str) -> anyhow::Result<String> {
    let what = || format!("failed to run {program} {}", args.join(" "));
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(what)?;
    if let Some(mut stdin) = child.stdin.take()
        && !input.is_empty()
    {
        stdin.write_all(input.as_bytes()).with_context(what)?;
    }
    let output = child.wait_with_output().with_context(what)?;
    if !output.status.success() {
        bail!("{program} {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_dead_maker_left_is_left_over() {
        let is_running = |pid| pid == 7;
        assert!(is_leftover("mutirao-8-0-backup", is_running));
        assert!(is_leftover("mutirao-8", is_running));
        assert!(!is_leftover("mutirao-7-0-backup", is_running));
        assert!(!is_leftover("mutirao-7", is_running));
        assert!(!is_leftover("mutirao-x-0", is_running));
        assert!(!is_leftover("8-0-backup", is_running));
    }
}
