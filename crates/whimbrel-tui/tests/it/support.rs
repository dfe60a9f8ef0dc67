//! An app with a painted screen, and messages for it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{Terminal, backend::TestBackend};
use std::sync::Arc;
use whimbrel::{
    ChannelItem, Items, NewerEdge, OlderEdge, ThreadItem, TimelineItem,
    model::{
        ChannelId, ConsentState, Custom, Message, MessageBody, MessageId, MessageKind, Role, Timestamp,
        UserId,
        overlay::{MessageStatus, MessageView},
    },
};
use whimbrel_tui::{Action, App, Event, Feed, Scope, TimelineFeed, draw};

/// 2026-11-24 12:00 UTC.
const NOON: i64 = 1_795_521_600_000;

pub(crate) struct Screen {
    pub(crate) app: App,
    size: (u16, u16),
}

impl Screen {
    /// Opens the app of ada with the channels `general` and `random`, in the list.
    pub(crate) fn new(columns: u16, rows: u16) -> Self {
        let mut screen = Self {
            app: App::new(user("ada"), (columns, rows)),
            size: (columns, rows),
        };
        screen.feed(Feed::Channels {
            items: [channel("general"), channel("random")]
                .into_iter()
                .map(Arc::new)
                .collect(),
            has_more: false,
        });
        screen
    }

    /// Opens the app in `general` with these messages, and the line in focus.
    pub(crate) fn with(columns: u16, rows: u16, items: Vec<TimelineItem>) -> Self {
        let mut screen = Self::new(columns, rows);
        screen.press(KeyCode::Enter);
        screen.show(items, OlderEdge::Start);
        screen
    }

    pub(crate) fn show(&mut self, items: Vec<TimelineItem>, edge: OlderEdge) -> Vec<Action> {
        self.show_in(general(), items, edge)
    }

    pub(crate) fn show_in(&mut self, scope: Scope, items: Vec<TimelineItem>, edge: OlderEdge) -> Vec<Action> {
        self.show_part(scope, items, edge, NewerEdge::Newest)
    }

    /// Shows rows of a window that may be in the past.
    pub(crate) fn show_part(
        &mut self,
        scope: Scope,
        items: Vec<TimelineItem>,
        edge: OlderEdge,
        newer: NewerEdge,
    ) -> Vec<Action> {
        let items = items.into_iter().map(Arc::new).collect();
        self.feed(Feed::Timeline(TimelineFeed {
            scope,
            items,
            edge,
            newer,
        }))
    }

    pub(crate) fn feed(&mut self, feed: Feed) -> Vec<Action> {
        self.app.update(Event::Feed(feed))
    }

    pub(crate) fn press(&mut self, code: KeyCode) -> Vec<Action> {
        self.app.update(Event::Key(KeyEvent::from(code)))
    }

    pub(crate) fn control(&mut self, letter: char) -> Vec<Action> {
        let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
        self.app.update(Event::Key(key))
    }

    /// Presses a key for each character, and returns what the last ones asked for.
    pub(crate) fn write(&mut self, text: &str) -> Vec<Action> {
        text.chars().flat_map(|c| self.press(KeyCode::Char(c))).collect()
    }

    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.size = (columns, rows);
        self.app.update(Event::Resize(columns, rows));
    }

    /// Paints, and returns the lines of the screen.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(self.size.0, self.size.1)).unwrap();
        terminal.draw(|frame| draw(&self.app, frame)).unwrap();
        let buffer = terminal.backend().buffer();
        let rows = buffer.content().chunks(usize::from(self.size.0).max(1));
        rows.map(|row| {
            let mut line = String::new();
            let mut covered = 0;
            for cell in row {
                // A wide character covers the cell after it.
                if covered == 0 {
                    line.push_str(cell.symbol());
                    covered = unicode_width::UnicodeWidthStr::width(cell.symbol()).max(1);
                }
                covered -= 1;
            }
            line
        })
        .collect()
    }

    pub(crate) fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// Fails with the whole screen if `what` is not on it.
    pub(crate) fn sees(&self, what: &str) {
        let text = self.text();
        assert!(text.contains(what), "{what:?} is not on the screen:\n{text}");
    }

    pub(crate) fn sees_not(&self, what: &str) {
        let text = self.text();
        assert!(!text.contains(what), "{what:?} is on the screen:\n{text}");
    }
}

pub(crate) fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

pub(crate) fn cid(id: &str) -> ChannelId {
    ChannelId::new(format!("messaging:{id}")).unwrap()
}

pub(crate) fn general() -> Scope {
    Scope::channel(cid("general"))
}

pub(crate) fn id(number: u64) -> MessageId {
    format!("01900000-0000-7000-8000-{number:012x}").parse().unwrap()
}

/// An accepted message, a minute after the one before.
pub(crate) fn message(number: u64, author: &str, text: &str) -> TimelineItem {
    let at = Timestamp(NOON + i64::try_from(number).unwrap() * 60_000);
    TimelineItem {
        view: MessageView {
            message: Message {
                id: id(number),
                cid: cid("general"),
                author: user(author),
                seq: number,
                ver: number,
                kind: MessageKind::Regular,
                silent: false,
                body: MessageBody::text(text),
                parent: None,
                show_in_channel: false,
                quoted: None,
                composed_at: at,
                accepted_at: Some(at),
                edited_at: None,
                revision: 0,
                deleted_at: None,
                pinned: None,
                thread: None,
            },
            status: MessageStatus::Sent,
            change_pending: false,
        },
        reactions: Vec::new(),
        replies: 0,
        receipt: None,
        hidden: false,
        gap_before: false,
    }
}

pub(crate) fn channel(name: &str) -> ChannelItem {
    ChannelItem {
        cid: cid(name),
        name: String::new(),
        image: String::new(),
        custom: Custom::default(),
        last_message: None,
        unread: 0,
        unread_unknown: 0,
        mentions: 0,
        pinned_at: None,
        archived: false,
        hidden: false,
        muted: None,
        consent: ConsentState::Allowed,
        added_by: None,
        invite: None,
        last_message_hidden: false,
        members: 2,
        role: Role::Member,
        pending: 0,
        created_locally: false,
    }
}

/// Unread messages in `general`.
pub(crate) fn unread(count: u64) -> Feed {
    let item = ChannelItem {
        unread: count,
        ..channel("general")
    };
    Feed::Channels {
        items: Items::from_iter([Arc::new(item)]),
        has_more: false,
    }
}

/// The channel list has exactly these.
pub(crate) fn channels(items: impl IntoIterator<Item = ChannelItem>) -> Feed {
    Feed::Channels {
        items: items.into_iter().map(Arc::new).collect(),
        has_more: false,
    }
}

/// A reply in the thread of the message with that number.
pub(crate) fn reply(number: u64, parent: u64, author: &str, text: &str) -> TimelineItem {
    let mut item = message(number, author, text);
    item.view.message.parent = Some(id(parent));
    item
}

/// A followed thread with unread replies.
pub(crate) fn followed(parent: &TimelineItem, last: &TimelineItem, unread: u64) -> ThreadItem {
    ThreadItem {
        parent: parent.view.clone(),
        last_reply: Some(last.view.clone()),
        last_reply_hidden: false,
        replies: 2,
        unread,
        unread_unknown: 0,
        pending: 0,
    }
}
