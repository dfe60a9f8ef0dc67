//! WebSocket transport: tokio-tungstenite over rustls.
//!
//! ```
//! use std::time::Duration;
//! use whimbrel_transport_ws::WsConnector;
//!
//! # fn main() -> Result<(), whimbrel_transport::TransportError> {
//! // Opens wss://chat.example.org/v1/socket when it is told to connect, and nothing before.
//! let connector = WsConnector::new("https://chat.example.org")?.connect_deadline(Duration::from_secs(5));
//! # Ok(())
//! # }
//! ```
//!
//! Each frame is one WebSocket text message. TLS verifies against the system's root certificates, and against those
//! added for a private authority; nothing turns verification off.
//!
//! ## Invariants
//!
//! - No await is without a deadline; a link that died without a sign ends within the idle deadline.
//! - No buffer grows beyond the frame limit and a constant.
//! - Frames never travel unencrypted to another machine, unless the app allowed that by name.
//! - Dropping either half closes the socket at once, whoever holds the other.
//! - No task is spawned: the work happens in the callers' futures.

mod address;
mod connection;
mod connector;
mod error;
mod meter;
mod tls;

pub use connector::{
    ATTEMPT_DEADLINE, CONNECT_DEADLINE, GOODBYE_DEADLINE, IDLE_DEADLINE, MAX_FRAME, SEND_DEADLINE,
    SOCKET_PATH, WsConnector,
};
