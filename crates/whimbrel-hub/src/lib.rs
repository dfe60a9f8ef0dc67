//! Server logic without HTTP: authorise, apply, sequence, dedupe and fan out.
//!
//! | to find | look in |
//! |---|---|
//! | what a database has to do | [`Storage`], and the helpers that it feeds: [`PagePlan`], [`HistoryPlan`], [`HeadsPlan`] |
//! | the decision on operations, as a pure function | [`apply`] on a [`WorkingSet`] |
//! | the same within one transaction, without a task | [`apply_group`] |
//! | the running server: connections, the writer, fan-out | [`Hub`], [`Session`], [`Outbound`] |
//! | who is online and who has a channel open | [`Presence`]; stored of it is only what [`PresenceStorage`] says |
//! | devices: shut out, how far each is, woken | [`DeviceStorage`], [`PushProvider`] |
//! | the seams to the outside | [`Authenticate`], [`Clock`], [`Storage`], [`PushProvider`], [`Bus`] between the servers of one database |
//!
//! To add a database: implement [`Storage`], and run `storage_conformance!` of `whimbrel-testkit` on it.
//!
//! ## Invariants
//!
//! - An operation acts at most once: its answer, or the message that it made, is stored in the transaction of its
//!   effect, under (user, op id).
//! - Nothing is answered as accepted or rejected before the transaction that decided it is durable.
//! - `ver` of a stream and `seq` of a channel are dense from 1, and are given out within that transaction.
//! - The decision reads no clock, draws no randomness and does no I/O: the same rows and requests give the same rows.
//! - Every connection gets the events of one stream in `ver` order, each at most once. A connection that falls behind
//!   is closed with `slow_consumer`; no frame is left out of the middle.
//! - Who is not an active member after a step gets no event of it.
//! - Who types is passed on and never stored: at most once in two seconds for a connection and a place, and that often the
//!   members are read, never for a keystroke.
//! - Who is online is in memory only, as leases that end: of connections, and of other servers. Nobody is told anything of who is
//!   invisible, nor, of anybody, who is denied by them or shares no channel with them.
//! - No connection of a device is live once its revocation was answered to somebody else.
//! - A push is a hint with ids only; nobody who writes waits for one.
//! - There is no HTTP, no SQL and no socket here.

mod apply;
mod ask;
mod authenticate;
mod bus;
mod clock;
mod devices;
mod error;
mod feed;
mod heads;
mod history;
mod hub;
mod keys;
mod memory;
mod outbound;
mod parcels;
mod presence;
mod privacy;
mod push;
mod records;
mod registry;
mod rules;
mod session;
mod storage;
mod typing;
mod working_set;
mod writer;

pub use apply::{Applied, apply, apply_group};
pub use ask::{
    AnswerPage, AskPlace, AskPlan, ChannelBeside, ChannelFound, Found, MemberFound, MessageWalk, SearchPlan,
    ThreadFound, too_many,
};
pub use authenticate::{AuthError, Authenticate, Identity};
pub use bus::{Bus, BusError, BusLink, LocalBus, Subscription};
pub use clock::{Clock, SystemClock};
pub use devices::{DeviceRecord, DeviceSeen, DeviceStorage, Seen};
pub use error::StorageError;
pub use feed::{PagePlan, capped_snapshot};
pub use heads::HeadsPlan;
pub use history::HistoryPlan;
pub use hub::{Beside, Hub, HubConfig};
pub use keys::{Keys, Request};
pub use memory::MemoryStorage;
pub use outbound::Outbound;
pub use parcels::{KeptParcel, ParcelPart, ParcelStorage};
pub use presence::{ConnectionNumber, LastSeen, Now, Presence, PresenceRecord, PresenceStorage, Told};
pub use push::{Push, PushAbout, PushCounts, PushError, PushProvider, PushTarget};
pub use records::{Answer, ChannelRecord, Digest, MessageRecord, Records, ResultRecord};
pub use rules::{Features, Rules};
pub use session::Session;
pub use storage::{Decide, Storage};
pub use working_set::WorkingSet;
