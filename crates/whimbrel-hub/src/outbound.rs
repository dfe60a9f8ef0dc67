use bytes::Bytes;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;
use tracing::warn;
use whimbrel_model::Code;
use whimbrel_protocol::{Bye, ServerFrame, encode};

/// The frames on their way to one connection: the transport's end.
///
/// Delivery: frames in the order in which the hub made them, none left out, until the last, which is a `bye` unless
/// the session was dropped. Dropping it tells the hub that nobody reads any more.
#[derive(Debug)]
pub struct Outbound(Arc<Mailbox>);

impl Outbound {
    /// Waits for frames and takes all that are queued, to be written in one go. `None`: the connection is over.
    ///
    /// Cancellation: nothing is taken before it returns.
    pub async fn next_batch(&mut self) -> Option<Vec<Bytes>> {
        loop {
            let arrived = self.0.arrived.notified();
            {
                let mut queue = self.0.lock();
                if !queue.frames.is_empty() {
                    queue.bytes = 0;
                    queue.answers = 0;
                    self.0.drained.notify_one();
                    return Some(queue.frames.drain(..).collect());
                }
                if queue.ended.is_some() {
                    return None;
                }
            }
            arrived.await;
        }
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.frames.clear();
        queue
            .ended
            .get_or_insert_with(|| bye(Code::Unavailable, "the connection is gone"));
        self.0.drained.notify_one();
    }
}

/// The hub's end of an [`Outbound`].
#[derive(Debug)]
pub(crate) struct Mailbox {
    queue: Mutex<Queue>,
    limit: usize,
    arrived: Notify,
    drained: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Bytes>,
    /// Of the pushed frames only: answers are paced by their reader.
    bytes: usize,
    answers: usize,
    ended: Option<Bye>,
}

impl Mailbox {
    /// Creates both ends; more than `limit` bytes of pushed frames end the connection.
    pub(crate) fn new(limit: usize) -> (Arc<Self>, Outbound) {
        let mailbox = Arc::new(Self {
            queue: Mutex::default(),
            limit,
            arrived: Notify::new(),
            drained: Notify::new(),
        });
        (mailbox.clone(), Outbound(mailbox))
    }

    /// Queues a frame that nobody asked for now: an event, or results. One frame always fits.
    pub(crate) fn push(&self, frame: Bytes) {
        let mut queue = self.lock();
        if queue.ended.is_some() {
            return;
        }
        if queue.bytes > 0 && queue.bytes + frame.len() > self.limit {
            let message = "the connection reads too slowly: reconnect and catch up from the cursor";
            self.end(&mut queue, bye(Code::SlowConsumer, message));
            return;
        }
        queue.bytes += frame.len();
        queue.frames.push_back(frame);
        self.arrived.notify_one();
    }

    /// Queues the answer to a request. The caller has waited for [`room`](Self::room).
    pub(crate) fn answer(&self, bytes: Bytes) {
        let mut queue = self.lock();
        if queue.ended.is_none() {
            queue.answers += 1;
            queue.frames.push_back(bytes);
            self.arrived.notify_one();
        }
    }

    /// Waits until the last answer was taken, so that a client that asks without reading holds one answer only.
    ///
    /// # Errors
    /// The [`Bye`] with which the connection ended.
    pub(crate) async fn room(&self) -> Result<(), Bye> {
        loop {
            {
                let queue = self.lock();
                if let Some(bye) = &queue.ended {
                    return Err(bye.clone());
                }
                if queue.answers == 0 {
                    return Ok(());
                }
            }
            self.drained.notified().await;
        }
    }

    /// Ends the connection with a last frame, unless it has ended already. Returns what it ended with.
    pub(crate) fn close(&self, bye: Bye) -> Bye {
        let mut queue = self.lock();
        if let Some(earlier) = &queue.ended {
            return earlier.clone();
        }
        self.end(&mut queue, bye.clone());
        bye
    }

    /// Ends the connection without a last frame.
    pub(crate) fn abandon(&self) {
        let mut queue = self.lock();
        queue
            .ended
            .get_or_insert_with(|| bye(Code::Unavailable, "the session is gone"));
        self.arrived.notify_one();
    }

    /// Returns what the connection ended with, if it has.
    pub(crate) fn ended(&self) -> Option<Bye> {
        self.lock().ended.clone()
    }

    fn end(&self, queue: &mut Queue, bye: Bye) {
        queue.frames.extend(encode_frame(&ServerFrame::Bye(bye.clone())));
        queue.ended = Some(bye);
        self.arrived.notify_one();
        self.drained.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Creates a last frame without a time to come back.
pub(crate) fn bye(code: Code, message: impl Into<String>) -> Bye {
    Bye {
        code,
        message: message.into(),
        retry_after_ms: None,
        protocol: None,
    }
}

/// Encodes a frame that the hub has cut to fit; one that does not fit all the same is reported and left out.
pub(crate) fn encode_frame(frame: &ServerFrame) -> Option<Bytes> {
    match encode(frame) {
        Ok(bytes) => Some(bytes.into()),
        Err(error) => {
            warn!(%error, "a frame could not be encoded");
            None
        }
    }
}
