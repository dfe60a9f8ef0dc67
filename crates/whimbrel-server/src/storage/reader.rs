//! What is read beside the writer: each call in one snapshot.

use super::{
    error::{OpenError, unusable},
    open,
    stored::{get, head, key_text, parse, row, signed, unsigned},
};
use sqlx::{SqliteConnection, SqlitePool, sqlite::SqliteRow};
use std::path::Path;
use whimbrel_hub::{HeadsPlan, HistoryPlan, PagePlan, StorageError};
use whimbrel_model::{
    ChannelId, Cursor, Epoch, Head, HistoryFrom, Row, RowKey, StreamId, Timestamp, User, UserId, limits,
};
use whimbrel_protocol::{HeadsPage, HistoryPage, Page, StreamHead};

const HEAD: &str = "
SELECT s.id, coalesce(s.ver, 0), coalesce(s.seq, 0), (SELECT other IS NOT NULL FROM rows WHERE key = ?2)
FROM (SELECT 1) LEFT JOIN streams s ON s.name = ?1";

/// What [`HEAD`] and [`FEED`] say, in one statement, which is a snapshot by itself: the head on every line, and a line
/// without a body if no row follows. The rows are cut before they are joined: after that SQLite would sort all that follow.
const HEAD_AND_FEED: &str = "
SELECT s.id, coalesce(s.ver, 0), coalesce(s.seq, 0), (SELECT other IS NOT NULL FROM rows WHERE key = ?2), r.body
FROM (SELECT 1) LEFT JOIN streams s ON s.name = ?1
LEFT JOIN (SELECT body FROM rows INDEXED BY rows_feed
  WHERE stream = (SELECT id FROM streams WHERE name = ?1) AND ver > ?3 ORDER BY ver LIMIT ?4) r";

const FEED: &str = "SELECT body FROM rows WHERE stream = ?1 AND ver > ?2 ORDER BY ver LIMIT ?3";

/// The feed without messages before ?4 (and reactions to them) that did not change after ?5.
const FEED_OF_WINDOW: &str = "
SELECT body FROM (
  SELECT * FROM (SELECT ver, body FROM rows INDEXED BY rows_plain
    WHERE stream = ?1 AND ver > ?2 AND seq IS NULL ORDER BY ver LIMIT ?3)
  UNION ALL
  SELECT * FROM (SELECT ver, body FROM rows INDEXED BY rows_timeline
    WHERE stream = ?1 AND ver > ?2 AND seq >= ?4 ORDER BY ver LIMIT ?3)
  UNION ALL
  SELECT * FROM (SELECT ver, body FROM rows INDEXED BY rows_feed
    WHERE stream = ?1 AND ver > max(?2, ?5) AND seq < ?4 ORDER BY ver LIMIT ?3)
) ORDER BY ver LIMIT ?3";

const PROFILES: &str = "SELECT body FROM rows WHERE key IN (SELECT value FROM json_each(?))";

const TIMELINE: &str = "SELECT body FROM rows WHERE stream = ? AND seq BETWEEN ? AND ?";

/// The place of a message in its channel.
const PLACE: &str = "SELECT seq FROM rows WHERE stream = ?1 AND key = ?2";

/// When a message was accepted. Reactions to it stand at the same place.
const ACCEPTED_AT: &str = "
SELECT coalesce(json_extract(body, '$.message.accepted_at'), 0) FROM rows INDEXED BY rows_timeline
WHERE stream = ?1 AND seq = ?2 AND op IS NOT NULL";

/// The own stream, and the channels of the active memberships that moved in between, the latest first.
const HEADS: &str = "
SELECT name, ver, seq, activity FROM streams WHERE name = ?1
UNION ALL
SELECT * FROM (
  SELECT s.name, s.ver, s.seq, s.activity FROM rows r JOIN streams s ON s.id = r.other
  WHERE r.stream = (SELECT id FROM streams WHERE name = ?1) AND r.other IS NOT NULL
    AND s.activity > ?2 AND s.activity < ?3
  ORDER BY s.activity DESC LIMIT ?4)";

