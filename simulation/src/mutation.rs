//! A rule that is left out in a run, to prove that the run notices.

#[cfg(feature = "mutations")]
use orquestrador::driver;
#[cfg(feature = "mutations")]
use orquestrador_core::{mutation as machine, role};

/// Of which part.
#[cfg(feature = "mutations")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutation {
    Driver(driver::Mutation),
    Role(role::Mutation),
    Machine(machine::Mutation),
}

/// None can be left out.
#[cfg(not(feature = "mutations"))]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutation {}
