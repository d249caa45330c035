//! What is shown: the last picture of the cluster, and what the keys have chosen. Knows no clock and no terminal.

use common::lang::Lang;
use common::messages::top::TopWord;
use common::proto::{ExplainClusterResponse, GetClusterResponse, Queue, Role, Task, User};

use super::opened::Opened;
use super::record::Record;
use super::rows::{self, Table};

/// Later than that after it was due, an answer is missed.
const PATIENCE_MS: u64 = 1_000;
/// How long a note stays.
const NOTE_MS: u64 = 8_000;
/// How long a change of principal is told of above everything.
const NEWS_MS: u64 = 15_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Page {
    #[default]
    Cluster,
    Workers,
    Queues,
    Tasks,
    History,
}

impl Page {
    pub const ALL: [Self; 5] =
        [Self::Cluster, Self::Workers, Self::Queues, Self::Tasks, Self::History];

    pub fn word(self) -> TopWord {
        match self {
            Self::Cluster => TopWord::Cluster,
            Self::Workers => TopWord::Workers,
            Self::Queues => TopWord::Queues,
            Self::Tasks => TopWord::Tasks,
            Self::History => TopWord::History,
        }
    }
}

/// What a principal said at one moment.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    pub cluster: GetClusterResponse,
    pub queues: Vec<Queue>,
    /// The newest, also of those that run and of those that wait; each once. `None`: the page shows none.
    pub tasks: Option<Vec<Task>>,
    /// They are those of all users.
    pub is_of_all: bool,
    /// The same.
    pub history: Option<ExplainClusterResponse>,
    /// Who looks.
    pub user: User,
}

impl Picture {
    pub fn tasks(&self) -> &[Task] {
        self.tasks.as_deref().unwrap_or_default()
    }
}

/// Where the reader is on a page.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// What is chosen, which may move.
    key: Option<String>,
    /// Where it was last: what stands there now is chosen when it is gone.
    nth: usize,
    /// Of the orders that the page has.
    pub sort: usize,
    /// Lines above the screen, on a page without a choice.
    pub scroll: usize,
}

/// What the next key means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Look,
    Filter,
    Help,
    Confirm(Change),
}

/// What a person may change here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Cancel(String),
    Retry(String),
}

/// What does not change while the program runs.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub lang: Lang,
    pub is_coloured: bool,
    /// The orchestrators that are asked.
    pub addresses: String,
    pub interval_ms: u64,
    pub began_ms: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub settings: Settings,
    /// And when it was made.
    pub picture: Option<(u64, Picture)>,
    /// Nobody is principal, as far as those say who answer.
    is_silent: bool,
    /// Why nothing comes although somebody answers.
    pub problem: Option<String>,
    pub record: Record,
    pub page: Page,
    pub places: [Place; Page::ALL.len()],
    pub filter: String,
    pub mode: Mode,
    pub opened: Option<Opened>,
    pub is_held: bool,
    note: Option<(u64, String)>,
    /// Lines of the terminal.
    pub height: u16,
}

impl Model {
    pub fn new(settings: Settings) -> Self {
        Self { settings, height: 24, ..Self::default() }
    }

    pub fn lang(&self) -> Lang {
        self.settings.lang
    }

    /// The principal answered.
    pub fn see(&mut self, mut picture: Picture, now_ms: u64) {
        self.record.note(&picture.cluster, now_ms);
        (self.is_silent, self.problem) = (false, None);
        if !self.is_held {
            // A page shows what was known of it until it is known anew.
            let before = self.picture.take().map(|(_, before)| before).unwrap_or_default();
            picture.tasks = picture.tasks.or(before.tasks);
            picture.history = picture.history.or(before.history);
            self.picture = Some((now_ms, picture));
        }
    }

    /// Nobody did as principal.
    pub fn miss(&mut self, problem: Option<String>) {
        (self.is_silent, self.problem) = (true, problem);
    }

    pub fn tell(&mut self, note: String, now_ms: u64) {
        self.note = Some((now_ms, note));
    }

    pub fn note(&self, now_ms: u64) -> Option<&str> {
        let is_new = |at: u64| at + NOTE_MS > now_ms;
        self.note.as_ref().filter(|(at, _)| is_new(*at)).map(|(_, note)| note.as_str())
    }

    /// How long nobody has answered as principal, where that is too long.
    pub fn silence_ms(&self, now_ms: u64) -> Option<u64> {
        let last = self.record.last_ms().unwrap_or(self.settings.began_ms);
        let silence = now_ms.saturating_sub(last);
        let is_long = silence > self.settings.interval_ms + PATIENCE_MS;
        (self.is_silent || is_long).then_some(silence)
    }

    /// The last change of principal, as long as it is news.
    pub fn news(&self, now_ms: u64) -> Option<&super::record::Change> {
        self.record.changes.back().filter(|change| change.at_ms + NEWS_MS > now_ms)
    }

    pub fn place(&self) -> &Place {
        &self.places[self.page as usize]
    }

    pub fn place_mut(&mut self) -> &mut Place {
        &mut self.places[self.page as usize]
    }

    /// The table of this page, filtered and sorted; `None` of one that has none.
    pub fn table(&self, now_ms: u64) -> Option<Table> {
        rows::of(self, now_ms)
    }

    /// Which of these rows is chosen.
    pub fn chosen(&self, table: &Table) -> Option<usize> {
        let place = self.place();
        let last = table.rows.len().checked_sub(1)?;
        let by_key = |key: &String| table.rows.iter().position(|row| row.key == *key);
        Some(place.key.as_ref().and_then(by_key).unwrap_or(place.nth).min(last))
    }

    /// Chooses by a step from what is chosen.
    pub fn step(&mut self, by: isize, now_ms: u64) {
        if let Some(opened) = &mut self.opened {
            opened.scroll = opened.scroll.saturating_add_signed(by);
            return;
        }
        let Some(table) = self.table(now_ms) else {
            let place = self.place_mut();
            place.scroll = place.scroll.saturating_add_signed(by);
            return;
        };
        let Some(now) = self.chosen(&table) else { return };
        let nth = now.saturating_add_signed(by).min(table.rows.len() - 1);
        let key = table.rows.get(nth).map(|row| row.key.clone());
        let place = self.place_mut();
        (place.nth, place.key) = (nth, key);
    }

    /// The task that is opened, or chosen.
    pub fn task(&self, now_ms: u64) -> Option<&Task> {
        if let Some(opened) = &self.opened {
            return opened.task.as_ref();
        }
        if self.page != Page::Tasks {
            return None;
        }
        let table = self.table(now_ms)?;
        let key = &table.rows.get(self.chosen(&table)?)?.key;
        let (_, picture) = self.picture.as_ref()?;
        picture.tasks().iter().find(|task| task.task_id == *key)
    }

    /// Whose task it is, where tasks of all users are shown.
    pub fn other_owner(&self, task_id: &str) -> Option<&str> {
        let (_, picture) = self.picture.as_ref().filter(|(_, picture)| picture.is_of_all)?;
        let opened = self.opened.as_ref().and_then(|opened| opened.task.as_ref());
        let mut known = opened.into_iter().chain(picture.tasks());
        let task = known.find(|task| task.task_id == task_id)?;
        Some(task.owner.as_str()).filter(|owner| !owner.is_empty())
    }

    pub fn is_viewer(&self) -> bool {
        self.picture.as_ref().is_some_and(|(_, picture)| picture.user.role() == Role::Viewer)
    }
}
