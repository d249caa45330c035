//! G3: in one epoch only one process acknowledges, answers or commands.

use std::collections::BTreeMap;

use orquestrador_core::ids::ProcessId;

use super::{Violation, ensure};

/// Who spoke in each epoch.
#[derive(Default)]
pub struct Memory {
    speakers: BTreeMap<u64, ProcessId>,
}

impl Memory {
    /// A process answers a client, or tells a worker something, in this epoch.
    pub fn on_word(&mut self, epoch: u64, process: ProcessId) -> Result<(), Violation> {
        let speaker = *self.speakers.entry(epoch).or_insert(process);
        ensure(speaker == process, "G3 one principal", || {
            format!("in epoch {epoch} both {speaker} and {process} speak as principal")
        })
    }
}
