//! Tests of the test support itself.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers are tests too: a panic is how they fail"
)]

mod conformance;
mod converge;
mod dice;
mod liar;
mod network;
mod proxy;
mod server;
mod sim;
mod store;
mod support;
mod tamper;
mod time;
