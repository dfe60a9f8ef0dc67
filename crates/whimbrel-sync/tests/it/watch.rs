//! Channels that are not watched.

use crate::{
    frames::{asks_heads, channel, cid, cursor, event, head, heads_page, message, page, syncs},
    world::World,
};
use whimbrel_protocol::{ClientFrame, ServerFrame, Watch};
use whimbrel_sync::{Input, Status};

fn watching(frames: &[ClientFrame]) -> Vec<(bool, usize)> {
    let frames = frames.iter().filter_map(|frame| match frame {
        ClientFrame::Watch(Watch { cids, on }) => Some((*on, cids.len())),
        _ => None,
    });
    frames.collect()
}

fn set(world: &mut World, watched: bool) -> Vec<ClientFrame> {
    let effects = world.with_env(|engine, env| engine.set_watched(&cid("general"), watched, env));
    world.commit(effects).frames
}

/// Lets the heartbeat tell that the channel goes as far as `seq`.
fn moved(world: &mut World, seq: u64) -> Vec<ClientFrame> {
    let effects = world.wake();
    let ask = asks_heads(&effects.frames).remove(0);
    let heads = vec![(channel("general"), head(seq, seq))];
    world.frame(heads_page(ask.id, "2", false, heads)).frames
}

/// Live, with the channel pulled to version 1 and message 1.
fn following() -> World {
    let mut world = World::live();
    drop(world.frame(event(channel("general"), 0, 1, 1, vec![message("general", 1, 1)])));
    world
}

#[test]
fn what_is_not_watched_is_known_to_move_and_not_pulled_until_it_is_watched_again() {
    let mut world = following();
    assert_eq!(watching(&set(&mut world, false)), [(false, 1)]);
    assert_eq!(set(&mut world, false).len(), 0, "said once");
    assert_eq!(syncs(&moved(&mut world, 5)).len(), 0);
    assert_eq!(world.head(&channel("general")), head(5, 5));
    assert_eq!(world.engine.status(), Status::Live, "nothing is waited for");
    assert!(!world.engine.is_up_to_date(&cid("general")));
    let frames = set(&mut world, true);
    assert_eq!(watching(&frames), [(true, 1)]);
    let ask = syncs(&frames).remove(0);
    let rows = (2..=5).map(|seq| message("general", seq, seq)).collect();
    drop(world.frame(ServerFrame::Page(page(&ask, 1, cursor(5, 5), rows))));
    assert_eq!(world.cursor(&channel("general")), Some((5, 5)));
    assert!(world.engine.is_up_to_date(&cid("general")));
}

#[test]
fn what_is_on_the_screen_is_pulled_watched_or_not() {
    let mut world = following();
    drop(set(&mut world, false));
    world.engine.set_visible(&cid("general"), true);
    assert_eq!(syncs(&moved(&mut world, 2)).len(), 1);
}

#[test]
fn a_new_connection_is_told_again_and_a_step_that_was_under_way_is_taken() {
    let mut world = following();
    drop(set(&mut world, false));
    drop(world.frame(event(channel("general"), 1, 2, 2, vec![message("general", 2, 2)])));
    assert_eq!(world.cursor(&channel("general")), Some((2, 2)));
    drop(world.input(Input::Closed {
        code: whimbrel_model::Code::ServerStopping,
    }));
    drop(world.wake());
    let effects = world.input(Input::Connected(whimbrel_protocol::Token::new("a token")));
    assert!(matches!(effects.frames[0], ClientFrame::Hello(_)));
    assert_eq!(
        watching(&effects.frames),
        [(false, 1)],
        "before anything can come"
    );
    assert_eq!(watching(&world.frame(crate::frames::ready()).frames), []);
}
