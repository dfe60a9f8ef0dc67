//! What the account holds of others: who may reach it, who disturbs it, and what waits for a decision.

use crate::{ChannelList, Client, Error, Queued, Unread};
use std::sync::Arc;
use tokio::sync::broadcast;
use whimbrel_model::{
    ConsentState, Contact, ContactChange, Mute, Op, People, SetConsent, SetMute, Timestamp, UserId,
};
use whimbrel_query::Query;
use whimbrel_state::{AccountFacts, ConsentChange, Part};

/// Changes of consent that a slow listener may fall behind before it misses some.
pub(crate) const CONSENTS: usize = 1_024;

/// What becomes of consent, one change at a time. Made by [`Client::consent_changes`].
#[derive(Debug)]
pub struct ConsentChanges {
    changes: broadcast::Receiver<ConsentChange>,
    /// Knows of every channel.
    _unread: Unread,
}

impl ConsentChanges {
    /// Waits for the next change. Absent: the client is closed. Dropping it loses nothing.
    ///
    /// # Errors
    /// [`Error::Missed`] with how many were missed, when this was not asked for long; the next call goes on after them.
    pub async fn next(&mut self) -> Result<Option<ConsentChange>, Error> {
        match self.changes.recv().await {
            Ok(change) => Ok(Some(change)),
            Err(broadcast::error::RecvError::Lagged(missed)) => Err(Error::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => Ok(None),
        }
    }
}

impl Client {
    /// Allows a person: what nothing else was decided of and was begun by them is allowed. Needs no connection, like everything
    /// here, and holds on all devices of the account.
    ///
    /// # Errors
    /// [`Error`] when it is the own user, the outbox is full or the write failed.
    pub async fn allow(&self, user: UserId) -> Result<Queued, Error> {
        self.decide(user, ConsentState::Allowed, None).await
    }

    /// Blocks a person, until a time or until [`Client::unblock_user`]: they are denied. They are not told.
    ///
    /// What they write is hidden ([`TimelineItem::hidden`](crate::TimelineItem::hidden)), and counts as unread nowhere; channels
    /// that they brought the account into, and of which nothing else was decided, leave the usual lists and totals. Nothing is
    /// deleted: all of it is there again once they are not blocked.
    ///
    /// # Errors
    /// As [`Client::allow`].
    pub async fn block_user(&self, user: UserId, until: Option<Timestamp>) -> Result<Queued, Error> {
        self.decide(user, ConsentState::Denied, until).await
    }

    /// Takes back what was decided of a person, allowed or blocked.
    ///
    /// # Errors
    /// As [`Client::allow`].
    pub async fn unblock_user(&self, user: UserId) -> Result<Queued, Error> {
        self.decide(user, ConsentState::Unknown, None).await
    }

    /// Mutes a person, until a time or until [`Client::unmute_user`]: what they write is shown, and counts as unread nowhere.
    ///
    /// # Errors
    /// As [`Client::allow`].
    pub async fn mute_user(&self, user: UserId, until: Option<Timestamp>) -> Result<Queued, Error> {
        self.set_muted(user, SetMute::On(Mute { until })).await
    }

    /// Unmutes a person.
    ///
    /// # Errors
    /// As [`Client::allow`].
    pub async fn unmute_user(&self, user: UserId) -> Result<Queued, Error> {
        self.set_muted(user, SetMute::Off).await
    }

    /// Returns what was decided of a person. Absent: nothing. It may have ended: [`Client::people`] says what holds now.
    #[must_use]
    pub fn contact(&self, user: &UserId) -> Option<Arc<Contact>> {
        self.inner().state.account().contacts.get(user).cloned()
    }

    /// Returns what holds of others now, as far as this device knows.
    #[must_use]
    pub fn people(&self) -> People {
        self.inner().state.people()
    }

    /// Returns what the account keeps about itself: settings, contacts, devices, with what waits in the outbox laid over it.
    #[must_use]
    pub fn account(&self) -> AccountFacts {
        self.inner().state.account()
    }

    /// Returns a reader of [`Client::account`]: the value now, and each later one. A slow reader gets the latest.
    pub fn watch_account(&self) -> crate::Watch<AccountFacts> {
        self.inner().state.subscribe_account()
    }

    /// Returns a reader of a part of [`Client::account`], which wakes only when that part is another one.
    pub fn watch_account_part<T: Clone + PartialEq>(
        &self,
        pick: fn(&AccountFacts) -> T,
    ) -> Part<AccountFacts, T> {
        self.inner().state.account_part(pick)
    }

    /// Opens the inbox of requests: the channels that others brought the account into and of which nothing was decided, and those
    /// that it is invited to by somebody who is not denied. What is on disk, at once, and every change from then on.
    ///
    /// [`ChannelItem::invite`](crate::ChannelItem::invite) tells one from the other. Writing in a channel, [`Channel::allow`] and
    /// [`Channel::deny`], [`Client::allow`] and [`Client::block_user`] of whoever brought the account in, and
    /// [`Channel::accept_invite`] and [`Channel::reject_invite`] take it out.
    ///
    /// [`Channel::allow`]: crate::Channel::allow
    /// [`Channel::deny`]: crate::Channel::deny
    /// [`Channel::accept_invite`]: crate::Channel::accept_invite
    /// [`Channel::reject_invite`]: crate::Channel::reject_invite
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read or the client is closed.
    pub async fn requests(&self) -> Result<ChannelList, Error> {
        self.open_channels(Query::requests()).await
    }

    /// Opens the list of the channels that the account is invited to by somebody who is not denied. They are among
    /// [`Client::requests`] too.
    ///
    /// # Errors
    /// As [`Client::requests`].
    pub async fn invites(&self) -> Result<ChannelList, Error> {
        self.open_channels(Query::invites()).await
    }

    /// Returns what becomes of consent from now on, of people and of channels, decided on this device or on another. It costs a
    /// look at each channel once, as [`Client::unread`] does.
    ///
    /// # Errors
    /// As [`Client::requests`].
    pub async fn consent_changes(&self) -> Result<ConsentChanges, Error> {
        let changes = self.inner().consents.resubscribe();
        let unread = self.unread().await?;
        Ok(ConsentChanges {
            changes,
            _unread: unread,
        })
    }

    async fn decide(
        &self,
        user: UserId,
        state: ConsentState,
        until: Option<Timestamp>,
    ) -> Result<Queued, Error> {
        let change = ContactChange {
            consent: Some(SetConsent { state, until }),
            ..ContactChange::default()
        };
        self.change_contact(user, change).await
    }

    async fn set_muted(&self, user: UserId, muted: SetMute) -> Result<Queued, Error> {
        let change = ContactChange {
            muted: Some(muted),
            ..ContactChange::default()
        };
        self.change_contact(user, change).await
    }

    async fn change_contact(&self, user: UserId, change: ContactChange) -> Result<Queued, Error> {
        self.commands().enqueue(Op::UpdateContact { user, change }).await
    }
}
