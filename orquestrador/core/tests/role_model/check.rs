//! The same world for the exhaustive checker.

use orquestrador_core::role::View;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use stateright::{Model, Property};

use super::heal::Survival;
use super::{Action, World};

/// Numbers from here on are an override's.
const FORCED: u64 = 1_000_000;

/// Of ballots, where no witness is asked.
const MAX_ROUND: u64 = 3;

/// Starts from these worlds and tries everything.
#[derive(Clone)]
pub struct Cluster {
    pub starts: Vec<World>,
    /// Of so many states one is made to heal, and to survive either node.
    pub heal_one_in: u64,
    pub survivals: Arc<Survivals>,
}

/// How often a node whose peer died for good served again, and how often it could not.
#[derive(Default, Debug)]
pub struct Survivals {
    pub serves: AtomicU64,
    pub waits_amid_change: AtomicU64,
}

impl fmt::Display for Survivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let serves = self.serves.load(Ordering::Relaxed);
        let waits = self.waits_amid_change.load(Ordering::Relaxed);
        write!(f, "{serves} survived the other's death, {waits} waited amid a change")
    }
}

impl Model for Cluster {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        self.starts.clone()
    }

    fn actions(&self, state: &World, actions: &mut Vec<Action>) {
        if state.violation.is_none() {
            actions.extend(state.actions());
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut next = last.clone();
        next.step(action);
        next.normalise();
        (next != *last).then_some(next)
    }

    fn within_boundary(&self, state: &World) -> bool {
        let views_fit = |decided: &[View]| {
            let natural = decided.iter().filter(|view| view.number.0 < FORCED).count();
            u64::try_from(natural).is_ok_and(|count| count <= state.budget.views)
        };
        // Duelling proposers could outbid each other for ever.
        let rounds_fit = state
            .nodes
            .iter()
            .all(|n| n.durable.acceptor.promised.is_none_or(|b| b.round <= MAX_ROUND));
        let in_register = |number| state.ballots.iter().filter(|(of, _)| *of == number).count();
        let ballots_fit = state.ballots.iter().all(|(number, _)| {
            u64::try_from(in_register(*number)).is_ok_and(|count| count <= state.budget.ballots)
        });
        rounds_fit && ballots_fit && state.truths.iter().all(|(_, truth)| views_fit(&truth.decided))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("safety", |_, world: &World| world.violation.is_none()),
            Property::always(
                "both alive with their disks find each other",
                |model: &Self, world: &World| !model.is_sampled(world) || world.heal().is_ok(),
            ),
            Property::always("one survives the other", |model: &Self, world: &World| {
                // Without witnesses, and off loopback, nobody decides alone.
                world.rules.workers == 0
                    || !model.is_sampled(world)
                    || (0..2).all(|dead| model.survives(world, dead))
            }),
        ]
    }
}

impl Cluster {
    fn survives(&self, world: &World, dead: usize) -> bool {
        match world.survives(dead) {
            None => true,
            Some(Survival::Serves) => {
                self.survivals.serves.fetch_add(1, Ordering::Relaxed);
                true
            }
            Some(Survival::WaitsAmidChange) => {
                self.survivals.waits_amid_change.fetch_add(1, Ordering::Relaxed);
                true
            }
            Some(Survival::Waits(_)) => false,
        }
    }

    fn is_sampled(&self, world: &World) -> bool {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        world.hash(&mut hasher);
        hasher.finish().is_multiple_of(self.heal_one_in)
    }
}
