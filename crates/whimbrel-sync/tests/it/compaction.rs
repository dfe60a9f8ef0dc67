//! Operations that were never sent and are as good as one, or as none.

mod law;

use crate::{
    frames::{accepted, cid, create, message_id, op_ids, ops, react, rejected, send, user, uuid},
    world::World,
};
use whimbrel_model::{
    Change, ChannelId, Code, DeviceId, DraftContent, DraftSeen, MembershipChange, Mute, Op, OpId, SetMute,
    Timestamp,
};
use whimbrel_sync::{CommandError, Notice};

fn edit(number: u64, text: &str) -> Op {
    Op::EditMessage {
        cid: cid("general"),
        id: message_id(number),
        body: text.into(),
        base_revision: 0,
    }
}

fn delete(number: u64) -> Op {
    Op::DeleteMessage {
        cid: cid("general"),
        id: message_id(number),
    }
}

fn unreact(number: u64) -> Op {
    Op::RemoveReaction {
        cid: cid("general"),
        message: message_id(number),
        kind: "like".try_into().expect("it is valid"),
    }
}

fn mark_read(epoch: u32, seq: u64) -> Op {
    Op::MarkRead {
        thread: None,
        cid: cid("general"),
        epoch,
        seq,
    }
}

fn mark_thread_read(thread: u64, epoch: u32, seq: u64) -> Op {
    let mut op = mark_read(epoch, seq);
    if let Op::MarkRead { thread: of, .. } = &mut op {
        *of = Some(message_id(thread));
    }
    op
}

fn pin(number: u64, until: Option<i64>) -> Op {
    Op::PinMessage {
        cid: cid("general"),
        id: message_id(number),
        until: until.map(Timestamp),
    }
}

fn unpin(number: u64) -> Op {
    Op::UnpinMessage {
        cid: cid("general"),
        id: message_id(number),
    }
}

fn keep(change: MembershipChange) -> Op {
    Op::UpdateMembership {
        cid: cid("general"),
        change,
    }
}

fn device(number: u64) -> DeviceId {
    DeviceId(uuid(5_000 + number))
}

/// A draft of this device, which has seen those of other devices.
fn draft(parent: Option<u64>, text: &str, seen: &[u64]) -> Op {
    let seen = seen.iter().map(|other| DraftSeen {
        device: device(*other),
        ver: 1,
    });
    Op::SaveDraft {
        cid: cid("general"),
        parent: parent.map(message_id),
        device: device(0),
        content: (!text.is_empty()).then(|| DraftContent::text(text)),
        replaces: seen.collect(),
    }
}

fn rename(name: Option<&str>, image: Option<&str>) -> Op {
    Op::UpdateChannel {
        cid: cid("general"),
        name: name.map(str::to_owned),
        image: image.map(str::to_owned),
        custom: None,
    }
}

fn profile(name: Option<&str>, image: Option<&str>) -> Op {
    Op::UpdateUser {
        name: name.map(str::to_owned),
        image: image.map(str::to_owned),
        custom: None,
    }
}

fn leave() -> Op {
    Op::RemoveMembers {
        cid: cid("general"),
        users: vec![user("ada")],
    }
}

fn reply(number: u64, to: u64, quotes: bool) -> Op {
    let mut op = send("general", number);
    if let Op::SendMessage { parent, quoted, .. } = &mut op {
        let target = Some(message_id(to));
        *(if quotes { quoted } else { parent }) = target;
    }
    op
}

/// What waits after these were queued offline.
fn queued(ops: impl IntoIterator<Item = Op>) -> Vec<Op> {
    let mut world = World::new();
    for op in ops {
        drop(world.queue(op));
    }
    left(&world)
}

fn left(world: &World) -> Vec<Op> {
    let items = world.disk.loaded.outbox.iter();
    items.map(|item| item.op.clone()).collect()
}

fn body(op: &Op) -> &str {
    match op {
        Op::SendMessage { body, .. } | Op::EditMessage { body, .. } => &body.text,
        _ => "",
    }
}

fn settled(id: OpId) -> Notice {
    Notice::Settled(id, Ok(()))
}

#[test]
fn an_edit_of_an_unsent_message_changes_what_will_be_sent() {
    let mut world = World::new();
    let (sent, _) = world.queue(send("general", 1));
    let (other, _) = world.queue(send("general", 2));
    let (edited, effects) = world.queue(edit(1, "better"));
    assert_eq!(effects.delta.changes, [Change::Outbox(world.item(sent).clone())]);
    assert!(effects.notices.is_empty(), "it settles with the message");
    assert_eq!(world.outbox(), [sent, other]);
    assert_eq!(body(&world.item(sent).op), "better");

    let effects = world.hello();
    assert_eq!(op_ids(&effects.frames), [sent, other]);
    let effects = world.frame(accepted(sent, Vec::new()));
    assert_eq!(effects.notices, [settled(sent), settled(edited)]);
}

