//! Integration tests of the SQLite store.

mod conformance;
mod durability;
mod opening;
mod sample;
