//! The end-to-end tests are in `e2e/`; what they share is the [`harness`].

pub use harness;
