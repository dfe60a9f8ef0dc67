//! How a user keeps a channel, what of a message is for whom, and drafts.

use crate::values::{cid, device, message, message_id, timestamp, user};
use whimbrel_model::{
    DraftContent, DraftSeen, Hide, MemberState, Membership, MembershipChange, Merge, MessageBody, Mute, Op,
    Pin, Role, SetMute, Timestamp, limits,
};

fn own() -> Membership {
    Membership::new(cid(), user(0), Role::Member, MemberState::Active, 1)
}

fn all_on() -> MembershipChange {
    MembershipChange {
        consent: None,
        pinned: Some(true),
        archived: Some(true),
        hidden: Some(Hide::Until { seq: 7 }),
        muted: Some(SetMute::On(Mute { until: None })),
    }
}

#[test]
fn a_change_of_how_a_channel_is_kept_touches_what_it_names() {
    let mut row = own();
    assert!(row.change(&all_on(), timestamp(10)));
    let kept = |row: &Membership| (row.pinned_at, row.archived_at, row.hidden_seq, row.muted);
    let on = (
        Some(timestamp(10)),
        Some(timestamp(10)),
        Some(7),
        Some(Mute { until: None }),
    );
    assert_eq!(kept(&row), on);
    let unpin = MembershipChange {
        pinned: Some(false),
        ..MembershipChange::default()
    };
    assert!(row.change(&unpin, timestamp(11)));
    assert_eq!(kept(&row), (None, on.1, on.2, on.3));
    let off = MembershipChange {
        consent: None,
        pinned: None,
        archived: Some(false),
        hidden: Some(Hide::Show),
        muted: Some(SetMute::Off),
    };
    assert!(row.change(&off, timestamp(12)));
    assert_eq!(row, own());
}

#[test]
fn what_is_pinned_or_archived_again_stays_where_it_was() {
    let mut row = own();
    row.change(&all_on(), timestamp(10));
    let before = row.clone();
    assert!(!row.change(&all_on(), timestamp(20)), "nothing is different");
    assert_eq!(row, before);
}

#[test]
fn a_hidden_channel_shows_with_the_first_message_after_it() {
    let mut row = own();
    assert!(!row.is_hidden(0));
    row.hidden_seq = Some(7);
    assert!(row.is_hidden(3) && row.is_hidden(7));
    assert!(!row.is_hidden(8));
    row.hidden_seq = Some(0);
    assert!(row.is_hidden(0) && !row.is_hidden(1));
}

#[test]
fn a_mute_ends_at_its_time_or_never() {
    let mut row = own();
    assert!(!row.is_muted(timestamp(0)));
    row.muted = Some(Mute { until: None });
    assert!(row.is_muted(Timestamp(i64::MAX)));
    row.muted = Some(Mute {
        until: Some(timestamp(10)),
    });
    assert!(row.is_muted(timestamp(9)));
    assert!(!row.is_muted(timestamp(10)), "it is over at that time");
}

#[test]
fn a_pin_ends_at_its_time_or_never() {
    let mut row = message(1, 1, "hello");
    assert!(!row.is_pinned(timestamp(0)));
    let pin = |until| {
        Some(Pin {
            by: user(1),
            at: timestamp(1),
            until,
        })
    };
    row.pinned = pin(None);
    assert!(row.is_pinned(Timestamp(i64::MAX)));
    row.pinned = pin(Some(timestamp(10)));
    assert!(row.is_pinned(timestamp(9)));
    assert!(!row.is_pinned(timestamp(10)), "it is over at that time");
}

#[test]
fn what_counts_as_unread_where() {
    let (ada, bob) = (user(0), user(1));
    let plain = message(1, 1, "hello");
    let counts = |row: &whimbrel_model::Message| {
        (
            row.counts_as_unread_for(&bob),
            row.counts_as_unread_reply_for(&bob),
        )
    };
    assert_eq!(counts(&plain), (true, false));
    assert!(!plain.counts_as_unread_for(&ada), "it is her own");
    let mut reply = plain.clone();
    reply.parent = Some(message_id(0));
    assert_eq!(counts(&reply), (false, true));
    assert!(!reply.counts_as_unread_reply_for(&ada), "it is her own");
    reply.show_in_channel = true;
    assert_eq!(counts(&reply), (true, true), "it stands in both");
    for quiet in [true, false] {
        let mut row = reply.clone();
        row.silent = quiet;
        row.deleted_at = (!quiet).then(|| timestamp(3));
        assert_eq!(counts(&row), (false, false), "silent {quiet}, else deleted");
    }
}

