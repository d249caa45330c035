//! Files of cases: those that failed once, and some that are worth a look in every test.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::target::Target;

/// In the repository.
pub fn dir(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)
}

/// Writes cases down.
///
/// # Errors
/// The file cannot be written.
pub fn save<T: Target>(dir: &Path, name: &str, cases: &[T::Case]) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(dir)?;
    let path = dir.join(format!("{name}.json"));
    fs::write(&path, serde_json::to_string_pretty(cases)? + "\n")?;
    Ok(path)
}

/// All files of a target, by name.
///
/// # Errors
/// A file is not readable.
pub fn load<T: Target>() -> anyhow::Result<Vec<(PathBuf, Vec<T::Case>)>> {
    let dir = dir(T::NAME);
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let mut paths =
        fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path)?;
        let cases = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        Ok((path, cases))
    };
    paths.into_iter().map(read).collect()
}
