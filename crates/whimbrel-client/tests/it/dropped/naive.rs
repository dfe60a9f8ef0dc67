//! Writes that are given up: by the stores, and by what a store and a client must not be.

use super::disk::Disk;
use async_trait::async_trait;
use std::sync::{Arc, Mutex};
use tokio::task::yield_now;
use uuid::Uuid;
use whimbrel_client::{Store, StoreError};
use whimbrel_model::{
    AccountRow, Change, ChannelId, ChannelSummary, Delivered, Delta, Draft, FollowedThread, Loaded, Member,
    Message, MessageBody, MessageId, MessagePage, MessageQuery, Op, OpId, OutboxItem, OutboxStatus, People,
    Read, ThreadPlace, Timestamp, User, UserId,
};
use whimbrel_store::{AccountReader, MemoryStore, PageCursor, Query, SearchPage, SearchQuery, StoreReader};
use whimbrel_testkit::dropped::{Moment, dropped_at};

/// Items of one write.
const ITEMS: u64 = 20;

/// A write of so many outbox items, from `round` times so many on.
fn items(round: u64) -> Delta {
    let numbers = round * ITEMS + 1..=(round + 1) * ITEMS;
    Delta {
        changes: numbers.map(|pos| Change::Outbox(item(pos))).collect(),
    }
}

fn item(pos: u64) -> OutboxItem {
    let id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(pos));
    OutboxItem {
        pos,
        id: OpId(id),
        op: Op::SendMessage {
            kind: whimbrel_model::MessageKind::Regular,
            silent: false,
            cid: ChannelId::new("messaging:general").unwrap(),
            id: MessageId(id),
            body: MessageBody::text("hello"),
            parent: None,
            show_in_channel: false,
            quoted: None,
        },
        user: UserId::new("ada").unwrap(),
        composed_at: Timestamp(1),
        attempted: false,
        failures: 0,
        last_error: None,
        status: OutboxStatus::Queued,
    }
}

/// Gives a write up at every moment, with one after each that is waited for. Returns what is wrong.
async fn give_up_everywhere(store: &dyn Store) -> Result<(), String> {
    let mut next = 0;
    let mut written = Vec::new();
    for moment in Moment::all(8, 3) {
        let given_up = next;
        let done = dropped_at(moment, store.apply(&items(given_up))).await;
        let after = next + 1;
        store
            .apply(&items(after))
            .await
            .map_err(|error| error.to_string())?;
        next += 2;
        written.push(after);
        if let Some(done) = done {
            done.map_err(|error| error.to_string())?;
            written.push(given_up);
        }
        let outbox = store.load().await.map_err(|error| error.to_string())?.outbox;
        for round in 0..next {
            let there = outbox
                .iter()
                .filter(|item| (item.pos - 1) / ITEMS == round)
                .count() as u64;
            if there != 0 && there != ITEMS {
                return Err(format!("{moment:?} left {there} of {ITEMS} items"));
            }
            if there == 0 && written.contains(&round) {
                return Err(format!(
                    "a write that was told as done is not there after {moment:?}"
                ));
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_write_that_is_given_up_is_there_as_a_whole_or_not_at_all() {
    for disk in [Disk::memory(), Disk::sqlite()] {
        let store = disk.open().await;
        give_up_everywhere(store.as_ref()).await.unwrap();
        store.close().await;
    }
}

#[tokio::test]
async fn a_store_that_writes_in_the_callers_future_is_found_out() {
    let wrong = give_up_everywhere(&Halves(MemoryStore::new())).await.unwrap_err();
    assert!(wrong.ends_with("left 10 of 20 items"), "{wrong}");
}

/// What a store must not be: a write is two, with an await between.
#[derive(Debug)]
struct Halves(MemoryStore);

#[async_trait]
impl Store for Halves {
    async fn load(&self) -> Result<Loaded, StoreError> {
        self.0.load().await
    }

    async fn apply(&self, delta: &Delta) -> Result<(), StoreError> {
        let (first, second) = delta.changes.split_at(delta.changes.len() / 2);
        for half in [first, second] {
            let changes = half.to_vec();
            self.0.apply(&Delta { changes }).await?;
            yield_now().await;
        }
        Ok(())
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

#[async_trait]
impl AccountReader for Halves {
    async fn drafts(&self) -> Result<Vec<Draft>, StoreError> {
        self.0.drafts().await
    }

    async fn account_rows(&self) -> Result<Vec<AccountRow>, StoreError> {
        self.0.account_rows().await
    }

    async fn transfer_part(&self, request: Uuid, offset: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.transfer_part(request, offset).await
    }
}

#[async_trait]
impl StoreReader for Halves {
    async fn channels(
        &self,
        query: &Query,
        after: Option<&PageCursor>,
        limit: usize,
        people: &People,
    ) -> Result<Vec<ChannelSummary>, StoreError> {
        self.0.channels(query, after, limit, people).await
    }

    async fn channel(&self, cid: &ChannelId, people: &People) -> Result<Option<ChannelSummary>, StoreError> {
        self.0.channel(cid, people).await
    }

    async fn members(&self, cid: &ChannelId) -> Result<Vec<Member>, StoreError> {
        self.0.members(cid).await
    }

    async fn reads(&self, cid: &ChannelId, thread: Option<MessageId>) -> Result<Vec<Read>, StoreError> {
        self.0.reads(cid, thread).await
    }

    async fn delivered(&self, cid: &ChannelId) -> Result<Vec<Delivered>, StoreError> {
        self.0.delivered(cid).await
    }

    async fn threads(
        &self,
        after: Option<ThreadPlace>,
        limit: usize,
        people: &People,
    ) -> Result<Vec<FollowedThread>, StoreError> {
        self.0.threads(after, limit, people).await
    }

    async fn thread(&self, parent: MessageId, people: &People) -> Result<Option<FollowedThread>, StoreError> {
        self.0.thread(parent, people).await
    }

    async fn pinned(&self, cid: &ChannelId) -> Result<Vec<Message>, StoreError> {
        self.0.pinned(cid).await
    }

    async fn messages(&self, query: &MessageQuery) -> Result<MessagePage, StoreError> {
        self.0.messages(query).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.0.message(id).await
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage, StoreError> {
        self.0.search(query).await
    }

    async fn users(&self, users: &[UserId]) -> Result<Vec<User>, StoreError> {
        self.0.users(users).await
    }
}

/// What a client must not be: the caller's own future writes, and then shows.
struct WithoutDriver {
    store: Arc<dyn Store>,
    shown: Mutex<Vec<OutboxItem>>,
}

impl WithoutDriver {
    async fn send(&self, pos: u64) {
        let sent = item(pos);
        self.store
            .apply(&Change::Outbox(sent.clone()).into())
            .await
            .unwrap();
        yield_now().await;
        self.shown.lock().unwrap().push(sent);
    }
}

#[tokio::test]
async fn a_client_that_works_in_the_callers_future_is_found_out() {
    for disk in [Disk::memory(), Disk::sqlite()] {
        let client = WithoutDriver {
            store: disk.open().await,
            shown: Mutex::default(),
        };
        for (pos, moment) in (1..).zip(Moment::all(6, 3)) {
            dropped_at(moment, client.send(pos)).await;
        }
        // The same comparison as of the real one.
        let shown = client.shown.lock().unwrap().clone();
        assert_ne!(disk.outbox().await, shown, "nothing was given up halfway");
        client.store.close().await;
    }
}
