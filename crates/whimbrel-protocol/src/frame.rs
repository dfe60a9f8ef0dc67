use crate::{Answer, Ask, AskPresence, OwnPresence, Parcel, ParcelPage, Presence, Token, VersionRange};
use serde::{Deserialize, Serialize};
use whimbrel_model::{
    ChannelId, Code, Cursor, DeviceId, Epoch, Head, HistoryFrom, MessageId, OpEnvelope, OpId, Row,
    StreamEvent, StreamId, Timestamp, UserId,
};

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientFrame {
    /// The first frame: who I am and what I speak.
    Hello(Hello),
    /// Operations, in order.
    Ops(Ops),
    /// Asks which streams moved. Sent once a heartbeat: it is the heartbeat.
    Heads(Heads),
    /// Asks for the next page of a stream.
    Sync(Sync),
    /// Says of which channels changes are wanted as they happen. At first: of all. It has no answer.
    Watch(Watch),
    /// Says that the user types, or no longer does. It has no answer, and is not stored.
    Typing(Typing),
    /// Says that the user has a channel open, or no longer. As long as it is open, [`ServerFrame::Watchers`] tells who has.
    Watching(Watching),
    /// Asks for messages around some place of a channel.
    History(History),
    /// Asks for what a filter finds.
    Ask(Ask),
    /// Says whose presence is wanted.
    Presence(AskPresence),
    /// Leaves a part of what another device of the account asked for, or fetches one.
    Parcel(Parcel),
}

/// What a server sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerFrame {
    /// Answers hello: the connection is live, and events flow from now on.
    Ready(Ready),
    /// The last frame: why the connection ends. It also answers a hello that is refused.
    Bye(Bye),
    /// Answers operations, in any grouping.
    Results(Results),
    /// Answers [`ClientFrame::Heads`].
    Heads(HeadsPage),
    /// Answers [`ClientFrame::Sync`].
    Page(Page),
    /// Answers [`ClientFrame::History`].
    History(HistoryPage),
    /// Answers [`ClientFrame::Ask`].
    Answer(Answer),
    /// Answers [`ClientFrame::Presence`], and tells what changes later. It is beside the streams: no cursor moves with it, and
    /// what was missed is not sent again.
    Presence(Presence),
    /// A committed step of a stream that the user may see.
    Event(StreamEvent),
    /// Somebody else types, or no longer does. Not part of a stream, and not sent again.
    Typing(UserTyping),
    /// Who has a channel open: first everyone, then who begins and who stops. Not part of a stream, and not sent again.
    Watchers(Watchers),
    /// Answers [`ClientFrame::Parcel`].
    Parcel(ParcelPage),
    /// Answers a request that could not be carried out. The connection goes on.
    Failed(Failed),
}

/// See [`ClientFrame::Hello`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The protocol versions that the client speaks.
    pub protocol: VersionRange,
    /// Who the user is.
    pub token: Token,
    /// The installation.
    pub device: DeviceId,
    /// Name and version of the client software, for the server's logs.
    #[serde(default)]
    pub agent: String,
    /// How the user is shown to others, before anyone is told that the user is online.
    #[serde(default, skip_serializing_if = "OwnPresence::is_empty")]
    pub presence: OwnPresence,
    /// Whether nobody is there: the connection does not make the user online.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub background: bool,
}

/// See [`ServerFrame::Ready`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The protocol version that is spoken from here on.
    pub protocol: u32,
    /// The user that the token names.
    pub user: UserId,
    /// The server's history.
    pub epoch: Epoch,
    /// The server's clock.
    pub server_time: Timestamp,
    /// A client that sends nothing for two and a half of these is cut, and may cut a server that does. Milliseconds.
    #[serde(deserialize_with = "whimbrel_model::number::exact")]
    pub heartbeat_ms: u64,
    /// For how long the result of an operation can be asked for again. Days.
    pub retention_days: u32,
}

/// See [`ServerFrame::Bye`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bye {
    /// Why.
    pub code: Code,
    /// Why, in words.
    pub message: String,
    /// When to come back, at the earliest. Milliseconds.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "whimbrel_model::number::exact_or_none"
    )]
    pub retry_after_ms: Option<u64>,
    /// With `protocol_unsupported`: what the server speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<VersionRange>,
}

/// See [`ClientFrame::Ops`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ops {
    /// At most `limits::OPS_PER_BATCH` operations, applied in this order.
    pub ops: Vec<OpEnvelope>,
}

/// See [`ServerFrame::Results`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    /// One result an operation.
    pub results: Vec<OpResult>,
}

/// The answer to one operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpResult {
    /// Which operation.
    pub id: OpId,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of an operation. There is no fourth: without an answer it is unknown, and is sent again with its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Done, durable on the server. A repeat gets this again.
    Accepted {
        /// The steps of the streams that it changed, as far as the actor sees them. A repeat carries the current rows
        /// in steps that do not move a cursor: their `from` and `to` are equal.
        steps: Vec<StreamEvent>,
    },
    /// Decided against, for good. A repeat gets this again.
    Rejected {
        /// The stable code.
        code: Code,
        /// Why, in words.
        message: String,
    },
    /// Not decided: send it again.
    Retry {
        /// The stable code.
        code: Code,
        /// Why, in words.
        message: String,
        /// When, at the earliest. Milliseconds.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "whimbrel_model::number::exact_or_none"
        )]
        retry_after_ms: Option<u64>,
    },
}

