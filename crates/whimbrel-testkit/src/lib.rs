//! Test support for apps and backends: an in-process server, a network that breaks on command, conformance suites.
//!
//! ## An app's own code, tested
//!
//! The app's function runs against the real server in the test's process, through a network that loses exactly the
//! answer to its message. It has to have sent one message, and not none or two, and every device has to show it.
//!
//! ```
//! use whimbrel_client::{Client, Error};
//! use whimbrel_testkit::server::TestServer;
//!
//! /// The app's own code.
//! async fn order_coffee(client: &Client) -> Result<(), Error> {
//!     client.channel("messaging:kitchen")?.send("a coffee, please").await?;
//!     Ok(())
//! }
//!
//! # macro_rules! run { ($(#[$_:meta])* async fn $name:ident() -> $ret:ty $body:block) => {
//! # fn main() -> $ret {
//! #     let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
//! #     runtime.block_on(async $body)
//! # } } }
//! # run! {
//! #[tokio::test(start_paused = true)]
//! async fn a_lost_answer_orders_no_second_coffee() -> Result<(), Box<dyn std::error::Error>> {
//!     let server = TestServer::new();
//!     let (ada, bob) = (server.online("ada").await?, server.online("bob").await?);
//!     let created = ada.channel("messaging:kitchen")?.create("Kitchen", ["bob"]).await?;
//!     created.settled().await?;
//!
//!     server.network().drop_next_reply();
//!     order_coffee(&ada).await?;
//!
//!     let agreed = server.converged(&[&ada, &bob]).await?;
//!     assert_eq!(agreed.texts("messaging:kitchen"), ["a coffee, please"]);
//!     Ok(())
//! }
//! # }
//! ```
//!
//! `docs/TESTING.md` goes on from here.
//!
//! | to find | look in |
//! |---|---|
//! | a server within the test's process | [`server`] |
//! | a network of frames that drops, doubles, delays, cuts and stalls | [`network`] |
//! | time that the test moves | [`time`] |
//! | whether devices show and hold what the server has | [`converge`] |
//! | what a store, a transport or a server storage has to do, as tests to run on yours | [`conformance`] |
//! | the same for a server of any make | [`conformance::server`] |
//! | random choices that a seed repeats | [`dice`] |
//! | a database that fails, waits and tells on command | [`store`] |
//! | calls that are given up halfway | [`dropped`] |
//! | a TCP proxy that cuts, stalls, delays and loses answers | [`proxy`] |
//! | everything in one seeded world, with faults and mutants | [`sim`] |
//!
//! ## Invariants
//!
//! - What stands in for something real is something real: the server is the hub, over its storage in memory.
//! - It is used from `tests/`, as a dev-dependency; no shipped crate depends on it.
//! - Everything here talks to loopback, to its own process or to the server that it is told to, and ends with its owner.

/// The examples of the guide, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/TESTING.md")]
struct Guide;

pub mod conformance;
pub mod converge;
pub mod dice;
pub mod dropped;
pub mod network;
pub mod proxy;
pub mod server;
pub mod sim;
pub mod store;
pub mod time;
