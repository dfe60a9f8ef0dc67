//! What is known of one user.

use super::{ConnectionNumber, hints::Here};
use std::collections::BTreeMap;
use whimbrel_model::{Contact, Custom, Settings, Timestamp, UserId};
use whimbrel_protocol::{OwnPresence, UserPresence};

/// When somebody was seen last, and what they said of themselves then, as others may see it. It is stored beside the streams.
///
/// It is not stored anew while the user is invisible: so it stands still for others, also over a restart of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSeen {
    /// Who.
    pub user: UserId,
    /// When.
    pub last_active: Option<Timestamp>,
    /// Free text of the user.
    pub status: String,
    /// App-defined data of the user.
    pub custom: Custom,
}

/// What a storage knows of a user whose presence somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceRecord {
    /// Who.
    pub user: UserId,
    /// Whether they and who wants to know are active members of the same channel, or the same user.
    pub is_shared: bool,
    /// What they decided of who wants to know.
    pub contact: Option<Contact>,
    /// What who wants to know decided of them.
    pub own_contact: Option<Contact>,
    /// Their settings.
    pub settings: Option<Settings>,
    /// When they were seen last.
    pub seen: Option<LastSeen>,
}

impl PresenceRecord {
    /// Creates the record of somebody of whom nothing is stored.
    #[must_use]
    pub const fn unknown(user: UserId) -> Self {
        Self {
            user,
            is_shared: false,
            contact: None,
            own_contact: None,
            settings: None,
            seen: None,
        }
    }
}

/// How a user wants to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) invisible: bool,
    status: String,
    custom: Custom,
    /// The version of the settings that it is from.
    pub(super) ver: u64,
}

#[derive(Debug, Default)]
pub(super) struct Known {
    /// On this server.
    pub(super) connections: usize,
    /// Other servers that have some.
    pub(super) elsewhere: usize,
    /// Whether a connection lives anywhere, or did a grace ago.
    pub(super) online: bool,
    pub(super) shown: Shown,
    /// The same by the settings alone.
    stored: Shown,
    /// What each connection said that the user's operations that wait will set.
    said: BTreeMap<ConnectionNumber, OwnPresence>,
    pub(super) last_active: Option<Timestamp>,
    /// When the last connection ended, while that is not told.
    pub(super) left: Option<Timestamp>,
    /// What others saw when the user became invisible, and see until the user is visible again.
    frozen: (Option<Timestamp>, String, Custom),
    /// The user's entry among what is due.
    pub(super) due: Option<u64>,
    /// The changes that were told of the user, a lease each, reach until then.
    pub(super) changed_until: u64,
}

impl Known {
    /// Creates what is stored of somebody who has connections on so many other servers.
    pub(super) fn stored(record: &PresenceRecord, elsewhere: usize) -> Self {
        let mut known = Self {
            elsewhere,
            online: elsewhere > 0,
            ..Self::default()
        };
        if let Some(seen) = &record.seen {
            known.last_active = seen.last_active;
            known.shown.status.clone_from(&seen.status);
            known.shown.custom.clone_from(&seen.custom);
            known.stored = known.shown.clone();
        }
        if let Some(settings) = &record.settings {
            known.set(settings);
        }
        known
    }

    /// Returns what others see, or what the user sees.
    pub(super) fn view(&self, user: &UserId, own: bool) -> UserPresence {
        let public = self.public(user);
        let (last_active, status, custom) = match own {
            true => (
                self.last_active,
                self.shown.status.clone(),
                self.shown.custom.clone(),
            ),
            false => (public.last_active, public.status, public.custom),
        };
        let hidden = self.shown.invisible && !own;
        UserPresence {
            user: user.clone(),
            online: self.online && !hidden,
            last_active,
            status,
            custom,
            invisible: self.shown.invisible && own,
        }
    }

