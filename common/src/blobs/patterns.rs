//! Files that a name or a pattern stands for, below a directory. Symbolic links are not followed.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, statat};

use super::below::{Below, directory};

/// Directories within each other.
const MAX_DEPTH: usize = 64;

/// Whether it stands for whatever fits, rather than for one file.
pub fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// The files below `dir` that fit the pattern, by their names relative to it, in order. A directory that fits stands for
/// all files in it. At most `limit` and one.
///
/// # Errors
/// The pattern is none, or a directory cannot be read.
pub fn found(dir: &Path, pattern: &str, limit: usize) -> std::io::Result<Vec<PathBuf>> {
    found_below(&Below::open(dir)?, pattern, limit)
}

/// The same of a directory that is open.
///
/// # Errors
/// As [`found`].
pub fn found_below(dir: &Below, pattern: &str, limit: usize) -> std::io::Result<Vec<PathBuf>> {
    let invalid = |why| std::io::Error::new(std::io::ErrorKind::InvalidInput, why);
    let pattern = glob::Pattern::new(pattern).map_err(|error| invalid(error.to_string()))?;
    let mut files = Vec::new();
    let walking = Walk { pattern: &pattern, limit };
    walk(&walking, &dir.root()?, (Path::new(""), 0, false), &mut files)?;
    files.sort();
    Ok(files)
}

/// Whether [`found`] with this pattern finds this file, or a directory that it is in.
///
/// # Errors
/// The pattern is none.
pub fn pattern_fits(pattern: &Path, name: &Path) -> Result<bool, glob::PatternError> {
    let pattern = glob::Pattern::new(&pattern.to_string_lossy())?;
    Ok(name.ancestors().any(|path| pattern.matches_path_with(path, OPTIONS)))
}

struct Walk<'a> {
    pattern: &'a glob::Pattern,
    limit: usize,
}

const OPTIONS: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

fn walk(
    walking: &Walk<'_>,
    dir: &OwnedFd,
    (below, depth, all): (&Path, usize, bool),
    files: &mut Vec<PathBuf>,
) -> std::io::Result<()> {
    for entry in Dir::read_from(dir)? {
        if files.len() > walking.limit {
            break;
        }
        let entry = entry?;
        let own = OsStr::from_bytes(entry.file_name().to_bytes());
        if own == "." || own == ".." {
            continue;
        }
        let name = below.join(own);
        let kind = match entry.file_type() {
            // Not every file system tells.
            FileType::Unknown => {
                FileType::from_raw_mode(statat(dir, own, AtFlags::SYMLINK_NOFOLLOW)?.st_mode)
            }
            kind => kind,
        };
        let fits = all || walking.pattern.matches_with(&name.to_string_lossy(), OPTIONS);
        if fits && name.to_str().is_none() && kind != FileType::Symlink {
            let why = format!("the name {} is no UTF-8", name.display());
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, why));
        }
        if kind == FileType::Directory && depth < MAX_DEPTH {
            let inner = directory(dir, own)?;
            walk(walking, &inner, (&name, depth + 1, fits), files)?;
        } else if kind == FileType::RegularFile && fits {
            files.push(name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_find_files_and_whole_directories_and_follow_no_links() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path();
        std::fs::create_dir_all(root.join("out/deep")).expect("is made");
        for name in ["a.png", "b.png", "c.txt", "out/d.png", "out/deep/e.txt"] {
            std::fs::write(root.join(name), name).expect("is written");
        }
        std::os::unix::fs::symlink("/etc", root.join("link")).expect("is made");
        std::os::unix::fs::symlink("/etc/passwd", root.join("z.png")).expect("is made");
        let names = |pattern| -> Vec<String> {
            let files = found(root, pattern, 100).expect("are found");
            files.iter().map(|file| file.display().to_string()).collect()
        };
        assert_eq!(names("*.png"), ["a.png", "b.png"]);
        assert_eq!(names("out"), ["out/d.png", "out/deep/e.txt"]);
        assert_eq!(names("**/*.txt"), ["c.txt", "out/deep/e.txt"]);
        assert_eq!(names("c.txt"), ["c.txt"]);
        assert!(names("link/*").is_empty());
        let fits = |pattern: &str, name: &str| {
            pattern_fits(Path::new(pattern), Path::new(name)).expect("is one")
        };
        assert!(fits("out", "out/deep/e.txt") && fits("*.png", "a.png"));
        assert!(!fits("*.png", "out/d.png"), "as above");
        assert!(found(root, "[", 100).is_err());
        let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"out/\xff");
        std::fs::write(root.join(name), "x").expect("is written");
        assert!(found(root, "out", 100).is_err(), "it is not left out without a word");
        assert!(found(root, "*.png", 100).is_ok());
    }
}
