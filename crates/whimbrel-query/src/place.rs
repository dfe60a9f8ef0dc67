use crate::{Direction, FieldValue, Value};
use std::cmp::Ordering;

/// Where an item stands in the order of a query: the values of its keys, the id last.
///
/// Places of one query are ordered as [`Query::compare`](crate::Query::compare) orders the items that they were made from.
/// Those of different queries have an order that says nothing.
#[derive(Clone, Debug)]
pub struct Place(pub(crate) Vec<(Option<Value>, Direction)>);

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        let mut by_keys = self.0.iter().zip(&other.0).map(|((a, direction), (b, _))| {
            compare(&borrowed(a.as_ref()), &borrowed(b.as_ref()), *direction)
        });
        by_keys.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Place {}

/// Returns what has an order; nothing for what comes last.
pub(crate) fn value(value: FieldValue<'_>) -> Option<Value> {
    match value {
        FieldValue::Bool(flag) => Some(Value::Bool(flag)),
        FieldValue::Number(number) => Some(Value::Number(number)),
        FieldValue::Text(text) => Some(Value::Text(text.into_owned())),
        FieldValue::Missing | FieldValue::List(_) | FieldValue::Object => None,
    }
}

pub(crate) fn borrowed(value: Option<&Value>) -> FieldValue<'_> {
    match value {
        None => FieldValue::Missing,
        Some(Value::Bool(flag)) => FieldValue::Bool(*flag),
        Some(Value::Number(number)) => FieldValue::Number(*number),
        Some(Value::Text(text)) => FieldValue::Text(text.into()),
    }
}

/// Compares two values of one key: numbers, then text, then false and true; the other way round when descending; and
/// last whatever has no order.
pub(crate) fn compare(a: &FieldValue<'_>, b: &FieldValue<'_>, direction: Direction) -> Ordering {
    let missing = |value: &FieldValue<'_>| rank(value).is_none();
    let order = match (a, b) {
        (FieldValue::Bool(a), FieldValue::Bool(b)) => a.cmp(b),
        (FieldValue::Number(a), FieldValue::Number(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
        (FieldValue::Text(a), FieldValue::Text(b)) => a.cmp(b),
        _ if missing(a) || missing(b) => return missing(a).cmp(&missing(b)),
        _ => rank(a).cmp(&rank(b)),
    };
    match direction {
        Direction::Ascending => order,
        Direction::Descending => order.reverse(),
    }
}

const fn rank(value: &FieldValue<'_>) -> Option<u8> {
    match value {
        FieldValue::Number(_) => Some(0),
        FieldValue::Text(_) => Some(1),
        FieldValue::Bool(_) => Some(2),
        FieldValue::Missing | FieldValue::List(_) | FieldValue::Object => None,
    }
}
