//! Test support for apps and backends: an in-process server, a network that breaks on command, conformance suites.
//!
//! | to find | look in |
//! |---|---|
//! | a server within the test's process, with switches for what goes wrong | [`server`] |
//! | calls that are given up halfway | [`dropped`] |
//! | a TCP proxy that cuts, stalls, delays and loses answers | [`proxy`] |
//! | what a store, a transport or a server storage has to do, as tests to run on yours | [`conformance`] |
//!
//! ## Invariants
//!
//! - What stands in for something real is something real: the server is the hub, over its storage in memory.
//! - It is used from `tests/`, as a dev-dependency; no shipped crate depends on it.
//! - Everything here talks to loopback or to its own process, and ends with its owner.

pub mod conformance;
pub mod dropped;
pub mod proxy;
pub mod server;
pub mod sim;
