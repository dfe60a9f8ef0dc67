//! Channels by a query: the filter and the sort as SQL, on the tables as they are.

use crate::{
    decode::Decoded,
    message::COLUMNS,
    read::{self, SUMMARY, SUMMARY_TABLES},
    readers::Readers,
};
use whimbrel_model::{ChannelSummary, People};
use whimbrel_query::{Bind, ChannelItem, Column, CustomColumn, Dialect, Endpoint, PageCursor, Query, Schema};
use whimbrel_store::StoreError;

/// The channels with what a query can ask of each. What it does not ask costs nothing: SQLite leaves out a joined table of
/// which no column is used.
const TABLES: &str = "timelines t LEFT JOIN session s ON s.one = 1 LEFT JOIN channels c ON c.cid = t.cid \
     LEFT JOIN memberships p ON p.user = s.user AND p.cid = t.cid LEFT JOIN streams h ON h.stream = 'C:' || t.cid";

/// The own read position in a channel, one that waits included.
macro_rules! position {
    () => {
        "coalesce((SELECT read_seq FROM outbox w WHERE w.read_cid = t.cid AND w.read_thread IS NULL AND w.rejection IS NULL \
         AND (w.read_epoch, w.read_seq) > (t.read_epoch, t.read_seq) \
         ORDER BY w.read_epoch DESC, w.read_seq DESC LIMIT 1), t.read_seq)"
    };
}

/// The messages of a channel that count as unread.
macro_rules! unread {
    () => {
        concat!(
            "FROM messages u WHERE u.cid = t.cid AND u.in_channel = 1 AND u.ver > 0 AND u.seq > ",
            position!(),
            " AND u.author <> s.user AND u.notice > 0 AND u.author NOT IN (SELECT value FROM json_each(?1, '$.silent'))"
        )
    };
}

/// Members, by an index that leads from them to channels, or by one that leads from channels to them: which is quick depends on
/// how many channels it leads to.
const MEMBERS: &str = "CASE WHEN (SELECT count(*) FROM (SELECT 1 FROM members a WHERE a.active = 1 AND a.ver > 0 AND {match} \
     LIMIT 1000)) < 1000 \
     THEN t.cid IN (SELECT a.cid FROM members a WHERE a.active = 1 AND a.ver > 0 AND {match}) \
     ELSE EXISTS (SELECT 1 FROM members a WHERE a.cid = t.cid AND a.active = 1 AND a.ver > 0 AND {match}) END";

const CHANNELS: Schema<'_> = Schema {
    dialect: Dialect::Sqlite,
    endpoint: &Endpoint::CHANNELS,
    columns: &[
        ("cid", Column::new("t.cid")),
        ("type", Column::new("substr(t.cid, 1, instr(t.cid, ':') - 1)")),
        ("name", Column::new("t.name").folded("t.folded")),
        ("created_by", Column::new("json_extract(c.row, '$.created_by')")),
        ("created_at", Column::new("t.created_at")),
        ("updated_at", Column::new("json_extract(c.row, '$.updated_at')")),
        ("last_message_at", Column::new("t.last_at")),
        (
            "last_updated",
            Column::new("coalesce(max(t.last_at, t.created_at), t.last_at, t.created_at)"),
        ),
        ("members", Column::list(MEMBERS, "a.user")),
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
        // Where the newest message is read, no message is looked at.
        (
            "unread_count",
            Column::new(concat!(
                "CASE WHEN t.last_seq > ",
                position!(),
                " THEN (SELECT count(*) ",
                unread!(),
                ") ELSE 0 END"
            )),
        ),
        (
            "has_unread",
            Column::new(concat!(
                "(t.last_seq > ",
                position!(),
                " AND EXISTS (SELECT 1 ",
                unread!(),
                "))"
            )),
        ),
        ("pinned", Column::new("(t.pinned_at IS NOT NULL)")),
        ("pinned_at", Column::new("t.pinned_at")),
        ("archived", Column::new("(t.archived_at IS NOT NULL)")),
        (
            "hidden",
            Column::new(
                "(t.listed = 1 AND coalesce(p.hidden_seq >= max(coalesce(h.head_seq, 0), t.last_seq), 0))",
            ),
        ),
        (
            "muted_until",
            Column::new(
                "CASE WHEN t.listed = 1 AND json_type(p.row, '$.muted') = 'object' THEN \
                 coalesce(json_extract(p.row, '$.muted.until'), 9007199254740991) END",
            ),
        ),
        (
            "consent",
            Column::new(
                "CASE WHEN t.consent <> 'unknown' OR t.added_by IS NULL THEN t.consent \
                 WHEN t.added_by IN (SELECT value FROM json_each(?1, '$.denied')) THEN 'denied' \
                 WHEN t.added_by IN (SELECT value FROM json_each(?1, '$.allowed')) THEN 'allowed' \
                 ELSE 'unknown' END",
            ),
        ),
        ("invited", Column::new("t.invited")),
    ],
    custom: Some(CustomColumn {
        doc: "t.custom",
        path: &[],
    }),
};

