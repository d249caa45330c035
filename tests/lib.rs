//! The end-to-end tests are in `e2e/`; what they share is the [`harness`], and how they look at a machine from outside.

use std::path::Path;
use std::time::{Duration, Instant};

pub use harness;

const SOON: Duration = Duration::from_secs(60);

/// Looks until it is there.
///
/// # Panics
/// It is not there in a minute.
pub fn wait_for<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether the process lives; not even a zombie counts.
pub fn runs(pid: &str) -> bool {
    std::fs::read_to_string(Path::new("/proc").join(pid).join("stat"))
        .is_ok_and(|stat| !stat.contains(") Z "))
}
