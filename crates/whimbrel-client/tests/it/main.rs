//! Tests of the client against the real hub, over stores and a transport in memory.
//!
//! Not asserted here: SQLite and WebSocket, which have their conformance suites, and schedules of faults by the
//! thousand, which are for the simulator.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers are tests too: a panic is how they fail"
)]

mod auth;
mod chaos;
mod closing;
mod converge;
mod counting;
mod device_sync;
mod devices;
mod dropped;
mod everyday;
mod failing;
mod following;
mod fresh;
mod letting_go;
mod local;
mod memory;
mod objects;
mod offline;
mod older;
mod once;
mod opening;
mod people;
mod places;
mod presence;
mod pushes;
mod queries;
mod questions;
mod reads;
mod receipts;
mod recount;
mod rejected;
mod scopes;
mod search;
mod support;
mod typing;
mod visible;
mod waiting;
