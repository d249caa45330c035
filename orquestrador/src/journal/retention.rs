//! Removing entries: those that a new principal lacks (V6), those that a snapshot stands for.
//!
//! The bounds are durable before the first entry goes, so a crash leaves a removal that the next
//! opening repeats, never a journal with a hole.

use orquestrador_core::ids::Index;
use orquestrador_core::role::EntryId;

use super::bounds::{Bounds, BoundsFile};
use super::error::Error;
use super::log::Journal;
use super::set_aside::{self, SetAside};
use super::store::{self, Store};

impl Journal {
    /// Removes the entries above `index`, after they are durable in a file of their own (V6).
    /// `None` if there are none.
    pub fn set_aside_after(&self, index: Index) -> Result<Option<SetAside>, Error> {
        self.write(|writer, tail| {
            if index >= tail.last.index {
                return Ok(None);
            }
            // The snapshot stands for entries that every replica has.
            let fixed = tail.snapshot.unwrap_or(tail.base).index.max(tail.base.index);
            if index < fixed {
                return Err(Error::SnapshotBoundary { asked: index, snapshot: fixed });
            }
            let kept = self.present(index)?;
            let entries = self.0.store.range(kept, tail.last.index, self.0.store.removals());
            let saved = set_aside::save(
                &self.0.directory.set_aside(),
                self.0.node,
                (kept, tail.last),
                entries,
            )?;
            tail.last = kept;
            // Readers know of it first, so that none looks for what is gone.
            self.publish(tail);
            cut(&self.0.store, &mut writer.bounds, tail.base, kept)?;
            Ok(Some(saved))
        })
    }

    /// Keeps a copy of the snapshot that no later one replaces, for people: the history that it stands for is about
    /// to give way to another. `None` without one.
    pub fn set_aside_snapshot(&self) -> Result<Option<SetAside>, Error> {
        let directory = &self.0.directory;
        self.write(|_, tail| {
            tail.snapshot
                .map(|id| {
                    set_aside::save_snapshot(&directory.snapshot(), &directory.set_aside(), id)
                })
                .transpose()
        })
    }

    /// Forgets the entries below `index`, which must not be above the snapshot's. The disk space
    /// comes back a whole segment at a time.
    pub fn prune_below(&self, index: Index) -> Result<(), Error> {
        let forgotten = self.write(|writer, tail| {
            let Some(base_index) = index.0.checked_sub(1).map(Index) else { return Ok(Vec::new()) };
            if base_index <= tail.base.index {
                return Ok(Vec::new());
            }
            let covered = tail.snapshot.map_or(Index(0), |id| id.index);
            if index > covered {
                return Err(Error::SnapshotBoundary { asked: index, snapshot: covered });
            }
            let base = self.present(base_index)?;
            writer.bounds.set(Bounds { base, last: tail.last, cutting: false })?;
            tail.base = base;
            self.publish(tail);
            Ok(self.0.store.forget_below(base.index))
        })?;
        // Appends do not wait for that.
        forgotten.iter().try_for_each(store::remove)
    }
}

/// Empties the journal; it goes on after `base`, which the snapshot stands for.
pub(super) fn reset(store: &Store, bounds: &mut BoundsFile, base: EntryId) -> Result<(), Error> {
    bounds.set(Bounds { base, last: base, cutting: true })?;
    store.clear()?;
    bounds.set(Bounds { base, last: base, cutting: false })
}

fn cut(store: &Store, bounds: &mut BoundsFile, base: EntryId, last: EntryId) -> Result<(), Error> {
    bounds.set(Bounds { base, last, cutting: true })?;
    store.cut(last.index)?;
    bounds.set(Bounds { base, last, cutting: false })
}
