//! The entries that this node set aside because nobody had acknowledged them, or because an override (V15)
//! chose another history: the tasks submitted in them can be submitted once more, except those whose end stands
//! there too, and those that may be started once only and were given to a worker. A snapshot of such a history,
//! whose entries are gone, counts as one.

mod fates;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::proto;
use common::proto::array_spec;
use common::proto::task_spec::Start;
use orquestrador_core::Event;
use orquestrador_core::ids::{ArrayId, Blob, HandlerName, TaskId, UserName};
use orquestrador_core::terms::Terms;
use prost::Message as _;

use crate::api::convert;
use crate::journal::{self, Content, SNAPSHOT_EXTENSION, read_set_aside, read_set_aside_snapshot};
use fates::Fates;

/// Tasks in one message, as many as one submission may have.
const MAX_TASKS: usize = 5_000;
/// Bytes that a message needs for each of its tasks beside the task itself, at most.
const PER_TASK: usize = 16;
/// Withheld tasks of one tail that are named; the others are only counted.
const MAX_NAMED: usize = 1_000;

/// One file.
#[derive(Debug)]
pub struct Tail {
    pub name: String,
    pub content: Result<Summary, Error>,
}

/// What an intact one holds.
#[derive(Debug)]
pub struct Summary {
    pub entries: u64,
    /// Tasks submitted in it that can be submitted once more.
    pub tasks: u64,
    /// Tasks submitted in it whose outcome or cancellation stands in it.
    pub finished: u64,
    /// At-most-once tasks that may have begun: never submitted once more.
    pub withheld: u64,
    /// The first of them.
    pub named: Vec<TaskId>,
}

/// Why a tail cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such file; its name is not a path.
    #[error("there is no set-aside tail named `{0}`")]
    Unknown(String),
    #[error("failed to read the folder of set-aside tails")]
    Folder(#[source] std::io::Error),
    #[error("failed to read the tail")]
    Journal(#[from] journal::Error),
}

/// Those of a data directory, oldest first. One that cannot be read does not hide the others.
///
/// # Errors
/// The folder cannot be read.
pub fn list(data_dir: &Path) -> Result<Vec<Tail>, Error> {
    let mut names = names(data_dir)?;
    names.sort();
    let tail = |name: String| Tail { content: summary(data_dir, &name), name };
    Ok(names.into_iter().map(tail).collect())
}

fn summary(data_dir: &Path, name: &str) -> Result<Summary, Error> {
    let (entries, fates) = survey(data_dir, name)?;
    Ok(Summary {
        entries,
        tasks: fates.open(),
        finished: fates.finished(),
        withheld: fates.withheld().count() as u64,
        named: fates.withheld().take(MAX_NAMED).collect(),
    })
}

/// The tasks submitted in one of them that can be submitted once more, in their order.
///
/// # Errors
/// There is no such tail, or it cannot be read.
pub fn read(data_dir: &Path, name: &str) -> Result<Vec<proto::TailTask>, Error> {
    if !names(data_dir)?.iter().any(|known| known == name) {
        return Err(Error::Unknown(name.to_owned()));
    }
    let path = folder(data_dir).join(name);
    let (_, fates) = survey(data_dir, name)?;
    let mut tasks = Vec::new();
    visit(&path, |events| {
        tasks.extend(events.iter().filter_map(|event| submission(event, &fates)));
    })?;
    Ok(tasks)
}

fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join(journal::SET_ASIDE_FOLDER)
}

