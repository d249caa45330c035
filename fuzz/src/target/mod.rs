//! What is fuzzed.

pub mod bytes;
pub mod decoders;
pub mod frames;
pub mod journal;
pub mod panel;
pub mod wire;

use serde::Serialize;
use serde::de::DeserializeOwned;
use simulation::random::Random;

/// Makes cases from chance alone, and runs them.
pub trait Target {
    /// All that decides what happens: to be kept in a file.
    type Case: Serialize + DeserializeOwned;

    /// Of the folder in `corpus/`, and on the command line.
    const NAME: &'static str;
    /// Cases between two looks at how everything is.
    const BATCH: usize;

    fn make(&self, random: &mut Random) -> Self::Case;

    /// Runs some, and then sees whether everything is as it must be.
    ///
    /// # Errors
    /// What is wrong.
    fn run(&mut self, cases: &[Self::Case]) -> anyhow::Result<()>;

    /// Resident bytes at most so far, of each process that is meant, and what else is worth a word.
    fn told(&self) -> String;
}

/// Of all, in the order in which they are run.
pub const NAMES: [&str; 5] = [
    decoders::Decoders::NAME,
    journal::Journals::NAME,
    wire::Wire::NAME,
    bytes::Bytes::NAME,
    panel::Requests::NAME,
];
