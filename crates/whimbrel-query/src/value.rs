use std::cmp::Ordering;
use whimbrel_model::{ChannelId, MessageId, Timestamp, UserId};

/// A value that a filter compares with: true or false, a number, or text.
///
/// There is no null: a field that is null is missing, and `$exists` asks for that. A time is a number, milliseconds
/// since 1970 in UTC, as everywhere on the wire. Every number is a double, so 5 and 5.0 are one value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A number. Whole ones are exact up to [`limits::WHOLE_NUMBER`](crate::limits::WHOLE_NUMBER).
    Number(f64),
    /// Text, an id included.
    Text(String),
}

impl Value {
    /// Compares in the order that lists are kept in: numbers, text, then false and true.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    /// Returns the place of the value's type among the types.
    pub(crate) const fn rank(&self) -> u8 {
        match self {
            Self::Number(_) => 0,
            Self::Text(_) => 1,
            Self::Bool(_) => 2,
        }
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Bool(flag) => (*flag).into(),
            Self::Number(number) => match whole(*number) {
                Some(whole) => whole.into(),
                None => (*number).into(),
            },
            Self::Text(text) => text.as_str().into(),
        }
    }

    /// Returns the value of JSON that is one. Null, lists and objects are none.
    pub(crate) fn of_json(json: &serde_json::Value) -> Option<Self> {
        match json {
            serde_json::Value::Bool(flag) => Some(Self::Bool(*flag)),
            serde_json::Value::Number(number) => number.as_f64().map(Self::Number),
            serde_json::Value::String(text) => Some(Self::Text(text.clone())),
            _ => None,
        }
    }
}

/// Returns the number as a whole one, if it is one that a double holds exactly.
pub(crate) fn whole(number: f64) -> Option<i64> {
    let is_whole = number.fract() == 0.0 && number.abs() <= crate::limits::WHOLE_NUMBER;
    is_whole.then_some(number as i64)
}

macro_rules! from_number {
    ($($number:ty),*) => {$(
        impl From<$number> for Value {
            fn from(number: $number) -> Self {
                // What does not fit becomes too great for a filter, and validation says so.
                Self::Number(number as f64)
            }
        }
    )*};
}

from_number!(i32, u32, i64, u64, f64);

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        time.as_millis().into()
    }
}

macro_rules! from_id {
    ($($id:ty),*) => {$(
        impl From<&$id> for Value {
            fn from(id: &$id) -> Self {
                Self::Text(id.to_string())
            }
        }

        impl From<$id> for Value {
            fn from(id: $id) -> Self {
                Self::Text(id.to_string())
            }
        }
    )*};
}

from_id!(ChannelId, MessageId, UserId);
