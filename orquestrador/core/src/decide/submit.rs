//! Accepting tasks: all of a batch or none. A repeated submission is accepted and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::command::{After, NewTask, NewWork, Start};
use crate::digest;
use crate::effect::{Answer, Effect, Notice};
use crate::event::{Blockage, Event};
use crate::ids::{HandlerName, RequestId, TaskId, Timestamp, UserName};
use crate::limits::Limits;
use crate::machine::{Machine, Step};
use crate::needs::Needs;
use crate::rejection::Rejection;
use crate::state::classes::Class;
use crate::state::slab::Slot;
use crate::terms::Terms;

/// Handler names told with a rejection.
const MAX_OFFERED_NAMES: usize = 20;

/// What one command submits.
pub(super) struct Batch {
    pub owner: UserName,
    pub tasks: Vec<NewTask>,
    pub allow_unknown_handler: bool,
}

/// What of a task, or of an array, is looked at before it is accepted.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    id: TaskId,
    way: (&'a HandlerName, &'a Arc<Terms>),
    tasks: u64,
    /// Of their payloads.
    bytes: u64,
    /// So many of them are referred to.
    blobs: usize,
    after: Option<&'a After>,
}

impl<'a> From<&'a NewTask> for Part<'a> {
    fn from(task: &'a NewTask) -> Self {
        Self {
            id: task.id,
            way: (&task.handler, &task.terms),
            tasks: 1,
            bytes: task.payload.len() as u64,
            blobs: task.blobs.len(),
            after: task.after.as_deref(),
        }
    }
}

impl<'a> From<&'a NewWork> for Part<'a> {
    fn from(work: &'a NewWork) -> Self {
        let (tasks, bytes) = work.load();
        let (id, way, blobs, after) = (work.id(), work.way(), work.blobs().len(), work.after());
        Self { id, way, tasks, bytes, blobs, after }
    }
}

impl Machine {
    pub(super) fn submit(
        &mut self,
        now: Timestamp,
        request: RequestId,
        batch: Batch,
        step: &mut Step,
    ) {
        let Some(first) = batch.tasks.first().map(|task| task.id) else {
            // The edge refuses an empty batch; here it is a question about no task.
            return super::answer(step, request, Ok(Answer::Tasks { tasks: vec![], next: None }));
        };
        if let [task] = batch.tasks.as_slice() {
            let holder = self.holder_of_key(now, &batch.owner, task);
            let first = holder.map(|holder| holder.map(|slot| self.snapshot(slot)));
            let known =
                first.map(|first| first.map(|first| Answer::Submitted { accepted: 0, first }));
            if let Some(answer) = known.transpose() {
                return super::answer(step, request, answer);
            }
        }
        let is_new = match self.admit(&batch) {
            Ok(is_new) => is_new,
            Err(rejection) => return super::answer(step, request, Err(rejection)),
        };
        let new = is_new.iter().filter(|is_new| **is_new).count();
        if let Err(rejection) = self.take_rate(now, &batch.owner, new) {
            return super::answer(step, request, Err(rejection));
        }
        let Batch { owner, tasks, .. } = batch;
        // Each is submitted, and may be assigned; both are told, and it is sent.
        step.reserve(2 * new, 3 * new);
        let mut before = None;
        for (task, _) in tasks.into_iter().zip(is_new).filter(|(_, is_new)| *is_new) {
            let class = self.accept_of_many(now, &owner, task, step);
            // Where a class stands is settled once for all that follow one another.
            if let Some(before) = before.filter(|before| class != Some(*before)) {
                self.office.refresh_class(&self.state, before);
            }
            before = class;
        }
        if let Some(last) = before {
            self.office.refresh_class(&self.state, last);
        }
        self.assign_ready(now, step);
        let answer = match self.state.tasks.find(first) {
            Some(slot) => Ok(Answer::Submitted {
                accepted: u32::try_from(new).unwrap_or(u32::MAX),
                first: self.snapshot(slot),
            }),
            None => Err(Rejection::TaskNotFound { task: first }),
        };
        super::answer(step, request, answer);
    }

    pub(super) fn accept(
        &mut self,
        now: Timestamp,
        owner: &UserName,
        task: NewTask,
        step: &mut Step,
    ) {
        if let Some(class) = self.accept_of_many(now, owner, task, step) {
            self.office.refresh_class(&self.state, class);
        }
    }

    /// Gives the class of the task, which the office must look at before it assigns anything.
    fn accept_of_many(
        &mut self,
        now: Timestamp,
        owner: &UserName,
        task: NewTask,
        step: &mut Step,
    ) -> Option<Slot<Class>> {
        let NewTask { id, handler, payload, terms, start, after, key, blobs, trace } = task;
        let owner = owner.clone();
        self.record(
            Event::TaskSubmitted {
                task: id,
                owner: owner.clone(),
                handler,
                payload,
                terms,
                at: now,
            },
            step,
        );
        self.hold_back(now, id, (start, after), step);
        if !blobs.is_empty() {
            self.record(Event::BlobsReferred { task: id, blobs }, step);
        }
        if let Some(trace) = trace {
            self.record(Event::TaskTraced { task: id, trace }, step);
        }
        if let Some(key) = key {
            self.hold_key(now, (owner.clone(), id), *key, step);
        }
        let slot = self.state.tasks.find(id)?;
        let class = self.state.tasks[slot].class;
        step.effects.push(Effect::Notice(Notice::TaskSubmitted { task: id, owner }));
        if self.are_changes_told {
            // It is told why the task waits.
            self.office.refresh_class(&self.state, class);
            self.tell_change(slot, step);
        }
        Some(class)
    }

