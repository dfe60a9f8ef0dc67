//! Why something is not sent, changing it before it is, and lanes that a rejection holds.

use crate::{
    disk::Disk,
    frames::{accepted, cid, message_id, op_ids, ops, rejected, retry, send},
    world::World,
};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};
use whimbrel_model::{Code, Op, OpId};
use whimbrel_sync::{EngineConfig, Input, RetryPolicy, Status, Unsent};

fn amend(world: &mut World, id: OpId, text: &str) -> Result<(), String> {
    let amended = world.with_env(|engine, env| engine.amend(id, text.into(), env));
    let effects = amended.map_err(|error| error.code().to_owned())?;
    drop(world.commit(effects));
    Ok(())
}

fn holding() -> World {
    let config = EngineConfig {
        hold_after_rejection: true,
        ..crate::world::undecided()
    };
    World::configured(Disk::default(), 1, config).online()
}

fn edit(number: u64) -> Op {
    Op::EditMessage {
        cid: cid("general"),
        id: message_id(number),
        body: "edited".into(),
        base_revision: 0,
    }
}

#[test]
fn each_reason_is_told_apart() {
    let mut world = World::new();
    let (first, _) = world.queue(send("general", 1));
    assert_eq!(world.engine.unsent(first), Some(Unsent::NotConnected));
    world = world.online();
    let sent = world.now;
    assert_eq!(world.engine.unsent(first), Some(Unsent::OnItsWay { since: sent }));
    drop(world.frame(retry(first, Code::RateLimited, Some(5_000))));
    let Some(Unsent::RetryAt { at }) = world.engine.unsent(first) else {
        panic!("{:?}", world.engine.unsent(first));
    };
    assert!(at >= world.now + 5_000);
    world.now = at;
    drop(world.input(Input::Timer));
    drop(world.frame(rejected(first, Code::Forbidden)));
    assert_eq!(world.engine.unsent(first), Some(Unsent::Rejected));
    drop(world.discard(first).unwrap());
    assert_eq!(world.engine.unsent(first), None);
}

#[test]
fn what_never_left_is_changed_in_its_place_and_what_left_is_not() {
    let mut world = World::new();
    let (first, _) = world.queue(send("general", 1));
    let (second, _) = world.queue(send("general", 2));
    amend(&mut world, first, "better").unwrap();
    assert_eq!(
        amend(&mut world, second, &"x".repeat(5_001)),
        Err("too_large".to_owned())
    );
    assert_eq!(world.outbox(), [first, second]);
    drop(world.input(Input::GoOnline));
    drop(world.input(Input::Connected(whimbrel_protocol::Token::new("a token"))));
    let effects = world.frame(crate::frames::ready());
    let sent = ops(&effects.frames);
    let Op::SendMessage { body, .. } = &sent[0].op else {
        panic!("{sent:?}");
    };
    assert_eq!((sent[0].id, body.text.as_str()), (first, "better"));
    assert_eq!(amend(&mut world, first, "too late"), Err("attempted".to_owned()));
    assert_eq!(
        amend(&mut world, OpId(uuid::Uuid::nil()), ""),
        Err("not_in_outbox".to_owned())
    );
}

#[test]
fn a_rejected_message_can_hold_its_lane_and_is_repeated_in_its_place() {
    let mut world = holding();
    let (first, effects) = world.queue(send("general", 1));
    assert_eq!(op_ids(&effects.frames), [first]);
    let (second, effects) = world.queue(send("general", 2));
    assert_eq!(op_ids(&effects.frames), [], "one at a time");
    let (other, effects) = world.queue(send("other", 3));
    assert_eq!(op_ids(&effects.frames), [other], "another channel goes on");
    let effects = world.frame(rejected(first, Code::Forbidden));
    assert_eq!(op_ids(&effects.frames), []);
    assert_eq!(world.engine.unsent(second), Some(Unsent::Held { by: first }));
    let (edits, effects) = world.queue(edit(1));
    assert_eq!(op_ids(&effects.frames), []);
    let (again, effects) = world.repeat(first).unwrap();
    assert_eq!(op_ids(&effects.frames), [again]);
    assert_eq!(world.outbox(), [again, second, other, edits]);
    let effects = world.frame(accepted(again, Vec::new()));
    assert_eq!(op_ids(&effects.frames), [second]);
}

#[test]
fn discarding_what_holds_a_lane_rejects_what_needs_it_and_lets_the_others_go() {
    let mut world = holding();
    let (first, _) = world.queue(send("general", 1));
    drop(world.frame(rejected(first, Code::Forbidden)));
    let (edits, _) = world.queue(edit(1));
    let (second, _) = world.queue(send("general", 2));
    let effects = world.discard(first).unwrap();
    assert_eq!(op_ids(&effects.frames), [second]);
    let rejection = world.item(edits).rejection().expect("it has nothing to change");
    assert_eq!(
        (rejection.code.clone(), rejection.parent),
        (Code::ParentRejected, Some(first))
    );
}

#[test]
fn a_held_lane_is_held_after_a_restart() {
    let mut world = holding();
    let (first, _) = world.queue(send("general", 1));
    drop(world.frame(rejected(first, Code::Forbidden)));
    let (second, _) = world.queue(send("general", 2));
    let config = EngineConfig {
        hold_after_rejection: true,
        ..crate::world::undecided()
    };
    let world = World::configured(world.disk, 2, config).online();
    assert_eq!(world.engine.unsent(second), Some(Unsent::Held { by: first }));
    assert!(!world.item(second).attempted);
}

/// Waits ten milliseconds a failure.
#[derive(Debug, Default)]
struct Linear(AtomicU32);

impl RetryPolicy for Linear {
    fn wait_ms(&self, failures: u32, _: u64) -> u64 {
        self.0.fetch_max(failures, Ordering::Relaxed);
        u64::from(failures) * 10
    }
}

#[test]
fn the_app_can_say_how_long_to_wait() {
    let policy = Arc::new(Linear::default());
    let config = EngineConfig {
        retry: policy.clone(),
        ..crate::world::undecided()
    };
    let mut world = World::configured(Disk::default(), 1, config);
    drop(world.input(Input::GoOnline));
    for failures in 1..=5 {
        let code = Code::Other("transport_connect".to_owned());
        drop(world.input(Input::ConnectFailed { code }));
        let Status::BackingOff { until, .. } = world.engine.status() else {
            panic!("{:?}", world.engine.status());
        };
        assert_eq!(until, world.now + failures * 10);
        world.now = until;
        drop(world.input(Input::Timer));
    }
    assert_eq!(policy.0.load(Ordering::Relaxed), 5);
}
