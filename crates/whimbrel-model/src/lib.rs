//! Domain types of Whimbrel: what exists, what can be done to it, and which of two copies wins.
//!
//! This crate is shared by every device and the server. It does no I/O, reads no clock, draws no randomness and
//! spawns nothing, so each rule in it is a plain function that a test can call.
//!
//! | to find | look in |
//! |---|---|
//! | identities and their limits | [`ids`], [`limits`] |
//! | rows that the server sequences | [`Channel`], [`Member`], [`Message`], [`Reaction`], [`Read`], [`Membership`], [`User`], [`Delivered`], [`AccountRow`], [`Row`] |
//! | every mutation, and when two are as good as one | [`Op`], [`OpEnvelope`], [`Merge`] |
//! | what waits on the device | [`OutboxItem`] |
//! | every local write | [`Delta`], [`Change`] |
//! | what only the device has | [`Local`] |
//! | what a store reads back | [`Loaded`], [`MessagePage`], [`ChannelSummary`] |
//! | what the user sees: server rows ⊕ outbox | [`overlay`] |
//! | who may do what | [`permission`] |
//! | what may reach an account | [`consent`] |
//!
//! ## Invariants
//!
//! - A row replaces another of the same [`RowKey`] iff its `ver` is greater ([`Row::supersedes`]). There is no other
//!   merge of server rows.
//! - An id is final from birth. No type here has a temporary id.
//! - Nothing here orders by a clock: order is `seq`, then outbox position.

mod account;
mod channel;
mod code;
pub mod consent;
mod custom;
mod delivered;
mod delta;
mod draft;
pub mod ids;
mod invalid;
pub mod limits;
mod local;
mod member;
mod merge;
mod message;
pub mod number;
mod op;
mod outbox;
pub mod overlay;
mod people;
pub mod permission;
mod ranges;
mod reaction;
mod read;
mod row;
mod snapshot;
mod stream;
mod thread;
mod time;
mod user;

pub use account::{
    AccountKey, AccountRow, Contact, ContactChange, Device, DeviceChange, DeviceSync, DeviceSyncState,
    PushToken, SetConsent, SetPush, Settings, SettingsChange,
};
pub use channel::Channel;
pub use code::Code;
pub use consent::ConsentState;
pub use custom::{Custom, PlainJson};
pub use delivered::{Delivered, DeviceMark};
pub use delta::{Account, Change, Delta};
pub use draft::{Draft, DraftContent, DraftSeen};
pub use ids::{ChannelId, DeviceId, MessageId, OpId, ReactionType, UserId};
pub use invalid::Invalid;
pub use local::{Local, LocalChange, SecretText, Transfer, TransferWay};
pub use member::{Hide, Invite, Member, MemberState, Membership, MembershipChange, Mute, Role, SetMute};
pub use merge::Merge;
pub use message::{Attachment, Message, MessageBody, MessageKind, Pin, ThreadSummary};
pub use op::{Lane, Op, OpEnvelope};
pub use outbox::{OutboxItem, OutboxStatus, Rejection, WaitsFor};
pub use people::{People, Person};
pub use ranges::{Gap, Range, RangeSet};
pub use reaction::Reaction;
pub use read::{Read, ReadPosition};
pub use row::{Row, RowKey};
pub use snapshot::{ChannelSummary, HistoryFrom, Loaded, MessagePage, MessageQuery, MessageScope};
pub use stream::{Cursor, Epoch, Head, SnapshotWindow, StreamEvent, StreamId};
pub use thread::{FollowedThread, ThreadPlace};
pub use time::Timestamp;
pub use user::User;
