//! The cursor rule: live steps and pages of a stream that is followed.

use crate::{
    frames::{
        accepted, asks_heads, channel, cid, cursor, event, failed, head, heads_page, me, membership, message,
        page, reaction, send, step, syncs,
    },
    world::World,
};
use whimbrel_model::{Change, Code, MemberState};
use whimbrel_protocol::{Page, ServerFrame, Sync};
use whimbrel_sync::{Input, Status};

/// Live, with the channel pulled to version 2 and message 2.
fn following() -> World {
    let mut world = World::live();
    let rows = vec![message("general", 1, 1), message("general", 2, 2)];
    let effects = world.frame(event(channel("general"), 0, 2, 2, rows));
    assert!(effects.frames.is_empty());
    world
}

/// Asks for a page by telling of a step that is further on.
fn behind(world: &mut World, to: u64, seq: u64) -> Sync {
    let effects = world.frame(event(channel("general"), to - 1, to, seq, Vec::new()));
    let asks = syncs(&effects.frames);
    assert_eq!(asks.len(), 1);
    asks[0].clone()
}

#[test]
fn a_step_that_begins_at_the_cursor_is_applied_with_its_rows() {
    let mut world = following();
    let row = message("general", 3, 3);
    let effects = world.frame(event(channel("general"), 2, 3, 3, vec![row.clone()]));
    assert!(effects.frames.is_empty());
    assert_eq!(effects.delta.changes[0], Change::Row(row));
    assert_eq!(world.cursor(&channel("general")), Some((3, 3)));
    assert_eq!(world.head(&channel("general")), head(3, 3));
    assert!(world.ranges("general").is_fresh(1, 3));
    assert_eq!(world.engine.status(), Status::Live);
}

#[test]
fn a_step_that_ends_at_or_before_the_cursor_is_ignored() {
    let mut world = following();
    let effects = world.frame(event(channel("general"), 0, 1, 1, vec![message("general", 1, 1)]));
    assert!(effects.delta.is_empty() && effects.frames.is_empty());
}

#[test]
fn a_step_beyond_a_hole_is_not_applied_and_starts_a_pull() {
    let mut world = following();
    let row = message("general", 4, 4);
    let effects = world.frame(event(channel("general"), 3, 4, 4, vec![row.clone()]));
    assert_eq!(effects.delta.rows().count(), 0);
    assert_eq!(world.cursor(&channel("general")), Some((2, 2)));
    let asks = syncs(&effects.frames);
    assert_eq!(asks[0].cursor, Some(cursor(2, 2)));
    assert_eq!(world.engine.status(), Status::CatchingUp { behind: 1 });
    let rows = vec![message("general", 3, 3), row];
    drop(world.frame(ServerFrame::Page(page(&asks[0], 2, cursor(4, 4), rows))));
    assert_eq!(world.cursor(&channel("general")), Some((4, 4)));
    assert_eq!(world.engine.status(), Status::Live);
}

#[test]
fn a_step_that_overlaps_the_cursor_is_pulled_and_not_applied() {
    let mut world = following();
    let rows = vec![message("general", 2, 2), message("general", 3, 3)];
    let effects = world.frame(event(channel("general"), 1, 3, 3, rows));
    assert_eq!(world.cursor(&channel("general")), Some((2, 2)));
    assert_eq!(syncs(&effects.frames).len(), 1);
}

#[test]
fn steps_during_a_pull_are_kept_and_applied_after_the_page() {
    let mut world = following();
    let ask = behind(&mut world, 4, 4);
    let late = message("general", 5, 5);
    let effects = world.frame(event(channel("general"), 4, 5, 5, vec![late.clone()]));
    assert!(effects.frames.is_empty());
    assert_eq!(world.cursor(&channel("general")), Some((2, 2)));
    let rows = vec![message("general", 3, 3), message("general", 4, 4)];
    let effects = world.frame(ServerFrame::Page(page(&ask, 2, cursor(4, 4), rows)));
    assert!(effects.frames.is_empty());
    assert_eq!(world.cursor(&channel("general")), Some((5, 5)));
    assert!(world.disk.rows.contains_key(&late.key()));
    assert!(world.ranges("general").is_fresh(1, 5));
}

