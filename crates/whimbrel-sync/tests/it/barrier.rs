//! Waiting until everything that the server has is here.

use crate::{
    frames::{asks_heads, channel, cursor, event, failed, head, heads_page, page, syncs},
    world::World,
};
use whimbrel_model::{Code, Timestamp};
use whimbrel_protocol::ServerFrame;
use whimbrel_sync::{Effects, Input, Notice};

fn ask(world: &mut World) -> (u64, Effects) {
    let (ticket, effects) = world.with_env(whimbrel_sync::Engine::catch_up);
    (ticket, world.commit(effects))
}

fn told(effects: &Effects) -> Vec<u64> {
    let told = effects.notices.iter().filter_map(|notice| match notice {
        Notice::CaughtUp(ticket) => Some(*ticket),
        _ => None,
    });
    told.collect()
}

#[test]
fn it_comes_with_the_last_page_of_what_the_heads_told() {
    let mut world = World::live();
    let (ticket, effects) = ask(&mut world);
    let heads = asks_heads(&effects.frames)[0].id;
    let moved = vec![(channel("general"), head(3, 0))];
    let effects = world.frame(heads_page(heads, "2", false, moved));
    assert!(told(&effects).is_empty());
    let pull = syncs(&effects.frames)[0].clone();
    let effects = world.frame(ServerFrame::Page(page(&pull, 0, cursor(3, 0), Vec::new())));
    assert_eq!(told(&effects), [ticket]);
    assert_eq!(world.cursor(&channel("general")), Some((3, 0)));
}

#[test]
fn an_answer_to_what_was_asked_before_is_not_enough() {
    let mut world = World::live();
    world.now += 30_000;
    let beat = world.input(Input::Timer);
    let early = asks_heads(&beat.frames)[0].id;
    let (ticket, effects) = ask(&mut world);
    assert_eq!(asks_heads(&effects.frames).len(), 0, "one question at a time");
    let effects = world.frame(heads_page(early, "2", false, Vec::new()));
    assert!(told(&effects).is_empty());
    let late = asks_heads(&effects.frames)[0].id;
    let effects = world.frame(heads_page(late, "3", false, Vec::new()));
    assert_eq!(told(&effects), [ticket]);
}

#[test]
fn all_pages_of_the_heads_have_to_come() {
    let mut world = World::live();
    let (ticket, effects) = ask(&mut world);
    let first = asks_heads(&effects.frames)[0].id;
    let effects = world.frame(heads_page(first, "2", true, Vec::new()));
    assert!(told(&effects).is_empty());
    let second = asks_heads(&effects.frames)[0].id;
    let effects = world.frame(heads_page(second, "3", false, Vec::new()));
    assert!(
        told(&effects).is_empty(),
        "what moved meanwhile may be in no page"
    );
    let third = asks_heads(&effects.frames)[0].clone();
    assert_eq!(third.since.as_deref(), Some("3"));
    assert_eq!(
        told(&world.frame(heads_page(third.id, "4", false, Vec::new()))),
        [ticket]
    );
}

/// Found by the simulator: a stream that moved while the pages came was in none of them, with all that it had moved before, and
/// the step that told of it was late.
#[test]
fn a_stream_that_moves_between_two_pages_of_the_heads_is_not_missed() {
    let mut world = World::live();
    let (ticket, effects) = ask(&mut world);
    let first = asks_heads(&effects.frames)[0].id;
    let effects = world.frame(heads_page(first, "2", true, Vec::new()));
    let second = asks_heads(&effects.frames)[0].id;
    let effects = world.frame(heads_page(second, "3", false, Vec::new()));
    let third = asks_heads(&effects.frames)[0].id;
    let moved = vec![(channel("general"), head(3, 0))];
    let effects = world.frame(heads_page(third, "4", false, moved));
    assert!(told(&effects).is_empty());
    let pull = syncs(&effects.frames)[0].clone();
    let effects = world.frame(ServerFrame::Page(page(&pull, 0, cursor(3, 0), Vec::new())));
    assert_eq!(told(&effects), [ticket]);
}

