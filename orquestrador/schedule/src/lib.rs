//! When a schedule fires: the expression, the time zone and the rules for days on which clocks are changed. Pure: no clock
//! is read, and the zone database is part of the binary, so that every node of a build gives the same answers.

mod wall;

use std::collections::VecDeque;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};

use wall::Wall;

/// Bytes of an expression.
pub const MAX_EXPRESSION: usize = 256;
/// 366 days.
const MAX_PERIOD_MS: u64 = 366 * 86_400_000;
const MIN_PERIOD_MS: u64 = 1_000;
const HOURS: u16 = 24;

/// Of an expression; the first may be left out.
const FIELDS: [&str; 6] =
    ["second", "minute", "hour", "day of the month", "month", "day of the week"];

/// Why there is no such plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(
        "{why}; as in `30 3 * * 1-5`: minute, hour, day of the month, month, day of the week, and seconds before them if there are six fields"
    )]
    Expression { why: String },
    #[error(
        "`{word}` is none of @hourly, @daily, @midnight, @weekly, @monthly, @yearly and @every with a time"
    )]
    Word { word: String },
    #[error("`@every` takes a time from 1s to 366d, as in `@every 90s`")]
    Period,
    #[error("no day fits")]
    Never,
    #[error("`{zone}` is not in the IANA time zone database, as `America/Sao_Paulo` is")]
    Zone { zone: String },
}

/// When something is to be done again and again. Moments are milliseconds since the Unix epoch.
#[derive(Clone, Debug)]
pub struct Plan {
    rhythm: Rhythm,
}

#[derive(Clone, Debug)]
enum Rhythm {
    Every { ms: u64 },
    Cron(Box<Wall>),
}

impl Plan {
    /// # Errors
    /// Says what is wrong with the expression or the zone.
    pub fn parse(expression: &str, zone: &str) -> Result<Self, Error> {
        let known: Tz = zone.parse().map_err(|_| Error::Zone { zone: zone.to_owned() })?;
        let bad = |why: &str| Error::Expression { why: why.to_owned() };
        if expression.len() > MAX_EXPRESSION {
            return Err(bad("it is too long"));
        }
        let words: Vec<_> = expression.split_ascii_whitespace().collect();
        let rhythm = match words.as_slice() {
            ["@every", period] => Rhythm::Every { ms: period_ms(period).ok_or(Error::Period)? },
            ["@every", ..] => return Err(Error::Period),
            [word] if word.starts_with('@') => {
                let fields = fields_of(word).ok_or_else(|| Error::Word { word: (*word).into() })?;
                Rhythm::Cron(Box::new(wall(fields, known)?))
            }
            fields if !(5..=6).contains(&fields.len()) => {
                return Err(bad(&format!("it has {} fields", fields.len())));
            }
            fields => Rhythm::Cron(Box::new(wall(&fields.join(" "), known)?)),
        };
        Ok(Self { rhythm })
    }

    /// The first moment after this one; `None` if there is none before the year 5000. What fires by a period does so at
    /// multiples of it after `anchor`.
    pub fn next_after(&self, after_ms: u64, anchor_ms: u64) -> Option<u64> {
        match &self.rhythm {
            Rhythm::Every { ms } => {
                let periods = after_ms.checked_sub(anchor_ms).map_or(0, |past| past / ms);
                anchor_ms.checked_add(ms.checked_mul(periods + 1)?)
            }
            Rhythm::Cron(wall) => to_ms(wall.next_after(from_ms(after_ms)?)?),
        }
    }

    /// The last moment not after `until`, given one such moment.
    pub fn last_until(&self, until_ms: u64, known_ms: u64, anchor_ms: u64) -> u64 {
        let mut last = known_ms;
        let mut next = self.next_after(self.before_last(1, until_ms, anchor_ms), anchor_ms);
        while let Some(moment) = next.filter(|moment| *moment <= until_ms) {
            last = last.max(moment);
            next = self.next_after(moment, anchor_ms);
        }
        last
    }

