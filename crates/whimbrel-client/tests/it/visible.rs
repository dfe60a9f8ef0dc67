//! What is on the screen is caught up first.

use crate::support::{go_live, online, shows, texts, within};
use std::collections::HashSet;
use whimbrel_client::{Channel, Client, EngineConfig};
use whimbrel_model::{Change, StreamId};
use whimbrel_store::MemoryStore;
use whimbrel_testkit::{server::TestServer, store::FailingStore};

fn channel(client: &Client, name: &str) -> Channel {
    client.channel(format!("messaging:{name}")).unwrap()
}

#[tokio::test]
async fn a_channel_that_is_closed_again_waits_its_turn() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    for name in ["a", "m", "z"] {
        let created = channel(&ada, name).create(name, ["bob"]).await.unwrap();
        within("the channel", created.settled()).await.unwrap();
    }
    let config = EngineConfig {
        pulls: 1,
        ..EngineConfig::default()
    };
    let store = FailingStore::new(MemoryStore::new());
    let bob = server
        .client("bob")
        .store(store.clone())
        .engine(config)
        .open()
        .await
        .unwrap();
    go_live(&bob).await;
    drop(channel(&bob, "z").timeline().await.unwrap());
    let open = channel(&bob, "m").timeline().await.unwrap();
    bob.disconnect().await.unwrap();
    for name in ["a", "m", "z"] {
        let sent = channel(&ada, name).send("news").await.unwrap();
        within("the message", sent.settled()).await.unwrap();
    }
    let mut written = store.written();
    go_live(&bob).await;
    shows(&open, "the news", |items| texts(items) == ["news"]).await;
    let mut order = Vec::new();
    while let Ok(delta) = written.try_recv() {
        order.extend(delta.changes.into_iter().filter_map(|change| match change {
            Change::Cursor(StreamId::Channel(cid), _) => Some(cid.local_id().to_owned()),
            _ => None,
        }));
    }
    // What the device says of them later moves them again.
    let mut seen = HashSet::new();
    order.retain(|name| seen.insert(name.clone()));
    assert_eq!(order, ["m", "a", "z"]);
}
