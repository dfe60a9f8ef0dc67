use crate::{Recovery, StoreError};
use async_trait::async_trait;
use std::{fmt::Debug, path::PathBuf};
use uuid::Uuid;
use whimbrel_model::{
    AccountRow, ChannelId, ChannelSummary, Delivered, Delta, Draft, FollowedThread, Loaded, Member, Message,
    MessageId, MessagePage, MessageQuery, People, Read, ThreadPlace, User, UserId,
};
use whimbrel_query::{PageCursor, Query, SearchPage, SearchQuery};

/// One account's database on one device.
///
/// Calls may run at the same time; `apply` calls are made one after the other. Every call runs to its end even if its
/// future is dropped, so a dropped `apply` has happened or has not, as a whole.
#[async_trait]
pub trait Store: StoreReader {
    /// Reads what the engine needs at start.
    async fn load(&self) -> Result<Loaded, StoreError>;

    /// Reads of [`load`](Self::load) what is needed before anything is synced: the account, the outbox, and what is known of
    /// the heads as a whole. Cursors, heads and ranges, of which every channel has some, need not be in it.
    async fn load_own(&self) -> Result<Loaded, StoreError> {
        self.load().await
    }

    /// Commits `delta` as a whole, durable against power loss when it returns.
    ///
    /// # Errors
    /// Nothing of the delta was written, unless the error is [`StoreError::Engine`] from the commit itself, after which
    /// the caller has to [`load`](Self::load) to learn the outcome.
    async fn apply(&self, delta: &Delta) -> Result<(), StoreError>;

    /// Returns what became of the database if it was found damaged, at open or since. A store that cannot tell, does not.
    fn recovery(&self) -> Option<Recovery> {
        None
    }

    /// Finishes what runs, and releases every handle and lock until [`resume`](Self::resume): another process may have the
    /// database meanwhile. Calls in between fail with [`StoreError::Suspended`]. Once more changes nothing. A store that has
    /// nothing that others could want need not do anything, and goes on to answer.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    async fn suspend(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Opens the database again, as it is by now: the caller has to [`load`](Self::load) it. Without
    /// [`suspend`](Self::suspend) before, it changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Closed`], or what opening it can fail with, [`StoreError::InUse`] among it. It is suspended then as before.
    async fn resume(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Finishes what runs, closes the database and deletes everything that it kept, suspended or not. Returns the files that are gone,
    /// which is verified. If it is interrupted, the database is there as a whole, or whoever opens it next finishes the deletion first.
    ///
    /// # Errors
    /// [`StoreError::Closed`]; [`StoreError::InUse`], after which it is suspended as before;
    /// [`StoreError::CannotDelete`], after which it is closed.
    async fn delete(&self) -> Result<Vec<PathBuf>, StoreError> {
        self.close().await;
        Err(StoreError::CannotDelete(
            "this store does not know how to: delete what it keeps".to_owned(),
        ))
    }

    /// Finishes what runs and releases every handle. Later calls fail with [`StoreError::Closed`].
    async fn close(&self);
}

/// What is read of a [`Store`], to be shown. A read sees whole deltas only.
///
/// What depends on others is read with what holds of them ([`People`]): nothing of those who are denied or muted counts as unread,
/// and what was decided of nothing else is as whoever brought the account in. A store knows no clock, and says nothing of what waits.
#[async_trait]
pub trait StoreReader: AccountReader {
    /// Reads the channels that a query wants, in its order: at most `limit`, after the place of the cursor if there is one.
    ///
    /// What the query is about are the channels of which [`channel`](Self::channel) reads a row, those that the account has
    /// left among them. The newest message of a channel is the one with the greatest `seq`; its time is the one at which
    /// the server accepted it, as no other number is common to all channels. [`Query::channel_list`] is the usual list.
    ///
    /// # Errors
    /// [`StoreError::Query`] when it is not a query of channels, or the cursor is of another query.
    async fn channels(
        &self,
        query: &Query,
        after: Option<&PageCursor>,
        limit: usize,
        people: &People,
    ) -> Result<Vec<ChannelSummary>, StoreError>;

    /// Reads one channel's row of the list, whether the account is in it or not. Nothing if neither the channel's own
    /// row nor the own membership is on the device.
    async fn channel(&self, cid: &ChannelId, people: &People) -> Result<Option<ChannelSummary>, StoreError>;

    /// Reads the members of a channel, gone ones included, by user id.
    async fn members(&self, cid: &ChannelId) -> Result<Vec<Member>, StoreError>;

    /// Reads the read positions in a channel, or in the thread of a message in it, by user id.
    async fn reads(&self, cid: &ChannelId, thread: Option<MessageId>) -> Result<Vec<Read>, StoreError>;

    /// Reads what has reached whom in a channel, by user id.
    async fn delivered(&self, cid: &ChannelId) -> Result<Vec<Delivered>, StoreError>;

    /// Reads the threads that the account follows in channels that it is in, the one with the newest reply first: at most
    /// `limit`, those after `after` if it is given. The message that began a thread has to be on the device.
    async fn threads(
        &self,
        after: Option<ThreadPlace>,
        limit: usize,
        people: &People,
    ) -> Result<Vec<FollowedThread>, StoreError>;

    /// Reads one thread, followed or not. Nothing if the message that began it is not on the device, or is of a history that
    /// the server no longer has.
    async fn thread(&self, parent: MessageId, people: &People) -> Result<Option<FollowedThread>, StoreError>;

    /// Reads the pinned messages of a channel, those whose pin has ended among them: the last pinned first.
    async fn pinned(&self, cid: &ChannelId) -> Result<Vec<Message>, StoreError>;

    /// Reads a window of messages; the reactions by (message, user, type).
    async fn messages(&self, query: &MessageQuery) -> Result<MessagePage, StoreError>;

    /// Reads one message, wherever it stands; with `ver` 0 if it is of a history that the server no longer has.
    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError>;

    /// Finds messages by their text, newest first by the time at which the server accepted them: at most
    /// [`limits::SEARCH_HITS`](whimbrel_query::limits::SEARCH_HITS).
    ///
    /// Found is what [`SearchQuery::matches`] says, in channels that the account is in. Deleted messages are not, nor those of
    /// a history that the server no longer has, or of channels that the account has left. The page says how many messages
    /// were not looked at; a store that has an index keeps that short. Pages of one search have every message once that was
    /// there all the time.
    ///
    /// # Errors
    /// [`StoreError::Query`] if [`SearchQuery::after`] is not from a page of this store.
    async fn search(&self, query: &SearchQuery) -> Result<SearchPage, StoreError>;

    /// Reads the profiles that are known of `users`, each once, by id.
    async fn users(&self, users: &[UserId]) -> Result<Vec<User>, StoreError>;
}

/// What is read of the account itself. A read sees whole deltas only.
#[async_trait]
pub trait AccountReader: Debug + Send + Sync + 'static {
    /// Reads the account's drafts, of all its devices, those that are empty left out: the one that changed last first.
    async fn drafts(&self) -> Result<Vec<Draft>, StoreError>;

    /// Reads the account's settings, contacts, devices and what they ask of one another, by key. Those of a history that the
    /// server no longer has are not among them.
    async fn account_rows(&self) -> Result<Vec<AccountRow>, StoreError>;

    /// Reads the bytes of a transfer that were put as beginning at `offset`. Nothing if none were, or it is over.
    async fn transfer_part(&self, request: Uuid, offset: u64) -> Result<Option<Vec<u8>>, StoreError>;
}
