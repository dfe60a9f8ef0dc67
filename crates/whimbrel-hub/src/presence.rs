//! Who is online: a state machine with the time given to it. It is in memory only, so that a restart leaves no ghosts.

mod desk;
#[cfg(test)]
mod tests;

pub(crate) use desk::{PresenceDesk, check};

use std::collections::{BTreeMap, BTreeSet, HashMap};
use whimbrel_model::{Code, Timestamp, UserId, limits};
use whimbrel_protocol::{OwnPresence, PresenceRefused, UserPresence};

/// How often `last_active` of somebody who stays connected is refreshed.
const REFRESH_MS: u64 = 15 * 60 * 1_000;

/// Offline users of whom it is remembered when they were active and what they said of themselves; of more, the longest gone are
/// forgotten. Some twenty megabytes.
const REMEMBERED: usize = 100_000;

/// Names a connection.
pub type ConnectionNumber = u64;

/// Now.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Milliseconds that only grow.
    pub mono: u64,
    /// The server's clock, for show.
    pub wall: Timestamp,
}

/// What connections have to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Which.
    pub to: Vec<ConnectionNumber>,
    /// How somebody is now.
    pub user: UserPresence,
}

/// Who is online, who wants to know, and when something happens by itself.
///
/// It has no clock and tells nobody: the time is given to it, and it returns whom to tell. Of each connection is expected that it
/// joins once and leaves once, and that [`Presence::tick`] is called from time to time.
#[derive(Debug)]
pub struct Presence {
    grace_ms: u64,
    users: HashMap<UserId, Known>,
    connections: HashMap<ConnectionNumber, Peer>,
    watchers: HashMap<UserId, BTreeSet<ConnectionNumber>>,
    /// When the grace of somebody without a connection is over, or `last_active` of somebody with one is to be refreshed.
    due: BTreeSet<(u64, UserId)>,
    /// Who is offline, the longest gone first.
    gone: BTreeSet<(u64, UserId)>,
}

#[derive(Debug)]
struct Peer {
    user: UserId,
    watched: BTreeSet<UserId>,
}

#[derive(Debug, Default)]
struct Known {
    connections: usize,
    /// Whether a connection lives, or did a grace ago.
    online: bool,
    invisible: bool,
    last_active: Option<Timestamp>,
    status: String,
    /// What others saw when the user became invisible, and see until the user is visible again.
    frozen: (Option<Timestamp>, String),
    /// The user's entry in `due`.
    due: Option<u64>,
    /// The user's entry in `gone`.
    gone: Option<u64>,
}

impl Known {
    /// Returns what others see, or what the user sees.
    fn view(&self, user: &UserId, own: bool) -> UserPresence {
        let hidden = self.invisible && !own;
        let (last_active, status) = match hidden {
            true => (self.frozen.0, &self.frozen.1),
            false => (self.last_active, &self.status),
        };
        UserPresence {
            user: user.clone(),
            online: self.online && !hidden,
            last_active,
            status: status.clone(),
            invisible: self.invisible && own,
        }
    }

    fn set(&mut self, own: OwnPresence) {
        if own.invisible == Some(true) && !self.invisible {
            self.frozen = (self.last_active, self.status.clone());
        }
        self.invisible = own.invisible.unwrap_or(self.invisible);
        if let Some(status) = own.status {
            self.status = status;
        }
    }
}

impl Presence {
    /// Creates one that knows of nobody. Who has no connection any more counts as online for `grace_ms` longer.
    #[must_use]
    pub fn new(grace_ms: u64) -> Self {
        Self {
            grace_ms,
            users: HashMap::new(),
            connections: HashMap::new(),
            watchers: HashMap::new(),
            due: BTreeSet::new(),
            gone: BTreeSet::new(),
        }
    }

    /// A connection of a user begins: its lease lives until [`Presence::leave`].
    pub fn join(
        &mut self,
        number: ConnectionNumber,
        user: &UserId,
        own: OwnPresence,
        now: Now,
    ) -> Vec<Told> {
        let peer = Peer {
            user: user.clone(),
            watched: BTreeSet::new(),
        };
        if self.connections.insert(number, peer).is_some() {
            return Vec::new();
        }
        let told = self.change(user, |known| {
            known.set(own);
            known.connections += 1;
            known.online = true;
            known.last_active = Some(now.wall);
        });
        self.schedule(user, Some(now.mono + REFRESH_MS));
        told
    }

    /// A connection ends. Nobody is told before the grace is over, and not then if the user is back. A second time is none.
    pub fn leave(&mut self, number: ConnectionNumber, now: Now) {
        let Some(peer) = self.connections.remove(&number) else {
            return;
        };
        for user in &peer.watched {
            self.unwatch(number, user);
        }
        let Some(known) = self.users.get_mut(&peer.user) else {
            return;
        };
        known.connections = known.connections.saturating_sub(1);
        if known.connections == 0 {
            self.schedule(&peer.user, Some(now.mono + self.grace_ms));
        }
    }

