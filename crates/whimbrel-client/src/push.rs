//! What a push notification leads to: what it tells of is fetched, and what to show of it is said.

use crate::{Client, Error, OnceSummary, command::Command};
use futures_util::FutureExt as _;
use std::time::Duration;
use tokio::{sync::oneshot, time::timeout};
use whimbrel_model::{ChannelSummary, ConsentState, HistoryFrom, Message, MessageQuery, MessageScope};
use whimbrel_protocol::PushPayload;
use whimbrel_sync::{SyncScope, SyncSummary};

/// Messages of one push at most: more are no news but a number.
const MESSAGES: usize = 20;

/// What came of [`Client::on_push`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pushed {
    /// The messages of the channel that this push brought, and the one that it names, oldest first: by others who are neither
    /// denied nor muted, not silent, not deleted, not read. At most the newest 20.
    pub messages: Vec<Message>,
    /// Up to which message the account has read the channel, on any device: what is shown of it up to there is to be taken away.
    pub read: u64,
    /// Whether the channel may reach the account: show nothing of one that is denied.
    pub consent: ConsentState,
    /// Whether the channel is muted: show nothing of it.
    pub is_muted: bool,
    /// Whether the channel is up to date with what the server had when this was called. False also of one that is not followed.
    pub is_up_to_date: bool,
    /// What became of the rest of the account. Absent with [`ClientBuilder::background_sync`](crate::ClientBuilder::background_sync) off.
    pub rest: Option<OnceSummary>,
}

impl Pushed {
    /// Returns the messages that the user is to be told of: none of a channel that is muted or denied.
    #[must_use]
    pub fn to_show(&self) -> &[Message] {
        if self.is_muted || self.consent == ConsentState::Denied {
            return &[];
        }
        &self.messages
    }
}

impl Client {
    /// Takes a push notification: connects if need be, brings the channel that it names first, then does what
    /// [`Client::sync_once`] does, at most for `deadline`. Returns what to show.
    ///
    /// A channel that is not followed is not fetched for a push: somebody who may not reach the account costs nothing. A kind of push
    /// that this version does not know is a reason to sync, too. Pushes may be lost, repeated and out of order: what is
    /// shown is what is on the device, and a push for what is here and read shows nothing.
    ///
    /// Cancellation: as that of [`Client::sync_once`].
    ///
    /// # Errors
    /// [`Error::OtherAccount`] for a push that is not for this account; else as [`Client::sync_once`]. That there is no connection is
    /// none: what is to be shown is then as of what is on the device.
    pub async fn on_push(&self, push: &PushPayload, deadline: Duration) -> Result<Pushed, Error> {
        if push.user != *self.user() {
            return Err(Error::OtherAccount {
                owner: self.user().clone(),
                asked: push.user.clone(),
            });
        }
        let cid = push.cid.clone();
        let (_, cursor) = self.commands().ask(|reply| Command::Gaps { cid, reply }).await?;
        let known = cursor.map_or(0, |cursor| cursor.seq);
        let (is_up_to_date, rest) = self.fetch(push, deadline).await?;
        let summary = self.channel(push.cid.as_str())?.summary().await?;
        let messages = self.news(push, known, summary.as_ref()).await?;
        let state = &self.inner().state;
        let own = summary.as_ref().and_then(|summary| summary.membership.as_ref());
        Ok(Pushed {
            messages,
            read: summary.as_ref().map_or(0, |summary| summary.position().seq),
            consent: own.map_or(ConsentState::Unknown, |own| state.people().consent(own)),
            is_muted: own.is_some_and(|own| own.is_muted(self.inner().environment.wall())),
            is_up_to_date,
            rest,
        })
    }

    async fn fetch(
        &self,
        push: &PushPayload,
        deadline: Duration,
    ) -> Result<(bool, Option<OnceSummary>), Error> {
        let scope = SyncScope::Pushed(push.cid.clone());
        let is_here = |came: &Result<SyncSummary, Error>| matches!(came, Ok(summary) if summary.synced > 0);
        if self.inner().background_sync {
            // Begun before the rest, so that it is asked for first.
            let channel = timeout(deadline, self.sync_scope(scope));
            let (came, rest) = tokio::join!(channel, self.sync_once(deadline));
            return Ok((came.is_ok_and(|came| is_here(&came)), Some(rest?)));
        }
        let (here, came) = oneshot::channel();
        let told = async {
            // Nobody waits for it before the deadline.
            let _ = here.send(());
            // Whoever wrote is told that it is here.
            let told = self.commands().ask(|reply| Command::TellDelivered { reply });
            drop(told.await);
        };
        match timeout(deadline, self.sync_scope_then(scope, told)).await {
            Ok(Err(error @ (Error::Suspended | Error::Closed | Error::Store(_)))) => Err(error),
            Ok(came) => Ok((is_here(&came), None)),
            // The time may have been over while it told so.
            Err(_) => Ok((came.now_or_never().is_some_and(|came| came.is_ok()), None)),
        }
    }

    /// Reads what is new: after `known`, and what the push names.
    async fn news(
        &self,
        push: &PushPayload,
        known: u64,
        summary: Option<&ChannelSummary>,
    ) -> Result<Vec<Message>, Error> {
        let query = MessageQuery {
            cid: push.cid.clone(),
            scope: MessageScope::Channel,
            from: HistoryFrom::Newest,
            limit: MESSAGES,
        };
        let mut messages = self.store().messages(&query).await?.messages;
        messages.retain(|message| message.seq > known || Some(message.id) == push.message);
        let named = match push.message {
            Some(id) if messages.iter().all(|message| message.id != id) => self.message(id).await?,
            _ => None,
        };
        messages.extend(named.filter(|message| message.cid == push.cid));
        let read = summary.map_or(0, |summary| summary.position().seq);
        let people = self.inner().state.people();
        messages.retain(|message| {
            // What is read in a thread is another register: a reply that is named is shown until somebody reads there.
            let is_read = message.seq <= read && message.is_in_channel();
            let is_own = message.author == *self.user();
            !(is_read
                || is_own
                || message.silent
                || message.is_deleted()
                || people.is_silent(&message.author))
        });
        messages.sort_by_key(|message| message.seq);
        Ok(messages)
    }
}
