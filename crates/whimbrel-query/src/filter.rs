use crate::{Endpoint, QueryError, Value, check, json};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;

/// Which items are wanted.
///
/// Built with [`field`] and [`Filter::and`], [`Filter::or`], [`Filter::nor`], or read from JSON. There is one form of
/// each filter: groups of one are the one, an `$and` in an `$and` is part of it, lists are sorted and without repeats.
/// Two filters of one form are equal, and have the same JSON.
///
/// ```
/// use serde_json::json;
/// use whimbrel_query::{Filter, field};
///
/// let built = Filter::and([field("members").contains("ada"), field("custom.color").eq("green")]);
/// let read = Filter::from_json(&json!({"custom.color": "green", "members": {"$contains": "ada"}}))?;
/// assert_eq!(
///     built.to_json(),
///     json!({"$and": [{"members": {"$contains": "ada"}}, {"custom.color": {"$eq": "green"}}]})
/// );
/// assert_eq!(Filter::from_json(&built.to_json())?, built);
/// assert_ne!(read, built, "the order is part of a filter");
/// # Ok::<(), whimbrel_query::QueryError>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Filter(pub(crate) Node);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    And(Vec<Self>),
    Or(Vec<Self>),
    Nor(Vec<Self>),
    Term(Term),
}

/// One comparison of one field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Term {
    pub(crate) field: String,
    pub(crate) test: Test,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    Eq(Value),
    Ne(Value),
    Gt(Value),
    Gte(Value),
    Lt(Value),
    Lte(Value),
    In(Vec<Value>),
    Nin(Vec<Value>),
    Exists(bool),
    Contains(Value),
    Autocomplete(String),
    Q(String),
}

impl Default for Filter {
    fn default() -> Self {
        Self::everything()
    }
}

impl Filter {
    /// Creates the filter that every item matches: `{}`.
    #[must_use]
    pub const fn everything() -> Self {
        Self(Node::And(Vec::new()))
    }

    /// Creates a filter that matches what all of `filters` match. Of none: everything.
    #[must_use]
    pub fn and(filters: impl IntoIterator<Item = Self>) -> Self {
        Self(Node::and(filters.into_iter().map(|filter| filter.0)))
    }

    /// Creates a filter that matches what any of `filters` matches. Of none: nothing.
    #[must_use]
    pub fn or(filters: impl IntoIterator<Item = Self>) -> Self {
        Self(Node::or(filters.into_iter().map(|filter| filter.0)))
    }

    /// Creates a filter that matches what none of `filters` matches. Of none: everything.
    #[must_use]
    pub fn nor(filters: impl IntoIterator<Item = Self>) -> Self {
        Self(Node::nor(filters.into_iter().map(|filter| filter.0)))
    }

    /// Reads a filter, without knowing of what. [`Filter::validate`] it, or use [`Filter::from_json_for`].
    ///
    /// # Errors
    /// [`QueryError`] for what is no filter, and for what is over a limit; its place is one in `json`.
    pub fn from_json(json: &serde_json::Value) -> Result<Self, QueryError> {
        json::parse(json, None).map(Self)
    }

    /// Reads a filter of `endpoint`, and validates it: [`Filter::from_json`] and [`Filter::validate`] in one, and so the
    /// place of every error is one in `json`, however that was written.
    ///
    /// # Errors
    /// [`QueryError`] as both.
    pub fn from_json_for(endpoint: &Endpoint, json: &serde_json::Value) -> Result<Self, QueryError> {
        json::parse(json, Some(endpoint)).map(Self)
    }

    /// Returns the one JSON form, which [`Filter::from_json`] reads.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        json::print(&self.0)
    }

    /// Checks that `endpoint` has the fields, that they have the operators, that the values are of their types, and
    /// every limit.
    ///
    /// # Errors
    /// [`QueryError`]; its place is one in [`Filter::to_json`].
    pub fn validate(&self, endpoint: &Endpoint) -> Result<(), QueryError> {
        check::filter(&self.0, Some(endpoint))
    }

    /// Returns whether it says anything of `field`.
    #[must_use]
    pub fn uses(&self, field: &str) -> bool {
        self.0.uses(field)
    }

    /// Returns whether it plainly says that `field` equals `value`: only what does can match. Tells an index that helps.
    #[must_use]
    pub fn requires(&self, field: &str, value: &Value) -> bool {
        let says = |node: &Node| matches!(node, Node::Term(Term { field: of, test: Test::Eq(equal) }) if of == field && equal == value);
        match &self.0 {
            Node::And(nodes) => nodes.iter().any(says),
            node => says(node),
        }
    }
}

