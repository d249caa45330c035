//! Who the caller is: flags, environment, or the profile that `cliente login` keeps.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use common::auth::Credentials;
use serde::{Deserialize, Serialize};

use super::args::Global;
use super::failure::Failure;

/// The environment variable of the token; there is no flag, which others could see.
const TOKEN_VARIABLE: &str = "MUTIRAO_TOKEN";

#[derive(Deserialize, Serialize)]
struct Profile {
    user: String,
    token: String,
}

/// Flags before environment before profile.
pub fn find(global: &Global) -> Result<Credentials, Failure> {
    let token = match &global.token_file {
        Some(path) => {
            let text = fs::read_to_string(path).map_err(Failure::io(path.display().to_string()))?;
            Some(text.trim().to_owned())
        }
        None => std::env::var(TOKEN_VARIABLE).ok(),
    };
    if let (Some(user), Some(token)) = (&global.user, &token) {
        return new(user, token);
    }
    let (user, token) = match (global.user.clone(), token, load()?) {
        (Some(user), Some(token), _) => (user, token),
        (None, None, Some(profile)) => (profile.user, profile.token),
        (Some(user), None, Some(profile)) if user == profile.user => (profile.user, profile.token),
        (None, Some(token), Some(profile)) => (profile.user, token),
        (Some(_), None, _) | (None, _, None) => return Err(Failure::NoCredentials),
    };
    new(&user, &token)
}

pub fn new(user: &str, token: &str) -> Result<Credentials, Failure> {
    Credentials::new(user, token).map_err(|_| Failure::UnusableCredentials)
}

/// `$XDG_CONFIG_HOME/mutirao/profile.json`
fn path() -> Option<PathBuf> {
    let config = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))?;
    Some(config.join("mutirao/profile.json"))
}

fn load() -> Result<Option<Profile>, Failure> {
    let Some(path) = path() else { return Ok(None) };
    let metadata = match fs::metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::io(path.display().to_string())(error)),
    };
    let shown = path.display().to_string();
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(Failure::OpenProfile { path: shown });
    }
    let text = fs::read_to_string(&path).map_err(Failure::io(shown.clone()))?;
    let profile = serde_json::from_str(&text).map_err(|error| Failure::io(shown)(error.into()))?;
    Ok(Some(profile))
}

/// Keeps them for later, readable by the owner only; gives the path.
pub fn save(user: &str, token: &str) -> Result<String, Failure> {
    let path = path().ok_or(Failure::NoCredentials)?;
    let shown = path.display().to_string();
    let profile = Profile { user: user.to_owned(), token: token.to_owned() };
    write(&path, &profile).map_err(Failure::io(shown.clone()))?;
    Ok(shown)
}

fn write(path: &Path, profile: &Profile) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let temporary = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(serde_json::to_string(profile)?.as_bytes())?;
    file.sync_all()?;
    fs::rename(temporary, path)
}

/// Forgets them; false when there were none.
pub fn remove() -> Result<bool, Failure> {
    let Some(path) = path() else { return Ok(false) };
    match fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Failure::io(path.display().to_string())(error)),
    }
}
