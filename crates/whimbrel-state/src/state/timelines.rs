//! The open timelines.

use super::{State, lock};
use crate::{Timeline, Windows, receipts, timeline};
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};
use whimbrel_model::{ChannelId, MessagePage, MessageQuery, MessageScope};

#[derive(Default)]
pub(super) struct Timelines {
    windows: Windows,
    /// One of each channel and thread: whoever asks for it gets the same.
    main: HashMap<(ChannelId, MessageScope), Weak<timeline::Shared>>,
    /// Those that were opened in the past, each for whoever opened it.
    apart: Vec<Weak<timeline::Shared>>,
    /// How far each member has a message: one of each message.
    pub(super) receipts: Vec<Weak<receipts::Shared>>,
}

impl Timelines {
    pub(super) fn new(windows: Windows) -> Self {
        Self {
            windows,
            ..Self::default()
        }
    }

    fn main(&self, key: &(ChannelId, MessageScope)) -> Option<Timeline> {
        self.main.get(key)?.upgrade().map(Timeline)
    }

    /// Returns the open timelines, and forgets those that nobody holds any more.
    pub(super) fn all(&mut self) -> Vec<Timeline> {
        self.main.retain(|_, timeline| timeline.strong_count() > 0);
        self.apart.retain(|timeline| timeline.strong_count() > 0);
        let open = self.main.values().chain(&self.apart);
        open.filter_map(Weak::upgrade).map(Timeline).collect()
    }
}

impl State {
    /// Opens the timeline of a channel or a thread with its newest page, or returns the one that is open already, wherever that
    /// is.
    #[must_use = "a timeline that nobody holds is forgotten"]
    pub fn open_timeline(&self, cid: ChannelId, scope: MessageScope, page: MessagePage) -> Timeline {
        let mut inner = lock(&self.0.inner);
        let key = (cid, scope);
        if let Some(open) = inner.timelines.main(&key) {
            return open;
        }
        let rows = inner.timelines.windows.rows(&key.0);
        let me = self.0.me.clone();
        let timeline = Timeline::new(key.0.clone(), scope, me, rows, page, &inner.outbox);
        inner.timelines.main.insert(key, Arc::downgrade(&timeline.0));
        timeline
    }

    /// Opens another timeline of a channel or a thread, with a page of any place. It is in the past if the page says that there
    /// is more ([`MessagePage::has_newer`]), on the device or on the server.
    #[must_use = "a timeline that nobody holds is forgotten"]
    pub fn open_timeline_at(&self, cid: ChannelId, scope: MessageScope, page: MessagePage) -> Timeline {
        let mut inner = lock(&self.0.inner);
        let rows = inner.timelines.windows.rows(&cid);
        let timeline = Timeline::new(cid, scope, self.0.me.clone(), rows, page, &inner.outbox);
        inner.timelines.apart.push(Arc::downgrade(&timeline.0));
        timeline
    }

    /// Returns the timeline of a channel or a thread that [`State::open_timeline`] returns, if it is open.
    #[must_use]
    pub fn timeline(&self, cid: &ChannelId, scope: MessageScope) -> Option<Timeline> {
        lock(&self.0.inner).timelines.main(&(cid.clone(), scope))
    }

    /// Returns all open timelines.
    #[must_use]
    pub fn timelines(&self) -> Vec<Timeline> {
        lock(&self.0.inner).timelines.all()
    }

    /// Returns how many rows a timeline of a channel keeps by itself.
    #[must_use]
    pub fn window(&self, cid: &ChannelId) -> usize {
        lock(&self.0.inner).timelines.windows.rows(cid)
    }

    /// Adds older messages to an open timeline: the page that answers [`Timeline::older`]. From then on the timeline
    /// keeps as many messages as it has now.
    pub fn extend_older(&self, timeline: &Timeline, page: MessagePage) {
        let mut inner = lock(&self.0.inner);
        timeline.change(|window| window.extend_older(page, &inner.outbox));
        inner.settle_objects(&self.0.me);
    }

    /// Adds newer messages to an open timeline: the page that answers [`Timeline::newer`]. It reaches the newest from then on
    /// if the page says that there is no more. As with [`State::extend_older`] it keeps what it has.
    pub fn extend_newer(&self, timeline: &Timeline, page: MessagePage) {
        let mut inner = lock(&self.0.inner);
        timeline.change(|window| window.extend_newer(page, &inner.outbox));
        inner.settle_objects(&self.0.me);
    }

    /// Shows a page of any place in an open timeline, instead of what it has. From then on it keeps as many messages as if it
    /// had just been opened.
    pub fn move_timeline(&self, timeline: &Timeline, page: MessagePage) {
        let mut inner = lock(&self.0.inner);
        timeline.change(|window| window.show(page, &inner.outbox));
        inner.settle_objects(&self.0.me);
    }

    /// Puts messages that were read again: `page` answers `query`, one of [`Stale::messages`](crate::Stale::messages) or of
    /// [`Timeline::again`].
    pub fn put_messages(&self, query: &MessageQuery, page: MessagePage) {
        let mut inner = lock(&self.0.inner);
        let mut timelines = inner.timelines.all();
        timelines.retain(|timeline| *timeline.cid() == query.cid && timeline.scope() == query.scope);
        let last = timelines.pop();
        for timeline in timelines {
            timeline.change(|window| window.put(page.clone(), &inner.outbox));
        }
        if let Some(timeline) = last {
            timeline.change(|window| window.put(page, &inner.outbox));
        }
        inner.settle_objects(&self.0.me);
    }
}
