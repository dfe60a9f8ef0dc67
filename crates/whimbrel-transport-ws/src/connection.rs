use crate::{
    connector::{GOODBYE_DEADLINE, Limits},
    error,
    meter::{Meter, Metered},
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Sink, Stream};
use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    task::{Context, Poll, ready},
};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Error, Message, Utf8Bytes, protocol::WebSocketConfig},
};
use tokio_util::sync::CancellationToken;
use whimbrel_transport::{Connection, FrameSink, FrameStream, TransportError};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<Metered>>;

/// Bytes to read at once. It is allocated for as long as the connection lives; larger frames grow it.
const READ_BUFFER: usize = 16 * 1024;

/// Bytes that are gathered before they are written: a usual batch leaves in one system call.
const WRITE_BUFFER: usize = 64 * 1024;

/// Bytes of frame headers and of control frames beside the frame that is being written.
const WRITE_EXTRA: usize = 1024;

impl Limits {
    pub(crate) fn config(&self) -> WebSocketConfig {
        WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_write_buffer_size(WRITE_BUFFER + WRITE_EXTRA + self.max_frame)
            .max_message_size(Some(self.max_frame))
            .max_frame_size(Some(self.max_frame))
    }
}

pub(crate) fn open(socket: Socket, meter: Arc<Meter>, limits: Limits) -> Connection {
    let shared = Arc::new(Shared {
        socket: Mutex::new(Some(socket)),
        ended: CancellationToken::new(),
        cause: OnceLock::new(),
        meter,
        limits,
    });
    Connection {
        sink: Box::new(WsSink {
            shared: Arc::clone(&shared),
            broken: false,
        }),
        stream: Box::new(WsStream { shared }),
    }
}

/// The socket that both halves use. The lock is held within one poll only, never across an await: that is why either
/// half can take the socket away and close it while the other waits.
#[derive(Debug)]
struct Shared {
    socket: Mutex<Option<Socket>>,
    ended: CancellationToken,
    cause: OnceLock<TransportError>,
    meter: Arc<Meter>,
    limits: Limits,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Socket>> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the socket and wakes both halves. The first cause stands, and is returned.
    fn end(&self, cause: TransportError) -> TransportError {
        let cause = self.cause.get_or_init(|| cause).clone();
        let socket = self.lock().take();
        self.ended.cancel();
        drop(socket);
        cause
    }

    /// Drives one operation, until it is ready or the connection is over.
    async fn drive<T>(
        &self,
        mut step: impl FnMut(Pin<&mut Socket>, &mut Context<'_>) -> Poll<T>,
    ) -> Result<T, TransportError> {
        let work = poll_fn(|cx| match self.lock().as_mut() {
            Some(socket) => step(Pin::new(socket), cx).map(Some),
            None => Poll::Ready(None),
        });
        match self.ended.run_until_cancelled(work).await.flatten() {
            Some(done) => Ok(done),
            None => Err(self.cause.get().cloned().unwrap_or_else(error::gone)),
        }
    }
}

fn dropped() -> TransportError {
    TransportError::Closed("this side dropped it".to_owned())
}

#[derive(Debug)]
struct WsSink {
    shared: Arc<Shared>,
    /// The network failed. The socket stays for the stream, which may hold the reason.
    broken: bool,
}

impl WsSink {
    /// Takes all frames or none.
    fn messages(&self, frames: Vec<Bytes>) -> Result<VecDeque<Message>, TransportError> {
        let limit = self.shared.limits.max_frame;
        let message = |frame: Bytes| {
            if frame.len() > limit {
                return Err(TransportError::FrameTooLarge {
                    size: frame.len(),
                    limit,
                });
            }
            match Utf8Bytes::try_from(frame) {
                Ok(text) => Ok(Message::Text(text)),
                Err(_) => Err(TransportError::Protocol("a frame to send is not text".to_owned())),
            }
        };
        frames.into_iter().map(message).collect()
    }

