//! What the machine can do at best: bare SQLite, and the disk below it.

use crate::clock::Stopwatch;
use crate::figure::Result;
use crate::rounds::median;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// Bytes of a stored message: what a short one takes as JSON.
const BODY_BYTES: usize = 400;

/// A SQLite file that takes message-sized rows: a text id, a place in a channel with an index, a body.
#[derive(Debug)]
pub(crate) struct RawSqlite {
    connection: SqliteConnection,
    insert: Arc<str>,
    rows_per_commit: usize,
    channels: i64,
    written: i64,
}

impl RawSqlite {
    /// Creates the file, with the durability that a server has: WAL, `synchronous=FULL`.
    pub(crate) async fn create(path: &Path, rows_per_commit: usize, channels: i64) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        sqlx::raw_sql(
            "CREATE TABLE messages (id TEXT NOT NULL UNIQUE, channel INTEGER NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
             CREATE UNIQUE INDEX timeline ON messages (channel, seq);",
        )
        .execute(&mut connection)
        .await?;
        let values = vec!["(?, ?, ?, ?)"; rows_per_commit].join(", ");
        Ok(Self {
            connection,
            insert: Arc::from(format!(
                "INSERT INTO messages (id, channel, seq, body) VALUES {values}"
            )),
            rows_per_commit,
            channels,
            written: 0,
        })
    }

    /// Writes `commits` commits, spread over the channels, and returns the seconds of each.
    pub(crate) async fn write(&mut self, commits: usize) -> Result<Vec<f64>> {
        let body = "x".repeat(BODY_BYTES);
        let mut seconds = Vec::with_capacity(commits);
        for _ in 0..commits {
            let watch = Stopwatch::start();
            let mut insert = sqlx::query(AssertSqlSafe(self.insert.clone()));
            for _ in 0..self.rows_per_commit {
                let id = Uuid::from_u128(u128::from(self.written.unsigned_abs())).to_string();
                let (channel, seq) = (self.written % self.channels, self.written / self.channels);
                insert = insert.bind(id).bind(channel).bind(seq).bind(body.as_str());
                self.written += 1;
            }
            insert.execute(&mut self.connection).await?;
            seconds.push(watch.seconds());
        }
        Ok(seconds)
    }

    /// Writes at least `rows` rows and returns how many a second.
    pub(crate) async fn rate(&mut self, rows: usize) -> Result<f64> {
        let commits = rows.div_ceil(self.rows_per_commit);
        let seconds: f64 = self.write(commits).await?.iter().sum();
        Ok((commits * self.rows_per_commit) as f64 / seconds)
    }
}

/// A file that is written as a write-ahead log is: page after page, in space that it has already.
#[derive(Debug)]
pub(crate) struct Disk {
    file: File,
    page: u64,
}

impl Disk {
    const PAGE: [u8; 4096] = [7; 4096];
    /// Pages after which it begins again from the start: those of a log between two checkpoints.
    const PAGES: u64 = 1_000;

    /// Creates the file at its full length.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let mut file = File::create_new(path)?;
        for _ in 0..Self::PAGES {
            file.write_all(&Self::PAGE)?;
        }
        file.sync_all()?;
        Ok(Self { file, page: 0 })
    }

    /// Writes a page and waits for the disk, `times` times. Returns the median seconds.
    pub(crate) fn sync(&mut self, times: usize) -> Result<f64> {
        let mut seconds = Vec::with_capacity(times);
        for _ in 0..times {
            let place = SeekFrom::Start(self.page % Self::PAGES * Self::PAGE.len() as u64);
            self.file.seek(place)?;
            self.page += 1;
            let watch = Stopwatch::start();
            self.file.write_all(&Self::PAGE)?;
            self.file.sync_data()?;
            seconds.push(watch.seconds());
        }
        Ok(median(seconds))
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
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM messages")
            .fetch_one(&mut raw.connection)
            .await
            .unwrap();
        assert_eq!(rows, 300);
    }

    #[test]
    fn a_disk_keeps_its_length() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk");
        let mut disk = Disk::create(&path).unwrap();
        disk.page = Disk::PAGES - 1;
        assert!(disk.sync(3).unwrap() > 0.0);
        assert_eq!(std::fs::metadata(path).unwrap().len(), Disk::PAGES * 4096);
    }
}
