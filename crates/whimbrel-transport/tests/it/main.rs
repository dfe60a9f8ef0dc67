//! Tests of the in-memory transport.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers are tests too: a panic is how they fail"
)]

mod memory;
