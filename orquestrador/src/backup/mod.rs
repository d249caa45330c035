//! Backups: the whole state of a cluster in one file, taken while it goes on, and a new cluster made from it.

mod restore;
mod write;

pub use restore::{Error, Found, check, first_role, restore};
pub use write::stream;

use orquestrador_core::History;
use orquestrador_core::ids::BlobRef;

use crate::journal::BackupMeta;

/// A committed state, and what it refers to.
pub struct Moment {
    pub meta: BackupMeta,
    pub history: History,
    pub tasks: u64,
    pub blobs: Vec<BlobRef>,
}
