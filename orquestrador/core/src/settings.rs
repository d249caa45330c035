//! What administrators decide.

/// What an administrator decides about a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// Of two queues that both have work, one gets slots in this proportion to the other; at least 1.
    pub weight: u32,
    /// Tasks that may run at a time; `None`: as many as there are slots.
    pub max_running: Option<u32>,
    /// None of its tasks is assigned.
    pub paused: bool,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self { weight: 1, max_running: None, paused: false }
    }
}
