//! What the screen shows, as observable values and lists, reduced from [`Delta`](whimbrel_model::Delta)s.
//!
//! The driver commits a delta, then gives the same delta to [`State::reduce`]. Everything here is synchronous: no
//! tasks, no I/O, no clock. A list is a snapshot ([`Items`]) and a stream of what changed since ([`Diffs`]).
//!
//! | to find | look in |
//! |---|---|
//! | the one entry point | [`State`] |
//! | the messages of a channel or a thread | [`Timeline`], [`TimelineItem`], [`OlderEdge`], [`NewerEdge`] |
//! | channels by a query, the usual list among them | [`ChannelList`], [`ChannelItem`], [`LoadState`] |
//! | what is unread in all channels | [`Unread`], [`UnreadTotals`] |
//! | the connection | [`SyncState`] |
//! | how fresh and complete a list is | [`Freshness`] |
//! | what waits to be sent | [`State::outbox`], [`OutboxSummary`] |
//! | names of people | [`State::user`] |
//! | how far own messages have got | [`Receipt`] on each row, [`MessageReceipts`] member by member |
//! | what is being written | [`Drafts`] |
//! | the app's settings of this device | [`LocalSettings`] |
//! | a channel, a thread, a list or the account as one object | [`ChannelState`], [`ThreadState`], [`QueryChannelsState`], [`GlobalState`] |
//! | one part of an object's facts | [`Part`] |
//!
//! ## How a driver uses it
//!
//! 1. `store.apply(&delta)`, then `let stale = state.reduce(&delta)`.
//! 2. For each channel in [`Stale::channels`]: `store.channel(cid)` into [`State::put_channel`], or
//!    [`State::put_no_channel`] if there is no row. If [`State::asks_for_members`], with its members ([`ChannelRow`]).
//! 3. For each query in [`Stale::messages`]: `store.messages(&query)` into [`State::put_messages`]. The same for the other
//!    parts of [`Stale`], each as it says.
//! 4. For each of [`State::wanted_messages`]: `store.message(id)` into [`State::put_message`].
//! 5. For each of [`State::wanted_receipts`]: who is in the channel and how far they are, into [`State::put_receipts`]. The same for
//!    [`State::wanted_message_receipts`].
//!
//! ## Invariants
//!
//! - Server rows and the outbox are kept apart; what is shown is `overlay` of the two, computed again for what a delta
//!   touches and for nothing else (C8).
//! - What is read from the store is given to the state with no delta committed in between, so it is never older than
//!   what the state has seen. One driver does both.
//! - A message has one row, under one id, from the moment it is sent (C1). Accepted rows are ordered by `seq`, the rest
//!   come after them by outbox position.
//! - All diffs of one cause arrive as one batch, and applied in order they rebuild exactly the list (C18).
//! - A list of channels shows, of the channels up to where it was read, exactly those that its query wants of the
//!   laid-over rows, in its order.
//! - A row tells whether a gap lies before it (C14); [`OlderEdge`] tells what lies before the first,
//!   [`NewerEdge`] what lies after the last. A window in the past has rows of its span only, and every one of those.
//! - What is unread is what the store counts past the read position, a waiting one included; the totals are its sums (E13).
//! - An object is what a fresh start would show of it; while its row is to be read again it shows what it did, so that what
//!   was accepted does not vanish in between.
//! - A timeline, a list or an object that nobody holds is forgotten, and costs nothing.
//! - Locks are held for one delta at most, never across an await.

mod account;
mod channel_list;
mod channel_state;
mod consents;
mod content;
mod drafts;
mod freshness;
mod global_state;
mod list;
mod loading;
mod local;
mod lookups;
mod outbox;
mod part;
mod pins;
mod query_channels_state;
mod reads;
mod receipts;
mod state;
mod status;
mod thread_state;
mod threads;
mod timeline;
mod typing;
mod unread;
mod users;
mod windows;

pub use account::AccountFacts;
pub use channel_list::{Admission, ChannelItem, ChannelList, ChannelRow, LoadState};
pub use channel_state::{Capability, ChannelCounts, ChannelFacts, ChannelState, MemberItem, Paging, Sending};
pub use consents::{ChangedBy, ConsentChange, ConsentOf};
pub use content::{Content, Currency};
pub use drafts::{DraftPlace, DraftView, Drafts};
pub use eyeball::Subscriber;
pub use eyeball_im::VectorDiff;
pub use freshness::{Freshness, Reach, Source};
pub use global_state::{GlobalFacts, GlobalState, Initialization};
pub use list::{Diffs, Items};
pub use loading::Direction;
pub use local::LocalSettings;
pub use outbox::OutboxSummary;
pub use part::Part;
pub use pins::Pins;
pub use query_channels_state::{ChannelsFacts, QueryChannelsState};
pub use receipts::{DeviceReceipt, MemberReceipt, MessageReceipts, Receipt, ReceiptRows, ReceiptStatus};
pub use state::{Moment, Stale, State};
pub use status::SyncState;
pub use thread_state::{ThreadFacts, ThreadState, ThreadUnread};
pub use threads::{ThreadItem, ThreadList};
pub use timeline::{NewerEdge, OlderEdge, Timeline, TimelineItem};
pub use unread::{Unread, UnreadTotals};
pub use windows::{StateConfig, Windows};
