//! A connection within one process.
//!
//! ```
//! use bytes::Bytes;
//! use whimbrel_transport::{Connector, memory};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), whimbrel_transport::TransportError> {
//! let (connector, mut listener) = memory::channel();
//! let mut client = connector.connect().await?;
//! let mut server = listener.accept().await?;
//!
//! client.sink.send(vec![Bytes::from_static(b"hello")]).await?;
//! assert_eq!(server.stream.next().await?, "hello");
//! # Ok(())
//! # }
//! ```
//!
//! Silence has no deadline here, because nothing between the two halves can die unnoticed. Everything else is as over a
//! socket: queues are bounded, a reader that does not read makes its sender fail, frames have to be text.

mod halves;

use crate::{Connection, Connector, TransportError};
use async_trait::async_trait;
use halves::Half;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::mpsc, time::timeout};

/// Bytes of one frame, unless told otherwise: what the Whimbrel protocol allows.
pub const MAX_FRAME: usize = 1024 * 1024;

/// Frames that wait in one direction: a few batches, so that a burst does not stall its sender.
pub const QUEUE_FRAMES: usize = 256;

/// Bytes that wait in one direction: about what the buffers of a TCP connection hold. A larger frame waits alone.
pub const QUEUE_BYTES: u32 = 4 * 1024 * 1024;

/// Connections that wait to be accepted. A server that takes none of this many is not there.
pub const BACKLOG: usize = 16;

/// How long a connect or a send waits for the other side. Nothing within one process takes this long unless it hangs.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Makes a server address: the way in, to clone for each client, and the place where the connections come out.
#[must_use]
pub fn channel() -> (MemoryConnector, MemoryListener) {
    let (queue, waiting) = mpsc::channel(BACKLOG);
    let refusing = Arc::new(AtomicBool::new(false));
    (
        MemoryConnector {
            queue,
            refusing,
            max_frame: MAX_FRAME,
        },
        MemoryListener {
            waiting,
            max_frame: MAX_FRAME,
        },
    )
}

/// Connects to the [`MemoryListener`] that it was made with.
#[derive(Clone, Debug)]
pub struct MemoryConnector {
    queue: mpsc::Sender<Half>,
    refusing: Arc<AtomicBool>,
    max_frame: usize,
}

impl MemoryConnector {
    /// Sets the largest frame in bytes that this side sends and takes. It is [`MAX_FRAME`] otherwise.
    #[must_use]
    pub fn with_max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = bytes;
        self
    }

    /// Makes every new connect, of clones too, fail as if no server were there; or ends that. What is open stays open.
    pub fn refuse(&self, refuse: bool) {
        self.refusing.store(refuse, Ordering::SeqCst);
    }
}

#[async_trait]
impl Connector for MemoryConnector {
    async fn connect(&self) -> Result<Connection, TransportError> {
        if self.refusing.load(Ordering::SeqCst) {
            return Err(refused("it was told to refuse"));
        }
        let (client, server) = Half::pair();
        match timeout(DEADLINE, self.queue.send(server)).await {
            Ok(Ok(())) => Ok(client.into_connection(self.max_frame)),
            Ok(Err(_)) => Err(refused("its listener is gone")),
            Err(_) => Err(TransportError::Timeout {
                what: "connecting in memory",
                limit: DEADLINE,
            }),
        }
    }
}

fn refused(reason: &str) -> TransportError {
    TransportError::Connect {
        address: "the in-memory server".to_owned(),
        reason: reason.to_owned(),
    }
}

/// Takes the connections that the [`MemoryConnector`]s make. Dropping it refuses new ones.
#[derive(Debug)]
pub struct MemoryListener {
    waiting: mpsc::Receiver<Half>,
    max_frame: usize,
}

impl MemoryListener {
    /// Sets the largest frame in bytes that the server's side sends and takes. It is [`MAX_FRAME`] otherwise.
    #[must_use]
    pub fn with_max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = bytes;
        self
    }

    /// Waits, without a deadline, for the next connection; the client has its side already. Safe to drop.
    ///
    /// # Errors
    /// [`TransportError::Closed`] once every connector is gone.
    pub async fn accept(&mut self) -> Result<Connection, TransportError> {
        match self.waiting.recv().await {
            Some(half) => Ok(half.into_connection(self.max_frame)),
            None => Err(TransportError::Closed("every connector is gone".to_owned())),
        }
    }
}
