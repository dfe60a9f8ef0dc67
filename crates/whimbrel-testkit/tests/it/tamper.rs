//! A server that is almost right: the real one, with what goes through changed on its way.

use async_trait::async_trait;
use bytes::Bytes;
use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex},
};
use whimbrel_client::{Connector, TransportError};
use whimbrel_model::StreamEvent;
use whimbrel_protocol::{ClientFrame, FrameError, Outcome, ServerFrame, decode, encode};
use whimbrel_transport::{Connection, FrameSink, FrameStream};

type Up = dyn Fn(ClientFrame) -> Vec<ClientFrame> + Send + Sync;
type Down = dyn Fn(ServerFrame) -> Vec<ServerFrame> + Send + Sync;

/// What goes wrong in a server.
#[derive(Clone)]
pub(crate) struct Fault {
    up: Arc<Up>,
    down: Arc<Down>,
    /// What is no frame becomes this one.
    instead: Option<ClientFrame>,
    /// Every step of everybody goes to everybody.
    leaks: bool,
    /// Nothing is taken that has a field too much.
    strict: bool,
}

impl Fault {
    pub(crate) fn none() -> Self {
        Self {
            up: Arc::new(|frame| vec![frame]),
            down: Arc::new(|frame| vec![frame]),
            instead: None,
            leaks: false,
            strict: false,
        }
    }

    pub(crate) fn up(self, up: impl Fn(ClientFrame) -> Vec<ClientFrame> + Send + Sync + 'static) -> Self {
        Self {
            up: Arc::new(up),
            ..self
        }
    }

    pub(crate) fn down(self, down: impl Fn(ServerFrame) -> Vec<ServerFrame> + Send + Sync + 'static) -> Self {
        Self {
            down: Arc::new(down),
            ..self
        }
    }

    pub(crate) fn instead_of_garbage(self, frame: ClientFrame) -> Self {
        Self {
            instead: Some(frame),
            ..self
        }
    }

    pub(crate) fn strict(self) -> Self {
        Self { strict: true, ..self }
    }

    pub(crate) fn leaks(self) -> Self {
        Self { leaks: true, ..self }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fault")
    }
}

/// Leads to a server that has a fault.
#[derive(Debug)]
pub(crate) struct Faulty {
    pub(crate) inner: Arc<dyn Connector>,
    pub(crate) fault: Fault,
    /// Every step that anybody was told.
    pub(crate) told: Arc<Mutex<Vec<StreamEvent>>>,
}

#[async_trait]
impl Connector for Faulty {
    async fn connect(&self) -> Result<Connection, TransportError> {
        let Connection { sink, stream } = self.inner.connect().await?;
        let heard = self.told.lock().unwrap().len();
        Ok(Connection {
            sink: Box::new(FaultySink {
                inner: sink,
                fault: self.fault.clone(),
            }),
            stream: Box::new(FaultyStream {
                inner: stream,
                fault: self.fault.clone(),
                told: Arc::clone(&self.told),
                heard,
                waiting: VecDeque::new(),
            }),
        })
    }
}

#[derive(Debug)]
struct FaultySink {
    inner: Box<dyn FrameSink>,
    fault: Fault,
}

#[async_trait]
impl FrameSink for FaultySink {
    async fn send(&mut self, frames: Vec<Bytes>) -> Result<(), TransportError> {
        let mut changed = Vec::new();
        for bytes in frames {
            match (decode(&bytes), &self.fault.instead) {
                (Ok(frame), _) if self.fault.strict && *packed(encode(&frame)) != *bytes => {
                    changed.push(Bytes::from_static(b"{}"));
                }
                (Ok(frame), _) => {
                    changed.extend((self.fault.up)(frame).iter().map(|frame| packed(encode(frame))));
                }
                (Err(_), Some(frame)) => changed.push(packed(encode(frame))),
                (Err(_), None) => changed.push(bytes),
            }
        }
        self.inner.send(changed).await
    }

    async fn close(&mut self) {
        self.inner.close().await;
    }
}

#[derive(Debug)]
struct FaultyStream {
    inner: Box<dyn FrameStream>,
    fault: Fault,
    told: Arc<Mutex<Vec<StreamEvent>>>,
    /// How many of `told` this one has heard of.
    heard: usize,
    waiting: VecDeque<Bytes>,
}

#[async_trait]
impl FrameStream for FaultyStream {
    async fn next(&mut self) -> Result<Bytes, TransportError> {
        loop {
            if let Some(bytes) = self.waiting.pop_front() {
                return Ok(bytes);
            }
            let frame: ServerFrame = decode(&self.inner.next().await?).unwrap();
            if self.fault.leaks {
                self.leak(&frame);
            }
            let changed = (self.fault.down)(frame);
            self.waiting
                .extend(changed.iter().map(|frame| packed(encode(frame))));
        }
    }
}

impl FaultyStream {
    /// Puts the steps that others were told before this frame.
    fn leak(&mut self, frame: &ServerFrame) {
        let mut told = self.told.lock().unwrap();
        let leaked = told.iter().skip(self.heard).cloned().map(ServerFrame::Event);
        self.waiting.extend(leaked.map(|frame| packed(encode(&frame))));
        match frame {
            ServerFrame::Event(event) => told.push(event.clone()),
            ServerFrame::Results(results) => {
                for result in &results.results {
                    if let Outcome::Accepted { steps } = &result.outcome {
                        told.extend(steps.clone());
                    }
                }
            }
            _ => {}
        }
        self.heard = told.len();
    }
}

fn packed(frame: Result<Vec<u8>, FrameError>) -> Bytes {
    frame.unwrap().into()
}
