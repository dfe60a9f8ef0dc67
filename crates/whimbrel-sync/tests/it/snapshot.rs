//! Snapshots: a stream that is new, too far behind, or of another history. And older messages.

use crate::{
    frames::{
        EPOCH, accepted, channel, cid, cursor, event, failed, head, heads_page, histories, in_window, me,
        membership, message, page, reaction, ready_as, send, syncs,
    },
    world::World,
};
use whimbrel_model::{Change, Code, Cursor, Epoch, Head, HistoryFrom, MemberState, Range, StreamEvent};
use whimbrel_protocol::{HistoryPage, Page, ServerFrame, Sync};
use whimbrel_sync::{HistoryError, Input, Notice, Status};

fn told_of(world: &mut World, to: u64, seq: u64) -> Sync {
    let effects = world.frame(event(channel("general"), to - 1, to, seq, Vec::new()));
    syncs(&effects.frames)[0].clone()
}

fn reset(ask: &Sync, to: Cursor, rows: Vec<whimbrel_model::Row>) -> Page {
    Page {
        reset: true,
        ..page(ask, 0, to, rows)
    }
}

/// Live, with messages 1 to 10 of the channel at version 10.
fn followed() -> World {
    let mut world = World::live();
    let rows = (1..=10)
        .map(|number| message("general", number, number))
        .collect();
    drop(world.frame(event(channel("general"), 0, 10, 10, rows)));
    world
}

#[test]
fn a_new_stream_begins_with_a_snapshot_that_says_where_it_begins() {
    let mut world = World::live();
    let ask = told_of(&mut world, 2_000, 100);
    assert_eq!(ask.cursor, None);
    let rows = (51..=100)
        .map(|number| message("general", number, 1_900 + number))
        .collect();
    let effects = world.frame(ServerFrame::Page(reset(&ask, cursor(2_000, 100), rows)));
    assert!(world.ranges("general").is_fresh(51, 100));
    assert!(!world.ranges("general").covers(50, 50));
    assert!(effects.notices.is_empty(), "nothing was interrupted");
    assert!(world.disk.rebased.is_empty());
}

#[test]
fn a_snapshot_of_several_pages_claims_its_window_at_the_end() {
    let mut world = World::live();
    let ask = told_of(&mut world, 2_000, 100);
    let first = Page {
        more: true,
        head: head(2_000, 100),
        ..reset(
            &ask,
            in_window(1_980, 0, 51, 2_000),
            vec![message("general", 51, 1_980)],
        )
    };
    let effects = world.frame(ServerFrame::Page(first));
    assert!(world.ranges("general").as_slice().is_empty());
    let asks = syncs(&effects.frames);
    assert_eq!(asks[0].cursor, Some(in_window(1_980, 0, 51, 2_000)));
    // Meanwhile somebody edits message 3, which the window leaves out, and writes message 101.
    let rows = vec![
        message("general", 100, 2_000),
        message("general", 3, 2_001),
        message("general", 101, 2_002),
    ];
    drop(world.frame(ServerFrame::Page(page(&asks[0], 1_980, cursor(2_002, 101), rows))));
    assert_eq!(
        world.ranges("general").as_slice(),
        [Range {
            lo: 51,
            hi: 101,
            stale_since: None
        }]
    );
    assert_eq!(world.engine.status(), Status::Live);
}

#[test]
fn a_step_within_a_snapshot_waits_for_its_end() {
    let mut world = World::live();
    let ask = told_of(&mut world, 20, 10);
    let first = Page {
        more: true,
        head: head(20, 10),
        ..reset(&ask, in_window(15, 0, 1, 20), Vec::new())
    };
    let effects = world.frame(ServerFrame::Page(first));
    let second = syncs(&effects.frames)[0].id;
    // The next page is not on its way now, and the step begins at the cursor.
    drop(world.frame(failed(second, Code::Unavailable, Some(5_000))));
    drop(world.frame(event(
        channel("general"),
        15,
        21,
        11,
        vec![message("general", 11, 21)],
    )));
    assert_eq!(world.cursor(&channel("general")), Some((15, 0)));
    let ask = syncs(&world.wake().frames)[0].clone();
    assert_eq!(ask.cursor, Some(in_window(15, 0, 1, 20)));
    drop(world.frame(ServerFrame::Page(page(&ask, 15, cursor(21, 11), Vec::new()))));
    assert!(world.ranges("general").is_fresh(1, 11));
}

