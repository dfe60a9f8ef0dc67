//! Several accounts on one device.

use super::support::{
    CID, Device, World, as_others_see_it, caught_up, go_live, made, reaches, reef, send_many, settled, texts,
    within,
};
use whimbrel::{Client, Defaults, SyncState};

/// Opens an account of `user` in the directory and with the network of `device`.
async fn account(world: &World, device: &Device, user: &str) -> Client {
    let builder = device.builder().user(user).token(world.token(user));
    builder.open().await.unwrap()
}

#[tokio::test]
async fn u22_the_next_account_sees_nothing_of_the_last_one() {
    let world = World::start().await;
    let (device, ada) = world.online("ada").await;
    made(&ada).await;
    send_many(&ada, 0, 3).await;
    reef(&ada).create("never sent", ["bob"]).await.ok();
    let (list, timeline) = (
        ada.channels().await.unwrap(),
        reef(&ada).timeline().await.unwrap(),
    );
    within("closing", ada.close()).await;

    let dan = account(&world, &device, "dan").await;
    assert!(dan.channels().await.unwrap().items().is_empty());
    assert!(reef(&dan).timeline().await.unwrap().items().is_empty());
    assert!(dan.outbox().is_empty());
    go_live(&dan).await;
    caught_up(&dan).await;
    assert!(dan.channels().await.unwrap().items().is_empty());
    // A screen of the last account that is still there neither fails nor changes.
    assert_eq!((list.items().len(), timeline.items().len()), (1, 3));
    assert_eq!(timeline.load_older(5).await.unwrap_err().code(), "client_closed");
    assert_eq!(reef(&ada).send("late").await.unwrap_err().code(), "client_closed");
    dan.close().await;
}

#[tokio::test]
async fn u22_after_closing_the_files_can_be_deleted_and_stay_so() {
    let world = World::start().await;
    let (device, ada) = world.online("ada").await;
    made(&ada).await;
    let list = ada.channels().await.unwrap();
    // It closes in the middle of writing.
    for number in 0..50 {
        reef(&ada).send(format!("message {number}")).await.unwrap();
    }
    within("closing", ada.close()).await;
    for entry in std::fs::read_dir(device.directory.path()).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    drop((list, ada));
    let again = device.open().await;
    assert!(again.channels().await.unwrap().items().is_empty());
    assert!(again.outbox().is_empty());
    again.close().await;
    // Closed, it is one file and its lock: nobody writes beside it.
    let files: Vec<_> = std::fs::read_dir(device.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(files.iter().all(|name| !name.ends_with("-wal")), "{files:?}");
}

#[tokio::test]
async fn u23_what_one_account_wrote_is_not_sent_by_another() {
    let world = World::start().await;
    let device = world.device("ada").await;
    let ada = device.open().await;
    reef(&ada).create("Reef", ["bob"]).await.unwrap();
    reef(&ada).send("from ada").await.unwrap();
    ada.close().await;

    // Somebody else signs in on the device.
    let dan = account(&world, &device, "dan").await;
    go_live(&dan).await;
    caught_up(&dan).await;
    dan.close().await;
    let (_b, bob) = world.online("bob").await;
    caught_up(&bob).await;
    assert!(
        bob.channels().await.unwrap().items().is_empty(),
        "it was sent by somebody else"
    );
    bob.close().await;

    // Ada again, with a token of somebody else.
    let ada = device.builder().token(world.token("dan")).open().await.unwrap();
    ada.connect().await.unwrap();
    reaches(&ada, "needing a sign-in", |status| {
        matches!(status, SyncState::NeedsAuth { .. })
    })
    .await;
    assert!(ada.outbox().iter().all(|item| !item.attempted));
    ada.close().await;

    let ada = device.open().await;
    go_live(&ada).await;
    settled(&ada).await;
    let seen = as_others_see_it(&world, 1).await;
    assert_eq!(texts(&seen), ["from ada"]);
    assert_eq!(seen[0].view.message.author.as_str(), "ada");
    assert_eq!(seen[0].view.message.cid.as_str(), CID);
}

#[tokio::test]
async fn u23_a_database_of_another_account_is_refused() {
    let world = World::start().await;
    let device = world.device("ada").await;
    let ada = device.open().await;
    ada.close().await;
    let path = device.database();
    let other = path.with_file_name(
        path.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .replace("~ada", "~dan"),
    );
    std::fs::rename(&path, &other).unwrap();
    let builder = device.builder().user("dan").token(world.token("dan"));
    let error = builder
        .directory(device.directory.path())
        .open()
        .await
        .unwrap_err();
    assert_eq!(error.code(), "wrong_account");
}