#[test]
fn a_rejection_reaches_what_was_folded_into_the_rejected() {
    let mut world = World::new();
    let (sent, _) = world.queue(send("general", 1));
    let (edited, _) = world.queue(edit(1, "better"));
    drop(world.hello());
    let effects = world.frame(rejected(sent, Code::NotMember));
    let told = effects.notices.iter().map(|notice| match notice {
        Notice::Settled(id, outcome) => (*id, outcome.is_err()),
        other => panic!("{other:?}"),
    });
    assert_eq!(told.collect::<Vec<_>>(), [(sent, true), (edited, true)]);
}

#[test]
fn what_was_attempted_is_undone_by_a_new_operation() {
    let mut world = World::live();
    let (sent, effects) = world.queue(send("general", 1));
    let first = ops(&effects.frames);
    drop(world.input(whimbrel_sync::Input::GoOffline));
    let (edited, _) = world.queue(edit(1, "better"));
    let (deleted, _) = world.queue(delete(1));
    assert_eq!(world.outbox(), [sent, edited, deleted]);
    let mut world = world.restarted();
    let again = ops(&world.hello().frames);
    assert_eq!(again[0], first[0]);
    assert_eq!(again.len(), 3);
}

#[test]
fn of_two_edits_the_last_is_left_with_the_revision_that_the_first_saw() {
    let later = Op::EditMessage {
        cid: cid("general"),
        id: message_id(1),
        body: "two".into(),
        base_revision: 4,
    };
    let left = queued([edit(1, "one"), edit(2, "other"), react("general", 1), later]);
    assert_eq!(left, [edit(1, "two"), edit(2, "other"), react("general", 1)]);
}

#[test]
fn an_unsent_message_that_is_deleted_is_never_heard_of() {
    let mut world = World::new();
    let (sent, _) = world.queue(send("general", 1));
    let (other, _) = world.queue(send("general", 2));
    let (edited, _) = world.queue(edit(1, "better"));
    let (reaction, _) = world.queue(react("general", 1));
    let (deleted, effects) = world.queue(delete(1));
    let mut told = effects.notices.clone();
    told.sort_by_key(|notice| format!("{notice:?}"));
    let mut all = [sent, edited, reaction, deleted].map(settled);
    all.sort_by_key(|notice| format!("{notice:?}"));
    assert_eq!(told, all);
    assert_eq!(world.outbox(), [other]);
    assert_eq!(op_ids(&world.hello().frames), [other]);
}

#[test]
fn a_message_that_something_else_needs_is_sent_and_deleted() {
    for quotes in [false, true] {
        let ops = [send("general", 1), reply(2, 1, quotes), delete(1)];
        assert_eq!(queued(ops.clone()), ops);
    }
}

#[test]
fn a_message_that_a_rejected_reply_needs_is_sent_and_deleted() {
    let mut world = World::live();
    let (sent, _) = world.queue(send("general", 1));
    let (answer, _) = world.queue(reply(2, 1, false));
    drop(world.frame(rejected(sent, Code::RateLimited)));
    drop(world.frame(rejected(answer, Code::MessageNotFound)));
    drop(world.input(whimbrel_sync::Input::GoOffline));
    drop(world.repeat(sent).expect("it was rejected"));
    drop(world.queue(delete(1)));
    assert_eq!(left(&world), [reply(2, 1, false), send("general", 1), delete(1)]);
}

#[test]
fn of_opposite_reactions_the_last_is_left() {
    let add = || react("general", 1);
    assert_eq!(queued([add(), unreact(1)]), [unreact(1)]);
    assert_eq!(queued([unreact(1), add()]), [add()]);
    assert_eq!(queued([add(), unreact(1), add(), unreact(1)]), [unreact(1)]);
    let other = Op::AddReaction {
        cid: cid("general"),
        message: message_id(1),
        kind: "wow".try_into().expect("it is valid"),
    };
    assert_eq!(queued([add(), other.clone(), unreact(1)]), [unreact(1), other]);
}

#[test]
fn a_reaction_to_an_unsent_message_that_is_taken_back_leaves_nothing() {
    let left = queued([send("general", 1), react("general", 1), unreact(1)]);
    assert_eq!(left, [send("general", 1)]);
}

#[test]
fn of_many_read_positions_the_furthest_is_left() {
    let left = queued((1..=50).map(|seq| mark_read(0, seq)));
    assert_eq!(left, [mark_read(0, 50)]);
    assert_eq!(queued([mark_read(0, 9), mark_read(0, 3)]), [mark_read(0, 9)]);
    assert_eq!(queued([mark_read(0, 9), mark_read(1, 3)]), [mark_read(1, 3)]);
}

#[test]
fn read_positions_of_the_timeline_and_of_each_thread_are_apart() {
    let left = queued([
        mark_read(0, 5),
        mark_thread_read(1, 0, 3),
        mark_thread_read(2, 0, 4),
        mark_read(0, 6),
        mark_thread_read(1, 1, 2),
    ]);
    assert_eq!(
        left,
        [
            mark_read(0, 6),
            mark_thread_read(1, 1, 2),
            mark_thread_read(2, 0, 4)
        ]
    );
}

