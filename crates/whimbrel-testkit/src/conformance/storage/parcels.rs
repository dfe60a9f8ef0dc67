//! What devices leave for one another. [`storage_conformance!`](crate::storage_conformance) runs them all.

#![expect(
    clippy::unwrap_used,
    reason = "these are tests, and a panic is how a test fails"
)]

use super::{Opener, Script};
use uuid::Uuid;
use whimbrel_hub::{KeptParcel, ParcelPart, Rules, Storage, StorageError, apply_group};
use whimbrel_model::{Code, DeviceId, DeviceSyncState, Op, Timestamp, UserId, limits};
use whimbrel_protocol::{PartBytes, PutPart};

/// The numbers of ids, which are of version 7.
const BASE: u128 = 0x0190_0000_0000_7000_9000_0000_0000_0000;

const REQUEST: Uuid = request(1);
const PHONE: DeviceId = DeviceId(request(10));
const LAPTOP: DeviceId = DeviceId(request(11));
const TABLET: DeviceId = DeviceId(request(12));

const fn request(number: u128) -> Uuid {
    Uuid::from_u128(BASE + number)
}

fn ada() -> UserId {
    Script::users()[0].clone()
}

fn bob() -> UserId {
    Script::users()[1].clone()
}

fn kept(request: Uuid, by: Option<DeviceId>) -> KeptParcel {
    KeptParcel { request, by }
}

fn part(sha: char, total: u64, offset: u64, bytes: &[u8]) -> PutPart {
    PutPart {
        total,
        sha256: String::from(sha).repeat(64),
        offset,
        bytes: PartBytes(bytes.to_vec()),
    }
}

/// Puts a part, with every parcel of the requests 1 to 20 kept.
async fn put(
    storage: &dyn Storage,
    (user, request, by): (&UserId, Uuid, DeviceId),
    part: &PutPart,
) -> Result<u64, StorageError> {
    let all: Vec<_> = (1..=20).map(|n| kept(self::request(n), None)).collect();
    let put = ParcelPart {
        user,
        request,
        by,
        part,
        at: Timestamp(5),
    };
    storage.put_part(&put, &all).await
}

async fn read(storage: &dyn Storage, user: &UserId, by: DeviceId, offset: u64) -> Option<Vec<u8>> {
    storage.read_part(user, (REQUEST, by), offset).await.unwrap()
}

/// A parcel grows part by part, over a restart too; what does not begin where it ends changes nothing.
pub async fn a_parcel_grows_part_by_part<O: Opener>() {
    let place = O::new().await;
    let storage = place.open().await;
    let (ada, bob) = (ada(), bob());
    let from = (&ada, REQUEST, PHONE);
    assert_eq!(read(&*storage, &ada, PHONE, 0).await, None);
    let look = part('a', 9, 0, b"");
    assert_eq!(put(&*storage, from, &look).await, Ok(0));
    assert_eq!(
        put(&*storage, from, &part('a', 9, 2, b"cd")).await,
        Ok(0),
        "too early"
    );
    assert_eq!(put(&*storage, from, &part('a', 9, 0, b"ab")).await, Ok(2));
    assert_eq!(
        put(&*storage, from, &part('a', 9, 0, b"ab")).await,
        Ok(2),
        "a repeat"
    );
    storage.close().await;
    let storage = place.open().await;
    assert_eq!(put(&*storage, from, &look).await, Ok(2), "where to go on");
    assert_eq!(put(&*storage, from, &part('a', 9, 2, b"cdefghi")).await, Ok(9));
    assert_eq!(
        put(&*storage, (&ada, REQUEST, LAPTOP), &part('b', 3, 0, b"xyz")).await,
        Ok(3)
    );
    let mut whole = Vec::new();
    while let Some(bytes) = read(&*storage, &ada, PHONE, whole.len() as u64)
        .await
        .filter(|bytes| !bytes.is_empty())
    {
        whole.extend(bytes);
    }
    assert_eq!(whole, b"abcdefghi");
    let after = read(&*storage, &ada, PHONE, 1).await.unwrap();
    assert!(
        b"bcdefghi".starts_with(&after[..]) && !after.is_empty(),
        "{after:?}"
    );
    assert_eq!(read(&*storage, &ada, PHONE, 9).await, Some(Vec::new()));
    assert_eq!(read(&*storage, &ada, PHONE, u64::MAX).await, Some(Vec::new()));
    assert_eq!(read(&*storage, &ada, LAPTOP, 0).await.unwrap(), b"xyz");
    assert_eq!(read(&*storage, &ada, TABLET, 0).await, None);
    assert_eq!(read(&*storage, &bob, PHONE, 0).await, None);
    storage.close().await;
}

/// A part of the largest size goes in and comes out.
pub async fn a_large_part_comes_out_as_it_went_in<O: Opener>() {
    let place = O::new().await;
    let storage = place.open().await;
    let big: Vec<u8> = (0..limits::PARCEL_PART_BYTES).map(|n| (n % 251) as u8).collect();
    let total = 2 * big.len() as u64;
    let ada = ada();
    for n in 0..2 {
        let offset = n * big.len() as u64;
        let next = put(&*storage, (&ada, REQUEST, PHONE), &part('a', total, offset, &big)).await;
        assert_eq!(next, Ok(offset + big.len() as u64));
        assert_eq!(read(&*storage, &ada, PHONE, offset).await.as_ref(), Some(&big));
    }
    storage.close().await;
}

