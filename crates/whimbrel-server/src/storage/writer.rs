//! The one connection that writes.

use super::{
    derived::{Lines, Put, Value, derive},
    error::unusable,
    hot::Hot,
    indexing::Step,
    stored::{StoredRow, Wanted, collect, lines, signed, unsigned},
};
use sqlx::{Arguments, AssertSqlSafe, Connection, SqliteConnection, sqlite::SqliteArguments};
use std::{
    collections::BTreeMap,
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use whimbrel_hub::{Answer, Decide, Keys, Records, ResultRecord, StorageError, WorkingSet};
use whimbrel_model::{Head, MessageId, StreamId, Timestamp};

/// Reads everything in one statement. The first column tells the lines apart.
///
/// It needs no transaction with the writes that follow: only the one writer writes.
const READ: &str = "
SELECT 0, name, id, ver, seq, NULL FROM streams WHERE name IN (SELECT value FROM json_each(?1))
UNION ALL
SELECT 1, body, digest, op, NULL, NULL FROM rows WHERE key IN (SELECT value FROM json_each(?2))
UNION ALL
SELECT 1, body, digest, op, NULL, NULL FROM rows WHERE op IN (SELECT value FROM json_each(?3))
UNION ALL
SELECT 1, body, digest, op, NULL, NULL FROM rows WHERE key IN (
    SELECT 'message ' || (body ->> '$.message.parent') FROM rows WHERE key IN (SELECT value FROM json_each(?4)))
UNION ALL
SELECT 1, r.body, r.digest, r.op, NULL, NULL FROM json_each(?5) d
    JOIN rows r ON r.key >= d.value || ' ' AND r.key < d.value || '!'
UNION ALL
SELECT 2, key, digest, code, message, at FROM results WHERE key IN (SELECT value FROM json_each(?3))";

const PUT_STREAMS: Put = Put {
    head: "INSERT INTO streams (id, name, ver, seq, activity)",
    columns: 5,
    tail: "ON CONFLICT (id) DO UPDATE SET ver = excluded.ver, seq = excluded.seq, activity = excluded.activity;",
};

/// A failure ends the transaction, so SQLite keeps no copies of pages to undo this one statement.
const PUT_NEW: Put = Put {
    head: "INSERT OR ROLLBACK INTO rows (stream, ver, seq, other, key, op, digest, body)",
    columns: 8,
    tail: ";",
};

const PUT_ROWS: Put = Put {
    head: "INSERT INTO rows (stream, ver, seq, other, key, op, digest, body)",
    columns: 8,
    tail: "ON CONFLICT (key) DO UPDATE SET ver = excluded.ver, other = excluded.other, body = excluded.body;",
};

const PUT_RESULTS: Put = Put {
    head: "INSERT INTO results (key, digest, code, message, at)",
    columns: 5,
    tail: "ON CONFLICT (key) DO NOTHING;",
};

/// Lines in one statement. Statements come in a few sizes, so that each is prepared once; the rest is padded with
/// nulls.
const SIZES: [usize; 7] = [0, 1, 4, 16, 64, 128, 256];

/// Result rows deleted in one commit: a bite that does not hold up the operations behind it.
const PRUNE_ROWS: i64 = 500;

/// The connection, and what only a writer knows.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) connection: SqliteConnection,
    hot: Hot,
    /// Whether a transaction may have been left open by a call that was dropped or failed.
    pub(super) unfinished: bool,
    next_stream: i64,
    activity: u64,
    published: Arc<AtomicU64>,
    /// Held for as long as the connection.
    _lock: File,
}

/// A group's changes, ready to be written.
#[derive(Debug)]
pub(super) struct Batch {
    streams: Vec<(i64, StreamId, Head, u64)>,
    /// Messages that are not stored yet.
    new: Vec<(i64, Option<i64>, StoredRow)>,
    rows: Vec<(i64, Option<i64>, StoredRow)>,
    results: Vec<ResultRecord>,
    /// What questions ask of the rows.
    derived: Vec<Lines>,
    /// What is to be remembered of the rows once they are committed.
    hot: Records,
}

impl Writer {
    /// Takes over the connection. `published` is raised to the activity of each commit.
    pub(super) async fn new(
        mut connection: SqliteConnection,
        lock: File,
        published: Arc<AtomicU64>,
    ) -> Result<Self, sqlx::Error> {
        let (id, activity): (i64, i64) =
            sqlx::query_as("SELECT coalesce(max(id), 0), coalesce(max(activity), 0) FROM streams")
                .fetch_one(&mut connection)
                .await?;
        published.store(unsigned(activity), Ordering::Release);
        Ok(Self {
            connection,
            hot: Hot::default(),
            unfinished: false,
            next_stream: id + 1,
            activity: unsigned(activity),
            published,
            _lock: lock,
        })
    }

