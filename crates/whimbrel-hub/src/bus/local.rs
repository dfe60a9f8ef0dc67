use super::{Bus, BusError, Subscription};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::broadcast;

/// Messages that wait for one subscriber; more push out the oldest. A beat of a large server.
const WAITING: usize = 1_024;

/// A bus within one process, for tests and for several hubs in it. A clone is the same bus.
#[derive(Clone, Debug, Default)]
pub struct LocalBus(Arc<Mutex<HashMap<String, broadcast::Sender<Bytes>>>>);

impl LocalBus {
    /// Creates a bus that nobody is on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn topics(&self) -> MutexGuard<'_, HashMap<String, broadcast::Sender<Bytes>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Bus for LocalBus {
    async fn publish(&self, topic: &str, message: Bytes) -> Result<(), BusError> {
        if let Some(topic) = self.topics().get(topic) {
            // Nobody has to listen.
            let _ = topic.send(message);
        }
        Ok(())
    }

    async fn subscribe(&self, topic: &str) -> Result<Box<dyn Subscription>, BusError> {
        let mut topics = self.topics();
        let topic = topics
            .entry(topic.to_owned())
            .or_insert_with(|| broadcast::channel(WAITING).0);
        Ok(Box::new(Local(topic.subscribe())))
    }
}

#[derive(Debug)]
struct Local(broadcast::Receiver<Bytes>);

#[async_trait]
impl Subscription for Local {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.0.recv().await {
                Ok(message) => return Some(message),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
