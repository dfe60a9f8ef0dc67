//! Tests of the hub against its storage in memory.

mod conformance;
