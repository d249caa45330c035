//! Numbers that a seed decides.

/// SplitMix64.
pub struct Random(u64);

/// Spreads what differs in any bit over all bits.
pub fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// From 0 up to, but not including, 1.
pub fn unit(number: u64) -> f64 {
    (number >> 11) as f64 / (1_u64 << 53) as f64
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    pub fn unit(&mut self) -> f64 {
        unit(self.next())
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }

    pub fn between(&mut self, least: u64, limit: u64) -> u64 {
        least + self.below(limit - least)
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Arrivals where so many are expected. Product of uniforms, in parts that do not underflow.
    pub fn poisson(&mut self, mut mean: f64) -> u64 {
        let mut count = 0;
        while mean > 0.0 {
            let part = mean.min(16.0);
            let limit = (-part).exp();
            let mut product = self.unit();
            while product > limit {
                count += 1;
                product *= self.unit();
            }
            mean -= part;
        }
        count
    }

    /// At least 1, and `mean` on average.
    pub fn geometric(&mut self, mean: f64) -> u64 {
        1 + (self.unit().max(f64::MIN_POSITIVE).ln() / (1.0 - 1.0 / mean).ln()) as u64
    }
}
