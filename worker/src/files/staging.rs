//! Between the directory of an attempt and the blobs: no name leads out of the directory, and no symbolic link is
//! followed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::blobs::{
    Below, Content, MAX_BLOB_BYTES, MAX_FILES, StagedFile, content_of_open, found_below,
    is_pattern, relative_path,
};
use rustix::fs::FileType;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::cache::Cache;
use super::remote::{self, Remote};
use crate::handlers::Failure;

/// What may be run, and what may not.
const MODES: (u32, u32) = (0o755, 0o644);
/// Files that are fetched or stored at the same time.
const AT_ONCE: usize = 4;

pub async fn stage(
    cache: &Cache,
    remote: &Remote,
    dir: &Path,
    inputs: &[StagedFile],
) -> Result<(), Failure> {
    check_names(inputs)?;
    let all: Vec<_> = inputs.iter().map(|input| one(cache, remote, dir, input)).collect();
    stream::iter(all).buffer_unordered(AT_ONCE).try_collect().await
}

/// No two files have one name, and none has that of another one's folder.
fn check_names(inputs: &[StagedFile]) -> Result<(), Failure> {
    let mut names = BTreeSet::new();
    let twice = inputs.iter().find(|input| !names.insert(Path::new(&input.name)));
    let mut folders = names.iter().flat_map(|name| name.ancestors().skip(1));
    let why = match (twice, folders.find(|folder| names.contains(folder))) {
        (Some(twice), _) => format!("inputs: two files are to be called `{}`", twice.name),
        (None, Some(both)) => {
            format!("inputs: `{}` is to be a file, and a folder of others", both.display())
        }
        (None, None) => return Ok(()),
    };
    Err(Failure::invalid_payload(why))
}

async fn one(
    cache: &Cache,
    remote: &Remote,
    dir: &Path,
    input: &StagedFile,
) -> Result<(), Failure> {
    let name = relative_path(&input.name)
        .map_err(|error| Failure::invalid_payload(format!("inputs: {error}")))?;
    let content = input.content().ok_or_else(|| {
        Failure::invalid_payload(format!("inputs: `{}` has no hash of a blob", input.name))
    })?;
    let place = dir.join(name);
    let failed = |error: remote::Error| {
        let text = format!("failed to fetch `{}`: {error}", input.name);
        match error {
            remote::Error::Missing => Failure::new("INPUT_MISSING", text),
            remote::Error::Refused(_) | remote::Error::Io(_) => Failure::handler(text),
        }
    };
    if let Some(parent) = place.parent() {
        tokio::fs::create_dir_all(parent).await.map_err(|error| failed(error.into()))?;
    }
    cache.copy(remote, content, &place).await.map_err(failed)?;
    let mode = if input.executable { MODES.0 } else { MODES.1 };
    let set = tokio::fs::set_permissions(&place, Permissions::from_mode(mode)).await;
    set.map_err(|error| failed(error.into()))
}

pub async fn collect(
    remote: &Remote,
    dir: &Path,
    (outputs, has_succeeded): (&[String], bool),
) -> Result<Vec<StagedFile>, Failure> {
    let (wanted, root) = (outputs.to_vec(), dir.to_owned());
    let look = move || {
        let root = Below::open(&root).map_err(|error| output_failed(&wanted.join(" "), &error))?;
        let made = look(&root, &wanted, has_succeeded)?;
        Ok::<_, Failure>((Arc::new(root), made))
    };
    let looked = tokio::task::spawn_blocking(look);
    let (root, made) = looked.await.map_err(|error| Failure::handler(error.to_string()))??;
    let all: Vec<_> = made.into_iter().map(|made| put(remote, &root, made)).collect();
    stream::iter(all).buffered(AT_ONCE).try_collect().await
}

/// Opened once more, because so many cannot be open at once. Should it be another file by now, the orchestrator refuses it.
async fn put(
    remote: &Remote,
    root: &Below,
    (file, content, name): (StagedFile, Content, PathBuf),
) -> Result<StagedFile, Failure> {
    let open = root.file(&name).map_err(|error| output_failed(&file.name, &error))?;
    let put = remote.put(open.into(), content).await;
    put.map_err(|error| output_failed(&file.name, &error))?;
    Ok(file)
}

