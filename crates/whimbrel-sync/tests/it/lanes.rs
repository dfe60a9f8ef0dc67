//! Order, pipelining, and waiting after a refusal for now.

use crate::{
    frames::{accepted, not_now, op_ids, ops, rejected, result, results, retry, send},
    world::World,
};
use std::collections::BTreeSet;
use whimbrel_model::{Code, OpId, limits};
use whimbrel_sync::Input;

fn queue_many(world: &mut World, channel: &str, count: usize) -> Vec<OpId> {
    let first = world.outbox().len() as u64;
    (0..count as u64)
        .map(|number| world.queue(send(channel, first + number + 1)).0)
        .collect()
}

#[test]
fn a_lane_is_sent_in_order_each_naming_the_one_before() {
    let mut world = World::new();
    let ids = queue_many(&mut world, "general", 3);
    let effects = world.hello();
    let sent = ops(&effects.frames);
    assert_eq!(op_ids(&effects.frames), ids);
    let after: Vec<_> = sent.iter().map(|op| op.after).collect();
    assert_eq!(after, [None, Some(ids[0]), Some(ids[1])]);
}

#[test]
fn what_is_decided_is_not_named_any_more() {
    let mut world = World::live();
    let (first, _) = world.queue(send("general", 1));
    drop(world.frame(accepted(first, Vec::new())));
    let (_, effects) = world.queue(send("general", 2));
    assert_eq!(ops(&effects.frames)[0].after, None);
}

#[test]
fn a_lane_has_so_many_on_their_way_and_goes_on_with_each_answer() {
    let mut world = World::new();
    let ids = queue_many(&mut world, "general", limits::LANE_IN_FLIGHT + 2);
    let effects = world.hello();
    assert_eq!(op_ids(&effects.frames), ids[..limits::LANE_IN_FLIGHT]);
    let effects = world.frame(accepted(ids[0], Vec::new()));
    let next = ops(&effects.frames);
    assert_eq!(op_ids(&effects.frames), [ids[limits::LANE_IN_FLIGHT]]);
    assert_eq!(next[0].after, Some(ids[limits::LANE_IN_FLIGHT - 1]));
}

#[test]
fn all_lanes_together_have_so_many_on_their_way() {
    let mut world = World::new();
    for lane in 0..6 {
        queue_many(&mut world, &format!("lane{lane}"), limits::LANE_IN_FLIGHT);
    }
    let effects = world.hello();
    let sent = op_ids(&effects.frames);
    assert_eq!(sent.len(), limits::IN_FLIGHT);
    // Answered, the rest follows, and each goes out exactly once.
    let mut all: BTreeSet<_> = sent.iter().copied().collect();
    for id in sent {
        let effects = world.frame(accepted(id, Vec::new()));
        for next in op_ids(&effects.frames) {
            assert!(all.insert(next));
        }
    }
    assert_eq!(all.len(), 6 * limits::LANE_IN_FLIGHT);
}

#[test]
fn a_frame_holds_no_more_operations_than_the_server_takes() {
    let mut world = World::new();
    for lane in 0..5 {
        queue_many(&mut world, &format!("lane{lane}"), 30);
    }
    let effects = world.hello();
    let sizes: Vec<_> = effects
        .frames
        .iter()
        .map(|frame| ops(std::slice::from_ref(frame)).len())
        .collect();
    assert_eq!(sizes.iter().sum::<usize>(), 150);
    assert!(sizes.iter().all(|size| *size <= limits::OPS_PER_BATCH));
}

#[test]
fn out_of_order_sends_the_whole_lane_again() {
    let mut world = World::new();
    let ids = queue_many(&mut world, "general", 3);
    drop(world.hello());
    let effects = world.frame(retry(ids[2], Code::OutOfOrder, None));
    let again = if op_ids(&effects.frames).is_empty() {
        world.wake()
    } else {
        effects
    };
    assert_eq!(op_ids(&again.frames), ids);
    assert_eq!(ops(&again.frames)[0].after, None);
}

