//! What grows, and what comes before what.

use crate::values::{cid, user};
use proptest::prelude::*;
use whimbrel_model::{Head, Op, Read, ReadPosition, StreamId};

fn head() -> impl Strategy<Value = Head> {
    (0_u64..6, 0_u64..6).prop_map(|(ver, seq)| Head { ver, seq })
}

fn position() -> impl Strategy<Value = (u32, u64)> {
    (0_u32..4, 0_u64..6)
}

fn at((epoch, seq): (u32, u64)) -> ReadPosition {
    ReadPosition { epoch, seq }
}

/// A register that has heard of some positions, in this order.
fn heard(positions: &[(u32, u64)]) -> Read {
    let mut register = Read::new(cid(), user(0), None);
    for position in positions {
        register.advance(at(*position));
    }
    register
}

fn mark((epoch, seq): (u32, u64)) -> Op {
    Op::MarkRead {
        thread: None,
        cid: cid(),
        epoch,
        seq,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn heads_only_grow_and_any_order_leads_to_the_same(a in head(), b in head(), c in head()) {
        prop_assert_eq!(a.max(a), a);
        prop_assert_eq!(a.max(b), b.max(a));
        prop_assert_eq!(a.max(b).max(c), a.max(b.max(c)));
        prop_assert!(a.max(b).ver >= a.ver && a.max(b).seq >= a.seq);
        prop_assert_eq!(a.max(Head::default()), a);
    }

    #[test]
    fn read_positions_are_a_register_that_any_order_leads_to(
        (positions, shuffled) in proptest::collection::vec(position(), 0..6)
            .prop_flat_map(|positions| (Just(positions.clone()), Just(positions).prop_shuffle())),
    ) {
        let register = heard(&positions);
        prop_assert_eq!(&register, &heard(&shuffled));
        prop_assert_eq!(register.position(), at(positions.iter().copied().max().unwrap_or_default()));
        prop_assert_eq!(register.receipt(), positions.iter().map(|(_, seq)| *seq).max().unwrap_or(0));
        let mut again = register.clone();
        for position in positions {
            prop_assert!(!again.advance(at(position)), "what was heard of changes nothing");
        }
        prop_assert_eq!(again, register);
    }

    #[test]
    fn marking_unread_wins_over_every_position_before_and_takes_no_receipt_back(
        a in position(),
        seq in 1_u64..6,
        late in 0_u64..6,
    ) {
        let mut register = heard(&[a]);
        let unread = register.position().unread_from(seq).expect("there is a next epoch");
        prop_assert!(register.advance(unread));
        prop_assert_eq!(register.position().seq, seq - 1);
        prop_assert!(register.receipt() >= a.1);
        // What another device said in the old epoch comes too late for the position. It was read all the same.
        register.advance(at((a.0, late)));
        prop_assert_eq!(register.position(), unread);
        prop_assert!(register.receipt() >= late);
        // And in the new epoch it goes on.
        register.advance(ReadPosition { seq: 6, ..unread });
        prop_assert_eq!((register.position().seq, register.furthest), (6, 0));
    }

    #[test]
    fn two_marks_come_to_what_the_register_comes_to(a in position(), b in position()) {
        let merged = mark(a.max(b));
        prop_assert_eq!(mark(a).merged_with(&mark(b)), whimbrel_model::Merge::Replace(merged));
    }

    #[test]
    fn user_streams_come_before_channels(name in "[a-zA-Z0-9_.@-]{1,64}", kind in "[a-z!]{1,64}", id in "[a-z0-9-]{1,64}") {
        let own: StreamId = format!("U:{name}").parse().expect("a stream");
        let channel: StreamId = format!("C:{kind}:{id}").parse().expect("a stream");
        prop_assert!(own < channel);
        prop_assert_eq!(channel.to_string(), format!("C:{kind}:{id}"));
    }
}
