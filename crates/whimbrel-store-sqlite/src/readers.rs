use crate::{error, health::Health};
use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection,
    query::Query,
    sqlite::{Sqlite, SqliteArguments, SqliteConnectOptions, SqliteRow},
};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::Semaphore;
use whimbrel_store::StoreError;

/// Reading connections: as many reads as a screen makes at once.
const READERS: u32 = 4;

/// The read-only connections: opened when needed, and kept.
///
/// Not sqlx's pool: that one hands a connection back in a task of its own, with a question to the connection, which
/// doubles the time of a small read. A connection whose read fails or is dropped half-way is dropped with it, so one
/// that is kept has nothing left over.
#[derive(Debug)]
pub(crate) struct Readers {
    path: Arc<PathBuf>,
    options: SqliteConnectOptions,
    permits: Semaphore,
    health: Arc<Health>,
    /// Each with the file that it is connected to.
    idle: Mutex<Vec<(u64, SqliteConnection)>>,
}

impl Readers {
    pub(crate) fn new(path: Arc<PathBuf>, options: SqliteConnectOptions, health: Arc<Health>) -> Self {
        Self {
            path,
            options,
            permits: Semaphore::new(READERS as usize),
            health,
            idle: Mutex::default(),
        }
    }

    /// Runs one statement. `doing` says what for, in an error.
    pub(crate) async fn rows(
        &self,
        doing: &str,
        query: Query<'static, Sqlite, SqliteArguments>,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let _permit = self.permits.acquire().await.map_err(|_| StoreError::Closed)?;
        let failed = |error| error::engine(&self.path, doing, &error);
        let file = self.health.generation();
        let kept = self.idle().pop();
        let mut connection = match kept {
            Some((of, connection)) if of == file => connection,
            _ => self.options.connect().await.map_err(failed)?,
        };
        let rows = query.fetch_all(&mut connection).await.map_err(failed)?;
        self.idle().push((file, connection));
        Ok(rows)
    }

    /// Waits for the reads that run, refuses later ones, and closes the connections.
    pub(crate) async fn close(&self) {
        // The queue for permits is fair: reads that come later wait behind this and are refused.
        let Ok(_all) = self.permits.acquire_many(READERS).await else {
            return;
        };
        self.permits.close();
        let connections = std::mem::take(&mut *self.idle());
        for (_, connection) in connections {
            if let Err(error) = connection.close().await {
                tracing::warn!(%error, "a reading connection was not closed cleanly; nothing is lost");
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(u64, SqliteConnection)>> {
        // Only pushed to and popped from under the lock, so it is whole even if a thread panicked.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
