//! The sync engine: what to write, what to send, when to connect. Sans-IO.
//!
//! [`Engine`] owns the outbox, the cursors and the session. Inputs go in, [`Effects`] come out: a [`Delta`] to commit,
//! then frames to send, then something to do with the link. It never awaits, reads a clock, draws randomness or
//! spawns; time and randomness come in with [`Env`]. So a test or a simulator is the whole world around it.
//!
//! ```text
//!            command, frame, timer                    1. commit the delta
//!  driver ────────────────────────▶ Engine ─────────▶ 2. reduce it into state
//!            + Env {now, entropy}            Effects  3. send the frames, connect or close
//! ```
//!
//! [`Delta`]: whimbrel_model::Delta
//!
//! ## Invariants
//!
//! - A driver commits the delta before it carries out the rest. If the commit fails it drops the engine and loads a
//!   new one: start-up and recovery are one path.
//! - C3: an operation is marked attempted in the delta that comes before its first frame; from then on its id and
//!   content do not change.
//! - C4: an outbox item leaves in the delta that brings the rows that its answer carried, because the user said so, or
//!   because it was never attempted and a later one made it needless.
//! - What was never attempted may be folded into an earlier one that was not either, or leave together with it
//!   ([`Op::merged_with`](whimbrel_model::Op::merged_with)); what was attempted is undone by a new operation.
//! - C5: a lane's operations are sent in the order in which they were made.
//! - C6, C7: a cursor moves only with the rows that it covers, and only from where it is.
//! - Delivered marks are sent beside the outbox and without memory: what is owed is what the rows say, and a mark never leaves
//!   before the rows that it tells of are on disk.
//! - Nothing here compares wall-clock times (C17), with one exception that can only make a user be asked too early:
//!   whether the server may have forgotten an operation that was attempted before the last start.

mod ask;
mod backoff;
mod barrier;
mod catch_up;
mod compact;
mod config;
mod consent;
mod effects;
mod engine;
mod env;
mod error;
mod fill;
mod history;
mod import;
mod lane;
mod outbox;
mod parcel;
mod presence;
mod receipts;
mod scope;
mod session;
mod streams;
mod synced;
mod typing;
mod watch;
mod watchers;

pub use ask::AskError;
pub use backoff::{FullJitter, RetryPolicy};
pub use config::EngineConfig;
pub use effects::{Effects, LinkAction, Notice};
pub use engine::{Engine, Input};
pub use env::{Entropy, Env, IdSource};
pub use error::CommandError;
pub use history::HistoryError;
pub use outbox::Unsent;
pub use scope::{SyncError, SyncScope, SyncSummary};
pub use session::Status;
