//! What an operation goes through, from the call to its answer.

use crate::{
    frames::{accepted, channel, create, message, op_ids, ops, react, rejected, retry, send, step, user},
    world::{World, open_as},
};
use whimbrel_model::{Change, Code, Op, OpId, WaitsFor, limits};
use whimbrel_sync::{CommandError, EngineConfig, Input, Notice, Status};

#[test]
fn an_operation_queued_offline_is_in_the_delta_and_in_no_frame() {
    let mut world = World::new();
    let (id, effects) = world.queue(send("general", 1));
    assert!(effects.frames.is_empty() && effects.link.is_none());
    let item = world.item(id);
    assert!(!item.attempted);
    assert_eq!(item.user, user("ada"));
    assert_eq!(effects.delta.changes, [Change::Outbox(item.clone())]);
}

#[test]
fn it_is_sent_after_ready_and_marked_as_attempted_in_the_same_effects() {
    let mut world = World::new();
    let (id, _) = world.queue(send("general", 1));
    let effects = world.greet();
    assert!(op_ids(&effects.frames).is_empty());
    let effects = world.frame(crate::frames::ready());
    assert_eq!(op_ids(&effects.frames), [id]);
    let marked = effects
        .delta
        .changes
        .iter()
        .any(|change| matches!(change, Change::Outbox(item) if item.id == id && item.attempted));
    assert!(marked);
}

#[test]
fn it_is_removed_in_the_delta_that_brings_its_rows() {
    let mut world = World::live();
    let (id, _) = world.queue(send("general", 1));
    let row = message("general", 1, 1);
    let effects = world.frame(accepted(
        id,
        vec![step(channel("general"), 0, 1, 1, vec![row.clone()])],
    ));
    assert!(effects.delta.changes.contains(&Change::OutboxRemoved(id)));
    assert!(effects.delta.rows().any(|other| *other == row));
    assert_eq!(effects.notices, [Notice::Settled(id, Ok(()))]);
    assert_eq!(world.cursor(&channel("general")), Some((1, 1)));
    assert!(world.outbox().is_empty());
}

#[test]
fn an_acceptance_without_rows_settles_it_too() {
    let mut world = World::live();
    let (id, _) = world.queue(react("general", 1));
    let effects = world.frame(accepted(id, Vec::new()));
    assert_eq!(effects.notices, [Notice::Settled(id, Ok(()))]);
    assert!(world.outbox().is_empty());
}

#[test]
fn the_answer_of_a_repeat_brings_its_rows_without_moving_the_cursor() {
    let mut world = World::live();
    let (first, _) = world.queue(send("general", 1));
    let rows = vec![message("general", 1, 1)];
    drop(world.frame(accepted(first, vec![step(channel("general"), 0, 1, 1, rows)])));
    let (second, _) = world.queue(react("general", 1));
    let row = crate::frames::reaction("general", 1, 9);
    let replay = step(channel("general"), 9, 9, 1, vec![row.clone()]);
    let effects = world.frame(accepted(second, vec![replay]));
    assert_eq!(world.cursor(&channel("general")), Some((1, 1)));
    assert_eq!(world.disk.rows.get(&row.key()), Some(&row));
    assert_eq!(
        crate::frames::syncs(&effects.frames).len(),
        1,
        "what lies between is pulled"
    );
}

#[test]
fn a_second_answer_to_one_operation_changes_nothing() {
    let mut world = World::live();
    let (id, _) = world.queue(send("general", 1));
    let answer = accepted(
        id,
        vec![step(channel("general"), 0, 1, 1, vec![message("general", 1, 1)])],
    );
    drop(world.frame(answer.clone()));
    let effects = world.frame(answer);
    assert!(effects.notices.is_empty() && effects.frames.is_empty());
    assert_eq!(world.cursor(&channel("general")), Some((1, 1)));
}

#[test]
fn after_a_lost_connection_it_goes_again_with_its_id() {
    let mut world = World::live();
    let (id, effects) = world.queue(send("general", 1));
    let first = ops(&effects.frames);
    let effects = world.input(Input::Closed {
        code: Code::HeartbeatLost,
    });
    assert!(effects.frames.is_empty());
    assert_eq!(world.item(id).failures, 1);
    assert_eq!(world.item(id).last_error, Some(Code::HeartbeatLost));
    let again = world.hello();
    assert_eq!(ops(&again.frames), first);
}

#[test]
fn after_a_restart_with_unknown_outcome_it_goes_again_with_its_id() {
    let mut world = World::live();
    let (id, effects) = world.queue(send("general", 1));
    let first = ops(&effects.frames);
    let mut world = world.restarted();
    assert!(world.item(id).attempted);
    let again = world.hello();
    assert_eq!(ops(&again.frames), first);
}

#[test]
fn it_keeps_the_clock_of_its_making_whenever_it_is_sent() {
    let mut world = World::new();
    world.wall = 5;
    drop(world.queue(send("general", 1)));
    world.wall = 6;
    let effects = world.hello();
    assert_eq!(ops(&effects.frames)[0].composed_at.as_millis(), 5);
}

