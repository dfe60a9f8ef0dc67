//! Who has a channel open: a state machine with the time given to it. It knows channels that somebody has open here.

use super::ConnectionNumber;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use whimbrel_model::{ChannelId, UserId, limits};

#[derive(Debug, Default)]
pub(super) struct Watchers {
    channels: BTreeMap<ChannelId, Open>,
    open: HashMap<ConnectionNumber, BTreeSet<ChannelId>>,
    /// The channels that each user has open here.
    users: HashMap<UserId, BTreeSet<ChannelId>>,
    /// When to tell how many have a large channel open.
    rounds: BTreeSet<(u64, ChannelId)>,
}

#[derive(Debug, Default)]
struct Open {
    /// Connections on this server.
    here: BTreeMap<UserId, BTreeSet<ConnectionNumber>>,
    /// Who is told to have it open, on any server.
    shown: BTreeSet<UserId>,
    /// Whether only their number is told.
    is_large: bool,
    /// When it is told next.
    round: Option<u64>,
}

/// What has to be told of a channel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    Nothing,
    /// Somebody begins or stops.
    One,
    /// Everyone is named anew.
    All,
}

impl Watchers {
    /// Returns whether a connection may open one more channel.
    pub(super) fn has_room(&self, number: ConnectionNumber, cid: &ChannelId) -> bool {
        let open = self.open.get(&number);
        open.is_none_or(|open| open.len() < limits::WATCHING || open.contains(cid))
    }

    /// A connection opens a channel with so many members. Returns whether it was not open here at all, and whether those who
    /// have it open are to be told of everyone.
    pub(super) fn open(
        &mut self,
        number: ConnectionNumber,
        user: &UserId,
        cid: &ChannelId,
        members: usize,
    ) -> (bool, News) {
        self.open.entry(number).or_default().insert(cid.clone());
        self.users.entry(user.clone()).or_default().insert(cid.clone());
        let channel = self.channels.entry(cid.clone()).or_default();
        let is_new = channel.here.is_empty();
        channel.here.entry(user.clone()).or_default().insert(number);
        let is_large = members > limits::WATCHERS_NAMED;
        let was_large = std::mem::replace(&mut channel.is_large, is_large);
        let news = if was_large && !is_large {
            News::All
        } else {
            News::Nothing
        };
        (is_new, news)
    }

    /// A connection closes a channel. Returns whether the user has it open on no other here.
    pub(super) fn close(&mut self, number: ConnectionNumber, user: &UserId, cid: &ChannelId) -> bool {
        if let Some(open) = self.open.get_mut(&number) {
            open.remove(cid);
            if open.is_empty() {
                self.open.remove(&number);
            }
        }
        let Some(channel) = self.channels.get_mut(cid) else {
            return false;
        };
        let Some(numbers) = channel.here.get_mut(user) else {
            return false;
        };
        if !numbers.remove(&number) || !numbers.is_empty() {
            return false;
        }
        channel.here.remove(user);
        if let Some(open) = self.users.get_mut(user) {
            open.remove(cid);
            if open.is_empty() {
                self.users.remove(user);
            }
        }
        if channel.here.is_empty()
            && let Some(channel) = self.channels.remove(cid)
            && let Some(at) = channel.round
        {
            self.rounds.remove(&(at, cid.clone()));
        }
        true
    }

    /// Returns the channels that a connection has open.
    pub(super) fn of_connection(&self, number: ConnectionNumber) -> Vec<ChannelId> {
        self.open.get(&number).into_iter().flatten().cloned().collect()
    }

    /// Returns the channels that a user has open here.
    pub(super) fn of_user(&self, user: &UserId) -> Vec<ChannelId> {
        self.users.get(user).into_iter().flatten().cloned().collect()
    }

    /// Returns the connections of a user that have a channel open.
    pub(super) fn connections(&self, cid: &ChannelId, user: &UserId) -> Vec<ConnectionNumber> {
        let channel = self.channels.get(cid);
        let numbers = channel.and_then(|channel| channel.here.get(user));
        numbers.into_iter().flatten().copied().collect()
    }

    /// Returns all connections that have a channel open.
    pub(super) fn all_connections(&self, cid: &ChannelId) -> Vec<ConnectionNumber> {
        let channel = self.channels.get(cid);
        let users = channel.into_iter().flat_map(|channel| channel.here.values());
        users.flatten().copied().collect()
    }

    /// Returns whether a user has a channel open here.
    pub(super) fn is_here(&self, cid: &ChannelId, user: &UserId) -> bool {
        self.channels
            .get(cid)
            .is_some_and(|channel| channel.here.contains_key(user))
    }

    /// Sets whether a user is told to have a channel open. Returns what to tell at once.
    pub(super) fn show(&mut self, cid: &ChannelId, user: &UserId, on: bool, now: u64) -> News {
        let Some(channel) = self.channels.get_mut(cid) else {
            return News::Nothing;
        };
        let changed = match on {
            true => channel.shown.insert(user.clone()),
            false => channel.shown.remove(user),
        };
        if !changed {
            return News::Nothing;
        }
        if !channel.is_large {
            return News::One;
        }
        if channel.round.is_none() {
            let at = now + limits::PRESENCE_EVERY_MS;
            channel.round = Some(at);
            self.rounds.insert((at, cid.clone()));
        }
        News::Nothing
    }

    /// Returns who is told to have a channel open, and whether they are too many to be named.
    pub(super) fn shown(&self, cid: &ChannelId) -> Option<(&BTreeSet<UserId>, bool)> {
        let channel = self.channels.get(cid)?;
        Some((&channel.shown, channel.is_large))
    }

    /// Returns the large channels whose number is to be told now.
    pub(super) fn tick(&mut self, now: u64) -> Vec<ChannelId> {
        let mut due = Vec::new();
        while let Some((at, cid)) = self.rounds.first().cloned() {
            if at > now {
                break;
            }
            self.rounds.pop_first();
            if let Some(channel) = self.channels.get_mut(&cid) {
                channel.round = None;
                due.push(cid);
            }
        }
        due
    }

    /// Returns everyone who has a channel open here, of those that `seen` lets be seen, in order.
    pub(super) fn here(&self, seen: impl Fn(&UserId) -> bool) -> Vec<(ChannelId, UserId)> {
        let mut here = Vec::new();
        for (cid, channel) in &self.channels {
            let users = channel.here.keys().filter(|user| seen(user));
            here.extend(users.map(|user| (cid.clone(), user.clone())));
        }
        here
    }
}
