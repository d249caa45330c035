//! What the keys do to the model, and what is to be done outside it.

use common::messages::Message as _;
use common::messages::top::{TopMessage, TopWord};
use common::proto::TaskState;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::model::{Change, Mode, Model, Page};
use super::opened::Opened;
use super::rows;
use common::array_id::shown as shown_id;

/// Characters of a filter.
const FILTER: usize = 100;

/// What the model cannot do itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    Quit,
    /// As Ctrl+Z does where a terminal sees to it.
    Suspend,
    /// Another page: what it needs is asked for at once.
    Look,
    Open(String),
    Close,
    Change(Change),
}

impl Model {
    pub fn key(&mut self, key: KeyEvent, now_ms: u64) -> Option<Ask> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Some(Ask::Quit),
                KeyCode::Char('z') => Some(Ask::Suspend),
                _ => None,
            };
        }
        match std::mem::take(&mut self.mode) {
            // Any key closes it.
            Mode::Help => None,
            Mode::Filter => self.key_of_filter(key.code),
            Mode::Confirm(change) => {
                let is_yes = matches!(key.code, KeyCode::Char('s' | 'S' | 'y' | 'Y'));
                is_yes.then_some(Ask::Change(change))
            }
            Mode::Look => self.key_of_page(key.code, now_ms),
        }
    }

    fn key_of_filter(&mut self, code: KeyCode) -> Option<Ask> {
        match code {
            KeyCode::Enter => return None,
            KeyCode::Esc => {
                self.filter.clear();
                return None;
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(c) if self.filter.chars().count() < FILTER => self.filter.push(c),
            _ => {}
        }
        self.mode = Mode::Filter;
        None
    }

    fn key_of_page(&mut self, code: KeyCode, now_ms: u64) -> Option<Ask> {
        let screen = isize::from(i16::try_from(self.height.saturating_sub(6)).unwrap_or(1).max(1));
        match code {
            KeyCode::Char('q') => return Some(Ask::Quit),
            KeyCode::Esc => return Some(self.back()),
            KeyCode::Char('?' | 'h') => self.mode = Mode::Help,
            KeyCode::Char('/') if self.opened.is_none() => self.mode = Mode::Filter,
            KeyCode::Char('p') => self.is_held = !self.is_held,
            KeyCode::Char('s') if self.opened.is_none() => {
                let orders = rows::orders(self.page).len().max(1);
                let place = self.place_mut();
                place.sort = (place.sort + 1) % orders;
            }
            KeyCode::Up | KeyCode::Char('k') => self.step(-1, now_ms),
            KeyCode::Down | KeyCode::Char('j') => self.step(1, now_ms),
            KeyCode::PageUp => self.step(-screen, now_ms),
            KeyCode::PageDown | KeyCode::Char(' ') => self.step(screen, now_ms),
            KeyCode::Home | KeyCode::Char('g') => self.step(isize::MIN, now_ms),
            KeyCode::End | KeyCode::Char('G') => self.step(isize::MAX, now_ms),
            KeyCode::Tab | KeyCode::Right => return self.turn_by(1),
            KeyCode::BackTab | KeyCode::Left => return self.turn_by(Page::ALL.len() - 1),
            KeyCode::Char(digit @ '1'..='5') => {
                let nth = digit.to_digit(10).unwrap_or(1) as usize - 1;
                return self.turn(Page::ALL[nth]);
            }
            KeyCode::Enter => return self.enter(now_ms),
            KeyCode::Char('c') => self.ask_to_cancel(now_ms),
            KeyCode::Char('r') => self.ask_to_retry(now_ms),
            _ => {}
        }
        None
    }

    /// One step towards the way out.
    fn back(&mut self) -> Ask {
        if self.opened.take().is_some() {
            return Ask::Close;
        }
        if !self.filter.is_empty() {
            self.filter.clear();
            return Ask::Look;
        }
        Ask::Quit
    }

    fn turn_by(&mut self, by: usize) -> Option<Ask> {
        self.turn(Page::ALL[(self.page as usize + by) % Page::ALL.len()])
    }

    fn turn(&mut self, page: Page) -> Option<Ask> {
        self.page = page;
        let was_open = self.opened.take().is_some();
        Some(if was_open { Ask::Close } else { Ask::Look })
    }

    fn enter(&mut self, now_ms: u64) -> Option<Ask> {
        if self.opened.is_some() {
            return None;
        }
        if self.page == Page::Cluster {
            return self.turn(Page::Tasks);
        }
        let task = self.task(now_ms)?.clone();
        let id = task.task_id.clone();
        self.opened = Some(Opened::new(id.clone(), Some(task)));
        Some(Ask::Open(id))
    }

    fn ask_to_cancel(&mut self, now_ms: u64) {
        let Some(task) = self.task(now_ms) else { return };
        let is_over = cliente::is_final(task.state());
        let change = Change::Cancel(task.task_id.clone());
        self.ask(change, is_over.then_some(TopWord::NothingToCancel), now_ms);
    }

    fn ask_to_retry(&mut self, now_ms: u64) {
        let Some(task) = self.task(now_ms) else { return };
        let may = matches!(task.state(), TaskState::Failed | TaskState::Lost);
        let change = Change::Retry(task.task_id.clone());
        self.ask(change, (!may).then_some(TopWord::NothingToRetry), now_ms);
    }

    fn ask(&mut self, change: Change, hindrance: Option<TopWord>, now_ms: u64) {
        let of_role = self.is_viewer().then_some(TopWord::ViewerChangesNothing);
        match of_role.or(hindrance) {
            Some(why) => self.tell(why.text(self.lang()).to_owned(), now_ms),
            None => self.mode = Mode::Confirm(change),
        }
    }

    /// What is asked before something is changed.
    pub fn question(&self) -> Option<String> {
        let Mode::Confirm(change) = &self.mode else { return None };
        let message = match change {
            Change::Cancel(id) => TopMessage::AskCancel { task: shown_id(id) },
            Change::Retry(id) => TopMessage::AskRetry { task: shown_id(id) },
        };
        Some(message.text(self.lang()))
    }
}

