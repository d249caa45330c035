//! How much of a resource, for people.

use common::messages::amounts;

/// The one that is counted in bytes.
const MEMORY: &str = "memory";

/// So much of this resource.
pub fn of(resource: &str, count: u64) -> String {
    match resource {
        MEMORY => amounts::size(count),
        _ => count.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_a_size_and_everything_else_a_number() {
        assert_eq!(of("memory", 24 << 30), "24 GiB");
        assert_eq!(of("gpus", 4096), "4096");
    }
}
