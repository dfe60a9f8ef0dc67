//! How a row of the model lies in the tables, and back.

use super::error::unusable;
use sqlx::{Row as _, sqlite::SqliteRow};
use std::collections::BTreeMap;
use whimbrel_hub::{Answer, ChannelRecord, Digest, Keys, MessageRecord, Records, ResultRecord, StorageError};
use whimbrel_model::{Code, Head, MemberState, MessageId, OpId, Row, RowKey, StreamId, Timestamp, UserId};

/// A line of the table `rows`.
#[derive(Debug)]
pub(super) struct StoredRow {
    pub(super) stream: StreamId,
    pub(super) ver: u64,
    pub(super) seq: Option<u64>,
    pub(super) other: Option<StreamId>,
    pub(super) key: String,
    pub(super) op: Option<String>,
    pub(super) digest: Option<Digest>,
    pub(super) body: String,
    /// Whether it is a message that is not stored yet.
    pub(super) is_new: bool,
}

/// Returns how a row is named in the column `key`.
pub(super) fn key_text(key: &RowKey) -> String {
    match key {
        RowKey::Channel(cid) => format!("channel {cid}"),
        RowKey::Member(cid, user) => format!("member {cid} {user}"),
        RowKey::Message(id) => format!("message {id}"),
        RowKey::Reaction(id, user, kind) => format!("reaction {id} {user} {kind}"),
        RowKey::Read(cid, user, None) => format!("read {cid} {user}"),
        RowKey::Read(cid, user, Some(thread)) => format!("read {cid} {user} {thread}"),
        RowKey::Membership(cid, user) => format!("membership {user} {cid}"),
        RowKey::User(user) => format!("user {user}"),
        RowKey::Draft(user, cid, None, device) => format!("draft {user} {cid} {device}"),
        RowKey::Draft(user, cid, Some(thread), device) => format!("draft {user} {cid} {device} {thread}"),
        RowKey::Delivered(cid, user) => format!("delivered {cid} {user}"),
        RowKey::Account(user, key) => format!("account {user} {key}"),
    }
}

/// Returns how an operation is named in the columns `op` and `results.key`.
pub(super) fn op_text(user: &UserId, op: OpId) -> String {
    format!("{op} {user}")
}

/// What has to be read for [`Keys`], as JSON lists of texts.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) streams: String,
    pub(super) rows: String,
    pub(super) replies: String,
    pub(super) ops: String,
    pub(super) devices: String,
}

impl Wanted {
    pub(super) fn of(keys: &Keys) -> Self {
        let replies = keys.replies.iter().map(|id| key_text(&RowKey::Message(*id)));
        Self {
            streams: list(keys.streams.iter().map(StreamId::to_string)),
            rows: list(keys.rows().map(|key| key_text(&key))),
            replies: list(replies),
            devices: list(keys.devices.iter().map(|user| format!("account {user} device"))),
            ops: list(keys.results.iter().map(|(user, op)| op_text(user, *op))),
        }
    }
}

fn list(texts: impl Iterator<Item = String>) -> String {
    serde_json::Value::from(texts.collect::<Vec<_>>()).to_string()
}

/// Reads one line of the transaction's first statement, by its first column, into `records`. Of a stream, returns its
/// number.
pub(super) fn collect(line: &SqliteRow, records: &mut Records) -> Result<Option<i64>, StorageError> {
    match get::<i64>(line, 0)? {
        0 => {
            let stream: StreamId = parse(&get::<String>(line, 1)?)?;
            records.heads.push((stream, head(line, 3)?));
            return get(line, 2).map(Some);
        }
        1 => collect_row(line, records)?,
        _ => records.results.push(ResultRecord {
            user: op_parts(&get::<String>(line, 1)?)?.1,
            op: op_parts(&get::<String>(line, 1)?)?.0,
            digest: digest(line, 2)?,
            answer: match get::<Option<String>>(line, 3)? {
                None => Answer::Accepted,
                Some(code) => Answer::Rejected {
                    code: Code::from(code),
                    message: get::<Option<String>>(line, 4)?.unwrap_or_default(),
                },
            },
            at: Timestamp(get(line, 5)?),
        }),
    }
    Ok(None)
}

fn collect_row(line: &SqliteRow, records: &mut Records) -> Result<(), StorageError> {
    match row(&get::<String>(line, 1)?)? {
        Row::Channel(channel) => records.channels.push(ChannelRecord {
            channel,
            digest: digest(line, 2)?,
        }),
        Row::Message(message) => records.messages.push(MessageRecord {
            message,
            op: op_parts(&get::<String>(line, 3)?)?.0,
            digest: digest(line, 2)?,
        }),
        Row::Member(row) => records.members.push(row),
        Row::Membership(row) => records.memberships.push(row),
        Row::Reaction(row) => records.reactions.push(row),
        Row::Read(row) => records.reads.push(row),
        Row::User(row) => records.users.push(row),
        Row::Draft(row) => records.drafts.push(row),
        Row::Delivered(row) => records.delivered.push(row),
        Row::Account(row) => records.account.push(row),
    }
    Ok(())
}

