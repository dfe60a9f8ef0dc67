//! Runs of messages against a map from each sequence to what is known of it.

use proptest::{collection::vec, prelude::*};
use std::collections::BTreeMap;
use whimbrel_model::{RangeSet, limits};

/// Sequences that are looked at.
const END: u64 = 40;

/// For each sequence on the device: fresh, or the version since which it is stale.
type Naive = BTreeMap<u64, Option<u64>>;

#[derive(Clone, Copy, Debug)]
enum Step {
    Insert(u64, u64),
    Stale(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u64..36, 0_u64..9).prop_map(|(lo, len)| Step::Insert(lo, (lo + len).saturating_sub(1))),
        1 => (1_u64..9).prop_map(Step::Stale),
    ];
    vec(step, 0..14)
}

fn run(steps: &[Step]) -> (RangeSet, Naive) {
    let (mut set, mut naive) = (RangeSet::default(), Naive::new());
    for step in steps {
        match *step {
            Step::Insert(lo, hi) => {
                set.insert(lo, hi);
                if lo > 0 {
                    naive.extend((lo..=hi).map(|seq| (seq, None)));
                }
            }
            Step::Stale(ver) => {
                set.mark_stale(ver);
                naive.values_mut().for_each(|state| *state = state.or(Some(ver)));
            }
        }
    }
    (set, naive)
}

fn expand(set: &RangeSet) -> Naive {
    let runs = set.as_slice().iter();
    runs.flat_map(|run| (run.lo..=run.hi).map(|seq| (seq, run.stale_since)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn runs_say_what_a_map_of_every_sequence_says(steps in steps()) {
        let (set, naive) = run(&steps);
        prop_assert_eq!(expand(&set), naive.clone());
        let total: u64 = set.as_slice().iter().map(|run| run.hi - run.lo + 1).sum();
        prop_assert_eq!(total, naive.len() as u64, "runs overlap");
        let touch = set.as_slice().windows(2).any(|two| {
            two[0].hi + 1 == two[1].lo && two[0].stale_since.is_none() && two[1].stale_since.is_none()
        });
        prop_assert!(!touch, "two fresh runs that touch are one: {set:?}");
        for lo in 1..END {
            for hi in lo.saturating_sub(1)..END {
                prop_assert_eq!(set.covers(lo, hi), (lo..=hi).all(|seq| naive.contains_key(&seq)));
                prop_assert_eq!(set.is_fresh(lo, hi), (lo..=hi).all(|seq| naive.get(&seq) == Some(&None)));
            }
            let fresh = |seq: &u64| naive.get(seq) == Some(&None);
            let start = (1..=lo).rev().take_while(fresh).last().unwrap_or(lo + 1);
            prop_assert_eq!(set.fresh_start(lo), start);
        }
    }

    #[test]
    fn gaps_and_fresh_runs_are_everything_up_to_the_head(steps in steps(), head in 0_u64..END) {
        let (set, naive) = run(&steps);
        let gaps = set.gaps(head);
        let listed: Vec<(u64, bool)> = gaps.iter().flat_map(|gap| (gap.lo..=gap.hi).map(|seq| (seq, gap.stale))).collect();
        let expected: Vec<(u64, bool)> = (1..=head)
            .filter(|seq| naive.get(seq) != Some(&None))
            .map(|seq| (seq, naive.contains_key(&seq)))
            .collect();
        prop_assert_eq!(listed, expected);
        prop_assert!(gaps.iter().all(|gap| gap.lo <= gap.hi));
    }

    #[test]
    fn the_newest_gap_is_the_last_hole_in_what_the_device_had(steps in steps(), from in 0_u64..END) {
        let (set, naive) = run(&steps);
        let first = naive.keys().next().copied().unwrap_or(END);
        let newest = naive.keys().next_back().copied().unwrap_or(0);
        let hole = (first..=newest).rev().find(|seq| naive.get(seq) != Some(&None));
        match set.newest_gap(from) {
            Some(gap) => {
                prop_assert_eq!(Some(gap.hi), hole);
                prop_assert!(gap.hi >= from && gap.lo >= first);
            }
            None => prop_assert!(hole.is_none_or(|hole| hole < from)),
        }
    }

    #[test]
    fn runs_may_come_in_any_order_and_more_than_once(runs in vec((1_u64..36, 0_u64..9), 0..10), again in any::<prop::sample::Index>()) {
        let insert = |runs: &[(u64, u64)]| {
            let mut set = RangeSet::default();
            runs.iter().for_each(|(lo, len)| set.insert(*lo, lo + len));
            set
        };
        let set = insert(&runs);
        let mut other: Vec<_> = runs.iter().rev().copied().collect();
        if !runs.is_empty() {
            other.push(runs[again.index(runs.len())]);
        }
        prop_assert_eq!(insert(&other), set);
    }

    #[test]
    fn going_stale_twice_is_going_stale_once(steps in steps(), first in 1_u64..9, later in 1_u64..9) {
        let (mut set, _) = run(&steps);
        set.mark_stale(first);
        let once = set.clone();
        set.mark_stale(later);
        prop_assert_eq!(&set, &once);
        for run in once.as_slice() {
            set.insert(run.lo, run.hi);
        }
        prop_assert!(set.as_slice().iter().all(|run| run.stale_since.is_none()));
    }

    #[test]
    fn stored_runs_are_read_back_as_they_were(steps in steps()) {
        let (set, _) = run(&steps);
        let text = serde_json::to_string(&set).expect("runs are JSON");
        prop_assert_eq!(serde_json::from_str::<RangeSet>(&text).expect("they were written by it"), set);
    }
}

#[test]
fn the_greatest_sequence_overflows_nothing() {
    let end = limits::NUMBER;
    let mut set = RangeSet::default();
    set.insert(end - 1, end);
    set.insert(1, 1);
    assert!(set.covers(end, end) && set.is_fresh(end - 1, end));
    assert_eq!((set.gaps(end).len(), set.fresh_start(end)), (1, end - 1));
    assert_eq!(set.newest_gap(1).map(|gap| (gap.lo, gap.hi)), Some((2, end - 2)));
}

#[test]
fn runs_that_nobody_wrote_are_not_read() {
    for wrong in [
        r#"[{"lo":0,"hi":3}]"#,
        r#"[{"lo":4,"hi":3}]"#,
        r#"[{"lo":1,"hi":3},{"lo":3,"hi":5}]"#,
        r#"[{"lo":4,"hi":5},{"lo":1,"hi":2}]"#,
        r#"[{"lo":1,"hi":9007199254740992}]"#,
    ] {
        assert!(serde_json::from_str::<RangeSet>(wrong).is_err(), "{wrong}");
    }
}
