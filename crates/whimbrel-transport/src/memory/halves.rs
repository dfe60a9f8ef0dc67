use super::{DEADLINE, QUEUE_BYTES, QUEUE_FRAMES};
use crate::{Connection, FrameSink, FrameStream, TransportError};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::{Arc, OnceLock};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

/// A frame on its way, and its share of the bytes that may wait.
#[derive(Debug)]
struct Queued {
    frame: Bytes,
    _room: OwnedSemaphorePermit,
}

/// One side of a connection, before its frame limit is known.
#[derive(Debug)]
pub(super) struct Half {
    sink: MemorySink,
    stream: MemoryStream,
}

impl Half {
    /// Makes the two sides of a connection.
    pub(super) fn pair() -> (Self, Self) {
        let end = Arc::new(End::default());
        let (there_sink, there_queue) = mpsc::channel(QUEUE_FRAMES);
        let (back_sink, back_queue) = mpsc::channel(QUEUE_FRAMES);
        let half = |queue, frames, side| Self {
            sink: MemorySink {
                queue,
                room: Arc::new(Semaphore::new(QUEUE_BYTES as usize)),
                max_frame: 0,
                end: Ender {
                    end: Arc::clone(&end),
                    side,
                },
            },
            stream: MemoryStream {
                frames,
                max_frame: 0,
                end: Ender {
                    end: Arc::clone(&end),
                    side,
                },
            },
        };
        (
            half(there_sink, back_queue, Side::Client),
            half(back_sink, there_queue, Side::Server),
        )
    }

    /// Sets the limit of this side.
    pub(super) fn into_connection(mut self, max_frame: usize) -> Connection {
        self.sink.max_frame = max_frame;
        self.stream.max_frame = max_frame;
        Connection {
            sink: Box::new(self.sink),
            stream: Box::new(self.stream),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// How a connection ended: the first who ends it says why.
#[derive(Debug, Default)]
struct End {
    cause: OnceLock<(Side, &'static str)>,
    ended: CancellationToken,
}

/// Ends the connection when it is dropped, as each half does.
#[derive(Debug)]
struct Ender {
    end: Arc<End>,
    side: Side,
}

impl Ender {
    fn end(&self, cause: &'static str) {
        // Whoever lost the race leaves the cause of the first.
        let _ = self.end.cause.set((self.side, cause));
        self.end.ended.cancel();
    }

    fn ended(&self) -> &CancellationToken {
        &self.end.ended
    }

    /// Says why it ended, to this side.
    fn error(&self) -> TransportError {
        let (side, cause) = self.end.cause.get().copied().unwrap_or((self.side, "dropped"));
        let who = if side == self.side {
            "this side"
        } else {
            "the other side"
        };
        TransportError::Closed(format!("{who} {cause}"))
    }
}

impl Drop for Ender {
    fn drop(&mut self) {
        self.end("dropped it");
    }
}

#[derive(Debug)]
struct MemorySink {
    queue: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
    max_frame: usize,
    end: Ender,
}

impl MemorySink {
    fn check(&self, frames: &[Bytes]) -> Result<(), TransportError> {
        for frame in frames {
            if frame.len() > self.max_frame {
                return Err(TransportError::FrameTooLarge {
                    size: frame.len(),
                    limit: self.max_frame,
                });
            }
            if std::str::from_utf8(frame).is_err() {
                return Err(TransportError::Protocol("a frame to send is not text".to_owned()));
            }
        }
        Ok(())
    }

    async fn push(&self, frame: Bytes) -> Result<(), TransportError> {
        let share = u32::try_from(frame.len()).unwrap_or(u32::MAX).min(QUEUE_BYTES);
        let queue = async {
            // Neither is ever closed while the connection is open, so an error of either is the end.
            let room = Arc::clone(&self.room).acquire_many_owned(share).await.ok()?;
            self.queue.send(Queued { frame, _room: room }).await.ok()
        };
        tokio::select! {
            biased;
            () = self.end.ended().cancelled() => Err(self.end.error()),
            queued = queue => queued.ok_or_else(|| self.end.error()),
        }
    }
}

#[async_trait]
impl FrameSink for MemorySink {
    async fn send(&mut self, frames: Vec<Bytes>) -> Result<(), TransportError> {
        let deadline = Instant::now() + DEADLINE;
        let sent = async {
            self.check(&frames)?;
            for frame in frames {
                self.push(frame).await?;
            }
            Ok(())
        };
        // Armed while the frames are on their way: the future may be dropped halfway.
        let broken = EndUnlessDone(Some(&self.end));
        let sent = timeout_at(deadline, sent)
            .await
            .unwrap_or(Err(TransportError::Timeout {
                what: "sending in memory",
                limit: DEADLINE,
            }));
        if sent.is_ok() {
            broken.done();
        }
        sent
    }

    async fn close(&mut self) {
        self.end.end("said goodbye");
    }
}

/// Ends the connection unless told that all went well.
struct EndUnlessDone<'a>(Option<&'a Ender>);

impl EndUnlessDone<'_> {
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for EndUnlessDone<'_> {
    fn drop(&mut self) {
        if let Some(end) = self.0 {
            end.end("could not send");
        }
    }
}

#[derive(Debug)]
struct MemoryStream {
    frames: mpsc::Receiver<Queued>,
    max_frame: usize,
    end: Ender,
}

#[async_trait]
impl FrameStream for MemoryStream {
    async fn next(&mut self) -> Result<Bytes, TransportError> {
        let queued = tokio::select! {
            biased;
            queued = self.frames.recv() => queued,
            // What was sent before the end still arrives. It is looked at again, because it may have come in between.
            () = self.end.ended().cancelled() => self.frames.try_recv().ok(),
        };
        let Some(Queued { frame, .. }) = queued else {
            return Err(self.end.error());
        };
        if frame.len() > self.max_frame {
            self.frames.close();
            while self.frames.try_recv().is_ok() {}
            self.end.end("was sent a frame over its limit");
            return Err(TransportError::FrameTooLarge {
                size: frame.len(),
                limit: self.max_frame,
            });
        }
        Ok(frame)
    }
}
