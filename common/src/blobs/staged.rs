//! Files of a task as its payload and its result name them.

use serde::{Deserialize, Serialize};

use super::{Content, Hash};

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