#[test]
fn who_is_mentioned() {
    let mut body = MessageBody::text("@bob");
    assert!(!body.mentions(&user(1)), "a text says nothing");
    body.mentions = vec![user(2), user(1)];
    assert!(body.mentions(&user(1)) && !body.mentions(&user(0)));
    for everyone in [true, false] {
        let body = MessageBody {
            mention_channel: everyone,
            mention_here: !everyone,
            ..MessageBody::text("all")
        };
        assert!(body.mentions(&user(0)));
    }
}

fn draft(parent: Option<u64>, text: &str, replaces: Vec<DraftSeen>) -> Op {
    Op::SaveDraft {
        cid: cid(),
        parent: parent.map(message_id),
        device: device(0),
        content: Some(DraftContent::text(text)),
        replaces,
    }
}

fn seen(number: u64, ver: u64) -> DraftSeen {
    DraftSeen {
        device: device(number),
        ver,
    }
}

#[test]
fn of_two_drafts_in_one_place_the_later_is_left_and_replaces_what_either_did() {
    let first = draft(None, "a", vec![seen(1, 4), seen(2, 5)]);
    let later = draft(None, "b", vec![seen(3, 6), seen(1, 9)]);
    let merged = draft(None, "b", vec![seen(3, 6), seen(1, 9), seen(2, 5)]);
    assert_eq!(first.merged_with(&later), Merge::Replace(merged));
    let elsewhere = draft(Some(1), "b", Vec::new());
    assert_eq!(first.merged_with(&elsewhere), Merge::Keep);
    assert!(first.commutes_with(&elsewhere));
    assert!(!first.commutes_with(&later));
}

#[test]
fn drafts_that_are_merged_replace_no_more_than_one_may() {
    let most = limits::DRAFTS_REPLACED as u64;
    let first = draft(None, "a", (1..=most).map(|number| seen(number, 1)).collect());
    let later = draft(
        None,
        "b",
        (most + 1..=most + 2).map(|number| seen(number, 1)).collect(),
    );
    let Merge::Replace(merged) = first.merged_with(&later) else {
        panic!("there is one slot");
    };
    assert_eq!(merged.validate(), Ok(()));
    let Op::SaveDraft { replaces, .. } = merged else {
        panic!("it is a draft");
    };
    assert_eq!(
        (replaces.len(), replaces[0]),
        (limits::DRAFTS_REPLACED, seen(most + 1, 1))
    );
}

#[test]
fn changes_of_how_a_channel_is_kept_become_one_field_by_field() {
    let change = |change| Op::UpdateMembership { cid: cid(), change };
    let later = MembershipChange {
        archived: Some(false),
        muted: Some(SetMute::Off),
        ..MembershipChange::default()
    };
    let both = MembershipChange {
        archived: Some(false),
        muted: Some(SetMute::Off),
        ..all_on()
    };
    assert_eq!(
        change(all_on()).merged_with(&change(later)),
        Merge::Replace(change(both))
    );
}

#[test]
fn of_pinning_and_unpinning_one_message_the_last_is_left() {
    let pin = |number, until: Option<u64>| Op::PinMessage {
        cid: cid(),
        id: message_id(number),
        until: until.map(timestamp),
    };
    let unpin = Op::UnpinMessage {
        cid: cid(),
        id: message_id(1),
    };
    assert_eq!(pin(1, None).merged_with(&unpin), Merge::Replace(unpin.clone()));
    assert_eq!(
        unpin.merged_with(&pin(1, Some(5))),
        Merge::Replace(pin(1, Some(5)))
    );
    assert_eq!(
        pin(1, None).merged_with(&pin(1, Some(5))),
        Merge::Replace(pin(1, Some(5)))
    );
    assert_eq!(pin(2, None).merged_with(&unpin), Merge::Keep);
    assert!(pin(2, None).commutes_with(&unpin));
}

#[test]
fn read_positions_become_one_where_they_are_of_one_place() {
    let mark = |thread: Option<u64>, epoch, seq| Op::MarkRead {
        cid: cid(),
        thread: thread.map(message_id),
        epoch,
        seq,
    };
    assert_eq!(
        mark(Some(1), 0, 9).merged_with(&mark(Some(1), 1, 3)),
        Merge::Replace(mark(Some(1), 1, 3))
    );
    for elsewhere in [None, Some(2)] {
        assert_eq!(
            mark(Some(1), 0, 9).merged_with(&mark(elsewhere, 0, 10)),
            Merge::Keep
        );
        assert!(mark(Some(1), 0, 9).commutes_with(&mark(elsewhere, 0, 10)));
    }
}
