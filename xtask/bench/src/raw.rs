//! Bare SQLite: the rows that the server writes, in its schema and with its settings, from prepared statements.

use crate::clock::Stopwatch;
use crate::figure::Result;
use crate::sample;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Arguments as _, AssertSqlSafe, Connection as _, SqliteConnection};
use std::path::Path;
use std::sync::Arc;
use whimbrel_hub::Storage as _;
use whimbrel_model::{Row, UserId};
use whimbrel_server::SqliteStorage;

/// A database of the server, written to without the server.
#[derive(Debug)]
pub(crate) struct RawSqlite {
    connection: SqliteConnection,
    script: Arc<str>,
    rows_per_commit: u64,
    channels: u64,
    author: UserId,
    written: u64,
}

impl RawSqlite {
    /// Creates the file as the server does, with its durability: WAL, `synchronous=FULL`.
    pub(crate) async fn create(path: &Path, rows_per_commit: u64, channels: u64) -> Result<Self> {
        SqliteStorage::open(path).await?.close().await;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(false)
            .pragma("temp_store", "MEMORY")
            .pragma("wal_autocheckpoint", crate::disk::LOG_FRAMES.to_string())
            .pragma("cache_size", "-65536");
        let connection = SqliteConnection::connect_with(&options).await?;
        let lines = |columns: &str, count: u64| vec![columns; count as usize].join(", ");
        let script = format!(
            "BEGIN IMMEDIATE;
             INSERT INTO streams (id, name, ver, seq, activity) VALUES {}
             ON CONFLICT (id) DO UPDATE SET ver = excluded.ver, seq = excluded.seq, activity = excluded.activity;
             INSERT INTO rows (stream, ver, seq, other, key, op, digest, body) VALUES {};
             COMMIT",
            lines("(?, ?, ?, ?, ?)", rows_per_commit.min(channels)),
            lines("(?, ?, ?, NULL, ?, ?, ?, ?)", rows_per_commit),
        );
        Ok(Self {
            connection,
            script: Arc::from(script),
            rows_per_commit,
            channels,
            author: sample::user(0)?,
            written: 0,
        })
    }

    /// Writes at least `rows` rows, spread over the channels, and returns how many a second.
    pub(crate) async fn rate(&mut self, rows: u64) -> Result<f64> {
        let commits = rows.div_ceil(self.rows_per_commit);
        let mut seconds = 0.0;
        for _ in 0..commits {
            let arguments = self.arguments()?;
            let watch = Stopwatch::start();
            let commit = sqlx::query_with(AssertSqlSafe(self.script.clone()), arguments);
            commit.execute(&mut self.connection).await?;
            seconds += watch.seconds();
        }
        Ok((commits * self.rows_per_commit) as f64 / seconds)
    }

    /// Makes the rows of the next commit, and the heads of their streams.
    fn arguments(&mut self) -> Result<SqliteArguments> {
        let numbers = self.written..self.written + self.rows_per_commit;
        self.written = numbers.end;
        let mut arguments = SqliteArguments::default();
        for number in numbers
            .clone()
            .rev()
            .take(self.channels.min(self.rows_per_commit) as usize)
        {
            let (channel, seq) = self.place(number)?;
            arguments.add(channel)?;
            arguments.add(format!("C:{}", sample::channel(number % self.channels)?))?;
            arguments.add(seq)?;
            arguments.add(seq)?;
            arguments.add(i64::try_from(number)?)?;
        }
        for number in numbers {
            let (channel, seq) = self.place(number)?;
            let cid = sample::channel(number % self.channels)?;
            let mut message = sample::message(&cid, &self.author, number + 1);
            message.seq = seq.unsigned_abs();
            let (key, op) = (
                format!("message {}", message.id),
                format!("{} {}", message.id, self.author),
            );
            arguments.add(channel)?;
            arguments.add(seq)?;
            arguments.add(seq)?;
            arguments.add(key)?;
            arguments.add(op)?;
            arguments.add([7_u8; 32].as_slice())?;
            arguments.add(serde_json::to_string(&Row::Message(message))?)?;
        }
        Ok(arguments)
    }

    /// Returns the stream and the sequence of the `number`th message.
    fn place(&self, number: u64) -> Result<(i64, i64)> {
        Ok((
            i64::try_from(number % self.channels + 1)?,
            i64::try_from(number / self.channels + 1)?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rows_are_written_in_commits() {
        let directory = tempfile::tempdir().unwrap();
        let mut raw = RawSqlite::create(&directory.path().join("raw.db"), 100, 7)
            .await
            .unwrap();
        assert!(raw.rate(250).await.unwrap() > 0.0);
        let (rows, heads): (i64, i64) =
            sqlx::query_as("SELECT (SELECT count(*) FROM rows), (SELECT sum(seq) FROM streams)")
                .fetch_one(&mut raw.connection)
                .await
                .unwrap();
        assert_eq!((rows, heads), (300, 300));
    }
}
