//! Random choices that a seed repeats.

use std::time::Duration;
use whimbrel_sync::Entropy;

/// `SplitMix64`: every choice of a schedule comes from its seed through one of these.
///
/// Equal seeds give equal choices, on every machine and in every version: a seed that found something goes on finding it.
/// It is good enough to choose with, and no source of secrets.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Creates the choices of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut dice = Self(seed ^ 0x5851_f42d_4c95_7f2d);
        dice.next();
        dice
    }

    /// Creates the choices of a state that is one of `SplitMix64` itself, as other programs do.
    #[must_use]
    pub const fn from_state(state: u64) -> Self {
        Self(state)
    }

    /// Draws any number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Draws from `0..n`; 0 of nothing.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    /// Draws from `0..len`; 0 of nothing.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// Draws from `lo..=hi`.
    ///
    /// # Panics
    /// When `hi` is less than `lo`, or there are 2^64 numbers to draw from.
    pub fn between(&mut self, lo: u64, hi: u64) -> u64 {
        lo + self.below(hi - lo + 1)
    }

    /// Draws from `1..=n`, small numbers as often as large ones.
    pub fn any_size(&mut self, n: u64) -> u64 {
        let bits = u64::from(64 - n.max(1).leading_zeros());
        let most = 1_u64 << (1 + self.below(bits)).min(63);
        1 + self.below(most.min(n))
    }

    /// Draws a time from 0 to `most` milliseconds.
    pub fn millis(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.below(most.saturating_add(1)))
    }

    /// Says yes half of the time.
    pub fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    /// Says yes in `rate` of a hundred throws.
    pub fn percent(&mut self, rate: u64) -> bool {
        self.below(100) < rate
    }

    /// Says yes in `rate` of a thousand throws.
    pub fn per_mille(&mut self, rate: u64) -> bool {
        self.below(1_000) < rate
    }

    /// Picks one; none of nothing.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let index = self.index(from.len());
        from.get(index)
    }

    /// Picks one by their weights; none if nothing weighs anything.
    pub fn weighed<T: Copy>(&mut self, from: &[(u64, T)]) -> Option<T> {
        let mut throw = self.below(from.iter().map(|(weight, _)| weight).sum());
        let hit = from.iter().find(|(weight, _)| {
            let hit = throw < *weight;
            throw = throw.saturating_sub(*weight);
            hit
        });
        hit.map(|(_, item)| *item)
    }
}

impl Entropy for Dice {
    fn next_u64(&mut self) -> u64 {
        self.next()
    }
}
