//! The program without a terminal and without a client: state, events in, actions out.

mod channels;
mod commands;
mod composer;
pub(crate) mod decide;
mod devices;
mod dialog;
mod dialog_keys;
mod drafts;
mod event;
mod feed;
mod field;
mod keep;
mod keys;
mod known;
mod list;
pub(crate) mod listing;
mod mentions;
mod pane;
mod people;
mod pins;
mod requests;
mod search;
mod settings;
mod submit;
mod threads;
mod timeline_keys;
mod typing;

pub(crate) use channels::Channels;
pub(crate) use composer::{Composer, Writing};
pub(crate) use dialog::{Dialog, Form, QUICK_REACTIONS};
pub(crate) use drafts::parent;
pub(crate) use keep::is_muted;
pub(crate) use known::Known;
pub(crate) use list::List;
pub(crate) use pane::{Anchor, Pane, Thread};
pub(crate) use people::People;
pub(crate) use pins::PinList;
pub(crate) use requests::Requests;
pub(crate) use search::{Search, terms};
pub(crate) use settings::SETTINGS;
pub(crate) use threads::Threads;

pub use decide::{Decision, Hold};
pub use drafts::ShownDraft;
pub use event::{Action, Event};
pub use feed::{Feed, Scope, TimelineFeed};
pub use keep::Keep;
pub use search::Results;

use crossterm::event::KeyEventKind;
use std::sync::Arc;
use whimbrel::{
    AccountFacts, DeviceItem, DeviceSyncState, Items, OutboxSummary, SyncState,
    model::{ChannelId, OutboxItem, Settings, Timestamp, UserId},
};

/// Seconds for which a notice stays: time to read two lines.
const NOTICE_SECONDS: u8 = 8;

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
    pub(crate) pins: PinList,
    pub(crate) threads: Threads,
    pub(crate) search: Search,
    pub(crate) composer: Composer,
    pub(crate) drafts: Vec<ShownDraft>,
    pub(crate) dialog: Option<Dialog>,
    pub(crate) sync: SyncState,
    pub(crate) outbox: Outbox,
    pub(crate) known: Known,
    pub(crate) people: People,
    pub(crate) requests: Requests,
    /// Settings, contacts and devices.
    pub(crate) account: AccountFacts,
    pub(crate) devices: Vec<DeviceItem>,
    /// How far this device is with what only other devices have.
    pub(crate) device_sync: DeviceSyncState,
    pub(crate) notice: Option<Notice>,
    /// The time of the last tick.
    pub(crate) now: Timestamp,
}

impl App {
    /// Creates the app of an account for a terminal of `size`, in columns and rows.
    #[must_use]
    pub fn new(me: UserId, size: (u16, u16)) -> Self {
        let account = AccountFacts {
            settings: Arc::new(Settings::new(me.clone())),
            contacts: Default::default(),
            people: Default::default(),
            devices: Default::default(),
            device_syncs: Default::default(),
        };
        Self {
            me,
            size,
            focus: Focus::Channels,
            channels: Channels::default(),
            open: None,
            thread: None,
            pins: PinList::default(),
            threads: Threads::default(),
            search: Search::default(),
            composer: Composer::default(),
            drafts: Vec::new(),
            dialog: None,
            sync: SyncState::Offline,
            outbox: Outbox::default(),
            known: Known::default(),
            people: People::default(),
            requests: Requests::default(),
            account,
            devices: Vec::new(),
            device_sync: DeviceSyncState::Idle,
            notice: None,
            now: Timestamp(0),
        }
    }

    /// Takes in an event, and returns what is to be done, in this order.
    pub fn update(&mut self, event: Event) -> Vec<Action> {
        let mut actions = match event {
            Event::Key(key) if key.kind == KeyEventKind::Release => Vec::new(),
            Event::Key(key) => self.types(|app| app.key(key)),
            Event::Paste(text) => self.types(|app| app.paste(&text)),
            Event::Resize(columns, rows) => {
                self.size = (columns, rows);
                Vec::new()
            }
            Event::Tick(now) => {
                self.now = now;
                self.tick();
                self.draft_tick().into_iter().collect()
            }
            Event::Feed(feed) => self.feed(feed),
            Event::Stop => self.stop(),
        };
        actions.extend(self.leave_receipts());
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
        let mut actions: Vec<_> = self.leave_composer().into_iter().collect();
        let thread = self.thread.take();
        let scope = Scope::channel(cid.clone());
        if let Some(open) = self.open.as_mut().filter(|pane| pane.scope == scope) {
            open.kept_unread = false;
            self.enter_composer();
            actions.extend(thread.map(|_| Action::LeaveThread));
            return actions;
        }
        self.channels.selected = Some(cid.clone());
        self.known.forget_asked();
        self.open = Some(Pane::new(scope.clone()));
        self.pins = PinList::default();
        self.people.watchers = None;
        self.note_request();
        self.enter_composer();
        actions.extend([Action::Watch(scope), Action::ReadMembers(cid)]);
        actions
    }

    /// Ends the program, with what is being written on disk.
    pub(crate) fn stop(&mut self) -> Vec<Action> {
        let draft = self.leave_composer();
        self.enter_composer();
        draft.into_iter().chain([Action::Quit]).collect()
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
        if self.dialog.is_some() || !self.is_let_in(self.open.as_ref()?) {
            return None;
        }
        if self.thread.is_some() {
            return self.mark_thread_read();
        }
        let pane = self.open.as_ref()?;
        let newest = pane.items.last()?.id();
        let unread = self
            .channels
            .get(&pane.scope.cid)
            // Of one that the list does not have nothing is known: what is read already is not marked again.
            .is_none_or(|item| item.unread + item.unread_unknown > 0);
        if !unread || pane.kept_unread || pane.marked == Some(newest) || !crate::draw::shows_newest(self) {
            return None;
        }
        let cid = pane.scope.cid.clone();
        self.open.as_mut()?.marked = Some(newest);
        Some(Action::MarkRead(cid))
    }
}
