//! One test for each behaviour of the channel list.

use crate::{
    disk::{accepted, channel, cid, covered, member, membership, message, queued, read, rows, send, user},
    driver::{Driver, Reader, names},
};
use whimbrel_model::{
    Change, Code, Custom, Delta, Head, MemberState, Message, Op, OutboxItem, OutboxStatus, Rejection, Role,
    Row, StreamId, Timestamp, overlay::MessageStatus,
};
use whimbrel_state::{LoadState, UnreadTotals};

/// The account is in the channels of `names`; each has one message of bob, the later the newer.
fn driver(names: &[&str]) -> Driver {
    let mut driver = Driver::new();
    for (n, name) in (1..).zip(names) {
        let cid = cid(name);
        driver.commit(rows([
            channel(&cid, name, 1),
            membership(&cid, MemberState::Active, n),
            member(&cid, "ada", 2),
            member(&cid, "bob", 3),
            Row::Message(message(n, &cid, 1, 10 + n)),
        ]));
    }
    driver
}

fn create(name: &str) -> Op {
    Op::CreateChannel {
        cid: cid(name),
        name: "Plans".to_owned(),
        image: String::new(),
        custom: Custom::default(),
        members: vec![user("bob")],
    }
}

fn rejected(item: &OutboxItem) -> OutboxItem {
    let (code, message, parent) = (Code::Forbidden, "no".to_owned(), None);
    OutboxItem {
        status: OutboxStatus::Rejected(Rejection {
            code,
            message,
            parent,
        }),
        ..item.clone()
    }
}

#[test]
fn the_newest_activity_is_on_top_and_a_waiting_message_counts_as_newest() {
    let mut driver = driver(&["a", "b", "c"]);
    let list = driver.open_channels(10);
    assert_eq!(names(&list.items()), ["c", "b", "a"]);
    driver.commit(rows([Row::Message(message(9, &cid("b"), 2, 50))]));
    assert_eq!(names(&list.items()), ["b", "c", "a"]);
    driver.queue(queued(1, send(101, &cid("a"))));
    driver.queue(queued(2, send(102, &cid("c"))));
    assert_eq!(names(&list.items()), ["c", "a", "b"]);
    assert_eq!(list.items()[1].pending, 1);
}

#[test]
fn a_waiting_message_is_the_preview_and_becomes_the_accepted_one_in_one_set() {
    let mut driver = driver(&["a"]);
    let list = driver.open_channels(10);
    let mut reader = Reader::new(list.subscribe());
    let item = queued(1, send(101, &cid("a")));
    driver.queue(item.clone());
    assert_eq!(
        list.items()[0].last_message.as_ref().unwrap().status,
        MessageStatus::Pending
    );
    reader.read();
    let mut delta = rows([Row::Message(accepted(&item.op, 2, 20))]);
    delta.push(Change::OutboxRemoved(item.id));
    driver.commit(delta);
    assert_eq!(
        list.items()[0].last_message.as_ref().unwrap().status,
        MessageStatus::Sent
    );
    assert_eq!(list.items()[0].pending, 0);
    assert_eq!(
        reader.read().concat().len(),
        1,
        "the message was never gone from the preview"
    );
    assert_eq!(reader.list, list.items());
}

#[test]
fn a_rejected_message_is_not_the_preview() {
    let mut driver = driver(&["a", "b"]);
    let list = driver.open_channels(10);
    let item = queued(1, send(101, &cid("a")));
    driver.queue(item.clone());
    driver.queue(rejected(&item));
    assert_eq!(names(&list.items()), ["b", "a"]);
    assert_eq!(
        list.items()[1].last_message.as_ref().unwrap().message.body.text,
        "message 1"
    );
}

#[test]
fn a_channel_created_offline_shows_at_once_and_goes_when_it_is_rejected() {
    let mut driver = driver(&["a"]);
    let list = driver.open_channels(10);
    let item = queued(1, create("new"));
    driver.queue(item.clone());
    let shown = list.items()[0].clone();
    assert_eq!(
        (shown.name.as_str(), shown.members, shown.role),
        ("Plans", 2, Role::Owner)
    );
    assert!(shown.created_locally);
    driver.queue(queued(2, send(101, &cid("new"))));
    assert_eq!(
        list.items()[0].last_message.as_ref().unwrap().message.body.text,
        "own 101"
    );
    driver.queue(rejected(&item));
    assert_eq!(names(&list.items()), ["a"]);
}

