//! Going through all records at opening: what is kept, what was torn off, what is damaged.

use std::path::{Path, PathBuf};

use orquestrador_core::ids::Index;
use orquestrador_core::role::EntryId;

use super::bounds::Bounds;
use super::entry::Entry;
use super::error::{Error, Place};
use super::segment::Segment;

/// An append that a crash interrupted: nobody was told of it. It was cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    pub path: PathBuf,
    /// Where it began.
    pub offset: u64,
    pub bytes: u64,
}

/// Follows the chain from the first entry kept to the last.
pub(super) struct Scan<'a, V> {
    path: &'a Path,
    bounds: &'a Bounds,
    visit: V,
    last: EntryId,
    /// The last entry that must be there was seen.
    reached: bool,
    torn: Option<Torn>,
}

impl<'a, V: FnMut(&Entry) -> Result<(), Error>> Scan<'a, V> {
    pub fn new(path: &'a Path, bounds: &'a Bounds, visit: V) -> Self {
        let reached = bounds.last == bounds.base;
        Self { path, bounds, visit, last: bounds.base, reached, torn: None }
    }

    /// Counts the records of the segments, which are all there are, in order.
    pub fn all(
        mut self,
        mut segments: Vec<Segment>,
    ) -> Result<(Vec<Segment>, Option<Torn>), Error> {
        if let Some(first) = segments.first() {
            if first.previous.index > self.bounds.base.index {
                return Err(self.missing(self.bounds.base.index.next()));
            }
            self.last = first.previous;
        }
        let count = segments.len();
        for (number, segment) in segments.iter_mut().enumerate() {
            if segment.previous != self.last {
                return Err(self.missing(self.last.index.next()));
            }
            self.one(segment, number + 1 == count)?;
        }
        if segments.is_empty() {
            self.last = self.bounds.base;
        }
        if !self.reached || self.last.index < self.bounds.base.index {
            return Err(self.missing(self.bounds.last.index));
        }
        Ok((segments, self.torn))
    }

    fn one(&mut self, segment: &mut Segment, newest: bool) -> Result<(), Error> {
        let path = segment.path.clone();
        let altered = |index, what| Error::corrupt(&path, Place::Entry(index), what);
        let mut records = segment.scan()?;
        loop {
            if self.last.index == self.bounds.base.index && self.last != self.bounds.base {
                return Err(altered(self.last.index, "it is not the one that it was"));
            }
            let cut_here = self.bounds.cutting && self.last == self.bounds.last;
            let next = match cut_here {
                true => None,
                false => records.next_after(&self.last).map_err(|e| Error::io("read", &path, e))?,
            };
            let Some(entry) = next else { break };
            segment.push(entry.payload.len());
            self.last = entry.id;
            self.reached |= entry.id == self.bounds.last;
            if entry.id.index > self.bounds.base.index {
                (self.visit)(&entry)?;
            }
        }
        if records.is_at_end() {
            return Ok(());
        }
        let is_reserve = records.only_zeroes_left().map_err(|e| Error::io("read", &path, e))?;
        if is_reserve && !newest {
            return Ok(());
        }
        // Behind the bounds it is an append that a crash interrupted; nobody was told of it.
        if !newest || !self.reached {
            return Err(altered(self.last.index.next(), "its hash does not follow"));
        }
        if !is_reserve {
            let (offset, end) = (records.offset(), records.written_end());
            let bytes = end.map_err(|e| Error::io("read", &path, e))? - offset;
            self.torn = Some(Torn { path, offset, bytes });
        }
        segment.drop_rest()
    }

    fn missing(&self, index: Index) -> Error {
        Error::corrupt(self.path, Place::Entry(index), "an entry that was durable is missing")
    }
}
