//! Conformance suites: what an implementation of a seam has to do, as tests that any implementation runs.

pub mod server;
pub mod storage;
pub mod store;
pub mod transport;