    /// Writes everything and flushes once. It fails when no byte went out for the deadline.
    async fn write(&self, mut messages: VecDeque<Message>) -> Result<Result<(), Error>, TransportError> {
        let limit = self.shared.limits.send;
        let begun = Instant::now();
        let work = self.shared.drive(|mut socket, cx| {
            while !messages.is_empty() {
                ready!(socket.as_mut().poll_ready(cx))?;
                if let Some(message) = messages.pop_front() {
                    socket.as_mut().start_send(message)?;
                }
            }
            socket.poll_flush(cx)
        });
        tokio::pin!(work);
        loop {
            let moved = self.shared.meter.written().max(begun);
            match timeout_at(moved + limit, work.as_mut()).await {
                Ok(done) => return done,
                Err(_) if self.shared.meter.written() > moved => {}
                Err(_) => {
                    return Err(TransportError::Timeout {
                        what: "sending",
                        limit,
                    });
                }
            }
        }
    }
}

#[async_trait]
impl FrameSink for WsSink {
    async fn send(&mut self, frames: Vec<Bytes>) -> Result<(), TransportError> {
        if self.broken {
            return Err(error::gone());
        }
        // Armed until the frames are out: a future that is dropped halfway may leave half a frame.
        let mut unless_sent = EndOnDrop(Some(&self.shared));
        let sent = match self.messages(frames) {
            Ok(messages) => self.write(messages).await,
            Err(refused) => Err(refused),
        };
        match sent {
            Ok(written) => {
                unless_sent.0 = None;
                written.map_err(|error| {
                    self.broken = true;
                    error::ended(error)
                })
            }
            Err(error) => Err(self.shared.end(error)),
        }
    }

    async fn close(&mut self) {
        let mut goodbye = Some(Message::Close(None));
        let closing = async {
            let said = self.shared.drive(|mut socket, cx| {
                if goodbye.is_some() {
                    ready!(socket.as_mut().poll_ready(cx))?;
                    goodbye
                        .take()
                        .map_or(Ok(()), |message| socket.as_mut().start_send(message))?;
                }
                socket.poll_flush(cx)
            });
            if !matches!(said.await, Ok(Ok(()))) {
                return;
            }
            // A socket that is closed with something unread resets the connection, and what was sent last is lost. So
            // this reads until the peer says goodbye too.
            let answered = self.shared.drive(|mut socket, cx| {
                loop {
                    match ready!(socket.as_mut().poll_next(cx)) {
                        Some(Ok(message)) if !message.is_close() => {}
                        _ => return Poll::Ready(()),
                    }
                }
            });
            let _ = answered.await;
        };
        // Whether the peer took leave or not, this is the end.
        let _ = timeout(GOODBYE_DEADLINE, closing).await;
        self.shared
            .end(TransportError::Closed("this side said goodbye".to_owned()));
    }
}

impl Drop for WsSink {
    fn drop(&mut self) {
        self.shared.end(dropped());
    }
}

#[derive(Debug)]
struct EndOnDrop<'a>(Option<&'a Shared>);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(shared) = self.0 {
            shared.end(TransportError::Closed("this side gave up sending".to_owned()));
        }
    }
}

#[derive(Debug)]
struct WsStream {
    shared: Arc<Shared>,
}

impl WsStream {
    /// Waits for a message of any kind. It fails when no byte came in for the deadline.
    async fn message(&self) -> Result<Message, TransportError> {
        let limit = self.shared.limits.idle;
        loop {
            let heard = self.shared.meter.read();
            let next = self.shared.drive(|socket, cx| socket.poll_next(cx));
            match timeout_at(heard + limit, next).await {
                Ok(Ok(Some(Ok(message)))) => return Ok(message),
                Ok(Ok(Some(Err(error)))) => return Err(error::ended(error)),
                Ok(Ok(None)) => return Err(error::gone()),
                Ok(Err(over)) => return Err(over),
                // A large frame is on its way over a slow link.
                Err(_) if self.shared.meter.read() > heard => {}
                Err(_) => {
                    return Err(TransportError::Timeout {
                        what: "the silence of the other side",
                        limit,
                    });
                }
            }
        }
    }
}

#[async_trait]
impl FrameStream for WsStream {
    async fn next(&mut self) -> Result<Bytes, TransportError> {
        let cause = loop {
            match self.message().await {
                Ok(Message::Text(text)) => return Ok(text.into()),
                // A ping is answered by the next read.
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Binary(bytes)) => {
                    break TransportError::Protocol(format!("a binary frame of {} bytes came", bytes.len()));
                }
                Ok(Message::Close(frame)) => {
                    // The answer is a courtesy: what the system does not take at once is not sent.
                    let mut answer = |socket: Pin<&mut Socket>, cx: &mut Context<'_>| {
                        let _ = socket.poll_flush(cx);
                        Poll::Ready(())
                    };
                    let _ = self.shared.drive(&mut answer).await;
                    break error::goodbye(frame);
                }
                Err(error) => break error,
            }
        };
        Err(self.shared.end(cause))
    }
}

impl Drop for WsStream {
    fn drop(&mut self) {
        self.shared.end(dropped());
    }
}
