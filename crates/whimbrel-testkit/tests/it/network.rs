//! Each thing that the network can be told does what it says, and nothing else.

use crate::support::{CID, create, message, next, ready, send};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use whimbrel_client::SyncState;
use whimbrel_hub::Storage as _;
use whimbrel_model::{Row, StreamEvent, StreamId, UserId};
use whimbrel_protocol::{ClientFrame, Heads, Outcome, ServerFrame};
use whimbrel_testkit::{network::Network, server::TestServer};
use whimbrel_transport::Connection;

const SECOND: Duration = Duration::from_secs(1);

async fn head_of_general(server: &TestServer) -> u64 {
    let stream: StreamId = format!("C:{CID}").parse().unwrap();
    let ada = UserId::new("ada").unwrap();
    let page = server.storage().page(&ada, &stream, None, 1).await.unwrap();
    page.head.seq
}

/// Sends operations and reads until their answer.
async fn accepted(connection: &mut Connection, frame: &ClientFrame) {
    send(connection, frame).await;
    match next(connection).await {
        Some(ServerFrame::Results(results)) => {
            let outcome = &results.results[0].outcome;
            assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
        }
        other => panic!("no answer: {other:?}"),
    }
}

async fn text(connection: &mut Connection) -> String {
    loop {
        let Some(ServerFrame::Event(StreamEvent { rows, .. })) = next(connection).await else {
            panic!("no event came");
        };
        if let Some(Row::Message(message)) = rows.into_iter().find(|row| matches!(row, Row::Message(_))) {
            return message.body.text;
        }
    }
}

/// A server with a channel, and connections of ada and bob.
async fn chat() -> (TestServer, Connection, Connection) {
    let server = TestServer::new();
    let mut ada = ready(&*server.connector(), "ada").await;
    accepted(&mut ada, &create(10)).await;
    let bob = ready(&*server.connector(), "bob").await;
    (server, ada, bob)
}

async fn ask(connection: &mut Connection, id: u64) {
    send(connection, &ClientFrame::Heads(Heads { id, since: None })).await;
}

async fn answered(connection: &mut Connection) -> u64 {
    match next(connection).await {
        Some(ServerFrame::Heads(page)) => page.id,
        other => panic!("no heads: {other:?}"),
    }
}

#[tokio::test]
async fn a_lost_request_is_never_seen_by_the_server_and_ends_the_connection() {
    let (server, mut ada, mut bob) = chat().await;
    server.network().drop_next_request();
    ask(&mut bob, 1).await;
    assert_eq!(answered(&mut bob).await, 1, "only operations are lost");
    send(&mut ada, &message(11, "never seen")).await;
    assert!(next(&mut ada).await.is_none());
    assert_eq!(head_of_general(&server).await, 0);
    let mut ada = ready(&*server.connector(), "ada").await;
    accepted(&mut ada, &message(12, "once only")).await;
    assert_eq!(text(&mut bob).await, "once only");
}

#[tokio::test]
async fn a_lost_reply_was_decided_and_reached_everyone_else() {
    let (server, mut ada, mut bob) = chat().await;
    server.network().drop_next_reply();
    send(&mut ada, &message(11, "decided")).await;
    assert!(next(&mut ada).await.is_none());
    assert_eq!(text(&mut bob).await, "decided");
    assert_eq!(head_of_general(&server).await, 1);
}

#[tokio::test]
async fn a_lost_event_is_lost_alone() {
    let (server, mut ada, mut bob) = chat().await;
    server.network().drop_next_event();
    for (number, text) in [(11, "lost"), (12, "there")] {
        accepted(&mut ada, &message(number, text)).await;
    }
    assert_eq!(text(&mut bob).await, "there");
}

