//! Files of a task as its payload and its result name them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Content, Hash, is_pattern, pattern_fits, relative_path};

/// Of one task, each way.
pub const MAX_FILES: usize = 2_000;

/// A file and its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedFile {
    /// Relative to the directory of the attempt.
    pub name: String,
    /// The hash, in hexadecimal digits.
    pub blob: String,
    /// How long it is.
    pub bytes: u64,
    /// It may be run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
}

impl StagedFile {
    /// `None` when the hash is none.
    pub fn content(&self) -> Option<Content> {
        Some(Content { hash: Hash::from_hex(&self.blob)?, bytes: self.bytes })
    }
}

/// Files that a task takes of what another one left behind, as its payload says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputFrom {
    /// The id of a task, or of an array: then the files of each of its tasks are in a folder named by its number.
    pub task: String,
    /// A name, a folder or a pattern; all files without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<String>,
    /// The folder in which they are put; of a task's one file, named as it is, its new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<String>,
}

impl InputFrom {
    /// Where a file goes, relative to the directory of the attempt; `None` if it is not meant, or its name leads elsewhere.
    pub fn place(&self, file: &StagedFile, number: Option<u32>) -> Option<PathBuf> {
        let name = relative_path(&file.name).ok()?;
        let into = self.into.as_deref().map(relative_path).transpose().ok()?;
        let below = match &self.files {
            None => name,
            Some(pattern) if is_pattern(pattern) => {
                pattern_fits(&relative_path(pattern).ok()?, &name).ok()?.then_some(name)?
            }
            Some(own) => match (name.strip_prefix(relative_path(own).ok()?).ok()?, &into) {
                (rest, Some(into)) if rest.as_os_str().is_empty() && number.is_none() => {
                    return Some(into.clone());
                }
                (rest, Some(_)) if !rest.as_os_str().is_empty() => rest.to_owned(),
                (_, _) => name,
            },
        };
        let folder = into.unwrap_or_default();
        let folder = number.map_or(folder.clone(), |number| folder.join(number.to_string()));
        Some(folder.join(below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_task_left_is_put_where_it_is_meant_to_be() {
        let place = |files: Option<&str>, into: Option<&str>, name: &str, number| {
            let from = InputFrom {
                task: String::new(),
                files: files.map(Into::into),
                into: into.map(Into::into),
            };
            let (name, blob) = (name.to_owned(), String::new());
            let file = StagedFile { name, blob, bytes: 0, executable: false };
            from.place(&file, number).map(|place| place.display().to_string())
        };
        let is = |text: &str| Some(text.to_owned());
        assert_eq!(place(None, None, "out/a.o", None), is("out/a.o"));
        assert_eq!(place(None, Some("in"), "out/a.o", None), is("in/out/a.o"));
        assert_eq!(place(Some("*.o"), Some("in"), "a.o", None), is("in/a.o"));
        assert_eq!(place(Some("*.o"), None, "a.c", None), None);
        assert_eq!(place(Some("a.o"), None, "a.o", None), is("a.o"));
        assert_eq!(place(Some("a.o"), Some("b.o"), "a.o", None), is("b.o"));
        assert_eq!(place(Some("out"), None, "out/a.o", None), is("out/a.o"));
        assert_eq!(place(Some("out"), Some("in"), "out/a.o", None), is("in/a.o"));
        assert_eq!(place(Some("out"), None, "outer/a.o", None), None);
        assert_eq!(place(None, None, "part", Some(7)), is("7/part"));
        assert_eq!(place(Some("part"), Some("all"), "part", Some(7)), is("all/7/part"));
        assert_eq!(place(None, None, "../a", None), None);
        assert_eq!(place(None, Some("../a"), "a", None), None);
    }
}
