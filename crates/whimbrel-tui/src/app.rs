//! The program without a terminal and without a client: state, events in, actions out.

mod channels;
mod composer;
mod dialog;
mod dialog_keys;
mod feed;
mod field;
mod keys;
mod known;
mod pane;
mod timeline_keys;

pub(crate) use channels::Channels;
pub(crate) use composer::{Composer, Writing};
pub(crate) use dialog::{Dialog, Form, QUICK_REACTIONS};
pub(crate) use known::Known;
pub(crate) use pane::{Anchor, Pane, Thread};

pub use feed::{Feed, Scope, TimelineFeed};

use crossterm::event::{KeyEvent, KeyEventKind};
use whimbrel::{
    Items, NewChannel, NewMessage, OutboxSummary, SyncState,
    model::{ChannelId, MessageBody, MessageId, OpId, OutboxItem, UserId},
};

/// Seconds for which a notice stays: time to read two lines.
const NOTICE_SECONDS: u8 = 8;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A key.
    Key(KeyEvent),
    /// Text that was pasted.
    Paste(String),
    /// The terminal has this many columns and rows.
    Resize(u16, u16),
    /// A second is over.
    Tick,
    /// News from the client.
    Feed(Feed),
}

/// Something to do for the runtime. None of them has an answer that the app waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Watches a timeline, in place of the one of the same kind before. A channel ends the thread's too.
    Watch(Scope),
    /// Stops watching the thread.
    LeaveThread,
    /// Loads older messages.
    LoadOlder(Scope),
    /// Shows the channels whose names complete a word. Empty: all of them.
    FilterChannels(String),
    /// Loads more rows into the list of that word.
    MoreChannels(String),
    /// Sends a message.
    Send(ChannelId, NewMessage),
    /// Replaces the body of a message.
    Edit(ChannelId, MessageId, MessageBody),
    /// Deletes a message.
    Delete(ChannelId, MessageId),
    /// Adds a reaction.
    React(ChannelId, MessageId, String),
    /// Takes a reaction back.
    Unreact(ChannelId, MessageId, String),
    /// Creates a channel.
    Create(ChannelId, NewChannel),
    /// Marks a channel as read.
    MarkRead(ChannelId),
    /// Marks a message and all after it as unread.
    MarkUnread(ChannelId, MessageId),
    /// Connects.
    Connect,
    /// Disconnects.
    Disconnect,
    /// Queues a rejected operation again.
    Retry(OpId),
    /// Drops an operation from the outbox.
    Discard(OpId),
    /// Reads profiles.
    ReadUsers(Vec<UserId>),
    /// Reads the members of a channel.
    ReadMembers(ChannelId),
    /// Reads a message that is quoted.
    ReadMessage(MessageId),
    /// Asks why a message is as it is shown.
    Explain(MessageId),
    /// Ends the program.
    Quit,
}

/// Which part of the screen takes the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Focus {
    Channels,
    Timeline,
    Composer,
}

/// A line for the user that goes away by itself.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) text: String,
    seconds: u8,
}

/// The outbox as last told.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) summary: OutboxSummary,
    pub(crate) items: Items<OutboxItem>,
}

/// Everything that the screen depends on.
#[derive(Debug)]
pub struct App {
    pub(crate) me: UserId,
    /// Columns and rows of the terminal.
    pub(crate) size: (u16, u16),
    pub(crate) focus: Focus,
    pub(crate) channels: Channels,
    pub(crate) open: Option<Pane>,
    pub(crate) thread: Option<Thread>,
    pub(crate) composer: Composer,
    pub(crate) dialog: Option<Dialog>,
    pub(crate) sync: SyncState,
    pub(crate) outbox: Outbox,
    pub(crate) known: Known,
    pub(crate) notice: Option<Notice>,
}

