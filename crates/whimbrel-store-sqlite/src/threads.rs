//! Threads, pins and drafts.

use crate::{
    decode::{Decoded, corrupt, json, number, opt_json, text_id},
    message::{self, COLUMNS},
    read::{self, count},
    readers::Readers,
};
use sqlx::{Row as _, sqlite::SqliteRow};
use whimbrel_model::{
    ChannelId, Draft, FollowedThread, Membership, Message, MessageId, People, RangeSet, Read, ReadPosition,
    ThreadPlace,
};
use whimbrel_store::StoreError;

/// A thread of each message `m`, with its newest reply `l`. `w` is a read position that waits. The first value of the statement is
/// [`read::silent`].
const THREAD: &str = "SELECT r.epoch, r.seq, r.furthest, r.ver, s.user, w.read_epoch, w.read_seq, \
     coalesce(g.listed, 0) = 1 AND (r.cid IS NOT NULL OR m.author IS s.user), \
     (SELECT count(*) FROM messages u WHERE u.parent = m.id AND u.ver > 0 \
      AND u.seq > coalesce(w.read_seq, r.seq, 0) AND u.author <> s.user AND u.notice > 0 \
      AND u.author NOT IN (SELECT value FROM json_each(?1, '$.silent'))), \
     (SELECT count(*) FROM messages u WHERE u.parent = m.id AND u.ver > 0 AND u.deleted = 0), g.runs, coalesce(r.private, 0), \
     p.ver, p.row";
const COLUMNS_OF_PARENT: usize = 14;
const COLUMNS_OF_REPLY: usize = COLUMNS_OF_PARENT + 7;
const TABLES: &str = "messages m LEFT JOIN session s ON s.one = 1 \
     LEFT JOIN reads r ON r.cid = m.cid AND r.thread = m.id AND r.user = s.user AND r.ver > 0";
const MORE_TABLES: &str = " LEFT JOIN outbox w ON w.id = (SELECT id FROM outbox WHERE read_cid = m.cid \
      AND replace(read_thread, '-', '') = lower(hex(m.id)) AND rejection IS NULL \
      AND (read_epoch, read_seq) > (coalesce(r.epoch, 0), coalesce(r.seq, 0)) \
      ORDER BY read_epoch DESC, read_seq DESC LIMIT 1) \
     LEFT JOIN messages l ON l.id = (SELECT id FROM messages WHERE parent = m.id AND ver > 0 \
      ORDER BY seq DESC LIMIT 1) \
     LEFT JOIN memberships p ON p.user = s.user AND p.cid = m.cid \
     LEFT JOIN timelines g ON g.cid = m.cid";

impl Readers {
    pub(crate) async fn threads(
        &self,
        after: Option<ThreadPlace>,
        limit: usize,
        people: &People,
    ) -> Result<Vec<FollowedThread>, StoreError> {
        let place = if after.is_some() {
            "AND (m.thread_at, m.id) < (?3, ?4) "
        } else {
            ""
        };
        let sql = format!(
            "{THREAD}, {COLUMNS}, {} FROM {TABLES} JOIN timelines j ON j.cid = m.cid AND j.listed = 1{MORE_TABLES} \
             WHERE m.thread_at IS NOT NULL AND m.ver > 0 AND (r.cid IS NOT NULL OR m.author = s.user) {place}\
             ORDER BY m.thread_at DESC, m.id DESC LIMIT ?2",
            reply_columns()
        );
        let rows = self.select("reading threads", sql, |sql| {
            let sql = sql.bind(read::silent(people)).bind(count(limit));
            match after {
                Some(after) => sql.bind(after.last_at.0).bind(after.parent.0.as_bytes().to_vec()),
                None => sql,
            }
        });
        let threads = rows.await?.iter().map(thread).collect::<Decoded<Vec<_>>>()?;
        Ok(threads.into_iter().flatten().collect())
    }

    pub(crate) async fn thread(
        &self,
        parent: MessageId,
        people: &People,
    ) -> Result<Option<FollowedThread>, StoreError> {
        let sql = format!(
            "{THREAD}, {COLUMNS}, {} FROM {TABLES}{MORE_TABLES} WHERE m.id = ?2 AND m.ver > 0",
            reply_columns()
        );
        let rows = self.select("reading a thread", sql, |sql| {
            sql.bind(read::silent(people)).bind(parent.0.as_bytes().to_vec())
        });
        Ok(rows.await?.first().map(thread).transpose()?.flatten())
    }

    pub(crate) async fn pinned(&self, cid: &ChannelId) -> Result<Vec<Message>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM messages m INDEXED BY messages_pinned \
             WHERE m.cid = ? AND m.pinned_at IS NOT NULL AND m.ver > 0 ORDER BY m.pinned_at DESC, m.seq DESC"
        );
        let rows = self.select("reading pinned messages", sql, |sql| sql.bind(cid.as_str()));
        let messages = rows
            .await?
            .iter()
            .map(|row| message::decode(row, 0))
            .collect::<Decoded<Vec<_>>>()?;
        Ok(messages.into_iter().flatten().collect())
    }

    pub(crate) async fn drafts(&self) -> Result<Vec<Draft>, StoreError> {
        let sql = "SELECT ver, row FROM drafts WHERE user = (SELECT user FROM session) AND ver > 0 \
                   AND json_extract(row, '$.content') IS NOT NULL \
                   ORDER BY json_extract(row, '$.updated_at') DESC, ver DESC"
            .to_owned();
        let rows = self.select("reading drafts", sql, |sql| sql).await?;
        let draft = |row: &SqliteRow| {
            let ver = number(row, 0)?;
            Ok(Draft { ver, ..json(row, 1)? })
        };
        Ok(rows.iter().map(draft).collect::<Decoded<_>>()?)
    }
}

fn reply_columns() -> String {
    COLUMNS.replace("m.", "l.")
}

fn thread(row: &SqliteRow) -> Decoded<Option<FollowedThread>> {
    let Some(parent) = message::decode(row, COLUMNS_OF_PARENT)? else {
        return Ok(None);
    };
    let own_read = match row.try_get::<Option<i64>, _>(0)? {
        Some(_) => Some(Read {
            thread: Some(parent.id),
            private: row.try_get(11)?,
            ..read::read(row, 0, parent.cid.clone(), text_id(row, 4)?)?
        }),
        None => None,
    };
    let waiting_read = match row.try_get::<Option<i64>, _>(5)? {
        Some(epoch) => Some(ReadPosition {
            epoch: epoch.try_into().map_err(corrupt)?,
            seq: number(row, 6)?,
        }),
        None => None,
    };
    let here = number(row, 9)?;
    let ranges: RangeSet = opt_json(row, 10)?.unwrap_or_default();
    let membership = match opt_json::<Membership>(row, 13)? {
        Some(membership) => Some(Membership {
            ver: number(row, 12)?,
            ..membership
        }),
        None => None,
    };
    let mut thread = FollowedThread {
        membership,
        last_reply: message::decode(row, COLUMNS_OF_REPLY)?,
        followed: row.try_get(7)?,
        read: own_read,
        waiting_read,
        unread: number(row, 8)?,
        unread_unknown: 0,
        parent,
    };
    let position = thread.position().seq;
    thread.unread_unknown = thread.parent.thread.map_or(0, |summary| {
        let lacking = u64::from(summary.replies).saturating_sub(here);
        lacking.min(ranges.missing(position + 1, summary.last_seq))
    });
    Ok(Some(thread))
}
