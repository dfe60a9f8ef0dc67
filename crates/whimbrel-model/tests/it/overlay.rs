//! What is shown: the server's rows with the outbox laid over them.

use crate::values::{cid, item, kind, message, message_id, reaction, timestamp, user};
use proptest::{collection::vec, prelude::*};
use std::collections::BTreeSet;
use whimbrel_model::{
    Message, MessageBody, Op, OutboxItem, Pin, Reaction, ReactionType, Timestamp, UserId,
    overlay::{self, MessageStatus},
};

/// Edits, deletions, pins and reactions of message 0.
fn changes() -> impl Strategy<Value = Vec<OutboxItem>> {
    let change = (0_u64..11, 0_u64..4, proptest::bool::weighted(0.2));
    vec(change, 0..8).prop_map(|changes| {
        let item = |(pos, (what, number, rejected)): (u64, (u64, u64, bool))| {
            item(pos + 2, change_of(what, number), rejected)
        };
        (0..).zip(changes).map(item).collect()
    })
}

fn change_of(what: u64, number: u64) -> Op {
    let (cid, id) = (cid(), message_id(0));
    match what {
        0..=2 => Op::EditMessage {
            cid,
            id,
            body: format!("edit {number}").into(),
            base_revision: 0,
        },
        3 => Op::DeleteMessage { cid, id },
        4 | 5 => Op::AddReaction {
            cid,
            message: id,
            kind: kind(number),
        },
        8 | 9 => Op::PinMessage {
            cid,
            id,
            until: (number > 1).then(|| timestamp(number)),
        },
        10 => Op::UnpinMessage { cid, id },
        _ => Op::RemoveReaction {
            cid,
            message: id,
            kind: kind(number),
        },
    }
}

fn send() -> Op {
    Op::SendMessage {
        kind: whimbrel_model::MessageKind::Regular,
        silent: false,
        cid: cid(),
        id: message_id(0),
        body: "hello".into(),
        parent: None,
        show_in_channel: false,
        quoted: None,
    }
}

/// The row after the server has accepted what was not rejected.
fn accepted(mut row: Message, ops: &[OutboxItem]) -> Message {
    for item in ops.iter().filter(|item| item.rejection().is_none()) {
        if row.is_deleted() {
            break;
        }
        match &item.op {
            Op::EditMessage { body, .. } => row.body = body.clone(),
            Op::DeleteMessage { .. } => {
                row.body = MessageBody::default();
                row.deleted_at = Some(Timestamp(99));
                row.pinned = None;
            }
            Op::PinMessage { until, .. } => {
                row.pinned = Some(Pin {
                    by: user(0),
                    at: Timestamp(99),
                    until: *until,
                });
            }
            Op::UnpinMessage { .. } => row.pinned = None,
            _ => {}
        }
    }
    row
}

/// What of a message is the same before and after the server has heard of it.
fn look(message: &Message) -> (&MessageBody, bool, Option<(&UserId, Option<Timestamp>)>) {
    let pinned = message.pinned.as_ref().map(|pin| (&pin.by, pin.until));
    (&message.body, message.is_deleted(), pinned)
}

fn rows() -> impl Strategy<Value = Vec<Reaction>> {
    let row = (0_u64..3, 0_u64..2, any::<bool>());
    vec(row, 0..8).prop_map(|rows| {
        let mut known = BTreeSet::new();
        let rows = rows
            .into_iter()
            .filter(|(by, which, _)| known.insert((*by, *which)));
        rows.map(|(by, which, removed)| reaction(0, by, which, removed, 1))
            .collect()
    })
}

