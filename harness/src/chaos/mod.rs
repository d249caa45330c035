//! Faults at random under load, and the count of what came of it.
//!
//! [`rounds`]: kills on one machine, as fast as they come. [`storm`]: every fault there is, each process on a machine
//! of its own, and what the clients were answered checked for linearizability. The seed decides what happens
//! and in which order, not what comes of it: the processes are real.

mod clients;
mod deck;
mod ending;
mod fault;
mod injection;
pub mod rounds;
pub mod storm;
mod verdict;
mod work;

pub use verdict::Verdict;
