//! The whole platform in one thread, in virtual time: two orchestrators with the real driver, role and task
//! machines, workers, clients, disks, clocks and the network between them. One seed decides everything
//! that happens; the same seed gives the same run.
//!
//! It owns the faults and what must hold in spite of them ([`invariants`]). It never decides what a node
//! does: that is the code which runs in production.

mod client;
mod clock;
mod disk;
mod faults;
pub mod invariants;
mod link;
pub mod mutation;
mod network;
mod node;
mod orders;
mod plan;
mod posts;
pub mod random;
mod schedule;
mod session;
mod store;
mod submissions;
mod truth;
mod witness;
mod words;
mod worker;
mod world;

use invariants::Violation;
use mutation::Mutation;
use world::World;

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// Equal for equal runs.
    pub fingerprint: u64,
    pub events: u64,
    /// Entries committed.
    pub entries: u64,
    pub tasks: u64,
}

/// One run.
///
/// # Errors
/// Something happened that must not.
pub fn run(seed: u64, mutation: Option<Mutation>) -> Result<Report, Violation> {
    let mut world = World::new(seed, mutation, false);
    world.run()?;
    Ok(report(&world))
}

/// The same, with the story of what happened.
pub fn tell(seed: u64, mutation: Option<Mutation>) -> (Result<Report, Violation>, Vec<String>) {
    let mut world = World::new(seed, mutation, true);
    let ended = world.run().map(|()| report(&world));
    (ended, world.story.unwrap_or_default())
}

fn report(world: &World) -> Report {
    Report {
        fingerprint: world.fingerprint,
        events: world.events,
        entries: world.truth.last().index.0,
        tasks: world.truth.tasks.len() as u64,
    }
}

/// What to type to see this run again.
pub fn replay_command(seed: u64) -> String {
    format!("cargo xtask simulate --seeds 1 --first {seed}")
}
