//! The worker: takes tasks from whichever orchestrator is principal, runs them, and keeps each outcome
//! until it is acknowledged as committed.
//!
//! Also a library: implement [`Handler`] and call [`run`] to offer work of your own kind
//! (`docs/handlers.md` shows a complete program).

#![warn(missing_docs)]

pub mod config;
mod executor;
mod faults;
pub mod files;
pub mod handlers;
mod lines;
pub mod live;
mod prefetch;
mod run;
mod session;
#[doc(hidden)]
pub mod slots;
mod traced;
mod witness;

pub use config::Config;
pub use files::Files;
pub use handlers::{Context, Failure, Handler, Origin, Scheduled};
pub use live::Live;
pub use run::{Error, run};
