//! What is known of people and of messages outside the window, and what was asked for.

use super::Action;
use std::collections::{HashMap, HashSet};
use whimbrel::model::{ChannelId, Message, MessageId, User, UserId};

/// Read from disk when it is first needed.
#[derive(Debug, Default)]
pub(crate) struct Known {
    users: HashMap<UserId, String>,
    asked_users: HashSet<UserId>,
    pub(crate) members: HashMap<ChannelId, Vec<UserId>>,
    pub(crate) invited: HashMap<ChannelId, Vec<UserId>>,
    pub(crate) messages: HashMap<MessageId, Option<Box<Message>>>,
}

impl Known {
    /// Returns a display name, harmless and on one line: the profile's, or the id.
    pub(crate) fn name(&self, user: &UserId) -> String {
        let name = self.users.get(user).filter(|name| !name.trim().is_empty());
        crate::text::one_line(name.map_or(user.as_str(), String::as_str))
    }

    pub(crate) fn put_users(&mut self, users: Vec<User>) {
        self.users
            .extend(users.into_iter().map(|user| (user.id, user.name)));
    }

    /// Returns those of `users` that were not asked for before.
    pub(super) fn ask_for_users<'a>(&mut self, users: impl Iterator<Item = &'a UserId>) -> Vec<UserId> {
        users
            .filter(|user| !self.asked_users.contains(*user))
            .cloned()
            .collect::<HashSet<_>>()
            .into_iter()
            .inspect(|user| {
                self.asked_users.insert(user.clone());
            })
            .collect()
    }

    /// Forgets who was asked for, so that profiles are read again: there is no news of them.
    pub(super) fn forget_asked(&mut self) {
        self.asked_users.clear();
    }

    /// Returns those of `messages` that were not asked for before.
    pub(super) fn ask_for_messages(&mut self, messages: Vec<MessageId>) -> impl Iterator<Item = MessageId> {
        let unknown: HashSet<_> = messages
            .into_iter()
            .filter(|id| !self.messages.contains_key(id))
            .collect();
        self.messages.extend(unknown.iter().map(|id| (*id, None)));
        unknown.into_iter()
    }
}

pub(super) fn read_users(users: Vec<UserId>) -> Vec<Action> {
    if users.is_empty() {
        return Vec::new();
    }
    vec![Action::ReadUsers(users)]
}
