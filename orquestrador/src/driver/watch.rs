//! Who watches which task. Owned by the driver, so that a watcher's first picture and all later changes
//! come in the one order in which they were committed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::Ordering;

use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::WatchTasksResponse;
use hashbrown::HashMap;
use orquestrador_core::effect::TaskSnapshot;
use orquestrador_core::ids::{ArrayId, Blob, GroupName, TaskId, UserName};
use smallvec::SmallVec;
use tokio::sync::mpsc::error::TrySendError;
use tonic::Status;

use super::input::{Watched, Watcher};
use crate::api::convert;

type WatcherId = u64;

/// Open watches; the next one is refused.
const MAX_WATCHERS: usize = 40_000;
/// Of one user, so that nobody takes them all.
const MAX_WATCHERS_OF_ONE: usize = MAX_WATCHERS / 4;
/// Tasks that are watched one by one, over all watches.
const MAX_WATCHED_TASKS: usize = 1_000_000;
/// Over all watches of one user, so that nobody takes them all.
const MAX_WATCHED_BY_ONE: usize = MAX_WATCHED_TASKS / 4;

/// All watchers of this node.
#[derive(Default)]
pub struct WatchHub {
    next: WatcherId,
    watchers: BTreeMap<WatcherId, Entry>,
    by_task: HashMap<TaskId, SmallVec<[WatcherId; 1]>>,
    by_owner: HashMap<UserName, Vec<WatcherId>>,
    by_group: HashMap<(UserName, GroupName), Vec<WatcherId>>,
    /// In the order of ends: those before it were told to those who watch.
    position: u64,
    /// Those with updates to be sent.
    dirty: Vec<WatcherId>,
    /// Tasks that are watched one by one, of watches asked for too; a task counts for each of its watchers.
    watched: usize,
    /// Watches, asked for or open, and tasks, by user.
    shares: HashMap<UserName, Share>,
    /// Watches asked for whose first picture is not released yet: later changes are for them.
    expected: usize,
}

/// What one user has of all watches.
#[derive(Default)]
struct Share {
    watchers: usize,
    tasks: usize,
}

struct Entry {
    watcher: Watcher,
    /// Tasks still unfinished, of those that are watched one by one.
    remaining: Option<usize>,
    /// Where it has to look again, because not all of what is past was told.
    cut_at: Option<u64>,
    batch: WatchTasksResponse,
    /// So many updates were sent last.
    usual: usize,
    is_dirty: bool,
}

/// What a watcher of single tasks is told first.
pub struct FirstTasks {
    pub told: Vec<(TaskSnapshot, Option<Blob>)>,
    /// Those that are not finished.
    pub open: Vec<TaskId>,
    pub unknown: Vec<TaskId>,
}

/// What a watcher of a group, or of everything, is told first.
pub struct FirstLook {
    pub tasks: Vec<(TaskSnapshot, Option<Blob>)>,
    pub position: u64,
    /// Nothing else is past.
    pub is_all: bool,
    /// More may follow.
    pub is_open: bool,
}

impl WatchHub {
    /// A watch was asked for: [`WatchHub::add`] or [`WatchHub::expected_in_vain`] follows.
    ///
    /// # Errors
    /// Too many are open.
    pub fn expect(&mut self, watcher: &Watcher) -> Result<(), Status> {
        let tasks = watcher.watched.count();
        let share = self.shares.get(&watcher.owner);
        let (watchers, of_one) = share.map_or((0, 0), |share| (share.watchers, share.tasks));
        let too_many = self.watchers.len() + self.expected >= MAX_WATCHERS
            || watchers >= MAX_WATCHERS_OF_ONE
            || self.watched + tasks > MAX_WATCHED_TASKS
            || of_one + tasks > MAX_WATCHED_BY_ONE;
        if too_many {
            return Err(grpc_status::status(ErrorCode::Overloaded, "too many watches are open"));
        }
        self.expected += 1;
        self.count(&watcher.owner, tasks);
        Ok(())
    }

    pub fn expected_in_vain(&mut self, watcher: &Watcher) {
        self.expected = self.expected.saturating_sub(1);
        self.discount(&watcher.owner, 1, watcher.watched.count());
    }

    /// One more watch, of so many tasks.
    fn count(&mut self, owner: &UserName, tasks: usize) {
        self.watched += tasks;
        let share = self.shares.entry(owner.clone()).or_default();
        share.watchers += 1;
        share.tasks += tasks;
    }

    fn discount(&mut self, owner: &UserName, watchers: usize, tasks: usize) {
        self.watched = self.watched.saturating_sub(tasks);
        if let Some(share) = self.shares.get_mut(owner) {
            share.watchers = share.watchers.saturating_sub(watchers);
            share.tasks = share.tasks.saturating_sub(tasks);
            if share.watchers == 0 {
                self.shares.remove(owner);
            }
        }
    }

