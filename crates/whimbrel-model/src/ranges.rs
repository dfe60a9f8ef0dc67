use serde::{Deserialize, Deserializer, Serialize, de::Error};

/// A run of message sequences, both ends included, that the device has without a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// First sequence.
    #[serde(deserialize_with = "crate::number::exact")]
    pub lo: u64,
    /// Last sequence.
    #[serde(deserialize_with = "crate::number::exact")]
    pub hi: u64,
    /// When the device jumped over changes: the version up to which the rows in here are right. They can be shown,
    /// and are fetched again when they are.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::number::exact_or_none"
    )]
    pub stale_since: Option<u64>,
}

/// A run of message sequences, both ends included, that the device lacks, or has only as they once were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// First sequence.
    #[serde(deserialize_with = "crate::number::exact")]
    pub lo: u64,
    /// Last sequence.
    #[serde(deserialize_with = "crate::number::exact")]
    pub hi: u64,
    /// Whether the messages are on the device and can be shown, but may have changed since without a sign.
    pub stale: bool,
}

/// The runs of one channel that are on the device; what lies between them is a gap.
///
/// Sorted, disjoint; fresh runs that touch are one. A fresh run takes what it covers away from stale ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct RangeSet(Vec<Range>);

impl RangeSet {
    /// Returns the runs, in ascending order.
    #[must_use]
    pub fn as_slice(&self) -> &[Range] {
        &self.0
    }

    /// Adds the run `lo..=hi`, which the device now has and keeps up to date. An empty run changes nothing.
    pub fn insert(&mut self, lo: u64, hi: u64) {
        if lo == 0 || lo > hi {
            return;
        }
        let (mut lo, mut hi) = (lo, hi);
        let mut kept = Vec::with_capacity(self.0.len() + 1);
        for range in self.0.drain(..) {
            let apart = range.hi + 1 < lo || range.lo > hi + 1;
            if range.stale_since.is_none() && !apart {
                lo = lo.min(range.lo);
                hi = hi.max(range.hi);
            } else {
                kept.push(range);
            }
        }
        for range in kept {
            if range.hi < lo || range.lo > hi {
                self.0.push(range);
                continue;
            }
            if range.lo < lo {
                self.0.push(Range { hi: lo - 1, ..range });
            }
            if range.hi > hi {
                self.0.push(Range { lo: hi + 1, ..range });
            }
        }
        self.0.push(Range {
            lo,
            hi,
            stale_since: None,
        });
        self.0.sort_by_key(|range| range.lo);
    }

    /// Marks every run as right only up to version `ver`: the device jumped over what came after.
    pub fn mark_stale(&mut self, ver: u64) {
        for range in &mut self.0 {
            range.stale_since.get_or_insert(ver);
        }
    }

    /// Returns whether every sequence of `lo..=hi` is on the device, stale or not. An empty run is.
    #[must_use]
    pub fn covers(&self, lo: u64, hi: u64) -> bool {
        let mut next = lo;
        for range in &self.0 {
            if next > hi {
                break;
            }
            if range.lo <= next && next <= range.hi {
                next = range.hi + 1;
            }
        }
        next > hi
    }

    /// Returns whether every sequence of `lo..=hi` is on the device and kept up to date.
    #[must_use]
    pub fn is_fresh(&self, lo: u64, hi: u64) -> bool {
        lo > hi
            || self
                .0
                .iter()
                .any(|range| range.stale_since.is_none() && range.lo <= lo && hi <= range.hi)
    }

    /// Returns what is missing or stale of `1..=head`, in ascending order.
    #[must_use]
    pub fn gaps(&self, head: u64) -> Vec<Gap> {
        let mut gaps = Vec::new();
        let mut next = 1;
        let gap = |lo: u64, hi: u64, stale| Gap {
            lo,
            hi: hi.min(head),
            stale,
        };
        for run in self.0.iter().take_while(|run| run.lo <= head) {
            if run.lo > next {
                gaps.push(gap(next, run.lo - 1, false));
            }
            if run.stale_since.is_some() {
                gaps.push(gap(run.lo, run.hi, true));
            }
            next = run.hi + 1;
        }
        if next <= head {
            gaps.push(gap(next, head, false));
        }
        gaps
    }

    /// Returns how many messages of `lo..=hi` are missing or stale.
    #[must_use]
    pub fn missing(&self, lo: u64, hi: u64) -> u64 {
        let gaps = self.gaps(hi).into_iter().filter(|gap| gap.hi >= lo);
        gaps.map(|gap| gap.hi + 1 - gap.lo.max(lo)).sum()
    }

    /// Returns the newest gap that lies between messages of the device, or is stale, and reaches back to `from` or later.
    ///
    /// What lies before the first run is older than anything the device ever had: it is loaded on demand.
    #[must_use]
    pub fn newest_gap(&self, from: u64) -> Option<Gap> {
        let newest = self.0.last()?.hi;
        let first = self.0.first()?.lo;
        let inner = |gap: &Gap| gap.lo >= first && gap.hi >= from;
        self.gaps(newest).into_iter().rev().find(inner)
    }

    /// Returns whether there is such a gap at all. This is cheap, for use at each live event.
    #[must_use]
    pub fn has_gap(&self) -> bool {
        let stale = self.0.iter().any(|run| run.stale_since.is_some());
        stale || self.0.windows(2).any(|pair| pair[0].hi + 1 < pair[1].lo)
    }

