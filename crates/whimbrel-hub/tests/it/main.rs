//! Tests of the hub against its storage in memory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod capped;
mod conformance;
mod connection;
mod devices;
mod distinct;
mod dropped;
mod fan_out;
mod feed;
mod group_commit;
mod keeping;
mod parcels;
mod people;
mod pins;
mod presence;
mod privacy;
mod push;
mod reads;
mod rules;
mod servers;
mod support;
mod threads;
mod typing;
mod watchers;
