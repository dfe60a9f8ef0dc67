//! Channels whose changes are not wanted as they happen.

use crate::{Effects, Engine, Env};
use whimbrel_model::{ChannelId, StreamId};

impl Engine {
    /// Says whether a channel is watched: every one is, unless it was said otherwise since the engine was made.
    ///
    /// Of a channel that is not, the server sends no changes as they happen, and what is new there is pulled only while it is
    /// on the screen. How far it goes is still known. Being watched again brings it up to date.
    pub fn set_watched(&mut self, cid: &ChannelId, watched: bool, env: &mut Env<'_>) -> Effects {
        let mut effects = Effects::default();
        if self.streams.set_watched(cid, watched) {
            self.tell_watched(&mut effects);
        }
        self.finish(effects, env)
    }

    /// Returns whether a channel is watched.
    #[must_use]
    pub fn is_watched(&self, cid: &ChannelId) -> bool {
        self.streams.is_watched(cid)
    }

    /// Watches what `before` did, an engine whose place this one takes. To be called before it goes online.
    pub fn watch_as(&mut self, before: &Self) {
        self.streams.unwatched.clone_from(&before.streams.unwatched);
    }
}

impl crate::streams::Streams {
    /// Returns whether that is a change.
    pub(crate) fn set_watched(&mut self, cid: &ChannelId, watched: bool) -> bool {
        let changed = if watched {
            self.unwatched.remove(cid)
        } else {
            self.unwatched.insert(cid.clone())
        };
        self.judge(&StreamId::Channel(cid.clone()));
        changed
    }

    pub(crate) fn is_watched(&self, cid: &ChannelId) -> bool {
        !self.unwatched.contains(cid)
    }
}