#[tokio::test]
async fn an_event_is_doubled_once_for_each_time_that_it_was_asked_for() {
    let (server, mut ada, mut bob) = chat().await;
    server.network().duplicate_next_event();
    server.network().duplicate_next_event();
    for (number, text) in [(11, "one"), (12, "two"), (13, "three")] {
        accepted(&mut ada, &message(number, text)).await;
    }
    for expected in ["one", "one", "two", "two", "three"] {
        assert_eq!(text(&mut bob).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_holds_both_directions_back_without_queueing() {
    let (server, mut ada, _bob) = chat().await;
    server.network().delay(3 * SECOND);
    let begun = Instant::now();
    for id in 1..=20 {
        ask(&mut ada, id).await;
    }
    for id in 1..=20 {
        assert_eq!(answered(&mut ada).await, id);
    }
    assert_eq!(begun.elapsed().as_secs(), 6, "there and back, all at once");
    server.network().delay(Duration::ZERO);
    let begun = Instant::now();
    ask(&mut ada, 21).await;
    assert_eq!(answered(&mut ada).await, 21);
    assert_eq!(begun.elapsed().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_shorter_delay_overtakes_nothing() {
    let (server, mut ada, _bob) = chat().await;
    server.network().delay(3 * SECOND);
    ask(&mut ada, 1).await;
    // The frame is on its way once the network has read it.
    assert!(timeout(SECOND, next(&mut ada)).await.is_err());
    server.network().delay(Duration::ZERO);
    ask(&mut ada, 2).await;
    assert_eq!((answered(&mut ada).await, answered(&mut ada).await), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_stalled_network_delivers_late_and_breaks_nothing() {
    let (server, mut ada, _bob) = chat().await;
    server.network().stall();
    ask(&mut ada, 1).await;
    assert!(timeout(60 * SECOND, next(&mut ada)).await.is_err());
    let connector = server.connector();
    let mut late = connector.connect().await.unwrap();
    assert!(timeout(5 * SECOND, next(&mut late)).await.is_err());
    server.network().heal();
    assert_eq!(answered(&mut ada).await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_server_said_last_comes_through_a_slow_network() {
    let (server, mut ada, _bob) = chat().await;
    server.network().delay(SECOND);
    send(
        &mut ada,
        &ClientFrame::Ops(whimbrel_protocol::Ops { ops: Vec::new() }),
    )
    .await;
    ada.sink.send(vec!["nonsense".into()]).await.unwrap();
    assert!(matches!(next(&mut ada).await, Some(ServerFrame::Bye(_))));
    assert!(next(&mut ada).await.is_none());
}

#[tokio::test]
async fn a_cut_ends_what_is_open_and_nothing_later() {
    let (server, mut ada, mut bob) = chat().await;
    server.network().cut();
    assert!(next(&mut ada).await.is_none());
    assert!(next(&mut bob).await.is_none());
    let mut ada = ready(&*server.connector(), "ada").await;
    ask(&mut ada, 1).await;
    assert_eq!(answered(&mut ada).await, 1);
}

#[tokio::test]
async fn an_offline_network_refuses_until_it_is_healed() {
    let (server, mut ada, _bob) = chat().await;
    server.network().offline();
    assert!(next(&mut ada).await.is_none());
    let error = server.connector().connect().await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    server.network().heal();
    drop(ready(&*server.connector(), "ada").await);
}

#[tokio::test]
async fn healing_forgets_what_has_not_happened_yet() {
    let (server, mut ada, mut bob) = chat().await;
    server.network().drop_next_reply();
    server.network().drop_next_event();
    server.network().heal();
    accepted(&mut ada, &message(11, "whole")).await;
    assert_eq!(text(&mut bob).await, "whole");
}

#[tokio::test(start_paused = true)]
async fn one_device_can_be_broken_alone_and_across_its_reconnects() {
    let server = TestServer::new();
    let phone = server.online("ada").await.unwrap();
    let laptop = server.online("ada").await.unwrap();
    server.converged(&[&phone, &laptop]).await.unwrap();
    let network: Network = server.network().only(&laptop);
    network.offline();
    let mut watch = laptop.watch_status();
    let mut failures = 0;
    while failures < 3 {
        let status = watch.next().await.unwrap();
        failures += u32::from(matches!(status, SyncState::BackingOff { .. }));
        assert_ne!(status, SyncState::Live);
    }
    assert_eq!(phone.status(), SyncState::Live);
    assert_eq!(server.connections(), 1);
    server.network().only(&phone).drop_next_reply();
    let created = phone
        .channel(CID)
        .unwrap()
        .create("General", ["bob"])
        .await
        .unwrap();
    created.settled().await.unwrap();
    network.heal();
    server.converged(&[&phone, &laptop]).await.unwrap();
}

#[tokio::test]
async fn a_closed_server_leaves_nothing_of_its_network() {
    let (server, mut ada, _bob) = chat().await;
    server.network().stall();
    server.close().await;
    assert!(next(&mut ada).await.is_none());
}
