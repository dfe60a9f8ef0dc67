//! Test support for apps and backends: in-process server, scripted network, conformance suites.

pub mod conformance;
pub mod proxy;
pub mod server;