const MEMBERS: &str = "
SELECT u.name FROM rows r JOIN streams u ON u.id = r.other
WHERE r.stream = (SELECT id FROM streams WHERE name = ?) AND r.other IS NOT NULL";

/// Reads a database, of this process or of another one.
#[derive(Clone, Debug)]
pub struct SqliteReader {
    pub(super) pool: SqlitePool,
    /// For questions: one that takes long does not hold up the feeds.
    pub(super) questions: SqlitePool,
    epoch: Epoch,
}

/// Everything that a database holds, for comparing it with something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump {
    /// Which history it is.
    pub epoch: Epoch,
    /// The newest position of every stream, by stream.
    pub heads: Vec<(StreamId, Head)>,
    /// Every row, by stream and `ver`.
    pub rows: Vec<Row>,
}

/// A stream that the user may see.
pub(super) struct Opened {
    pub(super) id: Option<i64>,
    head: Head,
}

impl SqliteReader {
    /// Opens an existing database for reading.
    ///
    /// # Errors
    /// [`OpenError`] when there is none, or it cannot be read.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let pool = open::readers(path).await?;
        let questions = open::questions(path);
        let epoch: i64 = sqlx::query_scalar("SELECT epoch FROM meta")
            .fetch_one(&pool)
            .await
            .map_err(open::sqlite_error(path))?;
        Ok(Self {
            pool,
            questions,
            epoch: Epoch(unsigned(epoch)),
        })
    }

    /// Returns the history that this database holds.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Reads everything in one snapshot. It takes memory for all of it.
    ///
    /// # Errors
    /// [`StorageError`] when the database cannot be read.
    pub async fn dump(&self) -> Result<Dump, StorageError> {
        let mut snapshot = self.pool.begin().await.map_err(unusable)?;
        let heads = sqlx::query("SELECT name, ver, seq FROM streams ORDER BY name")
            .fetch_all(&mut *snapshot)
            .await
            .map_err(unusable)?;
        let rows = sqlx::query("SELECT body FROM rows ORDER BY stream, ver")
            .fetch_all(&mut *snapshot)
            .await
            .map_err(unusable)?;
        snapshot.rollback().await.map_err(unusable)?;
        let named = |line: &SqliteRow| Ok((parse(&get::<String>(line, 0)?)?, head(line, 1)?));
        Ok(Dump {
            epoch: self.epoch,
            heads: heads.iter().map(named).collect::<Result<_, StorageError>>()?,
            rows: bodies(&rows)?,
        })
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.questions.close().await;
        self.pool.close().await;
    }

    pub(super) const fn questions(&self) -> &SqlitePool {
        &self.questions
    }

    /// Answers whether the database can be read.
    pub(super) async fn ping(&self) -> Result<(), StorageError> {
        let read = sqlx::query("SELECT 1 FROM meta").fetch_one(&self.pool).await;
        read.map(drop).map_err(unusable)
    }

    pub(super) async fn page(
        &self,
        user: &UserId,
        stream: &StreamId,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        // Most pages go on from a cursor, and hold no members: those take one trip to the database instead of four.
        if let Some(cursor) = cursor.filter(|cursor| cursor.window.is_none())
            && let Some(page) = self.next_page(user, stream, cursor, limit).await?
        {
            return Ok(page);
        }
        let mut snapshot = self.pool.begin().await.map_err(unusable)?;
        let opened = open_stream(&mut snapshot, user, stream).await?;
        let plan = PagePlan::new(stream, self.epoch, opened.head, cursor, limit);
        let sql = if plan.window_lo() > 1 {
            FEED_OF_WINDOW
        } else {
            FEED
        };
        let mut rows = Vec::new();
        if opened.head.ver > plan.after() {
            let lines = sqlx::query(sql)
                .bind(opened.id)
                .bind(signed(plan.after()))
                .bind(signed(plan.fetch() as u64))
                .bind(signed(plan.window_lo()))
                .bind(signed(plan.window_ver()))
                .fetch_all(&mut *snapshot)
                .await
                .map_err(unusable)?;
            rows = bodies(&lines)?;
        }
        let profiles = profiles_of(&mut snapshot, &rows).await?;
        snapshot.rollback().await.map_err(unusable)?;
        Ok(plan.finish(rows, profiles))
    }

    /// Reads the page after a cursor in one statement. Nothing: it takes more than that.
    async fn next_page(
        &self,
        user: &UserId,
        stream: &StreamId,
        cursor: Cursor,
        limit: usize,
    ) -> Result<Option<Page>, StorageError> {
        let door = Door::new(user, stream)?;
        let lines = sqlx::query(HEAD_AND_FEED)
            .bind(stream.to_string())
            .bind(door.member.as_deref())
            .bind(signed(cursor.ver))
            .bind(signed(limit.clamp(1, limits::PAGE_ROWS) as u64 + 1))
            .fetch_all(&self.pool)
            .await
            .map_err(unusable)?;
        let Some(first) = lines.first() else {
            return Ok(None);
        };
        let opened = door.open(first)?;
        let plan = PagePlan::new(stream, self.epoch, opened.head, Some(cursor), limit);
        // It asks for more than what follows the cursor: the beginning, or what is in a window.
        if plan.after() != cursor.ver || plan.window_lo() > 1 {
            return Ok(None);
        }
        let bodies = lines.iter().map(|line| get::<Option<&str>>(line, 4));
        let rows = bodies.filter_map(Result::transpose).map(|body| row(body?));
        let rows: Vec<Row> = rows.collect::<Result<_, StorageError>>()?;
        let has_members = rows.iter().any(|row| matches!(row, Row::Member(_)));
        Ok((!has_members).then(|| plan.finish(rows, Vec::new())))
    }

    pub(super) async fn history(
        &self,
        user: &UserId,
        cid: &ChannelId,
        from: HistoryFrom,
        limit: usize,
    ) -> Result<HistoryPage, StorageError> {
        let mut snapshot = self.pool.begin().await.map_err(unusable)?;
        let opened = open_stream(&mut snapshot, user, &StreamId::Channel(cid.clone())).await?;
        let mut plan = HistoryPlan::new(cid, opened.head, from, limit);
        if let Some(id) = plan.message() {
            let line = sqlx::query(PLACE)
                .bind(opened.id)
                .bind(key_text(&RowKey::Message(id)))
                .fetch_optional(&mut *snapshot)
                .await
                .map_err(unusable)?;
            let seq = line.map(|line| get(&line, 0)).transpose()?;
            plan.found(seq.map(unsigned))?;
        }
        while let Some(seq) = plan.time() {
            let at: i64 = sqlx::query_scalar(ACCEPTED_AT)
                .bind(opened.id)
                .bind(signed(seq))
                .fetch_one(&mut *snapshot)
                .await
                .map_err(unusable)?;
            plan.accepted(Timestamp(at));
        }
        let lines = sqlx::query(TIMELINE)
            .bind(opened.id)
            .bind(signed(plan.lo()))
            .bind(signed(plan.hi()))
            .fetch_all(&mut *snapshot)
            .await
            .map_err(unusable)?;
        snapshot.rollback().await.map_err(unusable)?;
        let mut messages = Vec::new();
        let mut beside = Vec::new();
        for row in bodies(&lines)? {
            match row {
                Row::Message(row) => messages.push(row),
                row @ (Row::Reaction(_) | Row::Read(_)) => beside.push(row),
                other => return Err(StorageError::Corrupt(format!("{:?} in a timeline", other.key()))),
            }
        }
        Ok(plan.finish(messages, beside))
    }

    /// `activity` was read before this call, so the snapshot holds every move up to it.
    pub(super) async fn heads(
        &self,
        user: &UserId,
        activity: u64,
        token: Option<&str>,
        limit: usize,
    ) -> Result<HeadsPage, StorageError> {
        let plan = HeadsPlan::new(self.epoch, activity, token, limit);
        let stream = StreamId::User(user.clone());
        let lines = sqlx::query(HEADS)
            .bind(stream.to_string())
            .bind(signed(plan.since()))
            .bind(signed(plan.below()))
            .bind(signed(plan.fetch() as u64))
            .fetch_all(&self.pool)
            .await
            .map_err(unusable)?;
        let mut own = None;
        let mut channels = Vec::new();
        for line in &lines {
            let found = StreamHead {
                stream: parse(&get::<String>(line, 0)?)?,
                head: head(line, 1)?,
            };
            let activity = unsigned(get(line, 3)?);
            if found.stream == stream {
                own = Some((found, activity));
            } else {
                channels.push((found, activity));
            }
        }
        Ok(plan.finish(own, channels))
    }

    pub(super) async fn members(&self, cid: &ChannelId) -> Result<Vec<UserId>, StorageError> {
        let names: Vec<String> = sqlx::query_scalar(MEMBERS)
            .bind(StreamId::Channel(cid.clone()).to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(unusable)?;
        names
            .iter()
            .map(|name| match parse(name)? {
                StreamId::User(user) => Ok(user),
                StreamId::Channel(cid) => Err(StorageError::Corrupt(format!("{cid} as a member"))),
            })
            .collect()
    }
}

