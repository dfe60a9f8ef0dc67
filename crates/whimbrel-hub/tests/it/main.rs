//! Tests of the hub against its storage in memory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod capped;
mod conformance;
mod connection;
mod distinct;
mod dropped;
mod fan_out;
mod feed;
mod group_commit;
mod keeping;
mod people;
mod pins;
mod presence;
mod reads;
mod rules;
mod support;
mod threads;
mod typing;
