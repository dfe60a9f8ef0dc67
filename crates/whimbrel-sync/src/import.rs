//! Channels that come from another device of the account.

use crate::{Effects, Engine, Env};
use whimbrel_model::{ChannelId, Cursor, Epoch, RangeSet};

impl Engine {
    /// Returns the server's history that what is on the device belongs to. Absent: the device was never connected.
    #[must_use]
    pub fn known_epoch(&self) -> Option<Epoch> {
        self.heads_token.as_ref().map(|(epoch, _)| *epoch)
    }

    /// Says that rows of a channel that the account is not in are about to be put: they are of this history of the server, which
    /// is that of [`Engine::known_epoch`]. Commit it before the first of them, so that another history is recognised as one.
    pub fn begin_import(&mut self, cid: &ChannelId, epoch: Epoch, env: &mut Env<'_>) -> Effects {
        let mut effects = Effects::default();
        self.streams.begin_import(cid, epoch, &mut effects.delta);
        self.finish(effects, env)
    }

    /// Says what these rows cover, once all of them are put. Whoever is in the channel again goes on from there. If the device had
    /// the channel before, it goes on from what it had, and nothing changes.
    pub fn end_import(
        &mut self,
        cid: &ChannelId,
        cursor: Cursor,
        ranges: RangeSet,
        env: &mut Env<'_>,
    ) -> Effects {
        let mut effects = Effects::default();
        self.streams.end_import(cid, cursor, ranges, &mut effects.delta);
        self.finish(effects, env)
    }
}