/// Turns what has changed into lines. `seqs` holds the place of every message that was read.
pub(super) fn lines(
    writes: &mut Records,
    mut seqs: BTreeMap<MessageId, u64>,
) -> Result<Vec<StoredRow>, StorageError> {
    let mut lines = Vec::with_capacity(writes.messages.len() + writes.members.len() * 2);
    for record in writes.channels.drain(..) {
        lines.push(StoredRow {
            digest: Some(record.digest),
            ..line(Row::Channel(record.channel))?
        });
    }
    for record in writes.messages.drain(..) {
        let known = seqs.insert(record.message.id, record.message.seq);
        lines.push(StoredRow {
            is_new: known.is_none(),
            seq: Some(record.message.seq),
            op: Some(op_text(&record.message.author, record.op)),
            digest: Some(record.digest),
            ..line(Row::Message(record.message))?
        });
    }
    for row in writes.members.drain(..) {
        let user = (row.state == MemberState::Active).then(|| StreamId::User(row.user.clone()));
        lines.push(StoredRow {
            other: user,
            ..line(Row::Member(row))?
        });
    }
    for row in writes.memberships.drain(..) {
        let channel = (row.state == MemberState::Active).then(|| StreamId::Channel(row.cid.clone()));
        lines.push(StoredRow {
            other: channel,
            ..line(Row::Membership(row))?
        });
    }
    for row in writes.reactions.drain(..) {
        lines.push(StoredRow {
            seq: seqs.get(&row.message).copied(),
            ..line(Row::Reaction(row))?
        });
    }
    for row in writes.reads.drain(..) {
        lines.push(StoredRow {
            seq: row.thread.and_then(|id| seqs.get(&id).copied()),
            ..line(Row::Read(row))?
        });
    }
    for row in writes.drafts.drain(..) {
        lines.push(line(Row::Draft(row))?);
    }
    for row in writes.delivered.drain(..) {
        lines.push(line(Row::Delivered(row))?);
    }
    for row in writes.account.drain(..) {
        lines.push(line(Row::Account(row))?);
    }
    for row in writes.users.drain(..) {
        lines.push(line(Row::User(row))?);
    }
    Ok(lines)
}

fn line(row: Row) -> Result<StoredRow, StorageError> {
    let body = serde_json::to_string(&row)
        .map_err(|error| StorageError::Unavailable(format!("a row cannot be encoded: {error}")))?;
    Ok(StoredRow {
        stream: row.stream(),
        ver: row.ver(),
        seq: None,
        other: None,
        key: key_text(&row.key()),
        op: None,
        digest: None,
        body,
        is_new: false,
    })
}

/// Reads a column.
pub(super) fn get<'r, T>(line: &'r SqliteRow, at: usize) -> Result<T, StorageError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    line.try_get(at).map_err(unusable)
}

/// Reads the columns `ver` and `seq`.
pub(super) fn head(line: &SqliteRow, at: usize) -> Result<Head, StorageError> {
    Ok(Head {
        ver: unsigned(get(line, at)?),
        seq: unsigned(get(line, at + 1)?),
    })
}

/// Reads a body.
pub(super) fn row(body: &str) -> Result<Row, StorageError> {
    serde_json::from_str(body).map_err(|error| StorageError::Corrupt(format!("a row: {error}")))
}

/// Reads a column with a body, or none.
pub(super) fn opt_row(line: &SqliteRow, at: usize) -> Result<Option<Row>, StorageError> {
    get::<Option<&str>>(line, at)?.map(row).transpose()
}

/// Reads an id.
pub(super) fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, StorageError> {
    text.parse()
        .map_err(|error| StorageError::Corrupt(format!("an id: {error}")))
}

fn op_parts(text: &str) -> Result<(OpId, UserId), StorageError> {
    let (op, user) = text
        .split_once(' ')
        .ok_or_else(|| StorageError::Corrupt("an operation without a user".to_owned()))?;
    Ok((parse(op)?, parse(user)?))
}

fn digest(line: &SqliteRow, at: usize) -> Result<Digest, StorageError> {
    let bytes: Vec<u8> = get(line, at)?;
    bytes
        .try_into()
        .map_err(|_| StorageError::Corrupt("a digest of another length".to_owned()))
}

/// SQLite knows only signed integers; what is stored here is never negative.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// See [`unsigned`].
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
