//! Pinned messages, notes and silence.

use crate::support::{Screen, cid, general, id, message, reply, user};
use crossterm::event::KeyCode;
use std::sync::Arc;
use whimbrel::{
    NewMessage, OlderEdge, TimelineItem,
    model::{MessageKind, Pin, Timestamp, overlay::MessageStatus},
};
use whimbrel_tui::{Action, Feed, Scope};

fn pinned(number: u64, text: &str) -> TimelineItem {
    let mut item = message(number, "bob", text);
    item.view.message.pinned = Some(Pin {
        by: user("eve"),
        at: Timestamp(1_795_521_600_000),
        until: None,
    });
    item
}

fn pins(items: &[TimelineItem]) -> Feed {
    let views = items.iter().map(|item| Arc::new(item.view.clone()));
    Feed::Pins(cid("general"), views.collect())
}

#[test]
fn a_letter_pins_a_message_and_takes_the_pin_back() {
    let mut screen = Screen::with(90, 20, vec![message(1, "bob", "read this")]);
    screen.press(KeyCode::Up);
    let pin = |on| Action::PinMessage(cid("general"), id(1), on);
    assert_eq!(screen.write("p"), [pin(true)]);
    let item = pinned(1, "read this");
    screen.show(vec![item.clone()], OlderEdge::Start);
    screen.feed(pins(&[item]));
    screen.sees("⚑ pinned by eve");
    assert_eq!(screen.write("p"), [pin(false)]);
    let mut unsent = message(2, "ada", "soon");
    unsent.view.status = MessageStatus::Pending;
    screen.show(vec![unsent], OlderEdge::Start);
    assert!(screen.write("p").is_empty());
    screen.sees("Only a message that was sent");
}

#[test]
fn a_pin_whose_time_is_over_is_not_shown() {
    let screen = Screen::with(90, 20, vec![pinned(1, "read this")]);
    screen.sees_not("pinned by");
}

#[test]
fn the_list_of_pins_leads_to_the_message_wherever_it_is() {
    let mut screen = Screen::with(90, 20, vec![message(9, "bob", "new")]);
    let mut in_thread = reply(3, 1, "bob", "in a thread");
    in_thread.view.message.pinned = pinned(3, "").view.message.pinned;
    screen.feed(pins(&[pinned(9, "new"), pinned(2, "old"), in_thread]));
    screen.press(KeyCode::Esc);
    screen.write("P");
    screen.sees("Pinned in general");
    screen.sees("⚑ eve 2026-11-24 12:00");
    assert_eq!(
        screen.write("p"),
        [Action::PinMessage(cid("general"), id(9), false)]
    );
    // One that is on the screen.
    assert!(screen.press(KeyCode::Enter).is_empty());
    screen.write("P");
    screen.press(KeyCode::Down);
    screen.press(KeyCode::Down);
    let thread = Scope::thread(cid("general"), id(1));
    let around = Action::WatchAround(thread, id(3));
    assert!(screen.press(KeyCode::Enter).contains(&around));
    screen.press(KeyCode::Esc);
    screen.write("P");
    screen.press(KeyCode::Down);
    let around = Action::WatchAround(general(), id(2));
    assert_eq!(screen.press(KeyCode::Enter), [around]);
    screen.sees("Looking for the message");
}

#[test]
fn pins_of_another_channel_are_not_shown() {
    let mut screen = Screen::with(90, 20, vec![pinned(1, "read this")]);
    let Feed::Pins(_, items) = pins(&[pinned(1, "read this")]) else {
        unreachable!("it makes pins");
    };
    screen.feed(Feed::Pins(cid("random"), items));
    screen.sees_not("pinned by");
}

#[test]
fn a_system_message_is_a_note_without_an_author() {
    let mut note = message(1, "bob", "bob renamed the channel");
    note.view.message.kind = MessageKind::System;
    let screen = Screen::with(90, 20, vec![note, message(2, "bob", "hello")]);
    screen.sees("· bob renamed the channel ·");
    let names = |line: &&String| line.contains("││ bob ");
    assert_eq!(
        screen.lines().iter().filter(names).count(),
        1,
        "{}",
        screen.text()
    );
}

#[test]
fn a_silent_message_is_sent_once_and_says_so() {
    let mut screen = Screen::with(90, 20, vec![]);
    screen.control('s');
    screen.sees("Message, silent");
    screen.write("psst");
    let send = |message| Action::Send(cid("general"), message);
    assert_eq!(
        screen.press(KeyCode::Enter),
        [send(NewMessage::text("psst").silent())]
    );
    screen.write("loud");
    assert_eq!(screen.press(KeyCode::Enter), [send(NewMessage::text("loud"))]);
    let mut item = message(1, "bob", "psst");
    item.view.message.silent = true;
    screen.show(vec![item], OlderEdge::Start);
    screen.sees("psst (silent)");
}

#[test]
fn a_message_that_mentions_the_reader_has_a_mark() {
    let mut item = message(1, "bob", "hello @ada");
    item.view.message.body.mentions = vec![user("ada")];
    Screen::with(90, 20, vec![item]).sees("@  hello @ada");
    Screen::with(90, 20, vec![message(1, "bob", "hello")]).sees_not("@  hello");
}
