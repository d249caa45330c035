//! Times and sizes, for people.

const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const STEP: u64 = 1024;

/// `24 GiB`, `1.5 GiB`, `512 B`; of less than a tenth of the unit nothing is told.
#[must_use]
pub fn size(bytes: u64) -> String {
    if bytes == 0 {
        return "0".into();
    }
    let mut unit = None;
    let mut scale = 1;
    for name in UNITS {
        if bytes / scale < STEP {
            break;
        }
        (unit, scale) = (Some(name), scale * STEP);
    }
    let Some(unit) = unit else { return format!("{bytes} B") };
    let tenths = u128::from(bytes) * 10 / u128::from(scale);
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} {unit}"),
        (whole, tenth) => format!("{whole}.{tenth} {unit}"),
    }
}

/// `500 ms`, `1.5 s`, `30 s`, `1 min 30 s`, `2 h`, `7 d`; of more than a minute no part of a second is told.
#[must_use]
pub fn time(ms: u64) -> String {
    let seconds = ms / 1_000;
    match (seconds, ms % 1_000) {
        (0, ms) => return format!("{ms} ms"),
        (1..60, part) if part > 0 => {
            let part = format!("{part:03}");
            return format!("{seconds}.{} s", part.trim_end_matches('0'));
        }
        _ => {}
    }
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    parts.map(|(count, unit)| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}

/// As of a clock that one looks at: `0 s`, `59 s`, `1 min 30 s`, `2 h`, `7 d`.
#[must_use]
pub fn whole(ms: u64) -> String {
    match ms / 1_000 {
        0 => "0 s".to_owned(),
        seconds => time(seconds * 1_000),
    }
}

/// As a figure: below a second in milliseconds, below a minute with a tenth, then whole seconds.
#[must_use]
pub fn rounded(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => time(ms / 100 * 100),
        _ => whole(ms),
    }
}

/// As flags take it, and exactly: `30s`, `90s`, `2h`, `1500ms`.
#[must_use]
pub fn time_as_typed(ms: u64) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let fits = units.iter().find(|(_, length)| ms >= *length && ms.is_multiple_of(*length));
    match fits {
        Some((unit, length)) => format!("{}{unit}", ms / length),
        None => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_are_looked_at_change_once_a_second() {
        let looked: Vec<_> = [0, 999, 1_999, 61_500].map(whole).into();
        assert_eq!(looked, ["0 s", "0 s", "1 s", "1 min 1 s"]);
        let figures: Vec<_> = [0, 999, 1_999, 61_500].map(rounded).into();
        assert_eq!(figures, ["0 ms", "999 ms", "1.9 s", "1 min 1 s"]);
    }

    #[test]
    fn sizes_have_a_unit() {
        for (bytes, text) in [
            (0, "0"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (24 << 30, "24 GiB"),
            (3 << 29, "1.5 GiB"),
            ((24 << 30) - 1, "23.9 GiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn times_have_units_that_fit() {
        for (ms, text, typed) in [
            (0, "0 ms", "0ms"),
            (500, "500 ms", "500ms"),
            (1_500, "1.5 s", "1500ms"),
            (1_005, "1.005 s", "1005ms"),
            (30_000, "30 s", "30s"),
            (90_000, "1 min 30 s", "90s"),
            (60_001, "1 min", "60001ms"),
            (7_200_000, "2 h", "2h"),
            (8 * 86_400_000 + 1_000, "8 d 1 s", "691201s"),
        ] {
            assert_eq!((time(ms).as_str(), time_as_typed(ms).as_str()), (text, typed));
        }
    }
}
