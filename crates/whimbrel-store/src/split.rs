//! Two stores as one: a database for most channels, memory for some.

mod search;

use crate::{AccountReader, MemoryStore, Recovery, Store, StoreError, StoreReader};
use async_trait::async_trait;
use std::{cmp::Reverse, collections::BTreeSet, path::PathBuf, sync::Arc};
use uuid::Uuid;
use whimbrel_model::{
    AccountRow, Change, ChannelId, ChannelSummary, Delivered, Delta, Draft, FollowedThread, Loaded, Member,
    Message, MessageId, MessagePage, MessageQuery, OpId, People, Read, Row, StreamId, ThreadPlace, User,
    UserId,
};
use whimbrel_query::{
    ChannelItem, Endpoint, Filter, PageCursor, Query, SearchPage, SearchQuery, Sort, field,
};

/// Channels that one reads from a database a page at a time.
const CHANNELS_AT_ONCE: usize = 500;

/// Which channels are in memory only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InMemory {
    /// All channels of these types.
    pub types: BTreeSet<String>,
    /// And these.
    pub channels: BTreeSet<ChannelId>,
}

/// A store that keeps some channels in memory, and everything else in another store.
///
/// Of those channels the rows of their streams are in memory: the channel's own, members, messages, reactions, read positions;
/// and how far the device has them. After a restart they are not there, and the engine fetches them anew. On disk are all the
/// same: the outbox, whatever it is about; the own memberships, drafts and settings, which are rows of the user's stream; the
/// profiles of people; and that there is something to fetch. What another store wrote to the database of such a channel before
/// stays in the file, and is not looked at.
///
/// A delta is written to the database first. A read that looks at both sees each as a whole, but not both at one moment.
#[derive(Debug)]
pub struct SplitStore {
    disk: Arc<dyn Store>,
    memory: MemoryStore,
    in_memory: InMemory,
}

/// The part of a delta that goes to memory. It gets there also when whoever applies it goes away while the other part is
/// being written, as that is then written to its end.
struct Rest<'a> {
    store: &'a SplitStore,
    delta: Option<Delta>,
}

impl Rest<'_> {
    fn put(&mut self) -> Result<(), StoreError> {
        self.delta
            .take()
            .map_or(Ok(()), |delta| self.store.memory.put(&delta))
    }
}

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        // The only error is that it is closed: then nobody reads it again.
        let _ = self.put();
    }
}

impl InMemory {
    /// Returns whether a channel is in memory only.
    #[must_use]
    pub fn has(&self, cid: &ChannelId) -> bool {
        self.types.contains(cid.channel_type()) || self.channels.contains(cid)
    }

    fn has_stream(&self, stream: &StreamId) -> bool {
        matches!(stream, StreamId::Channel(cid) if self.has(cid))
    }

    /// The query for them. Nothing: there are none.
    fn query(&self) -> Result<Option<Query>, StoreError> {
        let types = (!self.types.is_empty()).then(|| field("type").is_in(self.types.iter().cloned()));
        let channels = self.channels.iter().map(ToString::to_string);
        let channels = (!self.channels.is_empty()).then(|| field("cid").is_in(channels));
        let wanted: Vec<_> = types.into_iter().chain(channels).collect();
        if wanted.is_empty() {
            return Ok(None);
        }
        Ok(Some(Query::new(
            &Endpoint::CHANNELS,
            Filter::or(wanted),
            Sort::by_id(),
        )?))
    }
}

impl SplitStore {
    /// Puts two stores together. `memory` is new, or a handle on what this process had of the same database before.
    #[must_use]
    pub fn new(disk: Arc<dyn Store>, memory: MemoryStore, in_memory: InMemory) -> Self {
        Self {
            disk,
            memory,
            in_memory,
        }
    }

    /// Returns the store that has what is about a channel.
    fn of(&self, cid: &ChannelId) -> &dyn Store {
        if self.in_memory.has(cid) {
            &self.memory
        } else {
            &*self.disk
        }
    }

    /// Divides a delta: what is for the database, and what is for memory. Some is for both.
    fn divide(&self, delta: &Delta) -> (Delta, Delta) {
        let (mut disk, mut memory) = (Delta::default(), Delta::default());
        for change in &delta.changes {
            let (to_disk, to_memory) = self.place(change);
            if to_disk {
                disk.push(change.clone());
            }
            if to_memory {
                memory.push(change.clone());
            }
        }
        (disk, memory)
    }

