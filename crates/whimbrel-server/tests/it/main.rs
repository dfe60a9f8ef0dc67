//! The server from outside: over real sockets on loopback, its database file, its command line.

#![expect(clippy::unwrap_used, reason = "test support fails the test")]

mod config;
mod dropped;
mod http;
mod lifecycle;
mod privacy;
mod process;
mod push;
mod search;
mod socket;
mod storage;
mod support;
mod tokens;