    /// Somebody wants to know of changes.
    pub fn is_needed(&self) -> bool {
        self.expected > 0 || !self.watchers.is_empty()
    }

    /// Adds an expected watcher of single tasks.
    pub fn add(&mut self, watcher: Watcher, first: FirstTasks) {
        let FirstTasks { told, mut open, unknown } = first;
        let mut entry = Entry::new(watcher);
        entry.batch.updates.extend(unknown.into_iter().map(convert::not_found));
        told.iter().for_each(|(snapshot, result)| entry.tell(snapshot, result.as_ref()));
        open.sort_unstable();
        open.dedup();
        entry.remaining = Some(open.len());
        self.by_task.reserve(open.len());
        for task in open {
            self.by_task.entry(task).or_default().push(self.next);
        }
        self.insert(entry);
    }

    /// Adds an expected watcher of more than it names, with what it is told first.
    pub fn add_looking(&mut self, watcher: Watcher, first: FirstLook) {
        let FirstLook { tasks, position, is_all, is_open } = first;
        let mut entry = Entry::new(watcher);
        tasks.iter().for_each(|(snapshot, result)| entry.tell(snapshot, result.as_ref()));
        entry.batch.is_over = is_all && !is_open;
        match is_all {
            true => self.position = self.position.max(position),
            false => entry.cut_at = Some(position),
        }
        self.insert(entry);
    }

    fn insert(&mut self, mut entry: Entry) {
        self.expected_in_vain(&entry.watcher);
        let id = self.next;
        self.next += 1;
        let owner = &entry.watcher.owner;
        match &entry.watcher.watched {
            Watched::Tasks(_) => {}
            Watched::All => self.by_owner.entry(owner.clone()).or_default().push(id),
            Watched::Group(group) => {
                self.by_group.entry((owner.clone(), group.clone())).or_default().push(id);
            }
        }
        self.count(&entry.watcher.owner, entry.remaining.unwrap_or_default());
        entry.is_dirty = !entry.watcher.is_quiet || !entry.batch.updates.is_empty();
        if entry.is_dirty {
            self.dirty.push(id);
        }
        self.watchers.insert(id, entry);
    }

    /// Tells those who watch.
    pub fn changed(&mut self, snapshot: &TaskSnapshot, result: Option<&Blob>) {
        if self.watchers.is_empty() {
            return;
        }
        let finished = snapshot.state.is_finished();
        let by_task = match finished {
            true => self.by_task.remove(&snapshot.id).unwrap_or_default(),
            false => self.by_task.get(&snapshot.id).cloned().unwrap_or_default(),
        };
        let by_owner = match self.by_owner.is_empty() {
            true => Vec::new(),
            false => self.by_owner.get(&snapshot.owner).cloned().unwrap_or_default(),
        };
        let by_group = snapshot.group.as_ref().map(|group| self.of_group(&snapshot.owner, group));
        if let Some(order) = snapshot.finish_order {
            self.position = self.position.max(order + 1);
        }
        let mut ended: SmallVec<[UserName; 1]> = SmallVec::new();
        for id in by_task.into_iter().chain(by_owner).chain(by_group.unwrap_or_default()) {
            let Some(entry) = self.watchers.get_mut(&id) else { continue };
            if finished
                && let Some(remaining) =
                    entry.remaining.as_mut().filter(|remaining| **remaining > 0)
            {
                *remaining -= 1;
                ended.push(entry.watcher.owner.clone());
            }
            if entry.watcher.only_ends && !finished {
                continue;
            }
            entry.tell(snapshot, result);
            self.dirty.extend(entry.get_dirty().then_some(id));
        }
        for owner in ended {
            self.discount(&owner, 0, 1);
        }
    }

    /// Nothing of the group is unfinished any more: whoever watches it has seen all.
    pub fn group_ended(&mut self, owner: &UserName, group: &GroupName) {
        for id in self.of_group(owner, group) {
            let Some(entry) = self.watchers.get_mut(&id) else { continue };
            entry.batch.is_over = true;
            self.dirty.extend(entry.get_dirty().then_some(id));
        }
    }

    fn of_group(&self, owner: &UserName, group: &GroupName) -> Vec<WatcherId> {
        if self.by_group.is_empty() {
            return Vec::new();
        }
        self.by_group.get(&(owner.clone(), group.clone())).cloned().unwrap_or_default()
    }

    /// Tells those who watch such tasks one by one.
    /// `numbers`: in order, and apart from each other.
    pub fn ended_in_array(
        &mut self,
        array: ArrayId,
        numbers: &[Range<u32>],
        template: &TaskSnapshot,
    ) {
        let has_ended = |task: &TaskId| {
            task.in_array().is_some_and(|(of, number)| {
                let behind = numbers.partition_point(|range| range.end <= number);
                of == array && numbers.get(behind).is_some_and(|range| range.contains(&number))
            })
        };
        let watched: Vec<TaskId> = self.by_task.keys().copied().filter(has_ended).collect();
        for id in watched {
            self.changed(&TaskSnapshot { id, ..template.clone() }, None);
        }
    }

