//! Rows of accounts that were committed lately: what was read before one may be used after it, and other servers may not have heard
//! of it the first time.

use crate::presence::hints::Hint;
use std::collections::{HashMap, VecDeque};
use whimbrel_model::{Contact, Settings, UserId};

/// For how long a row is remembered: longer than a read takes, and some beats.
const REMEMBERED_MS: u64 = 60_000;

/// Rows that are remembered at once; of more, the oldest are forgotten.
const REMEMBERED: usize = 10_000;

/// The newest of each.
#[derive(Debug, Default)]
pub(super) struct Recent {
    rows: HashMap<Key, Row>,
    /// Each time that one was put, the oldest first.
    order: VecDeque<(u64, Key)>,
}

/// Settings of somebody, or what they decided of somebody.
type Key = (UserId, Option<UserId>);

#[derive(Debug)]
struct Row {
    at: u64,
    /// Whether it was committed by this server.
    here: bool,
    hint: Hint,
}

impl Recent {
    pub(super) fn put_settings(&mut self, settings: &Settings, here: bool, now: u64) {
        if self
            .settings(&settings.user)
            .is_none_or(|known| known.ver < settings.ver)
        {
            let key = (settings.user.clone(), None);
            self.put(key, here, Hint::Settings(settings.clone()), now);
        }
    }

    /// Returns whether it is news.
    pub(super) fn put_contact(&mut self, contact: &Contact, here: bool, now: u64) -> bool {
        let known = self.contact(&contact.user, &contact.of);
        let is_new = known.is_none_or(|known| known.ver < contact.ver);
        if is_new {
            let key = (contact.user.clone(), Some(contact.of.clone()));
            self.put(key, here, Hint::Contact(contact.clone()), now);
        }
        is_new
    }

    pub(super) fn settings(&self, user: &UserId) -> Option<&Settings> {
        match &self.rows.get(&(user.clone(), None))?.hint {
            Hint::Settings(settings) => Some(settings),
            _ => None,
        }
    }

    pub(super) fn contact(&self, user: &UserId, of: &UserId) -> Option<&Contact> {
        match &self.rows.get(&(user.clone(), Some(of.clone())))?.hint {
            Hint::Contact(contact) => Some(contact),
            _ => None,
        }
    }

    /// Returns what was committed by this server, for the others.
    pub(super) fn hints(&self) -> Vec<Hint> {
        let here = self.rows.values().filter(|row| row.here);
        here.map(|row| row.hint.clone()).collect()
    }

    /// Forgets what is too old.
    pub(super) fn tick(&mut self, now: u64) {
        while self.order.front().is_some_and(|(at, _)| now > at + REMEMBERED_MS) {
            self.forget_first();
        }
    }

    fn put(&mut self, key: Key, here: bool, hint: Hint, now: u64) {
        self.order.push_back((now, key.clone()));
        self.rows.insert(key, Row { at: now, here, hint });
        if self.order.len() > REMEMBERED {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((at, key)) = self.order.pop_front()
            && self.rows.get(&key).is_some_and(|row| row.at <= at)
        {
            self.rows.remove(&key);
        }
    }
}