    /// Returns the first sequence of the fresh run that holds or directly precedes `seq`, or `seq + 1` if none does.
    #[must_use]
    pub fn fresh_start(&self, seq: u64) -> u64 {
        self.0
            .iter()
            .filter(|range| range.stale_since.is_none())
            .find(|range| range.lo <= seq && seq <= range.hi)
            .map_or(seq + 1, |range| range.lo)
    }

    /// Returns the last sequence of the fresh run that holds or directly follows `seq`, or `seq - 1` if none does.
    #[must_use]
    pub fn fresh_end(&self, seq: u64) -> u64 {
        self.0
            .iter()
            .filter(|range| range.stale_since.is_none())
            .find(|range| range.lo <= seq && seq <= range.hi)
            .map_or(seq.saturating_sub(1), |range| range.hi)
    }
}

impl<'de> Deserialize<'de> for RangeSet {
    /// Reads stored runs; what is not sorted and disjoint was not written by this type.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let runs = Vec::<Range>::deserialize(deserializer)?;
        let sound = runs.iter().all(|run| 1 <= run.lo && run.lo <= run.hi);
        if sound && runs.is_sorted_by(|one, next| one.hi < next.lo) {
            return Ok(Self(runs));
        }
        Err(D::Error::custom("runs must be from 1, sorted and disjoint"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn runs_that_touch_become_one() {
        let mut set = RangeSet::default();
        set.insert(10, 20);
        set.insert(1, 5);
        assert!(!set.covers(1, 20));
        set.insert(6, 9);
        assert_eq!(
            set.as_slice(),
            [Range {
                lo: 1,
                hi: 20,
                stale_since: None
            }]
        );
    }

    #[test]
    fn a_stale_run_can_be_shown_and_is_not_fresh() {
        let mut set = RangeSet::default();
        set.insert(1, 10);
        set.mark_stale(7);
        set.insert(41, 90);
        assert!(set.covers(1, 10) && !set.is_fresh(1, 10));
        assert!(!set.covers(1, 41));
        set.insert(1, 40);
        assert_eq!(
            set.as_slice(),
            [Range {
                lo: 1,
                hi: 90,
                stale_since: None
            }]
        );
    }

    #[test]
    fn gaps_are_what_lies_between_and_what_is_stale() {
        let gap = |lo, hi, stale| Gap { lo, hi, stale };
        let mut set = RangeSet::default();
        assert_eq!(set.gaps(0), []);
        assert_eq!((set.gaps(7), set.newest_gap(1)), (vec![gap(1, 7, false)], None));
        set.insert(11, 20);
        set.mark_stale(7);
        set.insert(41, 90);
        assert_eq!(
            set.gaps(92),
            [
                gap(1, 10, false),
                gap(11, 20, true),
                gap(21, 40, false),
                gap(91, 92, false)
            ]
        );
        assert_eq!(set.newest_gap(1), Some(gap(21, 40, false)));
        assert_eq!(set.newest_gap(41), None);
        set.insert(21, 40);
        assert_eq!(set.newest_gap(1), Some(gap(11, 20, true)));
        set.insert(11, 20);
        assert_eq!(set.newest_gap(1), None, "what is older was never here");
    }

    #[test]
    fn a_partly_refetched_stale_run_keeps_its_rest() {
        let mut set = RangeSet::default();
        set.insert(1, 10);
        set.mark_stale(7);
        set.insert(6, 20);
        assert!(set.covers(1, 20));
        assert!(set.is_fresh(6, 20) && !set.is_fresh(5, 6));
    }

    #[test]
    fn what_is_missing_is_counted_stale_or_not() {
        let mut set = RangeSet::default();
        assert_eq!((set.missing(1, 0), set.missing(1, 7)), (0, 7));
        set.insert(11, 20);
        set.mark_stale(7);
        set.insert(41, 90);
        assert_eq!(set.missing(1, 90), 40);
        assert_eq!(set.missing(16, 45), 25);
        assert_eq!((set.missing(41, 90), set.missing(90, 92)), (0, 2));
    }

    proptest! {
        #[test]
        fn there_is_a_gap_if_one_is_found(
            runs in proptest::collection::vec((1_u64..40, 0_u64..8, 0..8), 0..12),
        ) {
            let mut set = RangeSet::default();
            for (lo, len, chance) in runs {
                if chance == 0 {
                    set.mark_stale(7);
                }
                set.insert(lo, lo + len);
                prop_assert_eq!(set.has_gap(), set.newest_gap(1).is_some());
            }
        }

        #[test]
        fn coverage_is_the_union(runs in proptest::collection::vec((1_u64..40, 0_u64..8), 0..12)) {
            let mut set = RangeSet::default();
            let mut model = std::collections::BTreeSet::new();
            for (lo, len) in runs {
                set.insert(lo, lo + len);
                model.extend(lo..=lo + len);
            }
            for lo in 1..50 {
                for hi in lo..50 {
                    prop_assert_eq!(set.covers(lo, hi), (lo..=hi).all(|seq| model.contains(&seq)));
                }
            }
            prop_assert!(set.as_slice().windows(2).all(|pair| pair[0].hi + 1 < pair[1].lo));
        }
    }
}
