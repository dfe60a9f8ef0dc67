//! Timelines at any place: opened or moved there, and read on towards the newest.

use super::{
    Driver, Round,
    older::{FIRST_MESSAGES, Waiting},
};
use crate::{
    Error,
    command::{Place, Reply, Show},
};
use std::ops::ControlFlow;
use whimbrel_model::{ChannelId, HistoryFrom, MessagePage, MessageQuery, MessageScope, limits};
use whimbrel_state::Timeline;
use whimbrel_sync::HistoryError;

/// Somebody who waits for newer messages.
#[derive(Debug)]
pub(super) struct Newer {
    pub(super) timeline: Timeline,
    pub(super) limit: usize,
    /// After which sequence the server was asked.
    pub(super) asked: Option<u64>,
    pub(super) reply: Reply<()>,
}

impl Driver {
    /// Shows the messages of a place: from disk, if what is there is whole and up to date; else the server is asked first.
    /// Without a connection, what is on disk is better than nothing.
    pub(super) async fn go_to(&mut self, place: Place, round: &mut Round) {
        match self.page_at(&place).await {
            Ok(ControlFlow::Break(page)) => self.show(place, page).await,
            Ok(ControlFlow::Continue(on_disk)) => {
                let (cid, from) = (place.cid.clone(), place.from);
                let limit = limits::PAGE_ROWS as u32;
                match self.with_env(|engine, env| engine.fetch_history(cid, from, limit, env)) {
                    Ok((request, effects)) => {
                        self.older.insert(request, Waiting::Place(place));
                        round.effects.merge(effects);
                    }
                    Err(error) => self.show_or_fail(place, on_disk, error).await,
                }
            }
            Err(error) => place.show.fail(error),
        }
    }

    /// Shows a place after the server has said what is there, or that it does not.
    pub(super) async fn arrive(&mut self, place: Place, answer: Result<(), HistoryError>) {
        let page = match self.page_at(&place).await {
            Ok(ControlFlow::Break(page)) => Some(page),
            Ok(ControlFlow::Continue(on_disk)) => on_disk,
            Err(error) => return place.show.fail(error),
        };
        match answer {
            // There is no better page: it may be that the channel has nothing there.
            Ok(()) => self.show(place, page.unwrap_or_default()).await,
            Err(error @ HistoryError::Refused { .. }) => place.show.fail(error.into()),
            Err(error) => self.show_or_fail(place, page, error).await,
        }
    }

    async fn show_or_fail(&mut self, place: Place, on_disk: Option<MessagePage>, error: HistoryError) {
        match on_disk.filter(|page| !page.messages.is_empty()) {
            Some(page) => self.show(place, page).await,
            None => place.show.fail(error.into()),
        }
    }

    async fn show(&mut self, place: Place, mut page: MessagePage) {
        let Place { cid, scope, show, .. } = place;
        if page.messages.is_empty() {
            match self.newest_page(&cid, scope).await {
                Ok(newest) => page = newest,
                Err(error) => return show.fail(error),
            }
        }
        // The caller may have gone.
        match show {
            Show::Open(reply) => {
                self.watch(&cid);
                let timeline = self.parts.state.open_timeline_at(cid, scope, page);
                let _ = reply.send(self.read_receipts().await.map(|()| timeline));
            }
            Show::Move(timeline, reply) => {
                self.parts.state.move_timeline(&timeline, page);
                let _ = reply.send(self.read_receipts().await);
            }
        }
        self.publish_freshness();
    }

    /// Reads the newest messages of a timeline that are on disk.
    pub(super) async fn newest_page(
        &self,
        cid: &ChannelId,
        scope: MessageScope,
    ) -> Result<MessagePage, Error> {
        let query = MessageQuery {
            cid: cid.clone(),
            scope,
            from: HistoryFrom::Newest,
            limit: self.first_messages(cid),
        };
        Ok(self.parts.store.messages(&query).await?)
    }

    /// Returns how many rows a timeline begins with.
    pub(super) fn first_messages(&self, cid: &ChannelId) -> usize {
        FIRST_MESSAGES.min(self.parts.state.window(cid))
    }

    /// Reads the page of a place. Not whole, or not up to date: returns what there is, for want of better.
    async fn page_at(&self, place: &Place) -> Result<ControlFlow<MessagePage, Option<MessagePage>>, Error> {
        let (cid, scope) = (&place.cid, place.scope);
        if place.from == HistoryFrom::Newest {
            return Ok(ControlFlow::Break(self.newest_page(cid, scope).await?));
        }
        let Some(seq) = self.seq_of(cid, place.from).await? else {
            return Ok(ControlFlow::Continue(None));
        };
        let from = HistoryFrom::Around(seq);
        let limit = self.first_messages(cid);
        let query = MessageQuery {
            cid: cid.clone(),
            scope,
            from,
            limit,
        };
        let mut page = self.parts.store.messages(&query).await?;
        let head = self.engine.head_seq(cid);
        let (older, newer) = from.split(limit);
        let lo = seq.saturating_sub(older as u64).max(1);
        let hi = (seq + newer as u64 - 1).min(head);
        let is_whole = head > 0 && self.engine.is_fresh(cid, lo, hi);
        if is_whole {
            let start = self.engine.fresh_start(cid, hi + 1);
            let end = self.engine.fresh_end(cid, lo - 1);
            let all = page.messages.len();
            page.messages.retain(|message| message.seq >= start);
            page.has_older |= page.messages.len() < all;
            self.end_at(cid, &mut page, end);
            return Ok(ControlFlow::Break(page));
        }
        page.has_newer |= self.is_missing_after(cid, &page);
        Ok(ControlFlow::Continue(Some(page)))
    }

