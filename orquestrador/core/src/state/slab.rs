//! Records in places that never move, named by four bytes. Grows by chunks, so that growing never
//! copies what is there. A slab can be shared as it is at a moment: chunks that change afterwards are copied
//! first, one by one.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::ops::{Index, IndexMut};
use std::sync::Arc;

/// Places per chunk.
const CHUNK: usize = 1024;

/// Names a place in a [`Slab`] of `T`; `Option` of it costs nothing more.
///
/// Which place a record gets depends on the path that led to the state, so no decision, event or
/// digest may depend on it.
pub struct Slot<T>(NonZeroU32, PhantomData<fn() -> T>);

impl<T> Slot<T> {
    /// Below all others, or the first.
    pub const MIN: Self = Self(NonZeroU32::MIN, PhantomData);
    /// Above all others.
    pub const MAX: Self = Self(NonZeroU32::MAX, PhantomData);

    fn at(index: usize) -> Self {
        let number = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("the limits keep every slab far below 2^32 records"), PhantomData)
    }

    pub fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Slot<T> {}
impl<T> PartialEq for Slot<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<T> Eq for Slot<T> {}
impl<T> PartialOrd for Slot<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Slot<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}
impl<T> Hash for Slot<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.index())
    }
}

type Chunk<T> = Arc<Vec<Option<T>>>;

pub struct Slab<T> {
    chunks: Vec<Chunk<T>>,
    vacant: Vec<Slot<T>>,
    used: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), vacant: Vec::new(), used: 0 }
    }
}

impl<T: Clone> Slab<T> {
    pub fn insert(&mut self, record: T) -> Slot<T> {
        self.used += 1;
        if let Some(slot) = self.vacant.pop() {
            *self.place(slot) = Some(record);
            return slot;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            // The first chunk grows as it needs: most slabs stay small.
            let capacity = if self.chunks.is_empty() { 0 } else { CHUNK };
            self.chunks.push(Arc::new(Vec::with_capacity(capacity)));
        }
        let before = (self.chunks.len() - 1) * CHUNK;
        let last = self.chunks.last_mut().expect("a chunk with room was pushed above");
        let last = Arc::make_mut(last);
        if before > 0 {
            // A copy has room for what it holds only.
            last.reserve_exact(CHUNK - last.len());
        }
        last.push(Some(record));
        Slot::at(before + last.len() - 1)
    }

    pub fn remove(&mut self, slot: Slot<T>) -> T {
        let record = self.place(slot).take().expect("a slot names a record until it is removed");
        self.used -= 1;
        self.vacant.push(slot);
        record
    }

    fn place(&mut self, slot: Slot<T>) -> &mut Option<T> {
        &mut Arc::make_mut(&mut self.chunks[slot.index() / CHUNK])[slot.index() % CHUNK]
    }
}

impl<T> Slab<T> {
    /// `None` where no record is, or no longer.
    pub fn get(&self, slot: Slot<T>) -> Option<&T> {
        self.chunks.get(slot.index() / CHUNK)?.get(slot.index() % CHUNK)?.as_ref()
    }

    /// As it is now, whatever becomes of this one; cheap.
    pub fn share(&self) -> Shared<T> {
        Shared(self.chunks.clone())
    }

    pub fn len(&self) -> usize {
        self.used
    }

    /// In no meaningful order.
    pub fn iter(&self) -> impl Iterator<Item = (Slot<T>, &T)> {
        self.chunks
            .iter()
            .flat_map(|chunk| chunk.iter())
            .enumerate()
            .filter_map(|(index, place)| Some((Slot::at(index), place.as_ref()?)))
    }
}

impl<T> Index<Slot<T>> for Slab<T> {
    type Output = T;

    fn index(&self, slot: Slot<T>) -> &T {
        self.chunks[slot.index() / CHUNK][slot.index() % CHUNK]
            .as_ref()
            .expect("a slot names a record until it is removed")
    }
}

impl<T: Clone> IndexMut<Slot<T>> for Slab<T> {
    fn index_mut(&mut self, slot: Slot<T>) -> &mut T {
        self.place(slot).as_mut().expect("a slot names a record until it is removed")
    }
}

/// A slab as it was at one moment.
pub struct Shared<T>(Vec<Chunk<T>>);

impl<T> Index<Slot<T>> for Shared<T> {
    type Output = T;

    fn index(&self, slot: Slot<T>) -> &T {
        self.0[slot.index() / CHUNK][slot.index() % CHUNK]
            .as_ref()
            .expect("a slot names a record as long as the slab is shared")
    }
}

/// Something beside each record of a slab; the default until it is written.
pub struct Beside<T, V> {
    values: Vec<V>,
    of: PhantomData<fn() -> T>,
}

impl<T, V> Default for Beside<T, V> {
    fn default() -> Self {
        Self { values: Vec::new(), of: PhantomData }
    }
}

impl<T, V: Default> Beside<T, V> {
    pub fn get(&self, slot: Slot<T>) -> Option<&V> {
        self.values.get(slot.index())
    }

    pub fn get_mut(&mut self, slot: Slot<T>) -> &mut V {
        let index = slot.index();
        if index >= self.values.len() {
            self.values.resize_with(index + 1, V::default);
        }
        &mut self.values[index]
    }

    /// Those that were written, in no meaningful order.
    pub fn iter(&self) -> impl Iterator<Item = (Slot<T>, &V)> {
        self.values.iter().enumerate().map(|(index, value)| (Slot::at(index), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_stays_as_it_was() {
        let mut slab = Slab::default();
        let slots: Vec<_> = (0..CHUNK * 3 / 2).map(|n| slab.insert(n)).collect();
        let shared = slab.share();
        slab[slots[0]] = 7;
        slab.remove(slots[CHUNK]);
        let new = slab.insert(8);
        let after: Vec<_> = (0..CHUNK).map(|n| slab.insert(n)).collect();
        assert!(slots.iter().enumerate().all(|(n, slot)| shared[*slot] == n));
        assert_eq!((slab[slots[0]], slab[new], slab[after[CHUNK - 1]]), (7, 8, CHUNK - 1));
    }

    #[test]
    fn a_removed_place_is_used_again_and_the_others_stay() {
        let mut slab = Slab::default();
        let slots: Vec<_> = (0..CHUNK * 2 + 1).map(|n| slab.insert(n)).collect();
        assert_eq!(slab.remove(slots[CHUNK]), CHUNK);
        assert_eq!(slab.len(), CHUNK * 2);
        assert_eq!(slab.insert(7), slots[CHUNK]);
        assert_eq!((slab[slots[0]], slab[slots[CHUNK]], slab[slots[CHUNK * 2]]), (0, 7, CHUNK * 2));
        assert_eq!(slab.iter().count(), CHUNK * 2 + 1);
    }
}
