//! What the device keeps for itself.

use super::{
    StoreFixture,
    sample::{ME, account, u_stream},
};
use std::collections::BTreeMap;
use uuid::Uuid;
use whimbrel_model::{Change, DeviceId, Local, LocalChange, SecretText, Transfer, TransferWay};

pub(super) fn set(key: &str, value: Option<&str>) -> Change {
    Change::Local(LocalChange::Setting(key.to_owned(), value.map(ToOwned::to_owned)))
}

pub(super) fn transfer(number: u128, stored: u64) -> Transfer {
    let way = if number.is_multiple_of(2) {
        TransferWay::In {
            key: SecretText::new("a key".to_owned()),
        }
    } else {
        TransferWay::Out {
            to: DeviceId(Uuid::from_u128(9)),
            sha256: "ab".repeat(32),
        }
    };
    Transfer {
        request: Uuid::from_u128(number),
        way,
        stored,
    }
}

fn part(number: u128, offset: u64, bytes: &[u8]) -> Change {
    Change::Local(LocalChange::TransferPart {
        request: Uuid::from_u128(number),
        offset,
        bytes: bytes.to_vec(),
    })
}

fn put(transfer: Transfer) -> Change {
    Change::Local(LocalChange::Transfer(transfer))
}

async fn assert_local(t: &mut StoreFixture, expected: &Local) {
    for reopened in [false, true] {
        if reopened {
            t.reopen().await;
        }
        assert_eq!(t.store().load().await.unwrap().local, *expected);
        assert_eq!(t.store().load_own().await.unwrap().local, *expected);
    }
}

async fn read(t: &StoreFixture, number: u128, offset: u64) -> Option<Vec<u8>> {
    let request = Uuid::from_u128(number);
    t.store().transfer_part(request, offset).await.unwrap()
}

/// A setting is what it was set to last; a removed one is gone; no rebase and no server row touches them.
pub async fn local_settings_are_set_replaced_and_removed(mut t: StoreFixture) {
    t.apply([
        Change::Account(account()),
        set("theme", Some("light")),
        set("theme", Some("dark")),
        set("font", Some("")),
        set("gone", Some("x")),
        set("gone", None),
        set("never there", None),
    ])
    .await;
    let mut expected = Local {
        settings: [("theme", "dark"), ("font", "")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ..Local::default()
    };
    assert_local(&mut t, &expected).await;
    t.apply([
        Change::Rebase(u_stream(ME)),
        set("font", None),
        set("\u{1f3a8} \"quoted\"", Some("a\nb")),
    ])
    .await;
    expected.settings.remove("font");
    expected
        .settings
        .insert("\u{1f3a8} \"quoted\"".to_owned(), "a\nb".to_owned());
    assert_local(&mut t, &expected).await;
}

/// A transfer and its bytes are there until it is over, and then nothing of them is; others stay.
pub async fn a_transfer_is_kept_with_its_bytes_until_it_is_over(mut t: StoreFixture) {
    let big: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    t.apply([put(transfer(1, 3)), part(1, 0, b"abc"), put(transfer(2, 0))])
        .await;
    t.apply([put(transfer(1, 300_003)), part(1, 3, &big), part(2, 0, b"")])
        .await;
    let transfers = [transfer(1, 300_003), transfer(2, 0)];
    let mut expected = Local {
        transfers: transfers.into_iter().map(|one| (one.request, one)).collect(),
        settings: BTreeMap::new(),
    };
    assert_local(&mut t, &expected).await;
    assert_eq!(read(&t, 1, 0).await.as_deref(), Some(&b"abc"[..]));
    assert_eq!(read(&t, 1, 3).await, Some(big));
    assert_eq!(read(&t, 1, 1).await, None);
    assert_eq!(read(&t, 1, u64::MAX).await, None);
    assert_eq!(read(&t, 2, 0).await.as_deref(), Some(&b""[..]));
    let over = |number| Change::Local(LocalChange::TransferOver(Uuid::from_u128(number)));
    t.apply([over(1), over(1), over(7)]).await;
    expected.transfers.remove(&Uuid::from_u128(1));
    assert_local(&mut t, &expected).await;
    assert_eq!((read(&t, 1, 0).await, read(&t, 1, 3).await), (None, None));
    // What comes after the end of one is a new one, also in the same delta.
    t.apply([over(2), put(transfer(2, 1)), part(2, 0, b"x")]).await;
    expected.transfers.insert(Uuid::from_u128(2), transfer(2, 1));
    assert_local(&mut t, &expected).await;
    assert_eq!(read(&t, 2, 0).await.as_deref(), Some(&b"x"[..]));
}
