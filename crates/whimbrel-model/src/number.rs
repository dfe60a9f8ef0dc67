//! Numbers on the wire: whole, and exact in every implementation of JSON.
//!
//! The names of these functions are for `#[serde(deserialize_with = "…")]`.

use crate::limits;
use serde::{Deserialize, Deserializer, de::Error};

/// Reads a number of at most [`limits::NUMBER`].
///
/// # Errors
/// That of the deserializer, for anything else.
pub fn exact<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    check(u64::deserialize(deserializer)?)
}

/// Reads a number of at most [`limits::NUMBER`], or null.
///
/// # Errors
/// That of the deserializer, for anything else.
pub fn exact_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Option::deserialize(deserializer)?.map(check).transpose()
}

fn check<E: Error>(number: u64) -> Result<u64, E> {
    if number > limits::NUMBER {
        return Err(E::custom(format_args!(
            "the number {number} is over the limit of {}",
            limits::NUMBER
        )));
    }
    Ok(number)
}
