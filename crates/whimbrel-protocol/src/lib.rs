//! The wire: frames, the version handshake and the codec.
//!
//! `docs/PROTOCOL.md` says the same in prose for other languages; the golden files under `tests/` freeze it.
//! A frame is one JSON object with one key that names its kind, for example `{"heads": {"id": 1}}`. Unknown fields
//! are ignored, unknown kinds are refused with [`Code::FrameInvalid`](whimbrel_model::Code::FrameInvalid).
//!
//! ## Invariants
//!
//! - A frame is at most [`limits::FRAME_BYTES`](whimbrel_model::limits::FRAME_BYTES) long in either direction.
//! - Decoding never panics, whatever the bytes.
//! - A rejection is never a success: [`Outcome`] has one variant for each of the three answers.

mod codec;
mod frame;
mod parcel;
mod presence;
mod push;
mod question;
mod token;
mod version;

pub use codec::{FrameError, decode, encode};
pub use frame::{
    Bye, ClientFrame, Failed, Heads, HeadsPage, Hello, History, HistoryPage, OpResult, Ops, Outcome, Page,
    Ready, Results, ServerFrame, StreamHead, Sync, Typing, UserTyping, Watch, Watchers, Watching,
};
pub use parcel::{Parcel, ParcelAct, ParcelPage, PartBytes, PutPart};
pub use presence::{AskPresence, OwnPresence, Presence, PresenceRefused, UserPresence};
pub use push::{PushKind, PushPayload};
pub use question::{
    Answer, Ask, DeviceState, Find, FindChannels, FindDevices, FindMembers, FindMessages, FindReactions,
    Question, Search, Unsearched, Window,
};
pub use token::Token;
pub use version::{PROTOCOL, VersionRange};
