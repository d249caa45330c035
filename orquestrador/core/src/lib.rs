//! The pure core of the orchestrator: no I/O, clock, randomness, async or logging.
//!
//! [`Machine`] decides what happens to tasks, workers and users. Which node may is decided by [`role`] in a pair, and by
//! [`election`] where etcd keeps the log.

mod apply;
pub mod command;
pub mod content;
mod decide;
mod digest;
pub mod effect;
pub mod election;
pub mod event;
pub mod figures;
mod history;
pub mod ids;
pub mod invariants;
pub mod limits;
mod machine;
pub mod mutation;
pub mod needs;
mod office;
pub mod policy;
pub mod quota;
pub mod ranges;
pub mod rejection;
pub mod role;
pub mod schedule;
pub mod settings;
mod state;
pub mod terms;
pub mod trace;
pub mod webhook;

pub use command::Command;
pub use decide::{MAX_SCANNED, MAX_TOLD, QUARANTINED};
pub use effect::{Answer, Effect};
pub use event::DEPENDENCY_FAILED;
pub use event::Event;
pub use history::History;
pub use limits::Limits;
pub use machine::{Machine, Step};
pub use rejection::Rejection;
