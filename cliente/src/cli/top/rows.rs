//! Tables: what stands in them, in which order, and which of it a filter leaves.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use common::array_id;
use common::lang::Lang;
use common::messages::failures::task_error_text;
use common::messages::top::{TopTable, TopWord};
use common::messages::words::{PendingReason, pending_text, plain_cell, role_word, state_word};
use common::proto::{GetClusterResponse, NodeRole, NodeStatus, Queue, Task, TaskState, Worker};

use super::super::output::journal_index;
use super::super::output::live::age;
use super::model::{Model, Page, Picture};

/// What a word means to whoever looks: a colour beside the word, where there are colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Plain,
    Good,
    Busy,
    Odd,
    Bad,
    Quiet,
}

/// Which part of a text is left where there is no room for all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    Beginning,
    /// What tells ids and addresses apart.
    End,
}

#[derive(Clone, Debug)]
pub struct Column {
    pub head: &'static str,
    pub is_number: bool,
    /// With less it is left out rather than cut.
    pub least: usize,
    pub keep: Keep,
    /// The columns of the highest are left out first.
    pub rank: usize,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub key: String,
    pub cells: Vec<String>,
    /// Of the state.
    pub mood: Mood,
}

#[derive(Clone, Debug)]
pub struct Table {
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    /// The column that the mood is of.
    pub state: usize,
    /// By which column it is sorted.
    pub sorted_by: usize,
}

/// As `number` has it for columns of numbers.
type Shape = (usize, bool, Keep, usize);

const fn text(least: usize, rank: usize) -> Shape {
    (least, false, Keep::Beginning, rank)
}
const fn name(least: usize, rank: usize) -> Shape {
    (least, false, Keep::End, rank)
}
const fn number(rank: usize) -> Shape {
    (1, true, Keep::Beginning, rank)
}

/// Ranks: what is needed to tell one from another, how it stands, and then what explains it.
const NODES: &[Shape] = &[name(12, 0), text(13, 1), number(4), number(3), text(8, 2)];
const WORKERS: &[Shape] =
    &[name(10, 0), text(11, 1), number(2), number(3), number(4), text(8, 5), text(8, 6)];
const QUEUES: &[Shape] = &[text(8, 0), text(8, 1), number(2), number(3), number(4), number(5)];
const TASKS: &[Shape] = &[
    name(9, 0),
    text(11, 1),
    text(9, 4),
    number(6),
    number(2),
    number(5),
    name(9, 3),
    text(7, 7),
    text(6, 3),
    text(12, 8),
];

/// By which columns a page can be sorted.
pub fn orders(page: Page) -> &'static [usize] {
    match page {
        Page::Workers | Page::Queues => &[0, 2, 3],
        Page::Tasks => &[1, 4, 5, 6],
        Page::Cluster | Page::History => &[],
    }
}

fn columns(table: TopTable, shapes: &[Shape], lang: Lang) -> Vec<Column> {
    let column = |(head, (least, is_number, keep, rank)): (&&'static str, &Shape)| Column {
        head,
        is_number: *is_number,
        least: *least,
        keep: *keep,
        rank: *rank,
    };
    table.heads(lang).iter().zip(shapes).map(column).collect()
}

/// The table of a page that has one.
pub fn of(model: &Model, now_ms: u64) -> Option<Table> {
    let (at_ms, picture) = model.picture.as_ref()?;
    let order = model.place().sort;
    // What is held, or came before a silence, is as old as it was.
    let now_ms = if model.is_held { *at_ms } else { now_ms };
    let mut table = match model.page {
        Page::Workers => workers(picture, order, model.lang()),
        Page::Queues => queues(picture, order, model.lang()),
        Page::Tasks => tasks(picture, order, now_ms, model.lang()),
        Page::Cluster | Page::History => return None,
    };
    let words: Vec<_> = model.filter.split_whitespace().map(str::to_lowercase).collect();
    table.rows.retain(|row| {
        let text = row.cells.join("\n").to_lowercase();
        words.iter().all(|word| text.contains(word))
    });
    Some(table)
}

