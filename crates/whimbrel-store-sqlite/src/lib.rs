//! The client's storage on SQLite.
//!
//! [`SqliteStore`] keeps one account's database in one file. Beside it are SQLite's own `-wal` and `-shm`;
//! `-lock`, which holds the right to write; and `-outbox`, a journal of the outbox, from which it is kept when the
//! database is damaged.
//!
//! One task owns the writing connection; reads have up to four connections of their own and never wait for a write.
//! A delta is one transaction, sent to the database in one piece.
//!
//! ## Invariants
//!
//! - What [`apply`](whimbrel_store::Store::apply) has returned for is on disk: write-ahead log, `synchronous=FULL`.
//! - A transaction never depends on its caller: it runs to its end in the writing task.
//! - At most one store, of all processes, has a database open for writing.
//! - A file that is not understood (newer, another program's) is refused and left as it is.
//! - A damaged one is never deleted: it is set aside, and a new one has its account and outbox ([`Recovery`](whimbrel_store::Recovery)). What of
//!   the outbox could not be read is said, never left out silently.
//! - A suspended or closed store has no file of the database open, and no lock on one.
//! - A database is deleted with all its files or is there as a whole: a deletion that was interrupted is finished by whoever opens
//!   it next.
//! - Every read is one statement, so it sees whole deltas only.
//! - The index of the messages' text is behind the writes, never ahead, and a search says what it has not looked at.

mod database;
mod decode;
mod deleting;
mod error;
mod files;
mod health;
mod indexing;
mod journal;
mod load;
mod message;
mod opening;
mod own;
mod query;
mod read;
mod readers;
mod salvage;
mod schema;
mod script;
mod search;
mod store;
mod threads;
mod transfers;
mod write;
mod writer;

pub use store::SqliteStore;