    fn place(&self, change: &Change) -> (bool, bool) {
        let here = &self.in_memory;
        match change {
            // What is unread, and since when, depends on these.
            Change::Account(_) | Change::Outbox(_) | Change::OutboxRemoved(_) => (true, true),
            Change::Row(Row::Membership(row)) => (true, here.has(&row.cid)),
            Change::Row(row) => {
                let is_here = here.has_stream(&row.stream());
                (!is_here, is_here)
            }
            Change::Cursor(stream, _) => (!here.has_stream(stream), here.has_stream(stream)),
            Change::Ranges(cid, _) => (!here.has(cid), here.has(cid)),
            // A head without a cursor says at the next start that there is something to fetch.
            Change::Head(stream, _) | Change::Unfollow(stream) => (true, here.has_stream(stream)),
            Change::Rebase(stream) => (
                true,
                here.has_stream(stream) || matches!(stream, StreamId::User(_)),
            ),
            Change::HeadsToken(_) | Change::SyncedAt(_) | Change::Local(_) => (true, false),
        }
    }

    /// Returns what memory has to know of what is in the database.
    async fn shared(&self, loaded: &Loaded) -> Result<Delta, StoreError> {
        let mut delta = Delta::default();
        delta.changes.extend(loaded.account.clone().map(Change::Account));
        let kept: BTreeSet<OpId> = loaded.outbox.iter().map(|item| item.id).collect();
        let known = self.memory.load().await?.outbox;
        let gone = known.iter().filter(|item| !kept.contains(&item.id));
        delta
            .changes
            .extend(gone.map(|item| Change::OutboxRemoved(item.id)));
        let outbox = loaded.outbox.iter().cloned();
        delta.changes.extend(outbox.map(Change::Outbox));
        let heads = loaded
            .heads
            .iter()
            .filter(|(id, _)| self.in_memory.has_stream(id));
        delta
            .changes
            .extend(heads.map(|(id, head)| Change::Head(id.clone(), *head)));
        let Some(query) = self.in_memory.query()? else {
            return Ok(delta);
        };
        // Nothing is counted here.
        let (mut after, people) = (None, People::default());
        loop {
            let page = self
                .disk
                .channels(&query, after.as_ref(), CHANNELS_AT_ONCE, &people)
                .await?;
            after = page.last().map(|summary| query.cursor(&item(summary, &people)));
            let is_last = page.len() < CHANNELS_AT_ONCE;
            let own = page.into_iter().filter_map(|summary| summary.membership);
            delta
                .changes
                .extend(own.map(|row| Change::Row(Row::Membership(row))));
            if is_last {
                return Ok(delta);
            }
        }
    }

    /// Reads a page of the channels that are in the database.
    async fn channels_on_disk(
        &self,
        query: &Query,
        after: Option<&PageCursor>,
        limit: usize,
        people: &People,
    ) -> Result<Vec<ChannelSummary>, StoreError> {
        let mut found = Vec::new();
        let mut after = after.cloned();
        loop {
            let wanted = limit.saturating_sub(found.len());
            let page = self.disk.channels(query, after.as_ref(), wanted, people).await?;
            let is_last = page.len() < wanted;
            after = page.last().map(|summary| query.cursor(&item(summary, people)));
            let others = page.into_iter();
            found.extend(others.filter(|summary| !self.in_memory.has(&summary.cid)));
            if is_last || found.len() >= limit {
                return Ok(found);
            }
        }
    }
}

/// A channel as a query orders it: no order looks at the members themselves.
const fn item<'a>(summary: &'a ChannelSummary, people: &'a People) -> ChannelItem<'a> {
    ChannelItem {
        summary,
        members: &[],
        people,
    }
}