#[test]
fn an_own_answer_during_a_pull_is_shown_at_once_and_counts_after_the_page() {
    let mut world = following();
    let (id, _) = world.queue(send("general", 5));
    let ask = behind(&mut world, 4, 4);
    let mine = message("general", 5, 5);
    let effects = world.frame(accepted(
        id,
        vec![step(channel("general"), 4, 5, 5, vec![mine.clone()])],
    ));
    assert!(effects.delta.rows().any(|row| *row == mine));
    assert_eq!(world.cursor(&channel("general")), Some((2, 2)));
    let rows = vec![message("general", 3, 3), message("general", 4, 4)];
    let effects = world.frame(ServerFrame::Page(page(&ask, 2, cursor(4, 4), rows)));
    assert!(effects.frames.is_empty(), "nothing is left to pull");
    assert_eq!(world.cursor(&channel("general")), Some((5, 5)));
}

#[test]
fn more_steps_during_a_pull_than_are_kept_cost_another_page() {
    let mut world = following();
    let ask = behind(&mut world, 4, 4);
    for ver in 5..=104 {
        drop(world.frame(event(
            channel("general"),
            ver - 1,
            ver,
            ver,
            vec![message("general", ver, ver)],
        )));
    }
    let effects = world.frame(ServerFrame::Page(page(&ask, 2, cursor(4, 4), Vec::new())));
    let again = syncs(&effects.frames);
    assert_eq!(again.len(), 1);
    assert_eq!(
        again[0].cursor.map(|cursor| cursor.ver),
        world.cursor(&channel("general")).map(|(ver, _)| ver)
    );
    assert_eq!(world.head(&channel("general")), head(104, 104));
}

#[test]
fn a_page_that_does_not_begin_at_the_cursor_is_ignored_and_pulled_again() {
    let mut world = following();
    let ask = behind(&mut world, 4, 4);
    let effects = world.frame(ServerFrame::Page(page(
        &ask,
        1,
        cursor(4, 4),
        vec![message("general", 4, 4)],
    )));
    assert_eq!(effects.delta.rows().count(), 0);
    assert_eq!(world.cursor(&channel("general")), Some((2, 2)));
    let again = syncs(&effects.frames);
    assert_eq!(again[0].cursor, Some(cursor(2, 2)));
    assert_ne!(again[0].id, ask.id);
    // The answer to the first request is of no use any more, even a good one.
    let effects = world.frame(ServerFrame::Page(page(
        &ask,
        2,
        cursor(4, 4),
        vec![message("general", 4, 4)],
    )));
    assert!(effects.delta.is_empty());
}

#[test]
fn a_chain_of_pages_moves_the_sequence_only_at_its_end() {
    let mut world = following();
    let ask = behind(&mut world, 6, 5);
    let first = Page {
        more: true,
        head: head(6, 5),
        ..page(
            &ask,
            2,
            cursor(4, 2),
            vec![message("general", 3, 3), message("general", 4, 4)],
        )
    };
    let effects = world.frame(ServerFrame::Page(first));
    assert_eq!(world.cursor(&channel("general")), Some((4, 2)));
    assert!(
        !world.ranges("general").covers(1, 3),
        "a run is not claimed before it is complete"
    );
    let asks = syncs(&effects.frames);
    assert_eq!(asks[0].cursor, Some(cursor(4, 2)));
    let rows = vec![message("general", 5, 5), reaction("general", 1, 6)];
    drop(world.frame(ServerFrame::Page(page(&asks[0], 4, cursor(6, 5), rows))));
    assert_eq!(world.cursor(&channel("general")), Some((6, 5)));
    assert!(world.ranges("general").is_fresh(1, 5));
}

