//! The same world for the exhaustive checker.

use orquestrador_core::role::View;
use stateright::{Model, Property};

use super::{Action, World};

/// Numbers from here on are an override's.
const FORCED: u64 = 1_000_000;

/// Ballots of one register.
const MAX_ROUND: u64 = 3;

/// Starts from these worlds and tries everything.
#[derive(Clone)]
pub struct Cluster {
    pub starts: Vec<World>,
    /// Of so many states one is made to heal.
    pub heal_one_in: u64,
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
        rounds_fit && state.truths.iter().all(|(_, truth)| views_fit(&truth.decided))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("safety", |_, world: &World| world.violation.is_none()),
            Property::always(
                "both alive with their disks find each other",
                |model: &Self, world: &World| {
                    !model.is_sampled(world) || world.may_stay_down() || world.heal().is_ok()
                },
            ),
        ]
    }
}

impl Cluster {
    fn is_sampled(&self, world: &World) -> bool {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        world.hash(&mut hasher);
        hasher.finish().is_multiple_of(self.heal_one_in)
    }
}
