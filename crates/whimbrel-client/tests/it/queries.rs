//! Lists of channels by a query.

use crate::support::{go_live, open, reaches, settled, within};
use futures_util::StreamExt;
use whimbrel_client::{
    ChannelList, ChannelUpdate, Client, Filter, LoadState, NewChannel, Sort, SyncState, field,
};
use whimbrel_model::Custom;
use whimbrel_store::MemoryStore;
use whimbrel_testkit::{server::TestServer, store::FailingStore};

async fn create(client: &Client, id: &str, name: &str, team: &str) {
    let new = NewChannel {
        name: name.to_owned(),
        custom: Custom::default().with("team", team),
        ..NewChannel::default()
    };
    let channel = client.channel(format!("messaging:{id}")).unwrap();
    channel.create_with(new).await.unwrap();
}

fn names(list: &ChannelList) -> Vec<String> {
    list.items().iter().map(|item| item.name.clone()).collect()
}

/// Waits until the list has these names, by its changes alone.
async fn shows(list: &ChannelList, expected: &[&str]) {
    let (mut items, mut diffs) = list.subscribe();
    let shown = async {
        while !items
            .iter()
            .map(|item| item.name.as_str())
            .eq(expected.iter().copied())
        {
            for diff in diffs.next().await.unwrap() {
                diff.apply(&mut items);
            }
        }
    };
    within("the rows", shown).await;
}

#[tokio::test]
async fn channels_are_found_before_any_connection_and_after_a_restart() {
    let server = TestServer::new();
    server.stop().await;
    let disk = MemoryStore::new();
    {
        let ada = open(&server, "ada", &disk).await;
        create(&ada, "reef", "Reef", "red").await;
        create(&ada, "atoll", "Atoll", "blue").await;
        create(&ada, "cay", "Cay", "red").await;
        ada.close().await;
    }
    let ada = open(&server, "ada", &disk).await;
    let red = ada.query_channels(field("custom.team").eq("red")).await.unwrap();
    assert_eq!(names(&red), ["Cay", "Reef"], "what was made last is the newest");
    let sorted = ada
        .query_channels(Filter::everything())
        .sort(Sort::by_ascending("name"))
        .await
        .unwrap();
    assert_eq!(names(&sorted), ["Atoll", "Cay", "Reef"]);
    let typed = ada
        .query_channels(field("name").autocomplete("ree"))
        .await
        .unwrap();
    assert_eq!(names(&typed), ["Reef"]);
    let none = ada
        .query_channels(field("custom.team").eq("green"))
        .await
        .unwrap();
    assert_eq!((none.load_state(), none.items().len()), (LoadState::End, 0));
    assert_eq!(ada.channels().await.unwrap().items().len(), 3);
}

#[tokio::test]
async fn a_change_moves_a_channel_between_open_lists_at_once_and_on_other_devices() {
    let server = TestServer::new();
    let (ada, other) = (open(&server, "ada", &MemoryStore::new()).await, {
        open(&server, "ada", &MemoryStore::new()).await
    });
    create(&ada, "reef", "Reef", "red").await;
    go_live(&ada).await;
    go_live(&other).await;
    settled(&ada).await;
    let team = |client: &Client, team: &str| client.query_channels(field("custom.team").eq(team));
    let (red, blue) = (
        team(&ada, "red").await.unwrap(),
        team(&ada, "blue").await.unwrap(),
    );
    let (red_too, blue_too) = (
        team(&other, "red").await.unwrap(),
        team(&other, "blue").await.unwrap(),
    );
    shows(&red_too, &["Reef"]).await;
    let update = ChannelUpdate {
        custom: Some(Custom::default().with("team", "blue")),
        ..ChannelUpdate::default()
    };
    let reef = ada.channel("messaging:reef").unwrap();
    reef.update(update).await.unwrap();
    assert!(names(&red).is_empty(), "it is laid over before it is sent");
    assert_eq!(names(&blue), ["Reef"]);
    shows(&blue_too, &["Reef"]).await;
    assert!(names(&red_too).is_empty());
    settled(&ada).await;
    assert_eq!(names(&blue), ["Reef"]);
}

