mod gaps;
mod window;

use crate::{
    Freshness, Reach, Receipt, Source,
    list::{Diffs, Items},
    outbox::Outbox,
    state::lock,
};
use eyeball::{SharedObservable, Subscriber};
use std::{
    fmt,
    sync::{Arc, Mutex},
};
use whimbrel_model::{
    ChannelId, HistoryFrom, MessageId, MessagePage, MessageQuery, MessageScope, Timestamp, UserId,
    overlay::{MessageView, ReactionGroup},
};
pub(crate) use window::Window;

/// One row of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineItem {
    /// The message, with what waits in the outbox laid over it. A deleted one stays as a tombstone.
    pub view: MessageView,
    /// The reactions to it, own waiting ones included, by kind.
    pub reactions: Vec<ReactionGroup>,
    /// Accepted replies to it that are on this device, deleted ones excluded.
    pub replies: u32,
    /// How far the message has got. Absent: it is somebody else's, deleted, or was rejected.
    pub receipt: Option<Receipt>,
    /// Whether whoever wrote it is denied. It is there all the same, for an app that shows it: nothing is deleted.
    pub hidden: bool,
    /// Whether messages are missing between the accepted row above and this one. What lies before the first row is told
    /// by [`Timeline::edge`].
    pub gap_before: bool,
}

impl TimelineItem {
    /// Returns the message's id: the identity of the row, for ever.
    #[must_use]
    pub fn id(&self) -> MessageId {
        self.view.message.id
    }
}

/// What lies before the oldest row of a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OlderEdge {
    /// Nothing: it is the beginning, or nothing of the channel is on this device yet.
    Start,
    /// Older rows, on this device: load them.
    OnDisk,
    /// A gap: what is older has to be fetched from the server.
    OnServer,
}

/// What lies after the newest accepted row of a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewerEdge {
    /// Nothing: new messages appear as they come, and waiting ones stand at the end.
    Newest,
    /// Newer rows, on this device: load them.
    OnDisk,
    /// A gap: what is newer has to be fetched from the server.
    OnServer,
}

/// Messages of a channel or of a thread, kept up to date while a handle or a [`Diffs`] of it lives: the newest, or a window
/// in the past, to which neither new messages nor waiting ones are added before it was extended to the newest.
///
/// Accepted messages by `seq`, then waiting and rejected ones by outbox position. Cloning it gives another handle to the
/// same list.
#[derive(Clone)]
pub struct Timeline(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) cid: ChannelId,
    pub(crate) scope: MessageScope,
    pub(crate) window: Mutex<Window>,
    pub(crate) edge: SharedObservable<OlderEdge>,
    pub(crate) newer_edge: SharedObservable<NewerEdge>,
    pub(crate) freshness: SharedObservable<Freshness>,
}

impl Timeline {
    /// Returns the channel.
    #[must_use]
    pub fn cid(&self) -> &ChannelId {
        &self.0.cid
    }

    /// Returns whether it is the channel's timeline or a thread.
    #[must_use]
    pub fn scope(&self) -> MessageScope {
        self.0.scope
    }

    /// Returns the rows as they are now.
    #[must_use]
    pub fn items(&self) -> Items<TimelineItem> {
        lock(&self.0.window).items()
    }

    /// Returns the rows as they are now, and what changes from now on.
    #[must_use]
    pub fn subscribe(&self) -> (Items<TimelineItem>, Diffs<TimelineItem>) {
        let keep = Arc::clone(&self.0);
        lock(&self.0.window).subscribe(keep)
    }

    /// Returns what lies before the oldest row.
    #[must_use]
    pub fn edge(&self) -> OlderEdge {
        self.0.edge.get()
    }

    /// Returns a reader of [`Timeline::edge`]. Its changes come after the diffs of the same cause.
    pub fn subscribe_edge(&self) -> Subscriber<OlderEdge> {
        self.0.edge.subscribe()
    }

    /// Returns what lies after the newest accepted row.
    #[must_use]
    pub fn newer_edge(&self) -> NewerEdge {
        self.0.newer_edge.get()
    }

    /// Returns a reader of [`Timeline::newer_edge`]. Its changes come after the diffs of the same cause.
    pub fn subscribe_newer_edge(&self) -> Subscriber<NewerEdge> {
        self.0.newer_edge.subscribe()
    }