#[test]
fn a_jump_within_a_history_marks_the_runs_as_stale_and_says_so() {
    let mut world = followed();
    let ask = told_of(&mut world, 2_000, 200);
    let rows = (151..=200)
        .map(|number| message("general", number, 1_800 + number))
        .collect();
    let effects = world.frame(ServerFrame::Page(reset(&ask, cursor(2_000, 200), rows)));
    assert_eq!(effects.notices, [Notice::Discontinuity(cid("general"))]);
    assert_eq!(
        world.ranges("general").as_slice(),
        [
            Range {
                lo: 1,
                hi: 10,
                stale_since: Some(10)
            },
            Range {
                lo: 151,
                hi: 200,
                stale_since: None
            },
        ]
    );
    assert!(world.disk.rebased.is_empty());
    assert_eq!(world.engine.fresh_start(&cid("general"), 160), 151);
    assert_eq!(
        world.engine.fresh_start(&cid("general"), 11),
        11,
        "what is stale is asked for again"
    );
}

#[test]
fn another_history_takes_the_place_of_the_one_that_was() {
    let mut world = followed();
    drop(world.input(Input::GoOffline));
    drop(world.greet());
    let effects = world.frame(ready_as("ada", Epoch(8)));
    let asks = syncs(&effects.frames);
    let ask = asks
        .into_iter()
        .find(|ask| ask.stream == channel("general"))
        .unwrap();
    assert_eq!(
        ask.cursor,
        Some(cursor(10, 10)),
        "the server sees that it is of another history"
    );
    let to = Cursor {
        epoch: Epoch(8),
        ..cursor(4, 3)
    };
    let effects = world.frame(ServerFrame::Page(reset(&ask, to, vec![message("general", 3, 4)])));
    let rebase = effects
        .delta
        .changes
        .iter()
        .position(|change| *change == Change::Rebase(channel("general")));
    let row = effects
        .delta
        .changes
        .iter()
        .position(|change| matches!(change, Change::Row(_)));
    assert!(rebase < row, "the old rows step back before the new come");
    assert_eq!(world.disk.cursor(&channel("general")), Some(to));
    assert_eq!(
        world.head(&channel("general")),
        head(4, 3),
        "the head of the old history is gone"
    );
    assert_eq!(
        world.ranges("general").as_slice(),
        [Range {
            lo: 3,
            hi: 3,
            stale_since: None
        }]
    );
}

#[test]
fn a_head_of_another_history_does_not_make_a_pull_without_end() {
    let mut world = World::live();
    // Known to be far ahead, and never pulled: the connection broke first.
    let ask = told_of(&mut world, 500, 100);
    assert_eq!(ask.cursor, None);
    let mut world = world.restarted();
    drop(world.greet());
    let effects = world.frame(ready_as("ada", Epoch(8)));
    assert!(
        effects
            .delta
            .changes
            .contains(&Change::Rebase(channel("general")))
    );
    let asks = syncs(&effects.frames);
    let ask = asks
        .into_iter()
        .find(|ask| ask.stream == channel("general"))
        .unwrap();
    let to = Cursor {
        epoch: Epoch(8),
        ..cursor(4, 1)
    };
    let effects = world.frame(ServerFrame::Page(reset(&ask, to, vec![message("general", 1, 4)])));
    assert!(
        syncs(&effects.frames)
            .iter()
            .all(|ask| ask.stream != channel("general"))
    );
    assert_eq!(world.head(&channel("general")), head(4, 1));
}

#[test]
fn a_live_step_of_another_history_is_not_applied_at_the_old_cursor() {
    let mut world = followed();
    drop(world.input(Input::GoOffline));
    drop(world.greet());
    drop(world.frame(ready_as("ada", Epoch(8))));
    drop(world.frame(event(
        channel("general"),
        10,
        11,
        11,
        vec![message("general", 11, 11)],
    )));
    assert_eq!(world.cursor(&channel("general")), Some((10, 10)));
}

#[test]
fn a_token_of_another_history_is_not_used_and_is_replaced() {
    let mut world = World::live();
    drop(world.input(Input::GoOffline));
    drop(world.greet());
    let effects = world.frame(ready_as("ada", Epoch(8)));
    let ask = crate::frames::asks_heads(&effects.frames)[0].clone();
    assert_eq!(ask.since, None);
    // The same text as in the old history.
    drop(world.frame(heads_page(ask.id, "1", false, vec![(me(), Head::default())])));
    assert_eq!(world.disk.loaded.heads_token.as_deref(), Some("8/1"));
    assert_ne!(Epoch(8), EPOCH);
}