#[test]
fn a_created_channel_stays_when_the_server_accepts_it() {
    let mut driver = driver(&["a"]);
    let list = driver.open_channels(10);
    let mut reader = Reader::new(list.subscribe());
    let item = queued(1, create("new"));
    driver.queue(item.clone());
    reader.read();
    let mut delta = rows([
        channel(&cid("new"), "Plans", 1),
        membership(&cid("new"), MemberState::Active, 9),
    ]);
    delta.push(Change::OutboxRemoved(item.id));
    driver.commit(delta);
    for batch in reader.read() {
        assert!(batch.len() <= 2, "it moves, and is never gone: {batch:?}");
    }
    assert_eq!(names(&list.items()), ["a", "new"]);
    assert!(!list.items()[1].created_locally);
}

#[test]
fn a_message_whose_answer_comes_before_that_of_its_channel_waits_no_more() {
    let mut driver = driver(&[]);
    let list = driver.open_channels(10);
    let created = cid("new");
    driver.queue(queued(1, create("new")));
    let send = queued(2, send(101, &created));
    driver.queue(send.clone());
    assert_eq!(list.items()[0].pending, 2);
    // The frames of two answers can overtake each other.
    let mut delta = rows([Row::Message(message(101, &created, 1, 5))]);
    delta.push(Change::OutboxRemoved(send.id));
    driver.commit(delta);
    assert_eq!(list.items()[0].pending, 1);
}

#[test]
fn a_waiting_read_position_lowers_unread_at_once() {
    let mut driver = driver(&["a"]);
    driver.commit(rows(
        (2..=5).map(|n| Row::Message(message(n, &cid("a"), n, 20 + n))),
    ));
    driver.commit(rows([read(&cid("a"), 1, 40)]));
    let list = driver.open_channels(10);
    assert_eq!(list.items()[0].unread, 4);
    let mark = |seq| Op::MarkRead {
        thread: None,
        cid: cid("a"),
        epoch: 0,
        seq,
    };
    driver.queue(queued(1, mark(3)));
    assert_eq!(list.items()[0].unread, 2);
    driver.queue(queued(2, mark(5)));
    assert_eq!(list.items()[0].unread, 0);
    driver.queue(rejected(&queued(1, mark(3))));
    driver.queue(rejected(&queued(2, mark(5))));
    assert_eq!(list.items()[0].unread, 4);
}

#[test]
fn marking_unread_shows_at_once_and_is_taken_back_when_it_is_rejected() {
    let mut driver = driver(&["a"]);
    driver.commit(rows(
        (2..=5).map(|n| Row::Message(message(n, &cid("a"), n, 20 + n))),
    ));
    driver.commit(rows([read(&cid("a"), 5, 40)]));
    driver.commit(covered(&cid("a"), &[(1, 5)]));
    let list = driver.open_channels(10);
    let unread = driver.open_unread();
    assert_eq!((list.items()[0].unread, unread.totals().channels), (0, 0));
    let back = queued(
        1,
        Op::MarkRead {
            thread: None,
            cid: cid("a"),
            epoch: 1,
            seq: 2,
        },
    );
    driver.queue(back.clone());
    assert_eq!((list.items()[0].unread, unread.totals().messages), (3, 3));
    // What is deleted meanwhile does not count.
    let deleted = Message {
        deleted_at: Some(Timestamp(0)),
        ..message(4, &cid("a"), 4, 50)
    };
    driver.commit(rows([Row::Message(deleted)]));
    assert_eq!((list.items()[0].unread, unread.totals().messages), (2, 2));
    driver.queue(rejected(&back));
    assert_eq!((list.items()[0].unread, unread.totals().channels), (0, 0));
}

#[test]
fn totals_are_kept_without_an_open_list_and_a_left_channel_is_not_in_them() {
    let mut driver = driver(&["a", "b"]);
    let unread = driver.open_unread();
    // Nothing was decided of them.
    let totals = |messages, channels, unknown, requests| UnreadTotals {
        messages,
        channels,
        unknown,
        requests,
        requested: messages,
        ..UnreadTotals::default()
    };
    // Nobody has said yet that the device has everything.
    assert_eq!(unread.totals(), totals(2, 2, 2, 2));
    driver.commit(covered(&cid("a"), &[(1, 2)]));
    driver.commit(covered(&cid("b"), &[(1, 2)]));
    assert_eq!(unread.totals(), totals(2, 2, 0, 2));
    driver.commit(rows([Row::Message(message(9, &cid("a"), 2, 30))]));
    assert_eq!(unread.totals(), totals(3, 2, 0, 2));
    driver.commit(rows([read(&cid("a"), 2, 31)]));
    assert_eq!(unread.totals(), totals(1, 1, 0, 2));
    let leave = queued(
        1,
        Op::RemoveMembers {
            cid: cid("b"),
            users: vec![user("ada")],
        },
    );
    driver.queue(leave.clone());
    assert_eq!(unread.totals(), totals(0, 0, 0, 1));
    driver.queue(rejected(&leave));
    assert_eq!(unread.totals(), totals(1, 1, 0, 2));
    driver.commit(rows([membership(&cid("b"), MemberState::Gone, 50)]));
    assert_eq!(unread.totals(), totals(0, 0, 0, 1));
    drop(unread);
    assert!(driver.state.unread().is_none(), "nobody holds them any more");
}

