//! The entries that this node set aside because nobody had acknowledged them, or because an override (V15)
//! chose another history: what they hold can be submitted once more, except what may be started once only
//! and was given to a worker.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use common::proto;
use orquestrador_core::Event;
use orquestrador_core::command::Delivery;
use orquestrador_core::ids::TaskId;

use crate::api::convert;
use crate::journal::{self, Content, read_set_aside};

/// Tasks in one message, as many as one submission may have.
const MAX_TASKS: usize = 5_000;
/// Bytes of a task in a message beside its payload, at most.
const PER_TASK: usize = 256;

/// One file.
#[derive(Debug)]
pub struct Tail {
    pub name: String,
    pub entries: u64,
    /// Tasks submitted in it that can be submitted once more.
    pub tasks: u64,
    /// At-most-once tasks that may have begun: never submitted once more.
    pub withheld: u64,
}

/// The at-most-once tasks of a tail.
#[derive(Debug, Default)]
struct Once {
    submitted: BTreeSet<TaskId>,
    /// Those of them that were given to a worker.
    begun: BTreeSet<TaskId>,
}

impl Once {
    fn see(&mut self, event: &Event) {
        if let Event::TaskSubmitted { task, delivery: Delivery::AtMostOnce, .. } = event {
            self.submitted.insert(*task);
        }
        if let Event::TaskAssigned { task, .. } = event
            && self.submitted.contains(task)
        {
            self.begun.insert(*task);
        }
    }
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

/// Those of a data directory, oldest first.
///
/// # Errors
/// The folder, or a file in it, cannot be read.
pub fn list(data_dir: &Path) -> Result<Vec<Tail>, Error> {
    let mut names = names(data_dir)?;
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let (mut entries, mut tasks, mut once) = (0, 0, Once::default());
            visit(&folder(data_dir).join(&name), |events| {
                entries += 1;
                let submitted = |event: &&Event| matches!(event, Event::TaskSubmitted { .. });
                tasks += events.iter().filter(submitted).count() as u64;
                events.iter().for_each(|event| once.see(event));
            })?;
            let withheld = once.begun.len() as u64;
            Ok(Tail { name, entries, tasks: tasks - withheld, withheld })
        })
        .collect()
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
    let (mut tasks, mut once) = (Vec::new(), Once::default());
    visit(&path, |events| events.iter().for_each(|event| once.see(event)))?;
    visit(&path, |events| {
        tasks.extend(events.iter().filter_map(|event| submission(event, &once.begun)));
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
        if let Some(name) = name.to_str().filter(|name| name.ends_with(".journal")) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

fn visit(path: &Path, mut see: impl FnMut(&[Event])) -> Result<(), Error> {
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

fn submission(event: &Event, withheld: &BTreeSet<TaskId>) -> Option<proto::TailTask> {
    let Event::TaskSubmitted { task, owner, handler, payload, delivery, .. } = event else {
        return None;
    };
    if withheld.contains(task) {
        return None;
    }
    Some(proto::TailTask {
        owner: owner.to_string(),
        task: Some(proto::TaskSpec {
            task_id: task.to_string(),
            handler: handler.to_string(),
            payload: payload.clone(),
            delivery: convert::delivery(*delivery).into(),
        }),
    })
}

/// In order, each part of bounded size.
pub fn parts(tasks: Vec<proto::TailTask>, max_bytes: usize) -> Vec<Vec<proto::TailTask>> {
    let mut parts: Vec<Vec<proto::TailTask>> = Vec::new();
    let mut bytes = 0;
    for task in tasks {
        let size = PER_TASK + task.task.as_ref().map_or(0, |spec| spec.payload.len());
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
    use orquestrador_core::ids::{Attempt, Timestamp};

    use super::*;

    #[test]
    fn what_may_be_started_once_is_withheld_if_it_may_have_begun() {
        let submitted = |task, delivery| Event::TaskSubmitted {
            task: TaskId(task),
            owner: "ana".into(),
            handler: "echo".into(),
            payload: [][..].into(),
            delivery,
            at: Timestamp(1),
        };
        let assigned = |task| Event::TaskAssigned {
            task: TaskId(task),
            attempt: Attempt(1),
            worker: "w".into(),
            at: Timestamp(2),
        };
        let events = [
            submitted(1, Delivery::AtMostOnce),
            submitted(2, Delivery::AtMostOnce),
            submitted(3, Delivery::AtLeastOnce),
            assigned(1),
            assigned(3),
        ];
        let mut once = Once::default();
        events.iter().for_each(|event| once.see(event));
        let tasks = events.iter().filter_map(|event| submission(event, &once.begun)?.task);
        let tasks: Vec<_> = tasks.map(|spec| (spec.task_id.clone(), spec.delivery())).collect();
        let expected = [
            (TaskId(2).to_string(), proto::Delivery::AtMostOnce),
            (TaskId(3).to_string(), proto::Delivery::AtLeastOnce),
        ];
        assert_eq!(tasks, expected);
    }

    #[test]
    fn parts_are_bounded_and_keep_the_order() {
        let task = |size: usize| proto::TailTask {
            owner: size.to_string(),
            task: Some(proto::TaskSpec {
                payload: vec![0; size].into(),
                ..proto::TaskSpec::default()
            }),
        };
        let sizes = [10_000, 10_000, 50_000, 1, 1];
        let parts = parts(sizes.map(task).into(), 25_000);
        let counts: Vec<_> = parts.iter().map(Vec::len).collect();
        assert_eq!(counts, [2, 1, 2]);
        let owners: Vec<_> = parts.concat().into_iter().map(|task| task.owner).collect();
        assert_eq!(owners, sizes.map(|size| size.to_string()));
    }
}
