//! The database on the device.

use super::support::{
    Shown, World, all_sent, as_others_see_it, caught_up, go_live, go_offline, ids, lists, made, reef,
    send_many, settled, shows, up_to, within,
};
use tokio::task::JoinSet;
use whimbrel::{Defaults, OlderEdge, SqliteStore, model::People};
use whimbrel_client::{Query, Store};
use whimbrel_store::StoreReader as _;
use whimbrel_testkit::store::FailingStore;

#[tokio::test]
async fn u06_a_database_error_does_not_freeze_the_channel_list() {
    let world = World::start().await;
    let (_a, ada) = world.online("ada").await;
    made(&ada).await;
    let device = world.device("bob").await;
    let path = device.directory.path().join("bob.db");
    let store = FailingStore::new(SqliteStore::open(path).await.unwrap());
    let bob = device.builder().store(store.clone()).open().await.unwrap();
    go_live(&bob).await;
    caught_up(&bob).await;
    let list = bob.channels().await.unwrap();
    for round in 1..=3_u64 {
        store.fail_writes(1);
        send_many(&ada, 0, 2).await;
        // Meanwhile the list can be read, and then it goes on by itself.
        assert_eq!(list.items().len(), 1);
        assert_eq!(bob.channels().await.unwrap().items().len(), 1);
        lists(&bob, "what came in", |items| items[0].unread == 2 * round).await;
    }
    reef(&bob).send("and writes").await.unwrap();
    settled(&bob).await;
    bob.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u25_many_at_once_never_meet_a_locked_database() {
    let world = World::start().await;
    let (device, ada) = world.online("ada").await;
    made(&ada).await;
    let mut tasks = JoinSet::new();
    for writer in 0..6 {
        let channel = reef(&ada);
        tasks.spawn(async move {
            for number in 0..25 {
                channel.send(format!("{writer} {number}")).await.unwrap();
            }
        });
    }
    for _ in 0..6 {
        let (client, channel) = (ada.clone(), reef(&ada));
        tasks.spawn(async move {
            for _ in 0..25 {
                client.channels().await.unwrap();
                channel.summary().await.unwrap();
                channel.members().await.unwrap();
                let timeline = channel.timeline().await.unwrap();
                if timeline.edge() == OlderEdge::OnDisk {
                    timeline.load_older(20).await.unwrap();
                }
            }
        });
    }
    // Somebody else looks into the file, as a notification's extension does.
    let looker = device.look().await;
    for _ in 0..25 {
        looker.load().await.unwrap();
        let people = People::default();
        looker
            .channels(&Query::channel_list(), None, 10, &people)
            .await
            .unwrap();
    }
    looker.close().await;
    within("all of them", tasks.join_all()).await;
    let second = device.builder().directory(device.directory.path()).open().await;
    assert_eq!(
        second.unwrap_err().code(),
        "store_in_use",
        "a second writer is told so"
    );
    settled(&ada).await;
    let timeline = reef(&ada).timeline().await.unwrap();
    shows(&timeline, "all as sent", all_sent).await;
    assert_eq!(device.seqs_on_disk().await, up_to(150));
    ada.close().await;
    assert_eq!(reef(&ada).summary().await.unwrap_err().code(), "client_closed");
    device.open().await.close().await;
}

#[tokio::test]
async fn u26_a_damaged_database_costs_no_unsent_message() {
    let world = World::start().await;
    let (device, ada) = world.online("ada").await;
    made(&ada).await;
    send_many(&ada, 0, 20).await;
    go_offline(&ada).await;
    let mut unsent = Vec::new();
    for text in ["unsent one", "unsent two"] {
        unsent.push(reef(&ada).send(text).await.unwrap().id);
    }
    ada.close().await;
    let path = device.database();
    let mut bytes = std::fs::read(&path).unwrap();
    let half = bytes.len() / 2;
    bytes[..half].fill(0);
    std::fs::write(&path, &bytes).unwrap();

    let ada = device.open().await;
    let recovery = ada.recovery().expect("it is told of");
    assert_eq!((recovery.kept, recovery.lost), (2, Some(0)));
    let timeline = reef(&ada).timeline().await.unwrap();
    assert_eq!(ids(&timeline.items()), unsent, "what nobody else has is there");
    go_live(&ada).await;
    let all = |items: &Shown| items.len() == 22 && all_sent(items);
    let items = shows(&timeline, "the rest, from the server", all).await;
    assert_eq!(ids(&items)[20..], unsent);
    as_others_see_it(&world, 22).await;
    // The damaged file is still there, for whoever can read more of it.
    let files = std::fs::read_dir(device.directory.path()).unwrap();
    let kept = files.filter(|entry| {
        let path = entry.as_ref().unwrap().path();
        std::fs::read(path).is_ok_and(|held| held == bytes)
    });
    assert_eq!(kept.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u39_whoever_has_a_handle_has_a_database_that_is_ready() {
    let world = World::start().await;
    for _ in 0..5 {
        let device = world.device("ada").await;
        // Two parts of the app open the account at the same time.
        let (one, two) = tokio::join!(device.builder().open(), device.builder().open());
        let (client, error) = match (one, two) {
            (Ok(client), Err(error)) | (Err(error), Ok(client)) => (client, error),
            other => panic!("one has it, the other is told so: {other:?}"),
        };
        assert_eq!(error.code(), "store_in_use");
        let channel = reef(&client);
        let all = tokio::join!(
            client.channels(),
            channel.timeline(),
            channel.summary(),
            channel.members(),
            channel.reads(),
            channel.create("Reef", ["bob"]),
            channel.send("hello"),
        );
        all.0.unwrap();
        all.1.unwrap();
        all.2.unwrap();
        all.3.unwrap();
        all.4.unwrap();
        all.5.unwrap();
        all.6.unwrap();
        client.close().await;
    }
}