#[async_trait]
impl Store for SplitStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        let mut loaded = self.disk.load().await?;
        self.memory.put(&self.shared(&loaded).await?)?;
        let here = self.memory.load().await?;
        loaded.cursors.retain(|id, _| !self.in_memory.has_stream(id));
        loaded.ranges.retain(|cid, _| !self.in_memory.has(cid));
        loaded.cursors.extend(here.cursors);
        loaded.ranges.extend(here.ranges);
        loaded.undelivered.retain(|cid, _| !self.in_memory.has(cid));
        loaded.undelivered.extend(here.undelivered);
        Ok(loaded)
    }

    async fn apply(&self, delta: &Delta) -> Result<(), StoreError> {
        let (disk, memory) = self.divide(delta);
        let mut rest = Rest {
            store: self,
            delta: Some(memory),
        };
        if !disk.is_empty()
            && let Err(error) = self.disk.apply(&disk).await
        {
            rest.delta = None;
            return Err(error);
        }
        rest.put()
    }

    fn recovery(&self) -> Option<Recovery> {
        self.disk.recovery()
    }

    async fn suspend(&self) -> Result<(), StoreError> {
        self.disk.suspend().await?;
        self.memory.suspend().await
    }

    async fn resume(&self) -> Result<(), StoreError> {
        self.disk.resume().await?;
        self.memory.resume().await
    }

    async fn delete(&self) -> Result<Vec<PathBuf>, StoreError> {
        let deleted = self.disk.delete().await?;
        self.memory.delete().await?;
        Ok(deleted)
    }

    async fn close(&self) {
        self.disk.close().await;
        self.memory.close().await;
    }
}

#[async_trait]
impl AccountReader for SplitStore {
    async fn drafts(&self) -> Result<Vec<Draft>, StoreError> {
        self.disk.drafts().await
    }

    async fn transfer_part(&self, request: Uuid, offset: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.disk.transfer_part(request, offset).await
    }

    async fn account_rows(&self) -> Result<Vec<AccountRow>, StoreError> {
        self.disk.account_rows().await
    }
}

#[async_trait]
impl StoreReader for SplitStore {
    async fn channels(
        &self,
        query: &Query,
        after: Option<&PageCursor>,
        limit: usize,
        people: &People,
    ) -> Result<Vec<ChannelSummary>, StoreError> {
        let mut found = self.channels_on_disk(query, after, limit, people).await?;
        found.extend(self.memory.channels(query, after, limit, people).await?);
        found.sort_by(|a, b| query.compare(&item(a, people), &item(b, people)));
        found.truncate(limit);
        Ok(found)
    }

    async fn channel(&self, cid: &ChannelId, people: &People) -> Result<Option<ChannelSummary>, StoreError> {
        self.of(cid).channel(cid, people).await
    }

    async fn members(&self, cid: &ChannelId) -> Result<Vec<Member>, StoreError> {
        self.of(cid).members(cid).await
    }

    async fn reads(&self, cid: &ChannelId, thread: Option<MessageId>) -> Result<Vec<Read>, StoreError> {
        self.of(cid).reads(cid, thread).await
    }

    async fn delivered(&self, cid: &ChannelId) -> Result<Vec<Delivered>, StoreError> {
        self.of(cid).delivered(cid).await
    }

    async fn threads(
        &self,
        after: Option<ThreadPlace>,
        limit: usize,
        people: &People,
    ) -> Result<Vec<FollowedThread>, StoreError> {
        let mut found = self.disk.threads(after, limit, people).await?;
        found.extend(self.memory.threads(after, limit, people).await?);
        found.sort_by_key(|thread| Reverse(thread.place()));
        found.truncate(limit);
        Ok(found)
    }

    async fn thread(&self, parent: MessageId, people: &People) -> Result<Option<FollowedThread>, StoreError> {
        match self.memory.thread(parent, people).await? {
            Some(thread) => Ok(Some(thread)),
            None => self.disk.thread(parent, people).await,
        }
    }

    async fn pinned(&self, cid: &ChannelId) -> Result<Vec<Message>, StoreError> {
        self.of(cid).pinned(cid).await
    }

    async fn messages(&self, query: &MessageQuery) -> Result<MessagePage, StoreError> {
        self.of(&query.cid).messages(query).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        match self.memory.message(id).await? {
            Some(message) => Ok(Some(message)),
            None => self.disk.message(id).await,
        }
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage, StoreError> {
        search::both(&*self.disk, &self.memory, query).await
    }

    async fn users(&self, users: &[UserId]) -> Result<Vec<User>, StoreError> {
        self.disk.users(users).await
    }
}
