//! The table of fields and operators. `docs/QUERY.md` has the same, and a test compares them.

use super::{Endpoint, FieldRule, Kind};
use crate::operator::Operator::{self, Autocomplete, Contains, Eq, Exists, Gt, Gte, In, Lt, Lte, Ne, Nin, Q};

const IDS: &[Operator] = &[Eq, Ne, In, Nin];
const SOME_IDS: &[Operator] = &[Eq, Ne, In, Nin, Exists];
const NUMBERS: &[Operator] = &[Eq, Ne, Gt, Gte, Lt, Lte, In, Nin];
const TIMES: &[Operator] = &[Eq, Ne, Gt, Gte, Lt, Lte, Exists];
const FLAGS: &[Operator] = &[Eq, Ne];
const LISTS: &[Operator] = &[In, Nin, Exists, Contains];
const NAMES: &[Operator] = &[Eq, Ne, Gt, Gte, Lt, Lte, In, Nin, Exists, Autocomplete, Q];
const TEXTS: &[Operator] = &[Exists, Autocomplete, Q];
const CUSTOM: &[Operator] = &[Eq, Ne, Gt, Gte, Lt, Lte, In, Nin, Exists, Contains];

impl FieldRule {
    /// What can be asked of every custom field.
    pub const CUSTOM: Self = Self::new("custom.<key>", Kind::Any, CUSTOM).sortable();

    const fn new(name: &'static str, kind: Kind, operators: &'static [Operator]) -> Self {
        Self {
            name,
            kind,
            operators,
            sortable: false,
            always: false,
        }
    }

    const fn sortable(self) -> Self {
        Self {
            sortable: true,
            ..self
        }
    }

    const fn always(self) -> Self {
        Self { always: true, ..self }
    }
}

impl Endpoint {
    /// Channels, as one user sees them.
    pub const CHANNELS: Self = Self {
        name: "channels",
        id: "cid",
        fields: &[
            FieldRule::new("cid", Kind::Text, IDS).sortable().always(),
            FieldRule::new("type", Kind::Text, IDS).sortable().always(),
            FieldRule::new("name", Kind::Text, NAMES).sortable(),
            FieldRule::new("created_by", Kind::Text, SOME_IDS),
            FieldRule::new("created_at", Kind::Time, TIMES).sortable(),
            FieldRule::new("updated_at", Kind::Time, TIMES).sortable(),
            FieldRule::new("last_message_at", Kind::Time, TIMES).sortable(),
            FieldRule::new("last_updated", Kind::Time, TIMES).sortable(),
            FieldRule::new("members", Kind::TextList, LISTS),
            FieldRule::new("member_count", Kind::Number, NUMBERS)
                .sortable()
                .always(),
            FieldRule::new("joined", Kind::Bool, FLAGS).sortable().always(),
            FieldRule::new("role", Kind::Text, SOME_IDS),
            FieldRule::new("unread_count", Kind::Number, NUMBERS)
                .sortable()
                .always(),
            FieldRule::new("has_unread", Kind::Bool, FLAGS)
                .sortable()
                .always(),
            FieldRule::new("pinned", Kind::Bool, FLAGS).sortable().always(),
            FieldRule::new("pinned_at", Kind::Time, TIMES).sortable(),
            FieldRule::new("archived", Kind::Bool, FLAGS).sortable().always(),
            FieldRule::new("hidden", Kind::Bool, FLAGS).sortable().always(),
            FieldRule::new("muted_until", Kind::Time, TIMES).sortable(),
            FieldRule::new("consent", Kind::Text, IDS).always(),
            FieldRule::new("invited", Kind::Bool, FLAGS).always(),
        ],
        custom: true,
    };

    /// The members of one channel.
    pub const MEMBERS: Self = Self {
        name: "members",
        id: "user",
        fields: &[
            FieldRule::new("user", Kind::Text, IDS).sortable().always(),
            FieldRule::new("name", Kind::Text, NAMES).sortable(),
            FieldRule::new("role", Kind::Text, IDS).sortable().always(),
            FieldRule::new("joined_at", Kind::Time, NUMBERS)
                .sortable()
                .always(),
        ],
        custom: false,
    };

