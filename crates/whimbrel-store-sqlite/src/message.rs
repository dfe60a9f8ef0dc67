use crate::decode::{Decoded, corrupt, number, opt_id, text_id};
use serde::{Deserialize, Serialize};
use sqlx::{Row as _, sqlite::SqliteRow};
use whimbrel_model::{Message, MessageBody, MessageId, MessageKind, Pin, ThreadSummary, Timestamp};

/// The columns that [`decode`] reads, of the table `m`.
pub(crate) const COLUMNS: &str = "m.id, m.cid, m.seq, m.ver, m.author, m.parent, m.rest";

/// What of a message has no column of its own.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rest<B> {
    body: B,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    show_in_channel: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quoted: Option<MessageId>,
    composed_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accepted_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    edited_at: Option<Timestamp>,
    #[serde(default)]
    revision: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "MessageKind::is_regular")]
    kind: MessageKind,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    silent: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pinned: Option<Pin>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thread: Option<ThreadSummary>,
}

impl<'a> Rest<&'a MessageBody> {
    pub(crate) fn of(message: &'a Message) -> Self {
        Self {
            body: &message.body,
            show_in_channel: message.show_in_channel,
            quoted: message.quoted,
            composed_at: message.composed_at,
            accepted_at: message.accepted_at,
            edited_at: message.edited_at,
            revision: message.revision,
            deleted_at: message.deleted_at,
            kind: message.kind,
            silent: message.silent,
            pinned: message.pinned.clone(),
            thread: message.thread,
        }
    }
}

/// Returns what the column `notice` says of a message, see the schema.
pub(crate) fn notice(message: &Message) -> i64 {
    let body = &message.body;
    if message.is_deleted() || message.silent {
        0
    } else if body.mention_channel || body.mention_here {
        3
    } else {
        1 + i64::from(!body.mentions.is_empty())
    }
}

/// Reads a message from [`COLUMNS`] that start at column `at`. Nothing if they are NULL.
pub(crate) fn decode(row: &SqliteRow, at: usize) -> Decoded<Option<Message>> {
    let Some(id) = opt_id(row, at)? else {
        return Ok(None);
    };
    let rest: Rest<MessageBody> = serde_json::from_str(row.try_get(at + 6)?).map_err(corrupt)?;
    Ok(Some(Message {
        id: MessageId(id),
        cid: text_id(row, at + 1)?,
        seq: number(row, at + 2)?,
        ver: number(row, at + 3)?,
        author: text_id(row, at + 4)?,
        parent: opt_id(row, at + 5)?.map(MessageId),
        body: rest.body,
        show_in_channel: rest.show_in_channel,
        quoted: rest.quoted,
        composed_at: rest.composed_at,
        accepted_at: rest.accepted_at,
        edited_at: rest.edited_at,
        revision: rest.revision,
        deleted_at: rest.deleted_at,
        kind: rest.kind,
        silent: rest.silent,
        pinned: rest.pinned,
        thread: rest.thread,
    }))
}
