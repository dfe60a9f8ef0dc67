//! Questions: channels, members and users by their tables and the compiled query; everything else evaluated along an index.

mod beside;
mod messages;
mod search;
mod tables;

use super::{
    error::unusable,
    reader::{SqliteReader, bodies, open_stream},
    stored::{get, key_text, opt_row, signed, unsigned},
};
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection, SqlitePool, Transaction, sqlite::SqliteRow};
use tables::{CHANNELS, CHANNELS_FROM, MEMBER_COUNT, MEMBERS, MEMBERS_FROM, UNREAD_COUNT, USERS, USERS_FROM};
use whimbrel_hub::{
    AskPlace, AskPlan, ChannelBeside, ChannelFound, Found, MemberFound, StorageError, ThreadFound, too_many,
};
use whimbrel_model::{
    AccountRow, ChannelId, ChannelSummary, ConsentState, Draft, Message, MessageId, People, Row, RowKey,
    StreamId, Timestamp, UserId,
};
use whimbrel_protocol::{Answer, FindMembers, Question};
use whimbrel_query::{Bind, Schema, Sql, limits};

/// Instructions of SQLite's machine between two looks at the clock that counts them.
const STEP: i32 = 10_000;

/// Steps of one question: about half a second of work.
const STEPS: u32 = 2_000;

/// The channels of the inner statement, with what a list shows of each.
const CHANNEL_ROWS: &str = "
SELECT k.body, p.body, m.body, r.body, h.seq, q.members, q.unread FROM q CROSS JOIN rows k ON k.key = 'channel ' || q.cid
LEFT JOIN rows p ON p.key = 'membership ' || ?1 || ' ' || q.cid
LEFT JOIN rows m ON m.stream = q.channel AND m.seq = q.last_seq AND m.op IS NOT NULL
LEFT JOIN rows r ON r.key = 'read ' || q.cid || ' ' || ?1
LEFT JOIN streams h ON h.id = q.channel";

const MEMBER_ROWS: &str = "
SELECT m.body, p.body FROM q CROSS JOIN rows m ON m.key = 'member ' || ?2 || ' ' || q.user
LEFT JOIN rows p ON p.key = 'user ' || q.user";

const USER_ROWS: &str = "SELECT u.body FROM q CROSS JOIN rows u ON u.key = 'user ' || q.id";

const CONTACTS: &str = "SELECT body FROM rows WHERE key >= ?1 || ' ' AND key < ?1 || '!'";

const DRAFTS: &str = "SELECT body FROM rows WHERE key >= ?1 || ' ' AND key < ?1 || '!' LIMIT ?2";

/// The threads that a user follows in channels that the user is in.
const THREADS: &str = "
SELECT m.body, r.body FROM followed f
JOIN seats s ON s.user = f.user AND s.channel = f.channel
JOIN channels c ON c.stream = f.channel
JOIN rows m ON m.key = 'message ' || f.parent
LEFT JOIN rows r ON r.key = 'read ' || c.cid || ' ' || f.user || ' ' || f.parent
WHERE f.user = ?1 LIMIT ?2";

/// The channel of a message that the user is in.
const MESSAGE: &str = "
SELECT r.stream, r.seq FROM rows r JOIN seats s ON s.user = ?2 AND s.channel = r.stream WHERE r.key = ?1";

const REACTIONS: &str = "
SELECT body FROM rows INDEXED BY rows_timeline WHERE stream = ?1 AND seq = ?2 AND op IS NULL LIMIT ?3";

const REPLY: &str = "
SELECT body FROM rows WHERE stream = (SELECT id FROM streams WHERE name = ?1) AND seq = ?2 AND op IS NOT NULL";

/// A connection in one snapshot, for one question.
struct Asking {
    snapshot: Transaction<'static, Sqlite>,
}

impl SqliteReader {
    pub(super) async fn ask(
        &self,
        user: &UserId,
        question: &Question,
        now: Timestamp,
    ) -> Result<Answer, StorageError> {
        if let Question::Search(search) = question {
            return self.search((user, now), search).await;
        }
        let plan = AskPlan::new(question)?;
        let mut asking = Asking::begin(self.questions()).await?;
        let answer = asking.answer((user, now), question, &plan).await;
        asking.snapshot.rollback().await.map_err(unusable)?;
        answer
    }
}

impl Asking {
    async fn begin(pool: &SqlitePool) -> Result<Self, StorageError> {
        Self::begin_with(pool, STEPS).await
    }

