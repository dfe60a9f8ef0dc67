//! Moving between channels, messages and the line; loading; reading.

use crate::support::{Screen, cid, general, id, message, unread};
use crossterm::event::KeyCode;
use whimbrel::{OlderEdge, SyncState, TimelineItem};
use whimbrel_tui::{Action, Feed, Scope};

fn many(range: std::ops::RangeInclusive<u64>) -> Vec<TimelineItem> {
    range
        .map(|number| message(number, "bob", &format!("number {number}.")))
        .collect()
}

#[test]
fn enter_opens_the_selected_channel() {
    let mut screen = Screen::new(80, 20);
    screen.press(KeyCode::Down);
    let actions = screen.press(KeyCode::Enter);
    let random = Scope::channel(cid("random"));
    assert_eq!(
        actions,
        [Action::Watch(random), Action::ReadMembers(cid("random"))]
    );
}

#[test]
fn the_newest_message_is_in_sight_until_the_reader_moves_up() {
    let mut screen = Screen::with(80, 20, many(1..=300));
    screen.sees("number 300.");
    screen.show(many(1..=301), OlderEdge::Start);
    screen.sees("number 301.");
    screen.press(KeyCode::PageUp);
    screen.press(KeyCode::PageUp);
    screen.sees_not("number 301.");
    let before = screen.text();
    screen.show(many(1..=302), OlderEdge::Start);
    assert_eq!(screen.text(), before, "the screen moved under the reader");
    screen.press(KeyCode::End);
    screen.sees("number 302.");
}

#[test]
fn every_message_of_a_long_list_can_be_reached_both_ways() {
    let mut screen = Screen::with(80, 20, many(1..=200));
    for number in (1..200).rev() {
        screen.press(KeyCode::Up);
        if number < 199 {
            screen.sees(&format!("number {number}."));
        }
    }
    screen.press(KeyCode::Up);
    screen.sees("number 1.");
    for number in 2..=200 {
        screen.press(KeyCode::Down);
        screen.sees(&format!("number {number}."));
    }
}

#[test]
fn every_line_of_a_message_taller_than_the_screen_can_be_read() {
    let text: Vec<_> = (1..=100).map(|line| format!("line {line}.")).collect();
    let items = vec![
        message(1, "bob", "first"),
        message(2, "bob", &text.join("\n")),
        message(3, "bob", "last"),
    ];
    let mut screen = Screen::with(80, 20, items);
    let mut seen = String::new();
    for _ in 0..120 {
        screen.press(KeyCode::Up);
        seen.push_str(&screen.text());
    }
    screen.sees("first");
    for line in &text {
        assert!(
            seen.contains(line.as_str()),
            "{line} was never seen on the way up"
        );
    }
    seen.clear();
    for _ in 0..40 {
        screen.press(KeyCode::PageDown);
        seen.push_str(&screen.text());
    }
    for line in &text {
        assert!(
            seen.contains(line.as_str()),
            "{line} was never seen on the way down"
        );
    }
    screen.sees("last");
}

#[test]
fn going_up_at_the_first_row_loads_older_ones_once_at_a_time() {
    let mut screen = Screen::with(80, 20, many(51..=55));
    screen.press(KeyCode::Up);
    assert!(
        screen.press(KeyCode::PageUp).is_empty(),
        "there is nothing before the start"
    );
    screen.show(many(51..=55), OlderEdge::OnServer);
    assert_eq!(screen.press(KeyCode::PageUp), [Action::LoadOlder(general())]);
    screen.sees("loading older messages");
    assert!(screen.press(KeyCode::PageUp).is_empty());
    screen.feed(Feed::Loaded(general(), Some("there is no connection".to_owned())));
    screen.sees("there is no connection");
    assert_eq!(screen.press(KeyCode::PageUp), [Action::LoadOlder(general())]);
    screen.show(many(1..=55), OlderEdge::Start);
    screen.feed(Feed::Loaded(general(), None));
    // The reader stays where they were.
    screen.sees("number 51.");
}

#[test]
fn a_channel_is_marked_as_read_when_its_end_is_in_sight() {
    let mut screen = Screen::with(80, 20, many(1..=100));
    assert_eq!(screen.feed(unread(2)), [Action::MarkRead(cid("general"))]);
    assert!(screen.feed(unread(2)).is_empty(), "once for each newest row");
    screen.feed(unread(0));
    screen.press(KeyCode::PageUp);
    screen.press(KeyCode::PageUp);
    screen.show(many(1..=101), OlderEdge::Start);
    assert!(screen.feed(unread(1)).is_empty(), "the end is not in sight");
    assert_eq!(screen.press(KeyCode::End), [Action::MarkRead(cid("general"))]);
}

#[test]
fn what_is_marked_unread_stays_so_until_the_channel_is_opened_again() {
    let mut screen = Screen::with(80, 20, many(1..=5));
    assert_eq!(screen.feed(unread(2)), [Action::MarkRead(cid("general"))]);
    screen.feed(unread(0));
    screen.press(KeyCode::Up);
    screen.press(KeyCode::Up);
    assert_eq!(screen.write("u"), [Action::MarkUnread(cid("general"), id(4))]);
    assert!(screen.feed(unread(2)).is_empty());
    screen.press(KeyCode::End);
    assert!(screen.show(many(1..=6), OlderEdge::Start).is_empty());
    assert!(
        screen.feed(unread(3)).is_empty(),
        "a new message does not undo it"
    );
    screen.press(KeyCode::Left);
    assert_eq!(screen.press(KeyCode::Enter), [Action::MarkRead(cid("general"))]);
}

#[test]
fn a_list_that_has_more_is_extended_at_its_end() {
    let mut screen = Screen::new(80, 20);
    assert!(screen.press(KeyCode::Down).is_empty());
    let mut feed = unread(0);
    if let Feed::Channels { has_more, .. } = &mut feed {
        *has_more = true;
    }
    screen.feed(feed);
    assert_eq!(screen.press(KeyCode::Down), [Action::MoreChannels(String::new())]);
}

#[test]
fn news_of_another_timeline_is_not_shown() {
    let mut screen = Screen::with(80, 20, many(1..=2));
    screen.show_in(
        Scope::channel(cid("random")),
        vec![message(9, "eve", "elsewhere")],
        OlderEdge::Start,
    );
    screen.sees_not("elsewhere");
}

#[test]
fn the_switch_goes_offline_online_and_asks_again() {
    let mut screen = Screen::new(80, 20);
    assert_eq!(screen.write("o"), [Action::Connect]);
    screen.feed(Feed::Sync(SyncState::Live));
    assert_eq!(screen.write("o"), [Action::Disconnect]);
    screen.feed(Feed::Sync(SyncState::NeedsAuth {
        reason: "expired".to_owned(),
    }));
    screen.sees("signed out: expired");
    assert_eq!(screen.write("o"), [Action::Connect]);
}

#[test]
fn both_quit_keys_quit_from_everywhere() {
    let mut screen = Screen::with(80, 20, many(1..=2));
    assert_eq!(screen.control('c'), [Action::Quit]);
    screen.press(KeyCode::Esc);
    screen.write("n");
    assert_eq!(screen.control('q'), [Action::Quit]);
}
