//! Integration tests of the SQLite store.

#![expect(clippy::unwrap_used, reason = "test support fails the test")]

mod conformance;
mod durability;
mod letting_go;
mod migration;
mod opening;
mod salvage;
mod sample;
mod search;
mod split;
