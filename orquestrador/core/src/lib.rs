//! The pure core of the orchestrator: no I/O, clock, randomness, async or logging.
//!
//! [`Machine`] decides what happens to tasks, workers and users; [`role`] decides which node may.

pub mod command;
pub mod effect;
pub mod event;
pub mod ids;
pub mod limits;
mod machine;
pub mod rejection;
pub mod role;

pub use command::Command;
pub use effect::{Answer, Effect};
pub use event::Event;
pub use limits::Limits;
pub use machine::{Machine, Step};
pub use rejection::Rejection;
