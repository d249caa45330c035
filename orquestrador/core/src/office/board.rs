//! Which task of a queue goes first, among those for one desk: the highest priority, of that the user whose turn it is,
//! of theirs the oldest.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::state::classes::Class;
use crate::state::owners::Owner;
use crate::state::slab::Slot;
use crate::state::tasks::Seq;

/// The lower one goes first, whosever turn it is: the higher priority, then the older.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Precedence(pub Reverse<i8>, pub Seq);

/// The lower one goes first in its queue: the higher priority, then the user whose turn it is, then the older.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(pub Reverse<i8>, pub u64, pub Seq);

/// Where a class stands on a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Post {
    pub class: Slot<Class>,
    pub owner: Slot<Owner>,
    pub priority: i8,
    /// Of its oldest task.
    pub seq: Seq,
}

impl Post {
    pub fn precedence(&self) -> Precedence {
        Precedence(Reverse(self.priority), self.seq)
    }
}

/// The classes that have tasks waiting, of one queue and one desk.
#[derive(Default)]
pub struct Board {
    levels: BTreeMap<Reverse<i8>, Level>,
}

/// Those of one priority. Users take turns.
#[derive(Default)]
struct Level {
    /// Of those who may have another task running.
    turns: BTreeMap<u64, Slot<Owner>>,
    owners: BTreeMap<Slot<Owner>, Waiting>,
}

/// Those of one user.
#[derive(Default)]
struct Waiting {
    turn: u64,
    is_open: bool,
    classes: BTreeMap<Seq, Slot<Class>>,
}

impl Board {
    /// `turn`: of the user, in the queue. `is_open`: another task of theirs may run. True if nothing of theirs of this
    /// priority stood here.
    pub fn insert(&mut self, post: Post, turn: u64, is_open: bool) -> bool {
        let level = self.levels.entry(Reverse(post.priority)).or_default();
        let waiting = level.owners.entry(post.owner).or_default();
        let is_first = waiting.classes.is_empty();
        if is_first {
            (waiting.turn, waiting.is_open) = (turn, is_open);
            if is_open {
                level.turns.insert(turn, post.owner);
            }
        }
        waiting.classes.insert(post.seq, post.class);
        is_first
    }

    /// Takes off what stands there. True if nothing else of its owner of this priority does.
    pub fn remove(&mut self, post: Post) -> bool {
        let Some(level) = self.levels.get_mut(&Reverse(post.priority)) else { return false };
        let Some(waiting) = level.owners.get_mut(&post.owner) else { return false };
        waiting.classes.remove(&post.seq);
        let was_last = waiting.classes.is_empty();
        if was_last {
            if waiting.is_open {
                level.turns.remove(&waiting.turn);
            }
            level.owners.remove(&post.owner);
        }
        if level.owners.is_empty() {
            self.levels.remove(&Reverse(post.priority));
        }
        was_last
    }

    /// What stands there has an older task no longer: `seq` is that of its oldest one now.
    pub fn advance(&mut self, post: Post, seq: Seq) {
        let level = self.levels.get_mut(&Reverse(post.priority));
        let waiting = level.and_then(|level| level.owners.get_mut(&post.owner));
        if let Some(waiting) = waiting {
            waiting.classes.remove(&post.seq);
            waiting.classes.insert(seq, post.class);
        }
    }

    /// Another task of the user may run, or not: their turn is passed over until it may.
    pub fn set_open(&mut self, owner: Slot<Owner>, priority: i8, is_open: bool) {
        let Some(level) = self.levels.get_mut(&Reverse(priority)) else { return };
        let Some(waiting) = level.owners.get_mut(&owner) else { return };
        waiting.is_open = is_open;
        match is_open {
            true => level.turns.insert(waiting.turn, owner),
            false => level.turns.remove(&waiting.turn),
        };
    }

    /// The user's turn comes then; false if nothing of theirs of this priority stands here.
    pub fn set_turn(&mut self, owner: Slot<Owner>, priority: i8, turn: u64) -> bool {
        let Some(level) = self.levels.get_mut(&Reverse(priority)) else { return false };
        let Some(waiting) = level.owners.get_mut(&owner) else { return false };
        if waiting.is_open {
            level.turns.remove(&waiting.turn);
            level.turns.insert(turn, owner);
        }
        waiting.turn = turn;
        true
    }

    pub fn first(&self) -> Option<Post> {
        let (priority, level, _, owner) = self.first_turn()?;
        level.owners.get(&owner)?.first(owner, priority.0)
    }

    /// Of the first one.
    pub fn rank(&self) -> Option<Rank> {
        let (priority, level, turn, owner) = self.first_turn()?;
        let (seq, _) = level.owners.get(&owner)?.classes.first_key_value()?;
        Some(Rank(priority, turn, *seq))
    }

    fn first_turn(&self) -> Option<(Reverse<i8>, &Level, u64, Slot<Owner>)> {
        self.levels.iter().find_map(|(priority, level)| {
            let (turn, owner) = level.turns.first_key_value()?;
            Some((*priority, level, *turn, *owner))
        })
    }

    /// Whatever its priority.
    pub fn oldest(&self) -> Option<Post> {
        let levels = self.levels.iter();
        let posts = levels.flat_map(|(priority, level)| {
            let open = level.owners.iter().filter(|(_, waiting)| waiting.is_open);
            open.filter_map(|(owner, waiting)| waiting.first(*owner, priority.0))
        });
        posts.min_by_key(|post| post.seq)
    }

    /// Of those whose turn may come.
    pub fn has_many_priorities(&self) -> bool {
        self.levels.values().filter(|level| !level.turns.is_empty()).nth(1).is_some()
    }

    /// Whether the turn of the post's owner may come; for the invariants.
    pub fn has_open(&self, post: Post) -> bool {
        let level = self.levels.get(&Reverse(post.priority));
        let waiting = level.and_then(|level| level.owners.get(&post.owner));
        waiting.is_some_and(|waiting| waiting.is_open)
    }

    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// In no meaningful order.
    pub fn posts(&self) -> impl Iterator<Item = Post> {
        self.levels.iter().flat_map(|(priority, level)| {
            level.owners.iter().flat_map(move |(owner, waiting)| {
                waiting.classes.iter().map(move |(seq, class)| Post {
                    class: *class,
                    owner: *owner,
                    priority: priority.0,
                    seq: *seq,
                })
            })
        })
    }
}

impl Waiting {
    fn first(&self, owner: Slot<Owner>, priority: i8) -> Option<Post> {
        let (seq, class) = self.classes.first_key_value()?;
        Some(Post { class: *class, owner, priority, seq: *seq })
    }
}