#[test]
fn a_read_position_in_a_thread_is_not_folded_over_an_own_reply() {
    // The reply moves the position too, in the epoch that it finds.
    let ops = [
        mark_thread_read(0, 0, 5),
        reply(9, 0, false),
        mark_thread_read(0, 1, 3),
    ];
    assert_eq!(queued(ops.clone()), ops);
    let elsewhere = [
        mark_thread_read(1, 0, 5),
        reply(9, 0, false),
        mark_thread_read(1, 1, 3),
    ];
    assert_eq!(queued(elsewhere), [mark_thread_read(1, 1, 3), reply(9, 0, false)]);
}

#[test]
fn of_many_drafts_in_one_place_the_last_is_left() {
    let typed = ["S", "Se", "See", "See you"].map(|text| draft(None, text, &[]));
    let left = queued(typed.into_iter().chain([draft(Some(1), "reply", &[])]));
    assert_eq!(left, [draft(None, "See you", &[]), draft(Some(1), "reply", &[])]);
    let left = queued([
        draft(None, "mine", &[1, 2]),
        send("general", 1),
        draft(None, "", &[3]),
    ]);
    assert_eq!(left, [draft(None, "", &[3, 1, 2]), send("general", 1)]);
}

#[test]
fn how_a_channel_is_kept_becomes_one_change_field_by_field() {
    let pinned = |pinned| MembershipChange {
        pinned: Some(pinned),
        ..MembershipChange::default()
    };
    let muted = MembershipChange {
        muted: Some(SetMute::On(Mute { until: None })),
        ..MembershipChange::default()
    };
    let left = queued([
        keep(pinned(true)),
        keep(muted),
        send("general", 1),
        keep(pinned(false)),
    ]);
    let both = MembershipChange {
        pinned: Some(false),
        ..muted
    };
    assert_eq!(left, [keep(both), send("general", 1)]);
}

#[test]
fn of_pins_of_one_message_the_last_is_left_and_none_of_a_deleted_one() {
    let left = queued([pin(1, None), pin(2, None), unpin(1), pin(1, Some(9))]);
    assert_eq!(left, [pin(1, Some(9)), pin(2, None)]);
    assert_eq!(queued([send("general", 1), pin(1, None), delete(1)]), []);
}

#[test]
fn a_distinct_channel_of_other_members_is_not_queued() {
    let mut world = World::live();
    let distinct = |members: [&str; 2]| {
        let mut op = create("general");
        if let Op::CreateChannel { cid, .. } = &mut op {
            let members = members.map(user);
            *cid = ChannelId::distinct("messaging", &members).expect("they are two");
        }
        op
    };
    let refused = world.with_env(|engine, env| engine.enqueue(distinct(["bob", "eve"]), env).err());
    assert!(matches!(refused, Some(CommandError::Invalid(_))), "{refused:?}");
    assert_eq!(left(&world), []);
    // Ada creates it with bob.
    let (made, _) = world.queue(distinct(["ada", "bob"]));
    drop(world.frame(rejected(made, Code::RateLimited)));
    let (again, _) = world.repeat(made).expect("it was rejected");
    assert_eq!(world.outbox(), [again]);
}

#[test]
fn updates_become_one_with_the_later_fields() {
    let left = queued([
        rename(Some("a"), Some("i")),
        send("general", 1),
        rename(Some("b"), None),
        profile(Some("Ada"), None),
        profile(None, Some("picture")),
    ]);
    let expected = [
        rename(Some("b"), Some("i")),
        send("general", 1),
        profile(Some("Ada"), Some("picture")),
    ];
    assert_eq!(left, expected);
}

#[test]
fn nothing_is_folded_over_what_decides_who_may() {
    let ops = [edit(1, "one"), leave(), edit(1, "two")];
    assert_eq!(queued(ops.clone()), ops);
    let ops = [send("general", 1), leave(), delete(1)];
    assert_eq!(queued(ops.clone()), ops);
    let ops = [mark_read(0, 1), create("general"), mark_read(0, 2)];
    assert_eq!(queued(ops.clone()), ops);
}

#[test]
fn nothing_is_folded_over_a_deletion() {
    let ops = [edit(1, "one"), delete(1), edit(1, "two")];
    assert_eq!(queued(ops.clone()), ops);
    let ops = [react("general", 1), delete(1), unreact(1)];
    assert_eq!(queued(ops.clone()), ops);
}

#[test]
fn a_full_outbox_takes_what_needs_no_place() {
    let mut world = World::new();
    for number in 0..whimbrel_model::limits::OUTBOX_ITEMS as u64 {
        let queued = world.with_env(|engine, env| engine.enqueue(send("general", number), env));
        drop(queued.expect("there is room"));
    }
    let queued = world.with_env(|engine, env| engine.enqueue(edit(9_999, "better"), env));
    assert!(queued.is_ok());
}
