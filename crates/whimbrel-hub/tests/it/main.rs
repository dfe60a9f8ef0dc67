//! Tests of the hub against its storage in memory.

mod conformance;
mod connection;
mod fan_out;
mod feed;
mod group_commit;
mod rules;
mod support;
