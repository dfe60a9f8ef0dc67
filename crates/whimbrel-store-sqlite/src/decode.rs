//! Columns back into values of the model. What cannot be read is [`StoreError::Corrupt`], never left out.

use sqlx::{Row as _, sqlite::SqliteRow};
use std::fmt::Display;
use uuid::Uuid;
use whimbrel_model::Invalid;
use whimbrel_store::StoreError;

/// The result of reading back what was stored.
pub(crate) type Decoded<T> = Result<T, DecodeError>;

/// A wrapper, so that `?` on sqlx's errors means "cannot be read" while decoding.
#[derive(Debug)]
pub(crate) struct DecodeError(String);

impl From<sqlx::Error> for DecodeError {
    fn from(error: sqlx::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<DecodeError> for StoreError {
    fn from(error: DecodeError) -> Self {
        Self::Corrupt(error.0)
    }
}

pub(crate) fn corrupt(error: impl Display) -> DecodeError {
    DecodeError(error.to_string())
}

pub(crate) fn number(row: &SqliteRow, at: usize) -> Decoded<u64> {
    u64::try_from(row.try_get::<i64, _>(at)?).map_err(corrupt)
}

pub(crate) fn opt_number(row: &SqliteRow, at: usize) -> Decoded<Option<u64>> {
    let number: Option<i64> = row.try_get(at)?;
    number
        .map(|number| u64::try_from(number).map_err(corrupt))
        .transpose()
}

pub(crate) fn id(row: &SqliteRow, at: usize) -> Decoded<Uuid> {
    Uuid::from_slice(row.try_get(at)?).map_err(corrupt)
}

pub(crate) fn opt_id(row: &SqliteRow, at: usize) -> Decoded<Option<Uuid>> {
    let bytes: Option<&[u8]> = row.try_get(at)?;
    bytes
        .map(|bytes| Uuid::from_slice(bytes).map_err(corrupt))
        .transpose()
}

/// Reads a checked text: a user, a channel, a reaction type, a stream.
pub(crate) fn text_id<T: std::str::FromStr<Err = Invalid>>(row: &SqliteRow, at: usize) -> Decoded<T> {
    row.try_get::<&str, _>(at)?.parse().map_err(corrupt)
}

pub(crate) fn json<T: serde::de::DeserializeOwned>(row: &SqliteRow, at: usize) -> Decoded<T> {
    serde_json::from_str(row.try_get(at)?).map_err(corrupt)
}

pub(crate) fn opt_json<T: serde::de::DeserializeOwned>(row: &SqliteRow, at: usize) -> Decoded<Option<T>> {
    let text: Option<&str> = row.try_get(at)?;
    text.map(|text| serde_json::from_str(text).map_err(corrupt))
        .transpose()
}
