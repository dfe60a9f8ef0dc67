use crate::{
    Endpoint, QueryError,
    error::{Pointer, Problem},
    limits,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Value as Json, json};

/// Up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The least first: `1`.
    Ascending,
    /// The greatest first: `-1`.
    Descending,
}

/// In which order items are wanted: by the first key, and where that is equal by the next. The endpoint's id comes last,
/// ascending, so that no two items are equal. What is missing comes last, in both directions.
///
/// ```
/// use serde_json::json;
/// use whimbrel_query::Sort;
///
/// let sort = Sort::by_descending("last_message_at").then_ascending("name");
/// let json = json!([{"field": "last_message_at", "direction": -1}, {"field": "name", "direction": 1}]);
/// assert_eq!(sort.to_json(), json);
/// assert_eq!(Sort::from_json(&json)?, sort);
/// # Ok::<(), whimbrel_query::QueryError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sort(pub(crate) Vec<Key>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) field: String,
    pub(crate) direction: Direction,
}

impl Sort {
    /// Creates the order by the endpoint's id alone.
    #[must_use]
    pub const fn by_id() -> Self {
        Self(Vec::new())
    }

    /// Creates an order by `field`, the least first.
    #[must_use]
    pub fn by_ascending(field: impl Into<String>) -> Self {
        Self::by_id().then_ascending(field)
    }

    /// Creates an order by `field`, the greatest first.
    #[must_use]
    pub fn by_descending(field: impl Into<String>) -> Self {
        Self::by_id().then_descending(field)
    }

    /// Adds a key, the least first.
    #[must_use]
    pub fn then_ascending(self, field: impl Into<String>) -> Self {
        self.then(field, Direction::Ascending)
    }

    /// Adds a key, the greatest first.
    #[must_use]
    pub fn then_descending(self, field: impl Into<String>) -> Self {
        self.then(field, Direction::Descending)
    }

    /// Adds a key.
    #[must_use]
    pub fn then(mut self, field: impl Into<String>, direction: Direction) -> Self {
        let field = field.into();
        self.0.push(Key { field, direction });
        self
    }

    /// Reads an order, without knowing of what; [`Sort::validate`] it.
    ///
    /// # Errors
    /// [`QueryError`] for what is no order; its place is one in `json`.
    pub fn from_json(json: &Json) -> Result<Self, QueryError> {
        let mut pointer = Pointer::default();
        let Json::Array(keys) = json else {
            let what = "a sort is a list such as [{\"field\": \"name\", \"direction\": 1}]";
            return Err(Problem::invalid(what).at(&pointer));
        };
        if keys.len() > limits::SORT_KEYS {
            return Err(Problem::too_large(keys.len(), limits::SORT_KEYS, "keys").at(&pointer));
        }
        let each = keys.iter().enumerate();
        each.map(|(index, json)| pointer.within(index, |pointer| key(json, pointer)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Returns the one JSON form, which [`Sort::from_json`] reads.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let key = |key: &Key| {
            let direction = match key.direction {
                Direction::Ascending => 1,
                Direction::Descending => -1,
            };
            json!({ "field": key.field, "direction": direction })
        };
        self.0.iter().map(key).collect()
    }

    /// Checks that `endpoint` can be sorted by the fields, that none is named twice, and every limit.
    ///
    /// # Errors
    /// [`QueryError`]; its place is one in [`Sort::to_json`].
    pub fn validate(&self, endpoint: &Endpoint) -> Result<(), QueryError> {
        let mut pointer = Pointer::default();
        if self.0.len() > limits::SORT_KEYS {
            return Err(Problem::too_large(self.0.len(), limits::SORT_KEYS, "keys").at(&pointer));
        }
        for (index, key) in self.0.iter().enumerate() {
            let earlier = &self.0[..index];
            let checked = check(key, earlier, endpoint);
            pointer.within(index, |pointer| {
                pointer.within("field", |pointer| checked.map_err(|problem| problem.at(pointer)))
            })?;
        }
        Ok(())
    }
}

fn check(key: &Key, earlier: &[Key], endpoint: &Endpoint) -> Result<(), Problem> {
    let field = &key.field;
    if field.len() > limits::FIELD_BYTES {
        return Err(Problem::too_large(
            field.len(),
            limits::FIELD_BYTES,
            "bytes of a field's name",
        ));
    }
    if !endpoint.rule(field)?.sortable {
        let able: Vec<&str> = endpoint
            .fields
            .iter()
            .filter(|rule| rule.sortable)
            .map(|rule| rule.name)
            .collect();
        let what = format!(
            "{} cannot be sorted by {field}: use one of {}",
            endpoint.name,
            able.join(" ")
        );
        return Err(Problem::invalid(what));
    }
    if earlier.iter().any(|earlier| earlier.field == *field) {
        return Err(Problem::invalid(format!(
            "{field} is a key already: leave the second one out"
        )));
    }
    Ok(())
}

fn key(json: &Json, pointer: &mut Pointer) -> Result<Key, QueryError> {
    let Json::Object(object) = json else {
        let what = "a key is an object such as {\"field\": \"name\", \"direction\": 1}";
        return Err(Problem::invalid(what).at(pointer));
    };
    if let Some(other) = object
        .keys()
        .find(|key| !["field", "direction"].contains(&key.as_str()))
    {
        let shown: String = other.chars().take(limits::FIELD_BYTES).collect();
        let what = format!("a key has \"field\" and \"direction\" only, got {shown:?}");
        return Err(Problem::invalid(what).at(pointer));
    }
    let field = pointer.within("field", |pointer| match object.get("field") {
        Some(Json::String(field)) => Ok(field.clone()),
        _ => Err(Problem::invalid("takes the name of a field").at(pointer)),
    })?;
    let direction = pointer.within("direction", |pointer| {
        match object.get("direction").and_then(Json::as_i64) {
            Some(1) => Ok(Direction::Ascending),
            Some(-1) => Ok(Direction::Descending),
            _ => Err(Problem::invalid("takes 1 for ascending or -1 for descending").at(pointer)),
        }
    })?;
    Ok(Key { field, direction })
}

impl Serialize for Sort {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Sort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(deserializer)?;
        Self::from_json(&json).map_err(D::Error::custom)
    }
}