/// The same as a set: who reacts with what.
fn reacting(rows: &[Reaction], ops: &[OutboxItem]) -> BTreeSet<(ReactionType, UserId)> {
    let there = rows.iter().filter(|row| !row.removed);
    let mut set: BTreeSet<_> = there.map(|row| (row.kind.clone(), row.user.clone())).collect();
    for item in ops.iter().filter(|item| item.rejection().is_none()) {
        match &item.op {
            Op::AddReaction { kind, .. } => drop(set.insert((kind.clone(), user(0)))),
            Op::RemoveReaction { kind, .. } => drop(set.remove(&(kind.clone(), user(0)))),
            _ => {}
        }
    }
    set
}

fn shown(rows: &[Reaction], ops: &[OutboxItem]) -> Vec<(ReactionType, u32, bool)> {
    let groups = overlay::reactions(rows, ops, &user(0));
    groups
        .into_iter()
        .map(|group| (group.kind, group.count, group.mine))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_server_makes_of_the_changes_is_what_was_shown_before(ops in changes()) {
        let row = message(0, 1, "hello");
        let before = overlay::message(Some(&row), &ops).expect("it is shown");
        let after = accepted(row, &ops);
        prop_assert_eq!(look(&before.message), look(&after));
        prop_assert_eq!(before.status, MessageStatus::Sent);
        let waits = |item: &&OutboxItem| item.rejection().is_none()
            && !matches!(item.op, Op::AddReaction { .. } | Op::RemoveReaction { .. });
        prop_assert_eq!(before.change_pending, ops.iter().any(|item| waits(&item)));
    }

    #[test]
    fn a_row_that_has_the_changes_already_looks_the_same_under_them(ops in changes()) {
        let after = accepted(message(0, 1, "hello"), &ops);
        let again = overlay::message(Some(&after), &ops).expect("it is shown");
        prop_assert_eq!(look(&again.message), look(&after));
    }

    #[test]
    fn an_unsent_message_looks_as_it_will_or_is_not_shown(ops in changes(), rejected in any::<bool>()) {
        let all: Vec<OutboxItem> = [item(1, send(), rejected)].into_iter().chain(ops.iter().cloned()).collect();
        let after = accepted(message(0, 1, "hello"), &ops);
        let echo = overlay::message(None, &all);
        prop_assert_eq!(echo.is_none(), after.is_deleted());
        if let Some(echo) = echo {
            prop_assert_eq!(look(&echo.message), look(&after));
            prop_assert_eq!((echo.message.id, echo.message.seq), (after.id, 0));
            prop_assert_eq!(matches!(echo.status, MessageStatus::Failed(_)), rejected);
        }
        prop_assert_eq!(overlay::message(None, &ops), None, "nothing is shown of what is not here");
    }

    #[test]
    fn the_row_takes_the_place_of_the_echo_whichever_goes_first(ops in changes()) {
        // Between the page that brings the row and the answer that takes the send from the outbox both are there.
        let row = message(0, 1, "hello");
        let all: Vec<OutboxItem> = [item(1, send(), false)].into_iter().chain(ops.iter().cloned()).collect();
        prop_assert_eq!(overlay::message(Some(&row), &all), overlay::message(Some(&row), &ops));
    }

    #[test]
    fn reactions_are_a_set_and_counts_are_derived(rows in rows(), ops in changes()) {
        let set = reacting(&rows, &ops);
        let kinds: BTreeSet<_> = set.iter().map(|(kind, _)| kind.clone()).collect();
        let count = |kind: &ReactionType| set.iter().filter(|(other, _)| other == kind).count();
        let expected: Vec<_> = kinds.into_iter().map(|kind| {
            let number = u32::try_from(count(&kind)).expect("few");
            let mine = set.contains(&(kind.clone(), user(0)));
            (kind, number, mine)
        }).collect();
        prop_assert_eq!(shown(&rows, &ops), expected);
        // Rows that have it already, in any order.
        let stored: Vec<Reaction> = set.iter().rev().map(|(kind, user)| {
            Reaction { kind: kind.clone(), user: user.clone(), ..reaction(0, 0, 0, false, 2) }
        }).collect();
        prop_assert_eq!(shown(&stored, &ops), shown(&rows, &ops));
    }
}