#[test]
fn a_chain_goes_on_after_a_restart_where_it_was() {
    let mut world = following();
    let ask = behind(&mut world, 6, 5);
    let first = Page {
        more: true,
        head: head(6, 5),
        ..page(&ask, 2, cursor(4, 2), Vec::new())
    };
    drop(world.frame(ServerFrame::Page(first)));
    let mut world = world.restarted();
    let effects = world.hello();
    let asks = syncs(&effects.frames);
    assert!(
        asks.iter()
            .any(|ask| ask.stream == channel("general") && ask.cursor == Some(cursor(4, 2)))
    );
}

#[test]
fn an_active_membership_starts_following_its_channel() {
    let mut world = World::live();
    let effects = world.frame(event(
        me(),
        0,
        1,
        0,
        vec![membership("new", MemberState::Active, 1)],
    ));
    let asks = syncs(&effects.frames);
    assert_eq!((asks[0].stream.clone(), asks[0].cursor), (channel("new"), None));
}

#[test]
fn a_membership_that_is_gone_ends_following_and_keeps_the_rows() {
    let mut world = following();
    drop(world.frame(event(
        me(),
        0,
        1,
        0,
        vec![membership("general", MemberState::Gone, 1)],
    )));
    assert_eq!(
        world.cursor(&channel("general")),
        Some((2, 2)),
        "for whoever comes back"
    );
    assert_eq!(world.head(&channel("general")), head(0, 0));
    assert!(world.disk.rows.contains_key(&message("general", 1, 1).key()));
    assert!(world.ranges("general").is_fresh(1, 2));
    assert_eq!(world.engine.status(), Status::Live);
    let asks = syncs(&world.restarted().hello().frames);
    assert!(asks.iter().all(|ask| ask.stream != channel("general")));
}

#[test]
fn a_channel_that_the_server_does_not_show_is_not_followed_any_more() {
    for code in [Code::ChannelNotFound, Code::NotMember] {
        let mut world = following();
        let ask = behind(&mut world, 4, 4);
        let effects = world.frame(failed(ask.id, code, None));
        assert!(
            effects
                .delta
                .changes
                .contains(&Change::Unfollow(channel("general")))
        );
        assert!(effects.frames.is_empty());
        assert_eq!(world.engine.status(), Status::Live);
    }
}

#[test]
fn refused_pulls_do_not_use_up_the_places_for_others() {
    let mut world = World::live();
    for number in 0..10 {
        let name = format!("gone{number}");
        let effects = world.frame(event(channel(&name), 4, 5, 1, Vec::new()));
        let asks = syncs(&effects.frames);
        assert_eq!(asks.len(), 1, "channel {number} is asked for");
        drop(world.frame(failed(asks[0].id, Code::NotMember, None)));
    }
    assert_eq!(world.engine.status(), Status::Live);
}

#[test]
fn a_refusal_of_a_pull_from_before_a_rejoin_does_not_end_the_new_one() {
    let mut world = following();
    let old = behind(&mut world, 4, 4);
    drop(world.frame(event(
        me(),
        0,
        1,
        0,
        vec![membership("general", MemberState::Gone, 1)],
    )));
    let effects = world.frame(event(
        me(),
        1,
        2,
        0,
        vec![membership("general", MemberState::Active, 2)],
    ));
    let new = syncs(&effects.frames);
    assert_eq!(
        new[0].cursor,
        Some(cursor(2, 2)),
        "whoever comes back goes on from there"
    );
    drop(world.frame(failed(old.id, Code::NotMember, None)));
    let rows = vec![message("general", 3, 9)];
    drop(world.frame(ServerFrame::Page(page(&new[0], 2, cursor(9, 3), rows))));
    assert_eq!(world.cursor(&channel("general")), Some((9, 3)));
}

