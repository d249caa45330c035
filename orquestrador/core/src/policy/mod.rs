//! Which of the free workers gets the next task. Only decides: what was decided stands in the events,
//! so that another policy never changes history.

/// How workers are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// The one whose last turn is longest ago.
    #[default]
    RoundRobin,
    /// The one with the smallest part of its slots taken; among equals, the one whose last turn is longest ago.
    LeastLoaded,
}

/// What a policy may look at.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// When it last got a task, as a number that grows with each assignment.
    pub turn: u64,
    /// All its slots are taken; it would hold the task ready for the next one that is free.
    pub is_ahead: bool,
    pub taken: u32,
    pub slots: u32,
}

/// The free worker of the lowest rank is chosen; no two workers have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// Whoever can start a task at once comes before all who cannot.
    pub is_ahead: bool,
    /// In parts of 65,536.
    load: u64,
    turn: u64,
}

impl Policy {
    pub fn rank(self, candidate: Candidate) -> Rank {
        let Candidate { turn, is_ahead, taken, slots } = candidate;
        let load = match self {
            Self::RoundRobin => 0,
            Self::LeastLoaded => (u64::from(taken) << 16) / u64::from(slots.max(1)),
        };
        Rank { is_ahead, load, turn }
    }
}
