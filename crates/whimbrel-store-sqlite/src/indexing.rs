//! The index of the messages' text, a step at a time behind the writes.

use crate::{
    error,
    message::{self, COLUMNS},
    search::NUMBER,
};
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection, sqlite::SqliteRow};
use std::{path::Path, time::Duration};
use whimbrel_query::indexed;
use whimbrel_store::StoreError;

/// How long nothing has to be written before the index goes on. A burst, as after a time without a network, ends before it.
pub(crate) const QUIET: Duration = Duration::from_millis(250);

/// Between two steps: others want the disk and the processor too.
pub(crate) const PAUSE: Duration = Duration::from_millis(5);

/// How long it stays behind where there is no quiet.
pub(crate) const AT_MOST: Duration = Duration::from_secs(2);

/// Rows of one step, and bytes of their texts: some milliseconds, which a write may have to wait.
const ROWS: i64 = 250;
const BYTES: usize = 64 * 1024;

/// Takes the index one step further. Returns whether there is more to do.
pub(crate) async fn step(connection: &mut SqliteConnection, path: &Path) -> Result<bool, StoreError> {
    let failed = |error| error::engine(path, "indexing messages", &error);
    let step = read(connection).await.map_err(failed)?;
    let Some(step) = step else {
        return Ok(false);
    };
    let written = sqlx::query(
        "BEGIN IMMEDIATE; \
         DELETE FROM words WHERE rowid IN (SELECT value FROM json_each(?)); \
         INSERT OR REPLACE INTO words (rowid, text) SELECT value ->> 0, value ->> 1 FROM json_each(?); \
         DELETE FROM unindexed WHERE message IN (SELECT value FROM json_each(?)); \
         UPDATE indexed SET upto = ?; \
         COMMIT",
    )
    .bind(serde_json::json!(step.stale).to_string())
    .bind(serde_json::json!(step.texts).to_string())
    .bind(serde_json::json!(step.again).to_string())
    .bind(step.upto)
    .execute(&mut *connection)
    .await;
    if let Err(error) = written {
        // Fails if the engine has rolled back already, which is as good.
        drop(sqlx::query("ROLLBACK").execute(connection).await);
        return Err(failed(error));
    }
    Ok(true)
}

/// What one step changes.
#[derive(Debug, Default)]
struct Step {
    /// Numbers that leave the index.
    stale: Vec<i64>,
    /// Numbers with the text that they get, in ascending order: another one would make SQLite write out what it has gathered.
    texts: Vec<(i64, String)>,
    /// Rows of messages that are as the index has them from now on.
    again: Vec<i64>,
    /// The last row that the index has from now on.
    upto: i64,
}

async fn read(connection: &mut SqliteConnection) -> Result<Option<Step>, sqlx::Error> {
    let upto = sqlx::query_scalar("SELECT upto FROM indexed")
        .fetch_one(&mut *connection)
        .await?;
    let mut step = Step {
        upto,
        ..Step::default()
    };
    let mut bytes = 0;
    let sql = format!(
        "SELECT {COLUMNS}, {NUMBER}, u.message, u.number FROM (SELECT * FROM unindexed LIMIT ?) u \
         LEFT JOIN messages m ON m.rowid = u.message"
    );
    let changed = sqlx::query(AssertSqlSafe(sql))
        .bind(ROWS)
        .fetch_all(&mut *connection)
        .await?;
    for row in &changed {
        step.again.push(row.try_get(8)?);
        step.stale.push(row.try_get(9)?);
        bytes += step.take(row)?;
        if bytes > BYTES {
            break;
        }
    }
    let sql = format!(
        "SELECT {COLUMNS}, {NUMBER}, m.rowid FROM messages m WHERE m.rowid > ? ORDER BY m.rowid LIMIT ?"
    );
    let new = sqlx::query(AssertSqlSafe(sql))
        .bind(upto)
        .bind(ROWS)
        .fetch_all(connection)
        .await?;
    for row in &new {
        if bytes > BYTES {
            break;
        }
        bytes += step.take(row)?;
        step.upto = row.try_get(8)?;
    }
    step.texts.sort_unstable();
    Ok((!changed.is_empty() || !new.is_empty()).then_some(step))
}

impl Step {
    /// Takes in what the index gets of a row, if anything. Returns its bytes.
    fn take(&mut self, row: &SqliteRow) -> Result<usize, sqlx::Error> {
        let Some(number) = row.try_get::<Option<i64>, _>(7)? else {
            return Ok(0);
        };
        // What cannot be read is not found. Whoever reads it is told.
        let text = message::decode(row, 0).ok().flatten().as_ref().and_then(indexed);
        let bytes = text.as_ref().map_or(0, String::len);
        self.texts.extend(text.map(|text| (number, text)));
        Ok(bytes)
    }
}
