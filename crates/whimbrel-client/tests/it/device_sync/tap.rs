//! Stands between a client and the network.

use async_trait::async_trait;
use bytes::Bytes;
use std::sync::{Arc, Mutex};
use whimbrel_client::{Connector, TransportError};
use whimbrel_testkit::server::TestServer;
use whimbrel_transport::{Connection, FrameSink};

/// Stands between a client and the network: sees what it sends, and may change it.
#[derive(Debug)]
pub(super) struct Tap {
    inner: Arc<dyn Connector>,
    seen: Arc<Mutex<Vec<String>>>,
    change: fn(String) -> String,
}

#[derive(Debug)]
struct TappedSink {
    inner: Box<dyn FrameSink>,
    seen: Arc<Mutex<Vec<String>>>,
    change: fn(String) -> String,
}

impl Tap {
    pub(super) fn new(
        server: &TestServer,
        change: fn(String) -> String,
    ) -> (Arc<Self>, Arc<Mutex<Vec<String>>>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let tap = Self {
            inner: server.connector(),
            seen: Arc::clone(&seen),
            change,
        };
        (Arc::new(tap), seen)
    }
}

#[async_trait]
impl Connector for Tap {
    async fn connect(&self) -> Result<Connection, TransportError> {
        let Connection { sink, stream } = self.inner.connect().await?;
        let sink = Box::new(TappedSink {
            inner: sink,
            seen: Arc::clone(&self.seen),
            change: self.change,
        });
        Ok(Connection { sink, stream })
    }
}

#[async_trait]
impl FrameSink for TappedSink {
    async fn send(&mut self, frames: Vec<Bytes>) -> Result<(), TransportError> {
        let change = |frame: Bytes| {
            let text = String::from_utf8(frame.to_vec()).unwrap();
            self.seen.lock().unwrap().push(text.clone());
            Bytes::from((self.change)(text))
        };
        let frames = frames.into_iter().map(change).collect();
        self.inner.send(frames).await
    }

    async fn close(&mut self) {
        self.inner.close().await;
    }
}
