//! Who is online: a state machine with the time given to it. Who is online is in memory only, so that a restart leaves no ghosts;
//! when somebody was seen last is handed out to be stored.

mod desk;
mod elsewhere;
mod hints;
mod known;
mod peer;
mod servers;
mod storage;
#[cfg(test)]
mod tests;
mod watchers;

pub use known::{LastSeen, PresenceRecord};
pub use storage::PresenceStorage;

pub(crate) use desk::{DeskConfig, Opening, PresenceDesk, check};
pub(crate) use hints::Letter;

use hints::Hint;
use known::Known;
use peer::{Peer, too_many};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use whimbrel_model::{Contact, Settings, Timestamp, UserId, limits};
use whimbrel_protocol::{OwnPresence, PresenceRefused, UserPresence};

/// How often `last_active` of somebody who stays connected is refreshed.
const REFRESH_MS: u64 = 15 * 60 * 1_000;

/// How long a lease is, unless told otherwise: two and a half heartbeats of 30 s.
const LEASE_MS: u64 = 75_000;

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
/// joins once and leaves once, and that [`Presence::tick`] is called from time to time. What is stored of somebody
/// ([`Presence::learn`]) has to be known before they join or are watched.
///
/// Whoever comes and goes all the time is told of up to three changes at once, and then of one a lease: going offline waits.
#[derive(Debug)]
pub struct Presence {
    grace_ms: u64,
    lease_ms: u64,
    users: HashMap<UserId, Known>,
    connections: HashMap<ConnectionNumber, Peer>,
    watchers: HashMap<UserId, BTreeSet<ConnectionNumber>>,
    /// On how many other servers somebody has a connection.
    elsewhere: HashMap<UserId, usize>,
    /// When going offline of somebody without a connection is told, or `last_active` of somebody with one is to be refreshed.
    due: BTreeSet<(u64, UserId)>,
    /// When what a connection that has ended said of its user counts no longer.
    unsaid: BTreeSet<(u64, UserId, ConnectionNumber)>,
    /// When somebody's refusal of the user of a connection is over.
    refusals: BTreeSet<(Timestamp, ConnectionNumber, UserId)>,
    /// When to tell connections of many users what has changed of them.
    rounds: BTreeSet<(u64, ConnectionNumber)>,
    /// Whose last seen is to be stored.
    unsaved: BTreeSet<UserId>,
    /// Connections whose user is refused by somebody no longer, as the time has come.
    unrefused: Vec<ConnectionNumber>,
    /// What other servers are to be told. Kept only if there may be some.
    hints: Option<Vec<Hint>>,
}

impl Presence {
    /// Creates one that knows of nobody. Who has no connection any more counts as online for `grace_ms` longer.
    #[must_use]
    pub fn new(grace_ms: u64) -> Self {
        Self {
            grace_ms,
            lease_ms: LEASE_MS,
            users: HashMap::new(),
            connections: HashMap::new(),
            watchers: HashMap::new(),
            elsewhere: HashMap::new(),
            due: BTreeSet::new(),
            unsaid: BTreeSet::new(),
            refusals: BTreeSet::new(),
            rounds: BTreeSet::new(),
            unsaved: BTreeSet::new(),
            unrefused: Vec::new(),
            hints: None,
        }
    }

    /// Sets how often a change is told of who comes and goes all the time. It is 75 s otherwise.
    #[must_use]
    pub const fn lease(mut self, lease_ms: u64) -> Self {
        self.lease_ms = lease_ms;
        self
    }

    /// Takes what is stored of somebody. What is newer here stays.
    pub fn learn(&mut self, record: &PresenceRecord, now: Now) -> Vec<Told> {
        let user = &record.user;
        let elsewhere = self.elsewhere.get(user).copied().unwrap_or(0);
        if let Some(known) = self.users.get_mut(user) {
            let own = known.connections > 0;
            return self.change(user, now, |known| {
                if let Some(settings) = &record.settings {
                    known.set(settings);
                }
                // Another server may have stored it, and its word for it was lost.
                if let Some(seen) = record.seen.as_ref().filter(|_| !own) {
                    known.see(seen);
                }
            });
        }
        self.users.insert(user.clone(), Known::stored(record, elsewhere));
        Vec::new()
    }