    async fn begin_with(pool: &SqlitePool, steps: u32) -> Result<Self, StorageError> {
        let mut snapshot = pool.begin().await.map_err(unusable)?;
        let mut left = steps;
        let mut handle = snapshot.lock_handle().await.map_err(unusable)?;
        // It counts for this question alone: the next one sets its own.
        handle.set_progress_handler(STEP, move || {
            left = left.saturating_sub(1);
            left > 0
        });
        drop(handle);
        Ok(Self { snapshot })
    }

    async fn answer(
        &mut self,
        (user, now): (&UserId, Timestamp),
        question: &Question,
        plan: &AskPlan,
    ) -> Result<Answer, StorageError> {
        let found = match question {
            Question::Channels(find) => {
                let page = plan.page(self.channels((user, now), plan).await?);
                let beside = if find.state {
                    self.beside(find, page.found()).await?
                } else {
                    Vec::new()
                };
                return Ok(page.answer(ChannelBeside::rows(beside)));
            }
            Question::Users(_) => self.users(plan).await?,
            Question::Members(find) => self.members(user, find, plan).await?,
            Question::Messages(find) => {
                return self.messages(user, find.cid.as_ref(), plan, question).await;
            }
            Question::Reactions(find) => plan.pick(self.reactions(user, find.message).await?)?,
            Question::Threads(_) => {
                let page = plan.page(plan.pick(self.threads(user).await?)?);
                let replies = self.newest_replies(page.found()).await?;
                return Ok(page.answer(replies));
            }
            Question::Drafts(_) => plan.pick(self.drafts(user).await?)?,
            // It has a plan of its own.
            Question::Search(_) | Question::Devices(_) => Vec::new(),
        };
        Ok(plan.page(found).answer(Vec::new()))
    }

    /// Reads what holds of others for a user, if it is asked for.
    async fn people(
        &mut self,
        (user, now): (&UserId, Timestamp),
        plan: &AskPlan,
    ) -> Result<People, StorageError> {
        if !plan.asks_for_people() {
            return Ok(People::default());
        }
        let lines = sqlx::query(CONTACTS)
            .bind(format!("account {user} contact"))
            .fetch_all(&mut *self.snapshot)
            .await
            .map_err(interrupted)?;
        let rows = bodies(&lines)?;
        let contacts = rows.iter().filter_map(|row| match row {
            Row::Account(AccountRow::Contact(contact)) => Some(contact),
            _ => None,
        });
        Ok(People::at(contacts, now))
    }

    async fn channels(
        &mut self,
        (user, now): (&UserId, Timestamp),
        plan: &AskPlan,
    ) -> Result<Vec<Found>, StorageError> {
        let people = self.people((user, now), plan).await?;
        let before = vec![Bind::Text(user.to_string()), Bind::Text(known(&people))];
        let lines = self
            .choose(plan, &CHANNELS, &Chosen::channels(plan), before)
            .await?;
        let found = lines.iter().map(|line| {
            let Some(Row::Channel(channel)) = opt_row(line, 0)? else {
                return Err(StorageError::Corrupt("a channel without its row".to_owned()));
            };
            let summary = ChannelSummary {
                cid: channel.cid.clone(),
                channel: Some(channel),
                membership: opt_row(line, 1)?.and_then(|row| match row {
                    Row::Membership(row) => Some(row),
                    _ => None,
                }),
                last_message: opt_row(line, 2)?.and_then(message),
                read: opt_row(line, 3)?.and_then(|row| match row {
                    Row::Read(row) => Some(row),
                    _ => None,
                }),
                waiting_read: None,
                unread: unsigned(get(line, 6)?),
                mentions: 0,
                unread_unknown: 0,
                members: unsigned(get(line, 5)?),
                head_seq: unsigned(get(line, 4)?),
            };
            Ok(Found::Channel(Box::new(ChannelFound {
                summary,
                members: Vec::new(),
                people: people.clone(),
            })))
        });
        // A join need not keep the order of what it joins.
        Ok(plan.in_order(found.collect::<Result<_, _>>()?))
    }

    async fn users(&mut self, plan: &AskPlan) -> Result<Vec<Found>, StorageError> {
        let lines = self.choose(plan, &USERS, &Chosen::users(), Vec::new()).await?;
        let users = bodies(&lines)?.into_iter().filter_map(|row| match row {
            Row::User(row) => Some(Found::User(Box::new(row))),
            _ => None,
        });
        Ok(plan.in_order(users.collect()))
    }

