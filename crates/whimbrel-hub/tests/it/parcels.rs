//! What one device leaves for another: only what is asked for, only to the one that asks, and only so much.

use crate::support::{Client, accept, hello, start, user};
use std::sync::Arc;
use uuid::Uuid;
use whimbrel_hub::{Hub, HubConfig, MemoryStorage, ParcelStorage};
use whimbrel_model::{Code, DeviceId, Epoch, Op, limits};
use whimbrel_protocol::{
    ClientFrame, Failed, Hello, Parcel, ParcelAct, ParcelPage, PartBytes, PutPart, ServerFrame,
};

fn device(number: u128) -> DeviceId {
    DeviceId(Uuid::from_u128(
        0x0190_0000_0000_7000_9000_0000_0000_0000 | number,
    ))
}

fn request(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

async fn on(hub: &Hub, name: &str, number: u128) -> Client {
    let hello = Hello {
        device: device(number),
        ..hello(name)
    };
    Client::connect_as(hub, hello).await
}

async fn say(client: &mut Client, of: u128, act: ParcelAct) -> Result<ParcelPage, Failed> {
    let parcel = Parcel {
        id: 5,
        request: request(of),
        act,
    };
    client.session.handle(ClientFrame::Parcel(parcel)).await.unwrap();
    loop {
        match client.next().await {
            ServerFrame::Parcel(page) => return Ok(page),
            ServerFrame::Failed(failed) => return Err(failed),
            ServerFrame::Event(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn put(client: &mut Client, of: u128, total: u64, offset: u64, bytes: &[u8]) -> Result<u64, Code> {
    let part = PutPart {
        total,
        sha256: "a".repeat(64),
        offset,
        bytes: PartBytes(bytes.to_vec()),
    };
    let page = say(client, of, ParcelAct::Put(part)).await;
    page.map(|page| page.next).map_err(|failed| failed.code)
}

async fn get(client: &mut Client, of: u128, offset: u64) -> Result<(Vec<u8>, u64, u64), Code> {
    let page = say(client, of, ParcelAct::Get { offset }).await;
    page.map(|page| (page.bytes.0, page.next, page.total))
        .map_err(|failed| failed.code)
}

async fn asks(hub: &Hub, name: &str, on: u128, with: u128) {
    let op = Op::RequestDeviceSync {
        device: device(on),
        request: request(with),
        key: "a key".into(),
    };
    accept(hub, name, op).await;
}

async fn offers(hub: &Hub, to: u128, with: u128, by: u128, bytes: u64) {
    let op = Op::OfferDeviceSync {
        device: device(to),
        request: request(with),
        by: device(by),
        bytes,
        sha256: "a".repeat(64),
    };
    accept(hub, "ada", op).await;
}

#[tokio::test]
async fn a_parcel_goes_from_any_other_device_to_the_one_that_asked() {
    let (hub, _) = start(HubConfig::default());
    let (mut phone, mut laptop) = (on(&hub, "ada", 1).await, on(&hub, "ada", 2).await);
    assert_eq!(
        put(&mut laptop, 7, 3, 0, b"abc").await,
        Err(Code::ParcelGone),
        "nobody asks"
    );
    asks(&hub, "ada", 1, 7).await;
    assert_eq!(
        put(&mut phone, 7, 3, 0, b"abc").await,
        Err(Code::ParcelGone),
        "not for itself"
    );
    assert_eq!(put(&mut laptop, 7, 5, 0, b"").await, Ok(0));
    assert_eq!(put(&mut laptop, 7, 5, 0, b"abc").await, Ok(3));
    assert_eq!(
        get(&mut phone, 7, 0).await,
        Err(Code::ParcelGone),
        "nothing is offered"
    );
    assert_eq!(put(&mut laptop, 7, 5, 0, b"abc").await, Ok(3), "a repeat");
    assert_eq!(put(&mut laptop, 7, 5, 3, b"de").await, Ok(5));
    offers(&hub, 1, 7, 2, 5).await;
    let (mut whole, mut next) = (Vec::new(), 0);
    while next < 5 {
        let (bytes, end, total) = get(&mut phone, 7, next).await.unwrap();
        assert_eq!((end, total), (next + bytes.len() as u64, 5));
        whole.extend(bytes);
        next = end;
    }
    assert_eq!(whole, b"abcde");
    assert_eq!(get(&mut phone, 7, 3).await, Ok((b"de".to_vec(), 5, 5)));
    assert_eq!(
        get(&mut laptop, 7, 0).await,
        Err(Code::ParcelGone),
        "it did not ask"
    );
    assert_eq!(
        put(&mut laptop, 7, 5, 5, b"").await,
        Err(Code::ParcelGone),
        "it is offered"
    );
    let mut bob = on(&hub, "bob", 1).await;
    assert_eq!(
        get(&mut bob, 7, 0).await,
        Err(Code::ParcelGone),
        "another account"
    );
    assert_eq!(put(&mut bob, 7, 5, 0, b"abc").await, Err(Code::ParcelGone));
}

#[tokio::test]
async fn what_is_over_is_dropped_at_once() {
    let storage = MemoryStorage::new(Epoch(1));
    let clock = Arc::new(crate::support::ManualClock::default());
    let hub = crate::support::start_on(Arc::new(storage.clone()), &clock, HubConfig::default());
    let (mut laptop, mut tablet) = (on(&hub, "ada", 2).await, on(&hub, "ada", 3).await);
    asks(&hub, "ada", 1, 7).await;
    for client in [&mut laptop, &mut tablet] {
        assert_eq!(put(client, 7, 3, 0, b"abc").await, Ok(3));
    }
    let has = async |by: u128| {
        let part = storage.read_part(&user("ada"), (request(7), device(by)), 0).await;
        part.unwrap().is_some()
    };
    assert!(has(2).await && has(3).await);
    offers(&hub, 1, 7, 3, 3).await;
    // It is done after the answer: the next one comes after it.
    accept(&hub, "ada", crate::support::create(&[])).await;
    assert_eq!(
        (has(2).await, has(3).await),
        (false, true),
        "the first offer holds"
    );
    let end = Op::EndDeviceSync {
        device: device(1),
        request: request(7),
    };
    accept(&hub, "ada", end).await;
    accept(&hub, "ada", crate::support::send("later")).await;
    assert!(!has(3).await);
}

#[tokio::test]
async fn a_parcel_that_is_not_what_was_offered_is_gone() {
    let (hub, _) = start(HubConfig::default());
    let (mut phone, mut laptop) = (on(&hub, "ada", 1).await, on(&hub, "ada", 2).await);
    asks(&hub, "ada", 1, 7).await;
    assert_eq!(put(&mut laptop, 7, 5, 0, b"abc").await, Ok(3));
    offers(&hub, 1, 7, 2, 5).await;
    assert_eq!(get(&mut phone, 7, 0).await, Ok((b"abc".to_vec(), 3, 5)));
    assert_eq!(get(&mut phone, 7, 3).await, Err(Code::ParcelGone));
    asks(&hub, "ada", 1, 8).await;
    offers(&hub, 1, 8, 2, 5).await;
    assert_eq!(
        get(&mut phone, 8, 0).await,
        Err(Code::ParcelGone),
        "nothing was put"
    );
}

#[tokio::test]
async fn parcels_and_parts_are_bounded() {
    let (hub, _) = start(HubConfig::default());
    let mut laptop = on(&hub, "ada", 2).await;
    asks(&hub, "ada", 1, 7).await;
    let over = limits::PARCEL_BYTES + 1;
    assert_eq!(put(&mut laptop, 7, over, 0, b"abc").await, Err(Code::TooLarge));
    assert_eq!(
        put(&mut laptop, 7, 2, 0, b"abc").await,
        Err(Code::Invalid),
        "longer than it says"
    );
    assert_eq!(put(&mut laptop, 7, 0, 0, b"").await, Err(Code::Invalid));
    let part = PutPart {
        total: 3,
        sha256: "no digest".into(),
        offset: 0,
        bytes: PartBytes::default(),
    };
    let failed = say(&mut laptop, 7, ParcelAct::Put(part)).await.unwrap_err();
    assert_eq!(failed.code, Code::Invalid);
    for number in 0..=limits::PARCELS as u128 {
        asks(&hub, "ada", 100 + number, 100 + number).await;
        let next = put(&mut laptop, 100 + number, 3, 0, b"abc").await;
        let is_over = number == limits::PARCELS as u128;
        assert_eq!(next, if is_over { Err(Code::TooLarge) } else { Ok(3) });
    }
    assert_eq!(
        put(&mut laptop, 100, 3, 3, b"").await,
        Ok(3),
        "those that are there go on"
    );
}
