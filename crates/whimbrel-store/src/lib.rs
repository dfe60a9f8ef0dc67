//! The client's storage seam.
//!
//! A [`Store`] is one account's database on one device. Everything is written through [`Store::apply`], one
//! [`Delta`](whimbrel_model::Delta) a transaction; everything else reads. [`MemoryStore`] is the smallest whole implementation.
//!
//! [`SplitStore`] puts a database and a memory together: some channels are never written down.
//!
//! ## How to write one
//!
//! Implement [`Store`], then run the conformance suite of `whimbrel-testkit` on it from your crate's `tests/`:
//! `whimbrel_testkit::store_conformance!(|dir| async { … });`. The suite is the specification; what it does not
//! check is not promised.
//!
//! ## Invariants
//!
//! - [`Store::apply`] commits all of a delta or nothing, and returns only after the commit survives power loss.
//! - A row is replaced only by one with a greater `ver`.
//! - No method deletes what a user wrote, except [`Change::OutboxRemoved`](whimbrel_model::Change::OutboxRemoved).
//! - A read sees whole deltas only.

mod error;
mod memory;
mod recovery;
mod split;
mod store;

pub use error::StoreError;
pub use memory::MemoryStore;
pub use recovery::Recovery;
pub use split::{InMemory, SplitStore};
pub use store::{AccountReader, Store, StoreReader};
pub use whimbrel_query::{PageCursor, Query, SearchPage, SearchQuery};
