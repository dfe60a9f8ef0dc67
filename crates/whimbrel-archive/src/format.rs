//! What the lines say.

use crate::ArchiveError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use whimbrel_model::{ChannelId, Cursor, DeviceId, Epoch, RangeSet, Row, Timestamp, UserId};

/// The format that this version writes. It reads every one up to it.
pub const VERSION: u64 = 1;

/// Bytes of one line: many times what the largest row has, little enough to hold.
pub const LINE_BYTES: usize = 1024 * 1024;

/// The line in the clear.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) whimbrel_archive: u64,
    pub(crate) made_at: Timestamp,
}

/// What an archive says of itself first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Whose data it holds.
    pub account: UserId,
    /// Which device made it.
    pub device: DeviceId,
    /// The history of the server that the device had heard of last. What its channels are of is said with each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// When it was made, by the clock of that device.
    pub made_at: Timestamp,
    /// The kinds of elements that were asked for. There need not be one of each.
    pub elements: Vec<String>,
}

/// What an archive says of itself, once it was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it said first.
    pub manifest: Manifest,
    /// How many lines of each kind it has.
    pub counts: BTreeMap<String, u64>,
    /// What was left out when it was made, by kind, as it was to be no larger.
    pub left_out: BTreeMap<String, u64>,
}

/// One element of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element {
    /// A local setting.
    Setting(ArchivedSetting),
    /// The rows that follow are of this channel.
    Channel(ArchivedChannel),
    /// What the rows of the channel before it cover.
    Covered(ArchivedCover),
    /// A row of the channel before it: the channel's own, a member, a message, a reaction, a read position, or a profile.
    Row(Box<Row>),
    /// Something of a later version: its kind.
    Unknown(String),
}

/// A local setting of the device that made the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedSetting {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// A channel as the device that made the archive had it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedChannel {
    /// Which.
    pub cid: ChannelId,
    /// Of which history of the server its rows are.
    pub epoch: Epoch,
}

/// What the rows of a channel cover, if they were all put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedCover {
    /// How far they go.
    pub cursor: Cursor,
    /// Which messages are among them without a hole.
    pub ranges: RangeSet,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) counts: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) left_out: BTreeMap<String, u64>,
}

/// A line, as it is written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line<'a> {
    Manifest(&'a Manifest),
    Setting(&'a ArchivedSetting),
    Channel(&'a ArchivedChannel),
    Covered(&'a ArchivedCover),
    Row(&'a Row),
    End(&'a End),
}

/// A line, as it was read.
#[derive(Debug)]
pub(crate) enum Parsed {
    Manifest(Manifest),
    Element(&'static str, Element),
    End(End),
    Unknown(String),
}

impl Line<'_> {
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Manifest(_) => "manifest",
            Self::Setting(_) => "setting",
            Self::Channel(_) => "channel",
            Self::Covered(_) => "covered",
            Self::Row(_) => "row",
            Self::End(_) => "end",
        }
    }
}

impl Parsed {
    pub(crate) fn parse(line: &[u8]) -> Result<Self, ArchiveError> {
        let mut fields: BTreeMap<String, Box<RawValue>> = read(line)?;
        let (Some((kind, value)), true) = (fields.pop_first(), fields.is_empty()) else {
            return Err(ArchiveError::Damaged("a line does not say what it is".to_owned()));
        };
        let value = value.get().as_bytes();
        Ok(match kind.as_str() {
            "manifest" => Self::Manifest(read(value)?),
            "setting" => Self::Element("setting", Element::Setting(read(value)?)),
            "channel" => Self::Element("channel", Element::Channel(read(value)?)),
            "covered" => Self::Element("covered", Element::Covered(read(value)?)),
            "row" => Self::Element("row", row(value)?),
            "end" => Self::End(read(value)?),
            _ => Self::Unknown(kind),
        })
    }
}

/// Reads a row of a kind that archives have; one of another kind is unknown.
fn row(value: &[u8]) -> Result<Element, ArchiveError> {
    let fields: BTreeMap<String, Box<RawValue>> = read(value)?;
    let kind = fields.keys().next().cloned().unwrap_or_default();
    let known = ["channel", "member", "message", "reaction", "read", "user"];
    if !known.contains(&kind.as_str()) {
        return Ok(Element::Unknown(format!("row {kind}")));
    }
    Ok(Element::Row(Box::new(read(value)?)))
}

fn read<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, ArchiveError> {
    serde_json::from_slice(text).map_err(|error| ArchiveError::Damaged(error.to_string()))
}
