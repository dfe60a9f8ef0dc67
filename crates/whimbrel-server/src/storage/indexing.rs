//! The index of the messages' text, a step at a time behind the commits.

use super::{
    error::unusable,
    stored::{get, row},
    writer::Writer,
};
use sqlx::{SqliteConnection, sqlite::SqliteRow};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{
    sync::{Mutex, Notify},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use whimbrel_hub::StorageError;
use whimbrel_model::Row;
use whimbrel_query::indexed;

/// How long nothing is committed before the index goes on.
const QUIET: Duration = Duration::from_millis(20);

/// How long it stays behind where there is no quiet.
const AT_MOST: Duration = Duration::from_millis(250);

/// Rows of one step, and bytes of their texts: some milliseconds, for which a commit may have to wait.
const ROWS: i64 = 250;
const BYTES: usize = 64 * 1_024;

const CHANGED: &str =
    "SELECT u.id, r.body FROM unindexed u LEFT JOIN rows r ON r.id = u.id ORDER BY u.id LIMIT ?";

const NEW: &str = "SELECT id, iif(op IS NULL, NULL, body) FROM rows WHERE id > ? ORDER BY id LIMIT ?";

const WRITE: &str = "
DELETE FROM words WHERE rowid IN (SELECT value FROM json_each(?1));
INSERT OR REPLACE INTO words (rowid, text) SELECT value ->> 0, value ->> 1 FROM json_each(?2);
DELETE FROM unindexed WHERE id IN (SELECT value FROM json_each(?1));
UPDATE indexed SET upto = ?3";

/// Keeps the index behind the commits of which `committed` tells, until `closing`.
pub(super) async fn run(
    writer: Weak<Mutex<Option<Writer>>>,
    committed: Arc<Notify>,
    closing: CancellationToken,
) {
    let mut behind = true;
    loop {
        let turn = async {
            if !behind {
                committed.notified().await;
            }
            quiet(&committed).await;
        };
        tokio::select! {
            () = closing.cancelled() => return,
            () = turn => {}
        }
        let Some(writer) = writer.upgrade() else { return };
        let mut guard = writer.lock_owned().await;
        let Some(writer) = guard.as_mut() else { return };
        behind = writer.index().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "messages could not be indexed; the next commit tries again");
            false
        });
    }
}

async fn quiet(committed: &Notify) {
    let until_quiet = async { while timeout(QUIET, committed.notified()).await.is_ok() {} };
    // Then it is not quiet, and the index goes on all the same.
    drop(timeout(AT_MOST, until_quiet).await);
}

/// What one step changes.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// Rows that are as the index has them from now on, if they were not.
    changed: Vec<i64>,
    /// Rows with the text that the index gets of them, in ascending order.
    texts: Vec<(i64, String)>,
    /// The last row that it has from now on.
    upto: i64,
    bytes: usize,
}

impl Step {
    /// Reads what the next step has to do. Nothing: it has caught up.
    pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Option<Self>, StorageError> {
        let upto = sqlx::query_scalar("SELECT upto FROM indexed").fetch_one(&mut *connection);
        let mut step = Self {
            upto: upto.await.map_err(unusable)?,
            ..Self::default()
        };
        let changed = sqlx::query(CHANGED).bind(ROWS).fetch_all(&mut *connection);
        let new = step.upto;
        for line in &changed.await.map_err(unusable)? {
            if step.is_full() {
                break;
            }
            let id = step.take(line)?;
            step.changed.push(id);
        }
        let new = sqlx::query(NEW).bind(new).bind(ROWS).fetch_all(connection);
        let new = new.await.map_err(unusable)?;
        for line in &new {
            if step.is_full() {
                break;
            }
            step.upto = step.take(line)?;
        }
        step.texts.sort_unstable();
        Ok((!step.changed.is_empty() || !new.is_empty()).then_some(step))
    }

    /// Writes it. The caller has a transaction.
    pub(super) async fn write(self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let write = sqlx::query(WRITE)
            .bind(serde_json::json!(self.changed).to_string())
            .bind(serde_json::json!(self.texts).to_string())
            .bind(self.upto);
        write.execute(connection).await.map(drop)
    }

    const fn is_full(&self) -> bool {
        self.bytes > BYTES
    }

    /// Takes in what the index gets of a row, if anything. Returns its number.
    fn take(&mut self, line: &SqliteRow) -> Result<i64, StorageError> {
        let id = get(line, 0)?;
        // What cannot be read is not found. Whoever reads it is told.
        let body: Option<String> = get(line, 1)?;
        if let Some(Ok(Row::Message(message))) = body.as_deref().map(row)
            && let Some(text) = indexed(&message)
        {
            self.bytes += text.len();
            self.texts.push((id, text));
        }
        Ok(id)
    }
}
