//! The one source of chance: everything that a run does follows from its seed.

/// SplitMix64: small, fast, and the same everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another stream, which does not disturb this one.
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }

    #[expect(clippy::should_implement_trait, reason = "it never ends, so nobody needs an option")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn wide(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    /// Both ends included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        debug_assert!(low <= high, "{low} to {high} is no range");
        low + self.next() % (high - low + 1)
    }

    pub fn index(&mut self, length: usize) -> usize {
        self.between(0, length as u64 - 1) as usize
    }

    /// True so many times in a thousand.
    pub fn one_in_thousand(&mut self, times: u64) -> bool {
        self.next() % 1_000 < times
    }

    pub fn coin(&mut self) -> bool {
        self.one_in_thousand(500)
    }

    /// Small values are likely, ten times the mean is the limit.
    pub fn around(&mut self, mean: u64) -> u64 {
        let unit = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        let times = (-(1.0 - unit).ln()).min(10.0);
        (mean as f64 * times) as u64
    }
}
