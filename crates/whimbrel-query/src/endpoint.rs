use crate::{error::Problem, operator::Operator};
use std::fmt;

mod table;

/// A kind of item that can be asked for: its fields, and what each can be asked.
///
/// The table of `docs/QUERY.md` says the same.
#[derive(PartialEq)]
pub struct Endpoint {
    /// What is asked for, as in errors: `channels`.
    pub name: &'static str,
    /// The field that tells one item from every other. It is the last key of every sort.
    pub id: &'static str,
    /// The built-in fields.
    pub fields: &'static [FieldRule],
    /// Whether the items have custom data.
    pub custom: bool,
}

/// What can be asked of one field.
#[derive(Debug, PartialEq)]
pub struct FieldRule {
    /// Its name in a filter.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// What a filter can ask.
    pub operators: &'static [Operator],
    /// Whether a sort can name it.
    pub sortable: bool,
    /// Whether no item is without it. An index is used in its plain order then.
    pub always: bool,
}

/// What the values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text, ordered by its bytes.
    Text,
    /// A UUID as text, in lower case with hyphens.
    Uuid,
    /// A number.
    Number,
    /// A time: a whole number of milliseconds since 1970, in UTC.
    Time,
    /// True or false, in this order.
    Bool,
    /// A list of texts. One without an entry is missing.
    TextList,
    /// Custom data: whatever JSON the app has put there.
    Any,
}

impl Kind {
    /// Returns the name that the documents use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Uuid => "uuid",
            Self::Number => "number",
            Self::Time => "time",
            Self::Bool => "bool",
            Self::TextList => "list",
            Self::Any => "any",
        }
    }

    pub(crate) const fn takes(self) -> &'static str {
        match self {
            Self::Text | Self::TextList => "text",
            Self::Uuid => "a UUID as text, in lower case with hyphens",
            Self::Number => "a number",
            Self::Time => "a time as a whole number of milliseconds since 1970, in UTC",
            Self::Bool => "true or false",
            Self::Any => "a value",
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.name)
    }
}

impl Endpoint {
    /// Every endpoint, in the order of the documents.
    pub const ALL: &'static [&'static Self] = &[
        &Self::CHANNELS,
        &Self::MEMBERS,
        &Self::USERS,
        &Self::MESSAGES,
        &Self::REACTIONS,
        &Self::THREADS,
        &Self::DRAFTS,
    ];

    /// Returns what can be asked of `field`.
    pub(crate) fn rule(&self, field: &str) -> Result<&FieldRule, Problem> {
        if let Some(rule) = self.fields.iter().find(|rule| rule.name == field) {
            return Ok(rule);
        }
        match custom_key(field) {
            Some(_) if !self.custom => Err(Problem::invalid(format!(
                "{} have no custom data; their fields are {}",
                self.name,
                self.names()
            ))),
            Some(key) if is_key(key) => Ok(&FieldRule::CUSTOM),
            Some(_) => Err(Problem::invalid(
                "the key of a custom field has one or more of A-Z a-z 0-9 _ -: rename it to filter by it",
            )),
            None => Err(Problem::invalid(format!(
                "{} have no field {field:?}: it is one of {}, or custom.<key> for custom data",
                self.name,
                self.names()
            ))),
        }
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.fields.iter().map(|rule| rule.name).collect();
        names.join(" ")
    }
}

/// Returns the key of a custom field.
pub(crate) fn custom_key(field: &str) -> Option<&str> {
    field.strip_prefix("custom.")
}

/// Whether it can be part of a path in every database. Dots and quotes cannot.
fn is_key(key: &str) -> bool {
    !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}
