//! Of each moment at which a schedule is due it is decided once what comes of it: one task, or nothing as its owner said.
//! Which moments these are is computed here by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orquestrador_core::event::Firing;
use orquestrador_core::ids::{Index, ScheduleName, TaskId, Timestamp, UserName};
use orquestrador_core::schedule::{CatchUp, Overlap, Schedule};
use orquestrador_core::{Event, Limits};

use super::{Violation, ensure};
use crate::truth::Story;

const NAME: &str = "schedules";
const MINUTE: u64 = 60_000;
/// So late, by the principal's clock, nothing is that is decided at all.
const PATIENCE_MS: u64 = 2_000;

type Key = (UserName, ScheduleName);

/// Moments at equal distances.
#[derive(Clone, Copy)]
struct Grid {
    period: u64,
    anchor: u64,
}

impl Grid {
    /// Of the few expressions that clients use.
    fn of(expression: &str, created: Timestamp) -> Self {
        let number = |text: &str| text.parse::<u64>().unwrap_or(1);
        if let Some(seconds) = expression.strip_prefix("@every ") {
            let period = number(seconds.trim_end_matches('s')) * 1_000;
            return Self { period, anchor: created.0 };
        }
        let first = expression.split(' ').next().unwrap_or_default();
        let unit = if expression.split(' ').count() == 6 { 1_000 } else { MINUTE };
        Self { period: number(first.trim_start_matches("*/")) * unit, anchor: 0 }
    }

    fn next_after(self, after: Timestamp) -> Timestamp {
        let Self { period, anchor } = self;
        let periods = after.0.checked_sub(anchor).map_or(0, |past| past / period);
        Timestamp(anchor + (periods + 1) * period)
    }

    /// What comes next of the moments from `due` to `until`, all of which were missed.
    fn first_of_missed(
        self,
        how: CatchUp,
        (due, until): (Timestamp, Timestamp),
        most: u32,
    ) -> Timestamp {
        let last = due.0 + (until.0 - due.0) / self.period * self.period;
        match how {
            CatchUp::Skip => self.next_after(until),
            CatchUp::One => Timestamp(last),
            CatchUp::All => {
                Timestamp(due.0.max(last.saturating_sub(u64::from(most - 1) * self.period)))
            }
        }
    }
}

struct Line {
    schedule: Arc<Schedule>,
    paused: bool,
    created: Timestamp,
    next: Option<Timestamp>,
    is_refused: bool,
    /// The task that it made last.
    made: Option<TaskId>,
    /// What is decided last, by time.
    decided: Option<Timestamp>,
}

impl Line {
    fn grid(&self) -> Grid {
        Grid::of(&self.schedule.expression, self.created)
    }

    fn says_when(&self) -> (&str, &str) {
        (&self.schedule.expression, &self.schedule.zone)
    }
}

/// What the committed history says of schedules.
pub struct Timetable {
    limits: Limits,
    lines: BTreeMap<Key, Line>,
    /// When a name was there, and when not.
    known: BTreeMap<Key, Vec<(Index, bool)>>,
    /// Tasks of schedules of which it is not told yet what for.
    unclaimed: BTreeMap<TaskId, Key>,
    /// What was decided of moments, whatever was changed in between.
    decided: BTreeSet<(Key, Timestamp, Timestamp)>,
}

