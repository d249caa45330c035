//! How fast users submit. Who may submit so many a second has a bucket of tokens that fills at that rate and holds those
//! of one second. A submission is taken if a token is there, and costs one for each new task: what is larger than the
//! bucket is a debt to be filled first, so that large batches come out at the same rate as small ones.

use std::collections::BTreeMap;

use crate::ids::{Timestamp, UserName};

/// Of one token.
const PARTS: i64 = 1_000;
/// Users whose buckets are remembered before full ones are forgotten.
const MAX_IDLE: usize = 1_000;

#[derive(Default)]
pub struct Rates {
    of: BTreeMap<UserName, Bucket>,
}

struct Bucket {
    /// Thousandths of tokens.
    level: i64,
    at: Timestamp,
    /// Tokens per second, which is thousandths of tokens per millisecond.
    rate: u32,
}

impl Bucket {
    fn full(rate: u32) -> i64 {
        i64::from(rate) * PARTS
    }

    /// A clock that was set back fills nothing, and does not keep the bucket from filling.
    fn level_at(&self, now: Timestamp) -> i64 {
        let elapsed = i64::try_from(now.0.saturating_sub(self.at.0)).unwrap_or(i64::MAX);
        let filled = elapsed.saturating_mul(i64::from(self.rate));
        self.level.saturating_add(filled).min(Self::full(self.rate))
    }
}

impl Rates {
    /// Takes a submission of so many new tasks.
    ///
    /// # Errors
    /// After so many milliseconds the next one may be taken.
    pub fn take(
        &mut self,
        now: Timestamp,
        user: &UserName,
        (rate, tasks): (u32, usize),
    ) -> Result<(), u64> {
        if self.of.len() >= MAX_IDLE && !self.of.contains_key(user) {
            self.of.retain(|_, bucket| bucket.level_at(now) < Bucket::full(bucket.rate));
        }
        let full = Bucket { level: Bucket::full(rate), at: now, rate };
        let bucket = self.of.entry(user.clone()).or_insert(full);
        bucket.rate = rate;
        (bucket.level, bucket.at) = (bucket.level_at(now), now);
        let lacking = u64::try_from(PARTS - bucket.level).unwrap_or(0);
        if lacking > 0 {
            return Err(lacking.div_ceil(rate.max(1).into()));
        }
        let cost = i64::try_from(tasks).unwrap_or(i64::MAX).saturating_mul(PARTS);
        bucket.level = bucket.level.saturating_sub(cost);
        Ok(())
    }
}
