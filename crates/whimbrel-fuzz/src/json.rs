//! What can be said of JSON without knowing what it means.

use serde_json::Value;

/// The first number that is not exact in every implementation of JSON.
const INEXACT: u64 = 1 << 53;

/// Asserts that the protocol's own numbers are whole and exact everywhere. What an app put into `custom` is its own, what a
/// filter or an order says is read by the query language, and times are whatever a clock said.
pub(crate) fn assert_numbers(value: &Value) {
    match value {
        Value::Number(number) => {
            let exact = number
                .as_i64()
                .is_some_and(|number| number.unsigned_abs() < INEXACT);
            assert!(exact, "the number {number} was taken");
        }
        Value::Array(list) => list.iter().for_each(assert_numbers),
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| !is_free(key))
            .for_each(|(_, value)| assert_numbers(value)),
        _ => {}
    }
}

/// Returns whether what stands under a key is no number of the protocol's own.
fn is_free(key: &str) -> bool {
    [
        "custom",
        "filter",
        "sort",
        "at",
        "until",
        "server_time",
        "around_time",
        "last_active",
    ]
    .contains(&key)
        || key.ends_with("_at")
        || key.ends_with("_until")
}

/// Returns how many lists and objects are within one another.
pub(crate) fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