#[test]
fn older_messages_join_the_run_that_is_there() {
    let mut world = World::live();
    let ask = told_of(&mut world, 2_000, 100);
    let rows = (51..=100)
        .map(|number| message("general", number, 1_900 + number))
        .collect();
    drop(world.frame(ServerFrame::Page(reset(&ask, cursor(2_000, 100), rows))));
    let (id, effects) = world
        .with_env(|engine, env| engine.fetch_history(cid("general"), HistoryFrom::Before(51), 20, env))
        .unwrap();
    let asks = histories(&effects.frames);
    let expected = (id, HistoryFrom::Before(51), 20);
    assert_eq!((asks[0].id, asks[0].from, asks[0].limit), expected);
    let rows = (31..=50)
        .map(|number| message("general", number, number))
        .chain([reaction("general", 31, 90)]);
    let effects = world.frame(ServerFrame::History(HistoryPage {
        id,
        cid: cid("general"),
        lo: 31,
        hi: 50,
        rows: rows.collect(),
    }));
    assert_eq!(effects.notices, [Notice::History(id, Ok(()))]);
    assert!(world.ranges("general").is_fresh(31, 100));
    assert_eq!(world.engine.fresh_start(&cid("general"), 80), 31);
}

/// Found by the simulator, seed 701880: what the snapshot leaves out may have changed since the older messages were read.
#[test]
fn older_messages_that_were_asked_for_before_a_snapshot_are_not_taken_for_fresh() {
    let mut world = World::live();
    let ask = told_of(&mut world, 2_000, 100);
    let (early, _) = world
        .with_env(|engine, env| engine.fetch_history(cid("general"), HistoryFrom::Before(11), 20, env))
        .unwrap();
    let (late, _) = world
        .with_env(|engine, env| engine.fetch_history(cid("general"), HistoryFrom::Before(31), 20, env))
        .unwrap();
    let older = |id, lo: u64, hi| {
        ServerFrame::History(HistoryPage {
            id,
            cid: cid("general"),
            lo,
            hi,
            rows: (lo..=hi)
                .map(|number| message("general", number, number))
                .collect(),
        })
    };
    drop(world.frame(older(early, 1, 10)));
    assert!(world.ranges("general").is_fresh(1, 10));
    let rows = (51..=100)
        .map(|number| message("general", number, 1_900 + number))
        .collect();
    drop(world.frame(ServerFrame::Page(reset(&ask, cursor(2_000, 100), rows))));
    drop(world.frame(older(late, 11, 30)));
    assert!(world.ranges("general").is_fresh(51, 100));
    assert!(!world.ranges("general").is_fresh(1, 10));
    assert!(!world.ranges("general").is_fresh(11, 30));
}

#[test]
fn older_messages_cannot_be_asked_for_without_a_connection() {
    let mut world = World::new();
    let error = world
        .with_env(|engine, env| engine.fetch_history(cid("general"), HistoryFrom::Before(5), 20, env))
        .unwrap_err();
    assert_eq!(error, HistoryError::NotConnected);
}

#[test]
fn whoever_waits_for_older_messages_hears_of_a_refusal_and_of_a_break() {
    let mut world = World::live();
    let ask = |world: &mut World| {
        world
            .with_env(|engine, env| engine.fetch_history(cid("general"), HistoryFrom::Before(5), 20, env))
            .unwrap()
            .0
    };
    let id = ask(&mut world);
    let effects = world.frame(failed(id, Code::NotMember, None));
    let refused = HistoryError::Refused {
        code: Code::NotMember,
        message: "because".to_owned(),
    };
    assert_eq!(effects.notices, [Notice::History(id, Err(refused))]);
    let id = ask(&mut world);
    let effects = world.input(Input::GoOffline);
    assert_eq!(
        effects.notices,
        [Notice::History(id, Err(HistoryError::NotConnected))]
    );
}

/// Followed, then connected to another history.
fn in_another_history() -> World {
    let mut world = followed();
    drop(world.input(Input::GoOffline));
    drop(world.greet());
    drop(world.frame(ready_as("ada", Epoch(8))));
    world
}

#[test]
fn an_answer_of_another_history_does_not_mix_its_rows_with_the_old_ones() {
    let mut world = in_another_history();
    let (id, _) = world.queue(send("general", 90));
    let step = StreamEvent {
        stream: channel("general"),
        from: 2,
        to: 3,
        seq: 3,
        rows: vec![message("general", 3, 3)],
    };
    let effects = world.frame(accepted(id, vec![step]));
    let changes = &effects.delta.changes;
    let place = |wanted: fn(&Change) -> bool| changes.iter().position(wanted);
    let rebase = place(|change| *change == Change::Rebase(channel("general")));
    let row = place(|change| matches!(change, Change::Row(_)));
    assert!(rebase.is_some() && rebase < row, "{changes:?}");
    assert!(world.ranges("general").as_slice().is_empty());
    assert_eq!(
        world.cursor(&channel("general")),
        None,
        "it is read from the beginning"
    );
}

