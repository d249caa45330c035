//! What a principal knows of the objects in its store. Pure: moments come from outside.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use common::blobs::{Content, Hash};
use orquestrador_core::ids::Epoch;

use crate::blobs::store::SHORT_GRACE;

/// One object: a blob as a principal of `epoch` put it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    pub hash: Hash,
    pub epoch: Epoch,
    pub bytes: u64,
}

/// What there is of a blob that somebody is about to refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Present {
    /// One of the own epoch: it can be relied upon.
    Own,
    /// One that an earlier principal put, and might still remove.
    Earlier(Object),
    /// It is being removed: ask again.
    Going,
    /// None that is known.
    Unknown,
}

#[derive(Clone, Copy)]
struct Entry {
    /// The newest.
    object: Object,
    /// When somebody last wanted it to be there.
    wanted: Instant,
    was_referred: bool,
    is_going: bool,
}

/// Of one office: another epoch begins with nothing.
#[derive(Default)]
pub struct Index {
    epoch: Epoch,
    /// When all that is there was last listed.
    listed: Option<Instant>,
    entries: HashMap<Hash, Entry>,
    /// Of the newest ones.
    bytes: u64,
    /// Older ones, beside a newer one of the same blob, and since when that is known.
    surpassed: HashMap<Object, Instant>,
    /// Something was refused since it was last looked for what may go.
    is_full: bool,
}

impl Index {
    /// Forgets what an earlier office knew. False if this is one: a later one has begun.
    pub fn begin(&mut self, epoch: Epoch) -> bool {
        if self.epoch < epoch {
            *self = Self { epoch, ..Self::default() };
        }
        self.epoch == epoch
    }

    pub fn listed(&self) -> Option<Instant> {
        self.listed
    }

    /// Its newest object; it stays for some time from now on.
    pub fn want(&mut self, hash: Hash, now: Instant) -> Present {
        let Some(entry) = self.entries.get_mut(&hash) else { return Present::Unknown };
        if entry.is_going {
            return Present::Going;
        }
        entry.wanted = now;
        match entry.object.epoch == self.epoch {
            true => Present::Own,
            false => Present::Earlier(entry.object),
        }
    }

    pub fn find(&self, hash: Hash) -> Option<Object> {
        self.entries.get(&hash).map(|entry| entry.object)
    }

    /// Whether so much more fits. What an earlier office put counts too, once it is listed.
    ///
    /// # Errors
    /// Bytes that are there.
    pub fn room(&mut self, bytes: u64, limit: u64) -> Result<(), u64> {
        if self.bytes.saturating_add(bytes) > limit {
            self.is_full = true;
            return Err(self.bytes);
        }
        Ok(())
    }

    /// There is one of this office now.
    pub fn put(&mut self, content: Content, now: Instant) {
        self.see(Object { hash: content.hash, epoch: self.epoch, bytes: content.bytes }, now);
    }

    fn see(&mut self, object: Object, now: Instant) {
        let new = Entry { object, wanted: now, was_referred: false, is_going: false };
        let Some(entry) = self.entries.get_mut(&object.hash) else {
            self.entries.insert(object.hash, new);
            self.bytes += object.bytes;
            return;
        };
        let (older, newer) = (entry.object.min(object), entry.object.max(object));
        if older.epoch != newer.epoch {
            self.surpassed.entry(older).or_insert(now);
        }
        if newer != entry.object {
            self.bytes = self.bytes - entry.object.bytes + newer.bytes;
            *entry = Entry { object: newer, wanted: now, ..*entry };
        }
    }

    /// All that there was between `began` and `now`. One that somebody else removed is not known any more.
    pub fn list(&mut self, all: &[Object], began: Instant, now: Instant) {
        let ours = |object: &&Object| object.epoch <= self.epoch;
        let seen: std::collections::HashSet<_> = all.iter().filter(ours).copied().collect();
        let (mut gone, mut bytes) = (Vec::new(), 0);
        for (hash, entry) in &self.entries {
            if !seen.contains(&entry.object) && entry.wanted < began && !entry.is_going {
                gone.push(*hash);
                bytes += entry.object.bytes;
            }
        }
        for hash in gone {
            self.entries.remove(&hash);
        }
        self.bytes -= bytes;
        self.surpassed.retain(|object, _| seen.contains(object));
        seen.into_iter().for_each(|object| self.see(object, now));
        self.listed = Some(now);
    }

