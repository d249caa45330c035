//! `cliente top`: the cluster in a terminal, live.
//!
//! [`model`] is what is known and what the keys have chosen; [`draw`] makes a picture of it, and of nothing else. [`feed`] asks the
//! principal, [`screen`] has the terminal.

mod draw;
mod feed;
mod keys;
mod log;
mod model;
mod opened;
mod record;
mod rows;
mod screen;
mod turn;

pub use turn::{once, watch};