    /// Sends what has come together; ends the streams of those who have seen all, who left, or who read
    /// too slowly.
    pub fn flush(&mut self) {
        for id in std::mem::take(&mut self.dirty) {
            let Some(entry) = self.watchers.get_mut(&id) else { continue };
            entry.is_dirty = false;
            let mut batch = std::mem::take(&mut entry.batch);
            entry.usual = batch.updates.len();
            if entry.remaining.is_none() {
                batch.position = entry.cut_at.unwrap_or(self.position);
            }
            let is_last = entry.remaining == Some(0) || entry.cut_at.is_some() || batch.is_over;
            let done = match entry.watcher.outbox.try_send(Ok(batch)) {
                Ok(()) => is_last,
                Err(TrySendError::Closed(_)) => true,
                Err(TrySendError::Full(_)) => {
                    entry.watcher.lagged.store(true, Ordering::Release);
                    true
                }
            };
            if done {
                self.remove(id);
            }
        }
    }

    fn remove(&mut self, id: WatcherId) {
        let Some(entry) = self.watchers.remove(&id) else { return };
        self.discount(&entry.watcher.owner, 1, entry.remaining.unwrap_or_default());
        let owner = entry.watcher.owner;
        match entry.watcher.watched {
            Watched::All => leave(&mut self.by_owner, &owner, id),
            Watched::Group(group) => leave(&mut self.by_group, &(owner, group), id),
            Watched::Tasks(tasks) => {
                for task in tasks {
                    if let Some(list) = self.by_task.get_mut(&task) {
                        list.retain(|w| *w != id);
                        if list.is_empty() {
                            self.by_task.remove(&task);
                        }
                    }
                }
            }
        }
    }

    /// The readers that left without having seen all.
    pub fn sweep(&mut self) {
        let gone: Vec<_> = self
            .watchers
            .iter()
            .filter(|(_, entry)| entry.watcher.outbox.is_closed())
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.remove(id);
        }
    }

    /// The office ended: every stream ends with a reason to go to the other node.
    pub fn close_all(&mut self, reason: &Status) {
        for entry in self.watchers.values() {
            if entry.watcher.outbox.try_send(Err(reason.clone())).is_err() {
                tracing::debug!("a watcher left before it could be told");
            }
        }
        *self = Self::default();
    }
}

impl Entry {
    fn new(watcher: Watcher) -> Self {
        let batch = WatchTasksResponse { established: true, ..WatchTasksResponse::default() };
        Self { watcher, remaining: None, cut_at: None, batch, usual: 0, is_dirty: false }
    }

    /// As far as it is wanted.
    fn tell(&mut self, snapshot: &TaskSnapshot, result: Option<&Blob>) {
        if snapshot.state.is_finished() || !self.watcher.only_ends {
            let result = result.filter(|_| self.watcher.include_results);
            if self.batch.updates.is_empty() {
                // To grow moves all that is there.
                let left = self.remaining.map_or(self.usual, |left| self.usual.min(left + 1));
                self.batch.updates.reserve(left);
            }
            self.batch.updates.push(convert::update(snapshot, result));
        }
    }

    /// Whether it was not.
    fn get_dirty(&mut self) -> bool {
        !std::mem::replace(&mut self.is_dirty, true)
    }
}

fn leave<K: std::hash::Hash + Eq>(
    lists: &mut HashMap<K, Vec<WatcherId>>,
    key: &K,
    watcher: WatcherId,
) {
    if let Some(list) = lists.get_mut(key) {
        list.retain(|w| *w != watcher);
        if list.is_empty() {
            lists.remove(key);
        }
    }
}

/// What a service reports when the hub ended a stream early.
pub fn lagged() -> Status {
    grpc_status::status(ErrorCode::WatchLagged, "the watch was read too slowly")
}

#[cfg(test)]
mod tests {
    use orquestrador_core::effect::TaskState;

    use super::*;

    type Reader = tokio::sync::mpsc::Receiver<Result<WatchTasksResponse, Status>>;

    fn watcher(tasks: Option<Vec<TaskId>>) -> (Watcher, Reader) {
        let (outbox, reader) = tokio::sync::mpsc::channel(1);
        let watcher = Watcher {
            owner: UserName::from("ana"),
            watched: tasks.map_or(Watched::All, Watched::Tasks),
            include_results: false,
            only_ends: false,
            is_quiet: false,
            outbox,
            lagged: std::sync::Arc::default(),
        };
        (watcher, reader)
    }

