//! What every Mutirão binary shares. It knows the wire and the people, never the core.

#![warn(missing_docs)]

pub mod proto;
