use crate::TransportError;
use async_trait::async_trait;
use bytes::Bytes;
use std::fmt::Debug;

/// Opens connections to one server.
#[async_trait]
pub trait Connector: Debug + Send + Sync + 'static {
    /// Connects, within the transport's own deadline. Dropping the future gives up.
    async fn connect(&self) -> Result<Connection, TransportError>;
}

/// An open connection: two halves that are used from two tasks. Dropping either ends it.
#[derive(Debug)]
pub struct Connection {
    /// The half that sends.
    pub sink: Box<dyn FrameSink>,
    /// The half that receives.
    pub stream: Box<dyn FrameStream>,
}

/// The sending half of a [`Connection`].
#[async_trait]
pub trait FrameSink: Debug + Send + 'static {
    /// Sends `frames`, each of them UTF-8 text, in order and with as few system calls as the transport can, and returns
    /// when the operating system has them. A deadline bounds it: a peer that does not read is an error, not a wait.
    ///
    /// # Errors
    /// [`TransportError::FrameTooLarge`] and [`TransportError::Protocol`] (a frame is not text) before anything left.
    /// After every other error, and when the future is dropped, any prefix of the frames may have left. In all cases
    /// the connection is over; the stream may still hold frames that came before, and the reason.
    async fn send(&mut self, frames: Vec<Bytes>) -> Result<(), TransportError>;

    /// Says goodbye and closes; the stream of this side ends too. It is a courtesy: it waits a moment at most, reports
    /// no error, and what the peer still sends is dropped.
    async fn close(&mut self);
}

/// The receiving half of a [`Connection`].
#[async_trait]
pub trait FrameStream: Debug + Send + 'static {
    /// Waits for the next frame. Safe to drop: no frame is lost.
    ///
    /// # Errors
    /// Always final: why the connection ended.
    async fn next(&mut self) -> Result<Bytes, TransportError>;
}
