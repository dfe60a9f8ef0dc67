//! Devices: those that are revoked are shut out, and the owner sees when each was there and how far it is.

use crate::support::{
    Client, ManualClock, Names, accept, create, envelope, hello, rejection, send, start, start_on, steps,
    user,
};
use std::sync::Arc;
use uuid::Uuid;
use whimbrel_hub::{
    Beside, BusLink, DeviceSeen, DeviceStorage, Hub, HubConfig, LocalBus, MemoryStorage, Request, Rules,
    Seen, apply_group,
};
use whimbrel_model::{
    AccountRow, Code, DeviceChange, DeviceId, Epoch, Op, OpEnvelope, Row, StreamId, Timestamp, limits,
};
use whimbrel_protocol::{ClientFrame, DeviceState, FindDevices, Heads, Hello, Question, ServerFrame};

fn device(number: u128) -> DeviceId {
    DeviceId(Uuid::from_u128(
        0x0190_0000_0000_7000_9000_0000_0000_0000 | number,
    ))
}

fn on(number: u128) -> Hello {
    Hello {
        device: device(number),
        ..hello("ada")
    }
}

fn register(number: u128) -> Op {
    Op::RegisterDevice {
        device: device(number),
        name: format!("device {number}"),
        agent: "tests".into(),
        key: None,
    }
}

fn revoke(number: u128) -> Op {
    Op::RevokeDevice {
        device: device(number),
    }
}

async fn states(hub: &Hub) -> Vec<DeviceState> {
    let asked = hub.ask(&user("ada"), &Question::Devices(FindDevices {})).await;
    let answer = asked.unwrap();
    let listed = answer.rows.iter().map(|row| match row {
        Row::Account(AccountRow::Device(row)) => row.id,
        other => panic!("{other:?}"),
    });
    assert!(listed.eq(answer.devices.iter().map(|state| state.device)));
    answer.devices
}

async fn asks_heads(client: &mut Client, since: Option<String>) -> String {
    let ask = Heads { id: 7, since };
    client.session.handle(ClientFrame::Heads(ask)).await.unwrap();
    loop {
        if let ServerFrame::Heads(page) = client.next().await {
            return page.token;
        }
    }
}

#[tokio::test]
async fn a_revoked_device_is_refused_and_others_are_not() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", register(1)).await;
    accept(&hub, "ada", revoke(1)).await;
    let refused = hub.hello(on(1), &Names).await.map(drop).unwrap_err();
    assert_eq!(refused.code, Code::DeviceRevoked);
    assert!(!refused.code.is_retryable());
    assert_eq!(hub.connections(), 0, "what was refused is not kept");
    drop(Client::connect_as(&hub, on(2)).await);
    let of_bob = Hello {
        device: device(1),
        ..hello("bob")
    };
    drop(Client::connect_as(&hub, of_bob).await);
}

#[tokio::test]
async fn a_device_that_was_never_heard_of_can_be_shut_out_as_well() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", revoke(1)).await;
    let refused = hub.hello(on(1), &Names).await.map(drop).unwrap_err();
    assert_eq!(refused.code, Code::DeviceRevoked);
    let result = hub.ops(&user("ada"), vec![envelope(register(1))]).await.remove(0);
    assert_eq!(rejection(&result.outcome), Code::DeviceRevoked);
}

#[tokio::test]
async fn a_revocation_ends_all_connections_of_that_device_at_once() {
    let (hub, _) = start(HubConfig::default());
    let mut lost = Client::connect_as(&hub, on(1)).await;
    let mut lost_too = Client::connect_as(&hub, on(1)).await;
    let mut kept = Client::connect_as(&hub, on(2)).await;
    kept.send(vec![envelope(revoke(1))]).await;
    assert_eq!(lost.bye().await.0.code, Code::DeviceRevoked);
    assert_eq!(lost_too.bye().await.0.code, Code::DeviceRevoked);
    steps(&kept.results(1).await.0[0].outcome);
    assert!(!asks_heads(&mut kept, None).await.is_empty());
}