    /// Returns what others may see of the user who is offline.
    pub(super) fn public(&self, user: &UserId) -> LastSeen {
        let (last_active, status, custom) = match self.shown.invisible {
            true => self.frozen.clone(),
            false => (
                self.last_active,
                self.shown.status.clone(),
                self.shown.custom.clone(),
            ),
        };
        LastSeen {
            user: user.clone(),
            last_active,
            status,
            custom,
        }
    }

    /// Takes settings, unless they are older than those that are known.
    pub(super) fn set(&mut self, settings: &Settings) {
        if settings.ver > self.shown.ver {
            self.settle(settings);
        }
    }

    /// Takes settings that are no older than those that are known: what was laid over them is over.
    pub(super) fn settle(&mut self, settings: &Settings) {
        if settings.ver >= self.shown.ver {
            self.store(Shown {
                invisible: settings.invisible,
                status: settings.status.clone(),
                custom: settings.custom.clone(),
                ver: settings.ver,
            });
        }
    }

    /// Lays what the user's operations that wait will set over the settings, until the connection that says so takes it along.
    pub(super) fn lay_over(&mut self, number: ConnectionNumber, own: OwnPresence) {
        if own == OwnPresence::default() {
            self.said.remove(&number);
        } else {
            self.said.insert(number, own);
        }
        self.lay();
    }

    /// Forgets what a connection said.
    pub(super) fn unsay(&mut self, number: ConnectionNumber) {
        if self.said.remove(&number).is_some() {
            self.lay();
        }
    }

    /// Returns whether something is laid over the settings that a connection said.
    pub(super) fn has_said(&self, number: ConnectionNumber) -> bool {
        self.said.contains_key(&number)
    }

    /// Shows the settings with what is laid over them. A wish to be seen uncovers nobody before it is committed.
    fn lay(&mut self) {
        let mut shown = self.stored.clone();
        for own in self.said.values() {
            shown.invisible |= own.invisible == Some(true);
            if let Some(status) = &own.status {
                shown.status.clone_from(status);
            }
            if let Some(custom) = &own.custom {
                shown.custom.clone_from(custom);
            }
        }
        self.show(shown);
    }

    /// Takes newer settings: what was laid over those before is over.
    fn store(&mut self, stored: Shown) {
        self.said.clear();
        self.stored = stored;
        self.lay();
    }

    /// Is online no longer.
    pub(super) fn go(&mut self) {
        self.online = false;
        self.last_active = self.last_active.max(self.left.take());
    }

    /// Takes what is stored of when the user was seen last.
    pub(super) fn see(&mut self, seen: &LastSeen) {
        if self.shown.invisible {
            self.frozen.0 = self.frozen.0.max(seen.last_active);
        }
        self.last_active = self.last_active.max(seen.last_active);
    }

    /// Takes what another server says that has a connection of the user.
    pub(super) fn hear(&mut self, here: &Here) {
        let same = here.ver == self.shown.ver;
        if let (true, Some((status, custom))) = (here.ver > self.shown.ver, here.says.clone()) {
            self.store(Shown {
                invisible: here.invisible,
                status,
                custom,
                ver: here.ver,
            });
        } else if here.invisible && !self.shown.invisible && (same || here.ver > self.shown.ver) {
            // Of two words of the same settings, the one that shows less holds.
            self.stored.invisible = true;
            self.lay();
        }
        self.last_active = self.last_active.max(here.active);
    }

    /// Returns what other servers are told: with every beat without the words, which are told when they change.
    pub(super) fn here(&self, user: &UserId, words: bool) -> Here {
        Here {
            user: user.clone(),
            active: self.last_active,
            invisible: self.shown.invisible,
            ver: self.shown.ver,
            says: words.then(|| (self.shown.status.clone(), self.shown.custom.clone())),
        }
    }

    fn show(&mut self, shown: Shown) {
        if shown.invisible && !self.shown.invisible {
            self.frozen = (
                self.last_active,
                self.shown.status.clone(),
                self.shown.custom.clone(),
            );
        }
        self.shown = shown;
    }
}