    /// The first of the last `count` moments not after `until`, or of those from a known one on if they are fewer.
    pub fn first_of_last(&self, count: u32, until_ms: u64, known_ms: u64, anchor_ms: u64) -> u64 {
        let wanted = usize::try_from(count.max(1)).unwrap_or(usize::MAX);
        let mut asked = count.max(1);
        loop {
            let before = self.before_last(asked, until_ms, anchor_ms);
            let mut last = VecDeque::new();
            let mut next = self.next_after(before.max(known_ms.saturating_sub(1)), anchor_ms);
            while let Some(moment) = next.filter(|moment| *moment <= until_ms) {
                last.push_back(moment);
                if last.len() > wanted {
                    last.pop_front();
                }
                next = self.next_after(moment, anchor_ms);
            }
            // Where clocks go on, the times of a whole hour become one moment.
            if last.len() == wanted || before < known_ms || asked == u32::MAX {
                return last.front().copied().unwrap_or(known_ms);
            }
            asked = asked.saturating_mul(2);
        }
    }

    /// A moment that so many times on the clock follow up to `until`, or all that there are.
    fn before_last(&self, count: u32, until_ms: u64, anchor_ms: u64) -> u64 {
        match &self.rhythm {
            Rhythm::Every { ms } => {
                let periods = until_ms.checked_sub(anchor_ms).map_or(0, |past| past / ms);
                let first = (periods + 1).saturating_sub(count.into());
                anchor_ms.saturating_add(ms.saturating_mul(first)).saturating_sub(1)
            }
            Rhythm::Cron(wall) => {
                let until = from_ms(until_ms);
                until.and_then(|until| to_ms(wall.before_last(count, until))).unwrap_or_default()
            }
        }
    }
}

fn wall(fields: &str, zone: Tz) -> Result<Wall, Error> {
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
    let parsed = parser.parse(fields);
    let wrong = |error: CronError| Error::Expression { why: wrong_field(&parser, fields, &error) };
    let cron: Cron = parsed.map_err(wrong)?;
    let mut hours = (0..HOURS).map(|hour| cron.pattern.hour_match(hour.into()));
    let every_hour = hours.all(|hour| hour.unwrap_or(false));
    // The library would look for it up to the year 5000, which takes long.
    if !has_a_day(&cron) {
        return Err(Error::Never);
    }
    Ok(Wall::new(cron, zone, every_hour))
}

/// Which field it is that the parser does not take: each is tried alone.
fn wrong_field(parser: &CronParser, fields: &str, error: &CronError) -> String {
    let fields: Vec<_> = fields.split_ascii_whitespace().collect();
    let names = &FIELDS[FIELDS.len().saturating_sub(fields.len())..];
    for (nth, (field, name)) in fields.iter().zip(names).enumerate() {
        let mut alone = vec!["*"; fields.len()];
        alone[nth] = field;
        if parser.parse(&alone.join(" ")).is_err() {
            return format!("`{field}` is no {name}");
        }
    }
    error.to_string()
}

/// On the days of 28 years dates and days of the week go together in every way that there is.
fn has_a_day(cron: &Cron) -> bool {
    let first = NaiveDate::from_yo_opt(2_000, 1);
    let days = first.into_iter().flat_map(|first| first.iter_days().take(28 * 366));
    let fits = |day: NaiveDate| {
        let (year, month, day) = (day.year(), day.month(), day.day());
        Ok::<_, CronError>(
            cron.pattern.month_match(month)? && cron.pattern.day_match(year, month, day)?,
        )
    };
    days.map(fits).any(|fits| fits.unwrap_or(false))
}

fn fields_of(word: &str) -> Option<&'static str> {
    Some(match word {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        "@yearly" | "@annually" => "0 0 1 1 *",
        _ => return None,
    })
}

/// `90s`, `15m`, `1h30m`, `7d`.
fn period_ms(text: &str) -> Option<u64> {
    let (mut total, mut rest) = (0u64, text);
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = match rest.chars().next()? {
            's' => 1_000,
            'm' => 60_000,
            'h' => 3_600_000,
            'd' => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[1..];
    }
    (MIN_PERIOD_MS..=MAX_PERIOD_MS).contains(&total).then_some(total)
}

/// Whole seconds: expressions know nothing finer.
fn from_ms(ms: u64) -> Option<NaiveDateTime> {
    let seconds = i64::try_from(ms / 1_000).ok()?;
    DateTime::<Utc>::from_timestamp(seconds, 0).map(|moment| moment.naive_utc())
}

fn to_ms(moment: NaiveDateTime) -> Option<u64> {
    u64::try_from(moment.and_utc().timestamp_millis()).ok()
}
