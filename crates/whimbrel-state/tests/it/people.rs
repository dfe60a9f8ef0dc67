//! What was decided of people and channels: what becomes of it is told, follows the clock, and lets nothing be lost.

use crate::{
    disk::{channel, cid, membership, message, op_id, queued, rows, send, user},
    driver::{Driver, names},
};
use whimbrel_model::{
    AccountRow, Change, Code, ConsentState, Contact, ContactChange, Delta, MemberState, Membership,
    MembershipChange, Message, Mute, Op, OutboxItem, OutboxStatus, Rejection, Role, Row, SetConsent, SetMute,
    ThreadSummary, Timestamp,
};
use whimbrel_query::Query;
use whimbrel_state::{ConsentChange, ConsentOf, UnreadTotals};

use ConsentState::{Allowed, Denied, Unknown};

/// A device with the channel "a" that bob brought ada into, and his message in it.
fn driver() -> Driver {
    let mut driver = Driver::new();
    driver.commit(rows([
        channel(&cid("a"), "a", 1),
        brought("bob", Unknown, 2),
        Row::Message(message(1, &cid("a"), 1, 3)),
    ]));
    driver
}

fn brought(by: &str, consent: ConsentState, ver: u64) -> Row {
    Row::Membership(Membership {
        added_by: Some(user(by)),
        consent,
        ..Membership::new(cid("a"), user("ada"), Role::Member, MemberState::Active, ver)
    })
}

fn contact(name: &str, consent: ConsentState, ver: u64) -> Row {
    Row::Account(AccountRow::Contact(Contact {
        consent,
        ver,
        ..Contact::new(user("ada"), user(name))
    }))
}

fn decide(state: ConsentState, until: Option<i64>) -> Op {
    Op::UpdateContact {
        user: user("bob"),
        change: ContactChange {
            consent: Some(SetConsent {
                state,
                until: until.map(Timestamp),
            }),
            ..ContactChange::default()
        },
    }
}

