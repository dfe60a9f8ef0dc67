//! A store that says something else than what was put into it, as soon as it is told to.

use async_trait::async_trait;
use std::sync::{Arc, Mutex};
use uuid::Uuid;
use whimbrel_model::{
    AccountRow, ChannelId, ChannelSummary, Delivered, Delta, Draft, FollowedThread, Loaded, Member,
    MemberState, Message, MessageId, MessagePage, MessageQuery, People, Read, ThreadPlace, User, UserId,
};
use whimbrel_store::{
    AccountReader, MemoryStore, PageCursor, Query, SearchPage, SearchQuery, Store, StoreError, StoreReader,
};

/// What it is wrong about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// A message is not on disk.
    Forgets(MessageId),
    /// A message is not in the timeline.
    Hides(MessageId),
    /// The newest message is one that nobody sent.
    Invents,
    /// Two messages stand in each other's place.
    Swaps,
    /// There are no reactions.
    NoReactions,
    /// There are no channels to list.
    NoChannels,
    /// A channel has another name.
    Renames,
    /// Members have left.
    NoMembers,
    /// Nobody has read anything.
    NoReads,
    /// Nobody has a name.
    NoNames,
    /// The account has no settings, contacts and devices.
    NoAccount,
}

#[derive(Debug, Default)]
pub(crate) struct Liar {
    inner: MemoryStore,
    lie: Mutex<Option<Lie>>,
}

impl Liar {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Opens it again, after it was closed.
    pub(crate) fn reopen(&self) -> Arc<Self> {
        Arc::new(Self {
            inner: self.inner.reopen(),
            lie: Mutex::default(),
        })
    }

    pub(crate) fn tell(&self, lie: Lie) {
        *self.lie.lock().unwrap() = Some(lie);
    }

    fn tells(&self, lie: Lie) -> bool {
        *self.lie.lock().unwrap() == Some(lie)
    }
}

#[async_trait]
impl Store for Liar {
    async fn load(&self) -> Result<Loaded, StoreError> {
        self.inner.load().await
    }

    async fn apply(&self, delta: &Delta) -> Result<(), StoreError> {
        self.inner.apply(delta).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[async_trait]
impl AccountReader for Liar {
    async fn drafts(&self) -> Result<Vec<Draft>, StoreError> {
        self.inner.drafts().await
    }

    async fn account_rows(&self) -> Result<Vec<AccountRow>, StoreError> {
        let rows = self.inner.account_rows().await?;
        Ok(if self.tells(Lie::NoAccount) {
            Vec::new()
        } else {
            rows
        })
    }

    async fn transfer_part(&self, request: Uuid, offset: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.transfer_part(request, offset).await
    }
}

#[async_trait]
impl StoreReader for Liar {
    async fn channels(
        &self,
        query: &Query,
        after: Option<&PageCursor>,
        limit: usize,
        people: &People,
    ) -> Result<Vec<ChannelSummary>, StoreError> {
        let channels = self.inner.channels(query, after, limit, people).await?;
        Ok(if self.tells(Lie::NoChannels) {
            Vec::new()
        } else {
            channels
        })
    }

    async fn channel(&self, cid: &ChannelId, people: &People) -> Result<Option<ChannelSummary>, StoreError> {
        let mut summary = self.inner.channel(cid, people).await?;
        if let Some(channel) = summary.as_mut().and_then(|summary| summary.channel.as_mut())
            && self.tells(Lie::Renames)
        {
            channel.name = "Particular".to_owned();
        }
        Ok(summary)
    }

    async fn members(&self, cid: &ChannelId) -> Result<Vec<Member>, StoreError> {
        let mut members = self.inner.members(cid).await?;
        if self.tells(Lie::NoMembers) {
            members
                .iter_mut()
                .for_each(|member| member.state = MemberState::Gone);
        }
        Ok(members)
    }

    async fn reads(&self, cid: &ChannelId, thread: Option<MessageId>) -> Result<Vec<Read>, StoreError> {
        let reads = self.inner.reads(cid, thread).await?;
        Ok(if self.tells(Lie::NoReads) {
            Vec::new()
        } else {
            reads
        })
    }

    async fn threads(
        &self,
        after: Option<ThreadPlace>,
        limit: usize,
        people: &People,
    ) -> Result<Vec<FollowedThread>, StoreError> {
        self.inner.threads(after, limit, people).await
    }

    async fn thread(&self, parent: MessageId, people: &People) -> Result<Option<FollowedThread>, StoreError> {
        self.inner.thread(parent, people).await
    }

    async fn pinned(&self, cid: &ChannelId) -> Result<Vec<Message>, StoreError> {
        self.inner.pinned(cid).await
    }

    async fn delivered(&self, cid: &ChannelId) -> Result<Vec<Delivered>, StoreError> {
        self.inner.delivered(cid).await
    }

    async fn messages(&self, query: &MessageQuery) -> Result<MessagePage, StoreError> {
        let mut page = self.inner.messages(query).await?;
        let hides = |message: &Message| self.tells(Lie::Hides(message.id));
        page.messages.retain(|message| !hides(message));
        if self.tells(Lie::NoReactions) {
            page.reactions.clear();
        }
        if self.tells(Lie::Swaps)
            && let [first, second, ..] = page.messages.as_mut_slice()
        {
            std::mem::swap(&mut first.seq, &mut second.seq);
            page.messages.swap(0, 1);
        }
        if let Some(newest) = page.messages.last()
            && self.tells(Lie::Invents)
        {
            let invented = Message {
                id: MessageId(crate::support::id(99)),
                seq: newest.seq + 1,
                ..newest.clone()
            };
            page.messages.push(invented);
        }
        Ok(page)
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        let message = self.inner.message(id).await?;
        Ok(message.filter(|message| !self.tells(Lie::Forgets(message.id))))
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage, StoreError> {
        self.inner.search(query).await
    }

    async fn users(&self, users: &[UserId]) -> Result<Vec<User>, StoreError> {
        let users = self.inner.users(users).await?;
        Ok(if self.tells(Lie::NoNames) {
            Vec::new()
        } else {
            users
        })
    }
}
