use serde::{Deserialize, Serialize};
use whimbrel_model::{ChannelId, DeviceId, MessageId, PlainJson, Row, Timestamp, UserId};

/// See [`ClientFrame::Ask`](crate::ClientFrame::Ask).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Names the answer.
    #[serde(deserialize_with = "whimbrel_model::number::exact")]
    pub id: u64,
    /// What is asked.
    pub question: Question,
}

/// Something that the server is asked for by a filter, an order and a place in it.
///
/// `filter` and `sort` are JSON in the language of `docs/QUERY.md`; the server reads them, and says which place of them is
/// wrong. A `filter` that is absent wants everything, a `sort` that is absent is the usual order of what is asked for.
///
/// On the wire an object with one key that names what is asked for: `{"users": {"filter": {…}}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Channels that the asker is in: [`Row::Channel`]s.
    Channels(FindChannels),
    /// Users: [`Row::User`]s.
    Users(Find),
    /// The members of a channel: [`Row::Member`]s, and beside them the profiles.
    Members(FindMembers),
    /// Messages of the asker's channels: [`Row::Message`]s.
    Messages(FindMessages),
    /// The reactions to a message: [`Row::Reaction`]s.
    Reactions(FindReactions),
    /// The threads that the asker follows, whose messages they hang on: [`Row::Message`]s; beside each of them the newest
    /// reply, a message with a `parent`, and how far the asker has read it.
    Threads(Find),
    /// The asker's drafts: [`Row::Draft`]s.
    Drafts(Find),
    /// Messages of the asker's channels by the words of their text, newest first: [`Row::Message`]s.
    Search(Search),
    /// The asker's devices, revoked ones too: [`Row::Account`]s, and the [`DeviceState`] of each.
    Devices(FindDevices),
}

/// A question that has nothing beside filter, order and place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Find {
    /// Which. Null: all.
    #[serde(default, skip_serializing_if = "PlainJson::is_null")]
    pub filter: PlainJson,
    /// In which order. Null: the usual one.
    #[serde(default, skip_serializing_if = "PlainJson::is_null")]
    pub sort: PlainJson,
    /// Which part of it.
    #[serde(default, skip_serializing_if = "Window::is_default")]
    pub window: Window,
}

/// See [`Question::Channels`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindChannels {
    /// Which. Null: all.
    #[serde(default, skip_serializing_if = "PlainJson::is_null")]
    pub filter: PlainJson,
    /// In which order. Null: the usual one.
    #[serde(default, skip_serializing_if = "PlainJson::is_null")]
    pub sort: PlainJson,
    /// Which part of it.
    #[serde(default, skip_serializing_if = "Window::is_default")]
    pub window: Window,
    /// Whether to send more than the channels: of each the own membership and read position, the newest messages with
    /// their reactions, and members with their profiles.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub state: bool,
    /// With `state`: how many of the newest messages of each channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_limit: Option<u32>,
    /// With `state`: how many members of each channel, those first who came first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_limit: Option<u32>,
}

/// See [`Question::Members`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindMembers {
    /// Of which channel.
    pub cid: ChannelId,
    /// Which. Null: all.
    #[serde(default, skip_serializing_if = "PlainJson::is_null")]
    pub filter: PlainJson,
    /// In which order. Null: the usual one.
    #[serde(default, skip_serializing_if = "PlainJson::is_null")]
    pub sort: PlainJson,
    /// Which part of it.
    #[serde(default, skip_serializing_if = "Window::is_default")]
    pub window: Window,
}

/// See [`Question::Messages`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindMessages {
    /// In which channel. Absent: in all of the asker's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cid: Option<ChannelId>,
    /// Which. Null: all.
    #[serde(default, skip_serializing_if = "PlainJson::is_null")]
    pub filter: PlainJson,
    /// In which order. Null: the usual one.
    #[serde(default, skip_serializing_if = "PlainJson::is_null")]
    pub sort: PlainJson,
    /// Which part of it.
    #[serde(default, skip_serializing_if = "Window::is_default")]
    pub window: Window,
}

/// See [`Question::Reactions`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindReactions {
    /// To which message.
    pub message: MessageId,
    /// Which. Null: all.
    #[serde(default, skip_serializing_if = "PlainJson::is_null")]
    pub filter: PlainJson,
    /// In which order. Null: the usual one.
    #[serde(default, skip_serializing_if = "PlainJson::is_null")]
    pub sort: PlainJson,
    /// Which part of it.
    #[serde(default, skip_serializing_if = "Window::is_default")]
    pub window: Window,
}

/// See [`Question::Devices`]. There is nothing to choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindDevices {}

/// What the server knows of a device beside its row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceState {
    /// Which device.
    pub device: DeviceId,
    /// Whether it has a connection.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub connected: bool,
    /// When it was last seen. Absent: not since it was registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
    /// How many of the account's streams have moved beyond the heads that it said to have when it was seen. Absent: it never
    /// said.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "whimbrel_model::number::exact_or_none"
    )]
    pub behind: Option<u64>,
}

/// See [`Question::Search`]. What text is found by which words is in `docs/QUERY.md`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// What someone typed: words, and phrases between quotation marks.
    pub text: String,
    /// In which of the asker's channels, as a filter of channels. Null: in all. At most 500 are searched, those with the
    /// newest messages; the answer says which were not.
    #[serde(default, skip_serializing_if = "PlainJson::is_null")]
    pub channels: PlainJson,
    /// Which messages, as a filter of messages. Null: all.
    #[serde(default, skip_serializing_if = "PlainJson::is_null")]
    pub filter: PlainJson,
    /// By whom. Quicker than to say it in the filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<UserId>,
    /// How many at most, up to 100. Absent: 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Those after the place that an answer's `next` names. An answer may have less than was asked, even nothing, and a
    /// `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What the server has not searched for a [`Search`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsearched {
    /// How many channels were wanted beyond those that were searched.
    #[serde(default)]
    pub channels: u32,
    /// The first of them, in the order of their newest messages, at most 100: what to search next, by a filter that names
    /// them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_channels: Vec<ChannelId>,
    /// How many messages of the server, of anyone, are not in its index yet. They are in a moment.
    #[serde(default, deserialize_with = "whimbrel_model::number::exact")]
    pub messages: u64,
}

/// Which part of what a question finds: so many from a place on. The place is `offset`, `after` or `before`, or else the
/// beginning; two of them are an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// How many at most. Absent: what is usual for the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// How many to leave out at the beginning. What comes and goes meanwhile moves the places; a cursor does not mind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u32>,
    /// Those after the place that an answer's `next` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Those before the place that an answer's `previous` names: the last of them, in the same order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

impl Window {
    /// Returns whether it says nothing: the beginning, with the usual number.
    #[must_use]
    pub const fn is_default(&self) -> bool {
        self.limit.is_none() && self.offset.is_none() && self.after.is_none() && self.before.is_none()
    }
}

/// See [`ServerFrame::Answer`](crate::ServerFrame::Answer).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The request's id; 0 over HTTP.
    #[serde(deserialize_with = "whimbrel_model::number::exact")]
    pub id: u64,
    /// What was found, in the order that was asked for; then what belongs to it. It is as it was at one moment, and moves no
    /// cursor of a stream.
    pub rows: Vec<Row>,
    /// What to ask with as `after` for those that follow. Absent: there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What to ask with as `before` for those that come before. Absent: there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// How many there are in all, where the server counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hits: Option<u32>,
    /// What of a search was not searched. Absent: everything was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsearched: Option<Unsearched>,
    /// Of [`Question::Devices`]: what the server knows of each device beside its row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceState>,
}
