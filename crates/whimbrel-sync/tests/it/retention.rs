//! What may have acted, too long ago for the server to know.

use crate::{
    frames::{EPOCH, accepted, cid, create, message_id, op_ids, react, ready_when, send, user},
    world::World,
};
use whimbrel_model::{Code, Op, OpId};
use whimbrel_sync::{Input, Notice};

const DAY: i64 = 24 * 60 * 60 * 1_000;

/// Far from any bound, and where the world's clock is.
const START: i64 = 1_700_000_000_000;

/// Connects when the server's clock says this. Returns the operations that were sent, and those that were rejected.
fn connect(world: &mut World, server_time: i64) -> (Vec<OpId>, Vec<OpId>) {
    connect_with(world, server_time, server_time)
}

/// The same, with a device whose clock says something else.
fn connect_with(world: &mut World, server_time: i64, wall: i64) -> (Vec<OpId>, Vec<OpId>) {
    world.wall = wall;
    drop(world.greet());
    let effects = world.frame(ready_when("ada", EPOCH, server_time));
    let rejected = effects.notices.iter().filter_map(|notice| match notice {
        Notice::Settled(id, Err(rejection)) if rejection.code == Code::Expired => Some(*id),
        _ => None,
    });
    (op_ids(&effects.frames), rejected.collect())
}

fn cut(world: &mut World) {
    drop(world.input(Input::Closed {
        code: Code::HeartbeatLost,
    }));
}

/// Every kind that a late repeat could do harm with, in one lane.
fn delicate() -> Vec<Op> {
    let (channel, users) = (cid("general"), vec![user("bob")]);
    vec![
        Op::EditMessage {
            cid: channel.clone(),
            id: message_id(1),
            body: "edited".into(),
            base_revision: 0,
        },
        react("general", 1),
        Op::UpdateChannel {
            cid: channel.clone(),
            name: Some("name".to_owned()),
            image: None,
            custom: None,
        },
        Op::RemoveMembers {
            cid: channel.clone(),
            users: users.clone(),
        },
        Op::AddMembers { cid: channel, users },
    ]
}

#[test]
fn what_was_attempted_too_long_ago_waits_for_its_user() {
    let mut world = World::new();
    let ids: Vec<OpId> = delicate().into_iter().map(|op| world.queue(op).0).collect();
    assert_eq!(connect(&mut world, START).0, ids);
    cut(&mut world);
    let mut world = world.restarted();
    let (message, _) = world.queue(send("general", 1));
    assert_eq!(
        connect(&mut world, START + 31 * DAY),
        (vec![message], ids.clone())
    );
    let text = &world.item(ids[0]).rejection().unwrap().message;
    assert!(text.contains("30 days"), "{text}");
    let (again, _) = world.repeat(ids[0]).unwrap();
    assert!(world.outbox().contains(&again));
    drop(world.discard(ids[1]).unwrap());
}

#[test]
fn what_is_younger_goes_again() {
    let mut world = World::new();
    let ids: Vec<OpId> = delicate().into_iter().map(|op| world.queue(op).0).collect();
    drop(connect(&mut world, START));
    let mut world = world.restarted();
    assert_eq!(connect(&mut world, START + 28 * DAY), (ids, Vec::new()));
}

#[test]
fn what_is_its_own_record_goes_again_however_old() {
    let mut world = World::new();
    let deletion = Op::DeleteMessage {
        cid: cid("general"),
        id: message_id(9),
    };
    let read = Op::MarkRead {
        thread: None,
        cid: cid("general"),
        epoch: 0,
        seq: 3,
    };
    let ops = [create("general"), send("general", 1), deletion, read];
    let ids: Vec<OpId> = ops.into_iter().map(|op| world.queue(op).0).collect();
    drop(connect(&mut world, START));
    let mut world = world.restarted();
    assert_eq!(connect(&mut world, START + 1_000 * DAY), (ids, Vec::new()));
}

#[test]
fn what_was_never_sent_goes_out_however_old() {
    let mut world = World::new();
    let (id, _) = world.queue(react("general", 1));
    let mut world = world.restarted();
    assert_eq!(connect(&mut world, START + 1_000 * DAY), (vec![id], Vec::new()));
    // It was made long ago and attempted just now: it is as young as its attempt.
    cut(&mut world);
    assert_eq!(connect(&mut world, START + 1_001 * DAY), (vec![id], Vec::new()));
    cut(&mut world);
    assert_eq!(connect(&mut world, START + 1_031 * DAY), (Vec::new(), vec![id]));
}

#[test]
fn a_clock_that_was_never_set_or_is_wrong_now_asks_nobody() {
    let later = START + 31 * DAY;
    let clocks = [
        (5, later, later),
        (START, 5, 5),
        (START, later, START),
        (START, later, later + 2 * DAY),
        (later + 60 * DAY, later, later),
    ];
    for (made, server, now) in clocks {
        let mut world = World::new();
        world.wall = made;
        let (id, _) = world.queue(react("general", 1));
        drop(connect_with(&mut world, START, made));
        let mut world = world.restarted();
        assert_eq!(
            connect_with(&mut world, server, now),
            (vec![id], Vec::new()),
            "{made} {server} {now}"
        );
    }
}

#[test]
fn an_answer_that_comes_after_all_removes_it() {
    let mut world = World::new();
    let (id, _) = world.queue(react("general", 1));
    drop(connect(&mut world, START));
    let mut world = world.restarted();
    assert_eq!(connect(&mut world, START + 31 * DAY).1, [id]);
    drop(world.frame(accepted(id, Vec::new())));
    assert!(world.outbox().is_empty());
}