    /// A task that has just been submitted, with what stands behind it in its array.
    pub(super) fn hold_back(
        &mut self,
        now: Timestamp,
        task: TaskId,
        (start, after): (Start, Option<Box<After>>),
        step: &mut Step,
    ) {
        let until = start.when(now);
        if until > now {
            self.record(Event::TaskDelayed { task, until, at: now }, step);
        }
        if let Some(after) = after {
            let After { tasks: after, condition, sources } = *after;
            let after = self.state.all_present(after);
            let blockage = Blockage { after, condition, failed: None };
            self.record(Event::TaskBlocked { task, blockage, at: now }, step);
            if !sources.is_empty() {
                // What repeats one of them leaves its files for it.
                let present = self.state.all_present(sources.clone());
                let of: BTreeSet<_> = sources.into_iter().chain(present).collect();
                let sources = of.into_iter().collect();
                let taker = task.in_array().map_or(task, |(array, _)| TaskId(array.0));
                self.record(Event::SourcesTaken { task: taker, of: sources }, step);
            }
        }
    }

    /// For each task whether it is new.
    fn admit(&self, batch: &Batch) -> Result<Vec<bool>, Rejection> {
        let ascending = batch.tasks.is_sorted_by(|a, b| a.id < b.id);
        // Ids that ascend, as UUIDv7 do, cannot repeat.
        let mut seen = (!ascending).then(BTreeMap::new);
        let mut is_new = Vec::with_capacity(batch.tasks.len());
        for task in &batch.tasks {
            let repeated =
                self.is_repeated(&batch.owner, task)? || is_repeated_within(seen.as_mut(), task)?;
            is_new.push(!repeated);
        }
        let parts = batch.tasks.iter().map(Part::from).zip(is_new.iter().copied());
        self.admit_new(&batch.owner, parts, batch.allow_unknown_handler)?;
        Ok(is_new)
    }

    /// Nothing speaks against those that are new; the others are known.
    pub(super) fn admit_new<'a>(
        &self,
        owner: &UserName,
        parts: impl Iterator<Item = (Part<'a>, bool)> + Clone,
        allow_unknown_handler: bool,
    ) -> Result<(), Rejection> {
        let new = || parts.clone().filter(|(_, is_new)| *is_new).map(|(part, _)| part);
        let (mut count, mut bytes, mut reports, mut references) = (0, 0, 0, 0);
        for Part { way: (handler, terms), tasks, bytes: payload, blobs, .. } in new() {
            if !allow_unknown_handler {
                self.check_handler(handler)?;
                self.check_needs(handler, terms.needs.as_deref())?;
            }
            count += tasks;
            bytes += payload;
            reports += terms.webhook.as_ref().map_or(0, |_| tasks);
            references += blobs;
        }
        if count == 0 {
            return Ok(());
        }
        self.check_terms(owner, new().map(|part| part.way))?;
        self.check_backlog(owner, (count, bytes))?;
        self.check_webhooks(reports)?;
        self.check_references(references)?;
        self.check_dependencies(owner, parts.map(|(p, is_new)| (p.id, p.after.filter(|_| is_new))))
    }

    pub(super) fn is_repeated(&self, owner: &UserName, task: &NewTask) -> Result<bool, Rejection> {
        // Such names are for tasks of arrays; so whether an array is new can be told by its own.
        if task.id.is_for_arrays() {
            return Err(Rejection::TaskIdConflict { task: task.id });
        }
        let Some(slot) = self.state.tasks.find(task.id) else {
            // One of this name was forgotten, but its end is still to be told.
            return match self.state.webhooks.find(task.id) {
                Some(_) => Err(Rejection::TaskIdConflict { task: task.id }),
                None => Ok(false),
            };
        };
        let fingerprint = digest::fingerprint(
            digest::text(&owner.0),
            digest::text(&task.handler.0),
            &task.payload,
            task.terms.hash(),
        );
        let is_owners = self.state.task_of(owner, task.id).is_some();
        if is_owners && self.state.tasks[slot].fingerprint == fingerprint {
            Ok(true)
        } else {
            Err(Rejection::TaskIdConflict { task: task.id })
        }
    }

    pub(super) fn check_handler(&self, handler: &HandlerName) -> Result<(), Rejection> {
        let handlers = &self.state.handlers;
        if !handlers.has_learned_any() || handlers.has_learned(handler) {
            return Ok(());
        }
        let offered: Vec<_> =
            handlers.learned().take(MAX_OFFERED_NAMES).map(|name| &*name.0).collect();
        Err(Rejection::UnknownHandler { handler: handler.clone(), offered: offered.join(", ") })
    }