#[test]
fn a_wall_clock_that_jumps_ten_years_changes_only_what_is_displayed() {
    const TEN_YEARS: i64 = 10 * 365 * 24 * 60 * 60 * 1000;
    let mut world = World::live();
    let start = world.wall;
    let mut ids = Vec::new();
    for (number, wall) in [start, start + TEN_YEARS, start - TEN_YEARS, -1, start]
        .into_iter()
        .enumerate()
    {
        world.wall = wall;
        let (id, effects) = world.queue(send("general", number as u64 + 1));
        assert_eq!(op_ids(&effects.frames), [id]);
        assert_eq!(ops(&effects.frames)[0].composed_at.as_millis(), wall);
        assert_eq!(id.0.get_version_num(), 7);
        ids.push(id);
    }
    let wake = world.engine.next_wake();
    world.wall = start + TEN_YEARS;
    assert_eq!(world.engine.next_wake(), wake);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[test]
fn an_invalid_operation_is_refused_and_nothing_is_queued() {
    let mut world = World::new();
    let op = Op::EditMessage {
        cid: crate::frames::cid("general"),
        id: crate::frames::message_id(1),
        body: String::new().into(),
        base_revision: 0,
    };
    let error = world.with_env(|engine, env| engine.enqueue(op, env)).unwrap_err();
    assert_eq!(error.code(), "invalid");
    assert!(world.outbox().is_empty());
}

#[test]
fn a_full_outbox_refuses_and_keeps_what_it_has() {
    let mut world = World::new();
    // Straight to the engine: the disk of these tests is not made for ten thousand.
    for number in 0..limits::OUTBOX_ITEMS as u64 {
        drop(
            world
                .with_env(|engine, env| engine.enqueue(send("general", number), env))
                .unwrap(),
        );
    }
    let error = world
        .with_env(|engine, env| engine.enqueue(create("more"), env))
        .unwrap_err();
    assert_eq!(error, CommandError::OutboxFull);
    assert!(error.is_retryable());
}

#[test]
fn a_database_of_another_account_is_refused() {
    let world = World::new();
    let error = open_as(&world.disk, &user("bob")).unwrap_err();
    assert_eq!(error.code(), "wrong_account");
    assert!(open_as(&world.disk, &user("ada")).is_ok());
}

#[test]
fn the_device_keeps_its_id_over_a_restart() {
    let world = World::new();
    let device = world.engine.account().device;
    assert_eq!(world.restarted().engine.account().device, device);
}

#[test]
fn each_says_what_it_waits_for() {
    let mut world = World::new();
    let (created, _) = world.queue(create("general"));
    let (first, _) = world.queue(send("general", 1));
    let (second, _) = world.queue(send("general", 2));
    let (reaction, _) = world.queue(react("general", 1));
    let (elsewhere, _) = world.queue(send("other", 3));
    let waits = |world: &World, id| world.item(id).waits_for(&world.disk.loaded.outbox);
    assert_eq!(waits(&world, created), WaitsFor::Server);
    assert_eq!(waits(&world, first), WaitsFor::Operation(created));
    assert_eq!(
        waits(&world, second),
        WaitsFor::Operation(created),
        "not the one before"
    );
    assert_eq!(waits(&world, reaction), WaitsFor::Operation(first));
    assert_eq!(waits(&world, elsewhere), WaitsFor::Server);
    drop(world.hello());
    drop(world.frame(rejected(created, Code::Forbidden)));
    assert_eq!(waits(&world, created), WaitsFor::User);
    assert_eq!(
        waits(&world, second),
        WaitsFor::Operation(first),
        "the one before"
    );
}

#[test]
fn the_next_attempt_is_that_of_the_lane_or_of_the_connection() {
    let mut world = World::live();
    let (id, _) = world.queue(send("general", 1));
    let (other, _) = world.queue(send("other", 2));
    assert_eq!(world.engine.next_attempt(id), None, "it is on its way");
    drop(world.frame(retry(id, Code::RateLimited, Some(1_000))));
    let at = world.engine.next_attempt(id).unwrap();
    assert!(at >= world.now + 1_000);
    assert_eq!(world.engine.next_attempt(other), None);
    drop(world.input(Input::Closed {
        code: Code::HeartbeatLost,
    }));
    let Status::BackingOff { until, .. } = world.engine.status() else {
        panic!("it waits");
    };
    assert_eq!(world.engine.next_attempt(other), Some(until));
    assert_eq!(world.engine.next_attempt(OpId(crate::frames::uuid(9))), None);
}

#[test]
fn what_fails_often_needs_attention_and_is_tried_again() {
    let mut world = World::live();
    let (id, _) = world.queue(send("general", 1));
    let after = EngineConfig::default().attention_after;
    for failures in 1..=after {
        drop(world.input(Input::Closed {
            code: Code::HeartbeatLost,
        }));
        assert_eq!(world.item(id).needs_attention(after), failures == after);
        assert_eq!(op_ids(&world.hello().frames), [id]);
    }
    drop(world.frame(rejected(id, Code::Invalid)));
    assert!(!world.item(id).needs_attention(after), "the user knows");
}
