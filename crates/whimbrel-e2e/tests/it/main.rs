//! End-to-end tests: real programs, real files, loopback sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod conformance;
mod crash;
mod foreign;
mod judge;
mod lessons;
mod offline;
mod story;