    /// A connection of a user begins: its lease lives until [`Presence::leave`]. `own` is laid over what is stored of the user,
    /// until that changes or the grace after the connection is over. It makes nobody visible whose settings say invisible.
    pub fn join(&mut self, number: ConnectionNumber, user: &UserId, own: OwnPresence, now: Now) -> Vec<Told> {
        let mut told = self.join_in_background(number, user, own, now);
        told.extend(self.set_background(number, false, now));
        told
    }

    /// A connection of a user begins that does not make the user online, until [`Presence::set_background`] says so.
    pub fn join_in_background(
        &mut self,
        number: ConnectionNumber,
        user: &UserId,
        own: OwnPresence,
        now: Now,
    ) -> Vec<Told> {
        if self.connections.contains_key(&number) {
            return Vec::new();
        }
        self.connections.insert(number, Peer::new(user.clone()));
        self.change(user, now, |known| known.lay_over(number, own))
    }

    /// Sets whether a connection makes its user online.
    pub fn set_background(&mut self, number: ConnectionNumber, background: bool, now: Now) -> Vec<Told> {
        let Some(peer) = self.connections.get_mut(&number) else {
            return Vec::new();
        };
        let user = peer.user.clone();
        match (std::mem::replace(&mut peer.is_here, !background), background) {
            (false, false) => self.come(&user, now),
            (true, true) => {
                self.go(&user, now);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// A connection ends. Nobody is told before the grace is over, and not then if the user is back. A second time is none.
    pub fn leave(&mut self, number: ConnectionNumber, now: Now) {
        let Some(peer) = self.connections.remove(&number) else {
            return;
        };
        if let Some(at) = peer.round {
            self.rounds.remove(&(at, number));
        }
        for (user, until) in peer.refused_by {
            if let Some(until) = until {
                self.refusals.remove(&(until, number, user));
            }
        }
        for user in &peer.watched {
            self.unwatch(number, user);
        }
        if self
            .users
            .get(&peer.user)
            .is_some_and(|known| known.has_said(number))
        {
            self.unsaid
                .insert((now.mono + self.grace_ms, peer.user.clone(), number));
        }
        match peer.is_here {
            true => self.go(&peer.user, now),
            false => self.forget(&peer.user),
        }
    }

    fn come(&mut self, user: &UserId, now: Now) -> Vec<Told> {
        let told = self.change(user, now, |known| {
            known.connections += 1;
            known.online = true;
            known.last_active = Some(now.wall);
            known.left = None;
        });
        self.unsaved.insert(user.clone());
        self.hint_here(user);
        self.schedule(user, Some(now.mono + REFRESH_MS));
        told
    }

    fn go(&mut self, user: &UserId, now: Now) {
        let Some(known) = self.users.get_mut(user) else {
            return;
        };
        known.connections = known.connections.saturating_sub(1);
        if known.connections > 0 {
            return;
        }
        known.left = Some(now.wall);
        let alone = known.elsewhere == 0;
        self.hint(|| Hint::Left(user.clone(), now.wall));
        let at = alone.then(|| self.offline_at(user, now.mono + self.grace_ms));
        self.schedule(user, at);
    }

    /// Takes settings of an account that were committed. Older ones than those known change nothing.
    pub fn settings(&mut self, settings: &Settings, now: Now) -> Vec<Told> {
        let user = &settings.user;
        let Some(known) = self.users.get(user) else {
            return Vec::new();
        };
        if known.connections > 0 {
            self.unsaved.insert(user.clone());
        }
        self.change(user, now, |known| known.set(settings))
    }

    /// Takes the settings that an operation of the account came to without a change: it was a repeat, or said what was so already.
    /// What was laid over them as the user came is over.
    pub fn settle(&mut self, settings: &Settings, now: Now) -> Vec<Told> {
        if !self.users.contains_key(&settings.user) {
            return Vec::new();
        }
        self.change(&settings.user, now, |known| known.settle(settings))
    }

    /// Takes what somebody decided of somebody else: whoever is denied is told that they are offline, as long as it holds.
    pub fn contact(&mut self, contact: &Contact, now: Now) -> Vec<Told> {
        let watchers = self.watchers.get(&contact.user).into_iter().flatten();
        let of = |number: &&ConnectionNumber| {
            self.connections
                .get(number)
                .is_some_and(|peer| peer.user == contact.of)
        };
        let numbers: Vec<_> = watchers.filter(of).copied().collect();
        let mut told = Vec::new();
        for number in numbers {
            told.extend(self.refuse(number, contact, now));
        }
        told
    }

    /// Takes what somebody decided of the user of a connection. Returns what that connection has to be told, if it watches them and
    /// is shown something else now.
    pub fn refuse(&mut self, number: ConnectionNumber, contact: &Contact, now: Now) -> Option<Told> {
        let peer = self.connections.get_mut(&number)?;
        let user = &contact.user;
        let before = peer.refused_by.remove(user);
        if let Some(Some(until)) = before {
            self.refusals.remove(&(until, number, user.clone()));
        }
        let denied = contact.is_denied(now.wall);
        if denied {
            peer.refused_by.insert(user.clone(), contact.denied_until);
            if let Some(until) = contact.denied_until {
                self.refusals.insert((until, number, user.clone()));
            }
        }
        let (watches, changed) = (peer.watched.contains(user), before.is_some() != denied);
        (watches && changed).then(|| Told {
            to: vec![number],
            user: self.of_for(number, user),
        })
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
        for user in refused.keys() {
            self.forget(user);
        }
        let mut states = Vec::with_capacity(accepted.len());
        for user in accepted {
            // It is usually there, as it was learned.
            self.users.entry(user.clone()).or_default();
            states.push(self.of_for(number, &user));
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

    /// Returns how a user is shown on a connection.
    #[must_use]
    pub fn of_for(&self, number: ConnectionNumber, user: &UserId) -> UserPresence {
        match self.connections.get(&number) {
            Some(peer) if peer.refused_by.contains_key(user) => Known::default().view(user, false),
            Some(peer) => self.of(user, peer.user == *user),
            None => self.of(user, false),
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
            self.unsaved.insert(user.clone());
            if lives {
                self.schedule(&user, Some(now.mono + REFRESH_MS));
                told.extend(self.change(&user, now, |known| known.last_active = Some(now.wall)));
                self.hint_here(&user);
            } else {
                self.schedule(&user, None);
                told.extend(self.change(&user, now, Known::go));
            }
        }
        told.extend(self.end_said(now));
        while let Some((until, number, user)) = self.refusals.first().cloned() {
            if until > now.wall {
                break;
            }
            self.refusals.pop_first();
            if let Some(peer) = self.connections.get_mut(&number) {
                peer.refused_by.remove(&user);
                self.unrefused.push(number);
                if peer.watched.contains(&user) {
                    let user = self.of_for(number, &user);
                    told.push(Told {
                        to: vec![number],
                        user,
                    });
                }
            }
        }
        told.extend(self.end_rounds(now));
        told
    }

    /// Takes up to `most` of whom to store when they were seen last. What could not be stored is to be
    /// [put back](Presence::put_back).
    pub fn take_unsaved(&mut self, most: usize) -> Vec<LastSeen> {
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(user) = self.unsaved.pop_first()
        {
            if let Some(known) = self.users.get(&user) {
                taken.push(known.public(&user));
            }
            self.forget(&user);
        }
        taken
    }

    /// Everybody leaves, as the server ends: when they were seen last is to be stored.
    pub(crate) fn leave_all(&mut self, now: Now) {
        for (user, known) in &mut self.users {
            if known.connections > 0 {
                known.last_active = Some(now.wall);
                self.unsaved.insert(user.clone());
            }
        }
    }

    /// Takes the connections of those who are refused by somebody no longer, as the time has come.
    pub(crate) fn take_unrefused(&mut self) -> Vec<ConnectionNumber> {
        std::mem::take(&mut self.unrefused)
    }

    /// Wants the last seen of these to be stored again.
    pub fn put_back(&mut self, users: impl IntoIterator<Item = LastSeen>) {
        for seen in users {
            let user = seen.user.clone();
            if !self.users.contains_key(&user) {
                let elsewhere = self.elsewhere.get(&user).copied().unwrap_or(0);
                let record = PresenceRecord {
                    seen: Some(seen),
                    ..PresenceRecord::unknown(user.clone())
                };
                self.users.insert(user.clone(), Known::stored(&record, elsewhere));
            }
            self.unsaved.insert(user);
        }
    }

    /// Returns whether others are told that somebody is online who is here.
    pub(crate) fn is_seen(&self, user: &UserId) -> bool {
        self.users.get(user).is_some_and(|known| !known.shown.invisible)
    }

    /// Returns whether somebody has decided that the user of a connection does not see them.
    pub(crate) fn is_refused(&self, number: ConnectionNumber, by: &UserId) -> bool {
        let peer = self.connections.get(&number);
        peer.is_some_and(|peer| peer.refused_by.contains_key(by))
    }

    /// Changes a user, and returns who has to be told that it shows.
    fn change(&mut self, user: &UserId, now: Now, change: impl FnOnce(&mut Known)) -> Vec<Told> {
        let known = self.users.entry(user.clone()).or_default();
        let before = [true, false].map(|own| known.view(user, own));
        let was_online = known.online;
        change(known);
        if known.online != was_online {
            known.changed_until = known.changed_until.max(now.mono) + self.lease_ms;
        }
        let after = [true, false].map(|own| known.view(user, own));
        let Some(watchers) = self.watchers.get(user) else {
            return Vec::new();
        };
        let [own_before, before] = before;
        let [own_after, after] = after;
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for number in watchers {
            let Some(peer) = self.connections.get_mut(number) else {
                continue;
            };
            if peer.user == *user {
                own.push(*number);
            } else if before != after && !peer.refused_by.contains_key(user) {
                if peer.watched.len() > limits::PRESENCE_AT_ONCE {
                    let at = now.mono + limits::PRESENCE_EVERY_MS;
                    self.rounds.extend(peer.put_off(user, at).map(|at| (at, *number)));
                } else {
                    others.push(*number);
                }
            }
        }
        let mut told = Vec::new();
        if own_before != own_after && !own.is_empty() {
            told.push(Told {
                to: own,
                user: own_after,
            });
        }
        if !others.is_empty() {
            told.push(Told {
                to: others,
                user: after,
            });
        }
        told
    }

    /// Returns the users of whom something that a connection said is due to be forgotten.
    pub(crate) fn ends_said(&self, now: Now) -> BTreeSet<UserId> {
        let due = self.unsaid.iter().take_while(|(at, _, _)| *at <= now.mono);
        due.map(|(_, user, _)| user.clone()).collect()
    }

    /// Forgets what connections said that have ended. Of a user who is about to go offline, not before that: they would be seen in
    /// between.
    fn end_said(&mut self, now: Now) -> Vec<Told> {
        let mut told = Vec::new();
        while let Some((at, user, number)) = self.unsaid.first().cloned() {
            if at > now.mono {
                break;
            }
            self.unsaid.pop_first();
            let is_back = self
                .connections
                .get(&number)
                .is_some_and(|peer| peer.user == user);
            let Some(known) = self.users.get(&user).filter(|_| !is_back) else {
                continue;
            };
            match known.due.filter(|_| known.connections == 0) {
                Some(due) => {
                    self.unsaid.insert((due.max(now.mono + 1), user, number));
                }
                None => told.extend(self.change(&user, now, |known| known.unsay(number))),
            }
        }
        told
    }

    /// Tells connections of many users what has changed of them since.
    fn end_rounds(&mut self, now: Now) -> Vec<Told> {
        let mut told = Vec::new();
        while let Some((at, number)) = self.rounds.first().copied() {
            if at > now.mono {
                break;
            }
            self.rounds.pop_first();
            let users = self.connections.get_mut(&number).map(Peer::end_round);
            for user in users.unwrap_or_default() {
                let user = self.of_for(number, &user);
                told.push(Told {
                    to: vec![number],
                    user,
                });
            }
        }
        told
    }

    /// Returns when somebody who has no connection any more is told to be offline: at `at`, or later if too much was told of them.
    fn offline_at(&self, user: &UserId, at: u64) -> u64 {
        let told = self.users.get(user).map_or(0, |known| known.changed_until);
        // Going offline is one change, and coming back another: three at once are free.
        at.max(told.saturating_sub(self.lease_ms))
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
                self.forget(user);
            }
        }
    }

    /// Forgets somebody of whom nothing is known that is not stored, and whom nobody watches.
    fn forget(&mut self, user: &UserId) {
        let is_idle = |known: &Known| known.connections == 0 && known.due.is_none();
        if self.users.get(user).is_some_and(is_idle)
            && !self.watchers.contains_key(user)
            && !self.unsaved.contains(user)
        {
            self.users.remove(user);
        }
    }
}
