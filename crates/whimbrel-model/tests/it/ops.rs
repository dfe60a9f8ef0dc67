//! Two operations that are as good as one, and those that may change places.

use crate::gen_ops::{any_op, any_server};
use proptest::{collection::vec, prelude::*};
use whimbrel_model::{Merge, Op};

/// A device gives an id to one message only.
fn both_send_the_same(one: &Op, other: &Op) -> bool {
    let both = matches!((one, other), (Op::SendMessage { .. }, Op::SendMessage { .. }));
    both && one.message() == other.message()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, max_global_rejects: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_merged_operation_does_what_both_do(server in any_server(), one in any_op(), later in any_op()) {
        prop_assume!(one.lane() == later.lane() && !both_send_the_same(&one, &later));
        let both = server.clone().after([&one, &later]).shown();
        match one.merged_with(&later) {
            Merge::Keep => {}
            Merge::Replace(merged) => {
                prop_assert_eq!(merged.lane(), one.lane());
                prop_assert_eq!(server.after([&merged]).shown(), both);
            }
            Merge::Annihilate => {
                // A message that the server never hears of does not allow the channel either.
                let mut both = both;
                let before = server.shown();
                both.kept.consent = before.kept.consent;
                prop_assert_eq!(before, both);
            }
        }
    }

    #[test]
    fn an_operation_merges_over_what_it_commutes_with(
        server in any_server(), one in any_op(), between in vec(any_op(), 0..4), later in any_op(),
    ) {
        prop_assume!(one.lane() == later.lane());
        let between: Vec<Op> =
            between.into_iter().filter(|op| op.lane() == one.lane() && op.commutes_with(&later)).collect();
        let all: Vec<&Op> = [&one].into_iter().chain(&between).chain([&later]).collect();
        let twice = |at: usize, op: &Op| all[..at].iter().any(|other| both_send_the_same(op, other));
        prop_assume!(!all.iter().enumerate().any(|(at, op)| twice(at, op)));
        if let Merge::Replace(merged) = one.merged_with(&later) {
            let fewer = [&merged].into_iter().chain(&between);
            prop_assert_eq!(server.clone().after(fewer).shown(), server.after(all).shown());
        }
    }

    #[test]
    fn merging_is_associative_where_both_ways_are_one_operation(one in any_op(), two in any_op(), three in any_op()) {
        prop_assume!(one.lane() == two.lane() && two.lane() == three.lane());
        let first = match one.merged_with(&two) {
            Merge::Replace(merged) => merged.merged_with(&three),
            other => other,
        };
        let second = match two.merged_with(&three) {
            Merge::Replace(merged) => one.merged_with(&merged),
            other => other,
        };
        if let (Merge::Replace(first), Merge::Replace(second)) = (first, second) {
            prop_assert_eq!(first, second);
        }
    }

    #[test]
    fn operations_that_commute_may_change_places(server in any_server(), one in any_op(), other in any_op()) {
        prop_assume!(one.lane() == other.lane());
        prop_assert_eq!(one.commutes_with(&other), other.commutes_with(&one));
        if one.commutes_with(&other) {
            prop_assert_eq!(server.clone().after([&one, &other]), server.after([&other, &one]));
        }
    }

    #[test]
    fn what_depends_does_not_commute_and_ends_only_with_its_message(one in any_op(), other in any_op()) {
        prop_assert!(!(one.depends_on(&other) && other.commutes_with(&one)));
        prop_assert!(!(one.depends_on(&other) && other.depends_on(&one)));
        prop_assert!(!one.ends_with(&other) || one.message() == other.message());
        prop_assert!(one.is_its_own_record() || !matches!(one.merged_with(&other), Merge::Annihilate));
    }
}
