use crate::{ChannelId, Custom, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// A channel's own row: what it is called and who made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Which channel.
    pub cid: ChannelId,
    /// Display name. Empty: the app names it by its members.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Address of a picture. Empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// App-defined data.
    #[serde(default, skip_serializing_if = "Custom::is_empty")]
    pub custom: Custom,
    /// Its maker.
    pub created_by: UserId,
    /// When the server accepted the creation.
    pub created_at: Timestamp,
    /// When the server accepted the last change of this row.
    pub updated_at: Timestamp,
    /// Version of the last change.
    #[serde(deserialize_with = "crate::number::exact")]
    pub ver: u64,
}
