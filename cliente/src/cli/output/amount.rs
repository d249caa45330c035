//! How much of a resource, for people.

/// The one that is counted in bytes.
const MEMORY: &str = "memory";
const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const STEP: u64 = 1024;

/// So much of this resource.
pub fn of(resource: &str, count: u64) -> String {
    match resource {
        MEMORY => size(count),
        _ => count.to_string(),
    }
}

/// `24 GiB`, `1.5 GiB`, `512 B`; of less than a tenth of the unit nothing is told.
fn size(bytes: u64) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_a_size_and_everything_else_a_number() {
        for (bytes, text) in [
            (0, "0"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (24 << 30, "24 GiB"),
            (3 << 29, "1.5 GiB"),
            ((24 << 30) - 1, "23.9 GiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(of("memory", bytes), text);
        }
        assert_eq!(of("gpus", 4096), "4096");
    }
}
