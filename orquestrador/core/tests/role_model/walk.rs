//! Seeded random walks through the same world, deeper than the exhaustive check can go.

use super::{Action, Budget, Rules, World};

/// One walk.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    pub rules: Rules,
    pub budget: Budget,
    pub steps: usize,
    /// Both nodes have met before the walk begins.
    pub grown: bool,
}

/// What a walk came to.
pub struct Outcome {
    pub world: World,
    pub path: Vec<Action>,
    pub problem: Option<String>,
}

impl Walk {
    /// The seed decides everything.
    pub fn run(&self, seed: u64) -> Outcome {
        let mut random = Random(seed);
        let mut world = World::new(self.rules);
        if self.grown {
            world.restart(0);
            world.restart(1);
            world.settle();
        }
        world.budget = self.budget;
        let mut path = Vec::new();
        for _ in 0..self.steps {
            let actions = world.actions();
            let Some(action) = random.pick(&actions) else { break };
            world.step(action);
            path.push(action);
            if let Some(problem) = world.violation.clone() {
                return Outcome { world, path, problem: Some(problem) };
            }
        }
        let (healed, verdict) = world.healed();
        let world = if verdict.is_err() { healed } else { world };
        Outcome { world, path, problem: verdict.err() }
    }
}

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Faults are rarer than progress, so that there is something to break.
    fn pick(&mut self, actions: &[Action]) -> Option<Action> {
        let weight = |action: &Action| match action {
            Action::Deliver(_) | Action::Fsync(_) | Action::Run(_) => 12,
            Action::Dial(_) | Action::Notice(_) | Action::Tick(_) | Action::Restart(_) => 8,
            Action::Ask(_) | Action::Write(_) | Action::Read(_) => 4,
            Action::DeliverLate(_) | Action::Resume(_) | Action::Timeout(_) => 3,
            Action::Survey(_) => 8,
            Action::Break(..)
            | Action::Duplicate(_)
            | Action::Crash(_)
            | Action::Wipe(_)
            | Action::Pause(_)
            | Action::HandOver(_)
            | Action::Promote(_)
            | Action::RunInVain(_)
            | Action::Replace(_) => 1,
        };
        let total: u64 = actions.iter().map(weight).sum();
        let mut at = self.next() % total.max(1);
        for action in actions {
            if at < weight(action) {
                return Some(*action);
            }
            at -= weight(action);
        }
        None
    }
}
