//! Expressions, zones, and the days on which clocks are changed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use chrono::{DateTime, Duration, NaiveDateTime, SecondsFormat, TimeZone as _, Utc};
use chrono_tz::Tz;
use orquestrador_schedule::{Error, Plan};
use proptest::prelude::*;

fn ms(text: &str) -> u64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis().try_into().unwrap()
}

/// The next moments, as they are shown there.
fn firings(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let plan = Plan::parse(expression, zone).unwrap();
    let zone: Tz = zone.parse().unwrap();
    let mut at = ms(after);
    let mut found = Vec::new();
    for _ in 0..count {
        let Some(next) = plan.next_after(at, 0) else { break };
        assert!(next > at);
        at = next;
        let shown = zone.timestamp_millis_opt(at.try_into().unwrap()).unwrap();
        found.push(shown.to_rfc3339_opts(SecondsFormat::Secs, true));
    }
    found
}

#[test]
fn expressions_mean_what_cron_means() {
    let from = "2026-01-30T23:59:30Z";
    for (expression, expect) in [
        ("* * * * *", ["2026-01-31T00:00:00Z", "2026-01-31T00:01:00Z"]),
        ("*/20 * * * * *", ["2026-01-30T23:59:40Z", "2026-01-31T00:00:00Z"]),
        ("0 3 * * 1-5", ["2026-02-02T03:00:00Z", "2026-02-03T03:00:00Z"]),
        ("0 3 * * MON,SUN", ["2026-02-01T03:00:00Z", "2026-02-02T03:00:00Z"]),
        ("0 0 13 * 7", ["2026-02-01T00:00:00Z", "2026-02-08T00:00:00Z"]),
        ("15,45 8-9 29 2 *", ["2028-02-29T08:15:00Z", "2028-02-29T08:45:00Z"]),
        ("0 0 L * *", ["2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z"]),
        ("@hourly", ["2026-01-31T00:00:00Z", "2026-01-31T01:00:00Z"]),
        ("@daily", ["2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z"]),
        ("@weekly", ["2026-02-01T00:00:00Z", "2026-02-08T00:00:00Z"]),
        ("@monthly", ["2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"]),
        ("@yearly", ["2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"]),
        ("@every 90s", ["2026-01-31T00:00:00Z", "2026-01-31T00:01:30Z"]),
        ("@every 1h30m", ["2026-01-31T00:00:00Z", "2026-01-31T01:30:00Z"]),
    ] {
        assert_eq!(firings(expression, "UTC", from, 2), expect, "{expression}");
    }
    assert_eq!(firings("0 3 * * *", "America/Sao_Paulo", from, 1), ["2026-01-31T03:00:00-03:00"]);
}

#[test]
fn what_is_wrong_is_said() {
    let wrong = |expression: &str| Plan::parse(expression, "UTC").unwrap_err();
    for expression in [
        "",
        "* * * *",
        "0 0 1 1 * 2030 7",
        "60 * * * *",
        "x * * * *",
        "* * * * 1 2027 1",
        "*/0 * * * *",
    ] {
        assert!(matches!(wrong(expression), Error::Expression { .. }), "{expression}");
    }
    for (expression, field) in [
        ("61 * * * *", "`61` is no minute"),
        ("0 3 * 13 *", "`13` is no month"),
        ("0 3 * * 1-9", "`1-9` is no day of the week"),
        ("60 0 3 * * *", "`60` is no second"),
    ] {
        let why = wrong(expression).to_string();
        assert!(why.starts_with(field), "{expression}: {why}");
    }
    assert_eq!(wrong("@often"), Error::Word { word: "@often".into() });
    for period in
        ["@every", "@every 0s", "@every 1", "@every s", "@every 367d", "@every 500ms", "@every é"]
    {
        assert_eq!(wrong(period), Error::Period, "{period}");
    }
    let zone = Plan::parse("@daily", "Brazil/Nowhere").unwrap_err();
    assert_eq!(zone, Error::Zone { zone: "Brazil/Nowhere".into() });
    for never in ["0 0 30 2 *", "59 59 23 31 2,4,6,9,11 *"] {
        assert_eq!(wrong(never), Error::Never);
    }
    assert_eq!(
        firings("0 0 29 2 +MON", "UTC", "2026-01-01T00:00:00Z", 1),
        ["2044-02-29T00:00:00Z"]
    );
}

