//! Sets of numbers that mostly follow each other.

use std::collections::BTreeMap;
use std::ops::Range;

/// Kept as ranges that do not touch, by their beginnings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    ends: BTreeMap<u32, u32>,
    count: u32,
    sums: Sums,
}

/// Of the numbers, of their squares and of their cubes: they tell one set from another without being computed anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums([u128; 3]);

impl Sums {
    /// Of all numbers below `end`. No product exceeds 128 bits.
    fn below(end: u32) -> Self {
        let n = u128::from(end);
        let pairs = n * n.saturating_sub(1) / 2;
        let squares = pairs * (2 * n).saturating_sub(1) / 3;
        Self([pairs, squares, pairs * pairs])
    }

    fn of(range: &Range<u32>) -> Self {
        let (low, high) = (Self::below(range.start), Self::below(range.end));
        Self(std::array::from_fn(|nth| high.0[nth] - low.0[nth]))
    }

    fn add(&mut self, range: &Range<u32>) {
        let more = Self::of(range);
        self.0 = std::array::from_fn(|nth| self.0[nth].wrapping_add(more.0[nth]));
    }

    fn subtract(&mut self, range: &Range<u32>) {
        let less = Self::of(range);
        self.0 = std::array::from_fn(|nth| self.0[nth].wrapping_sub(less.0[nth]));
    }
}

impl Ranges {
    /// What is there already stays.
    pub fn insert(&mut self, range: Range<u32>) {
        if range.is_empty() {
            return;
        }
        let mut merged = range;
        // Those that touch it or overlap it, from behind.
        while let Some((start, end)) = self.ends.range(..=merged.end).next_back() {
            let (start, end) = (*start, *end);
            if end < merged.start {
                break;
            }
            self.take_out(start..end);
            merged = merged.start.min(start)..merged.end.max(end);
        }
        self.count += merged.end - merged.start;
        self.sums.add(&merged);
        self.ends.insert(merged.start, merged.end);
    }

    /// Takes out the range that begins there, whole.
    pub fn remove_from(&mut self, start: u32) -> Option<Range<u32>> {
        let end = *self.ends.get(&start)?;
        self.take_out(start..end);
        Some(start..end)
    }

    fn take_out(&mut self, range: Range<u32>) {
        self.ends.remove(&range.start);
        self.count -= range.end - range.start;
        self.sums.subtract(&range);
    }

    /// The whole range that the number is in.
    pub fn around(&self, number: u32) -> Option<Range<u32>> {
        let (start, end) = self.ends.range(..=number).next_back()?;
        (number < *end).then_some(*start..*end)
    }

    pub fn contains(&self, number: u32) -> bool {
        self.around(number).is_some()
    }

    /// How many numbers.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// In order; none touches the next one.
    pub fn iter(&self) -> impl Iterator<Item = Range<u32>> {
        self.ends.iter().map(|(start, end)| *start..*end)
    }

    /// What of `within` is not in it, in order.
    pub fn gaps(&self, within: Range<u32>) -> Vec<Range<u32>> {
        let (mut gaps, mut from) = (Vec::new(), within.start);
        for range in self.iter().filter(|range| range.end > within.start) {
            if range.start >= within.end {
                break;
            }
            if range.start > from {
                gaps.push(from..range.start);
            }
            from = range.end;
        }
        if from < within.end {
            gaps.push(from..within.end);
        }
        gaps
    }

    /// For a digest: equal for equal sets.
    pub(crate) fn sums(&self) -> [u128; 3] {
        self.sums.0
    }
}

impl FromIterator<Range<u32>> for Ranges {
    fn from_iter<I: IntoIterator<Item = Range<u32>>>(ranges: I) -> Self {
        let mut all = Self::default();
        ranges.into_iter().for_each(|range| all.insert(range));
        all
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::single_range_in_vec_init, reason = "sets of one range are meant")]

    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_a_set(ranges in proptest::collection::vec((0..40u32, 0..9u32), 0..20), from in 0..50u32) {
            let mut set = BTreeSet::new();
            let mut all = Ranges::default();
            for (start, length) in ranges {
                all.insert(start..start + length);
                set.extend(start..start + length);
            }
            let removed = all.remove_from(from);
            removed.into_iter().flatten().for_each(|number| {
                set.remove(&number);
            });
            prop_assert_eq!(all.iter().flatten().collect::<Vec<_>>(), set.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(all.count() as usize, set.len());
            prop_assert!((0..60).all(|number| all.contains(number) == set.contains(&number)));
            let gaps: Vec<_> = all.gaps(5..45).into_iter().flatten().collect();
            let missing: Vec<_> = (5..45).filter(|number| !set.contains(number)).collect();
            prop_assert_eq!(gaps, missing);
            let again: Ranges = set.iter().map(|number| *number..number + 1).collect();
            prop_assert_eq!(again, all, "whatever the path");
        }
    }

    #[test]
    fn the_largest_numbers_have_sums() {
        let all: Ranges = [0..u32::MAX].into_iter().collect();
        assert_eq!(all.count(), u32::MAX);
        assert_ne!(all.sums(), [0; 3]);
    }
}
