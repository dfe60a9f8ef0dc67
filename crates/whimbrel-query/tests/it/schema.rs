//! Tables like those of the store and of the server, and where the fields are in them.

use whimbrel_query::{Column, CustomColumn, Dialect, Endpoint, Schema};

pub(crate) const SQLITE_TABLES: &str = "
    CREATE TABLE channels (cid TEXT NOT NULL PRIMARY KEY, row TEXT, name_folded TEXT) STRICT, WITHOUT ROWID;
    CREATE TABLE members (cid TEXT NOT NULL, user TEXT NOT NULL, active INTEGER NOT NULL, PRIMARY KEY (cid, user))
        STRICT, WITHOUT ROWID;
    CREATE TABLE memberships (user TEXT NOT NULL, cid TEXT NOT NULL, active INTEGER NOT NULL, row TEXT NOT NULL,
        PRIMARY KEY (user, cid)) STRICT, WITHOUT ROWID;
    CREATE TABLE timelines (cid TEXT NOT NULL PRIMARY KEY, last_at INTEGER, unread INTEGER NOT NULL,
        head_seq INTEGER NOT NULL)
        STRICT, WITHOUT ROWID;
    CREATE TABLE messages (id BLOB NOT NULL PRIMARY KEY, cid TEXT NOT NULL, seq INTEGER NOT NULL,
        author TEXT NOT NULL, parent BLOB, at INTEGER, text_folded TEXT, rest TEXT NOT NULL) STRICT;
";

/// The first value of the statement is who asks.
pub(crate) const SQLITE_CHANNELS_FROM: &str = "SELECT c.cid FROM channels c \
    LEFT JOIN timelines t ON t.cid = c.cid \
    LEFT JOIN memberships p ON p.user = ?1 AND p.cid = c.cid AND p.active = 1 \
    LEFT JOIN memberships q ON q.user = ?1 AND q.cid = c.cid AND json_extract(q.row, '$.state') <> 'gone'";

pub(crate) const SQLITE_CHANNELS: Schema<'_> = Schema {
    dialect: Dialect::Sqlite,
    endpoint: &Endpoint::CHANNELS,
    columns: &[
        ("cid", Column::new("c.cid")),
        ("type", Column::new("substr(c.cid, 1, instr(c.cid, ':') - 1)")),
        (
            "name",
            Column::new("json_extract(c.row, '$.name')").folded("c.name_folded"),
        ),
        ("created_by", Column::new("json_extract(c.row, '$.created_by')")),
        ("created_at", Column::new("json_extract(c.row, '$.created_at')")),
        ("updated_at", Column::new("json_extract(c.row, '$.updated_at')")),
        ("last_message_at", Column::new("t.last_at")),
        (
            "last_updated",
            Column::new(
                "nullif(max(coalesce(t.last_at, -1), coalesce(json_extract(c.row, '$.created_at'), -1)), -1)",
            ),
        ),
        (
            "members",
            Column::list(
                "EXISTS (SELECT 1 FROM members m WHERE m.cid = c.cid AND m.active = 1 AND {match})",
                "m.user",
            ),
        ),
        (
            "member_count",
            Column::new("(SELECT count(*) FROM members a WHERE a.cid = c.cid AND a.active = 1)"),
        ),
        ("joined", Column::new("(p.cid IS NOT NULL)")),
        ("role", Column::new("json_extract(p.row, '$.role')")),
        ("unread_count", Column::new("t.unread")),
        ("has_unread", Column::new("(t.unread > 0)")),
        (
            "pinned",
            Column::new("(json_extract(p.row, '$.pinned_at') IS NOT NULL)"),
        ),
        ("pinned_at", Column::new("json_extract(p.row, '$.pinned_at')")),
        (
            "archived",
            Column::new("(json_extract(p.row, '$.archived_at') IS NOT NULL)"),
        ),
        (
            "hidden",
            Column::new("coalesce(json_extract(p.row, '$.hidden_seq') >= t.head_seq, 0)"),
        ),
        (
            "muted_until",
            Column::new(
                "CASE WHEN json_type(p.row, '$.muted') = 'object' THEN \
                 coalesce(json_extract(p.row, '$.muted.until'), 9007199254740991) END",
            ),
        ),
        (
            "consent",
            Column::new(
                "coalesce(json_extract(q.row, '$.consent'), \
                 CASE json_extract(q.row, '$.added_by') WHEN 'bob' THEN 'allowed' WHEN 'Cy' THEN 'denied' END, 'unknown')",
            ),
        ),
        ("invited", Column::new("(q.cid IS NOT NULL AND p.cid IS NULL)")),
    ],
    custom: Some(CustomColumn {
        doc: "c.row",
        path: &["custom"],
    }),
};

