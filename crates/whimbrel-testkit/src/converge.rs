//! Whether devices show and hold what the server has.
//!
//! [`TestServer::converged`] is the question that ends a test: it waits until nothing is on its way any more, and then
//! compares every device, row by row, with the server's own database. What differs is told in words: where, what the
//! device has, and what the server has.

mod compare;
mod truth;

use crate::server::TestServer;
use compare::Comparison;
use std::{collections::BTreeMap, fmt, time::Duration};
use tokio::time::timeout;
use truth::Truth;
use whimbrel_client::{Client, OutboxSummary};
use whimbrel_model::{ChannelId, Message};

/// How long [`settle`] waits at most for each step, by tokio's clock: twice the longest wait between two attempts to connect.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until nothing is on its way: until each device is connected, every operation in its outbox is decided, and
/// everything that the server had accepted by then is on every device. It waits for [`DEADLINE`] at most with each.
///
/// It connects nobody, and waits for nothing that was rejected: that is for the app to repeat or to discard.
///
/// # Errors
/// [`Diverged`]: who does not come to rest, with what waits in the outbox and why.
pub async fn settle(devices: &[&Client]) -> Result<(), Diverged> {
    for device in devices {
        if timeout(DEADLINE, drained(device)).await.is_err() {
            return Err(Diverged(waiting(device).await));
        }
    }
    // What the last one had in its outbox is news to the first one.
    for device in devices {
        if let Err(error) = device.wait_until_caught_up(DEADLINE).await {
            let has = format!("{error}; its status is {:?}", device.status());
            let difference = Difference {
                device: name(device),
                place: "catching up".to_owned(),
                device_has: has,
                server_has: "everything until now".to_owned(),
            };
            return Err(Diverged(vec![difference]));
        }
    }
    Ok(())
}

async fn drained(device: &Client) {
    let mut watch = device.watch_outbox();
    let is_empty = |summary: &OutboxSummary| summary.queued == 0;
    let mut summary = watch.get();
    while !is_empty(&summary) {
        match watch.next().await {
            Some(next) => summary = next,
            // The client is closed: catching up will say so.
            None => return,
        }
    }
}

async fn waiting(device: &Client) -> Vec<Difference> {
    let mut differences = Vec::new();
    for item in device.outbox() {
        let why = match device.explain(item.id).await {
            Ok(Some(explanation)) => explanation.to_string(),
            Ok(None) => continue,
            Err(error) => format!("{}: {error}", item.op.name()),
        };
        differences.push(Difference {
            device: name(device),
            place: "the outbox".to_owned(),
            device_has: why,
            server_has: "no answer given".to_owned(),
        });
    }
    differences
}

impl TestServer {
    /// Waits as [`settle`] does, and then compares everything that each device shows and holds of its channels with the
    /// server's rows: the channel list, channels and how they are kept, members, read positions, messages and threads, with
    /// reactions, pins, order and status, drafts, invitations, and what the account keeps about itself: settings, contacts, devices. Returns what they agree on.
    ///
    /// A device need not have every message: what lies in a gap, or before the first message that it ever had, is not
    /// compared. It has to say so itself, though: a hole that the device does not know of is a difference. Opened for
    /// the comparison are the channel list and the newest messages of each channel.
    ///
    /// # Errors
    /// [`Diverged`]: what is different. Anything rejected in an outbox is a difference too.
    pub async fn converged(&self, devices: &[&Client]) -> Result<Agreed, Diverged> {
        settle(devices).await?;
        let mut agreed = Agreed::default();
        let mut differences = Vec::new();
        for device in devices {
            let truth = Truth::read(self.storage(), device.user())
                .await
                .map_err(|error| Diverged::unreadable(device, &error))?;
            let compared = Comparison::new(device, &truth).run().await;
            differences.extend(compared.map_err(|error| Diverged::unreadable(device, &error))?);
            let channels = truth.channels.into_iter();
            agreed
                .0
                .extend(channels.map(|(cid, contents)| (cid, contents.messages.into_values().collect())));
        }
        if differences.is_empty() {
            return Ok(agreed);
        }
        Err(Diverged(differences))
    }
}

/// What all devices and the server agree on: the channels of all users, with their messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreed(BTreeMap<ChannelId, Vec<Message>>);

impl Agreed {
    /// Returns the messages of a channel in the server's order, replies and tombstones included. None, if nobody of those
    /// compared is in that channel.
    #[must_use]
    pub fn messages(&self, cid: &str) -> &[Message] {
        let found = self.0.iter().find(|(known, _)| known.as_str() == cid);
        found.map_or(&[], |(_, messages)| messages)
    }

    /// Returns the texts of a channel's messages in the server's order, replies included, deleted ones left out.
    #[must_use]
    pub fn texts(&self, cid: &str) -> Vec<&str> {
        let there = self.messages(cid).iter().filter(|message| !message.is_deleted());
        there.map(|message| message.body.text.as_str()).collect()
    }
}

/// One thing that a device has otherwise than the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Whose device, and which.
    pub device: String,
    /// Of what: a channel, a message in it, the outbox.
    pub place: String,
    /// What the device shows or holds.
    pub device_has: String,
    /// What the server has.
    pub server_has: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            device,
            place,
            device_has,
            server_has,
        } = self;
        write!(
            f,
            "{place}: {device} has {device_has}, the server has {server_has}"
        )
    }
}

/// Everything that is different, one line each. `Debug` says the same, so that an `unwrap` or a `?` in a test reads well.
#[derive(Clone, PartialEq, Eq)]
pub struct Diverged(pub Vec<Difference>);

impl Diverged {
    fn unreadable(device: &Client, error: &impl ToString) -> Self {
        Self(vec![Difference {
            device: name(device),
            place: "reading everything".to_owned(),
            device_has: error.to_string(),
            server_has: "rows".to_owned(),
        }])
    }
}

impl fmt::Display for Diverged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} differences", self.0.len())?;
        self.0
            .iter()
            .try_for_each(|difference| write!(f, "\n{difference}"))
    }
}

impl fmt::Debug for Diverged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Diverged {}

/// Names a device: its user, and what tells it from the user's others.
fn name(device: &Client) -> String {
    let id = device.device().to_string();
    let end = id.get(id.len().saturating_sub(4)..).unwrap_or_default();
    format!("{} (device …{end})", device.user())
}