#[test]
fn a_newer_head_is_a_reason_to_look_again_and_a_known_one_is_not() {
    let driver = driver(&["a", "b"]);
    let head = |name: &str, seq| {
        let head = Head { ver: 90 + seq, seq };
        Delta::from(Change::Head(StreamId::Channel(cid(name)), head))
    };
    assert!(
        driver.state.reduce(&head("a", 7)).channels.is_empty(),
        "nothing is open"
    );
    let list = driver.open_channels(1);
    assert_eq!(driver.state.reduce(&head("b", 7)).channels, [cid("b")]);
    assert!(driver.state.reduce(&head("b", 1)).channels.is_empty());
    assert!(
        driver.state.reduce(&head("a", 7)).channels.is_empty(),
        "its row is on disk only"
    );
    let unread = driver.open_unread();
    assert_eq!(driver.state.reduce(&head("a", 7)).channels, [cid("a")]);
    assert!(driver.state.reduce(&head("a", 1)).channels.is_empty());
    drop((list, unread));
}

#[test]
fn a_waiting_update_shows_the_new_name() {
    let mut driver = driver(&["a"]);
    let list = driver.open_channels(10);
    let (name, image, custom) = (Some("Better".to_owned()), None, None);
    driver.queue(queued(
        1,
        Op::UpdateChannel {
            cid: cid("a"),
            name,
            image,
            custom,
        },
    ));
    assert_eq!(list.items()[0].name, "Better");
    driver.remove(queued(1, create("a")).id);
    assert_eq!(list.items()[0].name, "a");
}

#[test]
fn a_left_channel_leaves_the_list_before_and_after_the_server_knows() {
    let mut driver = driver(&["a", "b"]);
    let list = driver.open_channels(10);
    let leave = queued(
        1,
        Op::RemoveMembers {
            cid: cid("a"),
            users: vec![user("ada")],
        },
    );
    driver.queue(leave.clone());
    assert_eq!(names(&list.items()), ["b"]);
    driver.queue(rejected(&leave));
    assert_eq!(names(&list.items()), ["b", "a"]);
    driver.commit(rows([membership(&cid("b"), MemberState::Gone, 30)]));
    assert_eq!(names(&list.items()), ["a"]);
    driver.commit(rows([membership(&cid("b"), MemberState::Active, 31)]));
    assert_eq!(names(&list.items()), ["b", "a"]);
}

#[test]
fn rows_after_the_loaded_ones_wait_on_disk_until_they_are_loaded_or_active() {
    let mut driver = driver(&["a", "b", "c", "d", "e"]);
    let list = driver.open_channels(2);
    let mut load = list.subscribe_load_state();
    assert!(list.has_more());
    assert_eq!(names(&list.items()), ["e", "d"]);
    driver.commit(rows([channel(&cid("a"), "renamed", 5)]));
    assert_eq!(names(&list.items()), ["e", "d"]);
    driver.queue(queued(1, send(101, &cid("a"))));
    assert_eq!(names(&list.items()), ["a", "e", "d"]);
    assert_eq!(list.items()[0].name, "renamed");
    driver.commit(rows([Row::Message(message(9, &cid("b"), 2, 60))]));
    assert_eq!(names(&list.items()), ["a", "b", "e", "d"]);
    assert_eq!(list.loaded(), 3);
    driver.remove(queued(1, create("a")).id);
    assert_eq!(names(&list.items()), ["b", "e", "d"]);
    driver.extend_channels(&list, 10);
    assert_eq!(names(&list.items()), ["b", "e", "d", "c", "a"]);
    assert_eq!(load.next_now(), LoadState::End);
    assert!(!list.has_more());
}

#[test]
fn only_an_open_list_asks_for_rows_and_only_for_what_it_shows() {
    let driver = driver(&["a"]);
    let delta = rows([channel(&cid("a"), "renamed", 5)]);
    assert!(driver.state.reduce(&delta).channels.is_empty());
    let list = driver.open_channels(10);
    assert_eq!(driver.state.reduce(&delta).channels, [cid("a")]);
    let of_bob = rows([Row::Read(whimbrel_model::Read {
        thread: None,
        cid: cid("a"),
        user: user("bob"),
        epoch: 0,
        seq: 1,
        furthest: 0,
        private: false,
        ver: 9,
    })]);
    assert!(driver.state.reduce(&of_bob).channels.is_empty());
    drop(list);
    assert!(driver.state.channel_lists().is_empty());
    assert!(driver.state.reduce(&delta).channels.is_empty());
}