/// One of another digest or length from the same device begins anew.
pub async fn another_parcel_of_a_device_takes_the_place_of_its_last<O: Opener>() {
    let place = O::new().await;
    let storage = place.open().await;
    let ada = ada();
    let from = (&ada, REQUEST, PHONE);
    put(&*storage, from, &part('a', 9, 0, b"abc")).await.unwrap();
    assert_eq!(put(&*storage, from, &part('b', 9, 3, b"def")).await, Ok(0));
    assert_eq!(read(&*storage, &ada, PHONE, 0).await, Some(Vec::new()));
    assert_eq!(put(&*storage, from, &part('b', 9, 0, b"xy")).await, Ok(2));
    assert_eq!(put(&*storage, from, &part('b', 8, 0, b"z")).await, Ok(1));
    assert_eq!(read(&*storage, &ada, PHONE, 0).await.unwrap(), b"z");
    storage.close().await;
}

/// What nobody wants is dropped: when it is said so, when another one is put, and after some time.
pub async fn parcels_that_nobody_wants_are_dropped<O: Opener>() {
    let place = O::new().await;
    let storage = place.open().await;
    let (ada, bob) = (ada(), bob());
    let fill = async || {
        for user in [&ada, &bob] {
            for by in [PHONE, LAPTOP] {
                put(&*storage, (user, REQUEST, by), &part('a', 3, 0, b"abc"))
                    .await
                    .unwrap();
            }
        }
    };
    let there = async || {
        let mut there = Vec::new();
        for (user, by) in [(&ada, PHONE), (&ada, LAPTOP), (&bob, PHONE), (&bob, LAPTOP)] {
            there.push(read(&*storage, user, by, 0).await.is_some());
        }
        there
    };
    fill().await;
    storage.keep_parcels(&ada, &[kept(REQUEST, None)]).await.unwrap();
    assert_eq!(there().await, [true; 4]);
    storage
        .keep_parcels(&ada, &[kept(REQUEST, Some(LAPTOP)), kept(request(2), None)])
        .await
        .unwrap();
    assert_eq!(there().await, [false, true, true, true]);
    storage.keep_parcels(&ada, &[]).await.unwrap();
    assert_eq!(there().await, [false, false, true, true]);
    fill().await;
    let other = part('a', 3, 0, b"abc");
    let put = ParcelPart {
        user: &ada,
        request: request(2),
        by: PHONE,
        part: &other,
        at: Timestamp(9),
    };
    let wanted = [kept(request(2), None), kept(REQUEST, Some(PHONE))];
    assert_eq!(storage.put_part(&put, &wanted).await, Ok(3));
    assert_eq!(there().await, [true, false, true, true]);
    assert_eq!(
        storage.prune_parcels(Timestamp(5)).await,
        Ok(0),
        "none is that old"
    );
    assert_eq!(storage.prune_parcels(Timestamp(6)).await, Ok(3));
    assert_eq!(there().await, [false; 4]);
    let newer = storage.read_part(&ada, (request(2), PHONE), 0).await.unwrap();
    assert!(newer.is_some());
    storage.close().await;
}

/// An account has so many parcels and no more; those that are there go on.
pub async fn parcels_of_an_account_are_bounded<O: Opener>() {
    let place = O::new().await;
    let storage = place.open().await;
    let (ada, bob) = (ada(), bob());
    let new = part('a', 3, 0, b"a");
    for n in 1..=limits::PARCELS as u128 {
        let from = (&ada, request(n), PHONE);
        assert_eq!(put(&*storage, from, &new).await, Ok(1));
    }
    let refused = put(&*storage, (&ada, REQUEST, LAPTOP), &new).await;
    assert_eq!(refused.map_err(|error| error.code()), Err(Code::TooLarge));
    assert_eq!(read(&*storage, &ada, LAPTOP, 0).await, None);
    let go_on = part('a', 3, 1, b"bc");
    assert_eq!(put(&*storage, (&ada, REQUEST, PHONE), &go_on).await, Ok(3));
    assert_eq!(put(&*storage, (&bob, REQUEST, PHONE), &new).await, Ok(1));
    storage.close().await;
}

/// What the devices of a user ask of one another is read, the newest state of each, and nobody else's.
pub async fn what_devices_ask_of_one_another_is_read<O: Opener>() {
    let place = O::new().await;
    let storage = place.open().await;
    let mut script = Script::new(3);
    let (ada, bob) = (ada(), bob());
    assert_eq!(storage.device_syncs(&ada).await, Ok(Vec::new()));
    let ask = |with, device| Op::RequestDeviceSync {
        device,
        request: with,
        key: "a key".to_owned(),
    };
    let offer = DeviceSyncState::Offered {
        by: TABLET,
        bytes: 3,
        sha256: "a".repeat(64),
    };
    let requests = [
        script.request(&ada, ask(request(2), LAPTOP)),
        script.request(&ada, ask(REQUEST, PHONE)),
        script.request(&bob, ask(REQUEST, PHONE)),
        script.request(
            &ada,
            Op::OfferDeviceSync {
                device: PHONE,
                request: REQUEST,
                by: TABLET,
                bytes: 3,
                sha256: "a".repeat(64),
            },
        ),
    ];
    apply_group(&*storage, &Rules::default(), Timestamp(5), &requests)
        .await
        .unwrap();
    let syncs = storage.device_syncs(&ada).await.unwrap();
    let found: Vec<_> = syncs.iter().map(|sync| (sync.device, &sync.state)).collect();
    assert_eq!(found, [(PHONE, &offer), (LAPTOP, &DeviceSyncState::Asked)]);
    let wanted = KeptParcel::of(&syncs);
    assert_eq!(wanted, [kept(REQUEST, Some(TABLET)), kept(request(2), None)]);
    assert_eq!(storage.device_syncs(&bob).await.unwrap().len(), 1);
    storage.close().await;
}
