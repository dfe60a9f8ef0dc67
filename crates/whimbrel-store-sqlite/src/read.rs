//! The reads. Each is one statement, so that it sees one moment whatever is written meanwhile, and so that nothing
//! stays open when its future is dropped.

use crate::{
    decode::{Decoded, corrupt, json, number, opt_json, text_id},
    message::{self, COLUMNS},
    readers::Readers,
};
use sqlx::{
    AssertSqlSafe, Row as _,
    sqlite::{SqliteArguments, SqliteRow},
};
use whimbrel_model::{
    AccountRow, Channel, ChannelId, ChannelSummary, ConsentState, Delivered, HistoryFrom, Member, Membership,
    Message, MessageId, MessagePage, MessageQuery, MessageScope, People, RangeSet, Reaction, Read,
    ReadPosition, Timestamp, User, UserId,
};
use whimbrel_store::StoreError;

/// A summary of each row (cid) of `k`, which comes next in the text. `w` is a read position that waits. The first value of the
/// statement is [`silent`].
pub(crate) const SUMMARY: &str = "SELECT k.cid, c.ver, c.row, p.ver, p.row, r.epoch, r.seq, r.furthest, r.ver, w.read_epoch, w.read_seq, \
     (SELECT count(*) FROM messages u WHERE u.cid = k.cid AND u.in_channel = 1 AND u.ver > 0 \
      AND u.seq > coalesce(w.read_seq, r.seq, 0) AND u.author <> s.user AND u.notice > 0 \
      AND u.author NOT IN (SELECT value FROM json_each(?1, '$.silent'))), \
     (SELECT count(*) FROM members a WHERE a.cid = k.cid AND a.active = 1 AND a.ver > 0), \
     max(coalesce(h.head_seq, 0), coalesce(m.seq, 0)), g.runs, s.user, \
     (SELECT count(*) FROM messages u WHERE u.cid = k.cid AND u.in_channel = 1 AND u.ver > 0 \
      AND u.seq > coalesce(w.read_seq, r.seq, 0) AND u.author <> s.user AND u.notice > 1 \
      AND u.author NOT IN (SELECT value FROM json_each(?1, '$.silent')) AND (u.notice = 3 \
      OR EXISTS (SELECT 1 FROM json_each(u.rest, '$.body.mentions') WHERE value = s.user))), coalesce(r.private, 0), ";
pub(crate) const SUMMARY_TABLES: &str = " LEFT JOIN channels c ON c.cid = k.cid \
     LEFT JOIN session s ON s.one = 1 \
     LEFT JOIN memberships p ON p.user = s.user AND p.cid = k.cid \
     LEFT JOIN reads r ON r.cid = k.cid AND r.user = s.user AND r.thread = x'' AND r.ver > 0 \
     LEFT JOIN outbox w ON w.id = (SELECT id FROM outbox WHERE read_cid = k.cid AND read_thread IS NULL AND rejection IS NULL \
      AND (read_epoch, read_seq) > (coalesce(r.epoch, 0), coalesce(r.seq, 0)) \
      ORDER BY read_epoch DESC, read_seq DESC LIMIT 1) \
     LEFT JOIN timelines g ON g.cid = k.cid \
     LEFT JOIN messages m ON m.id = g.last_id \
     LEFT JOIN streams h ON h.stream = 'C:' || k.cid ";
/// The columns of [`SUMMARY`].
const SUMMARY_COLUMNS: usize = 18;

impl Readers {
    pub(crate) async fn channel(
        &self,
        cid: &ChannelId,
        people: &People,
    ) -> Result<Option<ChannelSummary>, StoreError> {
        let sql = format!(
            "{SUMMARY}{COLUMNS} FROM (SELECT ?2 AS cid) k{SUMMARY_TABLES}\
             WHERE c.cid IS NOT NULL OR p.cid IS NOT NULL"
        );
        let rows = self.select("reading a channel", sql, |query| {
            query.bind(silent(people)).bind(cid.as_str())
        });
        Ok(rows.await?.first().map(summary).transpose()?)
    }

