//! Filling gaps in the background, one request at a time, once everything else is up to date.

use crate::{Effects, Engine, Env, engine::Request, session::Phase};
use whimbrel_model::{ChannelId, Cursor, Gap, HistoryFrom, StreamId, limits};
use whimbrel_protocol::{ClientFrame, History, HistoryPage};

impl Engine {
    /// Returns the runs of messages of a channel that this device lacks, or has only as they once were, oldest first.
    ///
    /// The newest ones are filled in the background while connected, see
    /// [`EngineConfig::fill_messages`](crate::EngineConfig::fill_messages); [`Engine::fetch_history`] fills any.
    #[must_use]
    pub fn gaps(&self, cid: &ChannelId) -> Vec<Gap> {
        self.streams.gaps(cid)
    }

    /// Returns the channels that the account is in of which messages are missing on this device, as far as it knows.
    #[must_use]
    pub fn incomplete(&self) -> Vec<ChannelId> {
        self.streams.incomplete()
    }

    /// Returns how far a channel is on the device.
    #[must_use]
    pub fn cursor(&self, cid: &ChannelId) -> Option<Cursor> {
        self.streams.cursor(&StreamId::Channel(cid.clone()))
    }

    /// Asks for a page of the most wanted gap, if there is nothing more urgent.
    pub(crate) fn fill(&mut self, effects: &mut Effects, env: &Env<'_>) {
        let Phase::Online(online) = &mut self.phase else {
            return;
        };
        let idle = online.heads_known
            && online.filling.is_none()
            && self.streams.following
            && self.streams.behind() == 0;
        if !idle || self.config.fill_messages == 0 {
            return;
        }
        let Some((cid, gap)) = self.streams.next_fill(self.config.fill_messages, env.mono) else {
            return;
        };
        let snapshots = self.streams.snapshots(&cid);
        let id = self.requests.add(Request::History { snapshots }, env.mono);
        let missing = u32::try_from(gap.hi - gap.lo + 1).unwrap_or(u32::MAX);
        effects.frames.push(ClientFrame::History(History {
            id,
            cid: cid.clone(),
            from: HistoryFrom::Before(gap.hi + 1),
            limit: missing.min(limits::PAGE_ROWS as u32),
        }));
        online.filling = Some((id, cid, gap));
    }

    /// Takes note of the answer to [`Engine::fill`]. Returns whether it was one.
    pub(crate) fn filled(&mut self, page: &HistoryPage) -> bool {
        let Some((cid, asked)) = self.take_filling(page.id) else {
            return false;
        };
        // An answer that fills nothing, as one that a snapshot overtook, would be asked for again without end.
        if self.streams.fillable(&cid, self.config.fill_messages) == Some(asked) {
            self.streams.rest(cid, u64::MAX);
        }
        true
    }

    /// Takes note that [`Engine::fill`] was refused. Returns whether it was.
    pub(crate) fn fill_refused(&mut self, request: u64, wait: u64, env: &Env<'_>) -> bool {
        let Some((cid, _)) = self.take_filling(request) else {
            return false;
        };
        self.streams.rest(cid, env.mono.saturating_add(wait));
        true
    }

    fn take_filling(&mut self, request: u64) -> Option<(ChannelId, Gap)> {
        let Phase::Online(online) = &mut self.phase else {
            return None;
        };
        let (_, cid, gap) = online.filling.take_if(|(id, ..)| *id == request)?;
        Some((cid, gap))
    }
}
