//! What the events alone say about schedules: nothing early, nothing twice, nothing forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orquestrador_core::event::Firing;
use orquestrador_core::ids::{RequestId, ScheduleName, TaskId, Timestamp, UserName};
use orquestrador_core::schedule::{CatchUp, Overlap, Schedule};
use orquestrador_core::terms::Terms;
use orquestrador_core::{Command, Event, Limits};
use orquestrador_schedule::Plan;
use proptest::prelude::*;

const REQUEST: RequestId = RequestId(0);

type Key = (UserName, ScheduleName);

/// Kept up by [`Timetable::record`].
#[derive(Default)]
pub struct Timetable {
    lines: BTreeMap<Key, Line>,
    /// What was decided, under whichever plan.
    decided: BTreeSet<(Key, Timestamp, Timestamp)>,
}

struct Line {
    schedule: Arc<Schedule>,
    plan: Plan,
    paused: bool,
    created: Timestamp,
    next: Option<Timestamp>,
    refused: bool,
    last: Option<TaskId>,
    /// What is due by then was missed because it was paused.
    resumed: Timestamp,
}

impl Timetable {
    /// `has_ended`: whether a task has, or is forgotten; `None` if it was never submitted.
    pub fn record(
        &mut self,
        event: &Event,
        limits: &Limits,
        has_ended: impl Fn(TaskId) -> Option<bool>,
    ) {
        match event {
            Event::ScheduleSet { owner, name, schedule, paused, created, next, at } => {
                let key = (owner.clone(), name.clone());
                let before = self.lines.remove(&key);
                if let Some(before) = &before {
                    assert_eq!(before.created, *created);
                }
                let is_resumed = before.as_ref().is_some_and(|before| before.paused) && !paused;
                let same = before.as_ref().filter(|before| before.next == *next);
                let line = Line {
                    plan: schedule.plan().expect("what is set was looked at"),
                    schedule: Arc::clone(schedule),
                    paused: *paused,
                    created: *created,
                    next: *next,
                    refused: same.is_some_and(|before| before.refused),
                    last: before.as_ref().and_then(|before| before.last),
                    resumed: if is_resumed { *at } else { Timestamp(0) },
                };
                if is_resumed && schedule.catch_up == CatchUp::Skip && !line.refused {
                    assert!(next.is_none_or(|next| next > *at), "{name} makes up for its pause");
                }
                self.lines.insert(key, line);
            }
            Event::ScheduleFired { owner, name, due, firing, next, at } => {
                let key = (owner.clone(), name.clone());
                let line = self.lines.get_mut(&key).expect("only schedules fire");
                if let Firing::ByHand(task) = firing {
                    assert_eq!((due, *next), (at, line.next));
                    assert!(has_ended(*task).is_some(), "{task} was not submitted");
                    line.last = Some(*task);
                    return;
                }
                assert_eq!(line.next, Some(*due), "another firing of {name} is due");
                assert!(due <= at, "{name} fires early");
                assert!(!line.paused, "{name} is paused");
                let is_new = || !self.decided.contains(&(key.clone(), line.created, *due));
                assert!(is_new(), "{name} fires twice at {due:?}");
                let Refusal { refused, over } =
                    line.check(firing, (*due, *next), *at, limits, has_ended);
                (line.refused, line.next) = (refused, *next);
                if let Firing::Made(task) = firing {
                    line.last = Some(*task);
                }
                if over {
                    self.decided.insert((key.clone(), line.created, *due));
                }
            }
            Event::ScheduleRemoved { owner, name, .. } => {
                let gone = self.lines.remove(&(owner.clone(), name.clone()));
                assert!(gone.is_some(), "{name} is removed twice");
            }
            Event::UserRemoved { user } => {
                assert!(!self.lines.keys().any(|(owner, _)| owner == user), "{user} makes tasks");
            }
            _ => {}
        }
    }

    /// Time has passed, and the principal has looked.
    pub fn assert_all_decided(&self, now: Timestamp) {
        for ((_, name), line) in &self.lines {
            let is_due = line.next.is_some_and(|next| next <= now);
            assert!(
                !is_due || line.paused || line.refused,
                "{name} should have fired: {:?}",
                line.next
            );
        }
    }
}

struct Refusal {
    refused: bool,
    over: bool,
}

