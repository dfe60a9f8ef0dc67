//! Whole-system checks: the real server and real clients as processes, on files and loopback sockets.
//!
//! | to find | look in |
//! |---|---|
//! | a client process that is told what to do | [`agent`], the binary `whimbrel-agent` |
//! | a server process | [`server`] |
//! | the judgement on a run, from the files alone | [`check`] |
//! | rounds of real programs that are killed at random | [`crash`], the binary `whimbrel-crash` |
//! | the protocol suite against a server of any make, at its address | [`conformance`], the binary `whimbrel-conformance` |
//! | the story of `cargo xtask demo` | [`story`], the binary `whimbrel-demo` |
//!
//! ## Invariants
//!
//! - The judge reads the databases and a list of what was sent; it never asks the programs that it judges.
//! - Only processes that were started here are ended, and none outlives its owner.

pub mod agent;
pub mod check;
pub mod conformance;
pub mod crash;
mod error;
pub mod server;
mod sibling;
pub mod story;

pub use error::Error;
