mod plain;

pub use plain::PlainJson;

use crate::{Invalid, limits};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// App-defined data on a channel, message or user: a JSON object of at most [`limits::CUSTOM_BYTES`] encoded bytes and
/// [`limits::CUSTOM_DEPTH`] levels.
///
/// An empty one costs one word of memory and nothing on the wire. Keys are kept sorted, so equal data has equal
/// bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(into = "Map<String, Value>")]
pub struct Custom(Option<Box<Map<String, Value>>>);

impl Custom {
    /// Returns whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.as_ref().and_then(|map| map.get(key))
    }

    /// Sets `key` to `value` and returns the data, for building in one expression.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.get_or_insert_default().insert(key.into(), value.into());
        self
    }

    /// Iterates over the entries, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter().flat_map(|map| map.iter())
    }

    /// Checks the depth and the encoded size.
    ///
    /// # Errors
    /// [`Invalid`] when the object is over [`limits::CUSTOM_DEPTH`], or encoded over [`limits::CUSTOM_BYTES`].
    pub fn validate(&self, field: &'static str) -> Result<(), Invalid> {
        self.validate_within(field, limits::CUSTOM_BYTES)
    }

    /// Checks the depth, and that it has at most so many encoded bytes.
    pub(crate) fn validate_within(&self, field: &'static str, most: usize) -> Result<(), Invalid> {
        self.check_depth(field)?;
        let Some(map) = &self.0 else { return Ok(()) };
        let size = serde_json::to_vec(map).map_or(usize::MAX, |bytes| bytes.len());
        if size > most {
            return Err(Invalid::too_large(field, size, most, "bytes"));
        }
        Ok(())
    }

    /// Checks how many lists and objects are within one another: what is nested too deep can be said and not be read.
    pub(crate) fn check_depth(&self, field: &'static str) -> Result<(), Invalid> {
        if self
            .iter()
            .all(|(_, value)| fits(value, limits::CUSTOM_DEPTH - 1))
        {
            return Ok(());
        }
        let problem = format!("has over {} levels of lists and objects", limits::CUSTOM_DEPTH);
        Err(Invalid::new(field, problem))
    }
}

/// Returns whether a value has at most so many levels.
fn fits(value: &Value, levels: usize) -> bool {
    let inner = |value: &Value| fits(value, levels - 1);
    match value {
        Value::Array(list) => levels > 0 && list.iter().all(inner),
        Value::Object(map) => levels > 0 && map.values().all(inner),
        _ => true,
    }
}

impl<'de> Deserialize<'de> for Custom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        plain::object(deserializer).map(Self::from)
    }
}

impl From<Map<String, Value>> for Custom {
    fn from(map: Map<String, Value>) -> Self {
        Self(if map.is_empty() { None } else { Some(Box::new(map)) })
    }
}

impl From<Custom> for Map<String, Value> {
    fn from(custom: Custom) -> Self {
        custom.0.map(|map| *map).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Custom {
        let inner = (1..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        Custom::default().with("a", inner)
    }

    #[test]
    fn the_levels_are_counted() {
        assert!(nested(limits::CUSTOM_DEPTH).validate("custom").is_ok());
        let error = nested(limits::CUSTOM_DEPTH + 1).validate("custom").unwrap_err();
        assert_eq!(
            error.to_string(),
            "custom has over 32 levels of lists and objects"
        );
    }

    #[test]
    fn no_key_means_anything_to_the_reader() {
        let text =
            r#"{"a":{"$serde_json::private::RawValue":"[[1]]"},"b":{"$serde_json::private::Number":"1"}}"#;
        let custom: Custom = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&custom).unwrap(), text);
    }

    #[test]
    fn a_fraction_is_read_as_it_was_written() {
        // The quick way of reading is one off in the last place.
        for number in [
            0.380_391_213_961_243_7,
            1.175_494_351_145_6e-38,
            5e-324,
            123_456_789.123_456_79,
        ] {
            let custom = Custom::default().with("n", number);
            let text = serde_json::to_string(&custom).unwrap();
            assert_eq!(serde_json::from_str::<Custom>(&text).unwrap(), custom, "{text}");
        }
    }
}