pub fn nodes(cluster: &GetClusterResponse, lang: Lang) -> Table {
    let first = cluster.nodes.iter().find(|node| node.role() == NodeRole::Principal);
    let row = |node: &NodeStatus| {
        let (role, mood) = match node.role() {
            NodeRole::Principal => (node.role(), Mood::Good),
            NodeRole::Standby => (node.role(), Mood::Plain),
            NodeRole::Learner | NodeRole::Waiting => (node.role(), Mood::Odd),
            NodeRole::Unreachable | NodeRole::Foreign | NodeRole::Unspecified => {
                (node.role(), Mood::Bad)
            }
        };
        let is_behind = matches!(role, NodeRole::Standby | NodeRole::Learner);
        let index = journal_index(node).filter(|_| role != NodeRole::Unreachable);
        let lag = first.zip(index).map(|(first, own)| first.journal_index.saturating_sub(own));
        let synced = TopWord::InSync.text(lang).to_owned();
        Row {
            key: node.address.clone(),
            cells: vec![
                place(&node.address),
                role_word(role, lang).to_owned(),
                some(index),
                some(lag.filter(|_| is_behind)),
                if node.in_sync && is_behind { synced } else { String::new() },
            ],
            mood,
        }
    };
    let columns = columns(TopTable::Nodes, NODES, lang);
    Table { columns, rows: cluster.nodes.iter().map(row).collect(), state: 1, sorted_by: 0 }
}

pub fn workers(picture: &Picture, order: usize, lang: Lang) -> Table {
    let mut workers: Vec<_> = picture.cluster.workers.iter().collect();
    let sorted_by = orders(Page::Workers).get(order).copied().unwrap_or_default();
    workers.sort_by(|a, b| a.worker_id.cmp(&b.worker_id));
    match sorted_by {
        2 => workers.sort_by_key(|worker| Reverse(worker.busy)),
        3 => workers
            .sort_by_key(|w| Reverse(if w.connected { w.heartbeat_age_ms } else { u64::MAX })),
        _ => {}
    }
    let rows = workers.into_iter().map(|worker| worker_row(worker, lang)).collect();
    Table { columns: columns(TopTable::Workers, WORKERS, lang), rows, state: 1, sorted_by }
}

fn worker_row(worker: &Worker, lang: Lang) -> Row {
    let (word, mood) = match (worker.connected, worker.draining) {
        (false, _) => (TopWord::Silent, Mood::Bad),
        (true, true) => (TopWord::Draining, Mood::Odd),
        (true, false) => (TopWord::Connected, Mood::Good),
    };
    let labels: BTreeMap<_, _> = worker.labels.iter().collect();
    let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let beat = worker.connected.then(|| age(worker.heartbeat_age_ms));
    Row {
        key: worker.worker_id.clone(),
        cells: vec![
            cell(&worker.worker_id),
            word.text(lang).to_owned(),
            slots(worker.busy, worker.slots),
            beat.unwrap_or_else(|| "—".into()),
            worker.assigned_total.to_string(),
            cell(&worker.handlers.join(", ")),
            cell(&labels.join(", ")),
        ],
        mood,
    }
}

/// `▮▮▯▯ 2/4`; of many the numbers are enough.
fn slots(busy: u32, slots: u32) -> String {
    let numbers = format!("{busy}/{slots}");
    if slots > 8 || busy > slots {
        return numbers;
    }
    let full = "▮".repeat(busy as usize);
    let free = "▯".repeat((slots - busy) as usize);
    format!("{full}{free} {numbers}")
}

