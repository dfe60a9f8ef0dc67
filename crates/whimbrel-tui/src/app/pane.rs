//! A timeline on the screen: its rows, and where the reader stands in it.

use super::Scope;
use std::sync::Arc;
use whimbrel::{
    Items, NewerEdge, OlderEdge, TimelineItem,
    model::{MessageId, UserId},
};

/// Where the reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// At the end, following what comes.
    Newest,
    /// At a message. `skip` lines of it are above the screen, if it is taller than the screen.
    Row { id: MessageId, skip: usize },
}

#[derive(Debug)]
pub(crate) struct Pane {
    pub(crate) scope: Scope,
    pub(crate) items: Items<TimelineItem>,
    pub(crate) edge: OlderEdge,
    pub(crate) newer: NewerEdge,
    pub(crate) anchor: Anchor,
    /// Whether the rows have arrived.
    pub(crate) ready: bool,
    /// Whether older rows are being loaded.
    pub(crate) loading: bool,
    /// Whether newer rows are being loaded.
    pub(crate) loading_newer: bool,
    /// The row to go to once it is here.
    pub(crate) target: Option<MessageId>,
    /// Who else types there.
    pub(crate) typing: Vec<UserId>,
    /// Whether nothing was decided of the channel when it was last heard of: what is read of it is nobody's business.
    pub(crate) is_request: bool,
    /// The newest row when the channel was last marked as read.
    pub(crate) marked: Option<MessageId>,
    /// Whether the user marked something as unread: then it stays so until the channel is opened again.
    pub(crate) kept_unread: bool,
}

/// A thread: the message that it is about, and the replies.
#[derive(Debug)]
pub(crate) struct Thread {
    pub(crate) id: MessageId,
    /// The message, once it is known here.
    pub(crate) parent: Option<Arc<TimelineItem>>,
    pub(crate) replies: Pane,
}

impl Pane {
    pub(crate) fn new(scope: Scope) -> Self {
        Self {
            scope,
            items: Items::new(),
            edge: OlderEdge::Start,
            newer: NewerEdge::Newest,
            anchor: Anchor::Newest,
            ready: false,
            loading: false,
            loading_newer: false,
            target: None,
            typing: Vec::new(),
            is_request: false,
            marked: None,
            kept_unread: false,
        }
    }

    pub(crate) fn put(&mut self, items: Items<TimelineItem>, edge: OlderEdge, newer: NewerEdge) {
        self.items = items;
        (self.edge, self.newer) = (edge, newer);
        self.ready = true;
        if let Some(id) = self
            .target
            .take_if(|id| self.items.iter().any(|item| item.id() == *id))
        {
            self.anchor = Anchor::Row { id, skip: 0 };
        }
        if self.place().is_none() {
            self.anchor = Anchor::Newest;
        }
    }

    /// Returns whether newer messages than the last row are known to be, so that new ones do not appear.
    pub(crate) fn is_past(&self) -> bool {
        self.newer != NewerEdge::Newest
    }

    /// Returns the index of the row where the reader stands.
    pub(crate) fn index(&self) -> Option<usize> {
        self.place().or(self.items.len().checked_sub(1))
    }

    /// Returns the row where the reader stands.
    pub(crate) fn selected(&self) -> Option<&Arc<TimelineItem>> {
        self.index().and_then(|index| self.items.get(index))
    }

    pub(crate) fn find(&self, id: MessageId) -> Option<&Arc<TimelineItem>> {
        self.items.iter().find(|item| item.id() == id)
    }

    fn place(&self) -> Option<usize> {
        match self.anchor {
            Anchor::Newest => None,
            // Readers are near the end.
            Anchor::Row { id, .. } => self.items.iter().rposition(|item| item.id() == id),
        }
    }
}
