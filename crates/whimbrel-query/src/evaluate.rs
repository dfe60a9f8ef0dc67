//! What a filter means. The statements that `sql` writes mean the same, and tests hold them to it.

use crate::{
    FieldValue, Filter, Item, Value,
    endpoint::custom_key,
    filter::{Node, Test},
    fold,
};
use std::cmp::Ordering;

impl Filter {
    /// Returns whether `item` is wanted.
    ///
    /// Pure: the same on every device and on the server. The cost is bounded by the limits of a filter and the size of
    /// the item. A filter that was not validated for the item's endpoint treats what it does not have as missing.
    #[must_use]
    pub fn matches(&self, item: &(impl Item + ?Sized)) -> bool {
        matches(&self.0, item)
    }
}

fn matches(node: &Node, item: &(impl Item + ?Sized)) -> bool {
    match node {
        Node::And(nodes) => nodes.iter().all(|node| matches(node, item)),
        Node::Or(nodes) => nodes.iter().any(|node| matches(node, item)),
        Node::Nor(nodes) => !nodes.iter().any(|node| matches(node, item)),
        Node::Term(term) => holds(&term.test, &get(item, &term.field)),
    }
}

/// Returns the value of a field, built-in or custom.
pub(crate) fn get<'a>(item: &'a (impl Item + ?Sized), field: &str) -> FieldValue<'a> {
    match custom_key(field) {
        Some(key) => {
            let json = item.custom().and_then(|custom| custom.get(key));
            json.map_or(FieldValue::Missing, FieldValue::of_json)
        }
        None => item.built_in(field),
    }
}

fn holds(test: &Test, got: &FieldValue<'_>) -> bool {
    match test {
        Test::Eq(value) => equals(got, value),
        Test::Ne(value) => !equals(got, value),
        Test::Gt(value) => order(got, value).is_some_and(Ordering::is_gt),
        Test::Gte(value) => order(got, value).is_some_and(Ordering::is_ge),
        Test::Lt(value) => order(got, value).is_some_and(Ordering::is_lt),
        Test::Lte(value) => order(got, value).is_some_and(Ordering::is_le),
        Test::In(values) => is_in(got, values),
        Test::Nin(values) => !is_in(got, values),
        Test::Exists(exists) => (*got != FieldValue::Missing) == *exists,
        Test::Contains(value) => has(got, value),
        Test::Autocomplete(text) => {
            let begun = fold::begun(text);
            text_of(got)
                .zip(begun)
                .is_some_and(|(got, begun)| got.contains(&begun))
        }
        Test::Q(text) => {
            let words: Vec<String> = fold::words(text).collect();
            let has_all = |got: String| words.iter().all(|word| got.contains(&fold::whole(word)));
            !words.is_empty() && text_of(got).is_some_and(has_all)
        }
    }
}

fn equals(got: &FieldValue<'_>, value: &Value) -> bool {
    match (got, value) {
        (FieldValue::Bool(got), Value::Bool(value)) => got == value,
        (FieldValue::Number(got), Value::Number(value)) => got == value,
        (FieldValue::Text(got), Value::Text(value)) => got == value,
        _ => false,
    }
}

fn has(got: &FieldValue<'_>, value: &Value) -> bool {
    matches!(got, FieldValue::List(list) if list.iter().any(|entry| equals(entry, value)))
}

fn is_in(got: &FieldValue<'_>, values: &[Value]) -> bool {
    values.iter().any(|value| equals(got, value) || has(got, value))
}

/// Compares numbers with numbers and text with text. Nothing else has an order.
fn order(got: &FieldValue<'_>, value: &Value) -> Option<Ordering> {
    match (got, value) {
        (FieldValue::Number(got), Value::Number(value)) => got.partial_cmp(value),
        (FieldValue::Text(got), Value::Text(value)) => Some(got.as_ref().cmp(value)),
        _ => None,
    }
}

fn text_of(got: &FieldValue<'_>) -> Option<String> {
    match got {
        FieldValue::Text(text) => Some(fold(text)),
        _ => None,
    }
}
