use crate::{
    database::Database, files, health::Health, journal::Journal, load::Part, opening, opening::Opened,
    readers::Readers, writer::Writer,
};
use async_trait::async_trait;
use sqlx::SqliteConnection;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio_util::task::TaskTracker;
use uuid::Uuid;
use whimbrel_model::{
    AccountRow, ChannelId, ChannelSummary, Delivered, Delta, Draft, FollowedThread, Loaded, Member, Message,
    MessageId, MessagePage, MessageQuery, People, Read, ThreadPlace, User, UserId,
};
use whimbrel_store::{
    AccountReader, PageCursor, Query, Recovery, SearchPage, SearchQuery, Store, StoreError, StoreReader,
};

/// One account's database in one SQLite file.
///
/// Needs a running Tokio runtime, with time enabled. Dropping the last handle releases the file too, but a moment later: to open it
/// again, [`close`](Store::close) it first.
#[derive(Debug)]
pub struct SqliteStore {
    path: Arc<PathBuf>,
    writer: Writer,
    readers: Readers,
    health: Arc<Health>,
    read_only: bool,
}

impl SqliteStore {
    /// Opens the database at `path`, and makes it and its directory if they are missing, readable by the own user
    /// only. Brings an older schema up to date before it returns.
    ///
    /// If it was one of ours and is damaged, its file is set aside and a new one is made with its account and outbox:
    /// see [`recovery`](Store::recovery). To delete a database, [`delete`](Store::delete) it: it is several files. One whose deletion
    /// was interrupted is deleted to the end, and a new one is made.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another store, in this process or another, has it open;
    /// [`StoreError::NewerSchema`] and [`StoreError::CannotOpen`], after which the file is as it was.
    ///
    /// Cancellation: it is opened to the end, and released.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = files::absolute(path.as_ref())?;
        // In a task: whoever gives up does not free the lock while SQLite is still at work on the schema.
        let opening = TaskTracker::new().spawn(Self::open_to_the_end(path));
        opening
            .await
            .unwrap_or_else(|error| Err(StoreError::Engine(error.to_string())))
    }

    async fn open_to_the_end(path: PathBuf) -> Result<Self, StoreError> {
        let lock = files::prepare(&path)?;
        let Opened {
            connection,
            journal,
            recovery,
        } = opening::open(&path).await?;
        Ok(Self::start(path, connection, recovery, Some((lock, journal))))
    }

    /// Opens the database at `path` to look at it, also while another store has it open for writing. Sees what is
    /// committed at each call; [`apply`](Store::apply) fails with [`StoreError::ReadOnly`].
    ///
    /// # Errors
    /// [`StoreError::CannotOpen`] if there is no database of the current schema, [`StoreError::NewerSchema`].
    pub async fn open_read_only(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = files::absolute(path.as_ref())?;
        let connection = opening::open_read_only(&path).await?;
        Ok(Self::start(path, connection, None, None))
    }

    fn start(
        path: PathBuf,
        connection: SqliteConnection,
        recovery: Option<Recovery>,
        own: Option<(files::Lock, Journal)>,
    ) -> Self {
        let path = Arc::new(path);
        let health = Arc::new(Health::new(&path, own.is_some(), recovery));
        let readers = opening::options(&path).read_only(true);
        let read_only = own.is_none();
        let database = Database::new(Arc::clone(&path), Arc::clone(&health), connection, own);
        Self {
            readers: Readers::new(Arc::clone(&path), readers, Arc::clone(&health)),
            read_only,
            writer: Writer::start(database),
            health,
            path,
        }
    }

    /// Returns where the database is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        self.health.noticed(self.writer.load(Part::All).await)
    }

    async fn load_own(&self) -> Result<Loaded, StoreError> {
        self.health.noticed(self.writer.load(Part::Own).await)
    }

    async fn apply(&self, delta: &Delta) -> Result<(), StoreError> {
        if self.read_only {
            return Err(StoreError::ReadOnly {
                path: self.path.to_path_buf(),
            });
        }
        self.health.noticed(self.writer.apply(delta).await)
    }

    fn recovery(&self) -> Option<Recovery> {
        self.health.recovery()
    }

    async fn suspend(&self) -> Result<(), StoreError> {
        self.readers.suspend().await?;
        self.writer.suspend().await
    }

    async fn resume(&self) -> Result<(), StoreError> {
        self.writer.resume().await?;
        self.readers.resume();
        Ok(())
    }

    async fn delete(&self) -> Result<Vec<PathBuf>, StoreError> {
        if self.read_only {
            return Err(StoreError::ReadOnly {
                path: self.path.to_path_buf(),
            });
        }
        self.readers.suspend().await?;
        let deleted = self.writer.delete().await;
        if self.writer.is_closed() {
            self.readers.close().await;
        }
        deleted
    }

    async fn close(&self) {
        self.readers.close().await;
        // Last, so that the writer is the one that folds the log into the database file.
        self.writer.close().await;
    }
}

#[async_trait]
impl AccountReader for SqliteStore {
    async fn drafts(&self) -> Result<Vec<Draft>, StoreError> {
        self.health.noticed(self.readers.drafts().await)
    }

    async fn transfer_part(&self, request: Uuid, offset: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.health
            .noticed(self.readers.transfer_part(request, offset).await)
    }

    async fn account_rows(&self) -> Result<Vec<AccountRow>, StoreError> {
        self.health.noticed(self.readers.account_rows().await)
    }
}

#[async_trait]
impl StoreReader for SqliteStore {
    async fn channels(
        &self,
        query: &Query,
        after: Option<&PageCursor>,
        limit: usize,
        people: &People,
    ) -> Result<Vec<ChannelSummary>, StoreError> {
        self.health
            .noticed(self.readers.channels(query, after, limit, people).await)
    }

    async fn channel(&self, cid: &ChannelId, people: &People) -> Result<Option<ChannelSummary>, StoreError> {
        self.health.noticed(self.readers.channel(cid, people).await)
    }

    async fn members(&self, cid: &ChannelId) -> Result<Vec<Member>, StoreError> {
        self.health.noticed(self.readers.members(cid).await)
    }

    async fn reads(&self, cid: &ChannelId, thread: Option<MessageId>) -> Result<Vec<Read>, StoreError> {
        self.health.noticed(self.readers.reads(cid, thread).await)
    }

    async fn delivered(&self, cid: &ChannelId) -> Result<Vec<Delivered>, StoreError> {
        self.health.noticed(self.readers.delivered(cid).await)
    }

    async fn threads(
        &self,
        after: Option<ThreadPlace>,
        limit: usize,
        people: &People,
    ) -> Result<Vec<FollowedThread>, StoreError> {
        self.health
            .noticed(self.readers.threads(after, limit, people).await)
    }

    async fn thread(&self, parent: MessageId, people: &People) -> Result<Option<FollowedThread>, StoreError> {
        self.health.noticed(self.readers.thread(parent, people).await)
    }

    async fn pinned(&self, cid: &ChannelId) -> Result<Vec<Message>, StoreError> {
        self.health.noticed(self.readers.pinned(cid).await)
    }

    async fn messages(&self, query: &MessageQuery) -> Result<MessagePage, StoreError> {
        self.health.noticed(self.readers.messages(query).await)
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.health.noticed(self.readers.message(id).await)
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage, StoreError> {
        self.health.noticed(self.readers.search(query).await)
    }

    async fn users(&self, users: &[UserId]) -> Result<Vec<User>, StoreError> {
        self.health.noticed(self.readers.users(users).await)
    }
}
