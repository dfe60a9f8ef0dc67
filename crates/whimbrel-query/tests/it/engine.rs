//! The databases, as something that holds items and answers queries.

use crate::{
    case::{ChannelRow, ME},
    schema,
};
use sqlx::{
    AssertSqlSafe, Connection as _, Database, Executor as _, PgConnection, Row as _, SqliteConnection,
};
use whimbrel_model::{MemberState, Message, Row};
use whimbrel_query::{Bind, ChannelItem, Item, PageCursor, Query, Schema, Sql, fold};

/// One kind of item, as the evaluator and as a database have it.
pub(crate) trait Stored: Clone + std::fmt::Debug {
    type AsItem<'a>: Item
    where
        Self: 'a;

    fn as_item(&self) -> Self::AsItem<'_>;
    fn id(&self) -> String;
}

impl Stored for ChannelRow {
    type AsItem<'a> = ChannelItem<'a>;

    fn as_item(&self) -> ChannelItem<'_> {
        self.item()
    }

    fn id(&self) -> String {
        self.summary.cid.to_string()
    }
}

/// A message behind a reference.
pub(crate) struct MessageItem<'a>(&'a Message);

impl Item for MessageItem<'_> {
    fn built_in(&self, field: &str) -> whimbrel_query::FieldValue<'_> {
        self.0.built_in(field)
    }

    fn custom(&self) -> Option<&whimbrel_model::Custom> {
        Item::custom(self.0)
    }
}

impl Stored for Message {
    type AsItem<'a> = MessageItem<'a>;

    fn as_item(&self) -> MessageItem<'_> {
        MessageItem(self)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }
}

/// Which part of an order.
#[derive(Clone, Copy)]
pub(crate) enum Page<'a> {
    All,
    After(&'a PageCursor),
    Before(&'a PageCursor),
}

impl Page<'_> {
    fn to_sql(self, query: &Query, schema: &Schema<'_>, before: usize) -> Sql {
        let sql = match self {
            Self::All => query.to_sql(schema, None, before),
            Self::After(cursor) => query.to_sql(schema, Some(cursor), before),
            Self::Before(cursor) => query.to_sql_back(schema, cursor, before),
        };
        sql.unwrap()
    }
}

/// A database that holds items of kind `T`.
pub(crate) trait Engine<T> {
    /// Forgets what was there, and holds `items`.
    async fn load(&mut self, items: &[T]);

    /// Returns the ids, in order; before a cursor the last one first. `change` has the last word on the statement.
    async fn ask(
        &mut self,
        query: &Query,
        page: Page<'_>,
        limit: usize,
        change: &dyn Fn(Sql) -> Sql,
    ) -> Result<Vec<String>, String>;
}

pub(crate) struct Sqlite(SqliteConnection);

impl Sqlite {
    pub(crate) async fn open() -> Self {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        connection.execute(schema::SQLITE_TABLES).await.unwrap();
        Self(connection)
    }
}

pub(crate) struct Postgres(PgConnection, u32);

/// After how many loads the dead rows of those before are cleared away.
const LOADS: u32 = 50;

impl Postgres {
    pub(crate) async fn prepare(mut connection: PgConnection) -> Self {
        connection.execute(schema::POSTGRES_TABLES).await.unwrap();
        Self(connection, 0)
    }

    /// Empties the tables. What is loaded is never committed, which is quicker than to truncate each time.
    async fn empty(&mut self) {
        self.0.execute("ROLLBACK").await.unwrap();
        if self.1.is_multiple_of(LOADS) {
            // Alone: in one message with BEGIN it would be rolled back too.
            self.0
                .execute("TRUNCATE channels, members, memberships, timelines, messages")
                .await
                .unwrap();
        }
        self.0.execute("BEGIN").await.unwrap();
        self.1 += 1;
    }
}

fn text(text: impl ToString) -> Bind {
    Bind::Text(text.to_string())
}

/// Text that can be NULL goes as JSON: a bind has no NULL.
fn optional(value: Option<impl ToString>) -> Bind {
    value.map_or(text(""), text)
}

fn folded(value: &str) -> Bind {
    text(fold(value))
}

