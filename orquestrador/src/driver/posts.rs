//! Who tells receivers of tasks' ends: another one in the simulation.

use std::sync::Arc;

use orquestrador_core::webhook::Owed;

/// Only a principal tells.
pub trait Posts: Send {
    /// Begins to tell; what that comes to is said by [`Command::ReportPost`](orquestrador_core::Command).
    fn post(&self, owed: Arc<Owed>);

    /// The office is over: whoever has it now tells.
    fn stop(&self);
}
