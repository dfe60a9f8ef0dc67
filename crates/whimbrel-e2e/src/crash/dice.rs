//! The random numbers of a round: the same seed throws the same.

use std::time::Duration;

/// A splitmix64 generator: a few lines, and as random as a schedule needs.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Throws a number from 0 to `sides` - 1, and 0 when there is none.
    pub(super) fn below(&mut self, sides: usize) -> usize {
        let sides = u64::try_from(sides).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % sides).unwrap_or(0)
    }

    /// Says yes in `percent` of a hundred throws.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Throws a time from 0 to `most` milliseconds.
    pub(super) fn millis(&mut self, most: usize) -> Duration {
        Duration::from_millis(u64::try_from(self.below(most + 1)).unwrap_or(0))
    }

    /// Picks one of `items`.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// Picks one of `items` by their weights.
    pub(super) fn weighed<T: Copy>(&mut self, items: &[(usize, T)]) -> Option<T> {
        let mut throw = self.below(items.iter().map(|(weight, _)| weight).sum());
        let hit = items.iter().find(|(weight, _)| {
            let hit = throw < *weight;
            throw = throw.saturating_sub(*weight);
            hit
        });
        hit.map(|(_, item)| *item)
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn the_same_seed_throws_the_same_and_every_side_comes_up() {
        let throw = |seed| {
            let mut dice = Dice::new(seed);
            (0..1000).map(|_| dice.below(7)).collect::<Vec<_>>()
        };
        assert_eq!(throw(3), throw(3));
        assert_ne!(throw(3), throw(4));
        assert!((0..7).all(|side| throw(3).contains(&side)));
    }

    #[test]
    fn what_weighs_nothing_is_never_picked() {
        let mut dice = Dice::new(1);
        let items = [(0, 'a'), (3, 'b'), (0, 'c'), (1, 'd')];
        let picked: Vec<_> = (0..100).filter_map(|_| dice.weighed(&items)).collect();
        assert_eq!(picked.len(), 100);
        assert!(picked.contains(&'b') && picked.contains(&'d'));
        assert!(!picked.contains(&'a') && !picked.contains(&'c'));
        assert_eq!(dice.weighed(&[(0, 'a')]), None);
    }
}
