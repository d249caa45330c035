//! How much of the log is read at once.

use orquestrador_etcd::KeyValue;

/// Batches at once, at least: a few are 1 MiB each.
const FEWEST: u32 = 16;
/// At most: etcd has no limit in bytes, and larger ones may follow small ones.
const MOST: u32 = 256;
/// What a page may have and the next be twice as long.
const SMALL_BYTES: usize = 1 << 20;
/// What a page may have and the next be no shorter.
const LARGE_BYTES: usize = 8 << 20;

/// Small batches are read many at once: each page costs a round through etcd.
#[derive(Clone, Copy, Debug)]
pub struct Pages(u32);

impl Default for Pages {
    fn default() -> Self {
        Self(FEWEST)
    }
}

impl Pages {
    /// Batches in the next page.
    pub fn limit(self) -> u32 {
        self.0
    }

    /// What the last one brought.
    pub fn note(&mut self, page: &[KeyValue]) {
        self.learn(page.iter().map(|batch| batch.value.len()).sum());
    }

    fn learn(&mut self, bytes: usize) {
        self.0 = match bytes {
            0..=SMALL_BYTES => (self.0 * 2).min(MOST),
            bytes if bytes > LARGE_BYTES => FEWEST,
            _ => self.0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_small_batches_grow_and_large_ones_make_them_short_again() {
        let mut pages = Pages::default();
        let limits: Vec<u32> = (0..6)
            .map(|_| {
                pages.learn(10_000);
                pages.limit()
            })
            .collect();
        assert_eq!(limits, [32, 64, 128, 256, 256, 256]);
        pages.learn(4 << 20);
        assert_eq!(pages.limit(), 256, "as it should be");
        pages.learn(64 << 20);
        assert_eq!(pages.limit(), FEWEST);
    }
}