impl Engine<ChannelRow> for Sqlite {
    async fn load(&mut self, items: &[ChannelRow]) {
        self.0
            .execute(
                "DELETE FROM channels; DELETE FROM members; DELETE FROM memberships; DELETE FROM timelines",
            )
            .await
            .unwrap();
        for ChannelRow { summary, members } in items {
            let cid = text(&summary.cid);
            let row = summary
                .channel
                .as_ref()
                .map(|channel| serde_json::to_string(channel).unwrap());
            let name = summary.channel.as_ref().map_or("", |channel| &channel.name);
            let sql = "INSERT INTO channels VALUES (?1, nullif(?2, ''), ?3)";
            self.run(sql, vec![cid.clone(), optional(row), folded(name)])
                .await;
            let at = summary
                .last_message
                .as_ref()
                .and_then(|message| message.accepted_at);
            let unread = Bind::Integer(summary.unread.try_into().unwrap());
            let at = Bind::Integer(at.map_or(-1, |at| at.0));
            let head = Bind::Integer(summary.head_seq.try_into().unwrap());
            let sql = "INSERT INTO timelines VALUES (?1, nullif(?2, -1), ?3, ?4)";
            self.run(sql, vec![cid.clone(), at, unread, head]).await;
            for user in members {
                let sql = "INSERT INTO members VALUES (?1, ?2, 1)";
                self.run(sql, vec![cid.clone(), text(user)]).await;
            }
            // Someone who has left is no member.
            self.run("INSERT INTO members VALUES (?1, 'gone', 0)", vec![cid.clone()])
                .await;
            if let Some(row) = &summary.membership {
                let active = Bind::Bool(row.state == MemberState::Active);
                let json = text(serde_json::to_string(row).unwrap());
                let sql = "INSERT INTO memberships VALUES (?1, ?2, ?3, ?4)";
                self.run(sql, vec![text(&row.user), cid, active, json]).await;
            }
        }
    }

    async fn ask(
        &mut self,
        query: &Query,
        page: Page<'_>,
        limit: usize,
        change: &dyn Fn(Sql) -> Sql,
    ) -> Result<Vec<String>, String> {
        let sql = change(page.to_sql(query, &schema::SQLITE_CHANNELS, 1));
        let statement = select(schema::SQLITE_CHANNELS_FROM, &sql, limit);
        let binds = [text(ME)].into_iter().chain(sql.binds).collect();
        self.ids(statement, binds).await
    }
}

impl Engine<ChannelRow> for Postgres {
    async fn load(&mut self, items: &[ChannelRow]) {
        self.empty().await;
        for ChannelRow { summary, members } in items {
            let cid = text(&summary.cid);
            let row = summary
                .channel
                .as_ref()
                .map(|channel| serde_json::to_string(&Row::Channel(channel.clone())).unwrap());
            let name = summary.channel.as_ref().map_or("", |channel| &channel.name);
            let sql = "INSERT INTO channels VALUES ($1, nullif($2, '')::jsonb, $3)";
            self.run(sql, vec![cid.clone(), optional(row), folded(name)])
                .await;
            let at = summary
                .last_message
                .as_ref()
                .and_then(|message| message.accepted_at);
            let unread = Bind::Integer(summary.unread.try_into().unwrap());
            let at = Bind::Integer(at.map_or(-1, |at| at.0));
            let head = Bind::Integer(summary.head_seq.try_into().unwrap());
            let sql = "INSERT INTO timelines VALUES ($1, nullif($2, -1), $3, $4)";
            self.run(sql, vec![cid.clone(), at, unread, head]).await;
            for user in members {
                let sql = "INSERT INTO members VALUES ($1, $2, true)";
                self.run(sql, vec![cid.clone(), text(user)]).await;
            }
            self.run(
                "INSERT INTO members VALUES ($1, 'gone', false)",
                vec![cid.clone()],
            )
            .await;
            if let Some(row) = &summary.membership {
                let active = Bind::Bool(row.state == MemberState::Active);
                let json = text(serde_json::to_string(&Row::Membership(row.clone())).unwrap());
                let sql = "INSERT INTO memberships VALUES ($1, $2, $3, $4::jsonb)";
                self.run(sql, vec![text(&row.user), cid, active, json]).await;
            }
        }
    }