    /// Returns the sequence of a place, as far as this device can tell.
    async fn seq_of(&self, cid: &ChannelId, from: HistoryFrom) -> Result<Option<u64>, Error> {
        match from {
            HistoryFrom::AroundMessage(id) => {
                let stored = self.parts.store.message(id).await?;
                let here = stored.filter(|row| row.cid == *cid && row.ver > 0);
                Ok(here.map(|row| row.seq))
            }
            HistoryFrom::AroundTime(at) => {
                let query = MessageQuery {
                    cid: cid.clone(),
                    scope: MessageScope::Channel,
                    from,
                    limit: 2,
                };
                let page = self.parts.store.messages(&query).await?;
                let accepted =
                    |row: &&whimbrel_model::Message| row.accepted_at.is_some_and(|time| time >= at);
                let first = page.messages.iter().find(accepted);
                let last = page.messages.last();
                Ok(first.map(|row| row.seq).or_else(|| last.map(|row| row.seq + 1)))
            }
            HistoryFrom::Around(seq) => Ok(Some(seq)),
            HistoryFrom::Newest | HistoryFrom::Before(_) | HistoryFrom::After(_) => Ok(None),
        }
    }

    /// Cuts a page where the run that is up to date ends.
    fn end_at(&self, cid: &ChannelId, page: &mut MessagePage, end: u64) {
        let all = page.messages.len();
        page.messages.retain(|message| message.seq <= end);
        page.has_newer |= page.messages.len() < all || end < self.engine.head_seq(cid);
    }

    /// Returns whether the server has messages after those of a page that the device has not.
    fn is_missing_after(&self, cid: &ChannelId, page: &MessagePage) -> bool {
        let last = page.messages.last().map_or(0, |message| message.seq);
        let gaps = self.engine.gaps(cid);
        gaps.iter().any(|gap| !gap.stale && gap.hi > last)
    }

    /// Loads newer messages from the run that is on disk and up to date; where that ends, asks the server first.
    pub(super) async fn load_newer(&mut self, mut waiting: Newer, round: &mut Round) {
        let timeline = waiting.timeline.clone();
        let on_disk = match timeline.is_at_newest() {
            true => Ok(None),
            false => self.newer_on_disk(&timeline, waiting.limit).await.map(Some),
        };
        let outcome = match on_disk {
            Ok(None) => Ok(()),
            Ok(Some(ControlFlow::Break(page))) => {
                self.parts.state.extend_newer(&timeline, page);
                Ok(())
            }
            // The server has said what is there, and it is not more.
            Ok(Some(ControlFlow::Continue(after))) if waiting.asked == Some(after) => {
                self.newer_beyond(&timeline, waiting.limit).await.map(drop)
            }
            Ok(Some(ControlFlow::Continue(after))) => {
                let (cid, from) = (timeline.cid().clone(), HistoryFrom::After(after));
                let limit = u32::try_from(waiting.limit).unwrap_or(u32::MAX);
                match self.with_env(|engine, env| engine.fetch_history(cid, from, limit, env)) {
                    Ok((request, effects)) => {
                        waiting.asked = Some(after);
                        self.older.insert(request, Waiting::Newer(waiting));
                        round.effects.merge(effects);
                        return;
                    }
                    Err(error) => match self.newer_beyond(&timeline, waiting.limit).await {
                        Ok(true) => Ok(()),
                        Ok(false) => Err(error.into()),
                        Err(error) => Err(error),
                    },
                }
            }
            Err(error) => Err(error),
        };
        // The caller may have gone.
        let _ = waiting.reply.send(outcome);
    }

    /// Reads what comes next on disk and is up to date. Nothing there: returns from where to ask the server.
    async fn newer_on_disk(
        &self,
        timeline: &Timeline,
        limit: usize,
    ) -> Result<ControlFlow<MessagePage, u64>, Error> {
        let mut page = self.parts.store.messages(&timeline.newer(limit)).await?;
        if timeline.scope() != MessageScope::Channel {
            // A thread's replies are spread over the channel: what is on the device is what can be shown.
            return Ok(ControlFlow::Break(page));
        }
        let (cid, (_, after)) = (timeline.cid(), timeline.span());
        let end = self.engine.fresh_end(cid, after);
        self.end_at(cid, &mut page, end);
        if page.messages.is_empty() && end < self.engine.head_seq(cid) {
            return Ok(ControlFlow::Continue(end));
        }
        Ok(ControlFlow::Break(page))
    }

    /// Shows what is on disk beyond a gap, which is better than nothing. Returns whether there is any.
    async fn newer_beyond(&self, timeline: &Timeline, limit: usize) -> Result<bool, Error> {
        let mut page = self.parts.store.messages(&timeline.newer(limit)).await?;
        if page.messages.is_empty() {
            return Ok(false);
        }
        page.has_newer |= self.is_missing_after(timeline.cid(), &page);
        self.parts.state.extend_newer(timeline, page);
        Ok(true)
    }
}
