//! Channels by a query: the filter and the sort as SQL, on the tables as they are.

use crate::{
    decode::Decoded,
    message::COLUMNS,
    read::{self, SUMMARY, SUMMARY_TABLES},
    readers::Readers,
};
use whimbrel_model::ChannelSummary;
use whimbrel_query::{Bind, ChannelItem, Column, CustomColumn, Dialect, Endpoint, PageCursor, Query, Schema};
use whimbrel_store::StoreError;

/// The channels with what a query can ask of each. What it does not ask costs nothing: SQLite leaves out a joined table of
/// which no column is used.
const TABLES: &str = "timelines t LEFT JOIN session s ON s.one = 1 LEFT JOIN channels c ON c.cid = t.cid \
     LEFT JOIN memberships p ON p.user = s.user AND p.cid = t.cid \
     LEFT JOIN streams h ON h.stream = 'C:' || t.cid LEFT JOIN messages m ON m.id = t.last_id \
     LEFT JOIN reads r ON r.cid = t.cid AND r.user = s.user AND r.thread = x'' AND r.ver > 0 \
     LEFT JOIN outbox w ON w.id = (SELECT id FROM outbox WHERE read_cid = t.cid AND read_thread IS NULL AND rejection IS NULL \
      AND (read_epoch, read_seq) > (coalesce(r.epoch, 0), coalesce(r.seq, 0)) \
      ORDER BY read_epoch DESC, read_seq DESC LIMIT 1)";

const CHANNELS: Schema<'_> = Schema {
    dialect: Dialect::Sqlite,
    endpoint: &Endpoint::CHANNELS,
    columns: &[
        ("cid", Column::new("t.cid")),
        ("type", Column::new("substr(t.cid, 1, instr(t.cid, ':') - 1)")),
        (
            "name",
            Column::new("nullif(json_extract(c.row, '$.name'), '')").folded("c.folded"),
        ),
        ("created_by", Column::new("json_extract(c.row, '$.created_by')")),
        ("created_at", Column::new("json_extract(c.row, '$.created_at')")),
        ("updated_at", Column::new("json_extract(c.row, '$.updated_at')")),
        ("last_message_at", Column::new("t.last_at")),
        (
            "last_updated",
            Column::new(
                "coalesce(max(t.last_at, json_extract(c.row, '$.created_at')), \
                 t.last_at, json_extract(c.row, '$.created_at'))",
            ),
        ),
        (
            "members",
            Column::list(
                "EXISTS (SELECT 1 FROM members a WHERE a.cid = t.cid AND a.active = 1 AND a.ver > 0 AND {match})",
                "a.user",
            ),
        ),
        (
            "member_count",
            Column::new(
                "(SELECT count(*) FROM members a WHERE a.cid = t.cid AND a.active = 1 AND a.ver > 0)",
            ),
        ),
        ("joined", Column::new("t.listed")),
        (
            "role",
            Column::new("CASE WHEN t.listed = 1 THEN json_extract(p.row, '$.role') END"),
        ),
        (
            "unread_count",
            Column::new(
                "(SELECT count(*) FROM messages u WHERE u.cid = t.cid AND u.in_channel = 1 AND u.ver > 0 \
                 AND u.seq > coalesce(w.read_seq, r.seq, 0) AND u.author <> s.user AND u.notice > 0)",
            ),
        ),
        (
            "has_unread",
            Column::new(
                "EXISTS (SELECT 1 FROM messages u WHERE u.cid = t.cid AND u.in_channel = 1 AND u.ver > 0 \
                 AND u.seq > coalesce(w.read_seq, r.seq, 0) AND u.author <> s.user AND u.notice > 0)",
            ),
        ),
        (
            "pinned",
            Column::new("(t.listed = 1 AND json_extract(p.row, '$.pinned_at') IS NOT NULL)"),
        ),
        (
            "pinned_at",
            Column::new("CASE WHEN t.listed = 1 THEN json_extract(p.row, '$.pinned_at') END"),
        ),
        (
            "archived",
            Column::new("(t.listed = 1 AND json_extract(p.row, '$.archived_at') IS NOT NULL)"),
        ),
        (
            "hidden",
            Column::new(
                "(t.listed = 1 AND coalesce(json_extract(p.row, '$.hidden_seq') \
                 >= max(coalesce(h.head_seq, 0), coalesce(m.seq, 0)), 0))",
            ),
        ),
        (
            "muted_until",
            Column::new(
                "CASE WHEN t.listed = 1 AND json_type(p.row, '$.muted') = 'object' THEN \
                 coalesce(json_extract(p.row, '$.muted.until'), 9007199254740991) END",
            ),
        ),
    ],
    custom: Some(CustomColumn {
        doc: "c.row",
        path: &["custom"],
    }),
};

impl Readers {
    pub(crate) async fn channels(
        &self,
        query: &Query,
        after: Option<&PageCursor>,
        limit: usize,
    ) -> Result<Vec<ChannelSummary>, StoreError> {
        let (sql, binds) = statement(query, after)?;
        let rows = self.select("reading channels", sql, |sql| {
            let sql = binds.into_iter().fold(sql, bind);
            sql.bind(read::count(limit))
        });
        let mut found = rows
            .await?
            .iter()
            .map(read::summary)
            .collect::<Decoded<Vec<_>>>()?;
        // A join need not keep the order of the page.
        found.sort_by_cached_key(|summary| {
            query.place(&ChannelItem {
                summary,
                members: &[],
            })
        });
        Ok(found)
    }
}

/// Returns the statement and its values; the limit is another one, after them.
fn statement(query: &Query, after: Option<&PageCursor>) -> Result<(String, Vec<Bind>), StoreError> {
    let page = query.to_sql(&CHANNELS, after, 0)?;
    let limit = page.binds.len() + 1;
    let sql = format!(
        "{SUMMARY}{COLUMNS} FROM (SELECT t.cid, t.last_id FROM {TABLES} WHERE t.known = 1 AND {} \
         ORDER BY {} LIMIT ?{limit}) k{SUMMARY_TABLES}",
        page.condition, page.order
    );
    Ok((sql, page.binds))
}

fn bind(sql: read::Query, value: Bind) -> read::Query {
    match value {
        Bind::Integer(number) => sql.bind(number),
        Bind::Real(number) => sql.bind(number),
        Bind::Bool(flag) => sql.bind(flag),
        Bind::Text(text) => sql.bind(text),
        Bind::Bytes(bytes) => sql.bind(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;
    use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};
    use std::path::Path;

    #[test]
    fn the_tables_answer_everything() {
        assert_eq!(CHANNELS.gaps(), [""; 0]);
    }

    #[tokio::test]
    async fn the_usual_list_is_read_in_the_order_of_the_index_without_looking_further() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        schema::migrate(&mut connection, Path::new("x"), 0).await.unwrap();
        let (sql, _) = statement(&Query::channel_list(), None).unwrap();
        let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        let plan = plan.join("\n");
        assert!(plan.contains("timelines_list (known=? AND listed=?)"), "{plan}");
        assert!(!plan.contains("TEMP B-TREE FOR ORDER BY"), "{plan}");
    }
}
