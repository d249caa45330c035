//! The files whose hashes the demo computes, and the hashes that they must have.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

/// Files taken at most.
const MAX_FILES: usize = 2_000;

/// A file and its SHA-256 in hexadecimal.
pub struct Hashed {
    pub path: PathBuf,
    pub sha256: String,
}

/// Every file of the repository at `root`, as git lists them.
///
/// # Errors
/// There is no repository, or a file cannot be read.
pub fn repository(root: &Path) -> anyhow::Result<Vec<Hashed>> {
    let listed = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root)
        .output()
        .context("failed to start git")?;
    anyhow::ensure!(listed.status.success(), "{} is not a git repository", root.display());
    String::from_utf8_lossy(&listed.stdout)
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(|name| root.join(name))
        .filter(|path| path.is_file())
        .take(MAX_FILES)
        .map(|path| {
            let content = std::fs::read(&path)
                .with_context(|| format!("failed to read {}", path.display()))?;
            let sha256 = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
            Ok(Hashed { path, sha256 })
        })
        .collect()
}
