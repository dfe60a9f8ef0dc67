//! One test for each behaviour of a timeline.

use crate::{
    disk::{accepted, cid, covered, message, message_id, queued, rebase, rows, send, user},
    driver::{Driver, Reader, texts},
};
use futures_util::{FutureExt, StreamExt};
use whimbrel_model::{
    Change, Code, Delta, Message, MessageBody, MessageScope, Op, OutboxItem, OutboxStatus, Reaction,
    ReactionType, Rejection, Row, Timestamp,
    overlay::{MessageStatus, ReactionGroup},
};
use whimbrel_state::{OlderEdge, State, VectorDiff};

/// A channel with bob's messages 1 to `count`, all of them on disk.
fn driver(count: u64) -> Driver {
    let mut driver = Driver::new();
    let cid = cid("a");
    let mut delta = rows((1..=count).map(|n| Row::Message(message(n, &cid, n, n))));
    delta.push(covered(&cid, &[(1, count)]));
    driver.commit(delta);
    driver
}

fn arrives(n: u64) -> Delta {
    rows([Row::Message(message(n, &cid("a"), n, n))])
}

fn rejected(item: &OutboxItem) -> OutboxItem {
    OutboxItem {
        status: OutboxStatus::Rejected(Rejection {
            code: Code::Forbidden,
            message: "no".to_owned(),
            parent: None,
        }),
        ..item.clone()
    }
}

fn like(message: u64, name: &str, ver: u64, removed: bool) -> Delta {
    rows([Row::Reaction(Reaction {
        cid: cid("a"),
        message: message_id(message),
        user: user(name),
        kind: ReactionType::new("like").unwrap(),
        removed,
        at: Timestamp(0),
        ver,
    })])
}

#[test]
fn a_sent_message_becomes_an_accepted_one_in_place_with_one_set() {
    let mut driver = driver(2);
    let timeline = driver.open(&cid("a"), 10);
    let mut reader = Reader::new(timeline.subscribe());
    let item = queued(1, send(100, &cid("a")));
    driver.queue(item.clone());
    assert!(matches!(&reader.read()[..], [batch] if matches!(&batch[..], [VectorDiff::PushBack { .. }])));
    assert_eq!(timeline.items()[2].view.status, MessageStatus::Pending);

    let mut delta = rows([Row::Message(accepted(&item.op, 3, 3))]);
    delta.push(Change::OutboxRemoved(item.id));
    delta.push(covered(&cid("a"), &[(1, 3)]));
    driver.commit(delta);
    assert!(
        matches!(&reader.read()[..], [batch] if matches!(&batch[..], [VectorDiff::Set { index: 2, .. }]))
    );
    let shown = &timeline.items()[2];
    assert_eq!((shown.id(), shown.view.message.seq), (message_id(100), 3));
    assert_eq!(shown.view.status, MessageStatus::Sent);
}

#[test]
fn an_accepted_message_moves_before_those_that_still_wait_in_one_batch() {
    let mut driver = driver(1);
    let timeline = driver.open(&cid("a"), 10);
    driver.queue(queued(1, send(101, &cid("a"))));
    driver.queue(queued(2, send(102, &cid("a"))));
    let mut reader = Reader::new(timeline.subscribe());
    let mut delta = rows([Row::Message(accepted(&send(102, &cid("a")), 2, 2))]);
    delta.push(Change::OutboxRemoved(queued(2, send(102, &cid("a"))).id));
    driver.commit(delta);
    assert_eq!(texts(&timeline.items()), ["message 1", "own 102", "own 101"]);
    let batches = reader.read();
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0].len(), 2, "one remove and one insert: {batches:?}");
}

#[test]
fn others_messages_come_before_what_waits() {
    let mut driver = driver(1);
    let timeline = driver.open(&cid("a"), 10);
    driver.queue(queued(1, send(101, &cid("a"))));
    driver.commit(arrives(2));
    assert_eq!(texts(&timeline.items()), ["message 1", "message 2", "own 101"]);
}

#[test]
fn a_rejected_message_stays_with_its_reason_until_it_is_discarded() {
    let mut driver = driver(1);
    let timeline = driver.open(&cid("a"), 10);
    let item = queued(1, send(101, &cid("a")));
    driver.queue(item.clone());
    driver.queue(rejected(&item));
    assert!(matches!(
        timeline.items()[1].view.status,
        MessageStatus::Failed(_)
    ));
    driver.remove(item.id);
    assert_eq!(texts(&timeline.items()), ["message 1"]);
}

