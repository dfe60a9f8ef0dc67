use crate::{
    Direction, Endpoint, FieldValue, Filter, Item, PageCursor, QueryError, Sort, Value, evaluate, hash::Hash,
};
use std::cmp::Ordering;

/// A valid filter and sort of one endpoint. Making one is the validation.
///
/// ```
/// use whimbrel_query::{Endpoint, Query, Sort, field};
///
/// let filter = field("members").contains("ada");
/// let query = Query::new(&Endpoint::CHANNELS, filter, Sort::by_descending("last_message_at"))?;
///
/// let error = Query::new(&Endpoint::CHANNELS, field("name").gt(7), Sort::by_id()).unwrap_err();
/// assert_eq!(error.to_string(), "/name/$gt: invalid: takes text, got 7");
/// # Ok::<(), whimbrel_query::QueryError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    endpoint: &'static Endpoint,
    filter: Filter,
    sort: Sort,
    hash: u64,
}

impl Query {
    /// Puts a filter and a sort together, and validates both.
    ///
    /// # Errors
    /// [`QueryError`] as [`Filter::validate`] and [`Sort::validate`].
    pub fn new(endpoint: &'static Endpoint, filter: Filter, sort: Sort) -> Result<Self, QueryError> {
        filter.validate(endpoint)?;
        sort.validate(endpoint)?;
        let mut hash = Hash::default();
        hash.add(endpoint.name.as_bytes());
        hash.add(filter.to_json().to_string().as_bytes());
        hash.add(sort.to_json().to_string().as_bytes());
        let hash = hash.finish();
        Ok(Self {
            endpoint,
            filter,
            sort,
            hash,
        })
    }

    /// Returns what is asked for.
    #[must_use]
    pub const fn endpoint(&self) -> &'static Endpoint {
        self.endpoint
    }

    /// Returns the filter.
    #[must_use]
    pub const fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Returns the sort.
    #[must_use]
    pub const fn sort(&self) -> &Sort {
        &self.sort
    }

    /// Returns the hash of endpoint, filter and sort in their one form: which query this is, in every version and on
    /// every machine.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// Compares two items in the order of the sort. Only an item and itself are equal.
    #[must_use]
    pub fn compare(&self, a: &(impl Item + ?Sized), b: &(impl Item + ?Sized)) -> Ordering {
        let mut by_keys = self
            .keys()
            .map(|(field, direction)| compare(&evaluate::get(a, field), &evaluate::get(b, field), direction));
        by_keys.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// Returns the cursor that continues after `item`.
    #[must_use]
    pub fn cursor(&self, item: &(impl Item + ?Sized)) -> PageCursor {
        let value = |field: &str| match evaluate::get(item, field) {
            FieldValue::Bool(flag) => Some(Value::Bool(flag)),
            FieldValue::Number(number) => Some(Value::Number(number)),
            FieldValue::Text(text) => Some(Value::Text(text.into_owned())),
            FieldValue::Missing | FieldValue::List(_) | FieldValue::Object => None,
        };
        let values = self.keys().map(|(field, _)| value(field)).collect();
        PageCursor {
            query: self.hash,
            values,
        }
    }

    /// Returns the fields of the sort with their directions, the id last.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&str, Direction)> {
        let keys = self.sort.0.iter().map(|key| (key.field.as_str(), key.direction));
        keys.chain([(self.endpoint.id, Direction::Ascending)])
    }

    /// Returns whether `item` comes after the one that `cursor` was made from.
    ///
    /// # Errors
    /// [`QueryError`] when the cursor is of another query.
    pub fn is_after(&self, cursor: &PageCursor, item: &(impl Item + ?Sized)) -> Result<bool, QueryError> {
        let values = cursor.values_for(self)?;
        let mut by_keys = self.keys().zip(values).map(|((field, direction), value)| {
            compare(&evaluate::get(item, field), &borrowed(value.as_ref()), direction)
        });
        Ok(by_keys.find(|order| order.is_ne()).is_some_and(Ordering::is_gt))
    }
}

fn borrowed(value: Option<&Value>) -> FieldValue<'_> {
    match value {
        None => FieldValue::Missing,
        Some(Value::Bool(flag)) => FieldValue::Bool(*flag),
        Some(Value::Number(number)) => FieldValue::Number(*number),
        Some(Value::Text(text)) => FieldValue::Text(text.into()),
    }
}

/// Compares two values of one key: numbers, then text, then false and true; the other way round when descending; and
/// last whatever has no order.
fn compare(a: &FieldValue<'_>, b: &FieldValue<'_>, direction: Direction) -> Ordering {
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
