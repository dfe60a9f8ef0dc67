//! Which streams are left as they are, however far they are on the server.

use super::Streams;
use std::collections::BTreeSet;
use whimbrel_model::{ChannelId, StreamId};

impl Streams {
    /// Returns whether a stream is left as it is: not watched, not followed, or not known to be either yet. What somebody waits for
    /// is not, and what is on the screen is not while anything is followed.
    pub(crate) fn is_left_alone(&self, id: &StreamId) -> bool {
        let StreamId::Channel(cid) = id else { return false };
        if self.wanted.contains(id) {
            return false;
        }
        let wanted = self.visible.contains(id) || !(self.unwatched.contains(cid) || self.is_aside(cid));
        !self.following || !wanted || self.is_unplaced(id)
    }

    /// Returns whether live steps of a stream are taken. Those of a channel that is only not watched are, if they come.
    pub(super) fn takes(&self, id: &StreamId) -> bool {
        let StreamId::Channel(cid) = id else { return true };
        let followed = self.visible.contains(id) || !self.is_aside(cid);
        self.wanted.contains(id) || (self.following && followed && !self.is_unplaced(id))
    }

    /// Returns whether a channel is not followed because it may not reach the account.
    pub(crate) fn is_aside(&self, cid: &ChannelId) -> bool {
        self.aside.contains(cid) || !(self.consents.is_mine(cid) || self.consents.follows_unknown())
    }

    /// Returns whether a channel is known to be the account's, and is followed.
    pub(crate) fn is_followed(&self, cid: &ChannelId) -> bool {
        self.consents.is_mine(cid) && !self.is_aside(cid)
    }

    /// Returns whether it is not known yet if a channel may reach the account: the own stream says so, and is not here yet.
    pub(super) fn is_unplaced(&self, id: &StreamId) -> bool {
        let StreamId::Channel(cid) = id else { return false };
        !self.consents.follows_all() && !self.consents.is_mine(cid) && self.is_own_behind()
    }

    pub(super) fn is_own_behind(&self) -> bool {
        let own = StreamId::User(self.me.clone());
        self.behind.contains(&own) || self.cursor(&own).is_none()
    }

    /// Wants a page of a stream that is asked for with request `from` or a later one.
    pub(crate) fn force(&mut self, id: &StreamId, from: u64) {
        self.streams.entry(id.clone()).or_default();
        self.forced.insert(id.clone(), from);
        self.judge(id);
    }

    /// Returns whether somebody waits for a page of a stream, or the stream is not up to date.
    pub(crate) fn is_on_its_way(&self, id: &StreamId) -> bool {
        self.forced.contains_key(id) || self.behind.contains(id)
    }

    /// Returns whether the account left a channel, or was never told of it.
    pub(crate) fn is_left(&self, id: &StreamId) -> bool {
        self.left.contains(id) || !self.streams.contains_key(id)
    }

    /// Returns whether a channel is further on the server than here, left alone or not.
    pub(crate) fn is_moved(&self, id: &StreamId) -> bool {
        // Without a stream its membership came first, and nothing else of it yet.
        self.streams.get(id).is_none_or(|stream| {
            stream.cursor.is_none_or(|cursor| {
                cursor.window.is_some()
                    || stream.head.ver > cursor.ver
                    || self.epoch.is_some_and(|epoch| epoch != cursor.epoch)
            })
        })
    }

    /// Says what somebody waits for, and nothing else.
    pub(crate) fn set_wanted(&mut self, wanted: BTreeSet<StreamId>) {
        let before = std::mem::replace(&mut self.wanted, wanted);
        let changed: Vec<StreamId> = before.symmetric_difference(&self.wanted).cloned().collect();
        for id in changed {
            self.judge(&id);
        }
    }

    /// Says whether anything is followed by itself.
    pub(crate) fn set_following(&mut self, following: bool) {
        if self.following != following {
            self.following = following;
            let ids: Vec<StreamId> = self.streams.keys().cloned().collect();
            for id in ids {
                self.judge(&id);
            }
        }
    }
}