impl Line {
    fn check(
        &self,
        firing: &Firing,
        (due, next): (Timestamp, Option<Timestamp>),
        at: Timestamp,
        limits: &Limits,
        has_ended: impl Fn(TaskId) -> Option<bool>,
    ) -> Refusal {
        let follows =
            |after: Timestamp| self.plan.next_after(after.0, self.created.0).map(Timestamp);
        let missed_by = Timestamp(at.0.saturating_sub(limits.missed_after_ms));
        let was_missed = !self.refused && due < missed_by;
        // How many of those that were missed come after this one.
        let mut later = 0;
        let mut other = follows(due);
        while other.is_some_and(|other| other < missed_by) {
            later += 1;
            other = other.and_then(follows);
        }
        let is_running = self.last.is_some_and(|last| has_ended(last) == Some(false));
        match firing {
            Firing::ByHand(_) => unreachable!("told apart before"),
            Firing::Missed => {
                assert!(was_missed, "it could have been made");
                assert!(match self.schedule.catch_up {
                    CatchUp::Skip => next.is_none_or(|next| next >= missed_by),
                    CatchUp::One => later >= 1 && next.is_some_and(|next| next < missed_by),
                    CatchUp::All => later >= limits.max_catch_up,
                });
                Refusal { refused: false, over: true }
            }
            Firing::Refused { .. } => {
                assert_eq!(next, Some(due), "what was refused stays due");
                Refusal { refused: true, over: false }
            }
            Firing::Made(_) | Firing::Overlapped => {
                assert_eq!(next, follows(due));
                let may_be_made = match self.schedule.catch_up {
                    CatchUp::Skip => due <= self.resumed,
                    CatchUp::One => later == 0,
                    CatchUp::All => later < limits.max_catch_up,
                };
                assert!(!was_missed || may_be_made, "it was missed");
                let skips = self.schedule.overlap == Overlap::Skip && is_running;
                assert_eq!(skips, *firing == Firing::Overlapped, "of one that ran: {is_running}");
                if let Firing::Made(task) = firing {
                    assert!(has_ended(*task).is_some(), "{task} was not submitted");
                }
                Refusal { refused: false, over: true }
            }
        }
    }
}

pub fn command(
    owner: BoxedStrategy<UserName>,
    terms: impl Strategy<Value = Terms> + 'static,
) -> BoxedStrategy<Command> {
    let name = || proptest::sample::select(vec!["a", "b"]).prop_map(ScheduleName::from);
    let key = (owner.clone(), name());
    let named = (owner.clone(), name());
    let removed = (owner.clone(), name());
    prop_oneof![
        6 => (key, schedule(terms)).prop_map(|((owner, name), schedule)| Command::SetSchedule {
            request: REQUEST, owner, name, schedule: Arc::new(schedule), allow_unknown_handler: true,
        }),
        3 => (named, any::<bool>()).prop_map(|((owner, name), paused)| Command::PauseSchedule {
            request: REQUEST, owner, name, paused,
        }),
        1 => removed.prop_map(|(owner, name)| Command::RemoveSchedule {
            request: REQUEST, owner, name,
        }),
        2 => (owner.clone(), name(), (50..90u128).prop_map(TaskId)).prop_map(
            |(owner, name, task)| Command::RunSchedule { request: REQUEST, owner, name, task }
        ),
        1 => owner.prop_map(|owner| Command::ListSchedules { request: REQUEST, owner }),
    ]
    .boxed()
}

fn schedule(terms: impl Strategy<Value = Terms>) -> impl Strategy<Value = Schedule> {
    let plans = vec!["@every 1s", "@every 7s", "*/3 * * * * *", "* * * * *", "nonsense"];
    let catch_up = prop_oneof![Just(CatchUp::Skip), Just(CatchUp::One), Just(CatchUp::All)];
    let overlap = prop_oneof![Just(Overlap::Allow), Just(Overlap::Skip)];
    let all = (proptest::sample::select(plans), catch_up, overlap, terms);
    all.prop_map(|(plan, catch_up, overlap, terms)| Schedule {
        expression: plan.to_owned(),
        zone: "America/New_York".to_owned(),
        catch_up,
        overlap,
        handler: "echo".into(),
        payload: b"again"[..].into(),
        terms: terms.into(),
    })
}