fn names(data_dir: &Path) -> Result<Vec<String>, Error> {
    let files = match std::fs::read_dir(folder(data_dir)) {
        Ok(files) => files,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::Folder(error)),
    };
    let mut names = Vec::new();
    for file in files {
        let name = file.map_err(Error::Folder)?.file_name();
        let is_tail = |name: &&str| name.ends_with(".journal") || is_snapshot(name);
        if let Some(name) = name.to_str().filter(is_tail) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

fn is_snapshot(name: &str) -> bool {
    name.ends_with(SNAPSHOT_EXTENSION)
}

/// Counts the entries, or the events of a snapshot: a task's end may stand long after its submission, and for a
/// snapshot in the entries that followed it.
fn survey(data_dir: &Path, name: &str) -> Result<(u64, Fates), Error> {
    let (mut entries, mut fates) = (0, Fates::default());
    visit(&folder(data_dir).join(name), |events| {
        entries += 1;
        events.iter().for_each(|event| fates.see(event));
    })?;
    if is_snapshot(name) {
        for journal in names(data_dir)?.iter().filter(|name| !is_snapshot(name)) {
            visit(&folder(data_dir).join(journal), |events| {
                events.iter().for_each(|event| fates.see_later(event));
            })?;
        }
    }
    Ok((entries, fates))
}

fn visit(path: &Path, mut see: impl FnMut(&[Event])) -> Result<(), Error> {
    if path.to_str().is_some_and(is_snapshot) {
        for event in read_set_aside_snapshot(path)?.events()? {
            see(&[event?]);
        }
        return Ok(());
    }
    for entry in read_set_aside(path)? {
        let entry = entry?;
        let content = Content::decode(&entry.payload)
            .map_err(|source| journal::Error::Content { index: entry.id.index, source })?;
        match content {
            Content::Events(events) => see(&events),
            Content::View(_) => see(&[]),
        }
    }
    Ok(())
}

fn submission(event: &Event, fates: &Fates) -> Option<proto::TailTask> {
    match event {
        // Of an array the tasks are told with it.
        Event::TaskSubmitted { task, .. } if task.in_array().is_some() => None,
        // Whoever is principal makes them, under the same ids.
        Event::TaskSubmitted { terms, .. }
            if terms.schedule.is_some() && terms.origin.is_none() =>
        {
            None
        }
        Event::TaskSubmitted { task, owner, handler, payload, terms, .. } => {
            let (after, condition) = fates.waits_for(*task).unwrap_or_default();
            let (payload, payload_blob) = convert::content(payload.clone());
            let spec = proto::TaskSpec {
                task_id: task.to_string(),
                handler: handler.to_string(),
                payload,
                payload_blob,
                delivery: convert::delivery(terms.delivery).into(),
                retry: convert::retry(terms).map(Box::new),
                max_lost_attempts: terms.max_lost_attempts.unwrap_or_default().into(),
                start: fates.not_before(*task).map(|at| Start::NotBeforeMs(at.0)),
                queue: terms.queue.to_string(),
                priority: terms.priority.into(),
                attempt_timeout_ms: terms.times.attempt_ms,
                expires_after_ms: terms.times.begin_ms,
                deadline_after_ms: terms.times.end_ms,
                sources: texts(&fates.sources_of(*task, &after)),
                after: texts(&after),
                after_condition: convert::condition(condition).into(),
                needs: convert::needs(terms).map(Box::new),
                // A task of the cluster may have it by now.
                unique: None,
                group: convert::group(&terms.group),
                webhook: convert::webhook_url(terms),
                blobs: fates.blobs_of(*task).iter().map(convert::blob_ref).collect(),
                traceparent: fates.traceparent_of(*task),
            };
            let owner = owner.to_string();
            let submission =
                proto::TailTask { owner, task: Some(spec), ..proto::TailTask::default() };
            fates.can_be_submitted(*task).then_some(submission)
        }
        Event::ArraySubmitted { array, owner, handler, payload, terms, first, count, .. } => {
            let (what, numbers) = ((payload, terms), (*first, *count));
            array_submission(*array, (owner, handler), what, numbers, fates)
        }
        Event::ArrayRestored(restored) => {
            let names = (&restored.owner, &restored.handler);
            let payload = fates.payload_of(restored.array).unwrap_or(&restored.payload);
            let (what, numbers) = ((payload, &restored.terms), (restored.first, restored.count));
            array_submission(restored.array, names, what, numbers, fates)
        }
        _ => None,
    }
}

fn array_submission(
    array: ArrayId,
    (owner, handler): (&UserName, &HandlerName),
    (payload, terms): (&Blob, &Arc<Terms>),
    (first, count): (u32, u32),
    fates: &Fates,
) -> Option<proto::TailTask> {
    let closed = fates.closed_in(array)?;
    let place = |range: std::ops::Range<u32>| proto::PlaceRange {
        first: range.start,
        count: range.end - range.start,
    };
    let except = closed.iter().map(place).collect();
    let whole = TaskId(array.0);
    let (after, condition) = fates.waits_for(whole).unwrap_or_default();
    let array = proto::ArraySpec {
        array_id: array.to_string(),
        handler: handler.to_string(),
        payload: convert::content(payload.clone()).0,
        delivery: convert::delivery(terms.delivery).into(),
        retry: convert::retry(terms),
        max_lost_attempts: terms.max_lost_attempts.unwrap_or_default().into(),
        first,
        count,
        queue: terms.queue.to_string(),
        priority: terms.priority.into(),
        attempt_timeout_ms: terms.times.attempt_ms,
        needs: convert::needs(terms),
        group: convert::group(&terms.group),
        expires_after_ms: terms.times.begin_ms,
        deadline_after_ms: terms.times.end_ms,
        start: fates.not_before(whole).map(|at| array_spec::Start::NotBeforeMs(at.0)),
        sources: texts(&fates.sources_of(whole, &after)),
        after: texts(&after),
        after_condition: convert::condition(condition).into(),
        blobs: fates.blobs_of(whole).iter().map(convert::blob_ref).collect(),
        traceparent: fates.traceparent_of(whole),
        webhook: convert::webhook_url(terms),
    };
    let owner = owner.to_string();
    Some(proto::TailTask { owner, task: None, array: Some(array), except })
}

fn texts(ids: &[TaskId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// In order, each part of bounded size.
pub fn parts(tasks: Vec<proto::TailTask>, max_bytes: usize) -> Vec<Vec<proto::TailTask>> {
    let mut parts: Vec<Vec<proto::TailTask>> = Vec::new();
    let mut bytes = 0;
    for task in tasks {
        let size = PER_TASK + task.encoded_len();
        bytes += size;
        match parts.last_mut() {
            Some(part) if bytes <= max_bytes && part.len() < MAX_TASKS => part.push(task),
            Some(_) | None => {
                bytes = size;
                parts.push(vec![task]);
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use orquestrador_core::ids::{Epoch, Index, Timestamp};

    use super::*;
    use crate::journal::{Entry, Journal};

    /// Its entries are gone, but its tasks are not: only those that ended later are left out.
    #[test]
    fn a_snapshot_that_was_set_aside_is_a_tail() {
        let dir = tempfile::tempdir().expect("a directory");
        let (journal, _) = Journal::open(dir.path()).expect("an empty journal");
        let submitted = |task| Event::TaskSubmitted {
            task: TaskId(task),
            owner: "ana".into(),
            handler: "echo".into(),
            payload: b"x"[..].into(),
            terms: Terms::default().into(),
            at: Timestamp(1),
        };
        let append = |events: Vec<Event>| {
            let payload = Content::Events(events).encode();
            let entry = Entry::following(&journal.last(), Epoch(1), payload);
            journal.append(std::slice::from_ref(&entry)).expect("an append");
            entry.id
        };
        let events = vec![submitted(1), submitted(2)];
        let id = append(events.clone());
        journal.save_snapshot(id, &[], events.into_iter()).expect("a snapshot");
        append(vec![Event::TaskCancelled { task: TaskId(2), at: Timestamp(2) }]);
        journal.set_aside_snapshot().expect("a copy").expect("there is one");
        journal.set_aside_after(Index(1)).expect("a tail").expect("there is one");

        let tails = list(dir.path()).expect("two");
        let snapshot = tails.iter().find(|tail| is_snapshot(&tail.name)).expect("is listed");
        let summary = snapshot.content.as_ref().expect("is intact");
        assert_eq!((summary.entries, summary.tasks, summary.finished), (2, 1, 1));
        let tasks = read(dir.path(), &snapshot.name).expect("is intact");
        let ids: Vec<_> = tasks.into_iter().filter_map(|task| Some(task.task?.task_id)).collect();
        assert_eq!(ids, [TaskId(1).to_string()]);
        assert_eq!(tails.len(), 2);
    }

    #[test]
    fn parts_are_bounded_and_keep_the_order() {
        let task = |size: usize| proto::TailTask {
            owner: size.to_string(),
            task: Some(proto::TaskSpec {
                payload: vec![0; size].into(),
                ..proto::TaskSpec::default()
            }),
            ..proto::TailTask::default()
        };
        let sizes = [10_000, 10_000, 50_000, 1, 1];
        let parts = parts(sizes.map(task).into(), 25_000);
        let counts: Vec<_> = parts.iter().map(Vec::len).collect();
        assert_eq!(counts, [2, 1, 2]);
        let owners: Vec<_> = parts.concat().into_iter().map(|task| task.owner).collect();
        assert_eq!(owners, sizes.map(|size| size.to_string()));
    }
}