#[test]
fn edits_deletions_and_reactions_show_before_they_are_sent() {
    let mut driver = driver(2);
    let timeline = driver.open(&cid("a"), 10);
    let kind = ReactionType::new("like").unwrap();
    let (cid, id, base_revision) = (cid("a"), message_id(1), 0);
    let body = MessageBody::text("better");
    driver.queue(queued(
        1,
        Op::EditMessage {
            cid: cid.clone(),
            id,
            body,
            base_revision,
        },
    ));
    driver.queue(queued(
        2,
        Op::DeleteMessage {
            cid: cid.clone(),
            id: message_id(2),
        },
    ));
    driver.queue(queued(
        3,
        Op::AddReaction {
            cid,
            message: id,
            kind: kind.clone(),
        },
    ));
    let items = timeline.items();
    assert_eq!(texts(&items), ["better", ""]);
    assert!(items[0].view.change_pending && items[1].view.message.is_deleted());
    assert_eq!(
        items[0].reactions,
        [ReactionGroup {
            kind,
            count: 1,
            mine: true
        }]
    );
}

#[test]
fn a_rejected_edit_shows_what_the_server_has() {
    let mut driver = driver(1);
    let timeline = driver.open(&cid("a"), 10);
    let body = MessageBody::text("better");
    let item = queued(
        1,
        Op::EditMessage {
            cid: cid("a"),
            id: message_id(1),
            body,
            base_revision: 0,
        },
    );
    driver.queue(item.clone());
    driver.queue(rejected(&item));
    assert_eq!(texts(&timeline.items()), ["message 1"]);
}

#[test]
fn an_older_copy_of_a_row_changes_nothing() {
    let mut driver = driver(1);
    let timeline = driver.open(&cid("a"), 10);
    let edited = Message {
        body: MessageBody::text("edited"),
        ..message(1, &cid("a"), 1, 7)
    };
    driver.commit(rows([Row::Message(edited)]));
    let mut reader = Reader::new(timeline.subscribe());
    driver.commit(arrives(1));
    assert_eq!(texts(&timeline.items()), ["edited"]);
    assert!(reader.read().is_empty());
}

#[test]
fn a_reaction_that_was_taken_back_does_not_come_back_with_an_old_page() {
    let mut driver = driver(1);
    driver.commit(like(1, "bob", 9, true));
    let timeline = driver.open(&cid("a"), 10);
    driver.commit(like(1, "bob", 5, false));
    assert!(timeline.items()[0].reactions.is_empty());
    driver.commit(like(1, "bob", 10, false));
    assert_eq!(timeline.items()[0].reactions[0].count, 1);
    driver.commit(like(1, "bob", 11, true));
    assert!(timeline.items()[0].reactions.is_empty());
}

#[test]
fn reactions_and_replies_that_came_before_their_message_are_shown_with_it() {
    let mut driver = driver(1);
    let timeline = driver.open(&cid("a"), 10);
    let reply = Message {
        parent: Some(message_id(2)),
        ..message(3, &cid("a"), 3, 3)
    };
    driver.commit(rows([Row::Message(reply)]));
    driver.commit(like(2, "bob", 4, false));
    assert_eq!(timeline.items().len(), 1);
    driver.commit(rows([Row::Message(message(2, &cid("a"), 2, 5))]));
    let item = &timeline.items()[1];
    assert_eq!((item.replies, item.reactions.len()), (1, 1));
}

#[test]
fn replies_are_counted_once_and_not_when_deleted() {
    let mut driver = driver(1);
    let timeline = driver.open(&cid("a"), 10);
    let reply = |ver, deleted_at| Message {
        parent: Some(message_id(1)),
        deleted_at,
        ..message(2, &cid("a"), 2, ver)
    };
    driver.commit(rows([Row::Message(reply(2, None))]));
    driver.commit(rows([Row::Message(reply(3, None))]));
    assert_eq!(timeline.items()[0].replies, 1);
    driver.commit(rows([Row::Message(reply(4, Some(Timestamp(1))))]));
    assert_eq!(timeline.items()[0].replies, 0);
}

