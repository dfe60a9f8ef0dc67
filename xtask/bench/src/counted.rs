//! A transport that counts.

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use whimbrel_transport::{Connection, Connector, FrameSink, FrameStream, TransportError};

/// What went over connections so far.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Bytes of frames, both ways, without what the WebSocket puts around them.
    pub(crate) bytes: u64,
    /// Questions for heads.
    pub(crate) heads: u64,
    /// Questions for a page of a stream.
    pub(crate) pages: u64,
    /// Connections that could not be made.
    pub(crate) unmade: u64,
    /// Ends that the server told of with a time to come back.
    pub(crate) put_off: u64,
    /// Ends that it told of without one.
    pub(crate) refused: u64,
}

#[derive(Debug, Default)]
struct Counters {
    bytes: AtomicU64,
    heads: AtomicU64,
    pages: AtomicU64,
    unmade: AtomicU64,
    put_off: AtomicU64,
    refused: AtomicU64,
}

/// Connects as another connector does, and counts.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    inner: Arc<dyn Connector>,
    counters: Arc<Counters>,
}

impl Counted {
    pub(crate) fn new(inner: Arc<dyn Connector>) -> Self {
        Self {
            inner,
            counters: Arc::default(),
        }
    }

    /// Returns the counts of all clones together.
    pub(crate) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            bytes: read(&self.counters.bytes),
            heads: read(&self.counters.heads),
            pages: read(&self.counters.pages),
            unmade: read(&self.counters.unmade),
            put_off: read(&self.counters.put_off),
            refused: read(&self.counters.refused),
        }
    }
}

impl Counters {
    /// Counts what a client sends.
    fn asked(&self, frame: &[u8]) {
        add(&self.bytes, frame.len() as u64);
        if frame.starts_with(br#"{"heads""#) {
            add(&self.heads, 1);
        } else if frame.starts_with(br#"{"sync""#) {
            add(&self.pages, 1);
        }
    }

    /// Counts what a server sends.
    fn told(&self, frame: &[u8]) {
        const LATER: &[u8] = br#""retry_after_ms""#;
        add(&self.bytes, frame.len() as u64);
        if frame.starts_with(br#"{"bye""#) {
            let is_put_off = frame.windows(LATER.len()).any(|part| part == LATER);
            add(if is_put_off { &self.put_off } else { &self.refused }, 1);
        }
    }
}

fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

#[async_trait]
impl Connector for Counted {
    async fn connect(&self) -> Result<Connection, TransportError> {
        let counters = self.counters.clone();
        match self.inner.connect().await {
            Ok(Connection { sink, stream }) => Ok(Connection {
                sink: Box::new(Sink(sink, counters.clone())),
                stream: Box::new(Stream(stream, counters)),
            }),
            Err(error) => {
                add(&counters.unmade, 1);
                Err(error)
            }
        }
    }
}

#[derive(Debug)]
struct Sink(Box<dyn FrameSink>, Arc<Counters>);

#[async_trait]
impl FrameSink for Sink {
    async fn send(&mut self, frames: Vec<Bytes>) -> Result<(), TransportError> {
        for frame in &frames {
            self.1.asked(frame);
        }
        self.0.send(frames).await
    }

    async fn close(&mut self) {
        self.0.close().await;
    }
}

#[derive(Debug)]
struct Stream(Box<dyn FrameStream>, Arc<Counters>);

#[async_trait]
impl FrameStream for Stream {
    async fn next(&mut self) -> Result<Bytes, TransportError> {
        let frame = self.0.next().await?;
        self.1.told(&frame);
        Ok(frame)
    }
}
