//! The transport seam: opaque bounded frames in and out, and a reason when it ends.
//!
//! A [`Connector`] opens a [`Connection`]; the client owns one at a time. [`memory`] is a pair within one process, for
//! tests and for a server that lives inside the app. `whimbrel-transport-ws` is the WebSocket one.
//!
//! ## Writing a transport
//!
//! A transport is a crate of its own that depends on this one. It has three types:
//!
//! 1. A connector, made from an address and settings. Making it does no I/O, so that an app opens offline. It implements
//!    [`Connector::connect`], which may be called again at any time, and ends within a deadline of its own whatever the
//!    network does: a name that does not resolve, a peer that accepts and says nothing.
//! 2. A sink. [`FrameSink::send`] gets whole batches: write them all, then flush once. Check every frame before the first
//!    leaves. End the connection when the future is dropped halfway, because half a frame may be out.
//! 3. A stream. [`FrameStream::next`] is dropped again and again by a `select!`, so the frame that is half read lives in
//!    the stream and not in the future; and so does the time since when nothing came, or the deadline for silence begins
//!    anew with each call and never passes.
//!
//! The halves live in two tasks, and either may be dropped while the other waits. So the link belongs to both, and the
//! drop of one takes it away and wakes the other. A link that is only closed when *both* are gone (as with most `split`
//! functions) hangs the peer.
//!
//! Frames are UTF-8 text, because that is what every transport can carry; the transport does not look further into them,
//! and never logs them. It starts no task if it can do without. It does not reconnect, retry or answer for the engine: it
//! says what happened, and [`TransportError::is_retryable`] whether trying again can help. An error says what a person
//! can do about it, and repeats no secret of the address.
//!
//! When the network fails under a send, the sink reports it and leaves the stream alone: what the peer said last, and
//! why it hung up, may be waiting there.
//!
//! ## Running the suite
//!
//! `whimbrel-testkit` has what every transport has to pass. Add it as a dev-dependency, implement
//! `whimbrel_testkit::conformance::transport::Opener` (a server on this machine, and a connector to it) and call the
//! macro once for each variant, in a module of its own under `tests/it/`:
//!
//! ```text
//! mod plain_conformance {
//!     whimbrel_testkit::transport_conformance!(crate::server::Plain);
//! }
//! ```
//!
//! The suite cannot know how to make your link die without a sign, so the deadlines need tests beside it: a peer that
//! never answers the handshake, one that goes silent, one that does not read.
//!
//! ## Invariants
//!
//! - Frames arrive whole, in order, at most once, or not at all. A transport never repeats or reorders.
//! - Connecting and sending have deadlines; so has silence, wherever a link can die unnoticed.
//! - A frame over the limit is refused before it is sent and ends the connection when it arrives.
//! - Every queue is bounded, in frames or in bytes: a peer that does not read stops its sender.
//! - Dropping either half ends the connection for both sides. An end is final.

mod error;
pub mod memory;
mod transport;

pub use error::TransportError;
pub use transport::{Connection, Connector, FrameSink, FrameStream};