#[test]
fn a_thread_holds_its_replies_and_the_channel_only_those_shown_in_it() {
    let mut driver = driver(1);
    let thread = driver.open_scope(&cid("a"), MessageScope::Thread(message_id(1)), 10);
    let channel = driver.open(&cid("a"), 10);
    for (n, show_in_channel) in [(2, false), (3, true)] {
        driver.commit(rows([Row::Message(Message {
            parent: Some(message_id(1)),
            show_in_channel,
            ..message(n, &cid("a"), n, n)
        })]));
    }
    assert_eq!(texts(&thread.items()), ["message 2", "message 3"]);
    assert_eq!(texts(&channel.items()), ["message 1", "message 3"]);
    assert_eq!(channel.items()[0].replies, 2);
}

#[test]
fn a_gap_is_shown_until_its_run_is_on_the_device() {
    let mut driver = driver(2);
    let timeline = driver.open(&cid("a"), 10);
    let mut jump = arrives(8);
    jump.push(covered(&cid("a"), &[(1, 2), (8, 8)]));
    driver.commit(jump);
    let gaps = |driver: &Driver| -> Vec<u64> {
        let items = driver
            .state
            .timeline(&cid("a"), MessageScope::Channel)
            .unwrap()
            .items();
        items
            .iter()
            .filter(|item| item.gap_before)
            .map(|item| item.view.message.seq)
            .collect()
    };
    assert_eq!(gaps(&driver), [8]);
    let mut half = arrives(7);
    half.push(covered(&cid("a"), &[(1, 2), (7, 8)]));
    driver.commit(half);
    assert_eq!(gaps(&driver), [7]);
    // What lies between are replies in threads: covered, with no row here.
    driver.commit(covered(&cid("a"), &[(1, 8)]));
    assert!(gaps(&driver).is_empty());
    drop(timeline);
}

#[test]
fn the_edge_tells_where_older_messages_are() {
    let mut driver = Driver::new();
    let mut delta = rows((5..=9).map(|n| Row::Message(message(n, &cid("a"), n, n))));
    delta.push(covered(&cid("a"), &[(5, 9)]));
    driver.commit(delta);
    let timeline = driver.open(&cid("a"), 2);
    let mut edges = timeline.subscribe_edge();
    assert_eq!(timeline.edge(), OlderEdge::OnDisk);
    driver.extend(&timeline, 10);
    assert_eq!(timeline.items().len(), 5);
    assert_eq!(edges.next().now_or_never(), Some(Some(OlderEdge::OnServer)));
    let mut delta = rows((1..=4).map(|n| Row::Message(message(n, &cid("a"), n, n))));
    delta.push(covered(&cid("a"), &[(1, 9)]));
    driver.commit(delta);
    assert_eq!(edges.next().now_or_never(), Some(Some(OlderEdge::Start)));
    assert_eq!(timeline.items().len(), 9);
}

#[test]
fn rows_older_than_the_window_stay_on_disk_until_they_are_loaded() {
    let mut driver = driver(10);
    let timeline = driver.open(&cid("a"), 3);
    let edited = Message {
        body: MessageBody::text("edited"),
        ..message(2, &cid("a"), 2, 20)
    };
    driver.commit(rows([Row::Message(edited)]));
    assert_eq!(timeline.items().len(), 3);
    let mut reader = Reader::new(timeline.subscribe());
    driver.extend(&timeline, 6);
    assert_eq!(reader.read().len(), 1, "a page is one batch");
    assert_eq!(texts(&timeline.items())[0], "edited");
}

#[test]
fn live_messages_push_the_oldest_out_of_memory() {
    let mut driver = driver(10);
    let timeline = driver.open(&cid("a"), 10);
    let mut reader = Reader::new(timeline.subscribe());
    assert_eq!(timeline.edge(), OlderEdge::Start);
    for n in 11..=2_000 {
        let mut delta = arrives(n);
        delta.push(covered(&cid("a"), &[(1, n)]));
        driver.commit(delta);
        if n % 20 == 0 {
            reader.read();
        }
        assert!(timeline.items().len() <= 700);
    }
    reader.read();
    assert_eq!(reader.list, timeline.items());
    assert_eq!(timeline.edge(), OlderEdge::OnDisk);
    assert!(!timeline.items()[0].gap_before);
    assert!(timeline.items().len() >= 500);
}

#[test]
fn what_the_user_loaded_is_not_pushed_out() {
    let mut driver = driver(2_000);
    let timeline = driver.open(&cid("a"), 50);
    while timeline.items().len() < 1_000 {
        driver.extend(&timeline, 50);
    }
    for n in 2_001..=2_500 {
        driver.commit(arrives(n));
    }
    assert!(timeline.items().len() >= 1_000);
}

