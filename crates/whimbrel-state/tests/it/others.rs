//! The outbox, the status and the profiles.

use crate::{
    disk::{cid, queued, rows, send, user},
    driver::{Driver, Reader},
};
use futures_util::{FutureExt, StreamExt};
use whimbrel_model::{
    Change, Code, Custom, Delta, Op, OutboxItem, OutboxStatus, Rejection, Row, StreamId, User,
};
use whimbrel_state::{OutboxSummary, State, StateConfig, SyncState};

fn profile(id: &str, name: &str, ver: u64) -> User {
    User {
        id: user(id),
        name: name.to_owned(),
        image: String::new(),
        custom: Custom::default(),
        ver,
    }
}

fn rejected(item: OutboxItem) -> OutboxItem {
    let (code, message, parent) = (Code::Forbidden, "no".to_owned(), None);
    OutboxItem {
        status: OutboxStatus::Rejected(Rejection {
            code,
            message,
            parent,
        }),
        ..item
    }
}

#[test]
fn the_outbox_is_listed_by_position_and_counted() {
    let mut driver = Driver::new();
    let mut reader = Reader::new(driver.state.subscribe_outbox());
    let mut summaries = driver.state.subscribe_outbox_summary();
    for pos in [2, 1, 3] {
        driver.queue(queued(pos, send(pos, &cid("a"))));
    }
    driver.queue(rejected(queued(2, send(2, &cid("a")))));
    let summary = OutboxSummary {
        queued: 2,
        rejected: 1,
        attention: 0,
    };
    assert_eq!(driver.state.outbox_summary(), summary);
    assert_eq!(summaries.next().now_or_never(), Some(Some(summary)));
    reader.read();
    assert_eq!(reader.list, driver.state.outbox());
    assert_eq!(
        reader.list.iter().map(|item| item.pos).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    // Sent again by the user: the same operation at a new place.
    let again = OutboxItem {
        pos: 4,
        ..queued(2, send(2, &cid("a")))
    };
    driver.queue(again);
    driver.remove(queued(1, send(1, &cid("a"))).id);
    reader.read();
    assert_eq!(
        reader.list.iter().map(|item| item.pos).collect::<Vec<_>>(),
        [3, 4]
    );
    assert_eq!(
        driver.state.outbox_summary(),
        OutboxSummary {
            queued: 2,
            rejected: 0,
            attention: 0
        }
    );
}

#[test]
fn what_failed_often_is_counted_while_it_waits() {
    let failed = OutboxItem {
        failures: 3,
        ..queued(1, send(1, &cid("a")))
    };
    let config = StateConfig {
        attention_after: 3,
        ..StateConfig::default()
    };
    let state = State::with_config(user("ada"), vec![failed.clone()], config);
    assert_eq!(state.outbox_summary().attention, 1);
    assert_eq!(
        State::new(user("ada"), vec![failed.clone()])
            .outbox_summary()
            .attention,
        0
    );
    let told = Change::Outbox(rejected(failed));
    drop(state.reduce(&Delta { changes: vec![told] }));
    let summary = OutboxSummary {
        queued: 0,
        rejected: 1,
        attention: 0,
    };
    assert_eq!(state.outbox_summary(), summary);
}

#[test]
fn the_streams_of_the_state_end_with_it() {
    let state = State::new(user("ada"), Vec::new());
    let (_, mut outbox) = state.subscribe_outbox();
    let mut status = state.subscribe_status();
    drop(state);
    assert!(matches!(outbox.next().now_or_never(), Some(None)));
    assert!(matches!(status.next().now_or_never(), Some(None)));
}

#[test]
fn the_status_starts_offline_and_tells_each_change_once() {
    let state = State::new(user("ada"), Vec::new());
    assert_eq!(state.status(), SyncState::Offline);
    let mut reader = state.subscribe_status();
    state.set_status(SyncState::Offline);
    assert!(reader.next().now_or_never().is_none());
    state.set_status(SyncState::Connecting);
    state.set_status(SyncState::CatchingUp { behind: 3 });
    assert_eq!(
        reader.next().now_or_never(),
        Some(Some(SyncState::CatchingUp { behind: 3 }))
    );
    assert!(reader.next().now_or_never().is_none());
}

#[test]
fn a_newer_profile_replaces_an_older_one_and_not_the_other_way() {
    let mut driver = Driver::new();
    let mut changes = driver.state.subscribe_users();
    driver.state.put_users(vec![profile("bob", "Bob", 3)]);
    driver.commit(rows([Row::User(profile("bob", "Old", 2))]));
    let name = |driver: &Driver| driver.state.user(&user("bob")).unwrap().name.clone();
    assert_eq!(name(&driver), "Bob");
    assert_eq!(changes.next().now_or_never(), Some(Some(1)));
    assert!(changes.next().now_or_never().is_none());
    let mut delta = Delta::from(Change::Rebase(StreamId::User(user("bob"))));
    delta.extend(rows([Row::User(profile("bob", "Restored", 1))]));
    driver.commit(delta);
    assert_eq!(name(&driver), "Restored");
    assert!(driver.state.user(&user("cleo")).is_none());
}

#[test]
fn a_waiting_change_of_the_own_profile_shows_at_once() {
    let mut driver = Driver::new();
    let update = |name: &str| Op::UpdateUser {
        name: Some(name.to_owned()),
        image: None,
        custom: None,
    };
    driver.queue(queued(1, update("Ada")));
    assert_eq!(driver.state.user(&user("ada")).unwrap().name, "Ada");
    driver.queue(rejected(queued(1, update("Ada"))));
    assert!(driver.state.user(&user("ada")).is_none());
}

#[test]
fn profiles_are_kept_up_to_a_bound() {
    let state = State::new(user("ada"), Vec::new());
    state.put_users((0..10_001).map(|n| profile(&format!("u{n}"), "x", 1)).collect());
    assert!(state.user(&user("u0")).is_none());
    assert!(state.user(&user("u1")).is_some() && state.user(&user("u10000")).is_some());
}
