//! Names of files in a directory that they must not leave.

use std::path::{Component, Path, PathBuf};

/// Bytes of a name.
const MAX_BYTES: usize = 1_024;

/// The name is empty, too long, absolute, or leads elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no name of a file below a directory: relative, without `..`, at most {MAX_BYTES} bytes"
)]
pub struct BadName(pub String);

/// The name as a path that stays below whatever it is joined to. What lies there must be looked at, too: a directory on
/// the way can be a symbolic link.
///
/// # Errors
/// It would not stay below.
pub fn relative_path(name: &str) -> Result<PathBuf, BadName> {
    let bad = || BadName(name.to_owned());
    let path = Path::new(name);
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => plain.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(bad()),
        }
    }
    let is_wrong = plain.as_os_str().is_empty() || name.len() > MAX_BYTES || name.contains('\0');
    if is_wrong || name.ends_with('/') { Err(bad()) } else { Ok(plain) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below() {
        assert_eq!(relative_path("a/./b.png"), Ok(PathBuf::from("a/b.png")));
        for name in ["", ".", "/etc/passwd", "../a", "a/../../b", "a/..", "a/", "a\0b"] {
            assert!(relative_path(name).is_err(), "{name} was accepted");
        }
    }
}
