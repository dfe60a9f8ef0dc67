use crate::{Invalid, limits};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// App-defined data on a channel, message or user: a JSON object of at most
/// [`limits::CUSTOM_BYTES`] encoded bytes.
///
/// An empty one costs one word of memory and nothing on the wire. Keys are kept sorted, so equal data has equal
/// bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Map<String, Value>", into = "Map<String, Value>")]
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

    /// Checks the encoded size.
    ///
    /// # Errors
    /// [`Invalid`] when the encoded object is over [`limits::CUSTOM_BYTES`].
    pub fn validate(&self, field: &'static str) -> Result<(), Invalid> {
        let Some(map) = &self.0 else { return Ok(()) };
        let size = serde_json::to_vec(map).map_or(usize::MAX, |bytes| bytes.len());
        if size > limits::CUSTOM_BYTES {
            return Err(Invalid::too_large(field, size, limits::CUSTOM_BYTES, "bytes"));
        }
        Ok(())
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
