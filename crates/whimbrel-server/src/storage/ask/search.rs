//! Searches: the index for what it has, and a look at the newest of what it does not have yet.

use super::{
    Asking, CHANNELS, CHANNELS_FROM, Chosen, SqliteReader, get, interrupted, known, opt_row, signed,
    unsigned, unusable,
};
use crate::storage::stored::parse;
use sqlx::sqlite::SqliteRow;
use whimbrel_hub::{SearchPlan, StorageError};
use whimbrel_model::{ChannelId, Message, Row, Timestamp, UserId};
use whimbrel_protocol::{Answer, Search};
use whimbrel_query::{Bind, Hits, SearchQuery, author_mark, channel_mark, limits};

/// Rows that the index does not have, of each kind, that a search looks through. It takes some milliseconds.
const LOOKED_THROUGH: i64 = 1_000;

/// Channels up to which the index is asked for them. Of more each is looked at when its message was found.
const MARKED_CHANNELS: usize = 64;

/// Hits of the index that are read at a time.
const CHUNK: usize = 500;

const STREAMS: &str =
    "SELECT json_group_array(id) FROM streams WHERE name IN (SELECT 'C:' || value FROM json_each(?))";

/// 1 search, 2 before which row, 3 how many, 4 streams. A hit in another stream has no body.
const FOUND: &str = "
SELECT w.rowid, r.body FROM (SELECT rowid FROM words WHERE words MATCH ?1 AND rowid < ?2 ORDER BY rowid DESC LIMIT ?3) w
LEFT JOIN rows r ON r.id = w.rowid AND r.stream IN (SELECT value FROM json_each(?4))";

/// 1 how many, 2 streams. The last line says how much was not looked through.
const BEHIND: &str = "
SELECT id, body FROM (SELECT id, stream, body FROM rows
  WHERE id > (SELECT upto FROM indexed) AND op IS NOT NULL ORDER BY id DESC LIMIT ?1)
WHERE stream IN (SELECT value FROM json_each(?2))
UNION ALL
SELECT r.id, r.body FROM (SELECT id FROM unindexed LIMIT ?1) u JOIN rows r ON r.id = u.id
WHERE r.stream IN (SELECT value FROM json_each(?2))
UNION ALL
SELECT iif((SELECT count(*) FROM (SELECT 1 FROM rows WHERE id > (SELECT upto FROM indexed) AND op IS NOT NULL
    ORDER BY id DESC LIMIT ?1)) < ?1, 0, (SELECT max(id) FROM rows) - (SELECT upto FROM indexed) - ?1)
  + max(0, (SELECT count(*) FROM unindexed) - ?1), NULL";

impl SqliteReader {
    pub(super) async fn search(
        &self,
        who: (&UserId, Timestamp),
        search: &Search,
    ) -> Result<Answer, StorageError> {
        let plan = SearchPlan::new(search)?;
        let after = plan.place()?;
        let mut asking = Asking::begin(self.questions()).await?;
        let answer = asking.search(who, plan, after).await;
        asking.snapshot.rollback().await.map_err(unusable)?;
        answer
    }
}

impl Asking {
    async fn search(
        &mut self,
        who: (&UserId, Timestamp),
        plan: SearchPlan,
        after: Option<i64>,
    ) -> Result<Answer, StorageError> {
        let channels = self.searched(who, &plan).await?;
        let plan = plan.within(channels);
        if plan.query().channels.is_empty() {
            return Ok(Answer::default());
        }
        let streams = serde_json::json!(plan.query().channels).to_string();
        let streams = sqlx::query_scalar(STREAMS)
            .bind(streams)
            .fetch_one(self.connection());
        let streams: String = streams.await.map_err(interrupted)?;
        let (mut candidates, unindexed) = self.behind(&streams).await?;
        let end = self.indexed(&plan, after, &streams, &mut candidates).await?;
        let limit = plan.query().page_size();
        let hits = Hits::of(candidates, (after, end), limit, |message| plan.wants(message));
        Ok(plan.answer(hits, unindexed))
    }

    /// Reads the channels to search, those with the newest messages first.
    async fn searched(
        &mut self,
        (user, now): (&UserId, Timestamp),
        plan: &SearchPlan,
    ) -> Result<Vec<ChannelId>, StorageError> {
        let chosen = Chosen {
            columns: "c.cid AS cid".to_owned(),
            from: CHANNELS_FROM,
            of: "s.user = ?1",
            rows: " SELECT cid FROM q",
        };
        let people = self.people((user, now), plan.channels()).await?;
        let who = vec![Bind::Text(user.to_string()), Bind::Text(known(&people))];
        let lines = self.choose(plan.channels(), &CHANNELS, &chosen, who).await?;
        lines.iter().map(|line| parse(&get::<String>(line, 0)?)).collect()
    }

    /// Reads the newest messages that the index does not have, and how many more there are.
    async fn behind(&mut self, streams: &str) -> Result<(Vec<(i64, Message)>, u64), StorageError> {
        let lines = sqlx::query(BEHIND).bind(LOOKED_THROUGH).bind(streams.to_owned());
        let lines = lines.fetch_all(self.connection()).await.map_err(interrupted)?;
        let mut candidates = Vec::new();
        let mut unindexed = 0;
        for line in &lines {
            match message(line)? {
                Some(message) => candidates.push((get(line, 0)?, message)),
                None => unindexed = unsigned(get(line, 0)?),
            }
        }
        Ok((candidates, unindexed))
    }

    /// Reads what the index finds, until a page is full or as much was looked at as a server looks at. Returns how far it came,
    /// if there is more.
    async fn indexed(
        &mut self,
        plan: &SearchPlan,
        after: Option<i64>,
        streams: &str,
        candidates: &mut Vec<(i64, Message)>,
    ) -> Result<Option<i64>, StorageError> {
        let limit = plan.query().page_size();
        let text = plan.query().text.for_index(&marks(plan.query()));
        let mut before = after.unwrap_or(i64::MAX);
        let (mut looked_at, mut wanted) = (0, 0);
        loop {
            // One more than the page has, so that it is known whether there are more; then larger bites, as few are wanted.
            let chunk = if looked_at == 0 { limit + 1 } else { CHUNK };
            let lines = sqlx::query(FOUND)
                .bind(text.clone())
                .bind(before)
                .bind(signed(chunk as u64))
                .bind(streams.to_owned())
                .fetch_all(self.connection())
                .await
                .map_err(interrupted)?;
            for line in &lines {
                let place: i64 = get(line, 0)?;
                before = before.min(place);
                if let Some(message) = message(line)? {
                    wanted += usize::from(plan.wants(&message));
                    candidates.push((place, message));
                }
            }
            looked_at += lines.len();
            if lines.len() < chunk {
                return Ok(None);
            }
            if wanted > limit || looked_at >= limits::LOOKED_AT {
                return Ok(Some(before));
            }
        }
    }
}

fn message(line: &SqliteRow) -> Result<Option<Message>, StorageError> {
    Ok(match opt_row(line, 1)? {
        Some(Row::Message(message)) => Some(message),
        _ => None,
    })
}

fn marks(query: &SearchQuery) -> [Vec<String>; 2] {
    let channels = &query.channels;
    let is_marked = channels.len() <= MARKED_CHANNELS;
    let channels = channels.iter().filter(|_| is_marked).map(channel_mark);
    [channels.collect(), query.author.iter().map(author_mark).collect()]
}
