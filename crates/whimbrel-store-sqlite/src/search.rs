//! Messages by their text: the index for what it has, and a look at the newest of what it does not have yet.

use crate::{
    decode::{Decoded, number},
    message::{self, COLUMNS},
    read,
    readers::Readers,
};
use sqlx::{Row as _, sqlite::SqliteRow};
use whimbrel_query::{Hits, SearchPage, SearchQuery, author_mark, channel_mark};
use whimbrel_store::StoreError;

/// Rows that the index does not have, of each kind, that a search looks through. It takes some milliseconds.
const LOOKED_THROUGH: i64 = 1_000;

/// Channels up to which the index is asked for them. Of more each is looked at when its message was found.
const MARKED_CHANNELS: usize = 16;

/// The number by which the index has a row `m` of messages, see the schema.
pub(crate) const NUMBER: &str =
    "((min(max(m.at, 0), 4398046511103) - 2199023255552) << 22 | (m.rowid & 4194303))";

/// Milliseconds that the numbers reach before and after, and the bits of a row's number in them.
const EPOCH: i64 = 1 << 41;
const ROW_BITS: u32 = 22;

/// What is said of a found row: from the index, looked through, or how much was not.
mod from {
    pub(super) const INDEX: i64 = 0;
    pub(super) const ROWS: i64 = 1;
}

impl Readers {
    pub(crate) async fn search(&self, query: &SearchQuery) -> Result<SearchPage, StoreError> {
        let limit = query.page_size();
        let after: Option<i64> = query.place()?;
        let channels = (!query.channels.is_empty()).then(|| serde_json::json!(query.channels).to_string());
        let least = query.since.map_or(i64::MIN, |since| number_at(since.0, 0));
        let most = query
            .until
            .map_or(i64::MAX, |until| number_at(until.0, (1 << ROW_BITS) - 1));
        let rows = self.select("searching messages", statement(), |sql| {
            sql.bind(query.text.for_index(&marks(query)))
                .bind(after.unwrap_or(i64::MAX))
                .bind(least)
                .bind(most)
                .bind(channels)
                .bind(query.author.as_ref().map(ToString::to_string))
                .bind(read::count(limit))
                .bind(LOOKED_THROUGH)
        });
        Ok(page(&rows.await?, query, after, limit)?)
    }
}

/// Returns the number that a message of the time `at` has if its row has the last bits `row`.
fn number_at(at: i64, row: i64) -> i64 {
    (at.clamp(0, 2 * EPOCH - 1) - EPOCH) << ROW_BITS | row
}

fn marks(query: &SearchQuery) -> [Vec<String>; 2] {
    let channels = &query.channels;
    let is_marked = channels.len() <= MARKED_CHANNELS;
    let channels = channels.iter().filter(|_| is_marked).map(channel_mark);
    [channels.collect(), query.author.iter().map(author_mark).collect()]
}

/// 1 search, 2 before which number, 3 and 4 the least and the greatest, 5 channels, 6 author, 7 how many, 8 how many to look
/// through. Numbers of the index tell the row up to the bits above theirs, so the first rows that may be it are tried.
fn statement() -> String {
    let row = |high: u32| {
        format!(
            "(SELECT x.rowid FROM messages x WHERE x.rowid = (w.rowid & 4194303) + {high} * 4194304 \
             AND min(max(x.at, 0), 4398046511103) = (w.rowid >> 22) + 2199023255552)"
        )
    };
    let row = format!("coalesce({}, {}, {}, {})", row(0), row(1), row(2), row(3));
    let wanted = "m.ver > 0 AND m.deleted = 0 AND (?5 IS NULL OR m.cid IN (SELECT value FROM json_each(?5))) \
         AND (?6 IS NULL OR m.author = ?6) AND EXISTS (SELECT 1 FROM timelines t WHERE t.cid = m.cid AND t.listed = 1)";
    let upto = "(SELECT upto FROM indexed)";
    format!(
        "SELECT {COLUMNS}, {index}, f.number FROM (SELECT w.rowid AS number, m.rowid AS row \
           FROM words w CROSS JOIN messages m ON m.rowid = {row} \
           WHERE w.words MATCH ?1 AND w.rowid < ?2 AND w.rowid BETWEEN ?3 AND ?4 AND {wanted} \
           ORDER BY w.rowid DESC LIMIT ?7 + 1) f CROSS JOIN messages m ON m.rowid = f.row \
         UNION ALL \
         SELECT {COLUMNS}, {rows}, {NUMBER} FROM (SELECT rowid AS row FROM messages WHERE rowid > {upto} \
           ORDER BY rowid DESC LIMIT ?8) n CROSS JOIN messages m ON m.rowid = n.row WHERE {wanted} \
         UNION ALL \
         SELECT {COLUMNS}, {rows}, {NUMBER} FROM (SELECT message FROM unindexed LIMIT ?8) u \
           CROSS JOIN messages m ON m.rowid = u.message WHERE {wanted} \
         UNION ALL \
         SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
           max(0, coalesce((SELECT max(rowid) FROM messages), 0) - {upto} - ?8), \
           max(0, (SELECT count(*) FROM unindexed) - ?8)",
        index = from::INDEX,
        rows = from::ROWS,
    )
}

fn page(rows: &[SqliteRow], query: &SearchQuery, after: Option<i64>, limit: usize) -> Decoded<SearchPage> {
    let mut unindexed = 0;
    let mut of_index: Vec<i64> = Vec::new();
    let mut candidates = Vec::new();
    for row in rows {
        let Some(message) = message::decode(row, 0)? else {
            unindexed = number(row, 7)? + number(row, 8)?;
            continue;
        };
        let place: i64 = row.try_get(8)?;
        if row.try_get::<i64, _>(7)? == from::INDEX {
            of_index.push(place);
        }
        candidates.push((place, message));
    }
    of_index.sort_unstable_by(|a, b| b.cmp(a));
    let end = of_index.get(limit - 1).filter(|_| of_index.len() > limit);
    let hits = Hits::of(candidates, (after, end.copied()), limit, |message| {
        query.matches(message)
    });
    Ok(hits.into_page(unindexed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;
    use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
    use std::path::Path;

    #[tokio::test]
    async fn hits_come_in_their_order_and_each_finds_its_message_by_its_number() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        schema::migrate(&mut connection, Path::new("x"), 0).await.unwrap();
        let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", statement())))
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        let plan = plan.join("\n");
        assert!(plan.contains("SEARCH m USING INTEGER PRIMARY KEY"), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        assert!(!plan.contains("SCAN m\n"), "{plan}");
    }

    #[test]
    fn numbers_are_in_the_order_of_time() {
        let times = [
            -5,
            0,
            1,
            1_700_000_000_000,
            1_700_000_000_001,
            (1 << 42) - 1,
            i64::MAX,
        ];
        let numbers = times.map(|at| number_at(at, 7));
        assert!(numbers.is_sorted());
        assert_eq!(numbers[0], i64::MIN + 7);
        assert_eq!(numbers[6], i64::MAX - (1 << ROW_BITS) + 8);
    }
}