#[cfg(test)]
mod tests {
    use common::proto::{Role, Task, User};

    use super::super::model::{Picture, Settings};
    use super::*;

    fn task(n: u64, state: TaskState) -> Task {
        Task {
            task_id: format!("0190b4a0-0000-7000-8000-{n:012}"),
            state: state.into(),
            submitted_at_ms: n,
            ..Task::default()
        }
    }

    fn model(role: Role) -> Model {
        let mut model = Model::new(Settings::default());
        let user = User { role: role.into(), ..User::default() };
        let states = [TaskState::Running, TaskState::Succeeded, TaskState::Failed];
        let tasks = states.into_iter().zip(1..).map(|(state, n)| task(n, state)).collect();
        model.see(Picture { tasks: Some(tasks), user, ..Picture::default() }, 0);
        model
    }

    fn press(model: &mut Model, keys: &str) -> Option<Ask> {
        let code = |c| match c {
            '\n' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            '\t' => KeyCode::Tab,
            c => KeyCode::Char(c),
        };
        keys.chars().map(|c| model.key(KeyEvent::from(code(c)), 0)).last().flatten()
    }

    fn id(n: u64) -> String {
        task(n, TaskState::Queued).task_id
    }

    #[test]
    fn what_is_changed_is_asked_for_first() {
        let mut model = model(Role::Submitter);
        assert_eq!(press(&mut model, "4c"), None);
        assert!(model.question().is_some_and(|question| question.contains(&id(1))));
        assert_eq!(press(&mut model, "n"), None, "no");
        assert_eq!(press(&mut model, "cs"), Some(Ask::Change(Change::Cancel(id(1)))));
        assert_eq!(press(&mut model, "jry"), Some(Ask::Change(Change::Retry(id(3)))), "the newest");
        assert_eq!(press(&mut model, "jr"), None, "it succeeded");
        assert!(model.note(0).is_some() && model.mode == Mode::Look);
    }

    #[test]
    fn a_viewer_changes_nothing() {
        let mut model = model(Role::Viewer);
        assert_eq!(press(&mut model, "4cs"), None);
        assert_eq!(model.note(0), Some(TopWord::ViewerChangesNothing.text(model.lang())));
    }

    #[test]
    fn escape_leads_out_step_by_step() {
        let mut model = model(Role::Admin);
        assert_eq!(press(&mut model, "4/0001\n\n"), Some(Ask::Open(id(1))));
        assert_eq!(press(&mut model, "\x1b"), Some(Ask::Close));
        assert_eq!(press(&mut model, "\x1b"), Some(Ask::Look));
        assert!(model.filter.is_empty());
        assert_eq!(press(&mut model, "?q"), None, "a key closes the help and does nothing else");
        assert_eq!(press(&mut model, "\x1b"), Some(Ask::Quit));
    }

    #[test]
    fn what_is_chosen_stays_chosen_while_others_come() {
        let mut model = model(Role::Admin);
        press(&mut model, "4j");
        let chosen = model.task(0).map(|task| task.task_id.clone());
        assert_eq!(chosen, Some(id(3)));
        let tasks = (1..=9).map(|n| task(n, TaskState::Succeeded)).collect();
        model.see(Picture { tasks: Some(tasks), ..Picture::default() }, 1);
        assert_eq!(model.task(0).map(|task| task.task_id.clone()), chosen);
        press(&mut model, "G");
        assert_eq!(model.task(0).map(|task| task.task_id.clone()), Some(id(1)), "the oldest");
    }

    #[test]
    fn a_page_that_is_held_stays_as_it_was() {
        let mut model = model(Role::Admin);
        press(&mut model, "p");
        model.see(Picture::default(), 5);
        let held = |model: &Model| model.picture.as_ref().map(|(at, p)| (*at, p.tasks().len()));
        assert_eq!(held(&model), Some((0, 3)));
        press(&mut model, "p");
        model.see(Picture { tasks: Some(Vec::new()), ..Picture::default() }, 6);
        assert_eq!(held(&model), Some((6, 0)));
    }
}
