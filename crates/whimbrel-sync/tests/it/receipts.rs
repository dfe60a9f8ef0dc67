//! Delivered marks: what has come from others is told of, once, soon and not often.

use crate::{
    frames::{
        EPOCH, accepted, accepted_all, channel, cid, cursor, event, head, heads_page, in_window, membership,
        message, op_ids, page, rejected, retry, send, step, syncs, user,
    },
    world::World,
};
use whimbrel_model::{
    Change, Code, Cursor, Delivered, DeviceId, MemberState, Message, Op, OpEnvelope, Read, ReadPosition, Row,
    limits,
};
use whimbrel_protocol::{Page, ServerFrame};
use whimbrel_sync::{Effects, Input, Status};

/// Live; the test answers the marks.
fn live() -> World {
    let mut world = World::live();
    world.answers_marks = true;
    world
}

/// The marks that left since the last call: which channel, and up to where.
fn marks(world: &mut World) -> Vec<(String, u64)> {
    let device = world.engine.account().device;
    let marks = std::mem::take(&mut world.marks);
    let told = marks.iter().map(|mark| match &mark.op {
        Op::MarkDelivered { cid, device: of, seq } => {
            assert_eq!(*of, device);
            assert_eq!(mark.after, None);
            (cid.local_id().to_owned(), *seq)
        }
        op => panic!("{op:?}"),
    });
    told.collect()
}

/// A live step with one message of bob, whose number is its `seq` and its `ver`.
fn arrives(world: &mut World, name: &str, seq: u64) -> Effects {
    let rows = vec![message(name, seq, seq)];
    world.frame(event(channel(name), seq - 1, seq, seq, rows))
}

fn register(world: &World, name: &str, seq: u64, ver: u64) -> Delivered {
    let mut row = Delivered::new(cid(name), user("ada"));
    row.advance(world.engine.account().device, seq);
    Delivered { ver, ..row }
}

/// Answers a mark as a server does that takes it.
fn take(world: &mut World, mark: &OpEnvelope, ver: u64) {
    let Op::MarkDelivered { cid: of, seq, .. } = &mark.op else {
        panic!("{mark:?}")
    };
    let row = Row::Delivered(register(world, of.local_id(), *seq, ver));
    let step = step(channel(of.local_id()), ver - 1, ver, *seq, vec![row]);
    drop(world.frame(accepted(mark.id, vec![step])));
}

fn wait(world: &mut World, ms: u64) -> Effects {
    world.now += ms;
    world.input(Input::Timer)
}

#[test]
fn what_comes_from_others_is_marked_with_the_delta_that_brings_it_and_own_messages_are_not() {
    let mut world = live();
    let effects = arrives(&mut world, "general", 1);
    assert!(matches!(effects.delta.changes[0], Change::Row(Row::Message(_))));
    assert_eq!(marks(&mut world), [("general".to_owned(), 1)]);

    let mut world = live();
    let (id, _) = world.queue(send("general", 1));
    let Row::Message(row) = message("general", 1, 1) else {
        unreachable!()
    };
    let own = Row::Message(Message {
        author: user("ada"),
        ..row
    });
    drop(world.frame(accepted(id, vec![step(channel("general"), 0, 1, 1, vec![own])])));
    assert!(marks(&mut world).is_empty() && !world.engine.owes_delivered());
}

#[test]
fn a_channel_is_marked_at_most_once_in_two_seconds_and_many_in_one_frame() {
    let mut world = live();
    drop(arrives(&mut world, "general", 1));
    let first = world.marks[0].clone();
    take(&mut world, &first, 2);
    drop(marks(&mut world));
    for name in ["general", "random"] {
        let (from, seq) = if name == "general" { (2, 2) } else { (0, 1) };
        let rows = vec![message(name, seq, from + 1)];
        drop(world.frame(event(channel(name), from, from + 1, seq, rows)));
    }
    drop(wait(&mut world, limits::DELIVERED_EVERY_MS - 1));
    assert!(world.marks.is_empty());
    assert_eq!(world.engine.next_wake(), Some(world.now + 1));
    drop(wait(&mut world, 1));
    assert_eq!(
        marks(&mut world),
        [("general".to_owned(), 2), ("random".to_owned(), 1)]
    );
    // What is told now is told sooner, but not beside another frame of marks.
    drop(world.frame(event(channel("random"), 1, 2, 2, vec![message("random", 2, 2)])));
    let effects = world.with_env(|engine, env| engine.tell_delivered(env));
    drop(world.commit(effects));
    assert!(world.marks.is_empty() && world.engine.owes_delivered());
}