impl App {
    /// Creates the app of an account for a terminal of `size`, in columns and rows.
    #[must_use]
    pub fn new(me: UserId, size: (u16, u16)) -> Self {
        Self {
            me,
            size,
            focus: Focus::Channels,
            channels: Channels::default(),
            open: None,
            thread: None,
            composer: Composer::default(),
            dialog: None,
            sync: SyncState::Offline,
            outbox: Outbox::default(),
            known: Known::default(),
            notice: None,
        }
    }

    /// Takes in an event, and returns what is to be done, in this order.
    pub fn update(&mut self, event: Event) -> Vec<Action> {
        let mut actions = match event {
            Event::Key(key) if key.kind == KeyEventKind::Release => Vec::new(),
            Event::Key(key) => self.key(key),
            Event::Paste(text) => self.paste(&text),
            Event::Resize(columns, rows) => {
                self.size = (columns, rows);
                Vec::new()
            }
            Event::Tick => {
                self.tick();
                Vec::new()
            }
            Event::Feed(feed) => self.feed(feed),
        };
        actions.extend(self.mark_read());
        actions
    }

    pub(crate) fn notify(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice {
            text: text.into(),
            seconds: NOTICE_SECONDS,
        });
    }

    /// Returns what the right side shows: the thread, or the channel.
    pub(crate) fn pane(&self) -> Option<&Pane> {
        match &self.thread {
            Some(thread) => Some(&thread.replies),
            None => self.open.as_ref(),
        }
    }

    pub(crate) fn pane_mut(&mut self) -> Option<&mut Pane> {
        match &mut self.thread {
            Some(thread) => Some(&mut thread.replies),
            None => self.open.as_mut(),
        }
    }

    pub(crate) fn open_channel(&mut self, cid: ChannelId) -> Vec<Action> {
        self.focus = Focus::Composer;
        self.leave_composer();
        let thread = self.thread.take();
        let scope = Scope::channel(cid.clone());
        if let Some(open) = self.open.as_mut().filter(|pane| pane.scope == scope) {
            open.kept_unread = false;
            self.enter_composer();
            return thread.map(|_| Action::LeaveThread).into_iter().collect();
        }
        self.channels.selected = Some(cid.clone());
        self.known.forget_asked();
        self.open = Some(Pane::new(scope.clone()));
        self.enter_composer();
        vec![Action::Watch(scope), Action::ReadMembers(cid)]
    }

    /// Puts what is being written away, under the place that it is written for.
    pub(crate) fn leave_composer(&mut self) {
        if let Some(scope) = self.pane().map(|pane| pane.scope.clone()) {
            self.composer.put_away(scope);
        }
    }

    /// Takes out what was written here before.
    pub(crate) fn enter_composer(&mut self) {
        if let Some(scope) = self.pane().map(|pane| pane.scope.clone()) {
            self.composer.take_out(&scope);
        }
    }

    fn tick(&mut self) {
        if let Some(notice) = &mut self.notice {
            notice.seconds = notice.seconds.saturating_sub(1);
            if notice.seconds == 0 {
                self.notice = None;
            }
        }
        if let SyncState::BackingOff { retry_in_ms, .. } = &mut self.sync {
            *retry_in_ms = retry_in_ms.saturating_sub(1_000);
        }
    }

    /// Marks the open channel as read when its newest row can be seen, once for each newest row, unless the user marked
    /// something in it as unread.
    fn mark_read(&mut self) -> Option<Action> {
        if self.thread.is_some() || self.dialog.is_some() {
            return None;
        }
        let pane = self.open.as_ref()?;
        let newest = pane.items.last()?.id();
        let unread = self
            .channels
            .get(&pane.scope.cid)
            .is_some_and(|item| item.unread + item.unread_unknown > 0);
        if !unread || pane.kept_unread || pane.marked == Some(newest) || !crate::draw::shows_newest(self) {
            return None;
        }
        let cid = pane.scope.cid.clone();
        self.open.as_mut()?.marked = Some(newest);
        Some(Action::MarkRead(cid))
    }
}