#[test]
fn a_channel_that_another_history_does_not_know_leaves_no_versions_behind() {
    let mut world = in_another_history();
    // The page that was asked for when it connected.
    let ask = (1..10).find(|id| {
        let effects = world.frame(failed(*id, Code::ChannelNotFound, None));
        effects
            .delta
            .changes
            .contains(&Change::Unfollow(channel("general")))
    });
    assert!(ask.is_some());
    assert!(world.disk.rebased.contains(&channel("general")));
    assert!(world.ranges("general").as_slice().is_empty());
}

#[test]
fn a_channel_that_was_left_in_another_history_is_read_anew_by_whoever_is_in_it_now() {
    let mut world = followed();
    let gone = vec![membership("general", MemberState::Gone, 1)];
    drop(world.frame(event(me(), 0, 1, 0, gone)));
    let mut world = world.restarted();
    drop(world.greet());
    let effects = world.frame(ready_as("ada", Epoch(8)));
    let asks = syncs(&effects.frames);
    let ask = asks.iter().find(|ask| ask.stream == channel("general")).unwrap();
    assert_eq!(ask.cursor, Some(cursor(10, 10)));
    let to = Cursor {
        epoch: Epoch(8),
        ..cursor(4, 3)
    };
    drop(world.frame(ServerFrame::Page(reset(ask, to, vec![message("general", 3, 4)]))));
    assert!(world.disk.rebased.contains(&channel("general")));
}

#[test]
fn a_restart_before_anything_was_followed_keeps_the_own_messages_in_sight() {
    let mut world = World::new();
    drop(world.hello());
    let (id, _) = world.queue(send("general", 90));
    let step = StreamEvent {
        stream: channel("general"),
        from: 4,
        to: 5,
        seq: 1,
        rows: vec![message("general", 1, 5)],
    };
    drop(world.frame(accepted(id, vec![step])));
    let mut world = world.restarted();
    drop(world.hello());
    assert_eq!(
        world.disk.rebased,
        [],
        "nothing says that it is of another history"
    );
}

#[test]
fn a_channel_that_was_left_before_its_first_page_is_known_to_be_of_its_history() {
    let mut world = World::live();
    let (id, _) = world.queue(send("general", 90));
    let step = StreamEvent {
        stream: channel("general"),
        from: 4,
        to: 5,
        seq: 1,
        rows: vec![message("general", 1, 5)],
    };
    drop(world.frame(accepted(id, vec![step])));
    let gone = vec![membership("general", MemberState::Gone, 1)];
    drop(world.frame(event(me(), 0, 1, 0, gone)));
    assert_eq!(world.cursor(&channel("general")), Some((0, 0)));
    let mut world = world.restarted();
    drop(world.greet());
    let effects = world.frame(ready_as("ada", Epoch(8)));
    let asks = syncs(&effects.frames);
    assert!(asks.iter().any(|ask| ask.stream == channel("general")));
}

#[test]
fn another_history_is_recognised_before_any_answer_about_heads_or_pages_has_come() {
    let mut world = World::new();
    drop(world.hello());
    drop(world.frame(event(channel("general"), 499, 500, 100, Vec::new())));
    let (id, _) = world.queue(send("other", 90));
    let step = StreamEvent {
        stream: channel("other"),
        from: 4,
        to: 5,
        seq: 1,
        rows: vec![message("other", 1, 5)],
    };
    drop(world.frame(accepted(id, vec![step])));
    let mut world = world.restarted();
    drop(world.greet());
    let effects = world.frame(ready_as("ada", Epoch(8)));
    for name in ["general", "other"] {
        let rebase = Change::Rebase(channel(name));
        assert!(
            effects.delta.changes.contains(&rebase),
            "{name} would be pulled for ever, or mixed"
        );
    }
}

#[test]
fn what_is_let_go_of_is_on_disk_as_something_to_pull() {
    let mut world = in_another_history();
    // Nothing came but the answer to a question about older messages, and the heads will not tell again.
    let (id, effects) = world
        .with_env(|engine, env| engine.fetch_history(cid("general"), HistoryFrom::Before(5), 10, env))
        .unwrap();
    drop(world.commit(effects));
    let nothing = HistoryPage {
        id,
        cid: cid("general"),
        lo: 1,
        hi: 0,
        rows: Vec::new(),
    };
    drop(world.frame(ServerFrame::History(nothing)));
    assert!(world.disk.rebased.contains(&channel("general")));
    let mut world = world.restarted();
    drop(world.greet());
    let effects = world.frame(ready_as("ada", Epoch(8)));
    let asks = syncs(&effects.frames);
    assert!(
        asks.iter().any(|ask| ask.stream == channel("general")),
        "{asks:?}"
    );
}
