//! Devices: they register themselves, are named, revoked and woken; and each has what the others did.

use crate::support::{CID, general, go_live, made, online, open, reaches, settled, uncapped, within};
use futures_util::StreamExt;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use uuid::Uuid;
use whimbrel_client::{Client, DeviceItem, Devices, EngineConfig, NewDraft, SyncState};
use whimbrel_model::{
    Code, Device, DeviceId, Op, OpEnvelope, OpId, PushToken, SettingsChange, Timestamp, UserId, limits,
};
use whimbrel_protocol::Outcome;
use whimbrel_store::MemoryStore;
use whimbrel_testkit::{converge::settle, server::TestServer};

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

/// Waits until the list shows what is wanted.
async fn lists(devices: &Devices, what: &str, wanted: impl Fn(&[DeviceItem]) -> bool) -> Vec<DeviceItem> {
    let mut watch = devices.watch();
    within(what, async {
        let mut items = devices.items();
        while !wanted(&items) {
            items = watch.next().await.expect("the client is alive");
        }
        items
    })
    .await
}

/// Waits until this device is registered on the server.
async fn registered(client: &Client) {
    let this = client.device();
    let is_here =
        move |items: &[DeviceItem]| items.iter().any(|item| item.id() == this && item.device.ver > 0);
    lists(&client.devices(), "the registration", is_here).await;
}