    pub(crate) async fn members(&self, cid: &ChannelId) -> Result<Vec<Member>, StoreError> {
        let sql = "SELECT ver, row FROM members WHERE cid = ? ORDER BY user".to_owned();
        let rows = self
            .select("reading members", sql, |query| query.bind(cid.as_str()))
            .await?;
        let member = |row: &SqliteRow| {
            let ver = number(row, 0)?;
            Ok(Member { ver, ..json(row, 1)? })
        };
        Ok(rows.iter().map(member).collect::<Decoded<_>>()?)
    }

    pub(crate) async fn reads(
        &self,
        cid: &ChannelId,
        thread: Option<MessageId>,
    ) -> Result<Vec<Read>, StoreError> {
        let sql =
            "SELECT epoch, seq, furthest, ver, user, private FROM reads WHERE cid = ? AND thread = ? ORDER BY user"
                .to_owned();
        let key = thread.map_or_else(Vec::new, |id| id.0.as_bytes().to_vec());
        let rows = self
            .select("reading read positions", sql, |query| {
                query.bind(cid.as_str()).bind(key)
            })
            .await?;
        let read = |row: &SqliteRow| {
            let read = read(row, 0, cid.clone(), text_id(row, 4)?)?;
            Ok(Read {
                thread,
                private: row.try_get(5)?,
                ..read
            })
        };
        Ok(rows.iter().map(read).collect::<Decoded<_>>()?)
    }

    pub(crate) async fn delivered(&self, cid: &ChannelId) -> Result<Vec<Delivered>, StoreError> {
        let sql = "SELECT ver, row FROM delivered WHERE cid = ? ORDER BY user".to_owned();
        let rows = self
            .select("reading what was delivered", sql, |query| {
                query.bind(cid.as_str())
            })
            .await?;
        let delivered = |row: &SqliteRow| {
            let ver = number(row, 0)?;
            Ok(Delivered { ver, ..json(row, 1)? })
        };
        Ok(rows.iter().map(delivered).collect::<Decoded<_>>()?)
    }

    pub(crate) async fn account_rows(&self) -> Result<Vec<AccountRow>, StoreError> {
        let sql =
            "SELECT row FROM account_rows WHERE user = (SELECT user FROM session) AND ver > 0 ORDER BY key"
                .to_owned();
        let rows = self.select("reading the account", sql, |sql| sql).await?;
        let mut account: Vec<AccountRow> = rows.iter().map(|row| json(row, 0)).collect::<Decoded<_>>()?;
        account.sort_by_key(AccountRow::key);
        Ok(account)
    }

    pub(crate) async fn messages(&self, query: &MessageQuery) -> Result<MessagePage, StoreError> {
        let sql = messages_sql(query);
        let (older, newer) = query.from.split(query.limit);
        let rows = self.select("reading messages", sql, |sql| {
            let sql = sql.bind(query.cid.as_str());
            let sql = match query.from {
                HistoryFrom::Newest => sql.bind(i64::MAX),
                HistoryFrom::Before(seq) | HistoryFrom::Around(seq) => sql.bind(signed(seq)),
                HistoryFrom::After(seq) => sql.bind(signed(seq.saturating_add(1))),
                HistoryFrom::AroundMessage(id) => sql.bind(id.0.as_bytes().to_vec()),
                HistoryFrom::AroundTime(at) => sql.bind(at.0),
            };
            let sql = sql
                .bind(count(older.saturating_add(1)))
                .bind(count(newer.saturating_add(1)));
            match &query.scope {
                MessageScope::Channel => sql,
                MessageScope::Thread(parent) => sql.bind(parent.0.as_bytes().to_vec()),
            }
        });
        Ok(page(&rows.await?, older, newer)?)
    }

