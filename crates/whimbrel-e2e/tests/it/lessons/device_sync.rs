//! A new device, and what only the old one has.

use super::support::{Device, World, caught_up, go_live, made, reef, settled, within};
use std::time::Duration;
use whimbrel::{Client, DeviceSyncState, model::DeviceSyncState as Remote};

const MESSAGES: usize = 300;

/// Bob's device, with a setting of its own and a long channel that bob has left.
async fn old_device(world: &World) -> (Device, Client) {
    let (_ada_device, ada) = world.online("ada").await;
    let (device, bob) = world.online("bob").await;
    let channel = made(&ada).await;
    let text = "a long message ".repeat(200);
    for number in 0..MESSAGES {
        channel.send(format!("{number} {text}")).await.unwrap();
    }
    settled(&ada).await;
    caught_up(&bob).await;
    let timeline = reef(&bob).timeline().await.unwrap();
    within("all of the channel", async {
        while device.seqs_on_disk().await.len() < MESSAGES {
            timeline.load_older(100).await.unwrap();
        }
    })
    .await;
    reef(&bob).leave().await.unwrap();
    settled(&bob).await;
    bob.local_settings().set("theme", "dark").await.unwrap();
    ada.close().await;
    (device, bob)
}

fn is_over(client: &Client) -> bool {
    let syncs = client.account().device_syncs;
    let own = syncs.get(&client.device());
    own.is_some_and(|own| own.state == Remote::Done) && client.outbox().is_empty()
}

#[tokio::test]
async fn what_only_the_old_device_has_reaches_the_new_one_whatever_breaks() {
    let mut world = World::start().await;
    let (old, laptop) = old_device(&world).await;
    laptop.close().await;
    let new = world.device("bob").await;
    let mut breaks = 0;
    loop {
        let (laptop, phone) = (old.open().await, new.open().await);
        laptop.connect().await.unwrap();
        go_live(&phone).await;
        // Each time a little further, and then everything goes at once: the server, and both devices.
        let mut watch = phone.watch_device_sync();
        let is_taken = |state: &DeviceSyncState| matches!(state, DeviceSyncState::Done(_));
        let more = Duration::from_millis(40 * (1 + breaks));
        let _ = tokio::time::timeout(more, async {
            while !is_taken(&watch.get()) {
                watch.next().await.expect("the client is alive");
            }
        })
        .await;
        let over = is_taken(&phone.device_sync()) || is_over(&phone);
        if !over {
            world.stop_server().await;
        }
        within("closing", async {
            phone.close().await;
            laptop.close().await;
        })
        .await;
        if over {
            break;
        }
        world.start_server().await;
        breaks += 1;
        assert!(breaks < 60, "it does not come to an end");
    }
    assert_eq!(new.seqs_on_disk().await, old.seqs_on_disk().await);
    let phone = new.open().await;
    assert_eq!(phone.local_settings().get("theme").as_deref(), Some("dark"));
    let timeline = reef(&phone).timeline().await.unwrap();
    assert!(timeline.items().len() >= 30);
    go_live(&phone).await;
    within("the request to be over", async {
        let mut status = phone.watch_outbox();
        while !is_over(&phone) {
            let _ = tokio::time::timeout(Duration::from_millis(100), status.next()).await;
        }
    })
    .await;
    phone.close().await;
}

#[tokio::test]
async fn an_archive_goes_from_one_device_to_another_in_a_file() {
    let world = World::start().await;
    let (old, laptop) = old_device(&world).await;
    let path = old.directory.path().join("bob.whimbrel");
    let made = laptop
        .create_archive(&path, "a passphrase", whimbrel::ArchiveOptions::default())
        .await
        .unwrap();
    assert_eq!(made.counts["channel"], 1);
    laptop.close().await;
    let new = world.device("bob").await;
    let phone = new.builder().device_sync(false).open().await.unwrap();
    let summary = phone.import_archive(&path, "a passphrase").await.unwrap();
    assert!(summary.added as usize > MESSAGES);
    let again = phone.import_archive(&path, "a passphrase").await.unwrap();
    assert_eq!(
        (again.added, again.duplicates),
        (0, summary.added + summary.duplicates)
    );
    phone.close().await;
    assert_eq!(new.seqs_on_disk().await, old.seqs_on_disk().await);
}
