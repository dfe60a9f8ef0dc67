use crate::{
    error,
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

/// The connection that writes, with the outbox journal, as the writing task has them.
#[derive(Debug)]
pub(crate) struct Database {
    path: Arc<PathBuf>,
    health: Arc<Health>,
    /// Absent after a recovery that did not succeed yet.
    connection: Option<SqliteConnection>,
    /// Absent if it is someone else's database.
    journal: Option<Journal>,
}

impl Database {
    pub(crate) const fn new(
        path: Arc<PathBuf>,
        health: Arc<Health>,
        connection: SqliteConnection,
        journal: Option<Journal>,
    ) -> Self {
        Self {
            path,
            health,
            connection: Some(connection),
            journal,
        }
    }

    /// Commits a transaction, and notes what it did to the outbox.
    pub(crate) async fn commit(
        &mut self,
        sql: String,
        args: SqliteArguments,
        note: Option<Note>,
    ) -> Result<(), StoreError> {
        let connection = match &mut self.connection {
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
            None => Err(StoreError::Closed),
        }
    }

    /// Closes the connection. The last one to close folds the log into the file.
    pub(crate) async fn close(self) {
        if let Some(connection) = self.connection {
            opening::close(connection).await;
        }
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