impl Timetable {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            lines: BTreeMap::new(),
            known: BTreeMap::new(),
            unclaimed: BTreeMap::new(),
            decided: BTreeSet::new(),
        }
    }

    /// A task was submitted that a schedule makes.
    pub fn on_submitted(&mut self, owner: &UserName, schedule: &ScheduleName, task: TaskId) {
        self.unclaimed.insert(task, (owner.clone(), schedule.clone()));
    }

    /// The entry is over.
    pub fn on_entry(&self) -> Result<(), Violation> {
        ensure(self.unclaimed.is_empty(), NAME, || {
            format!("tasks were made without a firing: {:?}", self.unclaimed)
        })
    }

    /// Something of schedules; of other events nothing follows.
    pub fn follow(
        &mut self,
        tasks: &BTreeMap<TaskId, Story>,
        index: Index,
        event: &Event,
    ) -> Result<(), Violation> {
        match event {
            Event::ScheduleSet { owner, name, schedule, paused, created, next, at } => {
                let key = (owner.clone(), name.clone());
                self.known.entry(key.clone()).or_default().push((index, true));
                self.set(key, schedule, (*paused, *next), (*created, *at))
            }
            Event::ScheduleFired { owner, name, due, firing, next, at } => {
                let key = (owner.clone(), name.clone());
                self.fired(tasks, &key, firing, (*due, *next, *at))
            }
            Event::ScheduleRemoved { owner, name, .. } => {
                let key = (owner.clone(), name.clone());
                let gone = self.lines.remove(&key);
                self.known.entry(key).or_default().push((index, false));
                ensure(gone.is_some(), NAME, || format!("{name} is removed twice"))
            }
            _ => Ok(()),
        }
    }

    fn set(
        &mut self,
        key: Key,
        schedule: &Arc<Schedule>,
        (paused, next): (bool, Option<Timestamp>),
        (created, at): (Timestamp, Timestamp),
    ) -> Result<(), Violation> {
        let before = self.lines.remove(&key);
        let mut line = Line {
            schedule: Arc::clone(schedule),
            paused,
            created,
            next,
            is_refused: false,
            made: before.as_ref().and_then(|before| before.made),
            decided: before.as_ref().and_then(|before| before.decided),
        };
        let grid = line.grid();
        let expected = match &before {
            None => Some(grid.next_after(at)),
            Some(before) if before.says_when() != line.says_when() => {
                Some(grid.next_after(before.decided.map_or(at, |decided| decided.max(at))))
            }
            Some(before) => {
                match before.next.filter(|due| before.paused && !paused && *due <= at) {
                    Some(due) if !before.is_refused => {
                        let most = self.limits.max_catch_up;
                        Some(grid.first_of_missed(before.schedule.catch_up, (due, at), most))
                    }
                    Some(_) | None => before.next,
                }
            }
        };
        line.is_refused = before.as_ref().is_some_and(|b| b.is_refused && b.next == next);
        let fits = next == expected && before.as_ref().is_none_or(|b| b.created == created);
        let was = before.as_ref().map(|before| (before.next, before.paused));
        self.lines.insert(key.clone(), line);
        ensure(fits, NAME, || {
            format!(
                "{key:?} is due at {next:?} instead of {expected:?}, set at {at:?}; before: {was:?}"
            )
        })
    }

    fn fired(
        &mut self,
        tasks: &BTreeMap<TaskId, Story>,
        key: &Key,
        firing: &Firing,
        (due, next, at): (Timestamp, Option<Timestamp>, Timestamp),
    ) -> Result<(), Violation> {
        let Some(line) = self.lines.get_mut(key) else {
            return Err(Violation::new(NAME, format!("{key:?} fires and is not there")));
        };
        let told = || format!("{key:?}, due at {due:?}: {firing:?} at {at:?}, next {next:?}");
        if let Firing::Made(task) | Firing::ByHand(task) = firing {
            let claims = self.unclaimed.remove(task).is_some_and(|by| by == *key);
            ensure(claims, NAME, || format!("no task was made for {}", told()))?;
        }
        if let Firing::ByHand(task) = firing {
            line.made = Some(*task);
            return ensure((due, next) == (at, line.next), NAME, told);
        }
        ensure(line.next == Some(due), NAME, || format!("{:?} was due; {}", line.next, told()))?;
        ensure(!line.paused && due <= at, NAME, || format!("too early, or paused: {}", told()))?;
        let is_last = line.made.and_then(|task| tasks.get(&task)).is_some_and(Story::is_open);
        let expected = line.follows(firing, (due, at), is_last, &self.limits);
        ensure(expected == Some(next), NAME, || format!("{expected:?} expected: {}", told()))?;
        line.is_refused = matches!(firing, Firing::Refused { .. });
        line.next = next;
        if let Firing::Made(task) = firing {
            line.made = Some(*task);
        }
        if !line.is_refused {
            line.decided = line.decided.max(Some(due));
            let is_new = self.decided.insert((key.clone(), line.created, due));
            ensure(is_new, NAME, || format!("decided twice: {}", told()))?;
        }
        Ok(())
    }

    /// What somebody was told at this entry about whether there is such a schedule.
    pub fn check_known(
        &self,
        owner: &UserName,
        name: &ScheduleName,
        is_known: bool,
        index: Index,
    ) -> Result<(), Violation> {
        let story = self.known.get(&(owner.clone(), name.clone()));
        let story = story.map(Vec::as_slice).unwrap_or_default();
        let before = story.iter().rev().find(|(at, _)| *at < index).is_some_and(|(_, is)| *is);
        let within = story.iter().filter(|(at, _)| *at == index).map(|(_, is)| *is);
        let fits = std::iter::once(before).chain(within).any(|is| is == is_known);
        ensure(fits, NAME, || {
            let there = if is_known { "there" } else { "not there" };
            format!("schedule {name} of {owner} is said to be {there} at entry {index}")
        })
    }

    /// Something should have been decided long ago, by the principal's clock.
    pub fn is_behind(&self, now: Timestamp) -> bool {
        let due = self.lines.values().filter(|line| !line.paused).filter_map(|line| line.next);
        due.min().is_some_and(|due| due.plus_ms(PATIENCE_MS) <= now)
    }

    pub fn first_of(&self, owner: &UserName) -> Option<ScheduleName> {
        self.lines.keys().find(|(of, _)| of == owner).map(|(_, name)| name.clone())
    }

    pub fn count(&self) -> usize {
        self.lines.len()
    }
}

impl Line {
    /// When it is due after that has come of it; `None`: it may not.
    fn follows(
        &self,
        firing: &Firing,
        (due, at): (Timestamp, Timestamp),
        is_last_open: bool,
        limits: &Limits,
    ) -> Option<Option<Timestamp>> {
        let grid = self.grid();
        let missed_by = Timestamp(at.0.saturating_sub(limits.missed_after_ms));
        let was_missed = due < missed_by && !self.is_refused;
        let first = was_missed.then(|| {
            let missed = (due, Timestamp(missed_by.0 - 1));
            grid.first_of_missed(self.schedule.catch_up, missed, limits.max_catch_up)
        });
        let is_due = first.is_none_or(|first| first == due);
        let overlaps = self.schedule.overlap == Overlap::Skip && is_last_open;
        match firing {
            Firing::Missed => first.filter(|first| *first != due).map(Some),
            Firing::Overlapped => (is_due && overlaps).then(|| Some(grid.next_after(due))),
            Firing::Made(_) => (is_due && !overlaps).then(|| Some(grid.next_after(due))),
            Firing::Refused { .. } => (is_due && !overlaps).then_some(Some(due)),
            Firing::ByHand(_) => None,
        }
    }
}
