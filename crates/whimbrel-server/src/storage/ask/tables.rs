//! Where the fields of questions are in the tables.

use whimbrel_query::{Column, CustomColumn, Dialect, Endpoint, Schema};

/// What the channels of the asker, `?1`, are chosen from; `?2` says what holds of others for the asker. A table that a question says nothing of costs nothing: SQLite
/// leaves it out.
pub(super) const CHANNELS_FROM: &str = "seats s CROSS JOIN channels c ON c.stream = s.channel \
     LEFT JOIN streams h ON h.id = s.channel LEFT JOIN rows p ON p.key = 'membership ' || ?1 || ' ' || c.cid";

/// Up to which message the asker, `?1`, has read a channel.
macro_rules! position {
    () => {
        "coalesce((SELECT json_extract(r.body, '$.read.seq') FROM rows r WHERE r.key = 'read ' || c.cid || ' ' || ?1), 0)"
    };
}

/// The messages of a channel that the asker, `?1`, has not read. Where the newest one is read, none is looked at.
macro_rules! unread {
    ($what:literal) => {
        concat!(
            "CASE WHEN coalesce(c.last_seq, 0) > ",
            position!(),
            " THEN ",
            $what,
            " FROM rows u WHERE u.stream = s.channel AND u.op IS NOT NULL AND u.seq > ",
            position!(),
            " AND json_extract(u.body, '$.message.author') <> ?1 \
             AND json_extract(u.body, '$.message.deleted_at') IS NULL \
             AND json_extract(u.body, '$.message.silent') IS NULL \
             AND json_extract(u.body, '$.message.author') NOT IN (SELECT value FROM json_each(?2, '$.silent')) \
             AND (json_extract(u.body, '$.message.parent') IS NULL \
              OR json_extract(u.body, '$.message.show_in_channel') = 1)) ELSE 0 END"
        )
    };
}

pub(super) const UNREAD_COUNT: &str = unread!("(SELECT count(*)");

pub(super) const MEMBER_COUNT: &str = "(SELECT count(*) FROM members a WHERE a.channel = s.channel)";

pub(super) const CHANNELS: Schema<'_> = Schema {
    dialect: Dialect::Sqlite,
    endpoint: &Endpoint::CHANNELS,
    columns: &[
        ("cid", Column::new("c.cid")),
        ("type", Column::new("substr(c.cid, 1, instr(c.cid, ':') - 1)")),
        ("name", Column::new("c.name").folded("c.folded")),
        ("created_by", Column::new("c.created_by")),
        ("created_at", Column::new("c.created_at")),
        ("updated_at", Column::new("c.updated_at")),
        ("last_message_at", Column::new("c.last_at")),
        (
            "last_updated",
            Column::new("max(coalesce(c.last_at, c.created_at), c.created_at)"),
        ),
        (
            "members",
            Column::list(
                "EXISTS (SELECT 1 FROM members a WHERE a.channel = s.channel AND {match})",
                "a.user",
            ),
        ),
        ("member_count", Column::new(MEMBER_COUNT)),
        ("joined", Column::new("1")),
        ("role", Column::new("s.role")),
        ("unread_count", Column::new(UNREAD_COUNT)),
        ("has_unread", Column::new(unread!("EXISTS (SELECT 1"))),
        ("pinned", Column::new("(s.pinned_at IS NOT NULL)")),
        ("pinned_at", Column::new("s.pinned_at")),
        ("archived", Column::new("(s.archived_at IS NOT NULL)")),
        ("hidden", Column::new("coalesce(s.hidden_seq >= h.seq, 0)")),
        ("muted_until", Column::new("s.muted_until")),
        (
            "consent",
            Column::new(
                "coalesce(json_extract(p.body, '$.membership.consent'), \
                 CASE WHEN json_extract(p.body, '$.membership.added_by') IN (SELECT value FROM json_each(?2, '$.denied')) \
                 THEN 'denied' \
                 WHEN json_extract(p.body, '$.membership.added_by') IN (SELECT value FROM json_each(?2, '$.allowed')) \
                 THEN 'allowed' END, 'unknown')",
            ),
        ),
        // Who is invited does not see the channel: it is not chosen from.
        ("invited", Column::new("0")),
    ],
    custom: Some(CustomColumn {
        doc: "c.custom",
        path: &[],
    }),
};

/// What the members of the channel with the stream `?1` are chosen from.
pub(super) const MEMBERS_FROM: &str = "members a LEFT JOIN users n ON n.id = a.user";

pub(super) const MEMBERS: Schema<'_> = Schema {
    dialect: Dialect::Sqlite,
    endpoint: &Endpoint::MEMBERS,
    columns: &[
        ("user", Column::new("a.user")),
        ("name", Column::new("n.name").folded("n.folded")),
        ("role", Column::new("a.role")),
        ("joined_at", Column::new("a.joined_at")),
    ],
    custom: None,
};

pub(super) const USERS_FROM: &str = "users n LEFT JOIN rows k ON k.key = 'user ' || n.id";

pub(super) const USERS: Schema<'_> = Schema {
    dialect: Dialect::Sqlite,
    endpoint: &Endpoint::USERS,
    columns: &[
        ("id", Column::new("n.id")),
        ("name", Column::new("n.name").folded("n.folded")),
    ],
    custom: Some(CustomColumn {
        doc: "k.body",
        path: &["user", "custom"],
    }),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_answer_everything() {
        for schema in [CHANNELS, MEMBERS, USERS] {
            assert_eq!(schema.gaps(), [""; 0], "{}", schema.endpoint.name);
        }
    }
}
