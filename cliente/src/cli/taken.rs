//! Files that a task takes of what others left: `ID[:FILES][=INTO]`.

use common::blobs::{InputFrom, relative_path};
use common::messages::client::ClientMessage;
use common::messages::client_files::FilesMessage;

use super::args;
use super::failure::Failure;

/// Whose files are meant: the longest name of a task that the text begins with, or what stands before `:` and `=`.
pub fn source(text: &str, is_name: impl Fn(&str) -> bool) -> &str {
    let ends = text.match_indices([':', '=']).map(|(place, _)| place).chain([text.len()]);
    let names = ends.map(|end| text.split_at(end).0);
    let first = names.clone().next().unwrap_or(text);
    names.filter(|name| is_name(name)).last().unwrap_or(first)
}

/// Which of the files of `of`, with which the text begins, and where they go; nothing is checked yet.
fn selection<'a>(text: &'a str, of: &str) -> (Option<&'a str>, Option<&'a str>) {
    let rest = text.strip_prefix(of).unwrap_or_default();
    let Some(rest) = rest.strip_prefix(':') else {
        return (None, rest.strip_prefix('=').filter(|into| !into.is_empty()));
    };
    let (files, into) = rest.rsplit_once('=').unwrap_or((rest, ""));
    (Some(files).filter(|files| !files.is_empty()), Some(into).filter(|into| !into.is_empty()))
}

/// The values of `--input-from`.
pub fn read(values: &[String]) -> Result<Vec<InputFrom>, Failure> {
    let one = |text: &String| {
        let id = source(text, |_| false);
        let task = args::task_id(id).map_err(|_| {
            let message = FilesMessage::NoTaskBefore { value: text.clone() };
            Failure::usage(ClientMessage::Files(message))
        })?;
        named(task, (text, id)).map_err(|name| {
            Failure::usage(ClientMessage::Files(FilesMessage::BadFileName { name }))
        })
    };
    values.iter().map(one).collect()
}

/// What is written so of this task, with whose name the text begins.
///
/// # Errors
/// A name that leads out of the directory of an attempt.
pub fn named(task: String, (text, name): (&str, &str)) -> Result<InputFrom, String> {
    let (files, into) = selection(text, name);
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
        let parts = |text| {
            let of = source(text, |_| false);
            let (files, into) = selection(text, of);
            (of, files, into)
        };
        assert_eq!(parts("id"), ("id", None, None));
        assert_eq!(parts("id=in"), ("id", None, Some("in")));
        assert_eq!(parts("id=a:b"), ("id", None, Some("a:b")));
        assert_eq!(parts("id:*.o"), ("id", Some("*.o"), None));
        assert_eq!(parts("id:*.o=in"), ("id", Some("*.o"), Some("in")));
        assert_eq!(parts("id:a=b=in"), ("id", Some("a=b"), Some("in")));
        assert_eq!(parts("id:a=b="), ("id", Some("a=b"), None));
        for bad in ["id:../a", "id:/a", "id=../b"] {
            assert!(named("id".into(), (bad, "id")).is_err(), "{bad}");
        }
        let names = ["x", "x:y", "x=y.c"];
        let of = |text| source(text, |name| names.contains(&name));
        assert_eq!(["x:y:o=k", "x=y.c", "x:o", "z:o"].map(of), ["x:y", "x=y.c", "x", "z"]);
    }
}
