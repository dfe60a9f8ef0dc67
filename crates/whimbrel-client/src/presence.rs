//! Who is online: beside the streams, and never on disk.

use crate::{
    Channel, Client, Error, Queued, Watch,
    command::{Command, OfPresence},
};
use eyeball::SharedObservable;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use whimbrel_model::{Code, Custom, MemberState, SettingsChange, Timestamp, UserId};
use whimbrel_protocol::UserPresence;

/// How a user is, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PresenceOf {
    /// Whether the user is online. Absent: it is not known now, for there is no connection, or no answer yet.
    pub online: Option<bool>,
    /// When the user was last seen active, to about a quarter of an hour. Absent: nobody knows.
    pub last_active: Option<Timestamp>,
    /// Free text of the user. Empty: none.
    pub status: String,
    /// App-defined data of the user.
    pub custom: Custom,
    /// Whether the user looks offline to others. Only ever set of the own user.
    pub invisible: bool,
    /// When the server last told of the user, by this device's clock. Absent: not yet. While `online` is absent, the rest is as
    /// it was then.
    pub as_of: Option<Timestamp>,
    /// Why the server does not tell of the user, if it said so.
    pub refused: Option<(Code, String)>,
}

impl PresenceOf {
    pub(crate) fn told(user: &UserPresence, now: Timestamp) -> Self {
        Self {
            online: Some(user.online),
            last_active: user.last_active,
            status: user.status.clone(),
            custom: user.custom.clone(),
            invisible: user.invisible,
            as_of: Some(now),
            refused: None,
        }
    }
}

pub(crate) type Shown = SharedObservable<BTreeMap<UserId, PresenceOf>>;

/// How some users are now, and every change from then on. Made by [`Client::presence`].
///
/// Works at any time; while there is no connection it is not known whether anybody is online. Each new connection asks again.
/// Cheap to clone; when the last clone is dropped the server is asked no more, within a heartbeat.
#[derive(Clone, Debug)]
pub struct Presence(Arc<Shown>);

impl Presence {
    pub(crate) const fn new(shown: Arc<Shown>) -> Self {
        Self(shown)
    }

    /// Returns how each of the users is.
    #[must_use]
    pub fn users(&self) -> BTreeMap<UserId, PresenceOf> {
        self.0.get()
    }

    /// Returns how one of the users is. Absent: it is none of those that were asked for.
    #[must_use]
    pub fn of(&self, user: &UserId) -> Option<PresenceOf> {
        self.0.read().get(user).cloned()
    }

    /// Returns of whom the server tells now.
    #[must_use]
    pub fn accepted(&self) -> BTreeSet<UserId> {
        let users = self.users().into_iter();
        users
            .filter(|(_, of)| of.online.is_some())
            .map(|(user, _)| user)
            .collect()
    }

    /// Waits until the server has said of each user how they are, or why it does not tell: at once if it has. Without a connection
    /// it waits for one.
    ///
    /// Cancellation: nothing happens.
    pub async fn answered(&self) {
        let mut watch = self.watch();
        let mut users = watch.get();
        while users
            .values()
            .any(|of| of.online.is_none() && of.refused.is_none())
        {
            match watch.next().await {
                Some(next) => users = next,
                None => return,
            }
        }
    }

    /// Returns of whom the server does not tell, and why: a stable code, and words.
    #[must_use]
    pub fn refused(&self) -> BTreeMap<UserId, (Code, String)> {
        let users = self.users().into_iter();
        users
            .filter_map(|(user, of)| of.refused.map(|why| (user, why)))
            .collect()
    }

    /// Returns a reader of how the users are: the value now, and each later one. A slow reader gets the latest. It ends with the
    /// last clone of this.
    pub fn watch(&self) -> Watch<BTreeMap<UserId, PresenceOf>> {
        self.0.subscribe()
    }
}

impl Client {
    /// Opens how `users` are: online or not, and what they say of themselves. The own user can be among them, and is told the
    /// truth even while invisible.
    ///
    /// The server tells of those who share a channel with the account, and tells one connection of [`PRESENCE_WATCHED`](whimbrel_model::limits::PRESENCE_WATCHED) users
    /// at most; whom it does not tell of is said in [`PresenceOf::refused`], as long as that holds. Who has denied the account
    /// looks offline.
    ///
    /// # Errors
    /// [`Error::Closed`], or when the database failed just now.
    pub async fn presence(&self, users: impl IntoIterator<Item = UserId>) -> Result<Presence, Error> {
        let users = users.into_iter().collect();
        self.commands()
            .ask(|reply| Command::Presence(OfPresence::Open { users, reply }))
            .await
    }

    /// Sets whether the account looks offline to others, on all its devices, until it is set otherwise. While it waits to be sent, this
    /// device is not seen to come either. [`Client::settings`] says how it is.
    ///
    /// # Errors
    /// [`Error`] when the outbox is full or the write failed.
    pub async fn set_invisible(&self, invisible: bool) -> Result<Queued, Error> {
        self.update_settings(SettingsChange {
            invisible: Some(invisible),
            ..SettingsChange::default()
        })
        .await
    }

    /// Sets the free text beside the account's presence, at most [`STATUS_CHARS`](whimbrel_model::limits::STATUS_CHARS) characters. Empty: none.
    ///
    /// # Errors
    /// [`Error`] when it is too long, the outbox is full or the write failed.
    pub async fn set_status(&self, status: impl Into<String>) -> Result<Queued, Error> {
        self.update_settings(SettingsChange {
            status: Some(status.into()),
            ..SettingsChange::default()
        })
        .await
    }

    /// Sets the app's own data beside the account's presence, at most [`PRESENCE_BYTES`](whimbrel_model::limits::PRESENCE_BYTES) encoded: what others find in
    /// [`PresenceOf::custom`].
    ///
    /// # Errors
    /// [`Error`] when it is too large, the outbox is full or the write failed.
    pub async fn set_presence_data(&self, custom: Custom) -> Result<Queued, Error> {
        self.update_settings(SettingsChange {
            custom: Some(custom),
            ..SettingsChange::default()
        })
        .await
    }
}

impl Channel {
    /// Opens how the members are: those that this device knows now. Whoever comes later is not among them; open it again.
    ///
    /// # Errors
    /// As [`Client::presence`], or [`Error::Store`] when the database cannot be read.
    pub async fn presence(&self) -> Result<Presence, Error> {
        let members = self.members().await?.into_iter();
        let active = members.filter(|member| member.state == MemberState::Active);
        self.client().presence(active.map(|member| member.user)).await
    }
}
