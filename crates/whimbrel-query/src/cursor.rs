use crate::{
    Query, QueryError, Value, check,
    error::{Pointer, Problem},
    limits,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, fmt::Write as _, str::FromStr};

/// A place in the order of one query, after one item. It stays right when items come and go.
///
/// Its text is opaque, made of digits and letters, and is given back unchanged. It is bound to the query: with another
/// filter, sort or endpoint it is an error. It is no secret and no proof: it holds the values of the sort's fields of
/// that item, and one that was tampered with is another place in the same order.
#[derive(Clone, Debug, PartialEq)]
pub struct PageCursor {
    pub(crate) query: u64,
    /// The values of the keys, the id last. None is missing.
    pub(crate) values: Vec<Option<Value>>,
}

/// The first letter of the text: the version of the form.
const FORM: &str = "a";
const HASH: usize = 16;

impl PageCursor {
    /// Returns the values of the keys, if this is a cursor of `query`.
    pub(crate) fn values_for(&self, query: &Query) -> Result<&[Option<Value>], QueryError> {
        if self.query != query.hash() {
            let what = "this cursor is of another query: give it with the same filter and sort, or start without one";
            return Err(Problem::invalid(what).at(&Pointer::default()));
        }
        // Whoever changed the values may not make a database compare what it cannot.
        let has_id = self.values.last().is_some_and(Option::is_some);
        let fit = query
            .keys()
            .zip(&self.values)
            .all(|((field, _), value)| match value {
                None => true,
                Some(value) => query
                    .endpoint()
                    .rule(field)
                    .is_ok_and(|rule| check::of_kind(value, rule.kind).is_ok()),
            });
        if fit && has_id && self.values.len() == query.keys().count() {
            return Ok(&self.values);
        }
        Err(no_cursor())
    }
}

impl fmt::Display for PageCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.values.iter().map(|value| value.as_ref().map(Value::to_json));
        let json: serde_json::Value = values.collect();
        let mut hex = String::new();
        for byte in json.to_string().bytes() {
            write!(hex, "{byte:02x}")?;
        }
        write!(f, "{FORM}{:016x}{hex}", self.query)
    }
}

impl FromStr for PageCursor {
    type Err = QueryError;

    /// Reads the text.
    ///
    /// # Errors
    /// [`QueryError`] for what is no cursor, or over [`limits::CURSOR_BYTES`].
    fn from_str(text: &str) -> Result<Self, QueryError> {
        if text.len() > limits::CURSOR_BYTES {
            let problem = Problem::too_large(text.len(), limits::CURSOR_BYTES, "bytes of a cursor");
            return Err(problem.at(&Pointer::default()));
        }
        read(text).ok_or_else(no_cursor)
    }
}

fn no_cursor() -> QueryError {
    let what = "this is no cursor: give one back as it was given, or start without one";
    Problem::invalid(what).at(&Pointer::default())
}

fn read(text: &str) -> Option<PageCursor> {
    let text = text.strip_prefix(FORM)?;
    let (hash, hex) = text.split_at_checked(HASH)?;
    // The standard library takes a sign too.
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let bytes = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok());
    let json: Vec<serde_json::Value> = serde_json::from_slice(&bytes.collect::<Option<Vec<u8>>>()?).ok()?;
    let values = json.iter().map(|json| match json {
        serde_json::Value::Null => Some(None),
        json => Value::of_json(json).map(Some),
    });
    Some(PageCursor {
        query: u64::from_str_radix(hash, 16).ok()?,
        values: values.collect::<Option<_>>()?,
    })
}

impl Serialize for PageCursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PageCursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}