#[test]
fn a_frame_has_no_more_marks_than_one_may_and_the_next_waits_for_its_answer() {
    let mut world = live();
    drop(arrives(&mut world, "general", 1));
    let first = world.marks.pop().unwrap();
    take(&mut world, &first, 2);
    let names: Vec<String> = (0..limits::OPS_PER_BATCH + 5)
        .map(|n| format!("c{n:02}"))
        .collect();
    for name in &names {
        drop(arrives(&mut world, name, 1));
    }
    drop(wait(&mut world, limits::DELIVERED_EVERY_MS));
    let sent = std::mem::take(&mut world.marks);
    assert_eq!(sent.len(), limits::OPS_PER_BATCH);
    for mark in &sent {
        assert!(world.marks.is_empty());
        take(&mut world, mark, 2);
    }
    assert_eq!(world.marks.len(), 5);
}

#[test]
fn a_mark_that_moves_nothing_is_not_repeated_on_this_connection() {
    for refusal in [None, Some(Code::NotMember)] {
        let mut world = live();
        drop(arrives(&mut world, "general", 1));
        let mark = world.marks.pop().unwrap();
        drop(world.frame(match refusal {
            None => accepted_all(&[mark.id]),
            Some(code) => rejected(mark.id, code),
        }));
        assert!(!world.engine.owes_delivered());
        drop(arrives(&mut world, "general", 2));
        drop(wait(&mut world, 3 * limits::DELIVERED_EVERY_MS));
        assert!(world.marks.is_empty());
        // It may be another server.
        drop(world.input(Input::Closed {
            code: Code::HeartbeatLost,
        }));
        world.answers_marks = true;
        world.now += 60_000;
        drop(world.input(Input::Timer));
        let world = &mut world;
        drop(world.input(Input::Connected(whimbrel_protocol::Token::new("a token"))));
        let effects = world.frame(crate::frames::ready());
        assert!(world.marks.is_empty(), "what is behind is not known yet");
        world.answer_all(&effects);
        assert_eq!(marks(world), [("general".to_owned(), 2)]);
    }
}

#[test]
fn a_register_that_moves_says_that_marks_are_taken_after_all() {
    let mut world = live();
    drop(arrives(&mut world, "general", 1));
    let mark = world.marks.pop().unwrap();
    // An earlier attempt, of which the answer was lost, moved it.
    drop(world.frame(accepted_all(&[mark.id])));
    let row = register(&world, "general", 1, 2);
    drop(world.frame(event(channel("general"), 1, 2, 1, vec![Row::Delivered(row)])));
    drop(wait(&mut world, limits::DELIVERED_EVERY_MS));
    drop(world.frame(event(channel("general"), 2, 3, 2, vec![message("general", 2, 3)])));
    assert_eq!(marks(&mut world), [("general".to_owned(), 2)]);
}

fn read(name: &str, seq: u64, ver: u64, private: bool) -> Row {
    let mut row = Read::new(cid(name), user("ada"), None);
    row.advance(ReadPosition { epoch: 0, seq });
    Row::Read(Read { ver, private, ..row })
}

#[test]
fn what_others_see_as_read_or_as_delivered_needs_no_mark() {
    let other = DeviceId(uuid::Uuid::from_u128(7));
    let elsewhere = |public| {
        let mut row = Delivered::new(cid("general"), user("ada"));
        row.devices_public = public;
        row.advance(other, 1);
        Row::Delivered(Delivered { ver: 2, ..row })
    };
    for (row, owed) in [
        (read("general", 1, 2, false), false),
        (read("general", 1, 2, true), true),
        (elsewhere(false), false),
        (elsewhere(true), true),
    ] {
        let mut world = live();
        let rows = vec![message("general", 1, 1), row.clone()];
        drop(world.frame(event(channel("general"), 0, 2, 1, rows)));
        assert_eq!(!marks(&mut world).is_empty(), owed, "{row:?}");
        // In whichever order they come.
        let mut world = live();
        let rows = vec![row.clone(), message("general", 1, 3)];
        drop(world.frame(event(channel("general"), 0, 3, 1, rows)));
        assert_eq!(!marks(&mut world).is_empty(), owed, "{row:?}");
    }
}

#[test]
fn old_messages_that_change_are_not_told_of_again() {
    let mut world = live();
    drop(arrives(&mut world, "general", 1));
    let mark = world.marks.pop().unwrap();
    take(&mut world, &mark, 2);
    let mut world = World::on(world.disk, 5).online();
    world.answers_marks = true;
    drop(world.frame(event(channel("general"), 2, 3, 1, vec![message("general", 1, 3)])));
    assert!(marks(&mut world).is_empty() && !world.engine.owes_delivered());
}