#[test]
fn a_refusal_that_comes_after_the_news_of_a_rejoin_is_asked_about_once_more() {
    let mut world = following();
    let old = behind(&mut world, 4, 4);
    // The step that removed the user is lost; this one is of the return.
    let back = vec![membership("general", MemberState::Active, 2)];
    drop(world.frame(event(me(), 0, 2, 0, back)));
    let effects = world.frame(failed(old.id, Code::NotMember, None));
    let asked = syncs(&effects.frames);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].stream, channel("general"));
    let rows = vec![message("general", 3, 9)];
    drop(world.frame(ServerFrame::Page(page(&asked[0], 2, cursor(9, 3), rows))));
    assert_eq!(world.cursor(&channel("general")), Some((9, 3)));
}

#[test]
fn a_second_refusal_after_a_rejoin_ends_following() {
    let mut world = following();
    let old = behind(&mut world, 4, 4);
    let back = vec![membership("general", MemberState::Active, 2)];
    drop(world.frame(event(me(), 0, 2, 0, back)));
    let effects = world.frame(failed(old.id, Code::NotMember, None));
    let again = syncs(&effects.frames).remove(0);
    let effects = world.frame(failed(again.id, Code::NotMember, None));
    assert!(
        effects
            .delta
            .changes
            .contains(&Change::Unfollow(channel("general")))
    );
    assert!(syncs(&effects.frames).is_empty());
}

#[test]
fn a_pull_that_is_refused_for_now_is_asked_for_again_after_the_wait() {
    let mut world = following();
    let ask = behind(&mut world, 4, 4);
    let start = world.now;
    let effects = world.frame(failed(ask.id, Code::Unavailable, Some(5_000)));
    assert!(syncs(&effects.frames).is_empty());
    let effects = world.wake();
    assert_eq!(syncs(&effects.frames).len(), 1);
    assert!((5_000..=6_000).contains(&(world.now - start)));
}

#[test]
fn what_is_on_the_screen_is_pulled_first_and_a_few_at_a_time() {
    let mut world = World::new();
    world.engine.set_visible(&cid("z"), true);
    let effects = world.hello();
    let own = syncs(&effects.frames);
    let ask = asks_heads(&effects.frames);
    let heads = ["a", "b", "c", "d", "e", "f", "z"];
    let heads = heads
        .into_iter()
        .map(|name| (channel(name), head(3, 3)))
        .collect();
    let effects = world.frame(heads_page(ask[0].id, "5", false, heads));
    let asks = syncs(&effects.frames);
    assert_eq!(own.len() + asks.len(), 4);
    assert_eq!(asks[0].stream, channel("z"));
    let effects = world.frame(ServerFrame::Page(page(&own[0], 0, cursor(0, 0), Vec::new())));
    assert_eq!(
        syncs(&effects.frames).len(),
        1,
        "an answer makes room for the next"
    );
}

#[test]
fn a_stream_of_somebody_else_is_not_followed() {
    let mut world = World::live();
    let other = whimbrel_model::StreamId::User(crate::frames::user("bob"));
    let effects = world.frame(event(other, 3, 4, 0, Vec::new()));
    assert!(effects.frames.is_empty() && effects.delta.is_empty());
}

#[test]
fn a_connection_that_breaks_in_a_pull_pulls_again_on_the_next() {
    let mut world = following();
    let ask = behind(&mut world, 4, 4);
    drop(world.frame(event(channel("general"), 4, 5, 5, vec![message("general", 5, 5)])));
    drop(world.input(Input::Closed {
        code: Code::HeartbeatLost,
    }));
    let effects = world.hello();
    let asks = syncs(&effects.frames);
    assert_eq!(asks[0].cursor, Some(cursor(2, 2)));
    let late = world.frame(ServerFrame::Page(page(&ask, 2, cursor(4, 4), Vec::new())));
    assert!(
        late.delta.is_empty(),
        "a page of the old connection is not what was asked for"
    );
}