#[test]
fn a_period_is_counted_from_its_anchor() {
    let plan = Plan::parse("@every 90s", "UTC").unwrap();
    assert_eq!(plan.next_after(500, 1_000), Some(91_000));
    assert_eq!(plan.next_after(1_000, 1_000), Some(91_000));
    assert_eq!(plan.next_after(91_000, 1_000), Some(181_000));
    assert_eq!(plan.last_until(500_000, 91_000, 1_000), 451_000);
    assert_eq!(plan.first_of_last(3, 500_000, 91_000, 1_000), 271_000);
    assert_eq!(plan.first_of_last(99, 500_000, 91_000, 1_000), 91_000);
}

#[test]
fn what_the_clock_never_shows_is_done_once_when_it_goes_on() {
    for (zone, from, expression, expect) in [
        // From two to three.
        (
            "America/New_York",
            "2026-03-07T12:00:00Z",
            "30 2 * * *",
            ["2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"],
        ),
        (
            "America/New_York",
            "2026-03-08T05:30:00Z",
            "*/15 2 * * *",
            ["2026-03-08T03:00:00-04:00", "2026-03-09T02:00:00-04:00"],
        ),
        // Together with what is to be done then anyway.
        (
            "America/New_York",
            "2026-03-08T05:30:00Z",
            "0 2,3 * * *",
            ["2026-03-08T03:00:00-04:00", "2026-03-09T02:00:00-04:00"],
        ),
        // From one to two.
        (
            "Europe/Lisbon",
            "2026-03-28T12:00:00Z",
            "30 1 * * *",
            ["2026-03-29T02:00:00+01:00", "2026-03-30T01:30:00+01:00"],
        ),
        // From midnight to one.
        (
            "America/Sao_Paulo",
            "2018-11-03T12:00:00Z",
            "@daily",
            ["2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"],
        ),
        // A whole day.
        (
            "Pacific/Apia",
            "2011-12-29T12:00:00Z",
            "0 12 * * *",
            ["2011-12-29T12:00:00-10:00", "2011-12-31T00:00:00+14:00"],
        ),
    ] {
        assert_eq!(firings(expression, zone, from, 2), expect, "{expression} in {zone}");
    }
}

#[test]
fn what_the_clock_shows_twice_is_done_the_first_time() {
    for (zone, from, expression, expect) in [
        (
            "America/New_York",
            "2026-10-31T12:00:00Z",
            "30 1 * * *",
            ["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"],
        ),
        (
            "America/New_York",
            "2026-11-01T05:40:00Z",
            "*/30 1,2 * * *",
            ["2026-11-01T02:00:00-05:00", "2026-11-01T02:30:00-05:00"],
        ),
        (
            "Europe/Lisbon",
            "2026-10-24T12:00:00Z",
            "0 1 * * *",
            ["2026-10-25T01:00:00+01:00", "2026-10-26T01:00:00Z"],
        ),
        (
            "America/Sao_Paulo",
            "2018-02-17T12:00:00Z",
            "30 23 * * *",
            ["2018-02-17T23:30:00-02:00", "2018-02-18T23:30:00-03:00"],
        ),
    ] {
        assert_eq!(firings(expression, zone, from, 2), expect, "{expression} in {zone}");
    }
}

#[test]
fn what_names_every_hour_goes_by_the_moments() {
    let every_half_hour = firings("*/30 * * * *", "America/New_York", "2026-11-01T05:00:00Z", 4);
    assert_eq!(
        every_half_hour,
        [
            "2026-11-01T01:30:00-04:00",
            "2026-11-01T01:00:00-05:00",
            "2026-11-01T01:30:00-05:00",
            "2026-11-01T02:00:00-05:00",
        ]
    );
    let hourly = firings("@hourly", "America/New_York", "2026-03-08T06:00:00Z", 2);
    assert_eq!(hourly, ["2026-03-08T03:00:00-04:00", "2026-03-08T04:00:00-04:00"]);
    let hourly = firings("59 * * * *", "America/Sao_Paulo", "2018-02-18T01:30:00Z", 3);
    assert_eq!(
        hourly,
        ["2018-02-17T23:59:00-02:00", "2018-02-17T23:59:00-03:00", "2018-02-18T00:59:00-03:00",]
    );
    // Only on the day of which the last hour comes twice.
    let last = firings("0 * 17 2 *", "America/Sao_Paulo", "2018-02-18T01:59:00Z", 2);
    assert_eq!(last, ["2018-02-17T23:00:00-03:00", "2019-02-17T00:00:00-03:00"]);
}

