//! The list of threads, reading in one, and replies that stand in the channel too.

use crate::support::{Screen, channel, channels, cid, followed, general, id, message, reply};
use crossterm::event::KeyCode;
use whimbrel::{
    ChannelItem, Items, NewMessage, OlderEdge, ThreadItem,
    model::{ThreadSummary, Timestamp},
};
use whimbrel_tui::{Action, Feed, Scope};

fn threads(items: impl IntoIterator<Item = ThreadItem>, has_more: bool) -> Feed {
    Feed::Threads {
        items: items.into_iter().map(std::sync::Arc::new).collect(),
        has_more,
    }
}

fn one_unread() -> (Screen, Scope) {
    let mut screen = Screen::new(90, 20);
    let (parent, last) = (message(1, "ada", "a question"), reply(2, 1, "bob", "an answer"));
    screen.feed(threads([followed(&parent, &last, 1)], false));
    (screen, Scope::thread(cid("general"), id(1)))
}

#[test]
fn the_list_of_threads_shows_what_is_unread_and_opens_one() {
    let (mut screen, thread) = one_unread();
    screen.sees("↳1");
    screen.write("T");
    screen.sees("general · ada: a question");
    screen.sees("2 replies (1)");
    screen.sees("↳ bob: an answer");
    let actions = screen.press(KeyCode::Enter);
    let watch = |scope: &Scope| Action::Watch(scope.clone());
    assert_eq!(
        actions,
        [
            watch(&general()),
            Action::ReadMembers(cid("general")),
            watch(&thread)
        ]
    );
    screen.sees("Thread in general");
    screen.sees("a question");
}

#[test]
fn a_followed_thread_is_marked_as_read_when_its_end_is_in_sight() {
    let (mut screen, thread) = one_unread();
    screen.write("T");
    screen.press(KeyCode::Enter);
    let read = Action::MarkThreadRead(cid("general"), id(1));
    let rows = || vec![reply(2, 1, "bob", "an answer")];
    let actions = screen.show_in(thread.clone(), rows(), OlderEdge::Start);
    assert!(actions.contains(&read), "{actions:?}");
    assert!(
        screen
            .show_in(thread.clone(), rows(), OlderEdge::Start)
            .is_empty()
    );
    // What the reader marks as unread stays so, until they say that it is read.
    screen.press(KeyCode::Up);
    let unread = Action::MarkThreadUnread(cid("general"), id(2));
    assert_eq!(screen.write("u"), [unread]);
    let more = vec![reply(2, 1, "bob", "an answer"), reply(3, 1, "bob", "more")];
    assert!(screen.show_in(thread, more, OlderEdge::Start).is_empty());
    assert!(screen.write("m").contains(&read));
}

#[test]
fn a_thread_that_is_not_followed_is_not_marked_by_looking_at_it() {
    let mut screen = Screen::with(90, 20, vec![message(1, "bob", "a question")]);
    screen.press(KeyCode::Up);
    screen.write("t");
    let scope = Scope::thread(cid("general"), id(1));
    let rows = vec![reply(2, 1, "eve", "an answer")];
    let actions = screen.show_in(scope, rows, OlderEdge::Start);
    let marks = |action: &Action| matches!(action, Action::MarkThreadRead(..));
    assert!(!actions.iter().any(marks), "{actions:?}");
    screen.press(KeyCode::Up);
    assert_eq!(screen.write("m"), [Action::MarkThreadRead(cid("general"), id(1))]);
}

#[test]
fn one_key_in_the_list_marks_a_thread_as_read_and_the_end_loads_more() {
    let (mut screen, _) = one_unread();
    screen.write("T");
    assert_eq!(screen.write("m"), [Action::MarkThreadRead(cid("general"), id(1))]);
    let (parent, last) = (message(1, "ada", "a question"), reply(2, 1, "bob", "an answer"));
    screen.feed(threads([followed(&parent, &last, 0)], true));
    assert_eq!(screen.press(KeyCode::Down), [Action::MoreThreads]);
    screen.feed(threads([], false));
    screen.sees("You follow none");
    assert!(screen.press(KeyCode::Enter).is_empty());
}

#[test]
fn a_reply_can_stand_in_the_channel_too() {
    let mut screen = Screen::with(90, 20, vec![message(1, "bob", "a question")]);
    screen.control('t');
    screen.sees_not("in the channel too");
    screen.press(KeyCode::Up);
    screen.write("t");
    screen.control('t');
    screen.sees("Reply in the thread, in the channel too");
    screen.write("so");
    let message = NewMessage {
        parent: Some(id(1)),
        ..NewMessage::text("so").shown_in_channel()
    };
    assert_eq!(
        screen.press(KeyCode::Enter),
        [Action::Send(cid("general"), message)]
    );
    screen.sees_not("in the channel too");
}

#[test]
fn the_number_of_replies_is_the_servers_where_not_all_are_here() {
    let mut parent = message(1, "bob", "a question");
    parent.replies = 1;
    parent.view.message.thread = Some(ThreadSummary {
        replies: 40,
        last_seq: 90,
        last_at: Timestamp(1),
    });
    Screen::with(90, 20, vec![parent]).sees("↳ 40 replies");
}

#[test]
fn a_thread_whose_first_message_is_not_here_is_shown_all_the_same() {
    let mut shown = reply(7, 1, "bob", "an answer");
    shown.view.message.show_in_channel = true;
    let mut screen = Screen::with(90, 20, vec![shown]);
    screen.press(KeyCode::Up);
    let actions = screen.write("t");
    assert!(actions.contains(&Action::ReadMessage(id(1))), "{actions:?}");
    screen.sees("(the first message is not on this device)");
    let first = message(1, "bob", "what was asked").view.message;
    screen.feed(Feed::Message(id(1), Some(Box::new(first))));
    screen.sees("what was asked");
}

#[test]
fn a_channel_says_that_a_thread_in_it_is_unread_beside_its_own() {
    let (mut screen, _) = one_unread();
    let item = ChannelItem {
        unread: 3,
        mentions: 1,
        ..channel("general")
    };
    screen.feed(channels([item]));
    screen.sees("(3 @1)↳1");
    screen.feed(Feed::Threads {
        items: Items::new(),
        has_more: false,
    });
    screen.sees_not("↳1");
}