fn queues(picture: &Picture, order: usize, lang: Lang) -> Table {
    let mut queues: Vec<_> = picture.queues.iter().collect();
    let sorted_by = orders(Page::Queues).get(order).copied().unwrap_or_default();
    queues.sort_by(|a, b| a.name.cmp(&b.name));
    match sorted_by {
        2 => queues.sort_by_key(|queue| Reverse(queue.queued)),
        3 => queues.sort_by_key(|queue| Reverse(queue.running)),
        _ => {}
    }
    let row = |queue: &Queue| {
        let (word, mood) = match queue.paused {
            true => (TopWord::Paused, Mood::Odd),
            false => (TopWord::Open, Mood::Plain),
        };
        let cells = vec![
            cell(&queue.name),
            word.text(lang).to_owned(),
            queue.queued.to_string(),
            queue.running.to_string(),
            some(queue.max_running),
            queue.weight.to_string(),
        ];
        Row { key: queue.name.clone(), cells, mood }
    };
    let rows = queues.into_iter().map(row).collect();
    Table { columns: columns(TopTable::Queues, QUEUES, lang), rows, state: 1, sorted_by }
}

pub fn tasks(picture: &Picture, order: usize, now_ms: u64, lang: Lang) -> Table {
    let mut tasks: Vec<_> = picture.tasks().iter().collect();
    let sorted_by = orders(Page::Tasks).get(order).copied().unwrap_or(1);
    tasks.sort_by_key(|task| (Reverse(task.submitted_at_ms), Reverse(task.task_id.clone())));
    match sorted_by {
        1 => tasks.sort_by_key(|task| urgency(task.state())),
        5 => tasks.sort_by_key(|task| Reverse(took(task, now_ms))),
        6 => tasks.sort_by(|a, b| {
            (a.worker_id.is_empty(), &a.worker_id).cmp(&(b.worker_id.is_empty(), &b.worker_id))
        }),
        _ => {}
    }
    let row = |task: &Task| {
        // Where all are the reader's own, the column stays empty, and is not shown.
        let owner = if picture.is_of_all { task.owner.as_str() } else { "" };
        task_row((task, owner), now_ms, lang)
    };
    let rows = tasks.into_iter().map(row).collect();
    Table { columns: columns(TopTable::Tasks, TASKS, lang), rows, state: 1, sorted_by }
}

/// What runs comes first, then what waits, then what has ended.
fn urgency(state: TaskState) -> u8 {
    match state {
        TaskState::Running => 0,
        TaskState::Queued => 1,
        TaskState::Unspecified
        | TaskState::Succeeded
        | TaskState::Failed
        | TaskState::Cancelled
        | TaskState::Lost => 2,
    }
}

pub fn mood(state: TaskState) -> Mood {
    match state {
        TaskState::Running => Mood::Busy,
        TaskState::Queued => Mood::Plain,
        TaskState::Succeeded => Mood::Good,
        TaskState::Failed | TaskState::Lost => Mood::Bad,
        TaskState::Cancelled | TaskState::Unspecified => Mood::Quiet,
    }
}

fn took(task: &Task, now_ms: u64) -> Option<u64> {
    let end = if task.finished_at_ms > 0 { task.finished_at_ms } else { now_ms };
    (task.started_at_ms > 0).then(|| end.saturating_sub(task.started_at_ms))
}

fn task_row((task, owner): (&Task, &str), now_ms: u64, lang: Lang) -> Row {
    let reason = match (&task.error, task.pending_reason.as_str()) {
        (Some(error), _) => {
            format!("{}: {}", error.code, task_error_text(&error.code, &error.message, lang))
        }
        (None, "") => String::new(),
        (None, word) => pending_text(&PendingReason::from(word), &task.handler, lang),
    };
    Row {
        key: task.task_id.clone(),
        cells: vec![
            cell(&array_id::shown(&task.task_id)),
            state_word(task.state(), lang).to_owned(),
            cell(&task.handler),
            task.attempt.to_string(),
            age(now_ms.saturating_sub(task.submitted_at_ms)),
            took(task, now_ms).map_or_else(|| "—".into(), age),
            cell(&task.worker_id),
            cell(&task.queue),
            cell(owner),
            cell(&reason),
        ],
        mood: mood(task.state()),
    }
}

/// What comes from elsewhere.
fn cell(text: &str) -> String {
    plain_cell(text).into_owned()
}

/// An address without what all have.
pub fn place(address: &str) -> String {
    let short = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://"));
    cell(short.unwrap_or(address))
}

fn some(number: Option<impl ToString>) -> String {
    number.map_or_else(|| "—".into(), |number| number.to_string())
}
