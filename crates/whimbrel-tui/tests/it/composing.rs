//! Writing, editing, quoting, replying.

use crate::support::{Screen, cid, general, id, message};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use whimbrel::{
    NewMessage, OlderEdge,
    model::{MessageBody, Timestamp},
};
use whimbrel_tui::{Action, Event, Scope};

fn own_and_other() -> Screen {
    Screen::with(
        90,
        20,
        vec![message(1, "bob", "theirs"), message(2, "ada", "mine")],
    )
}

fn send(text: &str) -> Action {
    Action::Send(cid("general"), NewMessage::text(text))
}

#[test]
fn enter_sends_and_empties_the_line() {
    let mut screen = own_and_other();
    screen.write("hello there? ");
    assert_eq!(screen.press(KeyCode::Enter), [send("hello there? ")]);
    assert!(screen.press(KeyCode::Enter).is_empty());
}

#[test]
fn alt_enter_is_a_new_line() {
    let mut screen = own_and_other();
    screen.write("one");
    screen
        .app
        .update(Event::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::ALT)));
    screen.write("two");
    screen.sees("> one↵two");
    assert_eq!(screen.press(KeyCode::Enter), [send("one\ntwo")]);
}

#[test]
fn a_text_over_the_limit_stays_in_the_line() {
    let mut screen = own_and_other();
    screen.app.update(Event::Paste("x".repeat(5_001)));
    assert!(screen.press(KeyCode::Enter).is_empty());
    screen.sees("the limit is 5000");
    screen.press(KeyCode::Backspace);
    assert_eq!(screen.press(KeyCode::Enter).len(), 1);
}

#[test]
fn an_edit_begins_with_the_text_and_gives_the_draft_back() {
    let mut screen = own_and_other();
    screen.write("draft");
    screen.press(KeyCode::Up);
    screen.write("e");
    screen.sees("Edit (Esc cancels)");
    screen.sees("✎ mine");
    screen.write("!");
    let edit = Action::Edit(cid("general"), id(2), MessageBody::text("mine!"));
    assert_eq!(screen.press(KeyCode::Enter), [edit]);
    screen.sees("> draft");
    screen.press(KeyCode::Up);
    screen.write("e");
    screen.press(KeyCode::Esc);
    screen.sees("> draft");
}

#[test]
fn only_own_living_messages_can_be_edited() {
    let mut screen = own_and_other();
    screen.press(KeyCode::Up);
    screen.press(KeyCode::Up);
    screen.write("e");
    screen.sees("Only the author can edit");
    let mut deleted = message(2, "ada", "");
    deleted.view.message.deleted_at = Some(Timestamp(1));
    screen.show(vec![deleted], OlderEdge::Start);
    screen.write("e");
    screen.sees("The message is deleted");
}

#[test]
fn a_quote_goes_with_the_next_message_only() {
    let mut screen = own_and_other();
    screen.press(KeyCode::Up);
    screen.press(KeyCode::Up);
    screen.write("q");
    screen.sees("Quote of bob");
    screen.write("so");
    let quoting = NewMessage::text("so").quoting(id(1));
    assert_eq!(
        screen.press(KeyCode::Enter),
        [Action::Send(cid("general"), quoting)]
    );
    screen.write("and");
    assert_eq!(screen.press(KeyCode::Enter), [send("and")]);
}

#[test]
fn in_a_thread_the_line_replies_and_the_channel_keeps_its_draft() {
    let mut screen = own_and_other();
    screen.write("draft");
    screen.press(KeyCode::Up);
    let actions = screen.write("t");
    assert!(matches!(&actions[0], Action::SaveDraft(scope, Some(_), _) if *scope == general()));
    assert_eq!(actions[1], Action::Watch(Scope::thread(cid("general"), id(2))));
    screen.sees("Reply in the thread");
    screen.write("re");
    let reply = NewMessage {
        parent: Some(id(2)),
        ..NewMessage::text("re")
    };
    assert_eq!(
        screen.press(KeyCode::Enter),
        [Action::Send(cid("general"), reply)]
    );
    assert_eq!(screen.press(KeyCode::Esc), [Action::LeaveThread]);
    screen.sees("> draft");
    assert_eq!(
        screen.press(KeyCode::Enter),
        [send("draft"), Action::SaveDraft(general(), None, Vec::new())]
    );
}

#[test]
fn each_channel_keeps_its_draft() {
    let mut screen = own_and_other();
    screen.write("for general");
    screen.press(KeyCode::Tab);
    screen.press(KeyCode::Down);
    screen.press(KeyCode::Enter);
    screen.sees_not("for general");
    screen.press(KeyCode::Tab);
    screen.press(KeyCode::Up);
    assert!(screen.press(KeyCode::Enter).contains(&Action::Watch(general())));
    screen.sees("> for general");
}
