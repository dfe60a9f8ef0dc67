//! The account's heads, which are the heartbeat too.

use crate::{
    disk::Disk,
    frames::{EPOCH, asks_heads, channel, cursor, event, failed, head, heads_page, me, message, page, syncs},
    world::{World, own_cursor},
};
use whimbrel_model::{Change, Code};
use whimbrel_protocol::{Page, ServerFrame};
use whimbrel_sync::{EngineConfig, Input, LinkAction, Status};

#[test]
fn the_first_thing_asked_is_what_moved() {
    let mut world = World::new();
    let effects = world.hello();
    let asks = asks_heads(&effects.frames);
    assert_eq!(asks.len(), 1);
    assert_eq!(asks[0].since, None);
    assert_eq!(syncs(&effects.frames)[0].stream, me());
    assert_eq!(world.engine.status(), Status::CatchingUp { behind: 1 });
}

#[test]
fn the_token_is_committed_with_the_heads_that_it_covers() {
    let mut world = World::new();
    let effects = world.hello();
    let id = asks_heads(&effects.frames)[0].id;
    let effects = world.frame(heads_page(
        id,
        "42",
        false,
        vec![(channel("general"), head(9, 3))],
    ));
    let head_at = effects
        .delta
        .changes
        .iter()
        .position(|change| matches!(change, Change::Head(..)));
    let token_at = effects
        .delta
        .changes
        .iter()
        .position(|change| matches!(change, Change::HeadsToken(_)));
    assert!(head_at.is_some() && token_at.is_some());
    assert_eq!(world.disk.loaded.heads_token, Some(format!("{}/42", EPOCH.0)));
    // A restart asks from there, and still knows what was not pulled.
    let mut world = world.restarted();
    let effects = world.hello();
    assert_eq!(asks_heads(&effects.frames)[0].since.as_deref(), Some("42"));
    assert!(
        syncs(&effects.frames)
            .iter()
            .any(|ask| ask.stream == channel("general"))
    );
}

#[test]
fn more_heads_are_asked_for_at_once() {
    let mut world = World::new();
    let effects = world.hello();
    let id = asks_heads(&effects.frames)[0].id;
    let effects = world.frame(heads_page(id, "2", true, Vec::new()));
    let asks = asks_heads(&effects.frames);
    assert_eq!(asks[0].since.as_deref(), Some("2"));
    assert!(!matches!(world.engine.status(), Status::Live));
}

#[test]
fn a_page_of_heads_that_nobody_asked_for_is_ignored() {
    let mut world = World::live();
    let effects = world.frame(heads_page(
        999,
        "9",
        false,
        vec![(channel("general"), head(9, 3))],
    ));
    assert!(effects.delta.is_empty() && effects.frames.is_empty());
}

#[test]
fn a_lost_live_step_is_found_within_one_heartbeat() {
    let mut world = World::live();
    drop(world.frame(event(channel("general"), 0, 1, 1, Vec::new())));
    let start = world.now;
    let effects = world.wake();
    let asks = asks_heads(&effects.frames);
    assert_eq!(asks.len(), 1);
    assert!(
        (24_000..=30_000).contains(&(world.now - start)),
        "up to a fifth earlier"
    );
    let effects = world.frame(heads_page(
        asks[0].id,
        "2",
        false,
        vec![(channel("general"), head(2, 2))],
    ));
    assert_eq!(syncs(&effects.frames)[0].stream, channel("general"));
}

#[test]
fn heartbeats_of_devices_that_connected_together_spread() {
    let mut moments: Vec<_> = (0..50)
        .map(|seed| {
            let mut world = World::with_seed(seed).online();
            drop(world.wake());
            world.now
        })
        .collect();
    moments.sort_unstable();
    moments.dedup();
    assert!(moments.len() > 40, "{moments:?}");
}

#[test]
fn a_refused_request_for_heads_is_repeated_soon() {
    let mut world = World::new();
    let effects = world.hello();
    let id = asks_heads(&effects.frames)[0].id;
    drop(world.frame(failed(id, Code::Unavailable, Some(1_000))));
    let start = world.now;
    let effects = world.wake();
    assert_eq!(asks_heads(&effects.frames).len(), 1);
    assert!((1_000..=1_200).contains(&(world.now - start)));
}

#[test]
fn two_and_a_half_silent_heartbeats_end_the_connection() {
    // Answers may take longer than that here, so that only the silence counts.
    let patient = EngineConfig {
        answer_ms: 1_000_000,
        ..crate::world::undecided()
    };
    let mut world = World::configured(Disk::default(), 1, patient).online();
    let start = world.now;
    let mut effects = world.wake();
    while effects.link.is_none() {
        effects = world.wake();
    }
    let close = LinkAction::Close {
        code: Code::HeartbeatLost,
    };
    assert_eq!(effects.link, Some(close));
    assert_eq!(world.now - start, 75_000);
    assert!(matches!(world.engine.status(), Status::BackingOff { .. }));
}

#[test]
fn a_server_that_speaks_and_does_not_answer_is_left_after_a_while() {
    let mut world = World::live();
    drop(world.wake());
    let asked = world.now;
    for tick in 1..10 {
        world.now = asked + tick * 4_000;
        let effects = world.frame(event(channel("general"), tick - 1, tick, tick, Vec::new()));
        assert!(effects.link.is_none());
        let effects = world.input(Input::Timer);
        if effects.link.is_some() {
            assert!(world.now - asked >= 30_000);
            return;
        }
    }
    panic!("the connection was kept");
}

#[test]
fn the_own_stream_is_pulled_even_if_no_head_names_it() {
    let world = World::live();
    assert_eq!(own_cursor(&world), Some((0, 0)));
}

#[test]
fn a_server_that_has_less_than_the_device_is_asked_for_the_stream_on_a_new_connection() {
    let mut world = World::live();
    drop(world.frame(event(channel("general"), 0, 10, 10, Vec::new())));
    // Within a connection a live step may be faster than the heads.
    world.now += 30_000;
    let beat = world.input(Input::Timer);
    let ask = asks_heads(&beat.frames)[0].id;
    let effects = world.frame(heads_page(
        ask,
        "2",
        false,
        vec![(channel("general"), head(9, 9))],
    ));
    assert_eq!(syncs(&effects.frames), []);

    drop(world.input(Input::GoOffline));
    let hello = world.hello();
    let ask = asks_heads(&hello.frames)[0].id;
    let effects = world.frame(heads_page(
        ask,
        "3",
        false,
        vec![(channel("general"), head(4, 4))],
    ));
    let pull = syncs(&effects.frames)[0].clone();
    assert_eq!(pull.cursor.map(|cursor| cursor.ver), Some(10));
    assert_eq!(
        world.disk.loaded.heads_token,
        Some(format!("{}/2", EPOCH.0)),
        "it has to tell again, should this device die now"
    );
    let snapshot = Page {
        reset: true,
        ..page(&pull, 0, cursor(4, 4), vec![message("general", 4, 4)])
    };
    drop(world.frame(ServerFrame::Page(snapshot)));
    assert_eq!(world.disk.rebased, [channel("general")]);
    assert_eq!(world.cursor(&channel("general")), Some((4, 4)));
    assert_eq!(world.engine.status(), Status::Live);
}
