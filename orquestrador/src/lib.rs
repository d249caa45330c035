//! The orchestrator.
pub mod journal;
