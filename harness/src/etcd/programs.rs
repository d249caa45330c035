//! Where `etcd` and `etcdctl` are: installed, or of the distribution's packages, unpacked below the target directory.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

const NAMES: [&str; 2] = ["etcd", "etcdctl"];
const PACKAGES: [&str; 2] = ["etcd-server", "etcd-client"];

/// Both of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    /// The server.
    pub etcd: PathBuf,
    /// The client.
    pub etcdctl: PathBuf,
}

impl Programs {
    /// Those that are installed; otherwise they are fetched, once.
    ///
    /// # Errors
    /// They are not installed and cannot be fetched.
    pub fn find() -> anyhow::Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        if let Some(installed) = std::env::split_paths(&path).find_map(|dir| Self::of(&dir)) {
            return Ok(installed);
        }
        let dir = target()?.join("tools/etcd");
        fs::create_dir_all(&dir)?;
        // Others may look at the same time. It is free again when the file is closed.
        let lock = File::create(dir.join("lock"))?;
        lock.lock().context("failed to lock the directory of etcd")?;
        if let Some(fetched) = Self::of(&dir) {
            return Ok(fetched);
        }
        fetch(&dir).context(
            "there is no etcd: install the packages etcd-server and etcd-client, or put `etcd` and `etcdctl` on PATH",
        )?;
        Self::of(&dir).context("the packages are without etcd")
    }

    fn of(dir: &Path) -> Option<Self> {
        let [etcd, etcdctl] = NAMES.map(|name| dir.join(name));
        (etcd.is_file() && etcdctl.is_file()).then_some(Self { etcd, etcdctl })
    }
}

/// Cargo marks it; the running program lies in it.
fn target() -> anyhow::Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let found = exe.ancestors().find(|dir| dir.join("CACHEDIR.TAG").is_file());
    found.map(Path::to_owned).context("there is no etcd, and no target directory to fetch it to")
}

fn fetch(dir: &Path) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir_in(dir)?;
    if let Err(error) = download(scratch.path()) {
        // The lists may be old, or missing.
        run("apt-get", ["update".as_ref()], scratch.path()).context(error)?;
        download(scratch.path())?;
    }
    let unpacked = scratch.path().join("unpacked");
    for entry in fs::read_dir(scratch.path())? {
        let package = entry?.path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            let args = ["-x".as_ref(), package.as_os_str(), unpacked.as_os_str()];
            run("dpkg-deb", args, scratch.path())?;
        }
    }
    for name in NAMES {
        fs::rename(unpacked.join("usr/bin").join(name), dir.join(name))
            .with_context(|| format!("the packages are without {name}"))?;
    }
    Ok(())
}

fn download(dir: &Path) -> anyhow::Result<()> {
    let args = ["download"].into_iter().chain(PACKAGES).map(OsStr::new);
    run("apt-get", args, dir)
}

fn run<'a>(
    program: &str,
    args: impl IntoIterator<Item = &'a OsStr>,
    dir: &Path,
) -> anyhow::Result<()> {
    let done = Command::new(program)
        .args(args)
        .current_dir(dir)
        .output()
        .with_context(|| format!("failed to run {program}"))?;
    if !done.status.success() {
        bail!("{program} failed: {}", String::from_utf8_lossy(&done.stderr));
    }
    Ok(())
}
