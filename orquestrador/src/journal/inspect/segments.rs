//! Following the chain through all segments, past what is not intact.

use std::path::{Path, PathBuf};

use common::messages::node_journal::Flaw;
use orquestrador_core::ids::Index;
use orquestrador_core::role::{EntryId, View};

use super::super::bounds::Bounds;
use super::super::codec::Content;
use super::super::entry::Entry;
use super::super::error::Error;
use super::super::segment::{Records, Segment};
use super::{Contents, Damage, Found, Inspection, Kind, Piece, State};

/// As [`Scan`](super::super::scan::Scan), but it reports and goes on.
pub(super) struct Walk<'a> {
    bounds: Option<&'a Bounds>,
    inspection: &'a mut Inspection,
    see: &'a mut dyn FnMut(Found<'_>),
    /// `None` behind something that cannot be read.
    last: Option<EntryId>,
    /// The last entry that must be there was seen.
    reached: bool,
    /// Damage to the entries was reported.
    broken: bool,
    /// The entry that the snapshot stands for is among them.
    meets_snapshot: bool,
    /// Where a view is recorded of which the role state knows another one of the same number.
    other_view: Option<(PathBuf, u64, Index)>,
}

/// Where the reading of one segment ended.
enum End {
    Whole,
    Torn,
    Damaged,
}