    /// What nobody needs for `grace`, at most `most`; from now on it is going. As in the directory, what tasks referred to
    /// goes sooner where room is short.
    pub fn depart(
        &mut self,
        now: Instant,
        grace: Duration,
        limit: u64,
        stays: impl Fn(Hash) -> bool,
        most: usize,
    ) -> Vec<Object> {
        let is_short = std::mem::take(&mut self.is_full) || self.bytes > limit / 8 * 7;
        let is_over = |since: Instant, grace| now.saturating_duration_since(since) >= grace;
        let mut going = Vec::new();
        for (hash, entry) in &mut self.entries {
            let is_needed = stays(*hash);
            entry.was_referred |= is_needed;
            let grace = match is_short && entry.was_referred {
                true => grace.min(SHORT_GRACE),
                false => grace,
            };
            if going.len() < most && !is_needed && is_over(entry.wanted, grace) {
                entry.is_going = true;
                going.push(entry.object);
            }
        }
        let old = self.surpassed.iter().filter(|(_, since)| is_over(**since, grace));
        going.extend(old.map(|(object, _)| *object).take(most - going.len()));
        going
    }

    /// It is not going after all: nobody was asked to remove it.
    pub fn stay(&mut self, object: &Object) {
        if let Some(entry) = self.entries.get_mut(&object.hash)
            && entry.object == *object
        {
            entry.is_going = false;
        }
    }

    /// It is gone. Gives whether it was the newest of its blob.
    pub fn gone(&mut self, object: &Object) -> bool {
        self.surpassed.remove(object);
        let is_newest = self.entries.get(&object.hash).is_some_and(|e| e.object == *object);
        if is_newest {
            self.entries.remove(&object.hash);
            self.bytes -= object.bytes;
        }
        is_newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(60);
    const ROOM: u64 = 1_000;

    fn content(name: u8) -> Content {
        Content { hash: Hash([name; 32]), bytes: 100 }
    }

    fn object(name: u8, epoch: u64) -> Object {
        Object { hash: Hash([name; 32]), epoch: Epoch(epoch), bytes: 100 }
    }

    fn of(epoch: u64) -> Index {
        let mut index = Index::default();
        index.begin(Epoch(epoch));
        index
    }

    #[test]
    fn only_what_the_own_office_put_can_be_relied_upon() {
        let (mut index, now) = (of(3), Instant::now());
        assert_eq!(index.want(content(1).hash, now), Present::Unknown);
        index.list(&[object(1, 2), object(2, 3), object(3, 4)], now, now);
        assert_eq!(index.want(content(1).hash, now), Present::Earlier(object(1, 2)));
        assert_eq!(index.want(content(2).hash, now), Present::Own);
        assert_eq!(index.want(content(3).hash, now), Present::Unknown, "of a later office");
        index.put(content(1), now);
        assert_eq!(index.want(content(1).hash, now), Present::Own);
        assert!(index.begin(Epoch(5)));
        assert_eq!(index.want(content(1).hash, now), Present::Unknown);
        index.put(content(1), now);
        assert!(!index.begin(Epoch(3)), "it has ended");
        assert_eq!(index.want(content(1).hash, now), Present::Own);
    }

    #[test]
    fn what_nobody_needs_goes_after_a_while_and_the_older_of_two() {
        let (mut index, now) = (of(3), Instant::now());
        index.list(&[object(1, 1), object(1, 2), object(2, 2), object(3, 2)], now, now);
        let stays = |hash| hash == content(1).hash;
        assert_eq!(index.depart(now, GRACE, ROOM, stays, 9), [], "not so soon");
        let later = now + GRACE;
        index.want(content(3).hash, later);
        let mut going = index.depart(later, GRACE, ROOM, stays, 9);
        going.sort();
        assert_eq!(going, [object(1, 1), object(2, 2)]);
        assert_eq!(index.want(content(2).hash, later), Present::Going);
        assert_eq!(index.want(content(1).hash, later), Present::Earlier(object(1, 2)));
        assert!(!index.gone(&object(1, 1)) && index.gone(&object(2, 2)));
        assert_eq!(index.want(content(2).hash, later), Present::Unknown);
        assert_eq!(index.room(800, ROOM), Ok(()));
        assert_eq!(index.room(801, ROOM), Err(200));
    }

    #[test]
    fn where_room_is_short_what_tasks_referred_to_goes_first() {
        let (mut index, now) = (of(3), Instant::now());
        index.put(content(1), now);
        index.put(content(2), now);
        let before = |hash| hash == content(1).hash;
        assert_eq!(index.depart(now, GRACE, ROOM, before, 9), []);
        index.room(ROOM, ROOM).expect_err("there is none");
        assert_eq!(index.depart(now + SHORT_GRACE, GRACE, ROOM, |_| false, 9), [object(1, 3)]);
        index.stay(&object(1, 3));
        assert_eq!(index.want(content(1).hash, now), Present::Own);
    }

    #[test]
    fn what_somebody_else_removed_is_not_known_any_more() {
        let (mut index, now) = (of(3), Instant::now());
        index.put(content(1), now);
        let later = now + GRACE;
        index.put(content(2), later);
        index.list(&[], later, later);
        assert_eq!(index.want(content(1).hash, later), Present::Unknown);
        assert_eq!(index.want(content(2).hash, later), Present::Own, "it came meanwhile");
        assert_eq!(index.room(900, ROOM), Ok(()));
    }
}
