//! Files that a task takes of what others left: `ID[:FILES][=INTO]`.

use common::blobs::{InputFrom, relative_path};
use common::messages::client::ClientMessage;
use common::messages::client_files::FilesMessage;

use super::args;
use super::failure::Failure;

/// Whose files, which of them, and where they go; nothing is checked yet.
pub fn parts(text: &str) -> (&str, Option<&str>, Option<&str>) {
    let place = text.find([':', '=']);
    let (of, rest) = place.map_or((text, ""), |place| text.split_at(place));
    let Some(rest) = rest.strip_prefix(':') else {
        return (of, None, rest.strip_prefix('=').filter(|into| !into.is_empty()));
    };
    let (files, into) = rest.rsplit_once('=').unwrap_or((rest, ""));
    (of, Some(files).filter(|files| !files.is_empty()), Some(into).filter(|into| !into.is_empty()))
}

/// The values of `--input-from`.
pub fn read(values: &[String]) -> Result<Vec<InputFrom>, Failure> {
    let one = |text: &String| {
        let (id, ..) = parts(text);
        let task = args::task_id(id).map_err(|_| {
            let message = FilesMessage::NoTaskBefore { value: text.clone() };
            Failure::usage(ClientMessage::Files(message))
        })?;
        named(task, text).map_err(|name| {
            Failure::usage(ClientMessage::Files(FilesMessage::BadFileName { name }))
        })
    };
    values.iter().map(one).collect()
}

/// What is written so of this task.
///
/// # Errors
/// A name that leads out of the directory of an attempt.
pub fn named(task: String, text: &str) -> Result<InputFrom, String> {
    let (_, files, into) = parts(text);
    match [files, into].into_iter().flatten().find(|name| relative_path(name).is_err()) {
        Some(bad) => Err(bad.to_owned()),
        None => {
            Ok(InputFrom { task, files: files.map(str::to_owned), into: into.map(str::to_owned) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_names_a_task_and_may_name_files_and_a_place() {
        assert_eq!(parts("id"), ("id", None, None));
        assert_eq!(parts("id=in"), ("id", None, Some("in")));
        assert_eq!(parts("id=a:b"), ("id", None, Some("a:b")));
        assert_eq!(parts("id:*.o"), ("id", Some("*.o"), None));
        assert_eq!(parts("id:*.o=in"), ("id", Some("*.o"), Some("in")));
        assert_eq!(parts("id:a=b=in"), ("id", Some("a=b"), Some("in")));
        assert_eq!(parts("id:a=b="), ("id", Some("a=b"), None));
        for bad in ["id:../a", "id:/a", "id=../b"] {
            assert!(named("id".into(), bad).is_err(), "{bad}");
        }
    }
}
