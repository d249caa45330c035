//! What tasks need of workers.

/// What a task needs of its worker. The default is what tasks without any have: one slot, anywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needs {
    /// At least 1.
    pub slots: u32,
    /// Which the worker must have, with these values; sorted by key.
    pub labels: Vec<(String, String)>,
    /// How much of what the worker has a number of; sorted by name, none of it 0.
    pub resources: Vec<(String, u64)>,
}

impl Default for Needs {
    fn default() -> Self {
        Self { slots: 1, labels: Vec::new(), resources: Vec::new() }
    }
}

impl Needs {
    /// As much as a task without needs takes, wherever that may be.
    pub fn is_one_slot(&self) -> bool {
        self.slots == 1 && self.resources.is_empty()
    }
}