#[tokio::test]
async fn a_repeat_of_a_revocation_ends_what_a_commit_that_nobody_heard_of_did_not() {
    let storage = MemoryStorage::new(Epoch(1));
    let clock = Arc::new(ManualClock::default());
    let hub = start_on(Arc::new(storage.clone()), &clock, HubConfig::default());
    let mut lost = Client::connect_as(&hub, on(1)).await;
    let mut kept = Client::connect_as(&hub, on(2)).await;
    let op = envelope(revoke(1));
    // As a commit that was carried out although it failed: in the database, and no word of it.
    let request = Request {
        user: user("ada"),
        op: op.clone(),
    };
    apply_group(&storage, &Rules::default(), Timestamp(1), &[request])
        .await
        .unwrap();
    kept.send(vec![op]).await;
    assert_eq!(lost.bye().await.0.code, Code::DeviceRevoked);
    steps(&kept.results(1).await.0[0].outcome);
}

#[tokio::test]
async fn a_device_that_revokes_itself_hears_that_it_was_done() {
    let (hub, _) = start(HubConfig::default());
    let mut own = Client::connect_as(&hub, on(1)).await;
    own.send(vec![envelope(revoke(1))]).await;
    let (results, _) = own.results(1).await;
    assert_eq!(steps(&results[0].outcome).len(), 1);
    assert_eq!(own.bye().await.0.code, Code::DeviceRevoked);
}

#[tokio::test]
async fn a_device_that_another_server_has_revoked_is_ended_with_its_next_heartbeat() {
    let storage = MemoryStorage::new(Epoch(1));
    let bus: Arc<LocalBus> = Arc::default();
    let start = |name: &str| {
        let beside = Beside {
            bus: Some(BusLink {
                bus: bus.clone(),
                server: name.to_owned(),
            }),
            ..Beside::default()
        };
        let clock = Arc::new(ManualClock::default());
        Hub::start_with(Arc::new(storage.clone()), clock, HubConfig::default(), beside)
    };
    let (north, south) = (start("north"), start("south"));
    let mut lost = Client::connect_as(&north, on(1)).await;
    let mut kept = Client::connect_as(&north, on(2)).await;
    accept(&south, "ada", revoke(1)).await;
    let heartbeat = || ClientFrame::Heads(Heads { id: 8, since: None });
    assert_eq!(
        lost.session.handle(heartbeat()).await.unwrap_err().code,
        Code::DeviceRevoked
    );
    assert_eq!(lost.bye().await.0.code, Code::DeviceRevoked);
    asks_heads(&mut kept, None).await;
}

#[tokio::test]
async fn what_a_device_does_for_itself_no_other_does_for_it() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&[])).await;
    let mut own = Client::connect_as(&hub, on(1)).await;
    let delivered = |number| Op::MarkDelivered {
        cid: crate::support::cid(),
        device: device(number),
        seq: 0,
    };
    let draft = |number| Op::SaveDraft {
        cid: crate::support::cid(),
        parent: None,
        device: device(number),
        content: Some(whimbrel_model::DraftContent {
            body: "hello".into(),
            ..whimbrel_model::DraftContent::default()
        }),
        replaces: Vec::new(),
    };
    let of_others: Vec<OpEnvelope> = [register(2), delivered(2), draft(2)].map(envelope).into();
    let of_own: Vec<OpEnvelope> = [register(1), delivered(1), draft(1)].map(envelope).into();
    let about_others = [
        Op::UpdateDevice {
            device: device(1),
            change: DeviceChange {
                name: Some("phone".into()),
                push: None,
            },
        },
        revoke(3),
    ]
    .map(envelope);
    let all = of_others
        .iter()
        .chain(&of_own)
        .chain(&about_others)
        .cloned()
        .collect();
    own.send(all).await;
    let (results, _) = own.results(8).await;
    for result in results {
        match of_others.iter().any(|op| op.id == result.id) {
            true => assert_eq!(rejection(&result.outcome), Code::Forbidden),
            false => drop(steps(&result.outcome)),
        }
    }
    // Over HTTP there is no device.
    accept(&hub, "ada", register(2)).await;
}

