//! Reads that belong between two commits: opening lists, and loading older messages from disk or server.

use super::{Driver, Round, places::Newer};
use crate::{
    Error,
    command::{Command, Place, Reply},
};
use std::ops::ControlFlow;
use whimbrel_model::{ChannelId, HistoryFrom, MessagePage, MessageQuery, MessageScope, limits};
use whimbrel_state::Timeline;
use whimbrel_sync::HistoryError;

/// Rows that an opened timeline begins with: a screen and a half.
pub(super) const FIRST_MESSAGES: usize = 50;

/// Somebody who waits for messages from the server.
#[derive(Debug)]
pub(super) enum Waiting {
    Older(Older),
    Newer(Newer),
    Place(Place),
}

impl Waiting {
    fn fail(self, error: Error) {
        match self {
            Self::Older(Older { reply, .. }) | Self::Newer(Newer { reply, .. }) => {
                drop(reply.send(Err(error)));
            }
            Self::Place(place) => place.show.fail(error),
        }
    }
}

/// Somebody who waits for older messages.
#[derive(Debug)]
pub(super) struct Older {
    timeline: Timeline,
    /// The oldest row when it was asked for.
    oldest: Option<u64>,
    /// Whether it was asked for what fills a gap.
    in_gap: bool,
    limit: usize,
    reply: Reply<()>,
}

impl Older {
    fn new(timeline: Timeline, limit: usize, reply: Reply<()>) -> Self {
        Self {
            oldest: timeline.oldest(),
            in_gap: false,
            timeline,
            limit: limit.clamp(1, limits::PAGE_ROWS),
            reply,
        }
    }
}

impl Driver {
    pub(super) async fn read(&mut self, command: Command, round: &mut Round) {
        match command {
            Command::OpenChannels { query, reply } => drop(reply.send(self.open_channels(&query).await)),
            Command::MoreChannels { list, limit, reply } => {
                drop(reply.send(self.more_channels(&list, limit).await));
            }
            command @ (Command::OpenThreads { .. }
            | Command::MoreThreads { .. }
            | Command::OpenPins { .. }
            | Command::OpenDrafts { .. }) => self.read_threads(command).await,
            Command::OpenReceipts { cid, message, reply } => {
                drop(reply.send(self.open_receipts(cid, message).await));
            }
            Command::OpenUnread { reply } => drop(reply.send(self.open_unread().await)),
            Command::OpenTimeline { cid, scope, reply } => {
                drop(reply.send(self.open_timeline(cid, scope).await));
            }
            Command::OpenObject(open) => self.open_object(open).await,
            Command::LoadOlder {
                timeline,
                limit,
                reply,
            } => {
                self.load_older(Older::new(timeline, limit, reply), round).await;
            }
            Command::LoadNewer {
                timeline,
                limit,
                reply,
            } => {
                let waiting = Newer {
                    timeline,
                    limit: limit.clamp(1, limits::PAGE_ROWS),
                    asked: None,
                    reply,
                };
                self.load_newer(waiting, round).await;
            }
            Command::GoTo(place) => self.go_to(place, round).await,
            Command::Enqueue { .. }
            | Command::Repeat { .. }
            | Command::RepeatWith { .. }
            | Command::RepeatAll { .. }
            | Command::NextAttempt { .. }
            | Command::Ask { .. }
            | Command::Explain { .. }
            | Command::Amend { .. }
            | Command::Local(_)
            | Command::Watch { .. }
            | Command::Typing { .. }
            | Command::CatchUp { .. }
            | Command::TellDelivered { .. }
            | Command::Gaps { .. }
            | Command::Incomplete { .. }
            | Command::FillGap { .. }
            | Command::Discard { .. }
            | Command::Visit(_)
            | Command::Network { .. }
            | Command::GoOnline
            | Command::GoOffline
            | Command::Suspend { .. }
            | Command::Resume { .. }
            | Command::Logout { .. }
            | Command::Presence(_)
            | Command::Close { .. } => {}
        }
    }

    pub(super) async fn open_timeline(
        &mut self,
        cid: ChannelId,
        scope: MessageScope,
    ) -> Result<Timeline, Error> {
        self.watch(&cid);
        if let Some(open) = self.parts.state.timeline(&cid, scope) {
            return Ok(open);
        }
        let page = self.newest_page(&cid, scope).await?;
        let timeline = self.parts.state.open_timeline(cid, scope, page);
        self.read_receipts().await?;
        self.publish_freshness();
        Ok(timeline)
    }

    /// Takes note that a channel is on the screen.
    pub(super) fn watch(&mut self, cid: &ChannelId) {
        self.forget_closed();
        self.engine.set_visible(cid, true);
        self.opened.insert(cid.clone());
    }

    /// Lets channels that are not on the screen any more wait their turn.
    pub(super) fn forget_closed(&mut self) {
        let timelines = self.parts.state.timelines();
        self.watchers.forget();
        let watchers = &self.watchers;
        let is_open =
            |cid: &ChannelId| watchers.is_open(cid) || timelines.iter().any(|timeline| timeline.cid() == cid);
        let closed: Vec<_> = self.opened.extract_if(|cid| !is_open(cid)).collect();
        for cid in closed {
            self.engine.set_visible(&cid, false);
        }
    }