    pub(crate) async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM messages m WHERE m.id = ?");
        let rows = self
            .select("reading a message", sql, |query| {
                query.bind(id.0.as_bytes().to_vec())
            })
            .await?;
        let message = rows.first().map(|row| message::decode(row, 0)).transpose()?;
        Ok(message.flatten())
    }

    pub(crate) async fn users(&self, users: &[UserId]) -> Result<Vec<User>, StoreError> {
        let sql =
            "SELECT ver, row FROM users WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id".to_owned();
        let ids = serde_json::json!(users).to_string();
        let rows = self.select("reading users", sql, |query| query.bind(ids)).await?;
        let user = |row: &SqliteRow| {
            let ver = number(row, 0)?;
            Ok(User { ver, ..json(row, 1)? })
        };
        Ok(rows.iter().map(user).collect::<Decoded<_>>()?)
    }

    pub(crate) async fn select(
        &self,
        doing: &str,
        sql: String,
        bind: impl FnOnce(Query) -> Query,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let query = sqlx::query_with(AssertSqlSafe(sql), SqliteArguments::default());
        self.rows(doing, bind(query)).await
    }
}

pub(crate) type Query = sqlx::query::Query<'static, sqlx::Sqlite, SqliteArguments>;

/// Writes of whom nothing counts as unread, as the value that statements look it up in.
pub(crate) fn silent(people: &People) -> String {
    serde_json::json!({ "silent": people.silent().collect::<Vec<_>>() }).to_string()
}

/// Does the same, with who is allowed and who is denied: these may be many.
pub(crate) fn people(people: &People) -> String {
    let with = |consent| people.with(consent).collect::<Vec<_>>();
    serde_json::json!({
        "allowed": with(ConsentState::Allowed),
        "denied": with(ConsentState::Denied),
        "silent": people.silent().collect::<Vec<_>>(),
    })
    .to_string()
}

