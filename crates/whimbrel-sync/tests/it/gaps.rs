//! Filling what the device skipped, in the background.

use crate::{
    disk::Disk,
    frames::{
        asks_heads, channel, cid, cursor, event, failed, head, heads_page, histories, message, page, syncs,
    },
    world::World,
};
use whimbrel_model::{Code, Gap, HistoryFrom, limits};
use whimbrel_protocol::{ClientFrame, History, HistoryPage, Page, ServerFrame};
use whimbrel_sync::{Effects, EngineConfig, Input};

/// Live, with messages 1 to 10, then a snapshot of 2,000 that left out what lies between: and what it asks for then.
fn jumped(world: &mut World, name: &str) -> Effects {
    let rows = (1..=10).map(|number| message(name, number, number)).collect();
    drop(world.frame(event(channel(name), 0, 10, 10, rows)));
    let effects = world.frame(event(channel(name), 2_999, 3_000, 2_000, Vec::new()));
    let ask = syncs(&effects.frames)[0].clone();
    let rows = (1_951..=2_000)
        .map(|number| message(name, number, 1_000 + number))
        .collect();
    world.frame(ServerFrame::Page(Page {
        reset: true,
        ..page(&ask, 0, cursor(3_000, 2_000), rows)
    }))
}

fn asked(effects: &Effects) -> History {
    let asks = histories(&effects.frames);
    assert_eq!(asks.len(), 1, "one request at a time: {asks:?}");
    asks[0].clone()
}

fn answer(ask: &History) -> ServerFrame {
    let HistoryFrom::Before(before) = ask.from else {
        panic!("a gap is filled from its newer side: {ask:?}");
    };
    let (lo, hi) = (before - u64::from(ask.limit), before - 1);
    ServerFrame::History(HistoryPage {
        id: ask.id,
        cid: ask.cid.clone(),
        lo,
        hi,
        rows: Vec::new(),
    })
}

fn gap(lo: u64, hi: u64, stale: bool) -> Gap {
    Gap { lo, hi, stale }
}

/// Somebody looks at a message of long ago: a run of two hundred, a million messages before the newest.
#[test]
fn a_run_far_from_the_newest_is_one_of_its_own_and_is_not_joined_to_it() {
    let mut world = World::live();
    let name = "general";
    let effects = world.frame(event(channel(name), 2_999, 3_000, 1_000_000, Vec::new()));
    let ask = syncs(&effects.frames)[0].clone();
    let rows = (999_951..=1_000_000)
        .map(|seq| message(name, seq, 1_000 + seq % 1_000))
        .collect();
    drop(world.frame(ServerFrame::Page(Page {
        reset: true,
        ..page(&ask, 0, cursor(3_000, 1_000_000), rows)
    })));
    let asked =
        world.with_env(|engine, env| engine.fetch_history(cid(name), HistoryFrom::Around(500), 200, env));
    let (request, _) = asked.unwrap();
    let answered = ServerFrame::History(HistoryPage {
        id: request,
        cid: cid(name),
        lo: 400,
        hi: 599,
        rows: (400..600).map(|seq| message(name, seq, seq)).collect(),
    });
    let mut effects = world.frame(answered);
    assert_eq!(
        world.engine.gaps(&cid(name)),
        [gap(1, 399, false), gap(600, 999_950, false)]
    );
    assert_eq!(
        (
            world.engine.fresh_start(&cid(name), 600),
            world.engine.fresh_end(&cid(name), 399)
        ),
        (400, 599)
    );
    let mut requests = 0;
    while let Some(ask) = histories(&effects.frames).first() {
        requests += 1;
        effects = world.frame(answer(ask));
    }
    let newest = world.engine.gaps(&cid(name));
    assert_eq!(requests, 5, "the newest thousand, as always: {newest:?}");
    assert_eq!(newest[1], gap(600, 998_950, false));
}

