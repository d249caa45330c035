//! What events do to schedules.

use std::sync::Arc;

use super::Applied;
use crate::event::Firing;
use crate::ids::Timestamp;
use crate::schedule::Schedule;
use crate::state::State;
use crate::state::schedules::{Entry, Made, ScheduleKey, Unmade, hash};

impl State {
    /// What became of earlier firings stays known.
    pub(super) fn schedule_set(
        &mut self,
        key: &ScheduleKey,
        schedule: &Arc<Schedule>,
        (paused, next): (bool, Option<Timestamp>),
        (created, changed): (Timestamp, Timestamp),
    ) -> Applied {
        let before = self.schedules.find(key);
        // What was to be tried again is not, under another plan.
        let is_dropped = before.is_some_and(|before| before.is_refused() && before.next != next);
        let made = before.and_then(|before| before.made.clone());
        let unmade = before.and_then(|before| before.unmade.clone());
        let unmade = unmade.filter(|_| !is_dropped);
        let decided = before.and_then(|before| before.decided);
        let schedule = Arc::clone(schedule);
        let entry = Entry { schedule, paused, created, changed, next, made, unmade, decided };
        self.replace_schedule(key, Some(entry));
        Ok(())
    }

    pub(super) fn schedule_fired(
        &mut self,
        key: &ScheduleKey,
        due: Timestamp,
        firing: &Firing,
        next: Option<Timestamp>,
        at: Timestamp,
    ) -> Applied {
        let before = self.schedules.find(key).ok_or("there is no such schedule")?;
        if next.is_some_and(|next| before.next.is_none_or(|before| next < before)) {
            return Err("the schedule is due earlier than before");
        }
        let mut entry = before.clone();
        entry.next = next;
        if let Firing::Made(_) | Firing::Missed | Firing::Overlapped = firing {
            entry.decided = entry.decided.max(Some(due));
        }
        match firing {
            Firing::Made(task) => {
                entry.made = Some(Made { due, task: *task, by_hand: false, at });
                entry.unmade = None;
            }
            // What is due is still to come.
            Firing::ByHand(task) => {
                entry.made = Some(Made { due, task: *task, by_hand: true, at });
            }
            Firing::Missed | Firing::Overlapped | Firing::Refused { .. } => {
                entry.unmade = Some(Unmade { due, firing: firing.clone(), at });
            }
        }
        self.replace_schedule(key, Some(entry));
        Ok(())
    }

    pub(super) fn schedule_removed(&mut self, key: &ScheduleKey) -> Applied {
        self.schedules.find(key).ok_or("there is no such schedule")?;
        self.replace_schedule(key, None);
        Ok(())
    }

    fn replace_schedule(&mut self, key: &ScheduleKey, entry: Option<Entry>) {
        let added = entry.as_ref().map_or(0, |entry| hash(key, entry));
        let before = self.schedules.replace(key, entry);
        let gone = before.as_ref().map_or(0, |entry| hash(key, entry));
        self.digest = self.digest.wrapping_add(added).wrapping_sub(gone);
    }
}
