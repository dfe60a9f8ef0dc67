//! The convergence checker finds what is different, and says it so that a person understands.

use crate::{
    liar::{Liar, Lie},
    support::CID,
};
use std::sync::Arc;
use whimbrel_client::{Channel, Client};
use whimbrel_model::{Change, Delta, MessageId, Row, SettingsChange};
use whimbrel_store::{MemoryStore, Store as _, StoreReader};
use whimbrel_testkit::{converge::settle, server::TestServer};

async fn chat(server: &TestServer) -> (Client, Channel, MessageId) {
    let ada = server.online("ada").await.unwrap();
    let channel = ada.channel(CID).unwrap();
    channel.create("General", ["bob"]).await.unwrap();
    let id = channel.send("hello").await.unwrap().id;
    settle(&[&ada]).await.unwrap();
    (ada, channel, id)
}

#[tokio::test(start_paused = true)]
async fn everything_that_a_chat_has_is_compared_and_equal() {
    let server = TestServer::new();
    let (ada, channel, id) = chat(&server).await;
    ada.update_profile(Some("Ada".to_owned()), None, None)
        .await
        .unwrap();
    let bob = server.online("bob").await.unwrap();
    settle(&[&bob]).await.unwrap();
    let theirs = bob.channel(CID).unwrap();
    theirs.react(id, "like").await.unwrap();
    let reply = theirs.reply(id, "in a thread").await.unwrap().id;
    channel.react(reply, "wow").await.unwrap();
    theirs.mark_read().await.unwrap();
    for number in 0..120 {
        channel.send(format!("message {number}")).await.unwrap();
    }
    channel.edit(id, "hello, edited").await.unwrap();
    theirs.delete(reply).await.unwrap();
    theirs.reply(id, "in the thread again").await.unwrap();
    channel.pin_message(id, None).await.unwrap();
    channel.save_draft("to be continu").await.unwrap();
    theirs.mute(None).await.unwrap();
    let agreed = server.converged(&[&ada, &bob]).await.unwrap();
    let texts = agreed.texts(CID);
    assert_eq!((texts.len(), texts[0]), (122, "hello, edited"));
    assert_eq!(agreed.messages(CID).len(), 123);
    assert!(agreed.messages("messaging:nowhere").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_wrong_on_disk_and_on_the_screen_is_told_with_both_values() {
    let server = TestServer::new();
    let (ada, _, id) = chat(&server).await;
    let disk = MemoryStore::new();
    let bob = server
        .client("bob")
        .store(Arc::new(disk.reopen()))
        .open()
        .await
        .unwrap();
    bob.connect().await.unwrap();
    server.converged(&[&ada, &bob]).await.unwrap();
    let mut message = disk.message(id).await.unwrap().unwrap();
    message.body.text = "hullo".to_owned();
    message.ver += 1;
    let delta = Delta {
        changes: vec![Change::Row(Row::Message(message))],
    };
    disk.apply(&delta).await.unwrap();
    let diverged = server.converged(&[&ada, &bob]).await.unwrap_err();
    let words = diverged.to_string();
    let told = |words: &str, part: &str| {
        assert!(words.contains(part), "{part:?} is not in: {words}");
    };
    told(&words, "messaging:general, message 1: bob (device …");
    told(
        &words,
        "has \"hullo\" by ada (seq 1, ver 5), the server has \"hello\" by ada (seq 1, ver 4)",
    );
    assert!(!words.contains(": ada (device"), "{words}");
    assert_eq!(format!("{diverged:?}"), words);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_not_connected_does_not_come_to_rest() {
    let server = TestServer::new();
    let (ada, channel, _) = chat(&server).await;
    ada.disconnect().await.unwrap();
    let diverged = server.converged(&[&ada]).await.unwrap_err().to_string();
    assert!(
        diverged.contains("catching up") && diverged.contains("Offline"),
        "{diverged}"
    );
    channel.send("waits").await.unwrap();
    let diverged = server.converged(&[&ada]).await.unwrap_err().to_string();
    let expected = "has send_message waits for a connection";
    assert!(diverged.contains(expected), "{diverged}");
}

#[tokio::test(start_paused = true)]
async fn what_was_rejected_is_a_difference() {
    let server = TestServer::new();
    let (ada, _, id) = chat(&server).await;
    let bob = server.online("bob").await.unwrap();
    settle(&[&bob]).await.unwrap();
    let edit = bob.channel(CID).unwrap().edit(id, "not mine").await.unwrap();
    edit.settled().await.unwrap_err();
    let diverged = server.converged(&[&ada, &bob]).await.unwrap_err().to_string();
    assert!(
        diverged.contains("edit_message was rejected (forbidden)"),
        "{diverged}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_gap_that_the_device_knows_of_is_no_difference() {
    let server = TestServer::new();
    let (ada, channel, id) = chat(&server).await;
    let bob = server.online("bob").await.unwrap();
    server.converged(&[&ada, &bob]).await.unwrap();
    bob.disconnect().await.unwrap();
    for number in 0..1_100 {
        channel.send(format!("message {number}")).await.unwrap();
    }
    channel.edit(id, "while bob was away").await.unwrap();
    settle(&[&ada]).await.unwrap();
    bob.connect().await.unwrap();
    let agreed = server.converged(&[&ada, &bob]).await.unwrap();
    assert_eq!(agreed.texts(CID).len(), 1_101);
    assert!(bob.channel(CID).unwrap().timeline().await.unwrap().items().len() < 1_101);
}

/// Bob's store tells a lie: where it has to be found, and what is to be said of it.
async fn is_found(lie: impl Fn(MessageId) -> Lie, place: &str, told: &str) {
    let server = TestServer::new();
    let (ada, channel, id) = chat(&server).await;
    ada.update_profile(Some("Ada".to_owned()), None, None)
        .await
        .unwrap();
    channel.send("and again").await.unwrap();
    channel.react(id, "like").await.unwrap();
    channel.mark_read().await.unwrap();
    settle(&[&ada]).await.unwrap();
    let disk = Liar::new();
    let bob = server.client("bob").store(disk.clone()).open().await.unwrap();
    bob.connect().await.unwrap();
    settle(&[&ada, &bob]).await.unwrap();
    disk.tell(lie(id));
    let words = server.converged(&[&ada, &bob]).await.unwrap_err().to_string();
    assert!(
        words.contains(&format!("{place}: bob")) && words.contains(told),
        "{words}"
    );
    assert!(!words.contains(": ada (device"), "{words}");
}

#[tokio::test(start_paused = true)]
async fn whatever_a_device_is_wrong_about_is_found_where_it_is() {
    is_found(
        Lie::Forgets,
        "general, message 1",
        "has nothing on disk, the server has \"hello\"",
    )
    .await;
    is_found(
        Lie::Hides,
        "general, the timeline",
        "has 1 rows, the server has 2 messages",
    )
    .await;
    is_found(
        |_| Lie::Invents,
        "general, the timeline",
        "the server has no such message",
    )
    .await;
    is_found(|_| Lie::Swaps, "general, the timeline, message 1", "(seq 2, ver ").await;
    is_found(
        |_| Lie::NoReactions,
        "general, the timeline, message 1",
        ", 1 like",
    )
    .await;
    is_found(
        |_| Lie::NoChannels,
        "the channel list",
        "has {}, the server has {",
    )
    .await;
    is_found(|_| Lie::Renames, "messaging:general", "Particular").await;
    is_found(|_| Lie::NoMembers, "general, member ada", "state: Gone").await;
    is_found(
        |_| Lie::NoReads,
        "general, read position of ada",
        "has None, the server has Some(Read",
    )
    .await;
    is_found(|_| Lie::NoNames, "the profiles", "has {}, the server has {").await;
}

#[tokio::test(start_paused = true)]
async fn an_account_that_a_device_has_otherwise_is_found() {
    let server = TestServer::new();
    let (ada, _, _) = chat(&server).await;
    let disk = Liar::new();
    let open = async |disk: Arc<Liar>| {
        let other = server.client("ada").store(disk).open().await.unwrap();
        other.connect().await.unwrap();
        settle(&[&other]).await.unwrap();
        other
    };
    let other = open(disk.clone()).await;
    let change = SettingsChange {
        invisible: Some(true),
        ..SettingsChange::default()
    };
    other.update_settings(change).await.unwrap();
    other.mute_user("bob".parse().unwrap(), None).await.unwrap();
    server.converged(&[&ada, &other]).await.unwrap();
    other.close().await;
    let disk = disk.reopen();
    disk.tell(Lie::NoAccount);
    let other = open(disk).await;
    let words = server.converged(&[&ada, &other]).await.unwrap_err().to_string();
    for place in ["settings", "contact bob", "device "] {
        assert!(
            words.contains(&format!("the account, {place}")),
            "{place}: {words}"
        );
    }
}
