//! Between servers over one database: hints about what is not stored.

mod courier;
mod local;

pub(crate) use courier::Courier;
pub use local::LocalBus;

use async_trait::async_trait;
use bytes::Bytes;
use std::{fmt::Debug, sync::Arc};

/// Carries messages between the servers of one database.
///
/// A message is a hint: it may be lost, and what matters is said again. Messages of one server on one topic that arrive, arrive in
/// their order. Topics are words of `a-z` and `.`.
#[async_trait]
pub trait Bus: Debug + Send + Sync + 'static {
    /// Sends a message to all who have subscribed to a topic; the sender may be among them.
    ///
    /// It waits for no subscriber. Cancellation: the message is sent, or not.
    ///
    /// # Errors
    /// [`BusError`]: the message is lost.
    async fn publish(&self, topic: &str, message: Bytes) -> Result<(), BusError>;

    /// Subscribes to a topic, from now on.
    ///
    /// # Errors
    /// [`BusError`]: it may be tried again.
    async fn subscribe(&self, topic: &str) -> Result<Box<dyn Subscription>, BusError>;
}

/// The messages of a topic.
#[async_trait]
pub trait Subscription: Debug + Send + 'static {
    /// Waits for the next message. Nothing: the subscription is over.
    ///
    /// Cancellation: no message is taken before it returns.
    async fn next(&mut self) -> Option<Bytes>;
}

/// Why a message could not be carried. It is always worth trying again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bus between the servers cannot be used now: {0}")]
pub struct BusError(pub String);

/// A bus, and the name of this server on it.
#[derive(Clone, Debug)]
pub struct BusLink {
    /// The bus.
    pub bus: Arc<dyn Bus>,
    /// What the server is called: no two that run at once may have the same name.
    pub server: String,
}
