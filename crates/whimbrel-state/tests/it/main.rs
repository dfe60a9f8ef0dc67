//! Tests of the state against a plain reference store.
//!
//! Not asserted here: time, and that the real stores answer like [`disk::Disk`], which is for their conformance suite.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers are test code too, and a panic is how they fail"
)]

mod channels;
mod disk;
mod driver;
mod kept;
mod laws;
mod objects;
mod others;
mod people;
mod queries;
mod receipts;
mod timeline;
mod windows;
mod world;
