use crate::{error, health::Health};
use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection,
    query::Query,
    sqlite::{Sqlite, SqliteArguments, SqliteConnectOptions, SqliteRow},
};
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use whimbrel_store::StoreError;

/// Reading connections: as many reads as a screen makes at once.
const READERS: u32 = 4;

/// The read-only connections: opened when needed, and kept.
///
/// Not sqlx's pool: that one hands a connection back in a task of its own, with a question to the connection, which
/// doubles the time of a small read. A connection whose read fails or is dropped half-way is closed with the next one, so one
/// that is kept has nothing left over.
#[derive(Debug)]
pub(crate) struct Readers {
    path: Arc<PathBuf>,
    options: SqliteConnectOptions,
    permits: Semaphore,
    health: Arc<Health>,
    connections: Arc<Mutex<Connections>>,
    /// What connects and disconnects: tasks, so that a connection whose read is dropped meanwhile is known of.
    connecting: TaskTracker,
    is_suspended: AtomicBool,
}

#[derive(Debug, Default)]
struct Connections {
    /// Each with the file that it is connected to.
    idle: Vec<(u64, SqliteConnection)>,
    /// Those that are of no use any more, and may still be at work.
    left: Vec<SqliteConnection>,
}

/// A connection while something is read, which may be given up.
struct Borrowed<'a> {
    readers: &'a Readers,
    connection: Option<SqliteConnection>,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.readers.connections().left.push(connection);
        }
    }
}

impl Readers {
    pub(crate) fn new(path: Arc<PathBuf>, options: SqliteConnectOptions, health: Arc<Health>) -> Self {
        Self {
            path,
            options,
            permits: Semaphore::new(READERS as usize),
            health,
            connections: Arc::default(),
            connecting: TaskTracker::new(),
            is_suspended: AtomicBool::new(false),
        }
    }

    /// Runs one statement. `doing` says what for, in an error.
    pub(crate) async fn rows(
        &self,
        doing: &str,
        query: Query<'static, Sqlite, SqliteArguments>,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let _permit = self.permits.acquire().await.map_err(|_| StoreError::Closed)?;
        if self.is_suspended.load(Ordering::Acquire) {
            return Err(StoreError::Suspended);
        }
        let failed = |error| error::engine(&self.path, doing, &error);
        let file = self.health.generation();
        let connection = loop {
            if let Some(connection) = self.idle(file) {
                break connection;
            }
            self.connect(file).await.map_err(failed)?;
        };
        let mut borrowed = Borrowed {
            readers: self,
            connection: Some(connection),
        };
        let Some(connection) = &mut borrowed.connection else {
            return Err(StoreError::Closed);
        };
        let rows = query.fetch_all(connection).await.map_err(failed)?;
        let connection = borrowed.connection.take();
        self.connections()
            .idle
            .extend(connection.map(|connection| (file, connection)));
        Ok(rows)
    }

    /// Takes a connection to that file which is idle. Those to the one before it are left.
    fn idle(&self, file: u64) -> Option<SqliteConnection> {
        let mut connections = self.connections();
        let mut left = std::mem::take(&mut connections.left);
        let found = loop {
            match connections.idle.pop() {
                Some((of, connection)) if of == file => break Some(connection),
                Some((_, connection)) => left.push(connection),
                None => break None,
            }
        };
        drop(connections);
        if !left.is_empty() {
            self.connecting.spawn(close(left));
        }
        found
    }

    /// Makes one more idle connection.
    async fn connect(&self, file: u64) -> Result<(), sqlx::Error> {
        let (options, connections) = (self.options.clone(), Arc::clone(&self.connections));
        let connecting = self.connecting.spawn(async move {
            let connection = options.connect().await?;
            lock(&connections).idle.push((file, connection));
            Ok(())
        });
        connecting.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }

    /// Waits for the reads that run, refuses later ones until [`resume`](Self::resume), and closes the connections.
    pub(crate) async fn suspend(&self) -> Result<(), StoreError> {
        self.is_suspended.store(true, Ordering::Release);
        // The queue for permits is fair: reads that come later wait behind this and are refused.
        let all = self.permits.acquire_many(READERS).await;
        let _all = all.map_err(|_| StoreError::Closed)?;
        self.disconnect().await;
        Ok(())
    }

    pub(crate) fn resume(&self) {
        self.is_suspended.store(false, Ordering::Release);
    }

    /// Waits for the reads that run, refuses later ones, and closes the connections.
    pub(crate) async fn close(&self) {
        let Ok(_all) = self.permits.acquire_many(READERS).await else {
            return;
        };
        self.permits.close();
        self.disconnect().await;
    }

    /// Closes the connections, while nothing is read.
    async fn disconnect(&self) {
        self.connecting.close();
        self.connecting.wait().await;
        self.connecting.reopen();
        let Connections { idle, left } = std::mem::take(&mut *self.connections());
        close(idle.into_iter().map(|(_, connection)| connection).chain(left)).await;
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        lock(&self.connections)
    }
}

async fn close(connections: impl IntoIterator<Item = SqliteConnection>) {
    for connection in connections {
        if let Err(error) = connection.close().await {
            tracing::warn!(%error, "a reading connection was not closed cleanly; nothing is lost");
        }
    }
}

fn lock(connections: &Mutex<Connections>) -> MutexGuard<'_, Connections> {
    // Only pushed to and popped from under the lock, so it is whole even if a thread panicked.
    connections.lock().unwrap_or_else(PoisonError::into_inner)
}
