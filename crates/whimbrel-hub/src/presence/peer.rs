//! One connection, as far as presence goes.

use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{Code, Timestamp, UserId, limits};
use whimbrel_protocol::PresenceRefused;

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) user: UserId,
    /// Whether it makes the user online.
    pub(super) is_here: bool,
    pub(super) watched: BTreeSet<UserId>,
    /// Who has decided that the user of the connection does not see them, and until when.
    pub(super) refused_by: BTreeMap<UserId, Option<Timestamp>>,
    /// Who has changed since the last round.
    changed: BTreeSet<UserId>,
    /// When the next round is.
    pub(super) round: Option<u64>,
}

impl Peer {
    pub(super) const fn new(user: UserId) -> Self {
        Self {
            user,
            is_here: false,
            watched: BTreeSet::new(),
            refused_by: BTreeMap::new(),
            changed: BTreeSet::new(),
            round: None,
        }
    }

    /// Tells of a user in the next round. Returns when that is, if it is a new one.
    pub(super) fn put_off(&mut self, user: &UserId, at: u64) -> Option<u64> {
        self.changed.insert(user.clone());
        if self.round.is_some() {
            return None;
        }
        self.round = Some(at);
        self.round
    }

    /// Takes who is to be told of.
    pub(super) fn end_round(&mut self) -> Vec<UserId> {
        self.round = None;
        let changed = std::mem::take(&mut self.changed);
        changed
            .into_iter()
            .filter(|user| self.watched.contains(user))
            .collect()
    }
}

/// Refuses a user for whom there is no room any more.
pub(super) fn too_many(user: &UserId) -> PresenceRefused {
    PresenceRefused {
        user: user.clone(),
        code: Code::TooLarge,
        message: format!(
            "this connection is told of {} users already, which is the limit: remove others first",
            limits::PRESENCE_WATCHED
        ),
    }
}
