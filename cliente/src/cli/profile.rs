//! The profile that `cliente login` keeps: a file that only its owner can read.

use std::fmt::Display;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use common::messages::client::ClientMessage;
use common::tls;
use serde::{Deserialize, Serialize};

use super::failure::Failure;

/// Access of group and others.
const OTHERS: u32 = 0o077;

/// Who one is, and where the orchestrators are unless they are the guide's.
#[derive(Clone, Deserialize, Serialize)]
pub struct Profile {
    pub user: String,
    pub token: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orchestrators: Vec<String>,
    #[serde(default, skip_serializing_if = "tls::Flags::is_empty")]
    pub tls: tls::Flags,
}

/// `$XDG_CONFIG_HOME/mutirao/profile.json`, below `~/.config` by default.
fn path() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(config.join("mutirao").join("profile.json"))
}

/// `None` when nobody has logged in.
pub fn load() -> Result<Option<Profile>, Failure> {
    path().map_or(Ok(None), |path| read(&path))
}

fn read(path: &Path) -> Result<Option<Profile>, Failure> {
    let shown = path.display().to_string();
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::io(shown)(error)),
    };
    if metadata.permissions().mode() & OTHERS != 0 {
        return Err(Failure::Resource(Box::new(ClientMessage::OpenProfile { path: shown })));
    }
    let text = fs::read_to_string(path).map_err(Failure::io(shown))?;
    serde_json::from_str(&text).map(Some).map_err(broken)
}

/// What is in the file cannot be used.
pub fn broken(error: impl Display) -> Failure {
    let path = path().map(|path| path.display().to_string()).unwrap_or_default();
    Failure::Resource(Box::new(ClientMessage::BrokenProfile { path, error: error.to_string() }))
}

/// Keeps it for later; gives the path.
pub fn save(profile: &Profile) -> Result<String, Failure> {
    let path = path().ok_or_else(|| Failure::Resource(Box::new(ClientMessage::NoHome)))?;
    let shown = path.display().to_string();
    write(&path, profile).map_err(Failure::io(shown.clone()))?;
    Ok(shown)
}

fn write(path: &Path, profile: &Profile) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    // A new file: an old one keeps the access it had.
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(serde_json::to_string(profile)?.as_bytes())?;
    file.sync_all()?;
    fs::rename(temporary, path)
}

/// Forgets it; false when there was none.
pub fn remove() -> Result<bool, Failure> {
    let Some(path) = path() else { return Ok(false) };
    match fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Failure::io(path.display().to_string())(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        Profile {
            user: "ana".into(),
            token: "segredo-da-ana".into(),
            orchestrators: Vec::new(),
            tls: tls::Flags::default(),
        }
    }

    #[test]
    fn only_the_owner_can_read_it_even_if_others_could_before() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("mutirao").join("profile.json");
        write(&path, &profile()).expect("is written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("is ours");
        write(&path, &profile()).expect("is written again");
        let mode = |path: &Path| fs::metadata(path).expect("exists").permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().expect("has one")), 0o700);
        assert_eq!(read(&path).expect("is private").expect("is there").user, "ana");
    }

    #[test]
    fn what_others_can_read_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("profile.json");
        write(&path, &profile()).expect("is written");
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("is ours");
            let refused = matches!(read(&path), Err(Failure::Resource(message))
                if matches!(*message, ClientMessage::OpenProfile { .. }));
            assert!(refused, "{mode:o} was accepted");
        }
    }
}
