//! The hub's storage on one SQLite file.
//!
//! ## Invariants
//!
//! - One connection writes, and one process: the lock file beside the database says so.
//! - When a write returns, it survives power loss: `synchronous = FULL`.
//! - A call that is dropped has written nothing, or runs to its end in a task of the storage.
//! - A user reads nothing without the check, in the same snapshot, that the user may.
//! - Every statement that depends on what is asked runs on an index.
//! - The index of the messages' text is behind the commits, never ahead, and a search says what it has not looked at.

mod ask;
mod derived;
mod devices;
mod error;
mod hot;
mod indexing;
mod open;
mod parcels;
mod presence;
mod reader;
mod stored;
mod writer;

pub use error::OpenError;
pub use reader::{Dump, SqliteReader};

use async_trait::async_trait;
use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::{Mutex, Notify, OwnedMutexGuard};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use whimbrel_hub::{Decide, Keys, Storage, StorageError};
use whimbrel_model::{ChannelId, Cursor, Epoch, HistoryFrom, StreamId, Timestamp, UserId};
use whimbrel_protocol::{Answer, HeadsPage, HistoryPage, Page, Question};
use writer::Writer;

/// The server's database on one SQLite file.
#[derive(Debug)]
pub struct SqliteStorage {
    reader: SqliteReader,
    /// Absent once closed.
    writer: Arc<Mutex<Option<Writer>>>,
    /// Commits on their way, so that a dropped caller does not stop one.
    tasks: TaskTracker,
    /// The activity of the last commit.
    activity: Arc<AtomicU64>,
    /// Tells the index of the messages' text of each commit.
    committed: Arc<Notify>,
    closing: CancellationToken,
    _stop: DropGuard,
}

impl SqliteStorage {
    /// Opens the database at `path`, and makes it if it is not there, readable by its owner only.
    ///
    /// # Errors
    /// [`OpenError`]: the file is not ours, too new, in use by another server, or cannot be written. It was not
    /// changed then.
    ///
    /// Cancellation: it is opened to the end, and released.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref().to_owned();
        // In a task: whoever gives up does not free the lock while SQLite is still at work on the schema.
        let opening = TaskTracker::new().spawn(Self::open_to_the_end(path.clone()));
        opening.await.unwrap_or_else(|error| {
            let error = io::Error::other(error);
            Err(OpenError::Io { path, error })
        })
    }

    async fn open_to_the_end(path: PathBuf) -> Result<Self, OpenError> {
        let (connection, lock) = open::writer(&path).await?;
        let activity = Arc::new(AtomicU64::new(0));
        let writer = Writer::new(connection, lock, activity.clone())
            .await
            .map_err(open::sqlite_error(&path))?;
        let reader = SqliteReader::open(&path).await?;
        let writer = Arc::new(Mutex::new(Some(writer)));
        let tasks = TaskTracker::new();
        let committed = Arc::new(Notify::new());
        let closing = CancellationToken::new();
        let indexing = indexing::run(Arc::downgrade(&writer), committed.clone(), closing.clone());
        tasks.spawn(indexing);
        Ok(Self {
            reader,
            writer,
            tasks,
            activity,
            committed,
            _stop: closing.clone().drop_guard(),
            closing,
        })
    }

    /// Opens an existing database for reading only, also while a server uses it.
    ///
    /// # Errors
    /// [`OpenError`] when there is none, or it cannot be read.
    pub async fn open_read_only(path: impl AsRef<Path>) -> Result<SqliteReader, OpenError> {
        SqliteReader::open(path.as_ref()).await
    }

    /// Checks that the database answers.
    ///
    /// # Errors
    /// [`StorageError`] when it does not.
    pub async fn ping(&self) -> Result<(), StorageError> {
        self.reader.ping().await
    }

    async fn lock(&self) -> OwnedMutexGuard<Option<Writer>> {
        self.writer.clone().lock_owned().await
    }

    /// Runs `work` to its end, even when this call is dropped.
    async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StorageError>> + Send + 'static,
    ) -> Result<T, StorageError> {
        let task = self.tasks.spawn(work);
        task.await
            .unwrap_or_else(|error| Err(StorageError::Unavailable(error.to_string())))
    }
}

#[async_trait]
impl Storage for SqliteStorage {
    fn epoch(&self) -> Epoch {
        self.reader.epoch()
    }

    async fn transact(&self, keys: &Keys, decide: &mut Decide<'_>) -> Result<(), StorageError> {
        let mut guard = self.lock().await;
        let writer = guard.as_mut().ok_or(StorageError::Closed)?;
        let batch = writer.read(keys, decide).await?;
        self.to_the_end(async move {
            let writer = guard.as_mut().ok_or(StorageError::Closed)?;
            writer.commit(batch).await
        })
        .await?;
        self.committed.notify_one();
        Ok(())
    }

    async fn heads(
        &self,
        user: &UserId,
        token: Option<&str>,
        limit: usize,
    ) -> Result<HeadsPage, StorageError> {
        let activity = self.activity.load(Ordering::Acquire);
        self.reader.heads(user, activity, token, limit).await
    }

    async fn page(
        &self,
        user: &UserId,
        stream: &StreamId,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        self.reader.page(user, stream, cursor, limit).await
    }

    async fn history(
        &self,
        user: &UserId,
        cid: &ChannelId,
        from: HistoryFrom,
        limit: usize,
    ) -> Result<HistoryPage, StorageError> {
        self.reader.history(user, cid, from, limit).await
    }

    async fn ask(&self, user: &UserId, question: &Question, now: Timestamp) -> Result<Answer, StorageError> {
        self.reader.ask(user, question, now).await
    }

    async fn members(&self, cid: &ChannelId) -> Result<Vec<UserId>, StorageError> {
        self.reader.members(cid).await
    }

    async fn prune_results(&self, before: Timestamp) -> Result<u64, StorageError> {
        let mut total = 0;
        loop {
            // The lock is given back after each bite: operations go between.
            let mut guard = self.lock().await;
            let (deleted, more) = self
                .to_the_end(async move {
                    let writer = guard.as_mut().ok_or(StorageError::Closed)?;
                    writer.prune(before).await
                })
                .await?;
            total += deleted;
            if !more {
                return Ok(total);
            }
        }
    }

    async fn close(&self) {
        self.closing.cancel();
        let writer = self.lock().await.take();
        self.tasks.close();
        self.tasks.wait().await;
        self.reader.close().await;
        if let Some(writer) = writer
            && let Err(error) = writer.close().await
        {
            tracing::warn!(%error, "the database did not close cleanly; it recovers when it is opened");
        }
    }
}
