//! What the server decided against.

use crate::{
    frames::{accepted, cid, create, message_id, op_ids, react, rejected, send},
    world::World,
};
use whimbrel_model::{Code, Op, OpId};
use whimbrel_sync::{CommandError, Input, Notice};

fn edit(channel: &str, number: u64) -> Op {
    Op::EditMessage {
        cid: cid(channel),
        id: message_id(number),
        body: "edited".into(),
        base_revision: 0,
    }
}

fn code(world: &World, id: OpId) -> Option<Code> {
    world.item(id).rejection().map(|rejection| rejection.code.clone())
}

fn parent(world: &World, id: OpId) -> Option<OpId> {
    world.item(id).rejection().and_then(|rejection| rejection.parent)
}

#[test]
fn a_rejected_operation_is_parked_with_its_content() {
    let mut world = World::live();
    let (id, _) = world.queue(send("general", 1));
    let effects = world.frame(rejected(id, Code::NotMember));
    let item = world.item(id);
    assert_eq!(item.op, send("general", 1));
    let rejection = item.rejection().unwrap().clone();
    assert_eq!(
        (rejection.code.clone(), rejection.message.as_str()),
        (Code::NotMember, "because")
    );
    assert_eq!(effects.notices, [Notice::Settled(id, Err(rejection))]);
}

#[test]
fn a_parked_operation_is_never_sent_again() {
    let mut world = World::live();
    let (id, _) = world.queue(send("general", 1));
    drop(world.frame(rejected(id, Code::NotMember)));
    let mut world = world.restarted();
    assert!(op_ids(&world.hello().frames).is_empty());
    assert_eq!(world.outbox(), [id]);
}

/// A channel whose lane is full: what is queued then is not sent.
fn full_lane(world: &mut World, first: Op) -> OpId {
    let (root, _) = world.queue(first);
    for number in 1..whimbrel_model::limits::LANE_IN_FLIGHT as u64 {
        drop(world.queue(send("general", 1_000 + number)));
    }
    root
}

#[test]
fn dependents_that_were_never_sent_are_rejected_with_the_operation_that_they_need() {
    let mut world = World::live();
    let root = full_lane(&mut world, create("general"));
    let (message, _) = world.queue(send("general", 1));
    let (reaction, _) = world.queue(react("general", 1));
    let (other, _) = world.queue(send("other", 2));
    let effects = world.frame(rejected(root, Code::IdConflict));
    for id in [message, reaction] {
        assert_eq!(code(&world, id), Some(Code::ParentRejected));
        assert_eq!(parent(&world, id), Some(root));
    }
    let settled = effects
        .notices
        .iter()
        .filter(|notice| matches!(notice, Notice::Settled(..)));
    assert_eq!(settled.count(), 3, "each is told once");
    assert_eq!(code(&world, other), None);
}

#[test]
fn a_dependent_of_a_dependent_names_the_one_that_it_needs_itself() {
    let mut world = World::live();
    let root = full_lane(&mut world, send("general", 1));
    let reply = Op::SendMessage {
        kind: whimbrel_model::MessageKind::Regular,
        silent: false,
        cid: cid("general"),
        id: message_id(2),
        body: "a reply".into(),
        parent: Some(message_id(1)),
        show_in_channel: false,
        quoted: None,
    };
    let (reply, _) = world.queue(reply);
    let (reaction, _) = world.queue(react("general", 2));
    let (unrelated, _) = world.queue(send("general", 3));
    drop(world.frame(rejected(root, Code::Invalid)));
    assert_eq!(parent(&world, reply), Some(root));
    assert_eq!(parent(&world, reaction), Some(reply));
    assert_eq!(code(&world, unrelated), None);
    assert!(world.item(unrelated).attempted, "the lane goes on");
}

#[test]
fn dependents_that_were_sent_wait_for_their_own_answer() {
    let mut world = World::live();
    let (root, _) = world.queue(send("general", 1));
    let (edited, _) = world.queue(edit("general", 1));
    drop(world.frame(rejected(root, Code::Invalid)));
    assert_eq!(code(&world, edited), None);
    drop(world.frame(rejected(edited, Code::MessageNotFound)));
    assert_eq!(code(&world, edited), Some(Code::MessageNotFound));
}

#[test]
fn a_repeated_answer_does_not_reject_what_was_queued_since() {
    let mut world = World::live();
    let (root, _) = world.queue(create("general"));
    drop(world.frame(rejected(root, Code::IdConflict)));
    drop(world.input(Input::GoOffline));
    drop(world.hello());
    let later = full_lane(&mut world, send("general", 1));
    let (unsent, _) = world.queue(send("general", 2));
    let effects = world.frame(rejected(root, Code::IdConflict));
    assert!(effects.notices.is_empty());
    assert_eq!(code(&world, later), None);
    assert_eq!(code(&world, unsent), None);
}

