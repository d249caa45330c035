//! G5: a worker is given up only after a whole lease of silence, or when another process took its name.

use super::{Violation, ensure};
use crate::clock::Micros;

const NAME: &str = "G5 running work";

/// What is known of a worker that a principal has just given up.
pub struct GivenUp {
    pub worker: String,
    /// The incarnation that was given up is not the present one, or does not run.
    pub is_gone: bool,
    /// How long the principal has heard nothing of it, or has been in office, by true time.
    pub silent: Micros,
    pub lease: Micros,
}

/// Clocks may be wrong by a little.
pub fn on_given_up(given_up: &GivenUp) -> Result<(), Violation> {
    let GivenUp { worker, is_gone, silent, lease } = given_up;
    ensure(*is_gone || silent * 20 >= lease * 19, NAME, || {
        format!("{worker} was given up after {silent} of {lease} microseconds of silence")
    })
}