    /// Fills the newest gap that is shown. Without one, loads older messages from the run that is on disk and up to date;
    /// where that ends, asks the server first.
    async fn load_older(&mut self, mut waiting: Older, round: &mut Round) {
        let query = waiting.timeline.older(waiting.limit);
        let gap = self.newest_gap(&waiting.timeline);
        waiting.in_gap = gap.is_some();
        let on_disk = match gap {
            Some(before) => Ok(ControlFlow::Continue(before)),
            None => self.older_on_disk(&query).await,
        };
        let outcome = match on_disk {
            Ok(ControlFlow::Break(page)) => {
                self.parts.state.extend_older(&waiting.timeline, page);
                Ok(())
            }
            Ok(ControlFlow::Continue(before)) => {
                let limit = u32::try_from(waiting.limit).unwrap_or(u32::MAX);
                let cid = query.cid.clone();
                match self.with_env(|engine, env| {
                    engine.fetch_history(cid, HistoryFrom::Before(before), limit, env)
                }) {
                    Ok((request, effects)) => {
                        self.older.insert(request, Waiting::Older(waiting));
                        round.effects.merge(effects);
                        return;
                    }
                    Err(error) => self.older_offline(&waiting.timeline, &query, error).await,
                }
            }
            Err(error) => Err(error),
        };
        // The caller may have gone.
        let _ = waiting.reply.send(outcome);
    }

    /// Returns before which sequence the newest gap that is shown goes on. A thread's replies are not dense: they have
    /// none.
    fn newest_gap(&self, timeline: &Timeline) -> Option<u64> {
        if timeline.scope() != MessageScope::Channel {
            return None;
        }
        let items = timeline.items();
        let newest = items.iter().rev().find(|item| item.view.message.seq > 0)?;
        let run = self
            .engine
            .fresh_start(timeline.cid(), newest.view.message.seq + 1);
        if timeline.oldest().is_some_and(|oldest| run <= oldest) {
            // One run holds all that is shown, however long: nothing to look for.
            return None;
        }
        let after = items.iter().rev().find(|item| item.gap_before)?;
        Some(self.engine.fresh_start(timeline.cid(), after.view.message.seq))
    }

    /// Reads the part of `query` that is up to date on disk. Nothing there: returns from where to ask the server.
    pub(super) async fn older_on_disk(
        &self,
        query: &MessageQuery,
    ) -> Result<ControlFlow<MessagePage, u64>, Error> {
        let mut page = self.parts.store.messages(query).await?;
        let (HistoryFrom::Before(before), MessageScope::Channel) = (query.from, query.scope) else {
            // A thread's replies are spread over the channel: what is on the device is what can be shown.
            return Ok(ControlFlow::Break(page));
        };
        let start = self.engine.fresh_start(&query.cid, before);
        let all = page.messages.len();
        page.messages.retain(|message| message.seq >= start);
        page.has_older |= page.messages.len() < all;
        if page.messages.is_empty() && start > 1 {
            return Ok(ControlFlow::Continue(start));
        }
        Ok(ControlFlow::Break(page))
    }

    /// Without a connection, what is on disk beyond a gap is better than nothing.
    async fn older_offline(
        &self,
        timeline: &Timeline,
        query: &MessageQuery,
        error: HistoryError,
    ) -> Result<(), Error> {
        let page = self.parts.store.messages(query).await?;
        if page.messages.is_empty() {
            return Err(error.into());
        }
        self.parts.state.extend_older(timeline, page);
        Ok(())
    }

    pub(super) fn history_answered(&mut self, request: u64, outcome: Result<(), HistoryError>) {
        if let Some(waiting) = self.older.remove(&request) {
            self.older_arrived.push((waiting, outcome));
        }
    }

    /// Shows messages that came from the server and are committed, or says why they did not come.
    pub(super) async fn finish_older(&mut self) {
        for (waiting, answer) in std::mem::take(&mut self.older_arrived) {
            let mut round = Round::default();
            match (waiting, answer) {
                (Waiting::Place(place), answer) => self.arrive(place, answer).await,
                (waiting, Err(error)) => waiting.fail(error.into()),
                // What fills a gap is shown as it comes, and so is what a timeline has room for.
                (Waiting::Older(waiting), Ok(()))
                    if waiting.in_gap || waiting.timeline.oldest() < waiting.oldest =>
                {
                    let _ = waiting.reply.send(Ok(()));
                }
                (Waiting::Older(waiting), Ok(())) => self.load_older(waiting, &mut round).await,
                (Waiting::Newer(waiting), Ok(())) => self.load_newer(waiting, &mut round).await,
            }
            // Another request at the most: the page held thread replies only.
            self.act(round.effects);
        }
    }

    pub(super) fn fail_older(&mut self, error: &Error) {
        let arrived = std::mem::take(&mut self.older_arrived);
        let arrived = arrived.into_iter().map(|(waiting, _)| waiting);
        for waiting in self.older.drain().map(|(_, waiting)| waiting).chain(arrived) {
            waiting.fail(error.clone());
        }
        let filling = self.filling.drain().map(|(_, reply)| reply);
        for reply in filling.chain(self.telling.drain(..)) {
            let _ = reply.send(Err(error.clone()));
        }
    }
}
