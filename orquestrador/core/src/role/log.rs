//! What the role machine asks of the journal. The shell keeps the ids of recent entries in memory.

use super::view::{EntryId, View};
use crate::ids::{Index, ViewNumber};

/// The journal as the role machine sees it.
pub trait Log {
    /// The last entry appended, fsynced or not; the default before the first.
    fn last(&self) -> EntryId;

    /// The entry at `index`: those retained and the one the snapshot stands for, which without one is the
    /// default at index 0.
    fn id_at(&self, index: Index) -> Option<EntryId>;

    /// The index that the snapshot stands for; 0 without one.
    fn floor(&self) -> Index;

    /// Where the record of a view with `from <= number <= to` stands, the newest such.
    fn record(&self, from: ViewNumber, to: ViewNumber) -> Option<Index>;
}

/// An entry without its payload; a view's record shows the view.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EntrySummary {
    pub id: EntryId,
    pub record: Option<View>,
}
