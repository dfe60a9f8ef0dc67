//! What other servers said, and for how long it holds.

use super::hints::{Here, Run};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{ChannelId, UserId};

/// Somebody has a channel open.
pub(super) type Place = (ChannelId, UserId);

/// The other servers that live. One lives as long as it is heard, and until it starts anew.
#[derive(Debug)]
pub(super) struct Elsewhere {
    lease_ms: u64,
    servers: BTreeMap<String, Server>,
}

#[derive(Debug)]
struct Server {
    boot: i64,
    heard: u64,
    here: BTreeMap<UserId, Here>,
    open: BTreeSet<Place>,
}

/// Of whom something may be different now.
#[derive(Debug, Default)]
pub(super) struct Touched {
    pub(super) users: BTreeSet<UserId>,
    pub(super) places: BTreeSet<Place>,
}

impl Touched {
    fn of(server: Server) -> Self {
        Self {
            users: server.here.into_keys().collect(),
            places: server.open,
        }
    }

    fn add(&mut self, other: Self) {
        self.users.extend(other.users);
        self.places.extend(other.places);
    }
}

impl Elsewhere {
    pub(super) const fn new(lease_ms: u64) -> Self {
        Self {
            lease_ms,
            servers: BTreeMap::new(),
        }
    }

    /// A server is heard. What an earlier start of it said ends. Nothing: it is an earlier start that is heard, too late.
    pub(super) fn heard(&mut self, name: &str, boot: i64, now: u64) -> Option<Touched> {
        let mut ended = Touched::default();
        match self.servers.get_mut(name) {
            Some(server) if boot < server.boot => return None,
            Some(server) if boot == server.boot => {
                server.heard = now;
                return Some(ended);
            }
            _ => {}
        }
        let new = Server {
            boot,
            heard: now,
            here: BTreeMap::new(),
            open: BTreeSet::new(),
        };
        if let Some(earlier) = self.servers.insert(name.to_owned(), new) {
            ended = Touched::of(earlier);
        }
        Some(ended)
    }

    /// Ends a server that says so.
    pub(super) fn end(&mut self, name: &str) -> Touched {
        self.servers.remove(name).map(Touched::of).unwrap_or_default()
    }

    /// Ends servers that were not heard of for a lease.
    pub(super) fn tick(&mut self, now: u64) -> Touched {
        let lease = self.lease_ms;
        let silent = self
            .servers
            .extract_if(.., |_, server| now > server.heard + lease);
        let mut touched = Touched::default();
        for (_, server) in silent {
            touched.add(Touched::of(server));
        }
        touched
    }

    /// Notes that a user has a connection at a server.
    pub(super) fn set_here(&mut self, name: &str, here: &Here) {
        if let Some(server) = self.servers.get_mut(name) {
            server.here.insert(here.user.clone(), here.clone().short());
        }
    }

    /// Notes that a user has no connection at a server.
    pub(super) fn set_gone(&mut self, name: &str, user: &UserId) {
        if let Some(server) = self.servers.get_mut(name) {
            server.here.remove(user);
        }
    }

    /// Notes whether a server shows that a user has a channel open.
    pub(super) fn set_open(&mut self, name: &str, place: &Place, open: bool) {
        if let Some(server) = self.servers.get_mut(name) {
            match open {
                true => server.open.insert(place.clone()),
                false => server.open.remove(place),
            };
        }
    }

    /// Takes a part of who has a connection at a server. Returns who has none any more.
    pub(super) fn put_users(&mut self, name: &str, run: &Run<UserId, Here>) -> BTreeSet<UserId> {
        let Some(server) = self.servers.get_mut(name) else {
            return BTreeSet::new();
        };
        let here: BTreeSet<&UserId> = run.items.iter().map(|here| &here.user).collect();
        let gone = server
            .here
            .extract_if(.., |user, _| run.covers(user) && !here.contains(user))
            .map(|(user, _)| user)
            .collect();
        let items = run.items.iter();
        server
            .here
            .extend(items.map(|here| (here.user.clone(), here.clone().short())));
        gone
    }

    /// Takes a part of what channels are open at a server. Returns what may be different.
    pub(super) fn put_places(&mut self, name: &str, run: Run<Place, Place>) -> BTreeSet<Place> {
        let Some(server) = self.servers.get_mut(name) else {
            return BTreeSet::new();
        };
        let open: BTreeSet<Place> = run.items.iter().cloned().collect();
        let mut touched: BTreeSet<Place> = server
            .open
            .extract_if(.., |place| run.covers(place) && !open.contains(place))
            .collect();
        for place in open {
            if server.open.insert(place.clone()) {
                touched.insert(place);
            }
        }
        touched
    }

    /// Returns at how many servers a user has a connection.
    pub(super) fn servers_of(&self, user: &UserId) -> usize {
        let servers = self.servers.values();
        servers.filter(|server| server.here.contains_key(user)).count()
    }

    /// Returns what each server says of a user who has a connection there.
    pub(super) fn of(&self, user: &UserId) -> Vec<Here> {
        let servers = self.servers.values();
        servers
            .filter_map(|server| server.here.get(user))
            .cloned()
            .collect()
    }

    /// Returns whether any server shows that a user has a channel open.
    pub(super) fn is_open(&self, place: &Place) -> bool {
        self.servers.values().any(|server| server.open.contains(place))
    }

    /// Returns who has a channel open on other servers.
    pub(super) fn open(&self, cid: &ChannelId) -> BTreeSet<UserId> {
        let servers = self.servers.values();
        let open = servers.flat_map(|server| server.open.iter().filter(|(open, _)| open == cid));
        open.map(|(_, user)| user.clone()).collect()
    }
}