/// Found by the simulator, seed 736320: two inputs of one round, of which the second ends what the first sends again.
#[test]
fn what_is_ended_in_the_same_round_does_not_leave_any_more() {
    let mut world = World::new();
    let ids = queue_many(&mut world, "general", 2);
    drop(world.hello());
    let mut round = world.frame(retry(ids[1], Code::OutOfOrder, None));
    if op_ids(&round.frames).is_empty() {
        round = world.wake();
    }
    assert_eq!(op_ids(&round.frames), ids);
    round.merge(world.frame(accepted(ids[0], Vec::new())));
    assert_eq!(op_ids(&round.frames), ids[1..]);
}

#[test]
fn a_refusal_for_now_sends_again_from_there_and_not_before_the_time_asked_for() {
    for seed in 0..50 {
        let mut world = World::with_seed(seed);
        let ids = queue_many(&mut world, "general", 3);
        drop(world.hello());
        let start = world.now;
        let effects = world.frame(results(vec![
            result(ids[0], not_now(Code::RateLimited, Some(10_000))),
            result(ids[1], not_now(Code::OutOfOrder, None)),
            result(ids[2], not_now(Code::OutOfOrder, None)),
        ]));
        assert!(op_ids(&effects.frames).is_empty());
        assert_eq!(world.item(ids[0]).last_error, Some(Code::RateLimited));
        let effects = world.wake();
        assert_eq!(op_ids(&effects.frames), ids);
        let waited = world.now - start;
        assert!((10_000..=12_000).contains(&waited), "waited {waited} ms");
    }
}

/// Found by the simulator: the half of a batch that the server was too busy for was sent again after the short wait of
/// another half.
#[test]
fn a_shorter_wait_does_not_end_a_longer_one() {
    for seed in 0..50 {
        let mut world = World::with_seed(seed);
        let ids = queue_many(&mut world, "general", 2);
        drop(world.hello());
        let start = world.now;
        drop(world.frame(retry(ids[1], Code::RateLimited, Some(10_000))));
        drop(world.frame(retry(ids[0], Code::Unavailable, Some(1_000))));
        let mut sent = Vec::new();
        while sent.is_empty() {
            let effects = world.wake();
            sent = op_ids(&effects.frames);
            world.answer_all(&effects);
        }
        assert!(world.now - start >= 10_000);
    }
}

#[test]
fn a_wait_that_the_server_asked_for_outlives_the_connection() {
    let mut world = World::live();
    let (id, _) = world.queue(send("general", 1));
    drop(world.frame(retry(id, Code::RateLimited, Some(60_000))));
    drop(world.input(Input::Closed {
        code: Code::ServerStopping,
    }));
    world.now += 1_000;
    assert!(op_ids(&world.hello().frames).is_empty());
    drop(world.input(Input::GoOffline));
    world.now += 72_000;
    assert_eq!(op_ids(&world.hello().frames), [id]);
}

#[test]
fn waits_are_drawn_with_full_jitter_that_doubles_up_to_the_cap() {
    let mut longest = [0_u64; 12];
    for seed in 0..200 {
        let mut world = World::with_seed(seed).online();
        let (id, _) = world.queue(send("general", 1));
        for (round, longest) in longest.iter_mut().enumerate() {
            let start = world.now;
            let effects = world.frame(retry(id, Code::Unavailable, None));
            // The heartbeats of the same connection go on meanwhile.
            let mut sent = op_ids(&effects.frames);
            while sent.is_empty() {
                let effects = world.wake();
                sent = op_ids(&effects.frames);
                world.answer_all(&effects);
            }
            let waited = world.now - start;
            let most = (200_u64 << round).min(30_000);
            assert!(waited <= most, "waited {waited} ms in round {round}");
            *longest = waited.max(*longest);
        }
    }
    assert!(longest[11] > 25_000 && longest[0] > 150, "{longest:?}");
}

#[test]
fn an_answer_resets_the_failures_of_its_lane() {
    let mut world = World::live();
    let (first, _) = world.queue(send("general", 1));
    let (second, _) = world.queue(send("general", 2));
    for _ in 0..10 {
        drop(world.frame(retry(first, Code::Unavailable, None)));
        world.now += 40_000;
        let effects = world.input(Input::Timer);
        world.answer_all(&effects);
        if effects.link.is_some() {
            world = world.online();
        }
    }
    drop(world.frame(accepted(first, Vec::new())));
    let start = world.now;
    let effects = world.frame(retry(second, Code::Unavailable, None));
    if op_ids(&effects.frames).is_empty() {
        drop(world.wake());
    }
    assert!(world.now - start <= 200);
}