    /// Sets how the user of a connection is shown.
    pub fn set(&mut self, number: ConnectionNumber, own: OwnPresence) -> Vec<Told> {
        match self.connections.get(&number) {
            Some(peer) if !own.is_empty() => {
                let user = peer.user.clone();
                self.change(&user, |known| known.set(own))
            }
            _ => Vec::new(),
        }
    }

    /// Tells a connection of `add` from now on, and not of `remove`. Returns how those are now who were accepted, and who was
    /// not.
    pub fn watch(
        &mut self,
        number: ConnectionNumber,
        add: &[UserId],
        remove: &[UserId],
    ) -> (Vec<UserPresence>, Vec<PresenceRefused>) {
        let Some(peer) = self.connections.get_mut(&number) else {
            return (Vec::new(), Vec::new());
        };
        let removed: Vec<UserId> = remove
            .iter()
            .filter(|user| peer.watched.remove(*user))
            .cloned()
            .collect();
        let (mut accepted, mut refused) = (BTreeSet::new(), BTreeMap::new());
        for user in add {
            if peer.watched.contains(user) || peer.watched.len() < limits::PRESENCE_WATCHED {
                peer.watched.insert(user.clone());
                accepted.insert(user.clone());
            } else {
                refused.insert(user.clone(), too_many(user));
            }
        }
        for user in &removed {
            // It may be among those who were added again.
            if !accepted.contains(user) {
                self.unwatch(number, user);
            }
        }
        let of = self.connections.get(&number).map(|peer| peer.user.clone());
        let mut states = Vec::with_capacity(accepted.len());
        for user in accepted {
            let own = of.as_ref() == Some(&user);
            states.push(self.of(&user, own));
            self.watchers.entry(user).or_default().insert(number);
        }
        (states, refused.into_values().collect())
    }

    /// Returns how a user is shown to others, or to themselves.
    #[must_use]
    pub fn of(&self, user: &UserId, own: bool) -> UserPresence {
        match self.users.get(user) {
            Some(known) => known.view(user, own),
            None => Known::default().view(user, own),
        }
    }

    /// Does what is due by now.
    pub fn tick(&mut self, now: Now) -> Vec<Told> {
        let mut told = Vec::new();
        while let Some((at, user)) = self.due.first().cloned() {
            if at > now.mono {
                break;
            }
            let lives = self.users.get(&user).is_some_and(|known| known.connections > 0);
            if lives {
                self.schedule(&user, Some(now.mono + REFRESH_MS));
                told.extend(self.change(&user, |known| known.last_active = Some(now.wall)));
            } else {
                self.schedule(&user, None);
                told.extend(self.change(&user, |known| known.online = false));
                self.put_by(&user, now.mono);
            }
        }
        told
    }

    /// Changes a user, and returns who has to be told that it shows.
    fn change(&mut self, user: &UserId, change: impl FnOnce(&mut Known)) -> Vec<Told> {
        let known = self.users.entry(user.clone()).or_default();
        if let Some(at) = known.gone.take() {
            self.gone.remove(&(at, user.clone()));
        }
        let before = [true, false].map(|own| known.view(user, own));
        change(known);
        let after = [true, false].map(|own| known.view(user, own));
        let Some(watchers) = self.watchers.get(user) else {
            return Vec::new();
        };
        let is_own = |number: &ConnectionNumber| {
            self.connections
                .get(number)
                .is_some_and(|peer| peer.user == *user)
        };
        let (own, others): (Vec<_>, Vec<_>) = watchers.iter().copied().partition(is_own);
        let told = [own, others].into_iter().zip(before.into_iter().zip(after));
        told.filter(|(to, (before, after))| !to.is_empty() && before != after)
            .map(|(to, (_, user))| Told { to, user })
            .collect()
    }

    /// Remembers somebody who is offline, and forgets the longest gone if there are too many.
    fn put_by(&mut self, user: &UserId, now: u64) {
        if let Some(known) = self.users.get_mut(user) {
            known.gone = Some(now);
            self.gone.insert((now, user.clone()));
        }
        while self.gone.len() > REMEMBERED {
            if let Some((_, user)) = self.gone.pop_first() {
                self.users.remove(&user);
            }
        }
    }

    fn schedule(&mut self, user: &UserId, at: Option<u64>) {
        let Some(known) = self.users.get_mut(user) else {
            return;
        };
        if let Some(before) = std::mem::replace(&mut known.due, at) {
            self.due.remove(&(before, user.clone()));
        }
        if let Some(at) = at {
            self.due.insert((at, user.clone()));
        }
    }

    fn unwatch(&mut self, number: ConnectionNumber, user: &UserId) {
        if let Some(watchers) = self.watchers.get_mut(user) {
            watchers.remove(&number);
            if watchers.is_empty() {
                self.watchers.remove(user);
            }
        }
    }
}

fn too_many(user: &UserId) -> PresenceRefused {
    PresenceRefused {
        user: user.clone(),
        code: Code::TooLarge,
        message: format!(
            "this connection is told of {} users already, which is the limit: remove others first",
            limits::PRESENCE_WATCHED
        ),
    }
}