/// See [`ClientFrame::Heads`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heads {
    /// Names the answer.
    #[serde(deserialize_with = "whimbrel_model::number::exact")]
    pub id: u64,
    /// The token of the last answer. Absent: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// See [`ServerFrame::Heads`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadsPage {
    /// The request's id.
    #[serde(deserialize_with = "whimbrel_model::number::exact")]
    pub id: u64,
    /// The server's clock.
    pub server_time: Timestamp,
    /// Streams of the user that moved since the token, most recent first. A stream may be named again without having
    /// moved.
    pub heads: Vec<StreamHead>,
    /// What to ask with next. Opaque, valid for ever.
    pub token: String,
    /// Whether there are more to ask for right away.
    pub more: bool,
}

/// Where a stream is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamHead {
    /// Which stream.
    pub stream: StreamId,
    /// Its newest position.
    pub head: Head,
}

/// See [`ClientFrame::Sync`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sync {
    /// Names the answer.
    #[serde(deserialize_with = "whimbrel_model::number::exact")]
    pub id: u64,
    /// Which stream.
    pub stream: StreamId,
    /// How far it is known. Absent: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// In a channel: how many messages are wanted at most. If more are new, a snapshot begins that has the newest so many.
    /// Absent: as many as there are, up to what a snapshot has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<u32>,
}

/// See [`ClientFrame::Watch`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Which channels, at most `limits::WATCHED_PER_FRAME`. Those that the user is not in make no difference.
    pub cids: Vec<ChannelId>,
    /// Whether the server is to send their changes on this connection. If not, heads still tell how far they go.
    pub on: bool,
}

/// See [`ClientFrame::Typing`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typing {
    /// In which channel.
    pub cid: ChannelId,
    /// In the thread of which message. Absent: in the channel itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<MessageId>,
    /// Whether the user types.
    pub on: bool,
}

/// See [`ServerFrame::Typing`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserTyping {
    /// In which channel.
    pub cid: ChannelId,
    /// In the thread of which message. Absent: in the channel itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<MessageId>,
    /// Who.
    pub user: UserId,
    /// Whether the user types.
    pub on: bool,
}

/// See [`ClientFrame::Watching`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watching {
    /// Which channel.
    pub cid: ChannelId,
    /// Whether the user has it open on this connection.
    pub on: bool,
}

/// See [`ServerFrame::Watchers`].
///
/// As many as `count` in `started`: that is all of them, whoever was known before. Otherwise `started` and `stopped` are what
/// changed since the last frame; and if there are more than are named, only `count` is told, from time to time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watchers {
    /// Which channel.
    pub cid: ChannelId,
    /// How many users have it open, the own one included.
    #[serde(deserialize_with = "whimbrel_model::number::exact")]
    pub count: u64,
    /// Who has it open, and had not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub started: Vec<UserId>,
    /// Who had it open, and has no longer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stopped: Vec<UserId>,
}

/// See [`ServerFrame::Page`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The request's id; 0 over HTTP.
    #[serde(deserialize_with = "whimbrel_model::number::exact")]
    pub id: u64,
    /// Which stream.
    pub stream: StreamId,
    /// Whether this begins a snapshot: the cursor that was asked with cannot be followed, or is too far behind.
    pub reset: bool,
    /// The version after which the rows begin. 0 with `reset`.
    #[serde(deserialize_with = "whimbrel_model::number::exact")]
    pub from: u64,
    /// The cursor once the rows are stored.
    pub to: Cursor,
    /// The stream's newest position, from the same snapshot as the rows.
    pub head: Head,
    /// Each row that changed, once, in `ver` order; and profiles of members.
    pub rows: Vec<Row>,
    /// Whether there is more to ask for right away.
    pub more: bool,
}

/// See [`ClientFrame::History`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Names the answer.
    #[serde(deserialize_with = "whimbrel_model::number::exact")]
    pub id: u64,
    /// In which channel.
    pub cid: ChannelId,
    /// Which messages.
    pub from: HistoryFrom,
    /// How many, at most `limits::PAGE_ROWS`.
    pub limit: u32,
}

/// See [`ServerFrame::History`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryPage {
    /// The request's id; 0 over HTTP.
    #[serde(deserialize_with = "whimbrel_model::number::exact")]
    pub id: u64,
    /// In which channel.
    pub cid: ChannelId,
    /// The first sequence that is covered. Greater than `hi`: there is nothing there.
    #[serde(deserialize_with = "whimbrel_model::number::exact")]
    pub lo: u64,
    /// The last sequence that is covered.
    #[serde(deserialize_with = "whimbrel_model::number::exact")]
    pub hi: u64,
    /// Every message of `lo..=hi`, tombstones included, the reactions to them, and the read positions in the threads that they began.
    pub rows: Vec<Row>,
}

/// See [`ServerFrame::Failed`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The request's id.
    #[serde(deserialize_with = "whimbrel_model::number::exact")]
    pub id: u64,
    /// The stable code.
    pub code: Code,
    /// Why, in words.
    pub message: String,
    /// When to ask again, at the earliest. Milliseconds.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "whimbrel_model::number::exact_or_none"
    )]
    pub retry_after_ms: Option<u64>,
}