    /// Reads `keys` and decides. Writes nothing.
    pub(super) async fn read(&mut self, keys: &Keys, decide: &mut Decide<'_>) -> Result<Batch, StorageError> {
        self.roll_back().await;
        self.hot.trim();
        let (mut records, missing) = self.hot.split(keys);
        let wanted = Wanted::of(&missing);
        let lines = sqlx::query(READ)
            .bind(wanted.streams)
            .bind(wanted.rows)
            .bind(wanted.ops)
            .bind(wanted.replies)
            .bind(wanted.devices)
            .fetch_all(&mut self.connection)
            .await
            .map_err(unusable)?;
        let mut read = Records::default();
        for line in &lines {
            if let Some(id) = collect(line, &mut read)?
                && let Some((stream, head)) = read.heads.last()
            {
                self.hot.put_stream(stream.clone(), id, *head);
            }
        }
        self.hot.put_rows(&read);
        records.append(read);
        let messages = records.messages.iter();
        let seqs = messages
            .map(|record| (record.message.id, record.message.seq))
            .collect();
        let mut set = WorkingSet::new(records);
        decide(&mut set);
        self.batch(set.into_writes(), seqs)
    }

    /// Writes and commits what [`Self::read`] made.
    pub(super) async fn commit(&mut self, batch: Batch) -> Result<(), StorageError> {
        // Until it is known to be committed, nothing is known of what it changes.
        let mut hot = std::mem::take(&mut self.hot);
        for (id, stream, head, _) in &batch.streams {
            hot.put_stream(stream.clone(), *id, *head);
        }
        hot.put_rows(&batch.hot);
        self.unfinished = true;
        let written = self.write(batch).await;
        match written {
            Ok(()) => {
                self.unfinished = false;
                self.hot = hot;
                self.published.store(self.activity, Ordering::Release);
                Ok(())
            }
            Err(error) => {
                self.roll_back().await;
                Err(unusable(error))
            }
        }
    }

    /// Deletes results that were decided before `before`: one bite. Returns how many, and whether there may be more.
    pub(super) async fn prune(&mut self, before: Timestamp) -> Result<(u64, bool), StorageError> {
        self.roll_back().await;
        let sql =
            "DELETE FROM results WHERE key IN (SELECT key FROM results WHERE at < ? ORDER BY at LIMIT ?)";
        let deleted = sqlx::query(sql)
            .bind(before.as_millis())
            .bind(PRUNE_ROWS)
            .execute(&mut self.connection)
            .await
            .map_err(unusable)?
            .rows_affected();
        Ok((deleted, deleted == PRUNE_ROWS.unsigned_abs()))
    }

    /// Closes the connection. The last one to close writes the log back into the file.
    pub(super) async fn close(mut self) -> Result<(), sqlx::Error> {
        self.roll_back().await;
        self.connection.close().await
    }

    /// Takes the index of the messages' text one step further. Returns whether there is more to do.
    pub(super) async fn index(&mut self) -> Result<bool, StorageError> {
        self.roll_back().await;
        let Some(step) = Step::read(&mut self.connection).await? else {
            return Ok(false);
        };
        self.unfinished = true;
        let mut transaction = self
            .connection
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(unusable)?;
        step.write(&mut transaction).await.map_err(unusable)?;
        transaction.commit().await.map_err(unusable)?;
        self.unfinished = false;
        Ok(true)
    }

    pub(super) async fn roll_back(&mut self) {
        if self.unfinished {
            // It fails when there is no transaction, which is what is wanted.
            let _ = sqlx::raw_sql("ROLLBACK").execute(&mut self.connection).await;
            self.unfinished = false;
        }
    }

    fn batch(&mut self, mut writes: Records, seqs: BTreeMap<MessageId, u64>) -> Result<Batch, StorageError> {
        let mut batch = Batch {
            streams: Vec::new(),
            new: Vec::new(),
            rows: Vec::new(),
            results: std::mem::take(&mut writes.results),
            derived: Vec::new(),
            hot: Records {
                channels: writes.channels.clone(),
                members: writes.members.clone(),
                memberships: writes.memberships.clone(),
                ..Records::default()
            },
        };
        let mut new = BTreeMap::new();
        for (stream, head) in writes.heads.drain(..) {
            self.activity += 1;
            let id = self.hot.id(&stream).unwrap_or_else(|| {
                self.next_stream += 1;
                new.insert(stream.clone(), self.next_stream - 1);
                self.next_stream - 1
            });
            batch.streams.push((id, stream, head, self.activity));
        }
        let find = |stream: &StreamId| {
            let missing = || StorageError::Unavailable(format!("a row of {stream} moved no head"));
            let id = self.hot.id(stream).or_else(|| new.get(stream).copied());
            id.ok_or_else(missing)
        };
        batch.derived = derive(&writes, |id| !seqs.contains_key(&id), find)?;
        for line in lines(&mut writes, seqs)? {
            let other = line.other.as_ref().map(find).transpose()?;
            let rows = if line.is_new {
                &mut batch.new
            } else {
                &mut batch.rows
            };
            rows.push((find(&line.stream)?, other, line));
        }
        Ok(batch)
    }