/// Found by the simulator: whoever asks while the pages come was told with the last of them, which says how things were
/// when the first was asked for.
#[test]
fn pages_that_were_begun_before_are_not_enough() {
    let mut world = World::new();
    let effects = world.hello();
    let own = syncs(&effects.frames)[0].clone();
    drop(world.frame(ServerFrame::Page(page(&own, 0, cursor(0, 0), Vec::new()))));
    let first = asks_heads(&effects.frames)[0].id;
    let effects = world.frame(heads_page(first, "chain", true, Vec::new()));
    let second = asks_heads(&effects.frames)[0].id;
    let (ticket, _) = ask(&mut world);
    let effects = world.frame(heads_page(second, "2", false, Vec::new()));
    assert!(told(&effects).is_empty());
    let third = asks_heads(&effects.frames)[0].id;
    assert_eq!(
        told(&world.frame(heads_page(third, "3", false, Vec::new()))),
        [ticket]
    );
}

/// Found by the simulator: the end of the pages that an earlier connection had begun made a device live.
#[test]
fn pages_that_an_earlier_connection_began_are_begun_again() {
    let mut world = World::live();
    let (ticket, effects) = ask(&mut world);
    let first = asks_heads(&effects.frames)[0].id;
    let moved = vec![(channel("general"), head(3, 0))];
    drop(world.frame(heads_page(first, "chain", true, moved)));
    drop(world.input(Input::GoOffline));
    let mut world = world.restarted();
    let effects = world.hello();
    assert_eq!(asks_heads(&effects.frames)[0].since.as_deref(), Some("1"));
    assert_eq!(syncs(&effects.frames)[0].stream, channel("general"));
    assert!(told(&effects).is_empty(), "{ticket} was of the run before");
}

#[test]
fn a_break_and_a_refusal_only_make_it_later() {
    let mut world = World::live();
    let (ticket, effects) = ask(&mut world);
    let heads = asks_heads(&effects.frames)[0].id;
    let effects = world.frame(failed(heads, Code::RateLimited, Some(500)));
    assert!(told(&effects).is_empty());
    drop(world.input(Input::GoOffline));
    let effects = world.hello();
    let heads = asks_heads(&effects.frames)[0].id;
    assert_eq!(
        told(&world.frame(heads_page(heads, "2", false, Vec::new()))),
        [ticket]
    );
}

#[test]
fn those_who_wait_for_the_same_answer_share_it() {
    let mut world = World::new();
    let (first, _) = ask(&mut world);
    let (second, _) = ask(&mut world);
    assert_eq!(first, second);
    let effects = world.hello();
    let heads = asks_heads(&effects.frames)[0].id;
    let (third, _) = ask(&mut world);
    assert_ne!(third, first);
    let own = syncs(&effects.frames)[0].clone();
    let later = world.frame(heads_page(heads, "2", false, Vec::new()));
    assert!(told(&later).is_empty(), "the own stream is not here yet");
    let effects = world.frame(ServerFrame::Page(page(&own, 0, cursor(0, 0), Vec::new())));
    assert_eq!(told(&effects), [first]);
    let heads = asks_heads(&later.frames)[0].id;
    assert_eq!(
        told(&world.frame(heads_page(heads, "3", false, Vec::new()))),
        [third]
    );
}

#[test]
fn how_fresh_the_device_is_survives_a_restart() {
    let mut world = World::live();
    let live = world.engine.synced_at();
    assert!(live.is_some());
    world.now += 30_000;
    let beat = world.input(Input::Timer);
    let heads = asks_heads(&beat.frames)[0].id;
    let ServerFrame::Heads(mut later) = heads_page(heads, "1", false, Vec::new()) else {
        panic!("that is what it makes");
    };
    later.server_time = Timestamp(1_800_000_000_000);
    let effects = world.frame(ServerFrame::Heads(later));
    assert!(
        effects.delta.is_empty(),
        "not a write a heartbeat: {:?}",
        effects.delta
    );
    assert_eq!(world.engine.synced_at(), Some(Timestamp(1_800_000_000_000)));
    drop(world.input(Input::GoOffline));
    let world = world.restarted();
    assert_eq!(world.engine.synced_at(), Some(Timestamp(1_800_000_000_000)));
}

#[test]
fn a_channel_that_is_behind_is_not_up_to_date() {
    let mut world = World::new();
    let general = crate::frames::cid("general");
    assert!(!world.engine.is_up_to_date(&general), "there is no connection");
    world = world.online();
    assert!(world.engine.is_up_to_date(&general));
    let before = world.engine.synced_at();
    drop(world.frame(event(channel("general"), 4, 5, 1, Vec::new())));
    assert!(!world.engine.is_up_to_date(&general));
    assert_eq!(world.engine.synced_at(), before);
}