impl<'a> Walk<'a> {
    pub fn new(
        bounds: Option<&'a Bounds>,
        inspection: &'a mut Inspection,
        see: &'a mut dyn FnMut(Found<'_>),
    ) -> Self {
        let last = bounds.map(|bounds| bounds.base);
        let reached = bounds.is_none_or(|bounds| bounds.last == bounds.base);
        Self {
            bounds,
            inspection,
            see,
            last,
            reached,
            broken: false,
            meets_snapshot: false,
            other_view: None,
        }
    }

    pub fn all(mut self, folder: &Path) -> Result<(), Error> {
        let (kept, obsolete) = self.sorted(folder)?;
        for segment in &obsolete {
            let bytes = super::length(&segment.path)?;
            self.piece(segment.path.clone(), Contents::default(), bytes, State::Obsolete);
        }
        if let (Some(first), Some(bounds)) = (kept.first(), self.bounds) {
            if first.previous.index > bounds.base.index {
                self.entries_missing(folder, bounds.base.index.next());
            }
            self.last = Some(first.previous);
        } else {
            self.last = kept.first().map(|first| first.previous).or(self.last);
        }
        for (number, segment) in kept.iter().enumerate() {
            self.join(segment);
            self.one(segment, number + 1 == kept.len())?;
        }
        let ends_early = |bounds: &Bounds| {
            !self.reached || self.last.is_some_and(|last| last.index < bounds.base.index)
        };
        let early = self.bounds.filter(|bounds| !self.broken && ends_early(bounds));
        if let Some(bounds) = early {
            self.entries_missing(folder, bounds.last.index);
        }
        if !self.broken && self.is_of_another_history() {
            let index = self.inspection.snapshot.map_or(Index(0), |id| id.index);
            self.damage(folder, None, index, Flaw::OtherHistory);
        }
        // A founder that steps back for another cluster (V12) has nothing but its first record, until it follows.
        if let Some((path, offset, index)) = self.other_view.take()
            && self.last.is_some_and(|last| last.index > Index(1))
        {
            self.damage(&path, Some(offset), index, Flaw::OtherHistory);
        }
        self.inspection.last = self.last.or(self.inspection.last);
        Ok(())
    }

    /// The segments in order: those that are kept, and those that the next start removes.
    fn sorted(&mut self, folder: &Path) -> Result<(Vec<Segment>, Vec<Segment>), Error> {
        let mut kept = Vec::new();
        for path in super::files(folder, |name| !name.ends_with(".new"))? {
            match Segment::open_to_read(&path) {
                Ok(segment) => kept.push(segment),
                Err(error) => {
                    self.broken = true;
                    self.inspection.note(Kind::Segment, path, Err(error))?;
                }
            }
        }
        kept.sort_by_key(|segment| segment.previous.index);
        let mut obsolete = Vec::new();
        if let Some(bounds) = self.bounds {
            while kept.get(1).is_some_and(|next| next.previous.index <= bounds.base.index) {
                obsolete.push(kept.remove(0));
            }
            let keep = if bounds.last == bounds.base { 0 } else { bounds.last.index.0 };
            while bounds.cutting && kept.last().is_some_and(|last| last.previous.index.0 >= keep) {
                obsolete.extend(kept.pop());
            }
        }
        Ok((kept, obsolete))
    }

    /// Whether this segment goes on where the one before ended.
    fn join(&mut self, segment: &Segment) {
        if let Some(last) = self.last.filter(|last| *last != segment.previous)
            && !self.broken
        {
            self.entries_missing(&segment.path, last.index.next());
        }
        self.last = Some(segment.previous);
    }

    fn one(&mut self, segment: &Segment, newest: bool) -> Result<(), Error> {
        let mut contents = Contents::default();
        let mut records = segment.scan()?;
        let end = self.records(segment, &mut records, newest, &mut contents)?;
        let state = match end {
            End::Whole => State::Whole,
            End::Torn => State::Torn,
            End::Damaged => State::Damaged,
        };
        let bytes = super::length(&segment.path)?;
        self.piece(segment.path.clone(), contents, bytes, state);
        Ok(())
    }

    fn records(
        &mut self,
        segment: &Segment,
        records: &mut Records,
        newest: bool,
        contents: &mut Contents,
    ) -> Result<End, Error> {
        let failed = |e| Error::io("read", &segment.path, e);
        let mut last = segment.previous;
        let (mut damaged, mut skipped) = (false, false);
        self.check_base(segment, &last, &mut damaged);
        while !self.is_cut_after(&last) {
            let offset = records.offset();
            if let Some(entry) = records.next_after(&last).map_err(failed)? {
                last = entry.id;
                skipped = false;
                contents.count(&entry.id);
                self.check_base(segment, &last, &mut damaged);
                damaged |= !self.visit(segment, offset, &entry);
                continue;
            }
            if !skipped && (records.is_at_end() || records.only_zeroes_left().map_err(failed)?) {
                break;
            }
            if newest && self.reached && self.bounds.is_some() && !skipped {
                self.last = Some(last);
                return Ok(if damaged { End::Damaged } else { End::Torn });
            }
            if !skipped {
                self.damage(&segment.path, Some(offset), last.index.next(), Flaw::Altered);
                damaged = true;
            }
            // What a record that is not intact claims may be right: the one behind it tells.
            match records.skip(&last).map_err(failed)?.filter(|_| !skipped) {
                Some(claimed) => last = claimed,
                None => {
                    self.last = None;
                    return Ok(End::Damaged);
                }
            }
            skipped = true;
        }
        self.last = Some(last);
        Ok(if damaged { End::Damaged } else { End::Whole })
    }

    /// What is behind it is being removed.
    fn is_cut_after(&self, last: &EntryId) -> bool {
        self.bounds.is_some_and(|bounds| bounds.cutting && *last == bounds.last)
    }

    /// The entries go on from those that were pruned, and not from another history.
    fn check_base(&mut self, segment: &Segment, last: &EntryId, damaged: &mut bool) {
        if let Some(base) = self.bounds.map(|bounds| bounds.base)
            && last.index == base.index
            && *last != base
        {
            self.damage(&segment.path, None, last.index, Flaw::OtherHistory);
            *damaged = true;
        }
    }

    /// The snapshot is this node's own, so it stands for one of its entries, and that is not here.
    fn is_of_another_history(&self) -> bool {
        let base = self.bounds.filter(|bounds| !bounds.cutting).map(|bounds| bounds.base);
        self.inspection.has_own_snapshot
            && !self.meets_snapshot
            && base.is_some_and(|base| self.inspection.snapshot != Some(base))
    }

    /// Whether it can be understood.
    fn visit(&mut self, segment: &Segment, offset: u64, entry: &Entry) -> bool {
        self.meets_snapshot |= self.inspection.snapshot == Some(entry.id);
        self.reached |= self.bounds.is_some_and(|bounds| bounds.last == entry.id);
        if self.bounds.is_some_and(|bounds| entry.id.index <= bounds.base.index) {
            return true;
        }
        let content = match Content::decode(&entry.payload) {
            Ok(content) => Some(content),
            Err(error) => {
                let flaw = Flaw::Unreadable { detail: error.to_string() };
                self.damage(&segment.path, Some(offset), entry.id.index, flaw);
                None
            }
        };
        match &content {
            Some(Content::View(view)) => {
                self.inspection.learn(view);
                let known = self.inspection.role.as_ref().and_then(|role| role.newest.as_ref());
                let may_differ = |known: &View| known.forced || view.forced;
                if known.is_some_and(|v| v.number == view.number && v != view && !may_differ(v)) {
                    self.other_view = Some((segment.path.clone(), offset, entry.id.index));
                }
            }
            Some(Content::Events(_)) | None => {}
        }
        self.inspection.last = Some(entry.id);
        (self.see)(Found { entry, content: content.as_ref() });
        content.is_some()
    }

    fn entries_missing(&mut self, path: &Path, index: Index) {
        self.damage(path, None, index, Flaw::EntriesMissing);
    }

    fn damage(&mut self, path: &Path, offset: Option<u64>, index: Index, flaw: Flaw) {
        self.broken = true;
        let (path, index) = (path.to_path_buf(), Some(index));
        self.inspection.damage.push(Damage { path, offset, index, flaw, stops_node: true });
    }

    fn piece(&mut self, path: PathBuf, contents: Contents, bytes: u64, state: State) {
        let Contents { entries, span, epochs } = contents;
        let kind = Kind::Segment;
        self.inspection.pieces.push(Piece { path, kind, entries, span, epochs, bytes, state });
    }
}