fn output_failed(name: &str, why: &dyn std::fmt::Display) -> Failure {
    Failure::new("OUTPUT_FAILED", format!("failed to store `{name}`: {why}"))
}

/// The files that there are of what is wanted, each once.
fn look(
    dir: &Below,
    wanted: &[String],
    has_succeeded: bool,
) -> Result<Vec<(StagedFile, Content, PathBuf)>, Failure> {
    let mut files = BTreeMap::new();
    for pattern in wanted {
        let plain = relative_path(pattern)
            .map_err(|error| Failure::invalid_payload(format!("outputs: {error}")))?;
        let pattern = &*plain.to_string_lossy();
        let names =
            found_below(dir, pattern, MAX_FILES).map_err(|error| output_failed(pattern, &error))?;
        if names.is_empty() && has_succeeded && !is_pattern(pattern) {
            let text = match dir.kind(&plain) {
                Ok(FileType::Directory) => format!("`{pattern}` is an empty folder"),
                Ok(FileType::Symlink) => format!("`{pattern}` is a symbolic link"),
                Ok(_) => format!("`{pattern}` is no regular file"),
                Err(_) => format!("the program succeeded, and made no file `{pattern}`"),
            };
            return Err(Failure::new("OUTPUT_MISSING", text));
        }
        files.extend(names.into_iter().map(|name| (name, ())));
    }
    if files.len() > MAX_FILES {
        let why = format!("there are more than {MAX_FILES} files");
        return Err(output_failed(&wanted.join(" "), &why));
    }
    files.into_keys().map(|name| described(dir, &name)).collect()
}

fn described(dir: &Below, name: &Path) -> Result<(StagedFile, Content, PathBuf), Failure> {
    let failed = |error: std::io::Error| output_failed(&name.display().to_string(), &error);
    let shown =
        name.to_str().ok_or_else(|| failed(std::io::Error::other("its name is no text")))?;
    let open: File = dir.file(name).map_err(failed)?;
    let metadata = open.metadata().map_err(failed)?;
    if metadata.len() > MAX_BLOB_BYTES {
        return Err(output_failed(shown, &format!("it has more than {MAX_BLOB_BYTES} bytes")));
    }
    let content = content_of_open(open).map_err(failed)?;
    let file = StagedFile {
        name: shown.to_owned(),
        blob: content.hash.to_string(),
        bytes: content.bytes,
        executable: metadata.permissions().mode() & 0o100 != 0,
    };
    Ok((file, content, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path, wanted: &[&str], has_succeeded: bool) -> Result<Vec<String>, String> {
        let wanted: Vec<_> = wanted.iter().map(|&name| name.to_owned()).collect();
        let dir = Below::open(dir).expect("is a directory");
        let made = look(&dir, &wanted, has_succeeded).map_err(|failure| failure.code)?;
        Ok(made.into_iter().map(|(file, ..)| file.name).collect())
    }

    #[test]
    fn outputs_are_what_is_below_the_directory_and_no_links() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("out")).expect("is made");
        std::fs::write(dir.path().join("out/a.png"), "a").expect("is written");
        std::fs::write(dir.path().join("log"), "l").expect("is written");
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("passwd")).expect("is made");
        let names = |wanted: &[&str], succeeded| names(dir.path(), wanted, succeeded);
        let found = vec!["log".to_owned(), "out/a.png".to_owned()];
        assert_eq!(names(&["./log", "out/*", "out/a.png", "*.none"], true), Ok(found));
        assert_eq!(names(&["passwd"], true), Err("OUTPUT_MISSING".into()));
        assert_eq!(names(&["missing"], true), Err("OUTPUT_MISSING".into()));
        assert_eq!(names(&["missing"], false), Ok(vec![]));
        for escape in ["../log", "/etc/passwd", "out/../../x"] {
            assert_eq!(names(&[escape], true), Err("INVALID_PAYLOAD".into()), "{escape}");
        }
    }
}
