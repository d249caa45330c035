//! What a process holds in memory, as the system sees it.

use anyhow::Context as _;

/// Resident now, and at most so far, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    pub resident: u64,
    pub most: u64,
}

impl Memory {
    /// Of a process; of this one: `self`.
    ///
    /// # Errors
    /// There is no such process.
    pub fn of(process: &str) -> anyhow::Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
        let line = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kilobytes = line.and_then(|rest| rest.split_whitespace().next());
            let number: u64 = kilobytes.context("the process has ended")?.parse()?;
            anyhow::Ok(number << 10)
        };
        Ok(Self { resident: line("VmRSS:")?, most: line("VmHWM:")? })
    }
}
