//! A node ends only because its disk failed: whatever else its driver gives up for, it did to itself.

use orquestrador::{driver, journal};

use super::{Violation, ensure};
use crate::disk::Disk;

const NAME: &str = "runs on";

/// A driver gave up. A misfit is another matter: that its disk is full explains nothing.
pub fn on_end(place: usize, disk: &Disk, error: &driver::Error) -> Result<(), Violation> {
    let is_failure = match error {
        driver::Error::Journal(error) => {
            matches!(error, journal::Error::Poisoned | journal::Error::DiskFull { .. })
        }
        driver::Error::Misfit(_) => false,
    };
    ensure(disk.dead && is_failure, NAME, || {
        format!("node {place} ends although its disk did not fail: {}", with_sources(error))
    })
}

/// A disk cannot be opened.
pub fn on_opening(place: usize, disk: &Disk, error: &journal::Error) -> Result<(), Violation> {
    ensure(disk.altered && error.is_damage(), NAME, || {
        format!("node {place} cannot open an unaltered disk: {}", with_sources(error))
    })
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
