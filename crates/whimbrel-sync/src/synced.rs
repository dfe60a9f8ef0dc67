//! How fresh what is on the device is.

use crate::{Effects, Engine, session::Phase};
use whimbrel_model::{Change, ChannelId, Delta, Timestamp};

/// The last moment at which everything that the server had was on the device.
#[derive(Debug)]
pub(crate) struct Synced {
    at: Option<Timestamp>,
    written: Option<Timestamp>,
}

impl Synced {
    pub(crate) const fn new(at: Option<Timestamp>) -> Self {
        Self { at, written: at }
    }

    /// Writes it down. Not at each heartbeat: what is on disk may say a time that is too early, which is on the safe side.
    pub(crate) fn write(&mut self, delta: &mut Delta) {
        if let Some(at) = self.at
            && self.written != self.at
        {
            delta.push(Change::SyncedAt(at));
            self.written = self.at;
        }
    }
}

impl Engine {
    /// Returns the last moment, on the server's clock, at which everything that the server had for this account was on the
    /// device, as far as is known here. While the status is live it moves with every heartbeat.
    #[must_use]
    pub const fn synced_at(&self) -> Option<Timestamp> {
        self.synced.at
    }

    /// Returns whether there is a connection and a channel is up to date, as far as the server has said: what changes in it
    /// from now on comes by itself.
    #[must_use]
    pub fn is_up_to_date(&self, cid: &ChannelId) -> bool {
        let known = matches!(&self.phase, Phase::Online(online) if online.heads_known);
        known && !self.streams.is_behind(cid)
    }

    /// Returns whether a channel's feed is on the device, all of it up to some moment, or left out with a gap.
    #[must_use]
    pub fn is_followed(&self, cid: &ChannelId) -> bool {
        self.cursor(cid)
            .is_some_and(|cursor| cursor.ver > 0 && cursor.window.is_none())
    }

    pub(crate) fn note_synced(&mut self, effects: &mut Effects) {
        if !self.streams.following {
            return;
        }
        let Phase::Online(online) = &mut self.phase else {
            return;
        };
        let Some(at) = online.heads_time else { return };
        self.synced.at = Some(at);
        if !std::mem::replace(&mut online.noted_synced, true) {
            self.synced.write(&mut effects.delta);
        }
    }
}