    async fn ask(
        &mut self,
        query: &Query,
        page: Page<'_>,
        limit: usize,
        change: &dyn Fn(Sql) -> Sql,
    ) -> Result<Vec<String>, String> {
        let sql = change(page.to_sql(query, &schema::POSTGRES_CHANNELS, 1));
        let statement = select(schema::POSTGRES_CHANNELS_FROM, &sql, limit);
        let binds = [text(ME)].into_iter().chain(sql.binds).collect();
        self.ids(statement, binds).await
    }
}

impl Engine<Message> for Sqlite {
    async fn load(&mut self, items: &[Message]) {
        self.0.execute("DELETE FROM messages").await.unwrap();
        for message in items {
            let sql = "INSERT INTO messages VALUES \
                       (?1, ?2, ?3, ?4, CASE length(?5) WHEN 16 THEN ?5 END, nullif(?6, -1), ?7, ?8)";
            let parent = message
                .parent
                .map(|id| id.0.as_bytes().to_vec())
                .unwrap_or_default();
            let binds = vec![
                Bind::Bytes(message.id.0.as_bytes().to_vec()),
                text(&message.cid),
                Bind::Integer(message.seq.try_into().unwrap()),
                text(&message.author),
                Bind::Bytes(parent),
                Bind::Integer(message.accepted_at.map_or(-1, |at| at.0)),
                folded(&message.body.text),
                text(serde_json::to_string(message).unwrap()),
            ];
            self.run(sql, binds).await;
        }
    }

    async fn ask(
        &mut self,
        query: &Query,
        page: Page<'_>,
        limit: usize,
        change: &dyn Fn(Sql) -> Sql,
    ) -> Result<Vec<String>, String> {
        let sql = change(page.to_sql(query, &schema::SQLITE_MESSAGES, 0));
        let from = "SELECT json_extract(m.rest, '$.id') FROM messages m";
        self.ids(select(from, &sql, limit), sql.binds).await
    }
}

impl Engine<Message> for Postgres {
    async fn load(&mut self, items: &[Message]) {
        self.empty().await;
        for message in items {
            let json = serde_json::to_string(&Row::Message(message.clone())).unwrap();
            let sql = "INSERT INTO messages VALUES ($1::uuid, $2, $3::jsonb)";
            let binds = vec![text(message.id), folded(&message.body.text), text(json)];
            self.run(sql, binds).await;
        }
    }

    async fn ask(
        &mut self,
        query: &Query,
        page: Page<'_>,
        limit: usize,
        change: &dyn Fn(Sql) -> Sql,
    ) -> Result<Vec<String>, String> {
        let sql = change(page.to_sql(query, &schema::POSTGRES_MESSAGES, 0));
        self.ids(
            select("SELECT m.id::text FROM messages m", &sql, limit),
            sql.binds,
        )
        .await
    }
}

fn select(from: &str, sql: &Sql, limit: usize) -> String {
    format!(
        "{from} WHERE {} ORDER BY {} LIMIT {limit}",
        sql.condition, sql.order
    )
}

macro_rules! engine {
    ($engine:ident, $database:ty) => {
        impl $engine {
            async fn run(&mut self, statement: &str, binds: Vec<Bind>) {
                let query = Self::bound(statement.to_owned(), binds);
                query.execute(&mut self.0).await.unwrap();
            }

            async fn ids(&mut self, statement: String, binds: Vec<Bind>) -> Result<Vec<String>, String> {
                let shown = format!("{statement}\n{binds:?}");
                let rows = Self::bound(statement, binds).fetch_all(&mut self.0).await;
                let rows = rows.map_err(|error| format!("{error}\n{shown}"))?;
                Ok(rows.iter().map(|row| row.try_get(0).unwrap()).collect())
            }

            fn bound(
                statement: String,
                binds: Vec<Bind>,
            ) -> sqlx::query::Query<'static, $database, <$database as Database>::Arguments> {
                let arguments = <$database as Database>::Arguments::default();
                let query = sqlx::query_with(AssertSqlSafe(statement), arguments);
                binds.into_iter().fold(query, |query, bind| match bind {
                    Bind::Integer(number) => query.bind(number),
                    Bind::Real(number) => query.bind(number),
                    Bind::Bool(flag) => query.bind(flag),
                    Bind::Text(text) => query.bind(text),
                    Bind::Bytes(bytes) => query.bind(bytes),
                })
            }
        }
    };
}

engine!(Sqlite, sqlx::Sqlite);
engine!(Postgres, sqlx::Postgres);
