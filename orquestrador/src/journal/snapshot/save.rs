//! Writing a snapshot of this node's own state.

use std::sync::PoisonError;

use common::proto;
use orquestrador_core::Event;
use orquestrador_core::ids::{Index, ViewNumber};
use orquestrador_core::role::EntryId;
use prost::Message as _;

use super::{MAGIC, MAX_VIEW_RECORDS, SAVING, SnapshotMeta, meta_to_proto};
use crate::journal::bounds::Bounds;
use crate::journal::codec::event_to_proto;
use crate::journal::directory;
use crate::journal::error::Error;
use crate::journal::frames::FrameWriter;
use crate::journal::log::Journal;

/// Encoded bytes after which a chunk ends.
const CHUNK_BYTES: usize = 256 << 10;

impl Journal {
    /// Replaces the snapshot by one that stands for the entry `id`, which the journal must hold.
    /// `events` rebuild the state after that entry. Of `views`, the records at or below `id` are
    /// remembered, the newest 64. Durable when it returns; the journal can be appended to meanwhile.
    pub fn save_snapshot(
        &self,
        id: EntryId,
        views: &[(ViewNumber, Index)],
        events: impl Iterator<Item = Event>,
    ) -> Result<(), Error> {
        // It guards a file name, which a thread that panicked has not made unusable.
        let _one = self.0.snapshotting.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_snapshot_place(id)?;
        let cluster = *self.0.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        let view_records = newest_records(views, id.index);
        let meta = SnapshotMeta { id, view_records, cluster, node: Some(self.0.node) };
        let temporary = self.0.directory.unfinished_snapshot(SAVING);
        let mut writer = FrameWriter::create(&temporary, MAGIC, &meta_to_proto(&meta))?;
        for chunk in chunks(events) {
            writer.body(&chunk, chunk.events.len() as u64)?;
        }
        writer.finish()?;
        self.write(|writer, tail| {
            self.check_snapshot_place(id)?;
            // The bounds reach the snapshot before it is there: one beyond them was received.
            writer.bounds.set(Bounds { last: tail.last, ..writer.bounds.current() })?;
            directory::rename(&temporary, &self.0.directory.snapshot())?;
            tail.snapshot = Some(id);
            Ok(())
        })
    }

    fn check_snapshot_place(&self, id: EntryId) -> Result<(), Error> {
        let tail = self.tail();
        let covered = tail.snapshot.unwrap_or(tail.base).index;
        if id.index < covered {
            return Err(Error::SnapshotBoundary { asked: id.index, snapshot: covered });
        }
        if self.id_at(id.index)? != Some(id) {
            return Err(Error::BrokenChain { index: id.index });
        }
        Ok(())
    }
}

/// The events, as many together as make a frame.
pub(in crate::journal) fn chunks(
    mut events: impl Iterator<Item = Event>,
) -> impl Iterator<Item = proto::SnapshotEvents> {
    std::iter::from_fn(move || {
        let (mut chunk, mut bytes) = (proto::SnapshotEvents::default(), 0);
        while bytes < CHUNK_BYTES
            && let Some(event) = events.next()
        {
            let event = event_to_proto(&event);
            bytes += event.encoded_len();
            chunk.events.push(event);
        }
        (!chunk.events.is_empty()).then_some(chunk)
    })
}

pub(in crate::journal) fn newest_records(
    views: &[(ViewNumber, Index)],
    last: Index,
) -> Vec<(ViewNumber, Index)> {
    let mut records: Vec<_> = views.iter().copied().filter(|(_, index)| *index <= last).collect();
    records.sort_by_key(|(_, index)| *index);
    records.split_off(records.len().saturating_sub(MAX_VIEW_RECORDS))
}
