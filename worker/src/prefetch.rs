//! How many tasks the worker asks for beyond its slots. A slot that becomes free is empty for a commit and a
//! round trip before its next task arrives; where tasks take about as long as that, much of it would be idle.
//! Where they take longer, a task waits better with the orchestrator, for whichever worker is free first. Pure.

use std::time::Duration;

/// So much work is wanted at hand for each slot, if tasks go on as they did.
const AHEAD: Duration = Duration::from_millis(20);
/// Whatever has waited here for so long is given back.
pub const PATIENCE: Duration = Duration::from_millis(100);
/// For all slots together.
const MAX: u32 = 256;
/// How much one duration weighs in the mean.
const WEIGHT: f64 = 1.0 / 8.0;

/// Learns from how long attempts take.
#[derive(Debug)]
pub struct Prefetch {
    slots: u32,
    /// Seconds, exponentially weighted.
    mean: f64,
    told: u32,
}

impl Prefetch {
    /// Nothing is asked for until some short tasks were seen.
    pub fn new(slots: u32) -> Self {
        Self { slots, mean: PATIENCE.as_secs_f64(), told: 0 }
    }

    /// An attempt took so long.
    pub fn observe(&mut self, took: Duration) {
        self.mean += (took.as_secs_f64() - self.mean) * WEIGHT;
    }

    /// Tasks waited in vain: those before them took longer than was thought.
    pub fn distrust(&mut self) {
        self.mean = self.mean.max(PATIENCE.as_secs_f64());
    }

    /// The other side knows of nothing yet.
    pub fn forget_told(&mut self) {
        self.told = 0;
    }

    /// What to ask for from now on, where it differs much from what was asked for last.
    pub fn news(&mut self) -> Option<u32> {
        let wanted = self.wanted();
        let is_near = wanted.max(self.told) < 2 * wanted.min(self.told);
        if wanted == self.told || is_near {
            return None;
        }
        self.told = wanted;
        Some(wanted)
    }

    fn wanted(&self) -> u32 {
        let for_each = (AHEAD.as_secs_f64() / self.mean.max(1e-6)).min(f64::from(MAX));
        (for_each as u32).saturating_mul(self.slots).min(MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn short_tasks_are_wanted_ahead_and_long_ones_are_not() {
        let mut prefetch = Prefetch::new(2);
        assert_eq!(prefetch.news(), None);
        for _ in 0..100 {
            prefetch.observe(2 * MS);
        }
        let wanted = prefetch.news();
        assert!(wanted.is_some_and(|tasks| (16..=20).contains(&tasks)), "{wanted:?}");
        assert_eq!(prefetch.news(), None, "it was told");
        prefetch.distrust();
        assert_eq!(prefetch.news(), Some(0));
    }

    #[test]
    fn small_changes_are_no_news() {
        let mut prefetch = Prefetch::new(4);
        for _ in 0..100 {
            prefetch.observe(MS);
        }
        assert!(prefetch.news().is_some());
        prefetch.observe(2 * MS);
        assert_eq!(prefetch.news(), None);
    }

    #[test]
    fn there_is_a_most() {
        let mut prefetch = Prefetch::new(4_096);
        for _ in 0..100 {
            prefetch.observe(Duration::ZERO);
        }
        assert_eq!(prefetch.news(), Some(MAX));
        prefetch.forget_told();
        assert_eq!(prefetch.news(), Some(MAX), "another principal has to be told");
    }
}
