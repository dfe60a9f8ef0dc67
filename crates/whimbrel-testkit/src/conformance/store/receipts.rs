//! What has reached whom, and what the server does not know to have reached the account.

use super::{
    StoreFixture,
    model::Model,
    sample::{
        ME, account, c_stream, cid, cursor, membership, message, put, read, start, thread_read, user, uuid,
    },
};
use std::collections::BTreeMap;
use whimbrel_model::{Change, ChannelId, Delivered, DeviceId, MemberState, Message, Read, UserId};

/// A register with one device: this one is 0.
pub(super) fn delivered(id: &str, who: &str, device: u64, seq: u64, ver: u64) -> Delivered {
    let mut row = Delivered::new(cid(id), user(who));
    row.advance(this_or_other(device), seq);
    Delivered { ver, ..row }
}

fn this_or_other(device: u64) -> DeviceId {
    match device {
        0 => account().device,
        other => DeviceId(uuid(0xe0 + other)),
    }
}

impl Model {
    pub(super) fn delivered(&self, cid: &ChannelId) -> Vec<Delivered> {
        let here = self.all_delivered().filter(|row| row.cid == *cid);
        let by_user: BTreeMap<_, _> = here.map(|row| (&row.user, row.clone())).collect();
        by_user.into_values().collect()
    }

    pub(super) fn undelivered(&self) -> BTreeMap<ChannelId, u64> {
        let Some(account) = self.account() else {
            return BTreeMap::new();
        };
        let me = &account.user;
        let mut found = BTreeMap::new();
        for (cid, cursor) in self.followed() {
            let theirs = self.all_messages().filter(|row| {
                row.cid == *cid
                    && row.ver > 0
                    && row.author != *me
                    && (row.seq <= cursor.seq || row.ver <= cursor.ver)
            });
            let known = self.reached(cid, me, account.device);
            let newest = theirs.map(|row| row.seq).max();
            if let Some(seq) = newest.filter(|seq| *seq > known) {
                found.insert(cid.clone(), seq);
            }
        }
        found
    }

    fn reached(&self, cid: &ChannelId, me: &UserId, device: DeviceId) -> u64 {
        let mut registers = self.delivered(cid).into_iter();
        let register = registers.find(|row| row.user == *me && row.ver > 0);
        let mut reads = self.reads(cid, None).into_iter();
        let read = reads.find(|row| row.user == *me && row.ver > 0 && !row.private);
        match register {
            Some(row) if row.devices_public => row.of_device(device),
            row => row
                .map_or(0, |row| row.seq)
                .max(read.map_or(0, |row| row.receipt())),
        }
    }
}

/// The registers of a channel are read by user, as they were put.
///
/// # Panics
/// If one is missing, or another.
pub async fn what_has_reached_whom_is_read_by_user(mut t: StoreFixture) {
    t.apply(start(&["a", "b"])).await;
    let mut bob = delivered("a", "bob", 3, 5, 2);
    bob.advance(this_or_other(4), 2);
    bob.devices_public = true;
    let own = Delivered {
        private: true,
        ..delivered("a", ME, 0, 7, 3)
    };
    t.apply([
        put(bob.clone()),
        put(own.clone()),
        put(delivered("b", "bob", 3, 1, 4)),
    ])
    .await;
    // An older one, and one of the same version.
    t.apply([
        put(delivered("a", "bob", 3, 9, 1)),
        put(delivered("a", ME, 0, 9, 3)),
    ])
    .await;
    for _ in 0..2 {
        let mut expected = [bob.clone(), own.clone()];
        expected.sort_by(|a, b| a.user.cmp(&b.user));
        assert_eq!(t.store().delivered(&cid("a")).await.unwrap(), expected);
        assert_eq!(t.store().delivered(&cid("c")).await.unwrap(), []);
        t.reopen().await;
    }
    t.store().close().await;
}

/// At start it is told which messages of others the server does not know to have reached the account.
///
/// # Panics
/// If it is told of others, or not of one.
pub async fn what_has_not_reached_the_account_is_told_at_start(mut t: StoreFixture) {
    let mut first = start(&["a"]);
    first.push(put(message("a", 1, 1)));
    first.push(put(message("a", 2, 2)));
    let own = Message {
        author: user(ME),
        ..message("a", 3, 3)
    };
    first.push(put(own));
    t.apply(first).await;
    owes(&mut t, None, "without a cursor nothing is known to be whole").await;
    t.apply([Change::Cursor(c_stream("a"), cursor(1, 1))]).await;
    owes(&mut t, Some(1), "what the cursor covers").await;
    t.apply([Change::Cursor(c_stream("a"), cursor(3, 3))]).await;
    owes(&mut t, Some(2), "the own message is not owed").await;
    t.apply([put(Read {
        private: true,
        ..read("a", ME, 2, 4)
    })])
    .await;
    owes(&mut t, Some(2), "others do not see what is read").await;
    t.apply([put(thread_read(1, ME, 2, 5)), put(read("a", "bob", 3, 6))])
        .await;
    owes(&mut t, Some(2), "a position in a thread, or of somebody else").await;
    t.apply([put(read("a", ME, 1, 7)), put(delivered("a", ME, 1, 1, 8))])
        .await;
    owes(&mut t, Some(2), "neither is so far").await;
    t.apply([put(delivered("a", ME, 1, 2, 9))]).await;
    owes(&mut t, None, "another device has it").await;
    t.apply([put(Delivered {
        devices_public: true,
        ..delivered("a", ME, 1, 2, 10)
    })])
    .await;
    owes(&mut t, Some(2), "each device speaks for itself").await;
    t.apply([put(Delivered {
        devices_public: true,
        ..delivered("a", ME, 0, 2, 11)
    })])
    .await;
    owes(&mut t, None, "this device has it").await;
    t.apply([
        put(message("a", 4, 12)),
        Change::Cursor(c_stream("a"), cursor(12, 4)),
    ])
    .await;
    owes(&mut t, Some(4), "a new one").await;
    t.apply([put(membership("a", 9, MemberState::Gone))]).await;
    owes(&mut t, Some(4), "whoever left may come back").await;
    t.apply([
        put(membership("a", 10, MemberState::Active)),
        Change::Unfollow(c_stream("a")),
    ])
    .await;
    owes(&mut t, None, "it is not followed").await;
    t.apply([
        Change::Rebase(c_stream("a")),
        Change::Cursor(c_stream("a"), cursor(1, 4)),
    ])
    .await;
    owes(&mut t, None, "the messages are of another history").await;
    t.store().close().await;
}

async fn owes(t: &mut StoreFixture, seq: Option<u64>, why: &str) {
    for _ in 0..2 {
        let loaded = t.store().load().await.unwrap();
        let expected: BTreeMap<_, _> = seq.into_iter().map(|seq| (cid("a"), seq)).collect();
        assert_eq!(loaded.undelivered, expected, "{why}");
        t.reopen().await;
    }
}
