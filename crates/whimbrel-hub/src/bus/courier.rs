//! What one server sends and hears.

use super::{BusLink, Subscription};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

/// Messages that wait to be sent; more are lost. A beat of a large server.
const WAITING: usize = 1_024;

/// How long a message may take to be handed to the bus.
const PUBLISH: Duration = Duration::from_secs(5);

/// How long to wait before subscribing again.
const AGAIN: Duration = Duration::from_secs(1);

/// A message on its way.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(crate) topic: &'static str,
    pub(crate) bytes: Bytes,
}

/// Sends what the hub has to say to other servers, and hears them. What cannot be sent now is lost: everything is a hint.
#[derive(Clone, Debug)]
pub(crate) struct Courier {
    link: BusLink,
    mail: mpsc::Sender<Mail>,
}

impl Courier {
    pub(crate) fn start(link: BusLink, tasks: &TaskTracker, stop: &CancellationToken) -> Self {
        let (mail, waiting) = mpsc::channel(WAITING);
        tasks.spawn(deliver(link.clone(), waiting, stop.clone()));
        Self { link, mail }
    }

    /// Returns what this server is called.
    pub(crate) fn server(&self) -> &str {
        &self.link.server
    }

    /// Sends a message without waiting.
    pub(crate) fn send(&self, topic: &'static str, message: &impl Serialize) {
        match serde_json::to_vec(message) {
            Ok(bytes) => {
                let bytes = bytes.into();
                if self.mail.try_send(Mail { topic, bytes }).is_err() {
                    debug!(topic, "a message to other servers is lost");
                }
            }
            Err(error) => warn!(%error, topic, "a message to other servers could not be encoded"),
        }
    }

    /// Hears a topic until `stop`, in a task of its own.
    pub(crate) fn hear<M: for<'de> Deserialize<'de>>(
        &self,
        topic: &'static str,
        tasks: &TaskTracker,
        stop: &CancellationToken,
        mut heard: impl FnMut(M) + Send + 'static,
    ) {
        let (bus, stop) = (self.link.bus.clone(), stop.clone());
        let listen = async move {
            loop {
                match bus.subscribe(topic).await {
                    Ok(subscription) => listen(subscription, topic, &mut heard).await,
                    Err(error) => warn!(%error, topic, "other servers are not heard"),
                }
                sleep(AGAIN).await;
            }
        };
        tasks.spawn(async move {
            stop.run_until_cancelled(listen).await;
        });
    }
}

async fn listen<M: for<'de> Deserialize<'de>>(
    mut subscription: Box<dyn Subscription>,
    topic: &str,
    heard: &mut impl FnMut(M),
) {
    while let Some(bytes) = subscription.next().await {
        match serde_json::from_slice(&bytes) {
            Ok(message) => heard(message),
            // A newer server may say what this one does not know.
            Err(error) => debug!(%error, topic, "a message of another server is not understood"),
        }
    }
}

/// Sends what waits, one after the other, and after `stop` what is there still.
async fn deliver(link: BusLink, mut waiting: mpsc::Receiver<Mail>, stop: CancellationToken) {
    let publish = async |Mail { topic, bytes }| match timeout(PUBLISH, link.bus.publish(topic, bytes)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, topic, "a message to other servers is lost"),
        Err(_) => debug!(
            topic,
            "a message to other servers is lost: the bus does not take it"
        ),
    };
    while let Some(Some(mail)) = stop.run_until_cancelled(waiting.recv()).await {
        publish(mail).await;
    }
    waiting.close();
    while let Ok(mail) = waiting.try_recv() {
        publish(mail).await;
    }
}