#[tokio::test]
async fn a_left_channel_is_in_a_list_only_if_it_is_asked_for() {
    let server = TestServer::new();
    let ada = open(&server, "ada", &MemoryStore::new()).await;
    create(&ada, "reef", "Reef", "red").await;
    go_live(&ada).await;
    settled(&ada).await;
    let all = ada.query_channels(Filter::everything()).await.unwrap();
    let left = ada.query_channels(field("joined").eq(false)).await.unwrap();
    assert_eq!((names(&all).len(), names(&left).len()), (1, 0));
    let me = ada.user().clone();
    let reef = ada.channel("messaging:reef").unwrap();
    reef.remove_members([me]).await.unwrap();
    assert_eq!((names(&all).len(), names(&left).len()), (0, 1));
    settled(&ada).await;
    shows(&left, &["Reef"]).await;
    assert!(all.items().is_empty());
}

#[tokio::test]
async fn members_are_asked_for_where_a_query_says_so() {
    let server = TestServer::new();
    let ada = open(&server, "ada", &MemoryStore::new()).await;
    create(&ada, "reef", "Reef", "red").await;
    create(&ada, "cay", "Cay", "red").await;
    let with_bob = ada
        .query_channels(field("members").contains("bob"))
        .await
        .unwrap();
    let full = ada.query_channels(field("member_count").gte(2)).await.unwrap();
    assert!(names(&with_bob).is_empty());
    let reef = ada.channel("messaging:reef").unwrap();
    reef.add_members(["bob".parse().unwrap()]).await.unwrap();
    assert_eq!(
        (names(&with_bob), names(&full)),
        (vec!["Reef".to_owned()], vec!["Reef".to_owned()])
    );
    go_live(&ada).await;
    settled(&ada).await;
    shows(&with_bob, &["Reef"]).await;
    shows(&full, &["Reef"]).await;
}

#[tokio::test]
async fn a_long_list_is_loaded_piece_by_piece() {
    let server = TestServer::new();
    let ada = open(&server, "ada", &MemoryStore::new()).await;
    for n in 0..70 {
        create(&ada, &format!("c{n:02}"), &format!("{n:02}"), "red").await;
    }
    go_live(&ada).await;
    settled(&ada).await;
    let list = ada
        .query_channels(field("custom.team").eq("red"))
        .sort(Sort::by_descending("name"))
        .await
        .unwrap();
    assert_eq!((names(&list).len(), list.load_state()), (30, LoadState::More));
    list.load_more(25).await.unwrap();
    assert_eq!((names(&list).len(), list.load_state()), (55, LoadState::More));
    list.load_more(50).await.unwrap();
    let all: Vec<_> = (0..70).rev().map(|n| format!("{n:02}")).collect();
    assert_eq!((names(&list), list.load_state()), (all, LoadState::End));
    list.load_more(5).await.unwrap();
    assert_eq!(names(&list).len(), 70);
}

#[tokio::test]
async fn a_query_that_is_none_says_where_and_why() {
    let server = TestServer::new();
    let ada = open(&server, "ada", &MemoryStore::new()).await;
    let error = ada.query_channels(field("nmae").eq("Reef")).await.unwrap_err();
    assert_eq!((error.code().as_str(), error.is_retryable()), ("invalid", false));
    assert!(
        error.to_string().contains("channels have no field \"nmae\""),
        "{error}"
    );
    let error = ada
        .query_channels(Filter::everything())
        .sort(Sort::by_ascending("members"))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("cannot be sorted by members"),
        "{error}"
    );
}

#[tokio::test]
async fn lists_are_shown_again_after_the_database_failed() {
    let server = TestServer::new();
    let store = FailingStore::new(MemoryStore::new());
    let ada = server.client("ada").store(store.clone()).open().await.unwrap();
    create(&ada, "reef", "Reef", "red").await;
    go_live(&ada).await;
    settled(&ada).await;
    let (red, blue) = (
        ada.query_channels(field("custom.team").eq("red")).await.unwrap(),
        ada.query_channels(field("custom.team").eq("blue")).await.unwrap(),
    );
    store.lose_outcomes(1);
    let update = ChannelUpdate {
        custom: Some(Custom::default().with("team", "blue")),
        ..ChannelUpdate::default()
    };
    let reef = ada.channel("messaging:reef").unwrap();
    reef.update(update).await.unwrap_err();
    reaches(&ada, |status| *status == SyncState::Live).await;
    shows(&blue, &["Reef"]).await;
    assert!(names(&red).is_empty());
}
