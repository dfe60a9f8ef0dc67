//! Days in seconds, in which everything happens that would happen in days.

use crate::support::CID;
use std::{sync::Arc, time::Duration};
use whimbrel_client::SyncState;
use whimbrel_model::{Code, MessageId, Timestamp};
use whimbrel_testkit::{
    converge::settle,
    server::TestServer,
    time::{START, TestClock, pass},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A server, ada with a message in a channel that the server has, and bob in it.
async fn chat() -> (
    TestServer,
    whimbrel_client::Client,
    whimbrel_client::Client,
    MessageId,
) {
    let server = TestServer::new();
    let ada = server.online("ada").await.unwrap();
    let channel = ada.channel(CID).unwrap();
    channel.create("General", ["bob"]).await.unwrap();
    let sent = channel.send("hello").await.unwrap().id;
    settle(&[&ada]).await.unwrap();
    let bob = server.online("bob").await.unwrap();
    server.converged(&[&ada, &bob]).await.unwrap();
    (server, ada, bob, sent)
}

#[tokio::test(start_paused = true)]
async fn two_days_offline_are_caught_up_with() {
    let (server, ada, bob, _) = chat().await;
    bob.disconnect().await.unwrap();
    bob.channel(CID)
        .unwrap()
        .send("from the mountains")
        .await
        .unwrap();
    pass(2 * DAY).await;
    assert_eq!(ada.status(), SyncState::Live, "its heartbeats went on meanwhile");
    ada.channel(CID).unwrap().send("where are you?").await.unwrap();
    settle(&[&ada]).await.unwrap();
    bob.connect().await.unwrap();
    let agreed = server.converged(&[&ada, &bob]).await.unwrap();
    assert_eq!(
        agreed.texts(CID),
        ["hello", "where are you?", "from the mountains"]
    );
    let last = agreed.messages(CID).last().unwrap();
    let two_days = i64::try_from((2 * DAY).as_millis()).unwrap();
    let (composed, accepted) = (
        last.composed_at.as_millis(),
        last.accepted_at.unwrap().as_millis(),
    );
    assert!(composed < START.as_millis() + 60_000, "it was written before");
    assert!(accepted >= START.as_millis() + two_days, "and sent after");
}

#[tokio::test(start_paused = true)]
async fn two_days_without_a_network_are_days_of_attempts_and_over_when_it_is_back() {
    let (server, ada, bob, _) = chat().await;
    server.network().offline();
    ada.channel(CID).unwrap().send("what a view").await.unwrap();
    pass(2 * DAY).await;
    assert_eq!(ada.outbox().len(), 1);
    server.network().heal();
    let agreed = server.converged(&[&ada, &bob]).await.unwrap();
    assert_eq!(agreed.texts(CID), ["hello", "what a view"]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_connection_is_noticed_by_its_heartbeat_alone() {
    let (server, ada, bob, _) = chat().await;
    server.network().stall();
    ada.channel(CID).unwrap().send("is anybody there?").await.unwrap();
    pass(Duration::from_secs(120)).await;
    assert_ne!(ada.status(), SyncState::Live);
    assert_eq!(server.connections(), 0, "the server has noticed too");
    server.network().heal();
    server.converged(&[&ada, &bob]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_may_have_acted_before_the_server_forgot_is_for_its_user_to_decide() {
    let (server, ada, bob, sent) = chat().await;
    // It is on its way when the network dies: nobody can know whether it arrived.
    let network = server.network().only(&ada);
    network.stall();
    let reaction = ada.channel(CID).unwrap().react(sent, "like").await.unwrap();
    pass(Duration::from_secs(1)).await;
    network.cut();
    ada.disconnect().await.unwrap();
    tokio::time::advance(31 * DAY).await;
    network.heal();
    ada.connect().await.unwrap();
    let rejection = reaction.settled().await.unwrap_err();
    assert!(
        rejection.to_string().contains(Code::Expired.as_str()),
        "{rejection}"
    );
    let diverged = server.converged(&[&ada, &bob]).await.unwrap_err().to_string();
    assert!(
        diverged.contains("the outbox") && diverged.contains("expired"),
        "{diverged}"
    );
    for item in ada.outbox() {
        ada.discard(item.id).await.unwrap();
    }
    server.converged(&[&ada, &bob]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_clock_can_be_wrong_and_changes_nothing_but_what_it_shows() {
    let (server, ada, _bob, _) = chat().await;
    let wrong = TestClock::new();
    wrong.set(Timestamp(0));
    let carol = server
        .client("carol")
        .environment(Arc::new(wrong.clone()))
        .open()
        .await
        .unwrap();
    carol.connect().await.unwrap();
    let theirs = carol.channel("messaging:other").unwrap();
    theirs.create("Other", ["ada"]).await.unwrap();
    theirs.send("in 1970").await.unwrap();
    settle(&[&carol]).await.unwrap();
    wrong.set(Timestamp(4_102_444_800_000));
    theirs.send("in 2100").await.unwrap();
    let agreed = server.converged(&[&carol, &ada]).await.unwrap();
    assert_eq!(agreed.texts("messaging:other"), ["in 1970", "in 2100"]);
    let composed: Vec<i64> = agreed
        .messages("messaging:other")
        .iter()
        .map(|message| message.composed_at.as_millis() / 1000)
        .collect();
    assert_eq!(composed, [0, 4_102_444_800]);
}

#[tokio::test]
#[should_panic = "time is not frozen"]
async fn time_that_is_not_paused_cannot_be_moved() {
    pass(Duration::from_secs(1)).await;
}
