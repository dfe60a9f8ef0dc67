//! Windows in the past, what lies on either side of them, and how much is kept.

use crate::{
    disk::{cid, covered, message, queued, rows, send},
    driver::{Driver, Reader, texts},
};
use whimbrel_model::Row;
use whimbrel_state::{Items, NewerEdge, OlderEdge, StateConfig, TimelineItem, Windows};

/// A device with messages 1 to `count` of a channel.
fn filled(driver: &mut Driver, count: u64) {
    let all = (1..=count).map(|seq| Row::Message(message(seq, &cid("a"), seq, seq)));
    driver.commit(rows(all));
    driver.commit(covered(&cid("a"), &[(1, count)]));
}

fn seqs(items: &Items<TimelineItem>) -> Vec<u64> {
    items.iter().map(|item| item.view.message.seq).collect()
}

#[test]
fn a_window_in_the_past_has_what_is_around_its_place_and_nothing_new() {
    let mut driver = Driver::new();
    filled(&mut driver, 100);
    let timeline = driver.open_at(&cid("a"), 50, 10);
    let mut reader = Reader::new(timeline.subscribe());
    assert_eq!(seqs(&timeline.items()), (45..=54).collect::<Vec<_>>());
    assert_eq!(
        (timeline.edge(), timeline.newer_edge()),
        (OlderEdge::OnDisk, NewerEdge::OnDisk)
    );
    assert_eq!((timeline.span(), timeline.is_at_newest()), ((45, 54), false));
    driver.commit(rows([Row::Message(message(101, &cid("a"), 101, 101))]));
    driver.queue(queued(1, send(500, &cid("a"))));
    reader.read();
    assert_eq!(reader.list.len(), 10, "neither what is new nor what waits");
    driver.extend(&timeline, 5);
    driver.extend_newer(&timeline, 5);
    assert_eq!(seqs(&timeline.items()), (40..=59).collect::<Vec<_>>());
    driver.extend_newer(&timeline, 100);
    assert!(timeline.is_at_newest());
    assert_eq!(timeline.newer_edge(), NewerEdge::Newest);
    let items = timeline.items();
    assert_eq!(seqs(&items), (40..=101).chain([0]).collect::<Vec<_>>());
    assert_eq!(texts(&items).last(), Some(&"own 500"));
    reader.read();
    assert_eq!(reader.list, items);
}

#[test]
fn what_changes_in_a_window_in_the_past_is_shown() {
    let mut driver = Driver::new();
    filled(&mut driver, 100);
    let here = driver.open_at(&cid("a"), 50, 10);
    let elsewhere = driver.open_at(&cid("a"), 80, 10);
    let newest = driver.open(&cid("a"), 10);
    let mut edited = message(50, &cid("a"), 50, 200);
    edited.body.text = "edited".to_owned();
    driver.commit(rows([Row::Message(edited)]));
    assert!(texts(&here.items()).contains(&"edited"));
    for other in [&elsewhere, &newest] {
        assert_eq!(other.items().len(), 10);
        assert!(!texts(&other.items()).contains(&"edited"));
    }
    // Two handles of one list, and lists of their own.
    assert_eq!(driver.open(&cid("a"), 3).items().len(), 10);
}

#[test]
fn a_list_is_moved_as_one_batch() {
    let mut driver = Driver::new();
    filled(&mut driver, 100);
    driver.queue(queued(1, send(500, &cid("a"))));
    let timeline = driver.open(&cid("a"), 10);
    let mut reader = Reader::new(timeline.subscribe());
    driver.move_to(&timeline, 20, 10);
    reader.read();
    assert_eq!(seqs(&reader.list), (15..=24).collect::<Vec<_>>());
    driver.move_to(&timeline, u64::MAX, 10);
    reader.read();
    assert_eq!(reader.list, timeline.items());
    assert_eq!(texts(&reader.list).last(), Some(&"own 500"));
    assert!(timeline.is_at_newest());
}

#[test]
fn a_gap_right_before_the_first_row_comes_before_what_lies_beyond_it() {
    let mut driver = Driver::new();
    let all = (1..=5)
        .chain(20..=30)
        .map(|seq| Row::Message(message(seq, &cid("a"), seq, seq)));
    driver.commit(rows(all));
    driver.commit(covered(&cid("a"), &[(1, 5), (20, 30)]));
    let timeline = driver.open(&cid("a"), 11);
    assert_eq!(seqs(&timeline.items()), (20..=30).collect::<Vec<_>>());
    assert_eq!(timeline.edge(), OlderEdge::OnServer);
    let shorter = driver.open_at(&cid("a"), u64::MAX, 10);
    assert_eq!(shorter.items().len(), 5, "half of them come before it");
    assert_eq!(shorter.edge(), OlderEdge::OnDisk);
    let past = driver.open_at(&cid("a"), 4, 4);
    assert_eq!(seqs(&past.items()), [2, 3, 4, 5]);
    assert_eq!(past.newer_edge(), NewerEdge::OnServer);
    driver.extend_newer(&past, 1);
    assert!(past.items()[4].gap_before, "beyond a gap");
    driver.commit(covered(&cid("a"), &[(1, 30)]));
    assert_eq!(timeline.edge(), OlderEdge::OnDisk);
    assert_eq!(past.newer_edge(), NewerEdge::OnDisk);
}

#[test]
fn each_channel_type_keeps_its_own_number_of_rows() {
    let mut windows = Windows::default();
    windows.set("livestream", 40);
    windows.set_default(0);
    assert_eq!(windows.rows(&"livestream:reef".parse().unwrap()), 40);
    assert_eq!(windows.rows(&cid("a")), 1, "one at the least");
    assert_eq!(StateConfig::default().windows.rows(&cid("a")), 500);

    let mut driver = Driver::with_window(20);
    filled(&mut driver, 10);
    let timeline = driver.open(&cid("a"), 10);
    for seq in 11..=200 {
        driver.commit(rows([Row::Message(message(seq, &cid("a"), seq, seq))]));
        assert!(timeline.items().len() <= 50, "{} rows", timeline.items().len());
    }
    driver.commit(covered(&cid("a"), &[(1, 200)]));
    assert_eq!(timeline.edge(), OlderEdge::OnDisk);
    driver.extend(&timeline, 500);
    assert_eq!(timeline.items().len(), 200, "what was loaded is kept");
    driver.move_to(&timeline, u64::MAX, 20);
    assert_eq!(timeline.items().len(), 10);
}
