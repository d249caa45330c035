//! The table of what is not finished, as `watch` keeps it on a terminal.

use std::collections::{BTreeMap, HashMap};

use common::array_id;
use common::lang::Lang;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::messages::client_tables::Columns;
use common::messages::words::{plain, state_word};
use common::proto::{Task, TaskState};

/// Characters of an id where there is no room for all of it: the last ones, since the first tell the time.
const SHORT_ID: usize = 12;
/// Between columns.
const GAP: &str = "  ";

/// Of a terminal.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub columns: usize,
    pub rows: usize,
}

/// What runs comes first, then what waits; the oldest first.
type Key = (bool, u64, String);

/// Tasks that are not finished.
#[derive(Default)]
pub struct Rows {
    tasks: BTreeMap<Key, Task>,
    keys: HashMap<String, Key>,
}

impl Rows {
    /// It changed.
    pub fn put(&mut self, task: &Task) {
        self.remove(&task.task_id);
        let is_waiting = task.state() != TaskState::Running;
        let key = (is_waiting, task.submitted_at_ms, task.task_id.clone());
        self.keys.insert(task.task_id.clone(), key.clone());
        self.tasks.insert(key, task.clone());
    }

    /// It is finished.
    pub fn remove(&mut self, id: &str) {
        if let Some(key) = self.keys.remove(id) {
            self.tasks.remove(&key);
        }
    }

    /// Lines that fit: the head, a row for each task, and how many more there are.
    pub fn lines(&self, size: Size, now_ms: u64, lang: Lang) -> Vec<String> {
        if self.tasks.is_empty() {
            return Vec::new();
        }
        // The head, a line for the others, and the one that the cursor is in.
        let room = size.rows.saturating_sub(3).max(1);
        let shown = self.tasks.values().take(room).map(|task| cells(task, now_ms, lang));
        let heads = Columns::Live.heads(lang).iter().map(|head| (*head).to_owned()).collect();
        let mut table: Vec<Vec<String>> = std::iter::once(heads).chain(shown).collect();
        if width(&table) >= size.columns {
            for row in table.iter_mut().skip(1) {
                row[0] = shortened(&row[0]);
            }
        }
        let mut lines = aligned(&table);
        let tasks = self.tasks.len().saturating_sub(room);
        if tasks > 0 {
            lines.push(ClientMessage::MoreRows { tasks }.text(lang));
        }
        // The last column is left free: some terminals begin a line when it is filled.
        let cut = |line: &String| line.chars().take(size.columns.saturating_sub(1)).collect();
        lines.iter().map(cut).collect()
    }
}

fn cells(task: &Task, now_ms: u64, lang: Lang) -> Vec<String> {
    [
        array_id::shown(&task.task_id),
        state_word(task.state(), lang).to_owned(),
        age(now_ms.saturating_sub(task.submitted_at_ms)),
        task.queue.clone(),
        task.worker_id.clone(),
    ]
    .map(|cell| plain(&cell).into_owned())
    .into()
}

fn widths(table: &[Vec<String>]) -> Vec<usize> {
    let columns = table.first().map_or(0, Vec::len);
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max();
    (0..columns).map(|column| width(column).unwrap_or_default()).collect()
}

fn width(table: &[Vec<String>]) -> usize {
    let widths = widths(table);
    widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)
}

fn aligned(table: &[Vec<String>]) -> Vec<String> {
    let widths = widths(table);
    let line = |row: &Vec<String>| {
        let cells: Vec<_> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join(GAP).trim_end().to_owned()
    };
    table.iter().map(line).collect()
}

fn shortened(id: &str) -> String {
    let tail = id.chars().count().saturating_sub(SHORT_ID);
    format!("…{}", id.chars().skip(tail).collect::<String>())
}

/// `42s`, `3m`, `2h`, `5d`
pub fn age(ms: u64) -> String {
    match ms / 1_000 {
        seconds @ 0..=99 => format!("{seconds}s"),
        seconds @ 100..=5_999 => format!("{}m", seconds / 60),
        seconds @ 6_000..=172_799 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(n: u64, state: TaskState, worker: &str) -> Task {
        Task {
            task_id: format!("0190b4a0-0000-7000-8000-{n:012}"),
            queue: "default".into(),
            worker_id: worker.into(),
            submitted_at_ms: 1_000 * n,
            state: state.into(),
            ..Task::default()
        }
    }

    fn rows() -> Rows {
        let mut rows = Rows::default();
        for n in 1..=30 {
            rows.put(&task(n, TaskState::Queued, ""));
        }
        rows.put(&task(7, TaskState::Running, "localhost:50061"));
        rows.remove("0190b4a0-0000-7000-8000-000000000001");
        rows
    }

    #[test]
    fn what_runs_comes_first_and_what_does_not_fit_is_counted() {
        let lines = rows().lines(Size { columns: 100, rows: 6 }, 61_000, Lang::Pt);
        assert_eq!(
            lines,
            [
                "TAREFA                                STATUS       IDADE  FILA     WORKER",
                "0190b4a0-0000-7000-8000-000000000007  EM_EXECUCAO  54s    default  localhost:50061",
                "0190b4a0-0000-7000-8000-000000000002  RECEBIDA     59s    default",
                "0190b4a0-0000-7000-8000-000000000003  RECEBIDA     58s    default",
                "… e mais 26",
            ]
        );
    }

    #[test]
    fn a_narrow_window_has_short_ids_and_no_line_is_too_long() {
        let lines = rows().lines(Size { columns: 60, rows: 40 }, 0, Lang::En);
        assert_eq!(lines.len(), 30);
        assert_eq!(lines[1], "…000000000007  RUNNING  0s   default  localhost:50061");
        let narrow = rows().lines(Size { columns: 20, rows: 1 }, 0, Lang::En);
        assert_eq!(narrow, ["TASK           STAT", "…000000000007  RUNN", "… and 28 more"]);
        assert!(Rows::default().lines(Size { columns: 20, rows: 5 }, 0, Lang::En).is_empty());
    }

    #[test]
    fn ages_are_short() {
        let ages = [0, 99_999, 100_000, 5_999_999, 6_000_000, 172_799_999, 172_800_000].map(age);
        assert_eq!(ages, ["0s", "99s", "1m", "99m", "1h", "47h", "2d"]);
    }
}
