use crate::{DeviceStorage, Keys, ParcelStorage, PresenceStorage, StorageError, WorkingSet};
use async_trait::async_trait;
use whimbrel_model::{ChannelId, Cursor, Epoch, HistoryFrom, StreamId, Timestamp, UserId};
use whimbrel_protocol::{Answer, HeadsPage, HistoryPage, Page, Question};

/// What the hub decides within a write transaction: a pure function from what was read to what is to be written.
///
/// It may run more than once when the transaction has to be repeated, each time on a fresh [`WorkingSet`]; the last
/// run counts.
pub type Decide<'a> = dyn FnMut(&mut WorkingSet) + Send + 'a;

/// The server's database.
///
/// Writes are set-based: one call reads everything a group of operations needs, lets the hub decide, and writes the
/// outcome, as one transaction. So a group costs a handful of statements and one commit, whatever its size.
#[async_trait]
pub trait Storage: DeviceStorage + ParcelStorage + PresenceStorage {
    /// Returns the history that this database holds. It never changes while the database is open.
    fn epoch(&self) -> Epoch;

    /// Reads `keys` into a [`WorkingSet::new`], with the streams locked against other writers, calls `decide`, and
    /// commits its [`WorkingSet::into_writes`].
    ///
    /// When it returns, the commit survives power loss. The hub calls it from its writer task only, one call at a
    /// time, and never drops the future midway.
    ///
    /// # Errors
    /// Nothing was written; or, when the commit itself failed, it is unknown whether it was.
    async fn transact(&self, keys: &Keys, decide: &mut Decide<'_>) -> Result<(), StorageError>;

    /// Reads which streams of `user` (the own one, and those of channels with an active membership) moved since
    /// `token`, most recent first, the user's own stream before all. See [`HeadsPlan`](crate::HeadsPlan).
    ///
    /// The page's `id` and `server_time` are the caller's to fill. A token that is not understood counts as absent.
    async fn heads(
        &self,
        user: &UserId,
        token: Option<&str>,
        limit: usize,
    ) -> Result<HeadsPage, StorageError>;

    /// Reads the next page of a stream for `user`, in one snapshot with the check that the user may see it. See
    /// [`PagePlan`](crate::PagePlan). The page's `id` is the caller's to fill.
    ///
    /// # Errors
    /// [`StorageError::Denied`] when the user may not.
    async fn page(
        &self,
        user: &UserId,
        stream: &StreamId,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, StorageError>;

    /// Reads up to `limit` messages at some place of a channel, in one snapshot with the check that the user may. See
    /// [`HistoryPlan`](crate::HistoryPlan). The page's `id` is the caller's to fill.
    ///
    /// # Errors
    /// [`StorageError::Denied`] when the user may not, or the message that names the place is not in the channel.
    async fn history(
        &self,
        user: &UserId,
        cid: &ChannelId,
        from: HistoryFrom,
        limit: usize,
    ) -> Result<HistoryPage, StorageError>;

    /// Finds what `user` asks for at `now`, in one snapshot with the check that the user may see it. The answer's `id` is the
    /// caller's to fill.
    ///
    /// # Errors
    /// [`StorageError::Denied`] when the user may not, [`StorageError::Refused`] for a question that cannot be answered as it
    /// is.
    async fn ask(&self, user: &UserId, question: &Question, now: Timestamp) -> Result<Answer, StorageError>;

    /// Reads the active members of a channel: who gets its events. Of a channel that does not exist: none.
    async fn members(&self, cid: &ChannelId) -> Result<Vec<UserId>, StorageError>;

    /// Forgets stored results that were decided before `before`, and returns how many. What rows record stays.
    async fn prune_results(&self, before: Timestamp) -> Result<u64, StorageError>;

    /// Finishes what runs and releases every handle. Later calls fail with [`StorageError::Closed`].
    async fn close(&self);
}
