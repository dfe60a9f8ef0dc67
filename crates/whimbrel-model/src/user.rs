use crate::{Custom, Invalid, UserId, limits};
use serde::{Deserialize, Serialize};

/// A user's profile, as everyone who shares a channel may see it.
///
/// Its `ver` is a version of the user's own stream, so it grows with every change and any two copies can be compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Who.
    pub id: UserId,
    /// Display name, at most [`limits::NAME_CHARS`] characters. Empty: show the id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Address of a picture, at most [`limits::URL_BYTES`]. Empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// App-defined data.
    #[serde(default, skip_serializing_if = "Custom::is_empty")]
    pub custom: Custom,
    /// Version of the last change.
    #[serde(deserialize_with = "crate::number::exact")]
    pub ver: u64,
}

pub(crate) fn check_profile(name: &str, image: &str, custom: &Custom) -> Result<(), Invalid> {
    limits::check_chars("name", name, limits::NAME_CHARS)?;
    limits::check_bytes("image", image, limits::URL_BYTES)?;
    custom.validate("custom")
}
