//! What is always true of a machine between two commands. For property tests and the simulator:
//! looks at everything, so it is slow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::apply::Fate;
use crate::command::{AttemptRef, Delivery, Role};
use crate::effect::TaskState;
use crate::ids::{ArrayId, Attempt, TaskId, Timestamp};
use crate::machine::Machine;
use crate::quota::Usage;
use crate::state::State;
use crate::state::classes::Class;
use crate::state::slab::Slot;
use crate::state::tasks::{Body, Chain, FinishOrder, Finished, Task};
use crate::state::workers::{Held, Used};
use crate::webhook::Owed;

/// # Errors
/// Says which invariant does not hold.
pub fn check(machine: &Machine) -> Result<(), String> {
    let state = &machine.state;
    if let Some(misfit) = &state.misfit {
        return Err(format!("an event did not fit: {misfit}"));
    }
    totals(state)?;
    arrays(state)?;
    queues(state)?;
    groups(state)?;
    delays(state)?;
    expiries(state)?;
    waits(state)?;
    classes(state)?;
    owners(state)?;
    usage(state)?;
    slots(state)?;
    deliveries(state)?;
    retention(state)?;
    keys(state)?;
    schedules(state)?;
    references(state)?;
    sources(state)?;
    traces(state)?;
    webhooks(state)?;
    users(state)?;
    digest(machine)
}

/// Like [`check`], and also that the lists of the office are right: only for a principal.
///
/// # Errors
/// Says which invariant does not hold.
pub fn check_principal(machine: &Machine) -> Result<(), String> {
    check(machine)?;
    machine.office.check(&machine.state)?;
    ensure(machine.office.next_assignment(&machine.state, Timestamp(0), u64::MAX).is_none(), || {
        "a queued task waits although a worker is free for it".to_owned()
    })
}

