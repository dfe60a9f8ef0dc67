//! How far an own message has got, and with whom.

use crate::support::{Screen, cid, id, message, user};
use crossterm::event::KeyCode;
use ratatui::{Terminal, backend::TestBackend, style::Color};
use std::sync::Arc;
use whimbrel::{
    DeviceReceipt, MemberReceipt, OlderEdge, Receipt, ReceiptStatus, TimelineItem, WatchersOf,
    model::overlay::MessageStatus,
};
use whimbrel_tui::{Action, Feed, draw};

fn own(status: ReceiptStatus) -> TimelineItem {
    let mut item = message(1, "ada", "hello");
    item.receipt = Some(Receipt {
        status,
        members: 1,
        ..Receipt::default()
    });
    item
}

fn colour_of(screen: &Screen, mark: &str) -> Color {
    let mut terminal = Terminal::new(TestBackend::new(90, 20)).unwrap();
    terminal.draw(|frame| draw(&screen.app, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let cell = buffer.content().iter().find(|cell| cell.symbol() == mark);
    cell.unwrap().fg
}

#[test]
fn ticks_tell_how_far_an_own_message_has_got() {
    let mut pending = own(ReceiptStatus::Pending);
    pending.view.status = MessageStatus::Pending;
    Screen::with(90, 20, vec![pending]).sees("12:01 ○  hello");
    Screen::with(90, 20, vec![own(ReceiptStatus::Sent)]).sees("12:01 ✓  hello");
    let delivered = Screen::with(90, 20, vec![own(ReceiptStatus::Delivered)]);
    delivered.sees("12:01 ✓✓ hello");
    let read = Screen::with(90, 20, vec![own(ReceiptStatus::Read)]);
    read.sees("12:01 ✓✓ hello");
    assert_ne!(colour_of(&delivered, "✓"), colour_of(&read, "✓"));
}

fn receipts(items: impl IntoIterator<Item = MemberReceipt>) -> Feed {
    Feed::Receipts(id(1), items.into_iter().map(Arc::new).collect())
}

fn of(who: &str, delivered: bool, read: bool) -> MemberReceipt {
    MemberReceipt {
        user: user(who),
        delivered,
        read,
        devices: Vec::new(),
    }
}

#[test]
fn a_dialog_tells_who_has_a_message_and_is_watched_no_longer_than_it_is_open() {
    let mut screen = Screen::with(90, 20, vec![own(ReceiptStatus::Sent)]);
    screen.press(KeyCode::Up);
    assert_eq!(screen.write("v"), [Action::WatchReceipts(cid("general"), id(1))]);
    screen.sees("Who has \"hello\"");
    screen.sees("Nobody, or it is not told");
    let with_device = MemberReceipt {
        devices: vec![DeviceReceipt {
            device: id(7).to_string().parse().unwrap(),
            delivered: true,
        }],
        ..of("bob", true, false)
    };
    screen.feed(receipts([
        with_device,
        of("eve", true, true),
        of("joe", false, false),
    ]));
    screen.sees("✓✓ delivered");
    screen.sees("✓✓ device 01900000");
    screen.sees("✓✓ read");
    screen.sees("not there yet");
    assert_eq!(screen.press(KeyCode::Esc), [Action::LeaveReceipts]);
    screen.sees_not("Who has");
}

#[test]
fn of_what_others_wrote_nothing_is_told() {
    let mut screen = Screen::with(90, 20, vec![message(1, "bob", "hello")]);
    screen.press(KeyCode::Up);
    assert!(screen.write("v").is_empty());
    screen.sees("Only of an own message");
    screen.show(vec![message(2, "bob", "more")], OlderEdge::Start);
    assert!(screen.feed(receipts([of("bob", true, true)])).is_empty());
}

#[test]
fn the_head_of_a_channel_says_how_many_have_it_open() {
    let mut screen = Screen::with(90, 20, vec![]);
    let watchers = |name: &str, count| {
        let users = None;
        Feed::Watchers(cid(name), Some(WatchersOf { count, users }))
    };
    screen.feed(watchers("random", 9));
    screen.sees_not("general · ");
    screen.feed(watchers("general", 3));
    screen.sees("general · 3 here");
    screen.feed(Feed::Watchers(cid("general"), None));
    screen.sees_not("general · ");
}