pub(crate) const SQLITE_MESSAGES: Schema<'_> = Schema {
    dialect: Dialect::Sqlite,
    endpoint: &Endpoint::MESSAGES,
    columns: &[
        ("id", Column::uuid_bytes("m.id")),
        ("cid", Column::new("m.cid")),
        ("author", Column::new("m.author")),
        ("seq", Column::new("m.seq")),
        (
            "text",
            Column::new("json_extract(m.rest, '$.body.text')").folded("m.text_folded"),
        ),
        (
            "mentions",
            Column::list(
                "EXISTS (SELECT 1 FROM json_each(m.rest, '$.body.mentions') AS e WHERE {match})",
                "e.value",
            ),
        ),
        (
            "attachments",
            Column::list(
                "EXISTS (SELECT 1 FROM json_each(m.rest, '$.body.attachments') AS e WHERE {match})",
                "json_extract(e.value, '$.kind')",
            ),
        ),
        ("parent", Column::uuid_bytes("m.parent")),
        ("quoted", Column::new("json_extract(m.rest, '$.quoted')")),
        ("accepted_at", Column::new("m.at")),
        ("edited_at", Column::new("json_extract(m.rest, '$.edited_at')")),
        ("deleted_at", Column::new("json_extract(m.rest, '$.deleted_at')")),
        (
            "kind",
            Column::new("coalesce(json_extract(m.rest, '$.kind'), 'regular')"),
        ),
        (
            "silent",
            Column::new("coalesce(json_extract(m.rest, '$.silent'), 0)"),
        ),
        (
            "pinned",
            Column::new("(json_extract(m.rest, '$.pinned') IS NOT NULL)"),
        ),
        ("pinned_at", Column::new("json_extract(m.rest, '$.pinned.at')")),
        (
            "pinned_until",
            Column::new(
                "CASE WHEN json_extract(m.rest, '$.pinned') IS NOT NULL THEN \
                 coalesce(json_extract(m.rest, '$.pinned.until'), 9007199254740991) END",
            ),
        ),
        (
            "replies",
            Column::new("coalesce(json_extract(m.rest, '$.thread.replies'), 0)"),
        ),
        (
            "last_reply_at",
            Column::new("json_extract(m.rest, '$.thread.last_at')"),
        ),
    ],
    custom: Some(CustomColumn {
        doc: "m.rest",
        path: &["body", "custom"],
    }),
};