/// The check that a user may see a stream.
struct Door<'a> {
    stream: &'a StreamId,
    /// The key of the member row that lets the user in. Absent: no one else is let in.
    member: Option<String>,
}

impl<'a> Door<'a> {
    /// Refuses at once what no row can allow.
    fn new(user: &UserId, stream: &'a StreamId) -> Result<Self, StorageError> {
        let member = match stream {
            StreamId::User(owner) if owner == user => None,
            StreamId::User(_) => return Err(StorageError::forbidden(stream)),
            StreamId::Channel(cid) => Some(key_text(&RowKey::Member(cid.clone(), user.clone()))),
        };
        Ok(Self { stream, member })
    }

    /// Takes a line that begins as [`HEAD`] does.
    fn open(&self, line: &SqliteRow) -> Result<Opened, StorageError> {
        if let StreamId::Channel(cid) = self.stream {
            match get::<Option<bool>>(line, 3)? {
                None => return Err(StorageError::channel_not_found(cid)),
                Some(false) => return Err(StorageError::not_member(cid)),
                Some(true) => {}
            }
        }
        Ok(Opened {
            id: get(line, 0)?,
            head: head(line, 1)?,
        })
    }
}

/// Reads the head of a stream, if the user may see it.
pub(super) async fn open_stream(
    snapshot: &mut SqliteConnection,
    user: &UserId,
    stream: &StreamId,
) -> Result<Opened, StorageError> {
    let door = Door::new(user, stream)?;
    let line = sqlx::query(HEAD)
        .bind(stream.to_string())
        .bind(door.member.as_deref())
        .fetch_one(snapshot)
        .await
        .map_err(unusable)?;
    door.open(&line)
}

