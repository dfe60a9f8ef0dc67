//! End-to-end tests: real programs, real files, loopback sockets.

mod foreign;
mod judge;
mod offline;
mod story;