#[test]
fn a_rejected_operation_can_be_discarded() {
    let mut world = World::live();
    let (id, _) = world.queue(send("general", 1));
    drop(world.frame(rejected(id, Code::Invalid)));
    let effects = world.discard(id).unwrap();
    assert!(effects.notices.is_empty(), "it was settled before");
    assert!(world.outbox().is_empty());
    assert_eq!(world.discard(id).unwrap_err(), CommandError::NotInOutbox(id));
}

#[test]
fn what_was_never_sent_can_be_discarded_with_what_needs_it() {
    let mut world = World::new();
    let (root, _) = world.queue(send("general", 1));
    let (reaction, _) = world.queue(react("general", 1));
    let (other, _) = world.queue(send("general", 2));
    let effects = world.discard(root).unwrap();
    assert_eq!(world.outbox(), [reaction, other]);
    assert_eq!(parent(&world, reaction), Some(root));
    assert_eq!(effects.notices.len(), 2);
    assert_eq!(op_ids(&world.hello().frames), [other]);
}

#[test]
fn what_may_have_been_sent_cannot_be_discarded() {
    let mut world = World::live();
    let (id, _) = world.queue(send("general", 1));
    assert_eq!(world.discard(id).unwrap_err(), CommandError::Attempted(id));
    let mut world = world.restarted();
    assert_eq!(world.discard(id).unwrap_err(), CommandError::Attempted(id));
}

#[test]
fn a_rejected_operation_is_repeated_under_a_new_id_at_the_end() {
    let mut world = World::live();
    let (old, _) = world.queue(send("general", 1));
    drop(world.frame(rejected(old, Code::Forbidden)));
    let (between, _) = world.queue(send("general", 2));
    let (new, effects) = world.repeat(old).unwrap();
    assert_ne!(new, old);
    assert_eq!(world.outbox(), [between, new]);
    assert_eq!(op_ids(&effects.frames), [new]);
    assert_eq!(world.item(new).op, send("general", 1));
    drop(world.frame(accepted(new, Vec::new())));
    assert_eq!(world.outbox(), [between]);
}

#[test]
fn only_what_was_rejected_can_be_repeated() {
    let mut world = World::live();
    let (id, _) = world.queue(send("general", 1));
    assert_eq!(world.repeat(id).unwrap_err(), CommandError::NotRejected(id));
    drop(world.frame(accepted(id, Vec::new())));
    assert_eq!(world.repeat(id).unwrap_err(), CommandError::NotInOutbox(id));
}

#[test]
fn what_cannot_be_queued_any_more_is_kept_when_it_is_repeated() {
    let mut world = World::live();
    let (id, _) = world.queue(send("general", 1));
    drop(world.frame(rejected(id, Code::Invalid)));
    // A version with stricter rules finds it on disk.
    for item in &mut world.disk.loaded.outbox {
        item.op = edit("general", 1);
        if let Op::EditMessage { body, .. } = &mut item.op {
            body.text = String::new();
        }
    }
    let mut world = world.restarted();
    assert_eq!(world.repeat(id).unwrap_err().code(), "invalid");
    drop(world.hello());
    assert_eq!(world.outbox(), [id]);
}

#[test]
fn a_rejected_message_is_repeated_with_another_body() {
    let mut world = World::live();
    let (old, _) = world.queue(send("general", 1));
    drop(world.frame(rejected(old, Code::TooLarge)));
    let empty = world.with_env(|engine, env| engine.repeat_with(old, String::new().into(), env));
    assert_eq!(empty.unwrap_err().code(), "invalid");
    let (new, effects) = world
        .with_env(|engine, env| engine.repeat_with(old, "shorter".into(), env))
        .unwrap();
    let effects = world.commit(effects);
    assert_eq!(op_ids(&effects.frames), [new]);
    let Op::SendMessage { id, body, .. } = &world.item(new).op else {
        panic!("it is a message");
    };
    assert_eq!((*id, body.text.as_str()), (message_id(1), "shorter"));
    assert_eq!(world.outbox(), [new]);
}

#[test]
fn what_has_no_body_is_not_repeated_with_one() {
    let mut world = World::live();
    let (id, _) = world.queue(react("general", 1));
    drop(world.frame(rejected(id, Code::NotMember)));
    let error = world
        .with_env(|engine, env| engine.repeat_with(id, "text".into(), env))
        .unwrap_err();
    assert_eq!(error.code(), "invalid");
    assert_eq!(world.outbox(), [id]);
}

#[test]
fn everything_rejected_is_repeated_in_its_order() {
    let mut world = World::live();
    let root = full_lane(&mut world, create("general"));
    let (message, _) = world.queue(send("general", 1));
    drop(world.queue(react("general", 1)));
    drop(world.frame(rejected(root, Code::Forbidden)));
    assert_eq!(code(&world, message), Some(Code::ParentRejected));
    let (ids, effects) = world.with_env(whimbrel_sync::Engine::repeat_all);
    drop(world.commit(effects));
    let again: Vec<_> = ids.iter().map(|id| world.item(*id).op.clone()).collect();
    assert_eq!(
        again,
        [create("general"), send("general", 1), react("general", 1)]
    );
    let items = &world.disk.loaded.outbox;
    assert!(items.iter().all(|item| item.rejection().is_none()));
}
