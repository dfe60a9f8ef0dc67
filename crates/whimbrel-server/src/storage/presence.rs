//! Presence beside the streams: who may see whom, and when users were seen last.

use super::{
    SqliteStorage,
    error::unusable,
    reader::SqliteReader,
    stored::{get, opt_row, parse},
    writer::Writer,
};
use async_trait::async_trait;
use serde_json::json;
use sqlx::sqlite::SqliteRow;
use whimbrel_hub::{LastSeen, PresenceRecord, PresenceStorage, StorageError};
use whimbrel_model::{AccountRow, Contact, Row, Settings, Timestamp, UserId};

/// What is known of each of ?2, for ?1. Whether they share a channel takes a look for each channel of ?1, until one is found.
pub(super) const PRESENCE: &str = "
SELECT u.value,
  u.value = ?1 OR EXISTS (
    SELECT 1 FROM rows m CROSS JOIN rows t
    WHERE m.stream = (SELECT id FROM streams WHERE name = 'U:' || ?1) AND m.other IS NOT NULL
      AND t.stream = (SELECT id FROM streams WHERE name = 'U:' || u.value) AND t.other IS NOT NULL AND t.other = m.other),
  a.body, b.body, c.body, l.user, l.at, l.status, l.custom
FROM json_each(?2) u
LEFT JOIN rows a ON a.key = 'account ' || u.value || ' contact ' || ?1
LEFT JOIN rows b ON b.key = 'account ' || ?1 || ' contact ' || u.value
LEFT JOIN rows c ON c.key = 'account ' || u.value || ' settings'
LEFT JOIN last_seen l ON l.user = u.value
ORDER BY u.key";

const PUT: &str = "
INSERT INTO last_seen (user, at, status, custom)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)
WHERE true
ON CONFLICT (user) DO UPDATE SET at = excluded.at, status = excluded.status, custom = excluded.custom";

#[async_trait]
impl PresenceStorage for SqliteStorage {
    async fn presence(
        &self,
        watcher: &UserId,
        users: &[UserId],
    ) -> Result<Vec<PresenceRecord>, StorageError> {
        self.reader.presence(watcher, users).await
    }

    async fn put_last_seen(&self, seen: &[LastSeen]) -> Result<(), StorageError> {
        let line = |one: &LastSeen| json!([one.user, one.last_active, one.status, text(one)]);
        let lines = serde_json::Value::from(seen.iter().map(line).collect::<Vec<_>>()).to_string();
        let mut guard = self.lock().await;
        self.to_the_end(async move {
            let writer = guard.as_mut().ok_or(StorageError::Closed)?;
            writer.put_last_seen(lines).await
        })
        .await
    }
}

impl SqliteReader {
    async fn presence(
        &self,
        watcher: &UserId,
        users: &[UserId],
    ) -> Result<Vec<PresenceRecord>, StorageError> {
        let lines = sqlx::query(PRESENCE)
            .bind(watcher.as_str())
            .bind(json!(users).to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(unusable)?;
        lines.iter().map(record).collect()
    }
}

impl Writer {
    async fn put_last_seen(&mut self, lines: String) -> Result<(), StorageError> {
        self.roll_back().await;
        let put = sqlx::query(PUT).bind(lines);
        put.execute(&mut self.connection).await.map_err(unusable)?;
        Ok(())
    }
}

fn record(line: &SqliteRow) -> Result<PresenceRecord, StorageError> {
    Ok(PresenceRecord {
        user: parse(get(line, 0)?)?,
        is_shared: get(line, 1)?,
        contact: contact(opt_row(line, 2)?),
        own_contact: contact(opt_row(line, 3)?),
        settings: settings(opt_row(line, 4)?),
        seen: last_seen(line)?,
    })
}

fn last_seen(line: &SqliteRow) -> Result<Option<LastSeen>, StorageError> {
    let Some(user) = get::<Option<&str>>(line, 5)? else {
        return Ok(None);
    };
    let custom = serde_json::from_str(get(line, 8)?);
    Ok(Some(LastSeen {
        user: parse(user)?,
        last_active: get::<Option<i64>>(line, 6)?.map(Timestamp),
        status: get(line, 7)?,
        custom: custom.map_err(|error| StorageError::Corrupt(format!("data beside a presence: {error}")))?,
    }))
}

fn text(seen: &LastSeen) -> String {
    // Keys are texts, so it cannot fail.
    serde_json::to_string(&seen.custom).unwrap_or_else(|_| "{}".to_owned())
}

fn contact(row: Option<Row>) -> Option<Contact> {
    match row {
        Some(Row::Account(AccountRow::Contact(row))) => Some(row),
        _ => None,
    }
}

fn settings(row: Option<Row>) -> Option<Settings> {
    match row {
        Some(Row::Account(AccountRow::Settings(row))) => Some(row),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

    #[tokio::test]
    async fn every_table_is_read_by_an_index() {
        let mut database = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        for schema in [include_str!("schema.sql"), include_str!("presence.sql")] {
            sqlx::raw_sql(schema).execute(&mut database).await.unwrap();
        }
        let plan = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {PRESENCE}")))
            .fetch_all(&mut database)
            .await
            .unwrap();
        let plan: Vec<String> = plan.iter().map(|line| get(line, 3).unwrap()).collect();
        let scans: Vec<_> = plan.iter().filter(|step| step.starts_with("SCAN")).collect();
        assert_eq!(scans, ["SCAN u VIRTUAL TABLE INDEX 1:"], "{plan:#?}");
        let other = plan
            .iter()
            .any(|step| step.contains("t USING INDEX rows_other (stream=? AND other=?)"));
        let covering = plan
            .iter()
            .any(|step| step.contains("t USING COVERING INDEX rows_other (stream=? AND other=?)"));
        assert!(other || covering, "{plan:#?}");
    }
}
