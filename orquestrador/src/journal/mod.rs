//! The node's durable memory: the chained entries, the role state beside them, and a snapshot that
//! stands for the entries before it.
//!
//! It owns one data directory, completely and alone. It never decides what to append, cut or
//! prune, never applies an event and never talks to the network. `docs/journal-format.md` describes
//! what it writes.
//!
//! - What a call has returned is on the disk ([`Journal::append`], [`Journal::save_role`]).
//! - What opens is whole: bytes that were durable and are gone or altered make
//!   [`Error::Corrupt`]; an append that a crash tore was never acknowledged and just is not there.
//! - After a failed write nothing more is written: the operating system may have dropped the pages
//!   that it could not write, so that a later, successful flush proves nothing.

mod backup;
mod bounds;
pub mod codec;
mod directory;
mod entry;
mod error;
mod filling;
mod frames;
pub mod inspect;
mod log;
mod move_aside;
mod recovery;
mod retention;
mod role_file;
mod scan;
mod segment;
mod set_aside;
mod snapshot;
mod store;
mod view_notes;

pub use backup::{BackupMeta, BackupReader, BackupWriter, Part};
pub use codec::{CodecError, Content};
pub use directory::{FORMAT_VERSION, LOCK_FILE, SET_ASIDE_FOLDER, has_history};
pub use entry::{Entry, chain};
pub use error::{Error, Place};
pub use filling::{Filling, NotEmpty};
pub use log::{DiskUsage, Journal};
pub use move_aside::{MovedAside, Replaced, aside_folder, begin, interrupted, move_aside, replace};
pub use recovery::Recovered;
pub use role_file::load as read_role;
pub use scan::Torn;
pub use set_aside::{SNAPSHOT_EXTENSION, SetAside, SetAsideReader, read_set_aside};
pub use snapshot::{
    Events, ReceivedSnapshot, SnapshotBuilder, SnapshotChunk, SnapshotMeta, SnapshotReader,
    SnapshotReceiver, read_set_aside_snapshot,
};
pub use view_notes::ViewNote;