#[test]
fn a_gap_is_filled_from_its_newer_side_and_no_further_than_the_newest_thousand() {
    let mut world = World::live();
    let mut effects = jumped(&mut world, "general");
    assert_eq!(
        world.engine.gaps(&cid("general")),
        [gap(1, 10, true), gap(11, 1_950, false)]
    );
    assert_eq!(world.engine.incomplete(), [cid("general")]);
    let mut before = 1_951;
    loop {
        let asks = histories(&effects.frames);
        let Some(ask) = asks.first() else { break };
        let expected = (HistoryFrom::Before(before), limits::PAGE_ROWS as u32);
        assert_eq!((ask.from, ask.limit), expected);
        before -= limits::PAGE_ROWS as u64;
        effects = world.frame(answer(ask));
        assert!(
            effects.notices.is_empty(),
            "nobody had asked: {:?}",
            effects.notices
        );
    }
    let newest = EngineConfig::default().fill_messages;
    assert!(before <= 2_000 - newest + 1, "{before}");
    assert!(before + limits::PAGE_ROWS as u64 > 2_000 - newest);
    assert_eq!(
        world.engine.gaps(&cid("general")),
        [gap(1, 10, true), gap(11, before - 1, false)]
    );
}

#[test]
fn what_is_on_the_screen_is_filled_first() {
    let mut world = World::live();
    world.engine.set_visible(&cid("zoo"), true);
    let first = asked(&jumped(&mut world, "attic"));
    assert_eq!(first.cid, cid("attic"));
    drop(jumped(&mut world, "zoo"));
    let effects = world.frame(answer(&first));
    assert_eq!(asked(&effects).cid, cid("zoo"));
}

#[test]
fn what_may_have_changed_is_fetched_again() {
    let mut world = World::configured(
        Disk::default(),
        1,
        EngineConfig {
            fill_messages: 10_000,
            ..crate::world::undecided()
        },
    )
    .online();
    let mut effects = jumped(&mut world, "general");
    let mut last = None;
    for _ in 0..20 {
        let Some(ask) = histories(&effects.frames).first().cloned() else {
            break;
        };
        effects = world.frame(answer(&ask));
        last = Some(ask);
    }
    let last = last.expect("there was a gap");
    assert_eq!((last.from, last.limit), (HistoryFrom::Before(11), 10));
    assert_eq!(world.engine.gaps(&cid("general")), []);
    assert_eq!(world.engine.incomplete(), []);
}

#[test]
fn nothing_is_filled_before_everything_is_up_to_date_nor_if_not_wanted() {
    let mut world = World::live();
    let rows = (1..=10).map(|number| message("other", number, number)).collect();
    drop(world.frame(event(channel("other"), 0, 10, 10, rows)));
    drop(world.frame(event(channel("other"), 19, 20, 20, Vec::new())));
    let effects = jumped(&mut world, "general");
    assert_eq!(
        histories(&effects.frames),
        [],
        "the page of the other channel comes first"
    );

    let config = EngineConfig {
        fill_messages: 0,
        ..crate::world::undecided()
    };
    let mut world = World::configured(Disk::default(), 1, config).online();
    let effects = jumped(&mut world, "general");
    assert_eq!(histories(&effects.frames), []);
}

#[test]
fn a_refusal_and_an_answer_that_fills_nothing_are_not_asked_again_at_once() {
    let mut world = World::live();
    let ask = asked(&jumped(&mut world, "general"));
    let effects = world.frame(failed(ask.id, Code::RateLimited, Some(60_000)));
    assert_eq!(histories(&effects.frames), []);
    world.now += 100_000;
    drop(world.input(Input::GoOffline));
    let hello = world.hello();
    let heads = asks_heads(&hello.frames)[0].id;
    let ask = asked(&world.frame(heads_page(heads, "2", false, Vec::new())));
    let empty = HistoryPage {
        id: ask.id,
        cid: ask.cid.clone(),
        lo: 1,
        hi: 0,
        rows: Vec::new(),
    };
    let effects = world.frame(ServerFrame::History(empty));
    assert_eq!(histories(&effects.frames), []);
    let woken = world.wake();
    assert_eq!(histories(&woken.frames), [], "not before the next connection");
}

#[test]
fn a_server_that_tells_of_more_and_does_not_send_it_is_not_asked_without_end() {
    let mut world = World::live();
    let mut effects = world.frame(event(channel("general"), 9, 10, 5, Vec::new()));
    let mut asked = 0;
    while let Some(ask) = syncs(&effects.frames).first().cloned() {
        asked += 1;
        assert!(asked < 10, "it spins");
        let mut nothing = page(&ask, 0, cursor(0, 0), Vec::new());
        nothing.head = head(10, 5);
        effects = world.frame(ServerFrame::Page(nothing));
    }
    assert!(asked >= 2);
    let wake = world.wake();
    let again = wake
        .frames
        .iter()
        .any(|frame| matches!(frame, ClientFrame::Sync(_)));
    assert!(again, "later it is asked again: {:?}", wake.frames);
}
