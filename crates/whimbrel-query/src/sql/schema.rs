use crate::Endpoint;

/// Whose SQL is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// SQLite 3.38 or later: placeholders `?1`, JSON as text.
    Sqlite,
    /// Postgres 12 or later: placeholders `$1`, JSON as `jsonb`.
    Postgres,
}

/// Where an endpoint's fields are in the tables of one database. The one who writes the `FROM` gives it; its text goes
/// into statements as it is, so nothing of it may come from a user.
///
/// ```
/// use whimbrel_query::{Bind, Column, Dialect, Endpoint, CustomColumn, Query, Schema, Sort, field};
///
/// const CHANNELS: Schema<'_> = Schema {
///     dialect: Dialect::Sqlite,
///     endpoint: &Endpoint::CHANNELS,
///     columns: &[
///         ("cid", Column::new("c.cid")),
///         ("last_message_at", Column::new("t.last_at")),
///         ("members", Column::list(
///             "EXISTS (SELECT 1 FROM members m WHERE m.cid = c.cid AND m.active = 1 AND {match})",
///             "m.user",
///         )),
///     ],
///     custom: Some(CustomColumn { doc: "c.row", path: &["custom"] }),
/// };
///
/// let filter = field("members").is_in(["ada"]);
/// let query = Query::new(&Endpoint::CHANNELS, filter, Sort::by_descending("last_message_at"))?;
/// let sql = query.to_sql(&CHANNELS, None, 0)?;
/// assert_eq!(
///     sql.condition,
///     "(EXISTS (SELECT 1 FROM members m WHERE m.cid = c.cid AND m.active = 1 AND (m.user IN (?1))))"
/// );
/// assert_eq!(sql.order, "t.last_at DESC NULLS LAST, c.cid ASC");
/// assert_eq!(sql.binds, [Bind::Text("ada".to_owned())]);
/// # Ok::<(), whimbrel_query::QueryError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Schema<'a> {
    /// Whose SQL.
    pub dialect: Dialect,
    /// Of what.
    pub endpoint: &'static Endpoint,
    /// The built-in fields. One that is not here is refused in a query; see [`Schema::gaps`].
    pub columns: &'a [(&'a str, Column<'a>)],
    /// The custom data.
    pub custom: Option<CustomColumn<'a>>,
}

/// Where a built-in field is.
#[derive(Clone, Copy, Debug)]
pub struct Column<'a>(pub(super) Place<'a>);

#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'a> {
    Value { value: &'a str, folded: Option<&'a str> },
    UuidBytes(&'a str),
    List { having: &'a str, element: &'a str },
}

impl<'a> Column<'a> {
    /// Creates a column from an expression that is NULL where the field is missing, for text that is left out when it
    /// is empty too.
    ///
    /// Of which type: text `TEXT`/`text`, number and time `INTEGER`/`bigint`, bool `INTEGER` 0 or 1/`boolean`, uuid
    /// `TEXT`/`text`.
    #[must_use]
    pub const fn new(value: &'a str) -> Self {
        Self(Place::Value { value, folded: None })
    }

    /// Adds an expression of the text as [`fold`](crate::fold) has made it, for `$autocomplete` and `$q`.
    #[must_use]
    pub const fn folded(self, folded: &'a str) -> Self {
        match self.0 {
            Place::Value { value, .. } => Self(Place::Value {
                value,
                folded: Some(folded),
            }),
            _ => self,
        }
    }

    /// Creates a column of a uuid that is stored as its 16 bytes.
    #[must_use]
    pub const fn uuid_bytes(value: &'a str) -> Self {
        Self(Place::UuidBytes(value))
    }

    /// Creates a list from a condition with `{match}` in it: the item has an entry for which `{match}` is true. There
    /// `element` is the text of the entry.
    ///
    /// Which form is quick is for the tables to say: `EXISTS (… WHERE m.cid = c.cid AND {match})` where the items are
    /// few, `c.cid IN (SELECT m.cid … WHERE {match})` where an index leads from entries to items.
    #[must_use]
    pub const fn list(having: &'a str, element: &'a str) -> Self {
        Self(Place::List { having, element })
    }
}

/// Where the custom data is: an object in a JSON document.
#[derive(Clone, Copy, Debug)]
pub struct CustomColumn<'a> {
    /// An expression of the document: JSON as `TEXT` in SQLite, `jsonb` in Postgres. NULL: no custom data.
    pub doc: &'a str,
    /// The keys that lead to the object in it. Each of `A-Z a-z 0-9 _ -`.
    pub path: &'a [&'a str],
}