/// SQLite's numbers are signed; no sequence is greater.
fn signed(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// SQLite's numbers are signed; no more rows than that exist.
pub(crate) fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

pub(crate) fn summary(row: &SqliteRow) -> Decoded<ChannelSummary> {
    let cid: ChannelId = text_id(row, 0)?;
    let channel = match opt_json::<Channel>(row, 2)? {
        Some(channel) => Some(Channel {
            ver: number(row, 1)?,
            ..channel
        }),
        None => None,
    };
    let membership = match opt_json::<Membership>(row, 4)? {
        Some(membership) => Some(Membership {
            ver: number(row, 3)?,
            ..membership
        }),
        None => None,
    };
    let own_read = match row.try_get::<Option<i64>, _>(5)? {
        Some(_) => Some(Read {
            private: row.try_get(17)?,
            ..read(row, 5, cid.clone(), text_id(row, 15)?)?
        }),
        None => None,
    };
    let waiting_read = match row.try_get::<Option<i64>, _>(9)? {
        Some(epoch) => Some(ReadPosition {
            epoch: epoch.try_into().map_err(corrupt)?,
            seq: number(row, 10)?,
        }),
        None => None,
    };
    let ranges: RangeSet = opt_json(row, 14)?.unwrap_or_default();
    let mut summary = ChannelSummary {
        cid,
        channel,
        membership,
        last_message: message::decode(row, SUMMARY_COLUMNS)?,
        read: own_read,
        waiting_read,
        unread: number(row, 11)?,
        mentions: number(row, 16)?,
        unread_unknown: 0,
        members: number(row, 12)?,
        head_seq: number(row, 13)?,
    };
    summary.unread_unknown = ranges.missing(summary.position().seq + 1, summary.head_seq);
    Ok(summary)
}

/// Reads the columns epoch, seq, furthest and ver from column `at` on, of a position in a timeline that others see.
pub(crate) fn read(row: &SqliteRow, at: usize, cid: ChannelId, user: UserId) -> Decoded<Read> {
    Ok(Read {
        cid,
        user,
        thread: None,
        epoch: row.try_get::<i64, _>(at)?.try_into().map_err(corrupt)?,
        seq: number(row, at + 1)?,
        furthest: number(row, at + 2)?,
        private: false,
        ver: number(row, at + 3)?,
    })
}

/// The first sequence from which on messages are of the time 2 or later: times rise with sequences, so halving finds it. It
/// looks at some twenty messages of a million.
fn first_at(scope: &str) -> String {
    let late = format!(
        "coalesce((SELECT at FROM messages WHERE {scope} AND ver > 0 AND seq >= (lo + hi) / 2 \
         ORDER BY seq LIMIT 1) >= ?2, 1)"
    );
    let edge =
        |order| format!("SELECT seq FROM messages WHERE {scope} AND ver > 0 ORDER BY seq {order} LIMIT 1");
    let (first, last) = (edge("ASC"), edge("DESC"));
    format!(
        "WITH RECURSIVE search(lo, hi) AS (\
         SELECT coalesce(({first}), 1), coalesce(({last}), 0) + 1 \
         UNION ALL \
         SELECT iif({late}, lo, (lo + hi) / 2 + 1), iif({late}, (lo + hi) / 2, hi) FROM search WHERE lo < hi) \
         SELECT lo FROM search WHERE lo >= hi"
    )
}

/// The ranges, in the place of a message's rest, so that they are of the same moment; and on each side of the place one
/// message more than is wanted, so that it is known whether there are more. 1 channel, 2 place, 3 and 4 how many, 5 thread.
fn messages_sql(query: &MessageQuery) -> String {
    let scope = match query.scope {
        MessageScope::Channel => "cid = ?1 AND in_channel = 1",
        MessageScope::Thread(_) => "cid = ?1 AND parent = ?5",
    };
    let place = match query.from {
        HistoryFrom::AroundMessage(_) => {
            "(SELECT seq FROM messages WHERE id = ?2 AND cid = ?1 AND ver > 0)".to_owned()
        }
        HistoryFrom::AroundTime(_) => format!("({})", first_at(scope)),
        _ => "?2".to_owned(),
    };
    let rows = format!(
        "{COLUMNS}, (SELECT count(*) FROM messages a WHERE a.parent = m.id AND a.ver > 0 AND a.deleted = 0), \
         (SELECT json_group_array(json_array(user, kind, cid, at, ver)) FROM reactions e \
          WHERE e.message = m.id AND e.ver > 0 AND e.removed = 0)"
    );
    format!(
        "SELECT NULL, NULL, NULL, NULL, NULL, NULL, (SELECT runs FROM timelines WHERE cid = ?1), NULL, NULL, NULL \
         UNION ALL SELECT * FROM (SELECT {rows}, 0 FROM messages m \
          WHERE {scope} AND ver > 0 AND seq < {place} ORDER BY seq DESC LIMIT ?3) \
         UNION ALL SELECT * FROM (SELECT {rows}, 1 FROM messages m \
          WHERE {scope} AND ver > 0 AND seq >= {place} ORDER BY seq LIMIT ?4)"
    )
}

/// Builds the page from its rows: the ranges, and the messages, on each side with one more than so many if there are more.
fn page(rows: &[SqliteRow], older: usize, newer: usize) -> Decoded<MessagePage> {
    let mut page = MessagePage::default();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for row in rows {
        match message::decode(row, 0)? {
            Some(message) if row.try_get::<bool, _>(9)? => after.push((message, row)),
            Some(message) => before.push((message, row)),
            None => page.ranges = opt_json(row, 6)?.unwrap_or_default(),
        }
    }
    page.has_older = before.len() > older;
    page.has_newer = after.len() > newer;
    before.truncate(older);
    after.truncate(newer);
    for (message, row) in before.into_iter().rev().chain(after) {
        let replies: u32 = row.try_get::<i64, _>(7)?.try_into().map_err(corrupt)?;
        if replies > 0 {
            page.replies.insert(message.id, replies);
        }
        let reactions: &str = row.try_get(8)?;
        if reactions != "[]" {
            page.reactions.extend(decode_reactions(message.id, reactions)?);
        }
        page.messages.push(message);
    }
    page.reactions
        .sort_by(|a, b| (a.message, &a.user, &a.kind).cmp(&(b.message, &b.user, &b.kind)));
    Ok(page)
}

fn decode_reactions(message: MessageId, text: &str) -> Decoded<Vec<Reaction>> {
    type Columns = (UserId, whimbrel_model::ReactionType, ChannelId, Timestamp, u64);
    let rows: Vec<Columns> = serde_json::from_str(text).map_err(corrupt)?;
    let reaction = |(user, kind, cid, at, ver)| Reaction {
        cid,
        message,
        user,
        kind,
        removed: false,
        at,
        ver,
    };
    Ok(rows.into_iter().map(reaction).collect())
}
