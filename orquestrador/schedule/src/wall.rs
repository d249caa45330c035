//! What a clock on the wall shows, and which moments that means. Where clocks are changed an hour is missing, or comes twice:
//!
//! - An expression that names every hour means the moments themselves: it goes on through the hour that comes twice, and
//!   has nothing to do in the one that is missing.
//! - Any other one means what the clock shows, and each of that once: the first time it is shown; what it never shows, at the
//!   moment at which the clock goes on.
//!
//! The library is asked only about local time, which knows of no such days: those are decided here.

use chrono::{DateTime, Duration, MappedLocalTime, NaiveDateTime, Offset as _, TimeZone as _, Utc};
use chrono_tz::Tz;
use croner::Cron;

/// Longer than what any clock is set back by, now and in the years to come.
const LONGEST_REPEAT: Duration = Duration::hours(3);
/// Longer than what any clock is set forward by: a zone that changes its side of the date line leaves out a day.
const LONGEST_GAP: Duration = Duration::hours(26);
const SECOND: Duration = Duration::seconds(1);

/// All times without a zone here are either moments, in UTC, or local; the names say which.
#[derive(Clone, Debug)]
pub struct Wall {
    cron: Cron,
    zone: Tz,
    every_hour: bool,
}

impl Wall {
    pub fn new(cron: Cron, zone: Tz, every_hour: bool) -> Self {
        Self { cron, zone, every_hour }
    }

    /// The first moment after this one.
    pub fn next_after(&self, moment: NaiveDateTime) -> Option<NaiveDateTime> {
        if self.every_hour { self.next_of_all(moment) } else { self.next_shown(moment) }
    }

    /// A moment before the last so many up to this one; what is shown twice may count once.
    pub fn before_last(&self, count: u32, until: NaiveDateTime) -> NaiveDateTime {
        let (mut local, mut first) = (self.local(until) + SECOND, until);
        let mut left = count;
        while left > 0 {
            let Ok(before) = self.cron.find_previous_occurrence(&local.and_utc(), false) else {
                return DateTime::UNIX_EPOCH.naive_utc();
            };
            local = before.naive_utc();
            match self.moments(local) {
                MappedLocalTime::Single(moment) | MappedLocalTime::Ambiguous(moment, _) => {
                    first = first.min(moment);
                    left -= 1;
                }
                MappedLocalTime::None => {
                    let end = self.end_of_gap(local);
                    local = self.local(end - SECOND) + SECOND;
                    if !self.every_hour {
                        first = first.min(end);
                        left -= 1;
                    }
                }
            }
        }
        first - SECOND
    }

    /// Each local time that fits counts once.
    fn next_shown(&self, moment: NaiveDateTime) -> Option<NaiveDateTime> {
        let mut local = self.local(moment);
        loop {
            local = self.next_local(local)?;
            match self.moments(local) {
                MappedLocalTime::Single(found) if found > moment => return Some(found),
                MappedLocalTime::Ambiguous(first, _) if first > moment => return Some(first),
                MappedLocalTime::Ambiguous(first, second) => {
                    // All of what the clock shows again has been.
                    let change = self.change_within(first, second);
                    local = change + self.offset(first) - SECOND;
                }
                MappedLocalTime::None => {
                    let end = self.end_of_gap(local);
                    if end > moment {
                        return Some(end);
                    }
                }
                MappedLocalTime::Single(_) => {}
            }
        }
    }

    /// Each moment at which the local time fits counts.
    fn next_of_all(&self, moment: NaiveDateTime) -> Option<NaiveDateTime> {
        let mut local = self.local(moment);
        let ahead = loop {
            local = self.next_local(local)?;
            match self.moments(local) {
                MappedLocalTime::Single(found) | MappedLocalTime::Ambiguous(found, _)
                    if found > moment =>
                {
                    break found;
                }
                MappedLocalTime::Ambiguous(_, second) if second > moment => break second,
                MappedLocalTime::None => local = self.local(self.end_of_gap(local)) - SECOND,
                MappedLocalTime::Single(_) | MappedLocalTime::Ambiguous(..) => {}
            }
        };
        let again = self.next_repeated(moment, ahead.min(moment + LONGEST_REPEAT));
        Some(again.map_or(ahead, |again| again.min(ahead)))
    }

    /// The first one after the clock is set back, if it is between these moments.
    fn next_repeated(&self, moment: NaiveDateTime, until: NaiveDateTime) -> Option<NaiveDateTime> {
        let after = self.offset(until);
        if after >= self.offset(moment) {
            return None;
        }
        let change = self.change_within(moment, until);
        let found = self.next_local(change + after - SECOND)? - after;
        (self.offset(found) == after).then_some(found)
    }

    /// The first moment after a local time that no clock shows.
    fn end_of_gap(&self, local: NaiveDateTime) -> NaiveDateTime {
        // Taken for UTC, it is near enough: no zone is further away from that.
        self.change_within(local - LONGEST_GAP, local + LONGEST_GAP)
    }

    /// The first moment of another offset, the only one between these.
    fn change_within(&self, before: NaiveDateTime, after: NaiveDateTime) -> NaiveDateTime {
        let (offset, mut low, mut high) = (self.offset(before), before, after);
        while high - low > SECOND {
            let middle = low + Duration::seconds((high - low).num_seconds() / 2);
            if self.offset(middle) == offset {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    }

    fn next_local(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        let next = self.cron.find_next_occurrence(&local.and_utc(), false);
        next.ok().map(|next: DateTime<Utc>| next.naive_utc())
    }

    fn local(&self, moment: NaiveDateTime) -> NaiveDateTime {
        moment + self.offset(moment)
    }

    fn offset(&self, moment: NaiveDateTime) -> Duration {
        let offset = self.zone.offset_from_utc_datetime(&moment).fix();
        Duration::seconds(offset.local_minus_utc().into())
    }

    /// The earlier one first.
    fn moments(&self, local: NaiveDateTime) -> MappedLocalTime<NaiveDateTime> {
        match self.zone.from_local_datetime(&local).map(|moment| moment.naive_utc()) {
            MappedLocalTime::Ambiguous(one, other) => {
                MappedLocalTime::Ambiguous(one.min(other), one.max(other))
            }
            other => other,
        }
    }
}
