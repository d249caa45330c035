//! Words of the command line into what they mean.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use bytesize::ByteSize;
use common::array_id;
use common::messages::command_line::BadValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A UUID may be written in several ways. That of zeros names nothing. `ARRAY_7`: the task with this number in its array.
pub fn task_id(text: &str) -> Result<String, BadValue> {
    if let Some((array, number)) = text.split_once('_') {
        let number = number.parse().ok().filter(|number| *number < u32::MAX);
        let task = number.and_then(|number| array_id::task(array, number));
        return task.ok_or(BadValue::TaskId);
    }
    let id = uuid::Uuid::try_parse(text).ok().filter(|id| !id.is_nil()).ok_or(BadValue::TaskId)?;
    Ok(id.hyphenated().to_string())
}

/// The numbers of the tasks of an array.
#[derive(Clone, Debug)]
pub struct Numbers(pub Range<u32>);

/// `0-999`: both included.
pub fn numbers(text: &str) -> Result<Numbers, BadValue> {
    let (first, last) = text.split_once('-').ok_or(BadValue::Numbers)?;
    let number = |text: &str| text.parse::<u32>().map_err(|_| BadValue::Numbers);
    let (first, last) = (number(first)?, number(last)?);
    let end = last.checked_add(1).filter(|end| first < *end).ok_or(BadValue::Numbers)?;
    Ok(Numbers(first..end))
}

/// `2026-12-01T08:00:00-03:00`.
pub fn moment(text: &str) -> Result<SystemTime, BadValue> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| BadValue::Moment)?;
    Ok(moment.into())
}

/// So long ago, or then.
pub fn past(text: &str) -> Result<SystemTime, BadValue> {
    let ago = || duration(text).ok().and_then(|ago| SystemTime::now().checked_sub(ago));
    moment(text).or_else(|_| ago().ok_or(BadValue::Past))
}

/// In so long, or then.
pub fn future(text: &str) -> Result<SystemTime, BadValue> {
    let ahead = || duration(text).ok().and_then(|ahead| SystemTime::now().checked_add(ahead));
    let then = moment(text).ok().or_else(ahead).filter(|then| *then > SystemTime::now());
    then.ok_or(BadValue::Future)
}

/// `500ms`, `15s`, `2m`, `1h`, `7d`, or seconds.
pub fn duration(text: &str) -> Result<Duration, BadValue> {
    let bad = || BadValue::Duration;
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| bad())?;
    match &text[digits.len()..] {
        "ms" => Ok(Duration::from_millis(number)),
        "" | "s" => Ok(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs).ok_or_else(bad),
        "h" => number.checked_mul(3_600).map(Duration::from_secs).ok_or_else(bad),
        "d" => number.checked_mul(86_400).map(Duration::from_secs).ok_or_else(bad),
        _ => Err(bad()),
    }
}

/// `zone=a`.
pub fn label(text: &str) -> Result<(String, String), BadValue> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or(BadValue::Pair)?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

/// `NAME=VALUE`, or the name of one that the client has.
pub fn variable(text: &str) -> Result<(String, String), BadValue> {
    let pair = match text.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => std::env::var(text).ok().map(|value| (text.to_owned(), value)),
    };
    pair.filter(|(name, _)| !name.is_empty()).ok_or(BadValue::Variable)
}

/// `gpus=1`, `memory=2GiB`.
pub fn resource(text: &str) -> Result<(String, u64), BadValue> {
    let (name, count) = label(text).map_err(|_| BadValue::Resource)?;
    let count = count.parse().or_else(|_| bytes(&count));
    let count = count.ok().filter(|count| *count > 0).ok_or(BadValue::Resource)?;
    Ok((name, count))
}

/// Not none at all.
pub fn positive_duration(text: &str) -> Result<Duration, BadValue> {
    duration(text).and_then(|time| if time.is_zero() { Err(BadValue::Duration) } else { Ok(time) })
}

/// `2GiB`, `512MB`, or bytes; not none at all.
pub fn bytes(text: &str) -> Result<u64, BadValue> {
    let ByteSize(bytes) = text.parse().map_err(|_| BadValue::Bytes)?;
    if bytes == 0 { Err(BadValue::Bytes) } else { Ok(bytes) }
}

/// The least memory in which a shell starts under `ulimit -v`: `dash` has to have 2.6 MiB, `bash` nearly 4.
const LEAST_MEMORY: u64 = 4 << 20;

/// The same as memory of a program, which must be able to start.
pub fn memory(text: &str) -> Result<u64, BadValue> {
    let bytes = bytes(text)?;
    if bytes < LEAST_MEMORY { Err(BadValue::Memory) } else { Ok(bytes) }
}

/// The same as a limit; 0: none.
pub fn most_bytes(text: &str) -> Result<u64, BadValue> {
    if text == "0" { Ok(0) } else { bytes(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_nothing_is_none() {
        assert_eq!(most_bytes("0"), Ok(0));
        assert_eq!(most_bytes("64KiB"), Ok(64 << 10));
        assert!(most_bytes("-1").is_err());
    }

    #[test]
    fn memory_in_which_no_program_starts_is_refused() {
        assert_eq!(memory("4MiB"), Ok(4 << 20));
        for text in ["1KiB", "1", "4194303"] {
            assert_eq!(memory(text), Err(BadValue::Memory), "{text}");
        }
        assert_eq!(memory("0"), Err(BadValue::Bytes));
    }

    #[test]
    fn a_task_of_an_array_has_its_number_behind_that() {
        let array = array_id::new();
        assert_eq!(task_id(&array), Ok(array.clone()));
        assert_eq!(task_id(&format!("{array}_7")).ok(), array_id::task(&array, 7));
        let task = array_id::task(&array, 7).expect("it is an array");
        for text in [format!("{array}_"), format!("{array}_x"), format!("{task}_7"), "_7".into()] {
            assert_eq!(task_id(&text), Err(BadValue::TaskId), "{text}");
        }
    }

    #[test]
    fn of_a_resource_there_is_a_number_or_a_size() {
        assert_eq!(resource("gpus=1"), Ok(("gpus".to_owned(), 1)));
        assert_eq!(resource("memory=2GiB"), Ok(("memory".to_owned(), 2 << 30)));
        for text in ["gpus", "gpus=0", "=1", "gpus=muitas"] {
            assert_eq!(resource(text), Err(BadValue::Resource), "{text}");
        }
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        for text in ["depois", "", "1w", "-1s", "99999999999999999999s", "400000000000000000m"] {
            assert!(duration(text).is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("2GiB"), Ok(2 << 30));
        assert_eq!(bytes("1.5 MB"), Ok(1_500_000));
        assert_eq!(bytes("4096"), Ok(4_096));
        for text in ["", "muito", "0", "-1", "1 light-year"] {
            assert!(bytes(text).is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn what_is_past_is_a_moment_or_a_time_ago() {
        let epoch = SystemTime::UNIX_EPOCH;
        assert_eq!(past("1970-01-01T01:00:00+01:00"), Ok(epoch));
        assert!(past("2h").is_ok_and(|then| then < SystemTime::now() - Duration::from_secs(7_199)));
        assert_eq!(past("ontem"), Err(BadValue::Past));
        assert!(future("2h").is_ok_and(|then| then > SystemTime::now()));
        for never in ["1970-01-01T00:00:00Z", "amanhã", "0s"] {
            assert_eq!(future(never), Err(BadValue::Future));
        }
        assert_eq!(past(&format!("{}s", u64::MAX)), Err(BadValue::Past));
    }
}