    /// Users' profiles.
    pub const USERS: Self = Self {
        name: "users",
        id: "id",
        fields: &[
            FieldRule::new("id", Kind::Text, IDS).sortable().always(),
            FieldRule::new("name", Kind::Text, NAMES).sortable(),
        ],
        custom: true,
    };

    /// Messages, as the server stores them.
    pub const MESSAGES: Self = Self {
        name: "messages",
        id: "id",
        fields: &[
            FieldRule::new("id", Kind::Uuid, IDS).sortable().always(),
            FieldRule::new("cid", Kind::Text, IDS).sortable().always(),
            FieldRule::new("author", Kind::Text, IDS).sortable().always(),
            FieldRule::new("seq", Kind::Number, NUMBERS).sortable().always(),
            FieldRule::new("text", Kind::Text, TEXTS),
            FieldRule::new("mentions", Kind::TextList, LISTS),
            FieldRule::new("attachments", Kind::TextList, LISTS),
            FieldRule::new("parent", Kind::Uuid, SOME_IDS),
            FieldRule::new("quoted", Kind::Uuid, SOME_IDS),
            FieldRule::new("accepted_at", Kind::Time, TIMES).sortable(),
            FieldRule::new("edited_at", Kind::Time, TIMES).sortable(),
            FieldRule::new("deleted_at", Kind::Time, TIMES).sortable(),
            FieldRule::new("kind", Kind::Text, IDS).sortable().always(),
            FieldRule::new("silent", Kind::Bool, FLAGS).sortable().always(),
            FieldRule::new("pinned", Kind::Bool, FLAGS).sortable().always(),
            FieldRule::new("pinned_at", Kind::Time, TIMES).sortable(),
            FieldRule::new("pinned_until", Kind::Time, TIMES).sortable(),
            FieldRule::new("replies", Kind::Number, NUMBERS)
                .sortable()
                .always(),
            FieldRule::new("last_reply_at", Kind::Time, TIMES).sortable(),
        ],
        custom: true,
    };

    /// The reactions to one message.
    pub const REACTIONS: Self = Self {
        name: "reactions",
        id: "key",
        fields: &[
            FieldRule::new("key", Kind::Text, IDS).sortable().always(),
            FieldRule::new("user", Kind::Text, IDS).sortable().always(),
            FieldRule::new("type", Kind::Text, IDS).sortable().always(),
            FieldRule::new("at", Kind::Time, NUMBERS).sortable().always(),
        ],
        custom: false,
    };

    /// The threads that one user follows.
    pub const THREADS: Self = Self {
        name: "threads",
        id: "parent",
        fields: &[
            FieldRule::new("parent", Kind::Uuid, IDS).sortable().always(),
            FieldRule::new("cid", Kind::Text, IDS).sortable().always(),
            FieldRule::new("author", Kind::Text, IDS).sortable().always(),
            FieldRule::new("replies", Kind::Number, NUMBERS)
                .sortable()
                .always(),
            FieldRule::new("last_reply_at", Kind::Time, TIMES).sortable(),
            FieldRule::new("created_at", Kind::Time, TIMES).sortable(),
            FieldRule::new("has_unread", Kind::Bool, FLAGS)
                .sortable()
                .always(),
        ],
        custom: false,
    };

    /// The drafts of one user.
    pub const DRAFTS: Self = Self {
        name: "drafts",
        id: "key",
        fields: &[
            FieldRule::new("key", Kind::Text, IDS).sortable().always(),
            FieldRule::new("cid", Kind::Text, IDS).sortable().always(),
            FieldRule::new("parent", Kind::Uuid, SOME_IDS),
            FieldRule::new("text", Kind::Text, TEXTS),
            FieldRule::new("updated_at", Kind::Time, NUMBERS)
                .sortable()
                .always(),
        ],
        custom: false,
    };
}
