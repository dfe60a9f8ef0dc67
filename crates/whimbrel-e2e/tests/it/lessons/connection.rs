//! Before, between and after connections.

use super::support::{World, go_live, made, quick, reaches, reef, send_many, settled, shows, within};
use futures_util::StreamExt;
use std::{collections::BTreeSet, time::Duration};
use whimbrel::{OlderEdge, SyncState, model::limits};
use whimbrel_client::Store;

#[tokio::test]
async fn u24_everything_can_be_touched_before_the_first_connection() {
    let world = World::start().await;
    let device = world.device("ada").await;
    let ada = device.open().await;
    let channel = reef(&ada);
    let (list, timeline) = (ada.channels().await.unwrap(), channel.timeline().await.unwrap());
    assert!(list.items().is_empty() && timeline.items().is_empty() && ada.outbox().is_empty());
    assert_eq!(
        (ada.status(), timeline.edge()),
        (SyncState::Offline, OlderEdge::Start)
    );
    assert!(channel.summary().await.unwrap().is_none());
    assert!(channel.members().await.unwrap().is_empty());
    assert!(channel.reads().await.unwrap().is_empty());
    assert!(channel.mark_read().await.unwrap().is_none());
    assert!(channel.gaps().await.unwrap().is_empty());
    list.load_more(5).await.unwrap();
    timeline.load_older(5).await.unwrap();
    ada.disconnect().await.unwrap();
    // What needs the server says so, with a code.
    let error = ada
        .wait_until_caught_up(Duration::from_millis(1))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "not_caught_up");
    // The observers that were opened before the first connection go on.
    let (_, mut changes) = list.subscribe();
    go_live(&ada).await;
    made(&ada).await;
    send_many(&ada, 0, 1).await;
    within("the channel", changes.next()).await.unwrap();
    shows(&timeline, "the message", |items| items.len() == 1).await;
}

#[tokio::test]
async fn u41_a_restarting_server_is_not_stormed() {
    let mut world = World::start().await;
    let mut devices = Vec::new();
    for number in 0..12 {
        devices.push(world.online(&format!("user-{number}")).await);
    }
    world.stop_server().await;
    let mut waits = BTreeSet::new();
    for (_, client) in &devices {
        let status = reaches(client, "the wait", |status| {
            matches!(status, SyncState::BackingOff { .. })
        })
        .await;
        let SyncState::BackingOff { retry_in_ms, .. } = status else {
            unreachable!("it was waited for");
        };
        // The own backoff would be over in 50 ms.
        assert!(
            retry_in_ms >= 500,
            "{retry_in_ms} ms: the server asked for a second"
        );
        waits.insert(retry_in_ms);
    }
    assert!(waits.len() > 6, "they come back together: {waits:?}");
    world.start_server().await;
    for (_, client) in &devices {
        reaches(client, "being live", |status| *status == SyncState::Live).await;
    }
}

#[tokio::test]
async fn u41_history_is_asked_for_in_bounded_pieces() {
    let world = World::start().await;
    let (_a, ada) = world.online("ada").await;
    made(&ada).await;
    send_many(&ada, 0, 1_100).await;
    let device = world.device("bob").await;
    let engine = whimbrel_client::EngineConfig {
        fill_messages: 0,
        ..quick()
    };
    let bob = device.builder().engine(engine).open().await.unwrap();
    go_live(&bob).await;
    bob.wait_until_caught_up(super::support::DEADLINE).await.unwrap();
    let timeline = reef(&bob).timeline().await.unwrap();
    let shown = timeline.items().len();
    let before = device.seqs_on_disk().await.len();
    assert!(
        before <= limits::SNAPSHOT_MESSAGES,
        "{before} came without being asked for"
    );
    timeline.load_older(usize::MAX).await.unwrap();
    let (loaded, held) = (timeline.items().len(), device.seqs_on_disk().await.len());
    assert!(loaded - shown <= limits::PAGE_ROWS, "{loaded} are shown");
    assert!(held - before <= limits::PAGE_ROWS, "{held} are on disk");
    settled(&ada).await;
    let store = device.look().await;
    assert!(store.load().await.unwrap().outbox.is_empty());
    store.close().await;
}