fn decide_channel(consent: ConsentState) -> Op {
    Op::UpdateMembership {
        cid: cid("a"),
        change: MembershipChange {
            consent: Some(consent),
            ..MembershipChange::default()
        },
    }
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

/// Changes as words.
fn told(driver: &Driver) -> Vec<String> {
    let changes = driver.state.take_consent_changes().into_iter();
    let words = changes.map(|ConsentChange { of, from, to, by }| {
        let of = match of {
            ConsentOf::Person(user) => user.to_string(),
            ConsentOf::Channel(cid) => cid.to_string(),
        };
        format!("{of} {} {} {by:?}", from.as_str(), to.as_str())
    });
    words.collect()
}

#[test]
fn a_change_of_consent_is_told_with_where_it_comes_from() {
    let mut driver = driver();
    let unread = driver.open_unread();
    assert_eq!(told(&driver), [""; 0], "that is how it is");
    // On this device: at once, and no more when the server has taken it.
    driver.queue(queued(1, decide_channel(Allowed)));
    assert_eq!(told(&driver), ["messaging:a unknown allowed ThisDevice"]);
    let mut accepted = rows([brought("bob", Allowed, 9)]);
    accepted.push(Change::OutboxRemoved(op_id(1)));
    driver.commit(accepted);
    assert_eq!(told(&driver), [""; 0]);
    // On another device.
    driver.commit(rows([brought("bob", Denied, 10)]));
    assert_eq!(told(&driver), ["messaging:a allowed denied Elsewhere"]);
    // The server decides against it.
    let denied = queued(2, decide_channel(Allowed));
    driver.queue(denied.clone());
    driver.queue(rejected(&denied));
    assert_eq!(
        told(&driver),
        [
            "messaging:a denied allowed ThisDevice",
            "messaging:a allowed denied Undone"
        ]
    );
    drop(unread);
}

#[test]
fn what_is_decided_of_a_person_is_told_of_the_channels_that_they_began() {
    let mut driver = driver();
    driver.set_now(Timestamp(10));
    let unread = driver.open_unread();
    driver.queue(queued(1, decide(Denied, Some(20))));
    assert_eq!(
        told(&driver),
        [
            "bob unknown denied ThisDevice",
            "messaging:a unknown denied ThisDevice"
        ]
    );
    driver.set_now(Timestamp(20));
    assert_eq!(
        told(&driver),
        ["bob denied unknown Time", "messaging:a denied unknown Time"]
    );
    driver.commit(rows([contact("carol", Allowed, 9)]));
    assert_eq!(told(&driver), ["carol unknown allowed Elsewhere"]);
    drop(unread);
}

#[test]
fn whoever_writes_allows_and_whoever_does_not_after_all_does_not() {
    let mut driver = driver();
    let unread = driver.open_unread();
    let requests = driver.open_query(&Query::requests(), 10);
    assert_eq!(names(&requests.items()), ["a"]);
    assert_eq!(unread.totals().requests, 1);
    driver.queue(queued(1, send(10, &cid("a"))));
    assert_eq!(names(&requests.items()), [""; 0]);
    assert_eq!(unread.totals().requests, 0);
    assert_eq!(told(&driver), ["messaging:a unknown allowed ThisDevice"]);
    driver.remove(op_id(1));
    assert_eq!(names(&requests.items()), ["a"]);
    assert_eq!(unread.totals().requests, 1);
    assert_eq!(told(&driver), ["messaging:a allowed unknown Undone"]);
}

#[test]
fn what_a_denied_person_wrote_is_hidden_and_counts_nowhere_and_is_there_again_after_it() {
    let mut driver = driver();
    driver.set_now(Timestamp(10));
    driver.commit(rows([brought("carol", Allowed, 4)]));
    let (list, unread) = (driver.open_channels(10), driver.open_unread());
    let timeline = driver.open(&cid("a"), 10);
    let shown = || {
        let item = &list.items()[0];
        (timeline.items()[0].hidden, item.last_message_hidden, item.unread)
    };
    assert_eq!(shown(), (false, false, 1));
    driver.queue(queued(1, decide(Denied, Some(20))));
    assert_eq!(shown(), (true, true, 0));
    assert_eq!((unread.totals().messages, unread.totals().channels), (0, 0));
    // What they write meanwhile is there, and hidden.
    driver.commit(rows([Row::Message(message(2, &cid("a"), 2, 5))]));
    assert_eq!(timeline.items().len(), 2);
    assert!(timeline.items()[1].hidden);
    driver.set_now(Timestamp(20));
    assert_eq!(shown(), (false, false, 2));
    assert_eq!(unread.totals().messages, 2);
    // A clock that is put back.
    driver.set_now(Timestamp(19));
    assert_eq!(shown(), (true, true, 0));
}

#[test]
fn what_a_muted_person_wrote_is_shown_and_counts_nowhere() {
    let mut driver = driver();
    let (list, unread) = (driver.open_channels(10), driver.open_unread());
    let timeline = driver.open(&cid("a"), 10);
    let mute = |on| Op::UpdateContact {
        user: user("bob"),
        change: ContactChange {
            muted: Some(on),
            ..ContactChange::default()
        },
    };
    driver.queue(queued(1, mute(SetMute::On(Mute { until: None }))));
    assert_eq!((list.items()[0].unread, unread.totals().messages), (0, 0));
    assert!(!timeline.items()[0].hidden);
    driver.queue(queued(2, mute(SetMute::Off)));
    assert_eq!((list.items()[0].unread, unread.totals().messages), (1, 1));
}

#[test]
fn a_denied_channel_leaves_the_usual_list_and_the_totals_and_is_found_by_a_query() {
    let mut driver = driver();
    let (list, unread) = (driver.open_channels(10), driver.open_unread());
    driver.queue(queued(1, decide_channel(Denied)));
    assert_eq!(names(&list.items()), [""; 0]);
    assert_eq!(unread.totals(), UnreadTotals::default());
    let all = driver.open_query(&Query::every_channel(), 10);
    assert_eq!((all.items()[0].consent, all.items()[0].unread), (Denied, 1));
    driver.remove(op_id(1));
    assert_eq!(names(&list.items()), ["a"]);
}

#[test]
fn typing_of_denied_people_is_not_shown() {
    let mut driver = driver();
    let typing = driver.state.subscribe_typing(cid("a"), None);
    let both = vec![user("bob"), user("carol")];
    driver.state.put_typing(cid("a"), None, both.clone());
    assert_eq!(typing.get(), both);
    driver.queue(queued(1, decide(Denied, None)));
    assert_eq!(typing.get(), [user("carol")]);
    driver.state.put_typing(cid("a"), None, vec![user("bob")]);
    assert_eq!(typing.get(), []);
    driver.remove(op_id(1));
    assert_eq!(typing.get(), [user("bob")], "still");
}

#[test]
fn an_invitation_that_is_answered_is_a_channel_or_gone_at_once() {
    let mut driver = driver();
    let invited = Row::Membership(Membership {
        added_by: Some(user("bob")),
        ..Membership::new(cid("i"), user("ada"), Role::Member, MemberState::Invited, 5)
    });
    driver.commit(rows([invited, membership(&cid("j"), MemberState::Gone, 6)]));
    let (list, invites) = (driver.open_channels(10), driver.open_query(&Query::invites(), 10));
    assert_eq!(
        (names(&list.items()), names(&invites.items())),
        (vec!["a"], vec!["i"])
    );
    let answer = |accept| Op::AnswerInvite {
        cid: cid("i"),
        accept,
    };
    driver.queue(queued(1, answer(true)));
    assert_eq!(names(&invites.items()), [""; 0]);
    assert_eq!(names(&list.items()), ["a", "i"]);
    driver.remove(op_id(1));
    driver.queue(queued(2, answer(false)));
    assert_eq!(
        (names(&list.items()), names(&invites.items())),
        (vec!["a"], vec![])
    );
    driver.commit(Delta::from(Change::OutboxRemoved(op_id(2))));
    assert_eq!(names(&invites.items()), ["i"]);
}

#[test]
fn threads_of_denied_channels_are_not_listed_until_one_writes_there_or_allows_them() {
    let mut driver = driver();
    let begun = Message {
        author: user("ada"),
        thread: Some(ThreadSummary {
            replies: 1,
            last_seq: 3,
            last_at: Timestamp(1),
        }),
        ..message(2, &cid("a"), 2, 4)
    };
    let reply = Message {
        parent: Some(begun.id),
        ..message(3, &cid("a"), 3, 5)
    };
    driver.commit(rows([Row::Message(begun), Row::Message(reply)]));
    let (threads, unread) = (driver.open_threads(10), driver.open_unread());
    let shown = || (threads.items().len(), unread.totals().threads);
    assert_eq!(shown(), (1, 1));
    driver.queue(queued(1, decide(Denied, None)));
    assert_eq!(shown(), (0, 0), "whoever brought the account in is denied");
    driver.queue(queued(2, send(10, &cid("a"))));
    assert_eq!(shown(), (1, 0), "and what they write counts nowhere");
    driver.queue(queued(3, decide_channel(Denied)));
    assert_eq!(shown(), (0, 0));
    for op in [3, 2, 1] {
        driver.remove(op_id(op));
    }
    assert_eq!(shown(), (1, 1));
}