    async fn members(
        &mut self,
        user: &UserId,
        find: &FindMembers,
        plan: &AskPlan,
    ) -> Result<Vec<Found>, StorageError> {
        let stream = self.stream(user, &find.cid).await?;
        let before = vec![Bind::Integer(stream), Bind::Text(find.cid.to_string())];
        let lines = self.choose(plan, &MEMBERS, &Chosen::members(), before).await?;
        let mut found = Vec::new();
        for line in &lines {
            if let Some(Row::Member(member)) = opt_row(line, 0)? {
                let profile = opt_row(line, 1)?.and_then(|row| match row {
                    Row::User(row) => Some(row),
                    _ => None,
                });
                found.push(Found::Member(Box::new(MemberFound { member, profile })));
            }
        }
        Ok(plan.in_order(found))
    }

    async fn reactions(&mut self, user: &UserId, message: MessageId) -> Result<Vec<Found>, StorageError> {
        let line = sqlx::query(MESSAGE)
            .bind(key_text(&RowKey::Message(message)))
            .bind(user.as_str())
            .fetch_optional(&mut *self.snapshot)
            .await
            .map_err(interrupted)?;
        let line = line.ok_or_else(|| StorageError::no_such_message(message))?;
        let lines = sqlx::query(REACTIONS)
            .bind(get::<i64>(&line, 0)?)
            .bind(get::<i64>(&line, 1)?)
            .bind(signed(limits::LOOKED_AT as u64 + 1))
            .fetch_all(&mut *self.snapshot)
            .await
            .map_err(interrupted)?;
        let reactions = bodies(&lines)?.into_iter().filter_map(|row| match row {
            Row::Reaction(row) if !row.removed => Some(Found::Reaction(Box::new(row))),
            _ => None,
        });
        Ok(reactions.collect())
    }

    async fn threads(&mut self, user: &UserId) -> Result<Vec<Found>, StorageError> {
        let lines = sqlx::query(THREADS)
            .bind(user.as_str())
            .bind(signed(limits::LOOKED_AT as u64 + 1))
            .fetch_all(&mut *self.snapshot)
            .await
            .map_err(interrupted)?;
        let mut found = Vec::new();
        for line in &lines {
            let parent = opt_row(line, 0)?.and_then(message);
            let Some(parent) = parent.filter(|parent| parent.thread.is_some()) else {
                continue;
            };
            let read = opt_row(line, 1)?.and_then(|row| match row {
                Row::Read(row) => Some(row),
                _ => None,
            });
            found.push(Found::Thread(Box::new(ThreadFound { parent, read })));
        }
        Ok(found)
    }

    async fn newest_replies(&mut self, found: &[Found]) -> Result<Vec<Row>, StorageError> {
        let mut replies = Vec::new();
        for found in found {
            let Found::Thread(found) = found else { continue };
            let Some(thread) = found.parent.thread else {
                continue;
            };
            let lines = sqlx::query(REPLY)
                .bind(StreamId::Channel(found.parent.cid.clone()).to_string())
                .bind(signed(thread.last_seq))
                .fetch_all(&mut *self.snapshot)
                .await
                .map_err(interrupted)?;
            replies.extend(bodies(&lines)?);
        }
        Ok(replies)
    }

    async fn drafts(&mut self, user: &UserId) -> Result<Vec<Found>, StorageError> {
        let lines = sqlx::query(DRAFTS)
            .bind(format!("draft {user}"))
            .bind(signed(limits::LOOKED_AT as u64 + 1))
            .fetch_all(&mut *self.snapshot)
            .await
            .map_err(interrupted)?;
        let has_content = |row: &Draft| row.content.is_some();
        let drafts = bodies(&lines)?.into_iter().filter_map(|row| match row {
            Row::Draft(row) if has_content(&row) => Some(Found::Draft(Box::new(row))),
            _ => None,
        });
        Ok(drafts.collect())
    }

    /// Runs a compiled query, and reads the rows of what it chose.
    async fn choose(
        &mut self,
        plan: &AskPlan,
        schema: &Schema<'_>,
        chosen: &Chosen,
        before: Vec<Bind>,
    ) -> Result<Vec<SqliteRow>, StorageError> {
        let (text, binds) = statement(plan, schema, chosen, before)?;
        let query = binds.into_iter().fold(sqlx::query(AssertSqlSafe(text)), bind);
        query.fetch_all(&mut *self.snapshot).await.map_err(interrupted)
    }

    /// Returns the number of a channel's stream, if the user may see it.
    async fn stream(&mut self, user: &UserId, cid: &ChannelId) -> Result<i64, StorageError> {
        let stream = StreamId::Channel(cid.clone());
        let opened = open_stream(self.connection(), user, &stream).await?;
        opened.id.ok_or_else(|| StorageError::channel_not_found(cid))
    }

    fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.snapshot
    }
}

/// What the compiled query is put into.
struct Chosen {
    /// What is selected of each.
    columns: String,
    /// What they are chosen from.
    from: &'static str,
    /// Which may be chosen.
    of: &'static str,
    /// What is read of those that were chosen, which are `q`.
    rows: &'static str,
}

impl Chosen {
    /// The channels of the user `?1`, for whom `?2` holds of others.
    fn channels(plan: &AskPlan) -> Self {
        let uses = |fields: &[&str]| fields.iter().any(|field| plan.query().uses(field));
        let count = |fields: &[&str], sql: &'static str| if uses(fields) { sql } else { "0" };
        Self {
            columns: format!(
                "s.channel AS channel, c.cid AS cid, c.last_seq AS last_seq, {} AS members, {} AS unread",
                count(&["member_count"], MEMBER_COUNT),
                count(&["unread_count", "has_unread"], UNREAD_COUNT),
            ),
            from: CHANNELS_FROM,
            of: "s.user = ?1",
            rows: CHANNEL_ROWS,
        }
    }

    fn users() -> Self {
        Self {
            columns: "n.id AS id".to_owned(),
            from: USERS_FROM,
            of: "TRUE",
            rows: USER_ROWS,
        }
    }

    /// The members of the channel with the stream `?1` and the id `?2`.
    fn members() -> Self {
        Self {
            columns: "a.user AS user".to_owned(),
            from: MEMBERS_FROM,
            of: "a.channel = ?1",
            rows: MEMBER_ROWS,
        }
    }
}

/// Writes the statement that chooses and reads. `before` are the values that `chosen` has already.
fn statement(
    plan: &AskPlan,
    schema: &Schema<'_>,
    chosen: &Chosen,
    mut before: Vec<Bind>,
) -> Result<(String, Vec<Bind>), StorageError> {
    let (sql, offset) = compile(plan, schema, before.len())?;
    before.extend(sql.binds);
    let limit = before.len() + 1;
    before.extend([plan.fetch(), offset].map(|number| Bind::Integer(signed(number as u64))));
    let text = format!(
        "WITH q AS MATERIALIZED (SELECT {} FROM {} WHERE {} AND {} ORDER BY {} LIMIT ?{limit} OFFSET ?{}){}",
        chosen.columns,
        chosen.from,
        chosen.of,
        sql.condition,
        sql.order,
        limit + 1,
        chosen.rows
    );
    Ok((text, before))
}

/// Writes what holds of others as the value that statements look it up in.
fn known(people: &People) -> String {
    let with = |consent| people.with(consent).collect::<Vec<_>>();
    serde_json::json!({
        "allowed": with(ConsentState::Allowed),
        "denied": with(ConsentState::Denied),
        "silent": people.silent().collect::<Vec<_>>(),
    })
    .to_string()
}

fn compile(plan: &AskPlan, schema: &Schema<'_>, before: usize) -> Result<(Sql, usize), StorageError> {
    let query = plan.query();
    let compiled = match plan.place() {
        AskPlace::Offset(offset) => query.to_sql(schema, None, before).map(|sql| (sql, *offset)),
        AskPlace::After(cursor) => query.to_sql(schema, Some(cursor), before).map(|sql| (sql, 0)),
        AskPlace::Before(cursor) => query.to_sql_back(schema, cursor, before).map(|sql| (sql, 0)),
    };
    // The plan has checked everything that the compiler does.
    compiled.map_err(|error| StorageError::Refused {
        code: error.code(),
        message: error.to_string(),
    })
}

type SqliteQuery = sqlx::query::Query<'static, Sqlite, sqlx::sqlite::SqliteArguments>;

fn bind(query: SqliteQuery, value: Bind) -> SqliteQuery {
    match value {
        Bind::Integer(number) => query.bind(number),
        Bind::Real(number) => query.bind(number),
        Bind::Bool(flag) => query.bind(flag),
        Bind::Text(text) => query.bind(text),
        Bind::Bytes(bytes) => query.bind(bytes),
    }
}

/// Translates what SQLite says: that it was stopped means that the question takes too much.
fn interrupted(error: sqlx::Error) -> StorageError {
    let code = error.as_database_error().and_then(|error| error.code());
    if code.is_some_and(|code| code == INTERRUPT) {
        return too_many();
    }
    unusable(error)
}

/// SQLite's code for a statement that the progress handler stopped.
const INTERRUPT: &str = "9";