#[tokio::test]
async fn the_owner_sees_when_each_device_was_there_and_how_far_it_is() {
    let storage = Arc::new(MemoryStorage::new(Epoch(1)));
    let clock = Arc::new(ManualClock::default());
    let hub = start_on(storage.clone(), &clock, HubConfig::default());
    accept(&hub, "ada", create(&["bob"])).await;
    accept(&hub, "ada", register(1)).await;
    accept(&hub, "ada", register(2)).await;
    clock.set(1_000);
    let mut phone = Client::connect_as(&hub, on(1)).await;
    let token = asks_heads(&mut phone, None).await;
    clock.set(2_000);
    asks_heads(&mut phone, Some(token)).await;
    let state = |number, connected, seen_at: Option<i64>, behind| DeviceState {
        device: device(number),
        connected,
        seen_at: seen_at.map(Timestamp),
        behind,
    };
    let never = state(2, false, None, None);
    assert_eq!(
        states(&hub).await,
        [state(1, true, Some(2_000), Some(0)), never.clone()]
    );
    accept(&hub, "bob", send("one")).await;
    accept(&hub, "bob", send("two")).await;
    assert_eq!(
        states(&hub).await,
        [state(1, true, Some(2_000), Some(1)), never.clone()]
    );
    clock.set(3_000);
    drop(phone);
    assert_eq!(
        states(&hub).await,
        [state(1, false, Some(3_000), Some(1)), never.clone()]
    );
    hub.close().await;
    // What was seen survives, also a time in which nobody looks.
    let hub = start_on(storage, &clock, HubConfig::default());
    assert_eq!(states(&hub).await, [state(1, false, Some(3_000), Some(1)), never]);
}

#[tokio::test]
async fn when_a_device_was_seen_moves_no_stream() {
    let storage = Arc::new(MemoryStorage::new(Epoch(1)));
    let clock = Arc::new(ManualClock::default());
    let hub = start_on(storage, &clock, HubConfig::default());
    accept(&hub, "ada", register(1)).await;
    let head = || async {
        let page = hub.page(&user("ada"), &StreamId::User(user("ada")), None).await;
        page.unwrap().head
    };
    let before = head().await;
    let mut phone = Client::connect_as(&hub, on(1)).await;
    let token = asks_heads(&mut phone, None).await;
    asks_heads(&mut phone, Some(token)).await;
    drop(phone);
    assert_eq!(head().await, before);
}

#[tokio::test]
async fn an_account_has_so_many_devices_at_a_time_and_any_number_in_its_life() {
    let (hub, _) = start(HubConfig::default());
    let most = u128::try_from(limits::DEVICES).unwrap();
    for number in 0..most {
        accept(&hub, "ada", register(number)).await;
    }
    let one_more = hub
        .ops(&user("ada"), vec![envelope(register(most))])
        .await
        .remove(0);
    assert_eq!(rejection(&one_more.outcome), Code::TooLarge);
    // One that is there is no new one.
    accept(&hub, "ada", register(0)).await;
    for number in most..2 * most {
        accept(&hub, "ada", revoke(number - most)).await;
        accept(&hub, "ada", register(number)).await;
    }
    assert_eq!(states(&hub).await.len(), 2 * limits::DEVICES);
}

#[tokio::test]
async fn what_was_revoked_long_ago_is_forgotten() {
    let storage = Arc::new(MemoryStorage::new(Epoch(1)));
    let clock = Arc::new(ManualClock::default());
    let hub = start_on(storage.clone(), &clock, HubConfig::default());
    for number in 1..=3 {
        accept(&hub, "ada", register(number)).await;
    }
    clock.set(100);
    accept(&hub, "ada", revoke(1)).await;
    clock.set(200);
    accept(&hub, "ada", revoke(2)).await;
    let seen = [1, 3].map(|number| DeviceSeen {
        user: user("ada"),
        device: device(number),
        seen: Seen {
            at: Timestamp(50),
            token: None,
        },
    });
    storage.put_seen(&seen).await.unwrap();
    assert_eq!(storage.prune_devices(Timestamp(200)).await.unwrap(), 1);
    let left = storage.devices(&user("ada")).await.unwrap();
    let left: Vec<_> = left
        .into_iter()
        .map(|record| (record.device.id, record.seen.is_some()))
        .collect();
    assert_eq!(left, [(device(2), false), (device(3), true)]);
}
