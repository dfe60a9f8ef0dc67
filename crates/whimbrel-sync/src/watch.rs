//! Channels whose changes are not wanted as they happen.

use crate::{Effects, Engine, Env, session::Phase};
use whimbrel_model::{ChannelId, StreamId, limits};
use whimbrel_protocol::{ClientFrame, Watch};

impl Engine {
    /// Says whether a channel is watched: every one is, unless it was said otherwise since the engine was made.
    ///
    /// Of a channel that is not, the server sends no changes as they happen, and what is new there is pulled only while it is
    /// on the screen. How far it goes is still known. Being watched again brings it up to date.
    pub fn set_watched(&mut self, cid: &ChannelId, watched: bool, env: &mut Env<'_>) -> Effects {
        let mut effects = Effects::default();
        if self.streams.set_watched(cid, watched) && matches!(self.phase, Phase::Online(_)) {
            effects.frames.push(ClientFrame::Watch(Watch {
                cids: vec![cid.clone()],
                on: watched,
            }));
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

    /// Tells a new connection what is not watched: it begins with everything.
    pub(crate) fn tell_unwatched(&self, effects: &mut Effects) {
        let unwatched: Vec<ChannelId> = self.streams.unwatched().cloned().collect();
        let frames = unwatched.chunks(limits::WATCHED_PER_FRAME).map(|cids| {
            ClientFrame::Watch(Watch {
                cids: cids.to_vec(),
                on: false,
            })
        });
        effects.frames.extend(frames);
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

    pub(crate) fn unwatched(&self) -> impl Iterator<Item = &ChannelId> {
        self.unwatched.iter()
    }

    /// Returns whether a stream is left as it is, however far it is on the server.
    pub(crate) fn is_left_alone(&self, id: &StreamId) -> bool {
        match id {
            StreamId::Channel(cid) => self.unwatched.contains(cid) && !self.visible.contains(id),
            StreamId::User(_) => false,
        }
    }
}
