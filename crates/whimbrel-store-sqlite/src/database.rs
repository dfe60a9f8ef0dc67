use crate::{
    deleting, error, files,
    files::Lock,
    health::Health,
    indexing,
    journal::{Journal, Note},
    load::{self, Part},
    opening::{self, Opened},
};
use sqlx::{AssertSqlSafe, SqliteConnection, sqlite::SqliteArguments};
use std::{path::PathBuf, sync::Arc};
use whimbrel_model::Loaded;
use whimbrel_store::StoreError;

/// The connection that writes, with the outbox journal and the lock, as the writing task has them.
#[derive(Debug)]
pub(crate) struct Database {
    path: Arc<PathBuf>,
    health: Arc<Health>,
    /// Absent after a recovery that did not succeed yet, and while it is suspended.
    connection: Option<SqliteConnection>,
    /// Absent if it is someone else's database, and while it is suspended.
    journal: Option<Journal>,
    /// The same.
    lock: Option<Lock>,
    /// Whether it is not someone else's.
    is_own: bool,
    is_suspended: bool,
}

impl Database {
    pub(crate) fn new(
        path: Arc<PathBuf>,
        health: Arc<Health>,
        connection: SqliteConnection,
        own: Option<(Lock, Journal)>,
    ) -> Self {
        let is_own = own.is_some();
        let (lock, journal) = own.unzip();
        Self {
            path,
            health,
            connection: Some(connection),
            journal,
            lock,
            is_own,
            is_suspended: false,
        }
    }

    pub(crate) const fn is_own(&self) -> bool {
        self.is_own
    }

    /// Lets go of every file, until [`resume`](Self::resume).
    pub(crate) async fn suspend(&mut self) {
        self.release().await;
        self.is_suspended = true;
    }

    /// Opens it again if it is suspended.
    pub(crate) async fn resume(&mut self) -> Result<(), StoreError> {
        if !self.is_suspended {
            return Ok(());
        }
        if self.is_own {
            let lock = files::prepare(&self.path)?;
            let opened = opening::open(&self.path).await?;
            self.connection = Some(opened.connection);
            self.journal = Some(opened.journal);
            self.lock = Some(lock);
            self.health.reopened(opened.recovery);
        } else {
            self.connection = Some(opening::open_read_only(&self.path).await?);
            self.health.reopened(None);
        }
        self.is_suspended = false;
        Ok(())
    }

    /// Deletes it, with all its files, and lets go of it. Returns which.
    pub(crate) async fn delete(&mut self) -> Result<Vec<PathBuf>, StoreError> {
        if !self.is_own {
            return Err(StoreError::ReadOnly {
                path: self.path.to_path_buf(),
            });
        }
        if self.is_suspended {
            self.lock = Some(files::lock(&self.path)?);
        }
        let lock = self.lock.take();
        self.release().await;
        let path = Arc::clone(&self.path);
        let deleted = tokio::task::spawn_blocking(move || deleting::delete(&path)).await;
        drop(lock);
        deleted.unwrap_or_else(|error| Err(StoreError::CannotDelete(error.to_string())))
    }

    async fn release(&mut self) {
        if let Some(connection) = self.connection.take() {
            opening::close(connection).await;
        }
        self.journal = None;
        // Last: whoever gets it may write.
        self.lock = None;
    }

    /// Commits a transaction, and notes what it did to the outbox.
    pub(crate) async fn commit(
        &mut self,
        sql: String,
        args: SqliteArguments,
        note: Option<Note>,
    ) -> Result<(), StoreError> {
        let connection = match &mut self.connection {
            None if self.is_suspended => return Err(StoreError::Suspended),
            Some(connection) if !self.health.is_damaged() => connection,
            // What would be written now would be lost when it is recovered.
            _ => {
                let reason = "it was found damaged: load it, or open it again, to recover it";
                return Err(StoreError::Corrupt(reason.to_owned()));
            }
        };
        let outcome = sqlx::query_with(AssertSqlSafe(sql), args)
            .execute(&mut *connection)
            .await;
        if let Err(error) = outcome {
            // Fails if the engine has rolled back already, which is as good.
            drop(sqlx::query("ROLLBACK").execute(connection).await);
            if let Some(journal) = &mut self.journal {
                journal.lose_track();
            }
            return Err(error::writing(&self.path, "committing a delta", &error));
        }
        if let Some((note, journal)) = note.zip(self.journal.as_mut()) {
            journal.append(&note);
            if journal.wants_rewrite() {
                self.rewrite_journal().await;
            }
        }
        Ok(())
    }

    /// Takes the index of the messages' text one step further. Returns whether there is more to do; none when it fails, as
    /// searches say what they have not looked at.
    pub(crate) async fn index(&mut self) -> bool {
        let Some(connection) = self.connection.as_mut().filter(|_| !self.health.is_damaged()) else {
            return false;
        };
        indexing::step(connection, &self.path)
            .await
            .unwrap_or_else(|error| {
                tracing::warn!(%error, "messages could not be indexed; what is written next tries again");
                false
            })
    }

    /// Loads what the engine needs, or a part of it, from a new file if this one was found damaged.
    pub(crate) async fn load(&mut self, part: Part) -> Result<Loaded, StoreError> {
        if self.journal.is_some() && self.health.is_damaged() {
            if let Some(connection) = self.connection.take() {
                opening::close(connection).await;
            }
            let Opened {
                connection,
                journal,
                recovery,
            } = opening::open(&self.path).await?;
            self.connection = Some(connection);
            self.journal = Some(journal);
            self.health.recovered(recovery);
        }
        match &mut self.connection {
            Some(connection) => load::load(connection, &self.path, part).await,
            None if self.is_suspended => Err(StoreError::Suspended),
            None => Err(StoreError::Closed),
        }
    }

    /// Closes the connection. The last one to close folds the log into the file.
    pub(crate) async fn close(mut self) {
        self.release().await;
    }

    async fn rewrite_journal(&mut self) {
        let (Some(connection), Some(mut journal)) = (&mut self.connection, self.journal.take()) else {
            return;
        };
        journal.lose_track();
        self.journal = match load::own(connection, &self.path).await {
            Ok(own) => {
                let rewritten = tokio::task::spawn_blocking(move || {
                    journal.rewrite_or_warn(&own);
                    journal
                });
                rewritten.await.ok()
            }
            Err(error) => {
                // Said again, and acted on, by the next load.
                drop(self.health.noticed::<()>(Err(error)));
                Some(journal)
            }
        };
    }
}
