//! Counting what goes over a link.

use async_trait::async_trait;
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use whimbrel_client::Connector;
use whimbrel_transport::{Connection, FrameSink, FrameStream, TransportError};

/// Frames of one kind, and their bytes.
pub(crate) type Count = (usize, usize);

/// What was sent and received since the counts were taken last, by kind of frame.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) sent: BTreeMap<String, Count>,
    pub(crate) received: BTreeMap<String, Count>,
    /// Events of channels.
    pub(crate) channel_events: usize,
}

impl Counts {
    pub(crate) fn bytes(&self) -> usize {
        self.sent
            .values()
            .chain(self.received.values())
            .map(|(_, bytes)| bytes)
            .sum()
    }

    pub(crate) fn frames(&self) -> usize {
        self.sent
            .values()
            .chain(self.received.values())
            .map(|(frames, _)| frames)
            .sum()
    }
}

/// A way to the server that counts.
#[derive(Clone, Debug)]
pub(crate) struct Counting {
    inner: Arc<dyn Connector>,
    counts: Arc<Mutex<Counts>>,
}

impl Counting {
    pub(crate) fn new(inner: Arc<dyn Connector>) -> Self {
        Self {
            inner,
            counts: Arc::default(),
        }
    }

    /// Takes the counts, and begins anew.
    pub(crate) fn take(&self) -> Counts {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, frame: &Bytes, is_sent: bool) {
        let json: serde_json::Value = serde_json::from_slice(frame).expect("a frame is JSON");
        let kind = json
            .as_object()
            .and_then(|object| object.keys().next())
            .expect("it has a kind");
        let mut counts = self.lock();
        let is_of_channel = json["event"]["stream"]
            .as_str()
            .is_some_and(|stream| stream.starts_with("C:"));
        counts.channel_events += usize::from(is_of_channel);
        let side = if is_sent {
            &mut counts.sent
        } else {
            &mut counts.received
        };
        let (frames, bytes) = side.entry(kind.clone()).or_default();
        *frames += 1;
        *bytes += frame.len();
    }
}

#[async_trait]
impl Connector for Counting {
    async fn connect(&self) -> Result<Connection, TransportError> {
        let Connection { sink, stream } = self.inner.connect().await?;
        Ok(Connection {
            sink: Box::new(Counted(sink, self.clone())),
            stream: Box::new(Counted(stream, self.clone())),
        })
    }
}

#[derive(Debug)]
struct Counted<T>(T, Counting);

#[async_trait]
impl FrameSink for Counted<Box<dyn FrameSink>> {
    async fn send(&mut self, frames: Vec<Bytes>) -> Result<(), TransportError> {
        for frame in &frames {
            self.1.count(frame, true);
        }
        self.0.send(frames).await
    }

    async fn close(&mut self) {
        self.0.close().await;
    }
}

#[async_trait]
impl FrameStream for Counted<Box<dyn FrameStream>> {
    async fn next(&mut self) -> Result<Bytes, TransportError> {
        let frame = self.0.next().await?;
        self.1.count(&frame, false);
        Ok(frame)
    }
}