    async fn write(&mut self, mut batch: Batch) -> Result<(), sqlx::Error> {
        let largest = SIZES[SIZES.len() - 1];
        let mut streams = batch.streams.into_iter().peekable();
        let mut new = batch.new.into_iter().peekable();
        let mut rows = batch.rows.into_iter().peekable();
        let mut results = batch.results.into_iter().peekable();
        let mut begun = false;
        loop {
            let mut sql = String::from(if begun { "" } else { "BEGIN IMMEDIATE;" });
            begun = true;
            let mut arguments = SqliteArguments::default();
            put(
                &PUT_STREAMS,
                streams.by_ref().take(largest),
                &mut sql,
                &mut arguments,
                bind_stream,
            )?;
            put(
                &PUT_NEW,
                new.by_ref().take(largest),
                &mut sql,
                &mut arguments,
                bind_row,
            )?;
            put(
                &PUT_ROWS,
                rows.by_ref().take(largest),
                &mut sql,
                &mut arguments,
                bind_row,
            )?;
            put(
                &PUT_RESULTS,
                results.by_ref().take(largest),
                &mut sql,
                &mut arguments,
                bind_result,
            )?;
            for table in &mut batch.derived {
                let lines = table.lines.by_ref().take(largest);
                put(table.put, lines, &mut sql, &mut arguments, bind_values)?;
            }
            let last = batch.derived.iter_mut().all(|table| table.lines.peek().is_none())
                && streams.peek().is_none()
                && new.peek().is_none()
                && rows.peek().is_none()
                && results.peek().is_none();
            if last {
                sql.push_str("COMMIT");
            }
            sqlx::query_with(AssertSqlSafe(sql), arguments)
                .execute(&mut self.connection)
                .await?;
            if last {
                return Ok(());
            }
        }
    }
}

type Bound = Result<(), sqlx::error::BoxDynError>;

/// Appends one statement that puts `items`, and its arguments.
fn put<T>(
    put: &Put,
    items: impl Iterator<Item = T>,
    sql: &mut String,
    arguments: &mut SqliteArguments,
    bind: impl Fn(&mut SqliteArguments, T) -> Bound,
) -> Result<(), sqlx::Error> {
    let mut count = 0;
    for item in items {
        bind(arguments, item).map_err(sqlx::Error::Encode)?;
        count += 1;
    }
    let size = SIZES.into_iter().find(|size| *size >= count).unwrap_or(count);
    if size == 0 {
        return Ok(());
    }
    for _ in count * put.columns..size * put.columns {
        arguments.add(None::<i64>).map_err(sqlx::Error::Encode)?;
    }
    let line = format!("({})", vec!["?"; put.columns].join(","));
    let lines = vec![line.as_str(); size].join(",");
    sql.push_str(put.head);
    sql.push_str(" SELECT * FROM (VALUES ");
    sql.push_str(&lines);
    sql.push_str(") WHERE column1 IS NOT NULL ");
    sql.push_str(put.tail);
    Ok(())
}

fn bind_stream(arguments: &mut SqliteArguments, item: (i64, StreamId, Head, u64)) -> Bound {
    let (id, stream, head, activity) = item;
    arguments.add(id)?;
    arguments.add(stream.to_string())?;
    arguments.add(signed(head.ver))?;
    arguments.add(signed(head.seq))?;
    arguments.add(signed(activity))
}

fn bind_row(arguments: &mut SqliteArguments, item: (i64, Option<i64>, StoredRow)) -> Bound {
    let (stream, other, row) = item;
    arguments.add(stream)?;
    arguments.add(signed(row.ver))?;
    arguments.add(row.seq.map(signed))?;
    arguments.add(other)?;
    arguments.add(row.key)?;
    arguments.add(row.op)?;
    arguments.add(row.digest.map(Vec::from))?;
    arguments.add(row.body)
}

fn bind_values(arguments: &mut SqliteArguments, line: Vec<Value>) -> Bound {
    for value in line {
        match value {
            Value::Number(number) => arguments.add(number)?,
            Value::OptNumber(number) => arguments.add(number)?,
            Value::Text(text) => arguments.add(text)?,
            Value::OptText(text) => arguments.add(text)?,
        }
    }
    Ok(())
}

fn bind_result(arguments: &mut SqliteArguments, item: ResultRecord) -> Bound {
    let (code, message) = match item.answer {
        Answer::Accepted => (None, None),
        Answer::Rejected { code, message } => (Some(String::from(code)), Some(message)),
    };
    arguments.add(super::stored::op_text(&item.user, item.op))?;
    arguments.add(Vec::from(item.digest))?;
    arguments.add(code)?;
    arguments.add(message)?;
    arguments.add(item.at.as_millis())
}
