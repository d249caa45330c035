//! Input that nobody sends by mistake: every service, the port, journals, parsers and the panel get what a seed decides.
//!
//! A [`target::Target`] makes cases and runs them. What fails is written to `corpus/` as a file of cases, which a test repeats.

pub mod corpus;

pub mod memory;
pub mod messages;
pub mod mutate;
pub mod raw;
pub mod rig;
pub mod run;
pub mod target;
pub mod words;
