//! One file: what of it is on the disk, and what was written since.

use whimbrel_testkit::dice::Dice;

/// What a disk writes as a whole, or not, or in part.
const SECTOR: usize = 512;

/// How many of a hundred sectors that were not synced are kept. One of these is drawn for each file: a disk may have
/// been far behind, or almost done.
const KEPT: [u64; 4] = [0, 40, 95, 100];

/// The contents of a file, however many names it has.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    /// What a sync has made sure of.
    durable: Vec<u8>,
    /// What came after, in order.
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate(usize),
}

impl File {
    pub(super) fn durable(bytes: Vec<u8>) -> Self {
        Self {
            durable: bytes,
            pending: Vec::new(),
        }
    }

    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        let bytes = bytes.to_owned();
        self.pending.push(Change::Write { at, bytes });
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.pending.push(Change::Truncate(len));
    }

    pub(super) fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Write { at, bytes } => put(&mut self.durable, at, &bytes),
                Change::Truncate(len) => self.durable.resize(len, 0),
            }
        }
    }

    /// Decides what the power loss leaves of it: each sector that was written and not synced is there, is not, or is
    /// there in part, whatever became of the others; and a new length is kept or not.
    pub(super) fn survivor(self, dice: &mut Dice) -> Vec<u8> {
        let mut image = self.durable;
        let kept = KEPT[dice.index(KEPT.len())];
        for change in self.pending {
            match change {
                Change::Truncate(len) if dice.coin() => image.resize(len, 0),
                Change::Truncate(_) => {}
                Change::Write { mut at, bytes } => {
                    let mut rest = bytes.as_slice();
                    while !rest.is_empty() {
                        let (sector, later) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
                        keep_or_not(&mut image, at, sector, kept, dice);
                        at += sector.len();
                        rest = later;
                    }
                }
            }
        }
        image
    }
}

/// Decides what becomes of a file of which only the contents are known, `before` the last time that it was whole, and
/// `now`: nothing of it was synced.
pub(super) fn never_synced(before: &[u8], now: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut image = before.to_owned();
    let len = match dice.below(3) {
        0 => before.len(),
        1 => now.len(),
        _ => dice.index(now.len().max(before.len()) + 1),
    };
    image.resize(len, 0);
    let kept = KEPT[dice.index(KEPT.len())];
    for (nth, sector) in now.chunks(SECTOR).enumerate() {
        if before
            .get(nth * SECTOR..)
            .is_none_or(|before| !before.starts_with(sector))
        {
            keep_or_not(&mut image, nth * SECTOR, sector, kept, dice);
        }
    }
    image
}

fn keep_or_not(image: &mut Vec<u8>, at: usize, sector: &[u8], kept: u64, dice: &mut Dice) {
    if dice.below(100) < kept {
        put(image, at, sector);
    } else if dice.below(3) == 0 {
        // Torn: one end of it.
        let cut = dice.index(sector.len());
        if dice.coin() {
            put(image, at, &sector[..cut]);
        } else {
            put(image, at + cut, &sector[cut..]);
        }
    }
}

fn put(image: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    image[at..end].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_synced_stays_and_each_later_sector_has_its_own_fate() {
        let (mut kept, mut lost, mut torn) = (0, 0, 0);
        for seed in 0..50 {
            let mut file = File::default();
            file.write(0, &[1; 4 * SECTOR]);
            file.sync();
            file.write(SECTOR, &[2; 2 * SECTOR]);
            let image = file.survivor(&mut Dice::new(seed));
            assert_eq!(image.len(), 4 * SECTOR);
            assert_eq!(image[..SECTOR], [1; SECTOR]);
            assert_eq!(image[3 * SECTOR..], [1; SECTOR]);
            for sector in image[SECTOR..3 * SECTOR].chunks(SECTOR) {
                match sector.iter().filter(|byte| **byte == 2).count() {
                    SECTOR => kept += 1,
                    0 => lost += 1,
                    _ => torn += 1,
                }
            }
        }
        assert!(kept > 10 && lost > 10 && torn > 5, "{kept} {lost} {torn}");
    }

    #[test]
    fn a_truncation_that_was_not_synced_may_not_have_happened() {
        let lengths = (0..20).map(|seed| {
            let mut file = File::durable(vec![1; 1_000]);
            file.truncate(10);
            file.survivor(&mut Dice::new(seed)).len()
        });
        let mut lengths: Vec<_> = lengths.collect();
        lengths.sort_unstable();
        lengths.dedup();
        assert_eq!(lengths, [10, 1_000]);
    }
}