    #[track_caller]
    fn assert_refused(expected: Result<(), Status>) {
        let refusal = expected.expect_err("was refused");
        assert_eq!(grpc_status::meaning(&refusal).code, ErrorCode::Overloaded);
    }

    #[test]
    fn one_watch_too_many_is_refused_before_it_is_asked_for() {
        let mut hub = WatchHub::default();
        let mut readers = Vec::new();
        let of = |owner: &str| {
            let (watcher, reader) = watcher(None);
            (Watcher { owner: UserName::from(owner), ..watcher }, reader)
        };
        for nth in 0..MAX_WATCHERS {
            let (watcher, reader) = of(["ana", "bia", "caio", "duda"][nth % 4]);
            hub.expect(&watcher).expect("there is room");
            // The others are still expected.
            if nth % 2 == 0 {
                let (tasks, position) = (Vec::new(), 0);
                hub.add_looking(
                    watcher,
                    FirstLook { tasks, position, is_all: true, is_open: true },
                );
                readers.push(reader);
            }
            if nth == MAX_WATCHERS / 2 {
                let (one, another) = (of("eva").0, of("fabio").0);
                hub.expect(&one).expect("there is room");
                hub.expected_in_vain(&one);
                hub.expect(&another).expect("there is room");
                hub.expected_in_vain(&another);
            }
        }
        assert_refused(hub.expect(&of("eva").0));
        hub.expected_in_vain(&of("duda").0);
        hub.expect(&of("eva").0).expect("there is room again");
        drop(readers);
        hub.sweep();
        assert!(hub.watchers.is_empty());
    }

    #[test]
    fn who_watches_a_task_of_a_cancelled_array_hears_of_its_end() {
        let (mut hub, array) = (WatchHub::default(), ArrayId(8 << 76));
        let shown = |number, state| TaskSnapshot {
            id: array.task(number),
            owner: UserName::from("ana"),
            handler: "echo".into(),
            delivery: orquestrador_core::command::Delivery::default(),
            state,
            attempt: orquestrador_core::ids::Attempt(0),
            worker: None,
            submitted_at: orquestrador_core::ids::Timestamp(1),
            started_at: None,
            not_before: None,
            finished_at: None,
            error: None,
            result_bytes: 0,
            pending: None,
            queue: orquestrador_core::ids::QueueName::default(),
            priority: 0,
            waits_for: 0,
            waits_on: Vec::new(),
            retry_of: None,
            retried_as: None,
            schedule: None,
            group: None,
            webhook: None,
            finish_order: None,
        };
        let mut readers: Vec<_> = [3, 4]
            .map(|number| {
                let (watcher, reader) = watcher(Some(vec![array.task(number)]));
                let watcher = Watcher { is_quiet: true, only_ends: true, ..watcher };
                hub.expect(&watcher).expect("there is room");
                let (told, open) = (Vec::new(), vec![array.task(number)]);
                hub.add(watcher, FirstTasks { told, open, unknown: Vec::new() });
                reader
            })
            .into();
        hub.ended_in_array(array, &[0..2, 4..9], &shown(0, TaskState::Cancelled));
        hub.flush();
        let told = readers[1].try_recv().expect("is told").expect("is no error");
        let task = told.updates[0].task.as_ref().expect("is set");
        assert_eq!(task.task_id, array.task(4).to_string());
        assert_eq!(task.state(), common::proto::TaskState::Cancelled);
        assert!(readers[0].try_recv().is_err(), "3 is none of them");
    }

    #[test]
    fn nobody_takes_all_watches() {
        let mut hub = WatchHub::default();
        let watcher = watcher(None).0;
        (0..MAX_WATCHERS_OF_ONE).for_each(|_| hub.expect(&watcher).expect("there is room"));
        assert_refused(hub.expect(&watcher));
        let other = Watcher { owner: UserName::from("bia"), ..watcher };
        hub.expect(&other).expect("there is room for others");
    }

    #[test]
    fn tasks_are_counted_too() {
        let hub = &mut WatchHub::default();
        let watching = |owner: &str, count: usize| {
            let (watcher, _) = watcher(Some((0..count as u128).map(TaskId).collect()));
            Watcher { owner: UserName::from(owner), ..watcher }
        };
        assert_refused(hub.expect(&watching("ana", MAX_WATCHED_BY_ONE + 1)));
        let all = watching("ana", MAX_WATCHED_BY_ONE);
        hub.expect(&all).expect("there is room");
        assert_refused(hub.expect(&watching("ana", 1)));
        hub.expect(&watching("bia", 1)).expect("there is room for others");
        // None of them is there: nothing of it stays.
        let (told, open, unknown) = (Vec::new(), Vec::new(), Vec::new());
        hub.add(all, FirstTasks { told, open, unknown });
        hub.expect(&watching("ana", MAX_WATCHED_BY_ONE)).expect("there is room again");
    }
}