async fn profiles_of(snapshot: &mut SqliteConnection, rows: &[Row]) -> Result<Vec<User>, StorageError> {
    let keys: Vec<String> = rows
        .iter()
        .filter_map(|row| match row {
            Row::Member(member) => Some(key_text(&RowKey::User(member.user.clone()))),
            _ => None,
        })
        .collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let lines = sqlx::query(PROFILES)
        .bind(serde_json::Value::from(keys).to_string())
        .fetch_all(snapshot)
        .await
        .map_err(unusable)?;
    let users = bodies(&lines)?.into_iter().filter_map(|row| match row {
        Row::User(user) => Some(user),
        _ => None,
    });
    Ok(users.collect())
}

pub(super) fn bodies(lines: &[SqliteRow]) -> Result<Vec<Row>, StorageError> {
    lines.iter().map(|line| row(get::<&str>(line, 0)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::{AssertSqlSafe, Connection};

    #[tokio::test]
    async fn no_page_of_a_feed_is_cut_from_all_that_follows() {
        let mut database = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let schema = sqlx::raw_sql(include_str!("schema.sql"));
        schema.execute(&mut database).await.unwrap();
        for statement in [HEAD_AND_FEED, FEED] {
            let plan = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")))
                .fetch_all(&mut database)
                .await
                .unwrap();
            let plan: Vec<String> = plan.iter().map(|line| get(line, 3).unwrap()).collect();
            assert!(
                plan.iter()
                    .any(|step| step.contains("rows_feed (stream=? AND ver>?)")),
                "{plan:?}"
            );
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
        }
    }
}
