//! The transport seam: opaque bounded frames in and out, and a reason when it ends.
//!
//! A [`Connector`] opens a [`Connection`]; the client owns one at a time. [`memory`] is a pair within one process, for
//! tests and for a server that lives inside the app.
//!
//! ## Invariants
//!
//! - Frames arrive whole, in order, at most once, or not at all. A transport never repeats or reorders.
//! - Every await ends: connecting, sending and silence have deadlines.
//! - A frame over the limit is refused before it is sent and ends the connection when it arrives.

mod error;
pub mod memory;
mod transport;

pub use error::TransportError;
pub use transport::{Connection, Connector, FrameSink, FrameStream};