impl Readers {
    pub(crate) async fn channels(
        &self,
        query: &Query,
        after: Option<&PageCursor>,
        limit: usize,
        people: &People,
    ) -> Result<Vec<ChannelSummary>, StoreError> {
        let (sql, binds) = statement(query, after)?;
        let rows = self.select("reading channels", sql, |sql| {
            let people = if query.uses("consent") {
                read::people(people)
            } else {
                read::silent(people)
            };
            let sql = binds.into_iter().fold(sql.bind(people), bind);
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
                people,
            })
        });
        Ok(found)
    }
}

/// Returns the statement and its values. Before them comes what holds of others, after them the limit.
fn statement(query: &Query, after: Option<&PageCursor>) -> Result<(String, Vec<Bind>), StoreError> {
    let page = query.to_sql(&CHANNELS, after, 1)?;
    let limit = page.binds.len() + 2;
    let sql = format!(
        "{SUMMARY}{COLUMNS} FROM (SELECT t.cid FROM {TABLES} WHERE t.known = 1 AND {} \
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
    use whimbrel_query::{Filter, Sort, field};

    #[test]
    fn the_tables_answer_everything() {
        assert_eq!(CHANNELS.gaps(), [""; 0]);
    }

    /// Returns how SQLite reads the first page of a query.
    async fn plan(query: &Query) -> String {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        schema::migrate(&mut connection, Path::new("x"), 0).await.unwrap();
        let (sql, _) = statement(query, None).unwrap();
        let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        plan.join("\n")
    }

    fn joined(filter: Filter, sort: Sort) -> Query {
        let filter = Filter::and([filter, field("joined").eq(true)]);
        Query::new(&Endpoint::CHANNELS, filter, sort).unwrap()
    }

    #[tokio::test]
    async fn usual_orders_are_those_of_an_index_without_looking_further() {
        let pinned_first = Sort::by_descending("pinned_at").then_descending("last_message_at");
        for (query, index) in [
            (Query::channel_list(), "timelines_list"),
            (
                joined(field("type").eq("team"), Query::channel_list().sort().clone()),
                "timelines_list",
            ),
            (
                joined(Filter::everything(), Sort::by_ascending("name")),
                "timelines_by_name",
            ),
            (
                joined(Filter::everything(), pinned_first.clone()),
                "timelines_pinned",
            ),
            (
                joined(field("archived").eq(false), pinned_first),
                "timelines_pinned",
            ),
        ] {
            let plan = plan(&query).await;
            assert!(
                plan.contains(&format!("{index} (known=? AND listed=?)")),
                "{plan}"
            );
            assert!(!plan.contains("TEMP B-TREE FOR ORDER BY"), "{plan}");
        }
    }

    #[tokio::test]
    async fn what_is_often_asked_for_is_in_one_table_of_small_rows() {
        let by_custom = Sort::by_descending("custom.priority");
        for filter in [
            field("name").autocomplete("re"),
            field("custom.team").eq("red"),
            field("pinned").eq(true),
            field("has_unread").eq(true),
            field("created_at").gt(7),
        ] {
            let plan = plan(&joined(filter, by_custom.clone())).await;
            let page: Vec<&str> = plan
                .lines()
                .skip_while(|line| !line.contains("CO-ROUTINE k"))
                .collect();
            let page: Vec<&str> = page
                .into_iter()
                .take_while(|line| !line.contains("SCAN k"))
                .collect();
            assert!(page.iter().any(|line| line.contains(" t USING")), "{plan}");
            for table in ["channels", "memberships", " c ", " p ", " r "] {
                assert!(!page.iter().any(|line| line.contains(table)), "{table}: {plan}");
            }
        }
    }

    #[tokio::test]
    async fn members_lead_to_channels_by_an_index() {
        let plan = plan(&joined(
            field("members").contains("ada"),
            Query::channel_list().sort().clone(),
        ))
        .await;
        assert!(plan.contains("members_of (user=?)"), "{plan}");
        assert!(plan.contains("timelines_list (known=? AND listed=?)"), "{plan}");
    }
}
