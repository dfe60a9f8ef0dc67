//! Searches on the device and on the server.

use crate::support::{CID, general, go_live, made, online, open, reaches, settled, within};
use std::time::Duration;
use whimbrel_client::{Channel, Client, Error, Found, NotSearched, SearchResults, SyncState};
use whimbrel_model::{ChannelId, UserId, limits};
use whimbrel_store::MemoryStore;
use whimbrel_testkit::{server::TestServer, time::pass};

/// So many that who has none of them gets a snapshot.
const MANY: u64 = limits::SNAPSHOT_AFTER + 10;

fn found(results: &SearchResults) -> Vec<(String, Found)> {
    let hits = results.hits.iter();
    hits.map(|hit| (hit.message.body.text.clone(), hit.found))
        .collect()
}

fn general_id() -> ChannelId {
    ChannelId::new(CID).unwrap()
}

/// Says one after the other, each accepted at a time of its own: what is found is ordered by that.
async fn say(client: &Client, texts: &[&str]) -> Channel {
    let channel = general(client);
    for text in texts {
        channel.send(*text).await.unwrap();
        settled(client).await;
        pass(Duration::from_millis(1)).await;
    }
    channel
}

#[tokio::test(start_paused = true)]
async fn what_both_have_is_found_once() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    made(&ada).await;
    say(&ada, &["the reef", "Ñandú at the reef", "something else"]).await;
    let results = within("the search", ada.search("reef the").into_future())
        .await
        .unwrap();
    assert_eq!(
        found(&results),
        [
            ("Ñandú at the reef".to_owned(), Found::Both),
            ("the reef".to_owned(), Found::Both)
        ]
    );
    assert!(results.not_searched.is_empty(), "{:?}", results.not_searched);
    assert!(results.next.is_none());
    let by = |user| ada.search("reef").by(UserId::new(user).unwrap());
    assert_eq!(by("ada").await.unwrap().hits.len(), 2);
    assert_eq!(by("bob").await.unwrap().hits.len(), 0);
    let elsewhere = ada
        .search("reef")
        .in_channel(ChannelId::new("messaging:other").unwrap());
    assert_eq!(elsewhere.await.unwrap().hits.len(), 0);
    assert_eq!(
        ada.search("nandu")
            .in_channel(general_id())
            .await
            .unwrap()
            .hits
            .len(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn what_only_the_server_has_is_added_and_said_to_be_missing_without_it() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    made(&ada).await;
    say(&ada, &["a needle of long ago"]).await;
    for number in 0..MANY {
        general(&ada).send(format!("message {number}")).await.unwrap();
    }
    say(&ada, &["a needle of today"]).await;
    let bob = online(&server, "bob").await;
    within("the newest", bob.wait_until_caught_up(Duration::from_secs(15)))
        .await
        .unwrap();
    let local = bob.search("needle").local().await.unwrap();
    assert_eq!(found(&local), [("a needle of today".to_owned(), Found::Local)]);
    let gaps = |results: &SearchResults| {
        results
            .not_searched
            .iter()
            .any(|part| matches!(part, NotSearched::Gaps { channels } if *channels == [general_id()]))
    };
    let server_error = |results: &SearchResults| {
        results.not_searched.iter().find_map(|part| match part {
            NotSearched::Server { error } => Some(error.as_ref().map(Error::code)),
            _ => None,
        })
    };
    assert_eq!((server_error(&local), gaps(&local)), (Some(None), true));
    let both = within("the search", bob.search("needle").into_future())
        .await
        .unwrap();
    assert_eq!(
        found(&both),
        [
            ("a needle of today".to_owned(), Found::Both),
            ("a needle of long ago".to_owned(), Found::Server)
        ]
    );
    assert!(both.not_searched.is_empty(), "{:?}", both.not_searched);
    bob.disconnect().await.unwrap();
    reaches(&bob, |status| *status == SyncState::Offline).await;
    let offline = bob.search("needle").await.unwrap();
    assert_eq!(found(&offline), found(&local));
    assert_eq!(
        (server_error(&offline), gaps(&offline)),
        (Some(Some("not_connected".to_owned())), true)
    );
}

#[tokio::test(start_paused = true)]
async fn a_search_works_before_anything_is_connected() {
    let server = TestServer::new();
    let store = MemoryStore::new();
    let ada = open(&server, "ada", &store).await;
    go_live(&ada).await;
    made(&ada).await;
    say(&ada, &["the reef"]).await;
    ada.close().await;
    let ada = open(&server, "ada", &store).await;
    assert_eq!(ada.search("reef").await.unwrap().hits.len(), 1);
    let error = ada.search(" ?! ").await.unwrap_err();
    assert!(matches!(error, Error::Query(_)), "{error}");
    ada.close().await;
    assert!(matches!(ada.search("reef").await, Err(Error::Closed)));
}

#[tokio::test(start_paused = true)]
async fn pages_have_everything_once_and_newest_first() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    made(&ada).await;
    for number in 0..MANY {
        if number % 100 == 0 {
            say(&ada, &[format!("needle {number}").as_str()]).await;
        } else {
            general(&ada).send(format!("hay {number}")).await.unwrap();
        }
    }
    settled(&ada).await;
    let bob = online(&server, "bob").await;
    within("the newest", bob.wait_until_caught_up(Duration::from_secs(15)))
        .await
        .unwrap();
    let mut search = bob.search("needle").limit(4);
    let mut all = Vec::new();
    loop {
        let page = within("a page", search.clone().into_future()).await.unwrap();
        assert!(page.hits.len() <= 4 && page.not_searched.is_empty(), "{page:?}");
        all.extend(page.hits);
        let Some(place) = page.next else { break };
        search = search.after(place);
    }
    let seqs: Vec<u64> = all.iter().map(|hit| hit.message.seq).collect();
    let expected: Vec<u64> = (0..MANY)
        .filter(|number| number % 100 == 0)
        .map(|number| number + 1)
        .collect();
    assert_eq!(seqs, expected.into_iter().rev().collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_edited_elsewhere_is_shown_as_the_server_has_it() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    let sent = channel.send("the reef").await.unwrap();
    settled(&ada).await;
    let store = MemoryStore::new();
    let bob = open(&server, "bob", &store).await;
    go_live(&bob).await;
    within("the message", bob.wait_until_caught_up(Duration::from_secs(15)))
        .await
        .unwrap();
    // What bob is not told of meanwhile, only the server knows.
    bob.disconnect().await.unwrap();
    reaches(&bob, |status| *status == SyncState::Offline).await;
    channel.edit(sent.id, "the great reef").await.unwrap();
    settled(&ada).await;
    assert_eq!(
        found(&bob.search("reef").await.unwrap()),
        [("the reef".to_owned(), Found::Local)]
    );
    let live = within("the search", ada.search("reef").into_future())
        .await
        .unwrap();
    assert_eq!(found(&live), [("the great reef".to_owned(), Found::Both)]);
}