#[test]
fn what_the_store_says_is_owed_is_told_once_the_channel_is_up_to_date() {
    let mut world = live();
    drop(arrives(&mut world, "general", 1));
    let mut disk = world.disk;
    disk.loaded.undelivered.insert(cid("general"), 1);
    let mut world = World::on(disk, 5);
    world.answers_marks = true;
    let effects = world.hello();
    let heads = crate::frames::asks_heads(&effects.frames);
    let news = vec![(channel("general"), head(2, 2))];
    let effects = world.frame(heads_page(heads[0].id, "1", false, news));
    assert!(world.marks.is_empty());
    let ask = &syncs(&effects.frames)[0];
    drop(world.frame(ServerFrame::Page(page(
        ask,
        1,
        cursor(2, 2),
        vec![message("general", 2, 2)],
    ))));
    assert_eq!(marks(&mut world), [("general".to_owned(), 2)]);
}

#[test]
fn a_snapshot_is_told_of_at_its_end_and_what_was_read_before_is_not() {
    let mut world = live();
    let joined = membership("general", MemberState::Active, 1);
    let effects = world.frame(event(crate::frames::me(), 0, 1, 0, vec![joined]));
    let ask = &syncs(&effects.frames)[0];
    let first = Page {
        more: true,
        head: head(9, 60),
        ..page(
            ask,
            0,
            in_window(3, 0, 11, 9),
            vec![
                read("general", 20, 1, false),
                message("general", 20, 2),
                message("general", 21, 3),
            ],
        )
    };
    let effects = world.frame(ServerFrame::Page(first));
    assert!(world.marks.is_empty());
    let ask = &syncs(&effects.frames)[0];
    let last = page(ask, 3, cursor(9, 60), vec![message("general", 60, 9)]);
    drop(world.frame(ServerFrame::Page(last)));
    assert_eq!(marks(&mut world), [("general".to_owned(), 60)]);
}

#[test]
fn what_is_left_or_of_another_history_is_not_told_of() {
    let mut world = live();
    drop(arrives(&mut world, "general", 1));
    let mark = world.marks.pop().unwrap();
    take(&mut world, &mark, 2);
    drop(world.frame(event(channel("general"), 2, 3, 2, vec![message("general", 2, 3)])));
    let gone = membership("general", MemberState::Gone, 1);
    drop(world.frame(event(crate::frames::me(), 0, 1, 0, vec![gone])));
    assert!(!world.engine.owes_delivered());

    let mut world = live();
    drop(arrives(&mut world, "general", 5));
    let mut disk = world.disk;
    disk.loaded.undelivered.insert(cid("general"), 5);
    let mut world = World::on(disk, 5);
    world.answers_marks = true;
    drop(world.greet());
    let effects = world.frame(crate::frames::ready_as("ada", whimbrel_model::Epoch(EPOCH.0 + 1)));
    let heads = crate::frames::asks_heads(&effects.frames);
    let effects = world.frame(heads_page(heads[0].id, "1", false, Vec::new()));
    for ask in syncs(&effects.frames) {
        let to = Cursor {
            epoch: whimbrel_model::Epoch(EPOCH.0 + 1),
            ..cursor(0, 0)
        };
        let reset = Page {
            reset: true,
            ..page(&ask, 0, to, Vec::new())
        };
        drop(world.frame(ServerFrame::Page(reset)));
    }
    assert!(world.marks.is_empty() && !world.engine.owes_delivered());
}

#[test]
fn a_server_that_cannot_now_is_asked_later_and_one_that_does_not_answer_is_left() {
    let mut world = live();
    drop(arrives(&mut world, "general", 1));
    let mark = world.marks.pop().unwrap();
    drop(world.frame(retry(mark.id, Code::Unavailable, Some(10_000))));
    drop(wait(&mut world, 9_999));
    assert!(world.marks.is_empty());
    drop(wait(&mut world, 5_000));
    let again = world.marks.pop().unwrap();
    assert_ne!(again.id, mark.id, "a mark has no memory");
    drop(wait(&mut world, 30_000));
    assert!(matches!(world.engine.status(), Status::BackingOff { .. }));
}

#[test]
fn marks_stay_out_of_the_outbox() {
    let mut world = live();
    drop(arrives(&mut world, "general", 1));
    assert!(world.outbox().is_empty());
    let (id, effects) = world.queue(send("general", 2));
    assert_eq!(op_ids(&effects.frames), [id]);
}