    /// Returns whether it reaches the newest message, so that new ones appear in it.
    #[must_use]
    pub fn is_at_newest(&self) -> bool {
        self.newer_edge() == NewerEdge::Newest
    }

    /// Returns how fresh it is, and whether messages of the channel are missing on this device.
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        self.0.freshness.get()
    }

    /// Returns a reader of [`Timeline::freshness`]. While connected it changes with every heartbeat.
    pub fn subscribe_freshness(&self) -> Subscriber<Freshness> {
        self.0.freshness.subscribe()
    }

    /// Returns what to read from the store for [`State::extend_older`](crate::State::extend_older): up to `limit` messages
    /// before the oldest accepted row.
    #[must_use]
    pub fn older(&self, limit: usize) -> MessageQuery {
        MessageQuery {
            cid: self.0.cid.clone(),
            scope: self.0.scope,
            from: self.oldest().map_or(HistoryFrom::Newest, HistoryFrom::Before),
            limit,
        }
    }

    /// Returns what to read from the store for [`State::extend_newer`](crate::State::extend_newer): up to `limit` messages after
    /// those that are taken in. Of one that reaches the newest: nothing.
    #[must_use]
    pub fn newer(&self, limit: usize) -> MessageQuery {
        MessageQuery {
            cid: self.0.cid.clone(),
            scope: self.0.scope,
            from: HistoryFrom::After(self.span().1),
            limit,
        }
    }

    /// Returns what to read from the store for [`State::put_messages`](crate::State::put_messages) to have every row again, and
    /// up to `more` that came meanwhile.
    #[must_use]
    pub fn again(&self, more: usize) -> MessageQuery {
        let (low, high) = self.span();
        MessageQuery {
            cid: self.0.cid.clone(),
            scope: self.0.scope,
            from: match high {
                u64::MAX => HistoryFrom::Newest,
                _ => HistoryFrom::After(low.saturating_sub(1)),
            },
            limit: self.items().len() + more,
        }
    }

    /// Returns the lowest and the highest `seq` that is taken in. 0: it goes to the beginning of what is on the device,
    /// [`u64::MAX`]: it reaches the newest.
    #[must_use]
    pub fn span(&self) -> (u64, u64) {
        lock(&self.0.window).span()
    }

    /// Returns the `seq` of the newest accepted row.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        lock(&self.0.window).newest()
    }

    /// Returns the `seq` of the oldest accepted row.
    #[must_use]
    pub fn oldest(&self) -> Option<u64> {
        lock(&self.0.window).oldest()
    }

    pub(crate) fn new(
        cid: ChannelId,
        scope: MessageScope,
        me: UserId,
        rows: usize,
        page: MessagePage,
        outbox: &Outbox,
    ) -> Self {
        let mut window = Window::new(cid.clone(), scope, me, rows);
        window.show(page, outbox);
        Self(Arc::new(Shared {
            cid,
            scope,
            edge: SharedObservable::new(window.edge()),
            newer_edge: SharedObservable::new(window.newer_edge()),
            freshness: SharedObservable::default(),
            window: Mutex::new(window),
        }))
    }

    /// Returns whether no message is missing between the rows.
    pub(crate) fn is_without_gap(&self) -> bool {
        lock(&self.0.window).is_without_gap()
    }

    pub(crate) fn set_freshness(&self, as_of: Option<Timestamp>, reach: Reach) {
        self.0.freshness.set_if_not_eq(Freshness {
            as_of,
            source: if reach.up_to_date {
                Source::Server
            } else {
                Source::Disk
            },
            complete: reach.followed && lock(&self.0.window).is_complete(),
        });
    }

    /// Changes the window, then tells of the edges.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Window) -> T) -> T {
        let mut window = lock(&self.0.window);
        let result = change(&mut window);
        self.0.edge.set_if_not_eq(window.edge());
        self.0.newer_edge.set_if_not_eq(window.newer_edge());
        result
    }
}

impl fmt::Debug for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeline")
            .field("cid", &self.0.cid)
            .field("scope", &self.0.scope)
            .finish_non_exhaustive()
    }
}