/// By running attempts, and by cancelled ones that have not ended: 0 when every worker is free.
pub fn slots_taken(machine: &Machine) -> u64 {
    machine.state.workers.iter().map(|(_, worker)| u64::from(worker.used.slots)).sum()
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// Each key is found by its name and its task; exactly those whose task has not ended may be held by more than time.
fn keys(state: &State) -> Result<(), String> {
    let due: BTreeSet<_> = state.keys.due().map(|(_, slot)| slot).collect();
    for (slot, key) in state.keys.iter() {
        let wrong = |what: &str| format!("key {} of {}: {what}", key.name, key.owner);
        ensure(state.keys.of_task(key.task) == Some(slot), || wrong("not found by its task"))?;
        let found = state.keys.find(&key.owner, &key.name);
        ensure(found == Some(slot), || wrong("not found by its name"))?;
        let task = state.tasks.find(key.task).map(|slot| &state.tasks[slot]);
        let is_active = task.is_some_and(|task| task.finished().is_none());
        ensure(is_active || due.contains(&slot), || wrong("it is held for ever"))?;
    }
    Ok(())
}

/// What waits to be made is due, and the payloads are counted.
fn schedules(state: &State) -> Result<(), String> {
    let mut bytes = 0;
    for ((owner, name), entry) in state.schedules.iter() {
        let wrong = |what: &str| format!("schedule {name} of {owner}: {what}");
        bytes += entry.schedule.payload.len() as u64;
        ensure(!entry.is_refused() || entry.next.is_some(), || wrong("what was refused is lost"))?;
    }
    ensure(bytes == state.schedules.bytes(), || "schedules have other payloads".to_owned())
}

/// Only tasks that are known refer to blobs, and each blob is kept for as many as do.
fn references(state: &State) -> Result<(), String> {
    let mut blobs = BTreeMap::new();
    let mut count = 0;
    for (task, blob) in state.blobs.iter() {
        let is_known =
            state.tasks.find(task).is_some() || state.arrays.find(ArrayId(task.0)).is_some();
        ensure(is_known, || format!("{task}, unknown, keeps {blob:?}"))?;
        blobs.entry(blob.id).or_insert(blob.bytes);
        count += 1;
    }
    ensure(count == state.blobs.references(), || "references are counted wrongly".to_owned())?;
    let referred: BTreeMap<_, _> = state.blobs.referred().map(|b| (b.id, b.bytes)).collect();
    ensure(referred == blobs, || "other blobs are kept than those referred to".to_owned())?;
    let bytes = state.blobs.countdown().bytes();
    ensure(bytes == blobs.values().sum::<u64>(), || "bytes of blobs are counted wrongly".to_owned())
}

/// Each report that is owed is due once, under its target, and none of an unfinished task; those that will be are counted.
fn webhooks(state: &State) -> Result<(), String> {
    let due = state.webhooks.targets().iter();
    let due =
        due.flat_map(|(target, due)| due.iter().map(move |(at, task)| (&**target, *at, *task)));
    let listed: BTreeSet<_> = due.collect();
    let is_owed = |owed: &&Arc<Owed>| owed.given_up.is_none();
    let owed = state.webhooks.iter().filter(is_owed);
    let owed = owed.map(|owed| (owed.url.target(), owed.next, owed.report.task));
    let expected: BTreeSet<_> = owed.collect();
    ensure(listed == expected, || "reports that are owed are listed wrongly".to_owned())?;
    let given_up =
        state.webhooks.iter().filter_map(|owed| Some((owed.given_up?, owed.report.task)));
    ensure(given_up.collect::<BTreeSet<_>>() == *state.webhooks.given_up(), || {
        "reports that were given up are listed wrongly".to_owned()
    })?;
    for owed in state.webhooks.iter().filter(is_owed) {
        let task = state.tasks.find(owed.report.task).map(|slot| &state.tasks[slot]);
        let finished = task.and_then(Task::finished);
        ensure(finished.is_none_or(|finished| finished.webhook.is_none()), || {
            format!("the report of {} is owed, and is not", owed.report.task)
        })?;
    }
    let has = |class| state.terms_of(class).webhook.is_some();
    let tasks = state.tasks.iter().filter(|(_, task)| has(task.class));
    let mut count = 0;
    for (_, task) in tasks {
        count += 1;
        ensure(task.finished().is_none(), || format!("task {} ended unreported", task.id()))?;
    }
    let arrays = state.arrays.iter().filter(|(_, array)| has(array.class));
    count += arrays.map(|(_, array)| u64::from(array.waiting())).sum::<u64>();
    ensure(count == state.webhooks.expected, || "webhooks are counted wrongly".to_owned())
}

fn totals(state: &State) -> Result<(), String> {
    let (mut counts, mut active, mut finished) = ([0; 6], 0, 0);
    for (slot, task) in state.tasks.iter() {
        counts[task.state() as usize] += 1;
        active += task.body.payload_bytes();
        finished += task.finished().map_or(0, Finished::bytes);
        ensure(state.tasks.find(task.id()) == Some(slot), || {
            format!("task {} is not found by its id", task.id())
        })?;
    }
    for (_, array) in state.arrays.iter() {
        counts[TaskState::Queued as usize] += u64::from(array.waiting());
        active += array.payload.len() as u64;
    }
    let totals = &state.totals;
    ensure(
        (totals.counts, totals.active_bytes, totals.finished_bytes) == (counts, active, finished),
        || format!("{totals:?}, counted {counts:?}, {active} and {finished} bytes"),
    )?;
    for (handler, record) in state.handlers.iter() {
        let is_of = |class| state.classes[class].handler == handler;
        let mut counts = [0; 6];
        for (_, task) in state.tasks.iter().filter(|(_, task)| is_of(task.class)) {
            counts[task.state() as usize] += 1;
        }
        for (_, array) in state.arrays.iter().filter(|(_, array)| is_of(array.class)) {
            counts[TaskState::Queued as usize] += u64::from(array.waiting());
        }
        ensure(record.counts == counts, || format!("{} counts wrongly", record.name))?;
    }
    Ok(())
}

/// Each task of an array has a record, waits or is forgotten; while any waits, the first one that stands before those
/// has a record and was not assigned.
fn arrays(state: &State) -> Result<(), String> {
    for (slot, array) in state.arrays.iter() {
        let wrong = |what: &str| format!("array {}: {what}", array.id);
        ensure(state.arrays.find(array.id) == Some(slot), || wrong("not found by its id"))?;
        let (mut counts, mut records, mut waiting) = ([0; 6], 0, 0);
        for place in 0..array.count {
            let record = state.tasks.find(array.task(place));
            let waits = array.waits(place);
            ensure(!(waits && record.is_some()), || wrong("a task that waits has a record"))?;
            waiting += u32::from(waits);
            if let Some(task) = record.map(|slot| &state.tasks[slot]) {
                records += 1;
                counts[task.state() as usize] += 1;
                ensure(task.seq == array.seq(place), || wrong("a task is out of its order"))?;
            }
        }
        ensure(array.counts == counts, || wrong("the counts are not those of its records"))?;
        ensure(array.waiting() == waiting, || wrong("another number waits"))?;
        let tasks = (0..array.count).filter_map(|place| state.tasks.find(array.task(place)));
        let again = tasks.filter_map(|task| state.tasks[task].finished()?.again.as_deref()?.by);
        ensure(again.count() == array.repeated as usize, || wrong("another number is repeated"))?;
        let known = u64::from(records + waiting);
        let is_complete = known + array.forgotten.total() == u64::from(array.count);
        ensure(is_complete, || wrong("tasks are missing"))?;
        ensure(known > 0, || wrong("nothing of it is left"))?;
        let front = (waiting > 0).then(|| state.tasks.find(array.task(array.begun - 1)));
        ensure(array.front == front.flatten(), || wrong("another task is its front"))?;
        let is_next = array.front.is_none_or(|front| {
            let front = &state.tasks[front];
            front.state() == TaskState::Queued && front.attempt == Attempt(0)
        });
        ensure((waiting == 0 || array.front.is_some()) && is_next, || {
            wrong("its front has begun")
        })?;
        let records = (0..array.count).filter_map(|place| state.tasks.find(array.task(place)));
        let mut held = records.map(|slot| &state.tasks[slot]).filter(|task| {
            let is_delayed = task.delay().is_some() && task.attempt == Attempt(0);
            task.wait().is_some() || is_delayed
        });
        ensure(held.all(|task| Some(task.id()) == array.last_begun()), || {
            wrong("a task that is not its front is held back")
        })?;
    }
    Ok(())
}

/// Exactly the queued tasks stand in lines, each in that of its class; queues know how many theirs are.
fn queues(state: &State) -> Result<(), String> {
    let mut queued = 0;
    for (class, record) in state.classes.iter() {
        let handler = &state.handler_of(class).name;
        for slot in record.line.iter(&state.tasks) {
            let task = &state.tasks[slot];
            queued += 1;
            ensure(task.state() == TaskState::Queued && task.class == class, || {
                format!("task {} stands in a line of {handler}", task.id())
            })?;
        }
        let first = record.line.iter(&state.tasks).min_by_key(|slot| state.tasks[*slot].seq);
        ensure(record.line.first(&state.tasks).map(|(_, slot)| slot) == first, || {
            format!("a line of {handler} does not begin with its oldest task")
        })?;
    }
    let waiting: u64 = state.arrays.iter().map(|(_, array)| u64::from(array.waiting())).sum();
    let blocked = state.tasks.iter().filter(|(_, task)| task.wait().is_some()).count();
    let apart = waiting + (state.delayed.len() + blocked) as u64;
    let expected = state.totals.counts[TaskState::Queued as usize] - apart;
    ensure(queued == expected, || format!("{queued} tasks in lines, {expected} queued"))?;
    let active = state.queues.iter().filter(|(_, queue)| queue.is_active()).count();
    ensure(state.queues.active() == active, || "active queues are counted wrongly".to_owned())?;
    for (queue, record) in state.queues.iter() {
        let of_queue = |class| state.classes[class].queue == queue;
        let in_state = |state_: TaskState| {
            let tasks = state.tasks.iter().filter(|(_, task)| of_queue(task.class));
            tasks.filter(|(_, task)| task.state() == state_).count() as u64
        };
        let arrays = state.arrays.iter().filter(|(_, array)| of_queue(array.class));
        let waiting: u64 = arrays.map(|(_, array)| u64::from(array.waiting())).sum();
        let counted = (in_state(TaskState::Queued) + waiting, in_state(TaskState::Running));
        let held = state.workers.all().flat_map(|(_, worker)| worker.cancelled.values());
        let held = held.filter(|held| of_queue(state.tasks[held.task].class)).count();
        let is_counted = record.held as usize == held;
        ensure(is_counted && (record.queued, u64::from(record.running)) == counted, || {
            format!("queue {} counts wrongly", record.name)
        })?;
    }
    Ok(())
}

/// Groups know how many their tasks are, in which classes, and what arrays forgot of them.
fn groups(state: &State) -> Result<(), String> {
    let open = state.groups.iter().filter(|(_, group)| group.open() > 0).count();
    ensure(state.groups.open() == open, || "open groups are counted wrongly".to_owned())?;
    let mut classes = 0;
    for (slot, group) in state.groups.iter() {
        let wrong = |what: &str| format!("group {} of {}: {what}", group.name, group.owner);
        let found = state.groups.find(&group.owner, &group.name);
        ensure(found == Some(slot), || wrong("not found by its name"))?;
        ensure(!group.classes.is_empty(), || wrong("nothing belongs to it"))?;
        classes += group.classes.len();
        let is_theirs = |class: &Slot<Class>| {
            let terms = &state.classes[*class].terms;
            state.classes[*class].group == Some(slot)
                && terms.group.as_ref() == Some(&group.name)
                && state.owner_of(*class).name == group.owner
        };
        ensure(group.classes.iter().all(is_theirs), || wrong("has another's class"))?;
        let mut counts = [0; 6];
        for (_, task) in state.tasks.iter().filter(|(_, t)| group.classes.contains(&t.class)) {
            counts[task.state() as usize] += 1;
        }
        let arrays = state.arrays.iter().filter(|(_, a)| group.classes.contains(&a.class));
        let mut forgotten = 0;
        for (_, array) in arrays {
            counts[TaskState::Queued as usize] += u64::from(array.waiting());
            forgotten += array.forgotten.total();
        }
        ensure(group.counts == counts, || wrong("counts wrongly"))?;
        let all: u64 = group.past.forgotten.iter().sum();
        ensure(forgotten <= all, || wrong("does not know what its arrays forgot"))?;
        let ended = |state: usize| group.counts[state] + group.past.forgotten[state];
        let repeats = group.past.repeated.iter().enumerate();
        let is_ended = |(state, repeated): (usize, &u64)| *repeated <= ended(state);
        ensure(repeats.clone().all(is_ended), || wrong("did more once more than failed"))?;
    }
    let grouped = state.classes.iter().filter(|(_, class)| class.group.is_some()).count();
    ensure(classes == grouped, || "a class is not in its group".to_owned())
}

/// Exactly the delayed tasks stand under the moment for which they wait.
fn delays(state: &State) -> Result<(), String> {
    let listed: BTreeSet<_> =
        state.delayed.iter().map(|((until, seq), slot)| (*until, *seq, *slot)).collect();
    let expected = state
        .tasks
        .iter()
        .filter_map(|(slot, task)| Some((task.delay()?.until, task.seq, slot)))
        .collect::<BTreeSet<_>>();
    ensure(listed == expected, || "delayed tasks are listed wrongly".to_owned())
}

/// Exactly the tasks that wait for others are listed under them, and those whose wait is over are to be decided.
fn waits(state: &State) -> Result<(), String> {
    let waiting = || state.tasks.iter().filter_map(|(slot, task)| Some((slot, task, task.wait()?)));
    let expected: BTreeSet<_> = waiting()
        .flat_map(|(slot, task, wait)| wait.open.iter().map(move |id| (*id, task.seq, slot)))
        .collect();
    let listed: BTreeSet<_> = state.dependents.iter().collect();
    let is_counted = state.dependents.len() == listed.len();
    ensure(is_counted && listed == expected, || {
        "tasks that wait for others are listed wrongly".to_owned()
    })?;
    let over: BTreeSet<_> = waiting()
        .filter(|(_, _, wait)| wait.is_over())
        .map(|(slot, task, _)| (task.seq, slot))
        .collect();
    let resolved: BTreeSet<_> = state.resolved.iter().map(|(seq, slot)| (*seq, *slot)).collect();
    ensure(resolved == over, || "tasks whose wait is over are listed wrongly".to_owned())?;
    let is_open = |id: &TaskId| state.fate(*id) == Some(Fate::Open);
    ensure(waiting().all(|(_, _, wait)| wait.open.iter().all(is_open)), || {
        "a task waits for one that has ended".to_owned()
    })
}

/// Only what is not finished takes of others.
fn sources(state: &State) -> Result<(), String> {
    ensure(state.sources.is_consistent(), || "who takes what is counted wrongly".to_owned())?;
    let is_open = |(task, _): (TaskId, &BTreeSet<TaskId>)| state.fate(task) == Some(Fate::Open);
    ensure(state.sources.iter().all(is_open), || "what has ended still takes of others".to_owned())
}

/// Only what is not finished belongs to a trace.
fn traces(state: &State) -> Result<(), String> {
    let is_open = |task: &TaskId| state.fate(*task) == Some(Fate::Open);
    ensure(state.traces.keys().all(is_open), || "what has ended is still traced".to_owned())
}

/// Exactly the tasks that may run out of time stand under the moment at which they do.
fn expiries(state: &State) -> Result<(), String> {
    let listed: BTreeSet<_> =
        state.expiring.iter().map(|((due, seq), slot)| (*due, *seq, *slot)).collect();
    let due = |slot, task: &Task| Some((state.expiry_of(task)?.0, task.seq, slot));
    let expected: BTreeSet<_> =
        state.tasks.iter().filter_map(|(slot, task)| due(slot, task)).collect();
    ensure(listed == expected, || "tasks that may expire are listed wrongly".to_owned())
}

/// Each task and array belongs to a class, and nothing else does; a task fails no more often than its terms allow.
fn classes(state: &State) -> Result<(), String> {
    let holders = state.tasks.len() + state.arrays.iter().count();
    ensure(state.classes.holders() == holders as u64, || "classes are counted wrongly".to_owned())?;
    for (_, task) in state.tasks.iter() {
        let retry = state.terms_of(task.class).retry.as_ref();
        let most = retry.map_or(0, |retry| retry.max_attempts - 1);
        ensure(task.body.failed() <= most, || format!("task {} failed too often", task.id()))?;
        let most = state.terms_of(task.class).max_lost_attempts.map_or(u32::MAX, u32::from);
        let lost = task.lost_attempts() - u32::from(task.state() == TaskState::Running);
        ensure(matches!(task.body, Body::Finished(_)) || lost < most, || {
            format!("task {} lost too many workers", task.id())
        })?;
    }
    Ok(())
}

/// Every task stands in its owner's chain, in the order of submission.
fn owners(state: &State) -> Result<(), String> {
    let mut count = 0;
    for (owner, record) in state.owners.iter() {
        let mut before = None;
        let mut at = record.tasks.first;
        ensure(at.is_some(), || format!("owner {} without tasks", record.name))?;
        while let Some(slot) = at {
            let task = &state.tasks[slot];
            count += 1;
            ensure(state.classes[task.class].owner == owner && before < Some(task.seq), || {
                format!("task {} is out of order in its owner's chain", task.id())
            })?;
            before = Some(task.seq);
            at = state.tasks.newer(slot, Chain::Owner);
        }
        let of_owner = |task: &Task| state.classes[task.class].owner == owner;
        ensure(record.marks.are_of(state.tasks.iter().filter(|(_, task)| of_owner(task))), || {
            format!("owner {} has other marks than its tasks", record.name)
        })?;
    }
    ensure(count == state.tasks.len(), || format!("{count} of {} tasks", state.tasks.len()))
}

/// Owners know what theirs come to, and what they may.
fn usage(state: &State) -> Result<(), String> {
    let mut counted = BTreeMap::<_, Usage>::new();
    for (_, task) in state.tasks.iter() {
        let usage = counted.entry(state.classes[task.class].owner).or_default();
        usage.active += u64::from(task.finished().is_none());
        usage.bytes += task.body.payload_bytes();
        usage.running += u32::from(task.state() == TaskState::Running);
        usage.held += u32::from(task.finished().is_some() && takes_slot(task));
    }
    for (_, array) in state.arrays.iter() {
        let usage = counted.entry(state.classes[array.class].owner).or_default();
        usage.active += u64::from(array.waiting());
        usage.bytes += array.payload.len() as u64;
    }
    for (slot, owner) in state.owners.iter() {
        let expected = counted.get(&slot).copied().unwrap_or_default();
        ensure(owner.usage == expected, || {
            format!("owner {}: {:?}, counted {expected:?}", owner.name, owner.usage)
        })?;
        ensure(owner.quota == state.owners.quota_of(&owner.name), || {
            format!("owner {} has another quota", owner.name)
        })?;
    }
    Ok(())
}

/// A slot is taken by exactly each running attempt and each cancelled one that has not ended.
fn slots(state: &State) -> Result<(), String> {
    let mut held = BTreeSet::new();
    ensure(state.workers.len() == state.workers.records(), || {
        "a lost worker still has attempts".to_owned()
    })?;
    for (worker, record) in state.workers.iter() {
        for (seq, slot) in &record.running {
            let task = &state.tasks[*slot];
            let runs_here =
                matches!(task.body, Body::Running { worker: runner, .. } if runner == worker);
            ensure(runs_here && task.seq == *seq && held.insert(*slot), || {
                format!("task {} takes a slot of {}", task.id(), record.id)
            })?;
        }
        let mut used = Used::default();
        for slot in record.running.values() {
            used.take(state.terms_of(state.tasks[*slot].class).needs.as_deref());
        }
        for (attempt, Held { task: slot, needs }) in &record.cancelled {
            used.take(needs.as_deref());
            let task = &state.tasks[*slot];
            let is_held = task.finished().is_some_and(|finished| {
                finished.order.is_none() && finished.worker.as_ref() == Some(&record.id)
            });
            let same = *attempt == AttemptRef { task: task.id(), attempt: task.attempt };
            ensure(is_held && same && held.insert(*slot), || {
                format!("cancelled task {} holds a slot of {}", task.id(), record.id)
            })?;
        }
        ensure(used == record.used, || format!("{:?} is taken of {}", record.used, record.id))?;
    }
    let expected: BTreeSet<Slot<Task>> =
        state.tasks.iter().filter(|(_, task)| takes_slot(task)).map(|(slot, _)| slot).collect();
    ensure(held == expected, || "slots and attempts do not agree".to_owned())
}

fn takes_slot(task: &Task) -> bool {
    match &task.body {
        Body::Queued { .. } | Body::Delayed { .. } | Body::Blocked { .. } => false,
        Body::Running { .. } => true,
        Body::Finished(finished) => finished.order.is_none(),
    }
}

/// What may be started once only was given to one worker at most, and only such a task ends as lost.
fn deliveries(state: &State) -> Result<(), String> {
    for (_, task) in state.tasks.iter() {
        let holds = match state.terms_of(task.class).delivery {
            Delivery::AtLeastOnce => task.state() != TaskState::Lost,
            Delivery::AtMostOnce => match task.state() {
                TaskState::Queued => task.lost_attempts() == 0,
                TaskState::Running => task.lost_attempts() == 1,
                TaskState::Succeeded
                | TaskState::Failed
                | TaskState::Cancelled
                | TaskState::Lost => true,
            },
        };
        ensure(holds, || {
            format!("task {} is {:?} in attempt {}", task.id(), task.state(), task.attempt)
        })?;
    }
    Ok(())
}

fn retention(state: &State) -> Result<(), String> {
    let retained: BTreeSet<(FinishOrder, Slot<Task>)> =
        state.retained.iter().map(|(order, slot)| (*order, *slot)).collect();
    let expected = state
        .tasks
        .iter()
        .filter_map(|(slot, task)| Some((task.finished()?.order?, slot)))
        .collect::<BTreeSet<_>>();
    ensure(retained == expected, || "retention does not know every finished task".to_owned())?;
    let refers = |slot: &Slot<Task>| {
        let id = state.tasks[*slot].id();
        let array = id.in_array().map(|(array, _)| TaskId(array.0));
        state.blobs.refers(id) || array.is_some_and(|array| state.blobs.refers(array))
    };
    let referring = retained.iter().filter(|(_, slot)| refers(slot)).copied().collect::<Vec<_>>();
    let known: Vec<_> = state.with_blobs.iter().map(|(order, slot)| (*order, *slot)).collect();
    ensure(known == referring, || "retention does not know which tasks refer to blobs".to_owned())
}

fn users(state: &State) -> Result<(), String> {
    ensure(
        state.users.is_empty() || state.users.values().any(|user| user.role == Role::Admin),
        || "users without an administrator".to_owned(),
    )
}

/// The digest kept up step by step is the one that the records give.
fn digest(machine: &Machine) -> Result<(), String> {
    let counted = machine.state.counted_digest();
    ensure(machine.digest() == counted, || "the digest is not that of the records".to_owned())
}