#[test]
fn a_full_window_leaves_fetched_history_on_disk() {
    let mut driver = Driver::new();
    driver.commit(rows(
        (1_001..=1_600).map(|n| Row::Message(message(n, &cid("a"), n, n))),
    ));
    let timeline = driver.open(&cid("a"), 600);
    assert_eq!(timeline.edge(), OlderEdge::OnServer);
    let mut fetched = rows((801..=1_000).map(|n| Row::Message(message(n, &cid("a"), n, n))));
    fetched.push(covered(&cid("a"), &[(801, 1_600)]));
    driver.commit(fetched);
    assert_eq!(
        (timeline.items().len(), timeline.edge()),
        (600, OlderEdge::OnDisk)
    );
    driver.extend(&timeline, 50);
    assert_eq!(timeline.items()[0].view.message.seq, 951);
}

#[test]
fn another_history_of_the_server_replaces_the_rows_and_keeps_what_waits() {
    let mut driver = driver(5);
    let timeline = driver.open(&cid("a"), 3);
    driver.queue(queued(1, send(101, &cid("a"))));
    let mut reader = Reader::new(timeline.subscribe());
    let mut delta = Delta::from(rebase(&cid("a")));
    delta.extend(rows([Row::Message(message(1, &cid("a"), 1, 1))]));
    delta.push(covered(&cid("a"), &[(1, 1)]));
    driver.commit(delta);
    assert_eq!(texts(&timeline.items()), ["message 1", "own 101"]);
    assert_eq!(timeline.edge(), OlderEdge::Start);
    assert_eq!(reader.read().len(), 1);
}

#[test]
fn messages_of_another_history_take_the_places_of_the_old_ones() {
    let mut driver = driver(10);
    let timeline = driver.open(&cid("a"), 100);
    let waiting: Vec<OutboxItem> = (1..=10)
        .map(|pos| queued(pos, send(100 + pos, &cid("a"))))
        .collect();
    for item in &waiting {
        driver.queue(item.clone());
    }
    let mut reader = Reader::new(timeline.subscribe());
    let mut delta = Delta::from(rebase(&cid("a")));
    for (seq, item) in (1..).zip(&waiting) {
        delta.extend(rows([Row::Message(accepted(&item.op, seq, seq))]));
        delta.push(Change::OutboxRemoved(item.id));
    }
    driver.commit(delta);
    let own: Vec<String> = (101..=110).map(|n| format!("own {n}")).collect();
    assert_eq!(texts(&timeline.items()), own, "each once, and none of the old");
    assert_eq!(reader.read().len(), 1);
    assert_eq!(reader.list, timeline.items());
}

#[test]
fn a_slow_reader_gets_one_reset() {
    let mut driver = driver(1);
    let timeline = driver.open(&cid("a"), 10);
    let mut reader = Reader::new(timeline.subscribe());
    for n in 2..=200 {
        driver.commit(arrives(n));
    }
    let batches = reader.read();
    assert!(matches!(&batches[..], [batch] if matches!(&batch[..], [VectorDiff::Reset { .. }])));
    assert_eq!(reader.list, timeline.items());
}

#[test]
fn opening_twice_gives_the_same_timeline() {
    let mut driver = driver(3);
    let first = driver.open(&cid("a"), 1);
    let second = driver.open(&cid("a"), 3);
    assert_eq!(first.items(), second.items());
    driver.commit(arrives(4));
    assert_eq!(first.items(), second.items());
    assert_eq!(first.items().len(), 2);
}

#[test]
fn a_timeline_that_nobody_holds_is_forgotten_and_a_stream_holds_it() {
    let mut driver = driver(1);
    let timeline = driver.open(&cid("a"), 10);
    let (_, mut diffs) = timeline.subscribe();
    drop(timeline);
    driver.commit(arrives(2));
    assert!(diffs.next().now_or_never().is_some());
    drop(diffs);
    assert!(driver.state.timeline(&cid("a"), MessageScope::Channel).is_none());
}

#[test]
fn what_waited_before_the_start_is_shown_at_opening() {
    let outbox = vec![
        queued(2, send(102, &cid("a"))),
        queued(1, send(101, &cid("a"))),
        queued(3, send(103, &cid("b"))),
    ];
    let state = State::new(user("ada"), outbox);
    let timeline = state.open_timeline(cid("a"), MessageScope::Channel, Default::default());
    assert_eq!(texts(&timeline.items()), ["own 101", "own 102"]);
}
