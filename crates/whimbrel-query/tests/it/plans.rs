//! What is written of indexes: the planner of SQLite agrees.

use crate::law::runtime;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _, SqliteConnection};
use whimbrel_query::{Column, Dialect, Endpoint, Filter, Query, Schema, Sort, field};

const TABLES: &str = "
    CREATE TABLE timelines (cid TEXT NOT NULL PRIMARY KEY, last_at INTEGER, unread INTEGER NOT NULL)
        STRICT, WITHOUT ROWID;
    CREATE INDEX by_time ON timelines (last_at DESC, cid);
    CREATE INDEX by_unread ON timelines (unread DESC, cid);
    CREATE TABLE members (cid TEXT NOT NULL, user TEXT NOT NULL, PRIMARY KEY (user, cid)) STRICT, WITHOUT ROWID;
";

const CHANNELS: Schema<'_> = Schema {
    dialect: Dialect::Sqlite,
    endpoint: &Endpoint::CHANNELS,
    columns: &[
        ("cid", Column::new("t.cid")),
        ("last_message_at", Column::new("t.last_at")),
        ("unread_count", Column::new("t.unread")),
        (
            "members",
            Column::list("t.cid IN (SELECT m.cid FROM members m WHERE {match})", "m.user"),
        ),
    ],
    custom: None,
};

/// Returns the steps of the plan of the page after a channel.
fn plan(filter: Filter, sort: Sort, with_cursor: bool) -> String {
    let query = Query::new(&Endpoint::CHANNELS, filter, sort).unwrap();
    let summary = whimbrel_model::ChannelSummary {
        mentions: 0,
        cid: whimbrel_model::ChannelId::new("team:a").unwrap(),
        channel: None,
        membership: None,
        last_message: None,
        read: None,
        waiting_read: None,
        unread: 3,
        unread_unknown: 0,
        members: 0,
        head_seq: 0,
    };
    let cursor = query.cursor(&whimbrel_query::ChannelItem {
        summary: &summary,
        members: &[],
        people: &whimbrel_model::People::default(),
    });
    let sql = query
        .to_sql(&CHANNELS, with_cursor.then_some(&cursor), 0)
        .unwrap();
    let statement = format!(
        "EXPLAIN QUERY PLAN SELECT t.cid FROM timelines t WHERE {} ORDER BY {} LIMIT 30",
        sql.condition, sql.order
    );
    runtime().block_on(async {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        connection.execute(TABLES).await.unwrap();
        let rows = sqlx::query(AssertSqlSafe(statement))
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        steps.join("; ")
    })
}

#[test]
fn a_list_by_its_newest_messages_is_read_in_the_order_of_the_index() {
    let plan = plan(
        Filter::everything(),
        Sort::by_descending("last_message_at"),
        false,
    );
    assert_eq!(plan, "SCAN t USING COVERING INDEX by_time");
}

#[test]
fn a_page_starts_from_the_index_where_the_first_key_is_always_there() {
    let plan = plan(Filter::everything(), Sort::by_descending("unread_count"), true);
    assert_eq!(plan, "SEARCH t USING COVERING INDEX by_unread (unread<?)");
}

#[test]
fn the_channels_of_one_user_are_found_by_the_index_of_members() {
    let plan = plan(field("members").contains("ada"), Sort::by_id(), false);
    assert!(plan.contains("SEARCH m USING PRIMARY KEY (user=?)"), "{plan}");
    assert!(!plan.contains("SCAN t"), "{plan}");
}