    /// Of the workers that are registered and offer the handler, if there are any, one could run it.
    pub(super) fn check_needs(
        &self,
        handler: &HandlerName,
        needs: Option<&Needs>,
    ) -> Result<(), Rejection> {
        let Some((needs, slot)) = needs.zip(self.state.handlers.find(handler)) else {
            return Ok(());
        };
        let workers = self.state.workers.iter().map(|(_, worker)| worker);
        let mut offering = workers.filter(|worker| worker.handlers.contains(&slot)).peekable();
        if offering.peek().is_none() || offering.any(|worker| worker.could_run(needs)) {
            return Ok(());
        }
        let Needs { slots, labels, resources } = needs;
        let labels = labels.iter().map(|(key, value)| format!("{key}={value}"));
        let resources = resources.iter().map(|(name, count)| amount(name, *count));
        let slots = (*slots > 1).then(|| format!("{slots} slots"));
        let all: Vec<_> = slots.into_iter().chain(resources).chain(labels).collect();
        Err(Rejection::NeedsNotMet { handler: handler.clone(), needs: all.join(", ") })
    }

    /// There is room for the queues and groups that are new, and for the policies.
    pub(super) fn check_terms<'a>(
        &self,
        owner: &UserName,
        wanted: impl Iterator<Item = (&'a HandlerName, &'a Arc<Terms>)>,
    ) -> Result<(), Rejection> {
        let (mut queues, mut policies) = (BTreeSet::new(), BTreeSet::new());
        let mut groups = BTreeSet::new();
        let mut before = None;
        for (handler, terms) in wanted {
            // Most are like the one before.
            if before.replace((handler, terms)) == Some((handler, terms)) {
                continue;
            }
            let known = self.state.queues.find(&terms.queue);
            if known.is_none_or(|slot| !self.state.queues[slot].is_active()) {
                queues.insert(&terms.queue);
            }
            if let Some(group) = &terms.group {
                let known = self.state.groups.find(owner, group);
                if known.is_none_or(|slot| self.state.groups[slot].open() == 0) {
                    groups.insert(group);
                }
            }
            if terms.is_counted() && !self.state.has_class(owner, handler, terms) {
                policies.insert((handler, terms));
            }
        }
        let Limits { max_queues, max_policies, max_groups, .. } = self.limits;
        let classes = &self.state.classes;
        for (new, known, limit, unit) in [
            (queues.len(), self.state.queues.active(), max_queues, "queues with work or settings"),
            (groups.len(), self.state.groups.open(), max_groups, "groups with unfinished tasks"),
            (policies.len(), classes.policies(), max_policies, "different policies of tasks"),
        ] {
            if new > 0 && known + new > limit {
                return Err(Rejection::BacklogFull { limit: limit as u64, unit });
            }
        }
        Ok(())
    }

    pub(super) fn check_references(&self, more: usize) -> Result<(), Rejection> {
        let limit = self.limits.max_references;
        if more > 0 && self.state.blobs.references() + more > limit {
            let unit = "files of tasks";
            return Err(Rejection::BacklogFull { limit: limit as u64, unit });
        }
        Ok(())
    }

    /// There is room for so many tasks and bytes, in all and of this owner.
    pub(super) fn check_backlog(
        &self,
        owner: &UserName,
        (count, bytes): (u64, u64),
    ) -> Result<(), Rejection> {
        let totals = &self.state.totals;
        for (more, used, limit, unit) in [
            (count, totals.active(), self.limits.max_active_tasks, "tasks"),
            (bytes, totals.active_bytes, self.limits.max_active_bytes, "bytes"),
        ] {
            if more > limit {
                return Err(Rejection::NeverFits { limit, unit });
            }
            if used.saturating_add(more) > limit {
                return Err(Rejection::BacklogFull { limit, unit });
            }
        }
        self.check_quota(owner, (count, bytes))
    }
}

/// Of a resource; memory is counted in bytes.
fn amount(name: &str, count: u64) -> String {
    if name != "memory" {
        return format!("{count} {name}");
    }
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let fits = units.iter().find(|(_, bits)| count >> bits > 0 && count.trailing_zeros() >= *bits);
    match fits {
        Some((unit, bits)) => format!("{} {unit} of memory", count >> bits),
        None => format!("{count} bytes of memory"),
    }
}

fn is_repeated_within<'a>(
    seen: Option<&mut BTreeMap<TaskId, &'a NewTask>>,
    task: &'a NewTask,
) -> Result<bool, Rejection> {
    match seen.and_then(|seen| seen.insert(task.id, task)) {
        None => Ok(false),
        Some(before) => {
            let (start, after, key) = (before.start, before.after.clone(), before.key.clone());
            let (blobs, trace) = (before.blobs.clone(), before.trace);
            match (NewTask { start, after, key, blobs, trace, ..task.clone() }) == *before {
                true => Ok(true),
                false => Err(Rejection::TaskIdConflict { task: task.id }),
            }
        }
    }
}