pub(crate) const POSTGRES_TABLES: &str = "
    CREATE TABLE channels (cid text PRIMARY KEY, body jsonb, name_folded text);
    CREATE TABLE members (cid text NOT NULL, \"user\" text NOT NULL, active boolean NOT NULL,
        PRIMARY KEY (cid, \"user\"));
    CREATE TABLE memberships (\"user\" text NOT NULL, cid text NOT NULL, active boolean NOT NULL, body jsonb NOT NULL,
        PRIMARY KEY (\"user\", cid));
    CREATE TABLE timelines (cid text PRIMARY KEY, last_at bigint, unread bigint NOT NULL,
        head_seq bigint NOT NULL);
    CREATE TABLE messages (id uuid PRIMARY KEY, text_folded text, body jsonb NOT NULL);
";

pub(crate) const POSTGRES_CHANNELS_FROM: &str = "SELECT c.cid FROM channels c \
    LEFT JOIN timelines t ON t.cid = c.cid \
    LEFT JOIN memberships p ON p.\"user\" = $1 AND p.cid = c.cid AND p.active \
    LEFT JOIN memberships q ON q.\"user\" = $1 AND q.cid = c.cid AND q.body #>> '{membership,state}' <> 'gone'";

pub(crate) const POSTGRES_CHANNELS: Schema<'_> = Schema {
    dialect: Dialect::Postgres,
    endpoint: &Endpoint::CHANNELS,
    columns: &[
        ("cid", Column::new("c.cid")),
        ("type", Column::new("split_part(c.cid, ':', 1)")),
        (
            "name",
            Column::new("(c.body #>> '{channel,name}')").folded("c.name_folded"),
        ),
        ("created_by", Column::new("(c.body #>> '{channel,created_by}')")),
        (
            "created_at",
            Column::new("(c.body #>> '{channel,created_at}')::bigint"),
        ),
        (
            "updated_at",
            Column::new("(c.body #>> '{channel,updated_at}')::bigint"),
        ),
        ("last_message_at", Column::new("t.last_at")),
        (
            "last_updated",
            Column::new("greatest(t.last_at, (c.body #>> '{channel,created_at}')::bigint)"),
        ),
        (
            "members",
            Column::list(
                "c.cid IN (SELECT m.cid FROM members m WHERE m.active AND {match})",
                "m.\"user\"",
            ),
        ),
        (
            "member_count",
            Column::new("(SELECT count(*) FROM members a WHERE a.cid = c.cid AND a.active)"),
        ),
        ("joined", Column::new("(p.cid IS NOT NULL)")),
        ("role", Column::new("(p.body #>> '{membership,role}')")),
        ("unread_count", Column::new("t.unread")),
        ("has_unread", Column::new("(t.unread > 0)")),
        (
            "pinned",
            Column::new("((p.body #>> '{membership,pinned_at}') IS NOT NULL)"),
        ),
        (
            "pinned_at",
            Column::new("(p.body #>> '{membership,pinned_at}')::bigint"),
        ),
        (
            "archived",
            Column::new("((p.body #>> '{membership,archived_at}') IS NOT NULL)"),
        ),
        (
            "hidden",
            Column::new("coalesce((p.body #>> '{membership,hidden_seq}')::bigint >= t.head_seq, false)"),
        ),
        (
            "muted_until",
            Column::new(
                "(CASE WHEN (p.body #> '{membership,muted}') IS NOT NULL THEN \
                 coalesce((p.body #>> '{membership,muted,until}')::bigint, 9007199254740991) END)",
            ),
        ),
        (
            "consent",
            Column::new(
                "coalesce(q.body #>> '{membership,consent}', \
                 CASE q.body #>> '{membership,added_by}' WHEN 'bob' THEN 'allowed' WHEN 'Cy' THEN 'denied' END, 'unknown')",
            ),
        ),
        ("invited", Column::new("(q.cid IS NOT NULL AND p.cid IS NULL)")),
    ],
    custom: Some(CustomColumn {
        doc: "c.body",
        path: &["channel", "custom"],
    }),
};

pub(crate) const POSTGRES_MESSAGES: Schema<'_> = Schema {
    dialect: Dialect::Postgres,
    endpoint: &Endpoint::MESSAGES,
    columns: &[
        ("id", Column::new("m.id::text")),
        ("cid", Column::new("(m.body #>> '{message,cid}')")),
        ("author", Column::new("(m.body #>> '{message,author}')")),
        ("seq", Column::new("(m.body #>> '{message,seq}')::bigint")),
        (
            "text",
            Column::new("(m.body #>> '{message,body,text}')").folded("m.text_folded"),
        ),
        (
            "mentions",
            Column::list(
                "EXISTS (SELECT 1 FROM jsonb_array_elements_text(m.body #> '{message,body,mentions}') AS e(v) \
                 WHERE {match})",
                "e.v",
            ),
        ),
        (
            "attachments",
            Column::list(
                "EXISTS (SELECT 1 FROM jsonb_array_elements(m.body #> '{message,body,attachments}') AS e(v) \
                 WHERE {match})",
                "(e.v ->> 'kind')",
            ),
        ),
        ("parent", Column::new("(m.body #>> '{message,parent}')")),
        ("quoted", Column::new("(m.body #>> '{message,quoted}')")),
        (
            "accepted_at",
            Column::new("(m.body #>> '{message,accepted_at}')::bigint"),
        ),
        (
            "edited_at",
            Column::new("(m.body #>> '{message,edited_at}')::bigint"),
        ),
        (
            "deleted_at",
            Column::new("(m.body #>> '{message,deleted_at}')::bigint"),
        ),
        (
            "kind",
            Column::new("coalesce(m.body #>> '{message,kind}', 'regular')"),
        ),
        (
            "silent",
            Column::new("coalesce((m.body #>> '{message,silent}')::boolean, false)"),
        ),
        (
            "pinned",
            Column::new("((m.body #> '{message,pinned}') IS NOT NULL)"),
        ),
        (
            "pinned_at",
            Column::new("(m.body #>> '{message,pinned,at}')::bigint"),
        ),
        (
            "pinned_until",
            Column::new(
                "(CASE WHEN (m.body #> '{message,pinned}') IS NOT NULL THEN \
                 coalesce((m.body #>> '{message,pinned,until}')::bigint, 9007199254740991) END)",
            ),
        ),
        (
            "replies",
            Column::new("coalesce((m.body #>> '{message,thread,replies}')::bigint, 0)"),
        ),
        (
            "last_reply_at",
            Column::new("(m.body #>> '{message,thread,last_at}')::bigint"),
        ),
    ],
    custom: Some(CustomColumn {
        doc: "m.body",
        path: &["message", "body", "custom"],
    }),
};

#[test]
fn the_tables_of_the_tests_answer_everything() {
    for schema in [
        SQLITE_CHANNELS,
        SQLITE_MESSAGES,
        POSTGRES_CHANNELS,
        POSTGRES_MESSAGES,
    ] {
        assert_eq!(
            schema.gaps(),
            Vec::<String>::new(),
            "{} {:?}",
            schema.endpoint.name,
            schema.dialect
        );
    }
}

#[test]
fn what_tables_do_not_answer_is_a_gap() {
    let schema = Schema {
        columns: &[("id", Column::new("u.id")), ("name", Column::new("u.name"))],
        custom: None,
        endpoint: &Endpoint::USERS,
        dialect: Dialect::Sqlite,
    };
    assert_eq!(schema.gaps(), ["name: $autocomplete, $q", "custom.<key>"]);
}