/// Asks the server until each of the devices is as wanted, for two heartbeats at most.
async fn asked(devices: &Devices, what: &str, wanted: impl Fn(&DeviceItem) -> bool) {
    for _ in 0..60 {
        devices.refresh().await.unwrap();
        if devices.items().iter().all(&wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await; // tidy: allow sleep: tokio's own time, paused
    }
    panic!("waited for {what}: {:?}", devices.items());
}

async fn stored(server: &TestServer, client: &Client) -> Device {
    let devices = server.devices(client.user()).await;
    devices
        .into_iter()
        .find(|device| device.id == client.device())
        .unwrap()
}

/// Does something without a connection, so as no device.
async fn over_http(server: &TestServer, ops: Vec<Op>) {
    let envelope = |op| OpEnvelope {
        id: OpId(id()),
        op,
        composed_at: Timestamp(1),
        after: None,
    };
    let results = server
        .ops(&user("ada"), ops.into_iter().map(envelope).collect())
        .await;
    assert!(
        results
            .iter()
            .all(|result| matches!(result.outcome, Outcome::Accepted { .. })),
        "{results:?}"
    );
}

/// Makes an id that was not made before.
fn id() -> Uuid {
    static MADE: AtomicU64 = AtomicU64::new(1);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    Uuid::from_u128(0x0190_0000_0000_7000_9000_0000_0000_0000 | u128::from(number))
}

fn named(server: &TestServer, name: &str, agent: &str) -> whimbrel_client::ClientBuilder {
    let engine = EngineConfig {
        agent: agent.to_owned(),
        ..EngineConfig::default()
    };
    uncapped(server, "ada").device_name(name).engine(engine)
}

#[tokio::test(start_paused = true)]
async fn a_device_registers_itself_once_and_again_when_its_software_is_another() {
    let server = TestServer::new();
    let disk = MemoryStore::new();
    let start = |name: &str, agent: &str| {
        let store = std::sync::Arc::new(disk.reopen());
        named(&server, name, agent).store(store).open()
    };
    let ada = start("phone", "app/1").await.unwrap();
    assert!(ada.outbox().is_empty(), "without a connection nobody is told");
    go_live(&ada).await;
    registered(&ada).await;
    let row = stored(&server, &ada).await;
    assert_eq!((row.name.as_str(), row.agent.as_str()), ("phone", "app/1"));
    ada.disconnect().await.unwrap();
    go_live(&ada).await;
    settled(&ada).await;
    ada.close().await;
    let ada = start("phone", "app/1").await.unwrap();
    go_live(&ada).await;
    settled(&ada).await;
    assert_eq!(
        stored(&server, &ada).await,
        row,
        "what is known is not said again"
    );
    ada.close().await;
    let ada = start("another name", "app/2").await.unwrap();
    go_live(&ada).await;
    let this = ada.device();
    lists(&ada.devices(), "the new software", |items| {
        items
            .iter()
            .any(|item| item.id() == this && item.device.agent == "app/2" && item.device.ver > row.ver)
    })
    .await;
    assert_eq!(
        stored(&server, &ada).await.name,
        "phone",
        "a name that it has stays"
    );
}

#[tokio::test(start_paused = true)]
async fn a_device_without_a_name_is_called_like_its_system_and_a_long_agent_is_cut() {
    let server = TestServer::new();
    let engine = EngineConfig {
        agent: "ü".repeat(limits::AGENT_BYTES),
        ..EngineConfig::default()
    };
    let ada = uncapped(&server, "ada").engine(engine).open().await.unwrap();
    go_live(&ada).await;
    registered(&ada).await;
    let row = stored(&server, &ada).await;
    assert!(!row.name.is_empty());
    assert_eq!(row.agent, "ü".repeat(limits::AGENT_BYTES / 2));
    let name = "a".repeat(limits::DEVICE_NAME_CHARS + 1);
    let refused = server.client("ada").device_name(name).open().await.unwrap_err();
    assert!(refused.to_string().contains("device_name"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn devices_are_listed_named_and_revoked_from_any_of_them_offline_too() {
    let server = TestServer::new();
    let phone = named(&server, "phone", "app/1").open().await.unwrap();
    go_live(&phone).await;
    registered(&phone).await;
    let laptop = named(&server, "laptop", "app/1").open().await.unwrap();
    go_live(&laptop).await;
    registered(&laptop).await;
    let devices = phone.devices();
    let items = lists(&devices, "both devices", |items| items.len() == 2).await;
    assert_eq!(
        (items[0].id(), items[0].is_this),
        (phone.device(), true),
        "this one is first"
    );
    assert_eq!((items[1].id(), items[1].is_this), (laptop.device(), false));
    phone.disconnect().await.unwrap();
    phone.rename_device(laptop.device(), "my laptop").await.unwrap();
    phone.rename_device(phone.device(), "my phone").await.unwrap();
    let shown: Vec<String> = devices
        .items()
        .iter()
        .map(|item| item.device.name.clone())
        .collect();
    assert_eq!(shown, ["my phone", "my laptop"], "at once");
    phone.connect().await.unwrap();
    lists(&laptop.devices(), "the new names", |items| {
        items.iter().any(|item| item.device.name == "my phone") && items[0].device.name == "my laptop"
    })
    .await;

    laptop.revoke_device(phone.device()).await.unwrap();
    let status = reaches(&phone, |status| matches!(status, SyncState::Revoked { .. })).await;
    assert!(matches!(status, SyncState::Revoked { .. }));
    let items = lists(&laptop.devices(), "the revocation", |items| {
        items.iter().any(|item| item.is_revoked() && item.device.ver > 0)
    })
    .await;
    assert!(items[0].is_this && items[1].is_revoked(), "the revoked are last");
    server.converged(&[&laptop]).await.unwrap();
    // It is asked to try again, and is told the same; it keeps what it has, and what is written waits.
    phone.connect().await.unwrap();
    reaches(&phone, |status| matches!(status, SyncState::Revoked { .. })).await;
    assert_eq!(phone.devices().items().len(), 2);
    general(&phone).save_draft("last words").await.unwrap();
    assert_eq!(phone.outbox().len(), 1);
    let again = laptop.rename_device(phone.device(), "lost").await.unwrap();
    let refused = within("the rejection", again.settled()).await.unwrap_err();
    assert!(refused.to_string().contains("revoked"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn an_account_revokes_a_device_over_http_too() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    registered(&ada).await;
    let device = ada.device();
    over_http(&server, vec![Op::RevokeDevice { device }]).await;
    reaches(&ada, |status| matches!(status, SyncState::Revoked { .. })).await;
}

#[tokio::test(start_paused = true)]
async fn the_owner_sees_when_each_device_was_there_and_how_far_it_is() {
    let server = TestServer::new();
    let (phone, laptop) = (online(&server, "ada").await, online(&server, "ada").await);
    made(&phone).await;
    registered(&phone).await;
    registered(&laptop).await;
    settle(&[&phone, &laptop]).await.unwrap();
    laptop.disconnect().await.unwrap();
    let bob = online(&server, "bob").await;
    general(&bob).send("news").await.unwrap();
    settle(&[&bob, &phone]).await.unwrap();
    let devices = phone.devices();
    assert_eq!(devices.items()[0].last_seen(), None, "nobody was asked yet");
    // What a device has on disk is in its next question for heads, at the latest a heartbeat later.
    let is_behind = |item: &DeviceItem| item.behind().is_some_and(|streams| streams > 0);
    asked(&devices, "what the laptop missed", |item| match item.is_this {
        true => item.behind() == Some(0) && item.state.as_ref().is_some_and(|state| state.connected),
        false => is_behind(item) && item.state.as_ref().is_some_and(|state| !state.connected),
    })
    .await;
    assert!(devices.items().iter().all(|item| item.last_seen().is_some()));
    go_live(&laptop).await;
    settle(&[&phone, &laptop]).await.unwrap();
    asked(&devices, "the laptop to be up to date", |item| {
        item.behind() == Some(0)
    })
    .await;
    phone.disconnect().await.unwrap();
    assert!(devices.refresh().await.is_err(), "it is asked of the server");
}

#[tokio::test(start_paused = true)]
async fn where_a_device_is_woken_is_set_offline_and_before_it_ever_connected() {
    let server = TestServer::new();
    let disk = MemoryStore::new();
    let ada = open(&server, "ada", &disk).await;
    let token = |token: &str| {
        Some(PushToken {
            provider: "test".to_owned(),
            token: token.to_owned(),
        })
    };
    ada.set_push_token("test", "one").await.unwrap();
    ada.close().await;
    let ada = open(&server, "ada", &disk).await;
    let shown = ada.devices().items();
    assert_eq!(shown[0].device.push, token("one"), "it is on disk");
    ada.set_push_token("test", "two").await.unwrap();
    go_live(&ada).await;
    settled(&ada).await;
    assert_eq!(stored(&server, &ada).await.push, token("two"));
    ada.disconnect().await.unwrap();
    ada.clear_push_token().await.unwrap();
    assert_eq!(ada.devices().items()[0].device.push, None);
    go_live(&ada).await;
    settled(&ada).await;
    assert_eq!(stored(&server, &ada).await.push, None);
    assert!(
        ada.outbox().is_empty(),
        "nothing was rejected: {:?}",
        ada.outbox()
    );
}

#[tokio::test(start_paused = true)]
async fn one_device_too_many_works_and_is_registered_once_there_is_room() {
    let server = TestServer::new();
    let devices: Vec<DeviceId> = (0..limits::DEVICES).map(|_| DeviceId(id())).collect();
    let register = |device: &DeviceId| Op::RegisterDevice {
        device: *device,
        name: "one of many".to_owned(),
        agent: String::new(),
        key: None,
    };
    over_http(&server, devices.iter().map(register).collect()).await;
    let ada = online(&server, "ada").await;
    settled(&ada).await;
    let rejected = |client: &Client| {
        client
            .outbox()
            .iter()
            .filter_map(|item| item.rejection().cloned())
            .collect::<Vec<_>>()
    };
    within("the rejection", async {
        let mut watch = ada.watch_outbox();
        while rejected(&ada).is_empty() {
            watch.next().await.unwrap();
        }
    })
    .await;
    assert_eq!(rejected(&ada)[0].code, Code::TooLarge);
    made(&ada).await;
    ada.disconnect().await.unwrap();
    go_live(&ada).await;
    settled(&ada).await;
    assert_eq!(
        rejected(&ada).len(),
        1,
        "one refusal is shown, however often it is tried"
    );
    let queued = ada.revoke_device(devices[0]).await.unwrap();
    within("the revocation", queued.settled()).await.unwrap();
    ada.disconnect().await.unwrap();
    go_live(&ada).await;
    registered(&ada).await;
    assert!(ada.outbox().is_empty(), "{:?}", ada.outbox());
}

/// Everything there is, by a device of ada.
async fn does_everything(ada: &Client, said: whimbrel_model::MessageId) {
    let channel = general(ada);
    let own = channel.send("from ada").await.unwrap().id;
    channel.edit(own, "from ada, edited").await.unwrap();
    channel.react(said, "like").await.unwrap();
    channel.reply(said, "in a thread").await.unwrap();
    channel.pin_message(said, None).await.unwrap();
    channel.mark_read().await.unwrap();
    channel.save_draft(NewDraft::from("to be continu")).await.unwrap();
    channel.pin().await.unwrap();
    channel.mute(Some(Timestamp(4_000_000_000_000))).await.unwrap();
    let other = ada.channel("messaging:other").unwrap();
    other.create("Other", ["dan"]).await.unwrap();
    other.archive().await.unwrap();
    other.deny().await.unwrap();
    other.allow().await.unwrap();
    ada.allow(user("bob")).await.unwrap();
    ada.block_user(user("eve"), Some(Timestamp(4_000_000_000_000)))
        .await
        .unwrap();
    ada.mute_user(user("carol"), None).await.unwrap();
    let change = SettingsChange {
        invisible: Some(true),
        status: Some("at sea".to_owned()),
        typing_indicators: Some(false),
        read_receipts: Some(false),
        ..SettingsChange::default()
    };
    ada.update_settings(change).await.unwrap();
    ada.update_profile(Some("Ada".to_owned()), None, None)
        .await
        .unwrap();
    ada.rename_device(ada.device(), "the first").await.unwrap();
    ada.set_push_token("test", "a token").await.unwrap();
}

/// Makes a channel of ada, bob and carol, in which bob has said something, and an invitation.
async fn scene(server: &TestServer) -> (Client, Client, whimbrel_model::MessageId) {
    let (ada, bob) = (online(server, "ada").await, online(server, "bob").await);
    made(&ada).await;
    settle(&[&ada, &bob]).await.unwrap();
    let said = general(&bob).send("from bob").await.unwrap().id;
    let invited = bob.channel("messaging:invited").unwrap();
    invited.create("Come in", Vec::<String>::new()).await.unwrap();
    invited.invite([user("ada")]).await.unwrap();
    settle(&[&ada, &bob]).await.unwrap();
    (ada, bob, said)
}

#[tokio::test(start_paused = true)]
async fn what_is_done_on_one_device_offline_too_shows_on_another_that_was_away() {
    let server = TestServer::new();
    let (ada, bob, said) = scene(&server).await;
    let disk = MemoryStore::new();
    let away = open(&server, "ada", &disk).await;
    go_live(&away).await;
    settle(&[&ada, &away]).await.unwrap();
    away.close().await;
    ada.disconnect().await.unwrap();
    does_everything(&ada, said).await;
    assert!(ada.outbox().len() > 10);
    go_live(&ada).await;
    settle(&[&ada, &bob]).await.unwrap();
    let away = open(&server, "ada", &disk).await;
    go_live(&away).await;
    server.converged(&[&ada, &away]).await.unwrap();
    // Row by row the same; and it is what was done.
    let (one, other) = (ada.account(), away.account());
    assert_eq!(
        (&one.settings, &one.contacts, &one.devices),
        (&other.settings, &other.contacts, &other.devices)
    );
    assert!(other.settings.invisible && !other.settings.read_receipts && other.settings.status == "at sea");
    assert_eq!(other.contacts.len(), 3);
    let named = |items: Vec<DeviceItem>| items.into_iter().find(|item| item.id() == ada.device()).unwrap();
    assert_eq!(named(away.devices().items()).device.name, "the first");
    let membership = |client: &Client| {
        let channel = general(client);
        async move { channel.summary().await.unwrap().unwrap().membership.unwrap() }
    };
    let kept = membership(&away).await;
    assert!(kept.pinned_at.is_some() && kept.muted.is_some());
    assert_eq!(kept, membership(&ada).await);
    let draft = general(&away).draft(None).await.unwrap().unwrap();
    assert_eq!(draft.content.body.text, "to be continu");
    let read = general(&away).reads().await.unwrap();
    assert!(read.iter().any(|read| read.user == user("ada") && read.seq > 0));
}

#[tokio::test(start_paused = true)]
async fn a_new_device_gets_to_the_same_state_as_the_first() {
    let server = TestServer::new();
    let (ada, bob, said) = scene(&server).await;
    does_everything(&ada, said).await;
    settle(&[&ada, &bob]).await.unwrap();
    let new = online(&server, "ada").await;
    registered(&new).await;
    server.converged(&[&ada, &new]).await.unwrap();
    let (one, other) = (ada.account(), new.account());
    assert_eq!(
        (&one.settings, &one.contacts, &one.devices),
        (&other.settings, &other.contacts, &other.devices)
    );
    assert_eq!(new.devices().items().len(), 2);
    let invitations = new.invites().await.unwrap();
    assert_eq!(invitations.items().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_two_devices_do_while_both_are_away_comes_together() {
    let server = TestServer::new();
    let (ada, bob, said) = scene(&server).await;
    let other = online(&server, "ada").await;
    settle(&[&ada, &other]).await.unwrap();
    ada.disconnect().await.unwrap();
    other.disconnect().await.unwrap();
    does_everything(&ada, said).await;
    general(&other).save_draft("another draft").await.unwrap();
    general(&other).unpin().await.unwrap();
    other.block_user(user("bob"), None).await.unwrap();
    other
        .rename_device(ada.device(), "the other's name")
        .await
        .unwrap();
    let change = SettingsChange {
        status: Some("in town".to_owned()),
        ..SettingsChange::default()
    };
    other.update_settings(change).await.unwrap();
    go_live(&ada).await;
    settle(&[&ada]).await.unwrap();
    go_live(&other).await;
    settle(&[&ada, &other, &bob]).await.unwrap();
    server.converged(&[&ada, &other]).await.unwrap();
    let settings = &ada.account().settings;
    assert_eq!(settings.status, "in town", "the last in the server's order");
    assert!(settings.invisible, "each by itself");
    let draft = general(&ada).draft(None).await.unwrap().unwrap();
    assert_eq!(
        (draft.content.body.text.as_str(), draft.beside.len()),
        ("another draft", 1),
        "{CID}"
    );
}
