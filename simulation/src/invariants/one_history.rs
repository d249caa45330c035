//! What one node holds to be committed, every other one holds too, in the same place (V1, V6).

use orquestrador_core::Event;
use orquestrador_core::ids::Index;

use super::{Violation, ensure};
use crate::disk::Disk;
use crate::truth::Truth;

const NAME: &str = "one history";

/// A node says that it is committed up to `committed`; `before`: what it said last. Gives the events that
/// nobody had committed yet.
pub fn advance(
    truth: &mut Truth,
    disk: &Disk,
    before: Index,
    committed: Index,
) -> Result<Vec<Event>, Violation> {
    let mut events = Vec::new();
    for index in (before.0 + 1..=committed.0).map(Index) {
        if let Some(known) = truth.id_at(index) {
            // What is below the journal's beginning was compared when it was committed here, or came
            // with a snapshot.
            if index >= disk.base.index {
                let here = disk.id_at(index);
                ensure(here == Some(known), NAME, || {
                    format!("entry {index} is {known:?}, but a node has committed {here:?}")
                })?;
            }
            continue;
        }
        let entry = disk.entry(index).ok_or_else(|| {
            Violation::new(NAME, format!("entry {index} is committed and nowhere to be found"))
        })?;
        let follows = orquestrador::journal::chain(&truth.last(), entry.id.epoch, &entry.payload);
        ensure(follows == entry.id, NAME, || {
            format!("entry {index} does not follow what was committed before")
        })?;
        ensure(entry.id.epoch >= truth.last().epoch, "epochs", || {
            format!("entry {index} is of an earlier epoch than the one before")
        })?;
        events.extend(truth.extend(entry)?);
    }
    Ok(events)
}
