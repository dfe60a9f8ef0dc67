//! The Whimbrel reference server, as a library and a program: HTTP and WebSocket in front of
//! [`whimbrel_hub`], JSON web tokens, and one SQLite file.
//!
//! ```no_run
//! # async fn example() -> Result<(), whimbrel_server::StartError> {
//! use whimbrel_server::{Config, Server};
//!
//! let server = Server::start(Config::new("chat.db", "a secret of at least 32 bytes.....")).await?;
//! println!("clients connect to ws://{}/v1/socket", server.addr);
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! | to find | look in |
//! |---|---|
//! | what can be configured | [`Config`] |
//! | starting and stopping | [`Server`], [`RunningServer`] |
//! | who someone is | [`Tokens`] |
//! | the database | [`SqliteStorage`], and [`SqliteReader`] to look into one |
//! | the program | [`run`] |
//!
//! ## Invariants
//!
//! - What is answered is durable: every commit is on disk before its answer is written.
//! - A request that is dropped leaves its operations whole: they run in the hub, not in the request.
//! - Everything that a peer can make grow has a limit: connections, frames, bodies, buffers, times.
//! - Tokens come in a header or a frame, never in an address. No token and no message text is logged.
//! - Every task belongs to a tracker, and is waited for when the server stops.

mod auth;
mod cli;
mod config;
mod dev;
mod error;
mod files;
mod http;
mod operator;
mod server;
mod storage;
mod telemetry;
mod webhook;

pub use auth::{LEEWAY, Tokens};
pub use cli::run;
pub use config::{
    AuthConfig, Config, ConfigError, KEYS, LogFormat, SECRET_BYTES, Secret, Source, WebhookConfig,
    parse_duration,
};
pub use error::StartError;
pub use server::{RunningServer, Server};
pub use storage::{Dump, OpenError, SqliteReader, SqliteStorage};