impl Node {
    fn uses(&self, field: &str) -> bool {
        match self {
            Self::And(nodes) | Self::Or(nodes) | Self::Nor(nodes) => {
                nodes.iter().any(|node| node.uses(field))
            }
            Self::Term(term) => term.field == field,
        }
    }

    pub(crate) fn and(nodes: impl IntoIterator<Item = Self>) -> Self {
        let flat = |node| match node {
            Self::And(inner) => inner,
            other => vec![other],
        };
        one_or(nodes.into_iter().flat_map(flat).collect(), Self::And)
    }

    pub(crate) fn or(nodes: impl IntoIterator<Item = Self>) -> Self {
        one_or(alternatives(nodes), Self::Or)
    }

    pub(crate) fn nor(nodes: impl IntoIterator<Item = Self>) -> Self {
        match alternatives(nodes) {
            none if none.is_empty() => Self::And(none),
            some => Self::Nor(some),
        }
    }
}

fn alternatives(nodes: impl IntoIterator<Item = Node>) -> Vec<Node> {
    let flat = |node| match node {
        Node::Or(inner) => inner,
        other => vec![other],
    };
    nodes.into_iter().flat_map(flat).collect()
}

fn one_or(mut nodes: Vec<Node>, group: fn(Vec<Node>) -> Node) -> Node {
    match nodes.pop() {
        Some(only) if nodes.is_empty() => only,
        last => {
            nodes.extend(last);
            group(nodes)
        }
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({})", self.to_json())
    }
}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = serde_json::Value::deserialize(deserializer)?;
        Self::from_json(&json).map_err(D::Error::custom)
    }
}

/// Names a field, to compare it: a built-in one of the [`Endpoint`], or `custom.<key>`.
///
/// ```
/// use whimbrel_query::field;
///
/// let filter = field("last_message_at").gte(1_700_000_000_000_i64);
/// assert_eq!(filter.to_json().to_string(), r#"{"last_message_at":{"$gte":1700000000000}}"#);
/// ```
#[must_use]
pub fn field(name: impl Into<String>) -> Field {
    Field { name: name.into() }
}

/// The left side of a comparison; see [`field`].
#[derive(Clone, Debug)]
pub struct Field {
    name: String,
}

macro_rules! comparisons {
    ($($(#[$doc:meta])* $method:ident => $test:ident;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $method(self, value: impl Into<Value>) -> Filter {
            self.term(Test::$test(value.into()))
        }
    )*};
}

impl Field {
    comparisons! {
        /// `$eq`: is this value.
        eq => Eq;
        /// `$ne`: is not this value, or is missing. The opposite of [`Field::eq`].
        ne => Ne;
        /// `$gt`: is of the same type, and greater.
        gt => Gt;
        /// `$gte`: is of the same type, and greater or equal.
        gte => Gte;
        /// `$lt`: is of the same type, and less.
        lt => Lt;
        /// `$lte`: is of the same type, and less or equal.
        lte => Lte;
        /// `$contains`: is a list that has this value.
        contains => Contains;
    }

    /// `$in`: is one of these values, or is a list that has one of them.
    #[must_use]
    pub fn is_in<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        let values = values.into_iter().map(Into::into).collect();
        self.term(Test::In(values))
    }

    /// `$nin`: the opposite of [`Field::is_in`], so it matches what is missing.
    #[must_use]
    pub fn not_in<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        let values = values.into_iter().map(Into::into).collect();
        self.term(Test::Nin(values))
    }

    /// `$exists`: is there, and not null; or, with false, is not.
    #[must_use]
    pub fn exists(self, exists: bool) -> Filter {
        self.term(Test::Exists(exists))
    }

    /// `$autocomplete`: is text that has these words one after the other, the last of them perhaps only begun.
    #[must_use]
    pub fn autocomplete(self, text: impl Into<String>) -> Filter {
        self.term(Test::Autocomplete(text.into()))
    }

    /// `$q`: is text that has all of these words, whole, in any order.
    #[must_use]
    pub fn q(self, text: impl Into<String>) -> Filter {
        self.term(Test::Q(text.into()))
    }

    fn term(self, test: Test) -> Filter {
        Filter(Node::Term(Term {
            field: self.name,
            test: test.canonical(),
        }))
    }
}

impl Test {
    /// Sorts a list, and leaves repeats out.
    pub(crate) fn canonical(self) -> Self {
        match self {
            Self::In(values) => Self::In(set(values)),
            Self::Nin(values) => Self::Nin(set(values)),
            other => other,
        }
    }
}

fn set(mut values: Vec<Value>) -> Vec<Value> {
    values.sort_by(Value::order);
    values.dedup();
    values
}