fn message(row: Row) -> Option<Message> {
    match row {
        Row::Message(row) => Some(row),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::{Connection as _, Row as _};
    use whimbrel_protocol::{Find, FindChannels, Window};
    use whimbrel_query::Sort;

    async fn database() -> SqliteConnection {
        let mut database = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        for schema in [include_str!("schema.sql"), include_str!("questions.sql")] {
            sqlx::raw_sql(schema).execute(&mut database).await.unwrap();
        }
        database
    }

    /// Returns the steps of the plan that SQLite makes of a statement, with its values.
    async fn plan_of(text: String, binds: Vec<Bind>) -> Vec<String> {
        let mut database = database().await;
        let text = format!("EXPLAIN QUERY PLAN {text}");
        let query = binds.into_iter().fold(sqlx::query(AssertSqlSafe(text)), bind);
        let lines = query.fetch_all(&mut database).await.unwrap();
        lines.iter().map(|line| line.get("detail")).collect()
    }

    fn sorted(sort: Sort) -> Find {
        Find {
            sort: whimbrel_model::PlainJson(sort.to_json()),
            ..Find::default()
        }
    }

    #[tokio::test]
    async fn channels_are_looked_for_among_those_of_the_asker() {
        let question = Question::Channels(FindChannels::default());
        let plan = AskPlan::new(&question).unwrap();
        let before = vec![
            Bind::Text("ada".to_owned()),
            Bind::Text(known(&People::default())),
        ];
        let (text, binds) = statement(&plan, &CHANNELS, &Chosen::channels(&plan), before).unwrap();
        let steps = plan_of(text, binds).await;
        assert!(
            steps.contains(&"SEARCH s USING PRIMARY KEY (user=?)".to_owned()),
            "{steps:?}"
        );
        assert!(
            steps.contains(&"SEARCH c USING INTEGER PRIMARY KEY (rowid=?)".to_owned()),
            "{steps:?}"
        );
        let scans: Vec<_> = steps.iter().filter(|step| step.starts_with("SCAN")).collect();
        assert_eq!(
            scans,
            ["SCAN q"],
            "only what was found is read through: {steps:?}"
        );
    }

    #[tokio::test]
    async fn users_and_members_are_read_along_an_index() {
        for (sort, index) in [(Sort::by_id(), "SCAN n"), (Sort::by_descending("id"), "SCAN n")] {
            let plan = AskPlan::new(&Question::Users(sorted(sort))).unwrap();
            let (text, binds) = statement(&plan, &USERS, &Chosen::users(), Vec::new()).unwrap();
            let steps = plan_of(text, binds).await;
            assert!(steps.iter().any(|step| step == index), "{steps:?}");
            assert!(!steps.iter().any(|step| step.contains("B-TREE")), "{steps:?}");
        }
        let find = FindMembers {
            cid: ChannelId::new("team:a").unwrap(),
            filter: whimbrel_model::PlainJson::default(),
            sort: whimbrel_model::PlainJson::default(),
            window: Window::default(),
        };
        let plan = AskPlan::new(&Question::Members(find)).unwrap();
        let before = vec![Bind::Integer(1), Bind::Text("team:a".to_owned())];
        let (text, binds) = statement(&plan, &MEMBERS, &Chosen::members(), before).unwrap();
        let steps = plan_of(text, binds).await;
        let along = "SEARCH a USING COVERING INDEX members_joined (channel=?)";
        assert!(
            steps
                .iter()
                .any(|step| step.starts_with("SEARCH a USING INDEX members_joined") || step == along),
            "{steps:?}"
        );
        assert!(!steps.iter().any(|step| step.contains("B-TREE")), "{steps:?}");
    }

    #[tokio::test]
    async fn a_statement_that_takes_too_much_is_stopped_and_its_connection_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let storage = crate::SqliteStorage::open(dir.path().join("db")).await.unwrap();
        let pool = storage.reader.questions();
        let long = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT count(*) FROM n";
        let mut asking = Asking::begin_with(pool, 2).await.unwrap();
        let stopped = sqlx::query(long).fetch_one(&mut *asking.snapshot).await;
        let error = interrupted(stopped.unwrap_err());
        assert_eq!(error.code(), whimbrel_model::Code::TooLarge);
        asking.snapshot.rollback().await.unwrap();
        let mut asking = Asking::begin(pool).await.unwrap();
        sqlx::query(long).fetch_one(&mut *asking.snapshot).await.unwrap();
        asking.snapshot.rollback().await.unwrap();
        whimbrel_hub::Storage::close(&storage).await;
    }
}