/// All moments of a time, each looked at by itself.
fn by_hand(expression: &str, zone: Tz, from: u64, until: u64) -> Vec<u64> {
    let cron = expression.parse::<croner::Cron>().unwrap();
    let fields: Vec<_> = expression.split(' ').collect();
    let every_hour = ["*", "0-23", "*/1"].contains(&fields[1]);
    let fits = |local: NaiveDateTime| cron.is_time_matching(&local.and_utc()).unwrap();
    let minute = Duration::minutes(1);
    let utc = |ms: u64| DateTime::<Utc>::from_timestamp_millis(ms.try_into().unwrap()).unwrap();
    let shown = |at: u64| utc(at).with_timezone(&zone).naive_local();
    (from..until)
        .step_by(60_000)
        .filter(|at| {
            let local = shown(*at);
            // What the clock has shown by then.
            let before = shown(at - 60_000) + minute;
            if every_hour {
                return fits(local);
            }
            let has_been = (1..=180).any(|ago| shown(at - ago * 60_000) == local);
            let mut skipped = before;
            while skipped < local {
                if fits(skipped) {
                    return true;
                }
                skipped += minute;
            }
            fits(local) && !has_been
        })
        .collect()
}

fn expression() -> impl Strategy<Value = String> {
    let minute = prop_oneof![
        Just("*".to_owned()),
        Just("*/20".into()),
        (0..60u8).prop_map(|m| m.to_string())
    ];
    let hour = prop_oneof![
        Just("*".to_owned()),
        Just("0-23".into()),
        Just("*/2".into()),
        Just("1-3".into()),
        (0..4u8).prop_map(|h| h.to_string()),
        Just("23".into()),
        Just("0,23".into()),
    ];
    let day = prop_oneof![3 => Just("*".to_owned()), 1 => Just("1,8,25,29".into())];
    (minute, hour, day).prop_map(|(minute, hour, day)| format!("{minute} {hour} {day} * *"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// On the days around each change of the clocks, and whatever moment one begins from.
    #[test]
    fn moments_are_those_that_looking_at_each_minute_gives(
        expression in expression(),
        (zone, day) in prop_oneof![
            Just(("America/New_York", "2026-03-08T00:00:00Z")),
            Just(("America/New_York", "2026-11-01T00:00:00Z")),
            Just(("Europe/Lisbon", "2026-03-29T00:00:00Z")),
            Just(("Europe/Lisbon", "2026-10-25T00:00:00Z")),
            Just(("America/Sao_Paulo", "2018-11-04T00:00:00Z")),
            Just(("America/Sao_Paulo", "2018-02-18T00:00:00Z")),
            Just(("Australia/Lord_Howe", "2026-04-04T14:00:00Z")),
            Just(("Australia/Lord_Howe", "2026-10-03T14:00:00Z")),
            Just(("Atlantic/Azores", "2026-10-25T00:00:00Z")),
        ],
        offset in -1_440..600i64,
    ) {
        let begin = ms(day).checked_add_signed(offset * 60_000).unwrap();
        let until = begin + 86_400_000;
        let plan = Plan::parse(&expression, zone).unwrap();
        let expect = by_hand(&expression, zone.parse().unwrap(), begin, until);
        let mut found = Vec::new();
        let mut next = plan.next_after(begin - 1, 0);
        while let Some(at) = next.filter(|at| *at < until) {
            found.push(at);
            next = plan.next_after(at, 0);
        }
        prop_assert_eq!(&found, &expect);
        if let (Some(first), Some(last)) = (expect.first(), expect.last()) {
            prop_assert_eq!(plan.last_until(until - 1, *first, 0), *last);
            let third = plan.first_of_last(3, until - 1, *first, 0);
            let rest = expect.iter().filter(|at| **at >= third).count();
            prop_assert_eq!(rest, expect.len().min(3));
        }
    }

    /// Whatever is written, an answer and no panic.
    #[test]
    fn nothing_that_is_written_does_harm(
        fields in proptest::collection::vec("[-*/,0-9LW#?+A-Z]{1,6}", 5..7),
        at in 0..4_000_000_000_000u64,
    ) {
        if let Ok(plan) = Plan::parse(&fields.join(" "), "Europe/Lisbon")
            && let Some(next) = plan.next_after(at, 0)
        {
            prop_assert!(next > at);
            prop_assert!(plan.last_until(next, next, 0) == next);
        }
    }
}