#[test]
fn one_lane_that_waits_does_not_hold_another() {
    let mut world = World::live();
    let (slow, _) = world.queue(send("slow", 1));
    drop(world.frame(retry(slow, Code::RateLimited, Some(60_000))));
    let (_, effects) = world.queue(send("slow", 2));
    assert!(op_ids(&effects.frames).is_empty());
    let (quick, effects) = world.queue(send("quick", 3));
    assert_eq!(op_ids(&effects.frames), [quick]);
}

#[test]
fn a_wake_up_that_comes_late_is_not_lost() {
    let mut world = World::live();
    let (id, _) = world.queue(send("general", 1));
    drop(world.frame(retry(id, Code::RateLimited, Some(1_000))));
    let due = world.engine.next_wake().unwrap();
    // A slow commit: the driver asks when the moment has passed.
    world.now = due + 500;
    assert_eq!(world.engine.next_wake(), Some(due));
    assert_eq!(op_ids(&world.input(Input::Timer).frames), [id]);
}

#[test]
fn a_rejection_lets_the_lane_go_on() {
    let mut world = World::live();
    let (first, _) = world.queue(send("general", 1));
    let (second, _) = world.queue(send("general", 2));
    drop(world.frame(rejected(first, Code::Forbidden)));
    drop(world.frame(accepted(second, Vec::new())));
    let (_, effects) = world.queue(send("general", 3));
    assert_eq!(ops(&effects.frames)[0].after, None);
}

#[test]
fn an_operation_without_an_answer_ends_the_connection() {
    let mut world = World::live();
    let (id, _) = world.queue(send("general", 1));
    let start = world.now;
    loop {
        let effects = world.wake();
        world.answer_all(&effects);
        if effects.link.is_some() {
            break;
        }
    }
    assert_eq!(world.now - start, 30_000);
    assert_eq!(op_ids(&world.hello().frames), [id]);
}

#[test]
fn answers_to_what_is_not_on_its_way_change_nothing() {
    let mut world = World::new();
    let (id, _) = world.queue(send("general", 1));
    drop(world.hello());
    drop(world.frame(retry(id, Code::RateLimited, Some(5_000))));
    let failures = world.item(id).failures;
    let due = world.engine.next_wake();
    drop(world.frame(retry(id, Code::OutOfOrder, Some(9_000))));
    assert_eq!(world.item(id).failures, failures);
    assert_eq!(world.engine.next_wake(), due);
}

#[test]
fn connections_that_are_lost_do_not_use_up_the_places_on_the_way() {
    let mut world = World::new();
    let ids = queue_many(&mut world, "general", limits::LANE_IN_FLIGHT);
    for _ in 0..10 {
        assert_eq!(op_ids(&world.hello().frames), ids);
        drop(world.input(Input::Closed {
            code: Code::HeartbeatLost,
        }));
    }
}

#[test]
fn what_is_sent_twice_in_one_round_leaves_once() {
    let mut world = World::live();
    let (first, effects) = world.queue(send("general", 1));
    assert_eq!(op_ids(&effects.frames), [first]);
    drop(world.frame(retry(first, Code::OutOfOrder, Some(1_000))));
    let at = world.engine.next_attempt(first).expect("it waits for a moment");
    world.now = at;
    // The wait is over, and in the same round the answer to a repeat of the first attempt comes.
    let mut round = world.with_env(|engine, env| engine.handle(Input::Timer, env));
    assert_eq!(op_ids(&round.frames), [first]);
    let late = retry(first, Code::OutOfOrder, Some(0));
    round.merge(world.with_env(|engine, env| engine.handle(Input::Frame(late), env)));
    let timer = world.with_env(|engine, env| engine.handle(Input::Timer, env));
    round.merge(timer);
    assert_eq!(op_ids(&round.frames), [first]);
    drop(world.commit(round));
}
