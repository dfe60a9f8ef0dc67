//! The Whimbrel client: opening an account, handles on channels, and the driver that keeps it in sync.
//!
//! Apps use the crate `whimbrel`, which adds the SQLite store and the WebSocket transport. Use this one to bring your
//! own: any [`Store`] and any [`Connector`].
//!
//! One task, the driver, owns the engine. It takes commands from handles and inputs from the link, carries out the
//! engine's effects in order (commit, reduce into state, send), and is the only one that writes. Reads go to the
//! store directly and never wait for it.
//!
//! ## Invariants
//!
//! - What a handle's method returned for is on disk (C2); what is observable is on disk (rule 1 of the house).
//! - If a commit fails, the callers get the error, and the driver starts over from what the store holds.
//! - Every task is in one tracker and ends with the last handle, or with [`Client::close`].
//! - No call waits for the network, but those that say so: [`Queued::settled`], [`Client::wait_until_caught_up`],
//!   [`Client::sync_once`], [`Client::on_push`], the syncs by hand ([`Channel::sync`], [`Client::sync_channels`],
//!   [`Client::sync_preferences`], [`Client::sync_all`]), [`Channel::fill_gap`], [`Timeline::load_older`] and [`Timeline::load_newer`] at a gap, those that go to a place that is
//!   not on disk, and questions to the server: [`ServerQuery`].

mod archives;
mod builder;
mod channel;
mod channel_list;
mod client;
mod command;
mod contacts;
mod device_sync;
mod devices;
mod drafts;
mod driver;
mod environment;
mod error;
mod explain;
mod lifecycle;
mod link;
mod local_settings;
mod network;
mod new_message;
mod notice;
mod presence;
mod push;
mod queued;
mod search;
mod server_query;
mod settings;
mod state_objects;
mod sync;
mod sync_once;
mod thread_list;
mod timeline;
mod token;
mod unread;
mod watchers;

pub use archives::{ArchiveOptions, ArchiveProblem, ImportSummary, Skipped};
pub use builder::{ClientBuilder, StorePlace};
pub use channel::{Channel, ChannelUpdate, NewChannel};
pub use channel_list::{ChannelList, QueryChannels};
pub use client::Client;
pub use contacts::ConsentChanges;
pub use device_sync::DeviceSyncState;
pub use devices::{DeviceItem, Devices};
pub use drafts::NewDraft;
pub use environment::{Environment, SystemEnvironment};
pub use error::{Error, SettleError};
pub use explain::{Explanation, MessageExplanation, Reason};
/// A reader of one observable value: `get` it, or await its `next`.
pub use eyeball::Subscriber as Watch;
pub use lifecycle::{LogoutOptions, LogoutReceipt};
pub use local_settings::LocalSettings;
pub use network::Network;
pub use new_message::NewMessage;
pub use notice::Notice;
pub use presence::{Presence, PresenceOf};
pub use push::Pushed;
pub use queued::{Queued, Sent};
pub use search::{Found, NotSearched, SearchHit, SearchMessages, SearchPlace, SearchResults};
pub use server_query::{FoundChannel, FoundMember, FoundThread, ServerPage, ServerQuery};
pub use state_objects::{
    ChannelState, Following, GlobalState, QueryChannelsAsState, QueryChannelsState, Seat, SeatState,
    ThreadState,
};
pub use sync_once::OnceSummary;
pub use thread_list::ThreadList;
pub use timeline::Timeline;
pub use token::{Token, TokenError, TokenProvider};
pub use unread::{LeftOut, MarkUnreadError, UnreadExplanation};
pub use watchers::{Watchers, WatchersOf};
pub use whimbrel_archive::{ArchiveError, Manifest as ArchiveManifest, Metadata as ArchiveMetadata};
pub use whimbrel_model as model;
pub use whimbrel_protocol::{DeviceState, PushKind, PushPayload};
pub use whimbrel_query as query;
pub use whimbrel_query::{Filter, PageCursor, Query, QueryError, Sort, field};
pub use whimbrel_state::{
    AccountFacts, Admission, Capability, ChangedBy, ChannelCounts, ChannelFacts, ChannelItem, ChannelsFacts,
    ConsentChange, ConsentOf, Content, Currency, DeviceReceipt, Diffs, DraftPlace, DraftView, Drafts,
    Freshness, GlobalFacts, Initialization, Items, LoadState, MemberItem, MemberReceipt, MessageReceipts,
    NewerEdge, OlderEdge, OutboxSummary, Paging, Part, Pins, Receipt, ReceiptStatus, Sending, Source,
    SyncState, ThreadFacts, ThreadItem, ThreadUnread, TimelineItem, Unread, UnreadTotals, VectorDiff,
};
pub use whimbrel_store::{Recovery, Store, StoreError, StoreReader};
pub use whimbrel_sync::{AskError, EngineConfig, FullJitter, RetryPolicy, SyncError, SyncSummary};
pub use whimbrel_transport::{Connector, TransportError};
