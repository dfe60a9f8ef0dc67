use crate::{error, files, readers::Readers, schema, writer::Writer};
use async_trait::async_trait;
use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio_util::task::TaskTracker;
use whimbrel_model::{
    ChannelId, ChannelSummary, Delta, Loaded, Member, Message, MessageId, MessagePage, MessageQuery, Read,
    User, UserId,
};
use whimbrel_store::{Store, StoreError};

/// How long to wait for a lock of SQLite: longer than any checkpoint, short enough that someone still waits for it.
const BUSY: Duration = Duration::from_secs(5);

/// The size to which the log of the database (`-wal`) is cut back after a burst.
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;

/// One account's database in one SQLite file.
///
/// Needs a running Tokio runtime. Dropping the last handle releases the file too, but a moment later: to open it
/// again, [`close`](Store::close) it first.
#[derive(Debug)]
pub struct SqliteStore {
    path: Arc<PathBuf>,
    writer: Writer,
    readers: Readers,
    read_only: bool,
}

impl SqliteStore {
    /// Opens the database at `path`, and makes it and its directory if they are missing, readable by the own user
    /// only. Brings an older schema up to date before it returns.
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
        let mut connection = connect(&path, &options(&path)).await?;
        let outcome = set_up(&mut connection, &path).await;
        if let Err(error) = outcome {
            // The first error is the one to tell.
            drop(connection.close().await);
            return Err(error);
        }
        Ok(Self::start(path, connection, Some(lock)))
    }

    /// Opens the database at `path` to look at it, also while another store has it open for writing. Sees what is
    /// committed at each call; [`apply`](Store::apply) fails with [`StoreError::ReadOnly`].
    ///
    /// # Errors
    /// [`StoreError::CannotOpen`] if there is no database of the current schema, [`StoreError::NewerSchema`].
    pub async fn open_read_only(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = files::absolute(path.as_ref())?;
        files::require_file(&path)?;
        let mut connection = connect(&path, &options(&path).read_only(true)).await?;
        let found = schema::check(&mut connection, &path).await?;
        if found < schema::VERSION {
            let reason = format!("it has schema {found}; open it for writing once to bring it up to date");
            return Err(error::cannot_open(&path, reason));
        }
        Ok(Self::start(path, connection, None))
    }

    fn start(path: PathBuf, connection: SqliteConnection, lock: Option<files::Lock>) -> Self {
        let path = Arc::new(path);
        let readers = options(&path).read_only(true);
        Self {
            readers: Readers::new(Arc::clone(&path), readers),
            read_only: lock.is_none(),
            writer: Writer::start(connection, Arc::clone(&path), lock),
            path,
        }
    }

    /// Returns where the database is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Checks the database, and only then touches it.
async fn set_up(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let found = schema::check(connection, path).await?;
    let wal = sqlx::query("PRAGMA journal_mode = WAL")
        .execute(&mut *connection)
        .await;
    wal.map_err(|error| error::open(path, &error))?;
    schema::migrate(connection, path, found).await
}

async fn connect(path: &Path, options: &SqliteConnectOptions) -> Result<SqliteConnection, StoreError> {
    options.connect().await.map_err(|error| error::open(path, &error))
}

/// The options of every connection. The journal mode is not among them: to set it writes to the file.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .pragma("temp_store", "MEMORY")
        .pragma("mmap_size", "0")
        .pragma("wal_autocheckpoint", "1000")
        .pragma("journal_size_limit", JOURNAL_BYTES.to_string())
        // On Apple systems a plain fsync does not reach the disk.
        .pragma("fullfsync", if cfg!(target_vendor = "apple") { "1" } else { "0" })
        .thread_name(|_| "whimbrel-sqlite".to_owned())
        .disable_statement_logging()
}

#[async_trait]
impl Store for SqliteStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        self.writer.load().await
    }

    async fn apply(&self, delta: &Delta) -> Result<(), StoreError> {
        if self.read_only {
            return Err(StoreError::ReadOnly {
                path: self.path.to_path_buf(),
            });
        }
        self.writer.apply(delta).await
    }

    async fn channels(&self, offset: usize, limit: usize) -> Result<Vec<ChannelSummary>, StoreError> {
        self.readers.channels(offset, limit).await
    }

    async fn channel(&self, cid: &ChannelId) -> Result<Option<ChannelSummary>, StoreError> {
        self.readers.channel(cid).await
    }

    async fn members(&self, cid: &ChannelId) -> Result<Vec<Member>, StoreError> {
        self.readers.members(cid).await
    }

    async fn reads(&self, cid: &ChannelId) -> Result<Vec<Read>, StoreError> {
        self.readers.reads(cid).await
    }

    async fn messages(&self, query: &MessageQuery) -> Result<MessagePage, StoreError> {
        self.readers.messages(query).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.readers.message(id).await
    }

    async fn users(&self, users: &[UserId]) -> Result<Vec<User>, StoreError> {
        self.readers.users(users).await
    }

    async fn close(&self) {
        self.readers.close().await;
        // Last, so that the writer is the one that folds the log into the database file.
        self.writer.close().await;
    }
}
