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

/// The register after it has heard of a position.
fn join(at: (u32, u64), heard: (u32, u64)) -> (u32, u64) {
    let mut register = Read {
        epoch: at.0,
        seq: at.1,
        ..Read::new(cid(), user(0))
    };
    register.advance(ReadPosition {
        epoch: heard.0,
        seq: heard.1,
    });
    (register.epoch, register.seq)
}

fn mark((epoch, seq): (u32, u64)) -> Op {
    Op::MarkRead {
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
    fn read_positions_are_a_register_that_any_order_leads_to(a in position(), b in position(), c in position()) {
        prop_assert_eq!(join(a, a), a);
        prop_assert_eq!(join(a, b), join(b, a));
        prop_assert_eq!(join(join(a, b), c), join(a, join(b, c)));
        prop_assert_eq!(join(a, b), a.max(b));
    }

    #[test]
    fn marking_unread_opens_an_epoch_that_wins_over_every_position_before(a in position(), seq in 0_u64..6, late in 0_u64..6) {
        let unread = (a.0 + 1, seq);
        prop_assert_eq!(join(a, unread), unread);
        // What another device said in the old epoch comes too late.
        prop_assert_eq!(join(unread, (a.0, late)), unread);
    }

    #[test]
    fn two_marks_come_to_what_the_register_comes_to(a in position(), b in position()) {
        prop_assert_eq!(mark(a).merged_with(&mark(b)), whimbrel_model::Merge::Replace(mark(join(a, b))));
    }

    #[test]
    fn user_streams_come_before_channels(name in "[a-zA-Z0-9_.@-]{1,64}", kind in "[a-z!]{1,64}", id in "[a-z0-9-]{1,64}") {
        let own: StreamId = format!("U:{name}").parse().expect("a stream");
        let channel: StreamId = format!("C:{kind}:{id}").parse().expect("a stream");
        prop_assert!(own < channel);
        prop_assert_eq!(channel.to_string(), format!("C:{kind}:{id}"));
    }
}
