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
    turns: BTreeMap<u64, Slot<Owner>>,
    owners: BTreeMap<Slot<Owner>, Waiting>,
}

/// Those of one user.
#[derive(Default)]
struct Waiting {
    turn: u64,
    classes: BTreeMap<Seq, Slot<Class>>,
}

impl Board {
    /// `turn`: of the user, in the queue.
    pub fn insert(&mut self, post: Post, turn: u64) {
        let level = self.levels.entry(Reverse(post.priority)).or_default();
        let waiting = level.owners.entry(post.owner).or_default();
        if waiting.classes.is_empty() {
            waiting.turn = turn;
            level.turns.insert(turn, post.owner);
        }
        waiting.classes.insert(post.seq, post.class);
    }

    /// Takes off what stands there.
    pub fn remove(&mut self, post: Post) {
        let Some(level) = self.levels.get_mut(&Reverse(post.priority)) else { return };
        let Some(waiting) = level.owners.get_mut(&post.owner) else { return };
        waiting.classes.remove(&post.seq);
        if waiting.classes.is_empty() {
            level.turns.remove(&waiting.turn);
            level.owners.remove(&post.owner);
        }
        if level.owners.is_empty() {
            self.levels.remove(&Reverse(post.priority));
        }
    }

    /// The user's turn comes then; false if nothing of theirs of this priority stands here.
    pub fn set_turn(&mut self, owner: Slot<Owner>, priority: i8, turn: u64) -> bool {
        let Some(level) = self.levels.get_mut(&Reverse(priority)) else { return false };
        let Some(waiting) = level.owners.get_mut(&owner) else { return false };
        level.turns.remove(&waiting.turn);
        waiting.turn = turn;
        level.turns.insert(turn, owner);
        true
    }

    pub fn first(&self) -> Option<Post> {
        let (priority, level) = self.levels.first_key_value()?;
        let (_, owner) = level.turns.first_key_value()?;
        level.owners.get(owner)?.first(*owner, priority.0)
    }

    /// Of the first one.
    pub fn rank(&self) -> Option<Rank> {
        let (priority, level) = self.levels.first_key_value()?;
        let (turn, owner) = level.turns.first_key_value()?;
        let (seq, _) = level.owners.get(owner)?.classes.first_key_value()?;
        Some(Rank(*priority, *turn, *seq))
    }

    /// Whatever its priority.
    pub fn oldest(&self) -> Option<Post> {
        let levels = self.levels.iter();
        let posts = levels.flat_map(|(priority, level)| {
            level.owners.iter().filter_map(|(owner, waiting)| waiting.first(*owner, priority.0))
        });
        posts.min_by_key(|post| post.seq)
    }

    pub fn has_many_priorities(&self) -> bool {
        self.levels.len() > 1
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
