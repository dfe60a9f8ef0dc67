//! Searching, and windows in the past.

use crate::support::{Screen, cid, general, id, message, reply, unread};
use crossterm::event::KeyCode;
use whimbrel::{Found, NewerEdge, NotSearched, OlderEdge, SearchHit, TimelineItem};
use whimbrel_tui::{Action, Feed, Results, Scope};

fn hit(item: TimelineItem, found: Found) -> SearchHit {
    SearchHit {
        message: item.view.message,
        found,
    }
}

fn found(text: &str, hits: Vec<SearchHit>, done: bool) -> Feed {
    Feed::Found(Results {
        text: text.to_owned(),
        hits,
        done,
        ..Results::default()
    })
}

fn searching(text: &str) -> Screen {
    let mut screen = Screen::with(100, 24, vec![message(90, "bob", "newest")]);
    screen.press(KeyCode::Esc);
    screen.write("s");
    screen.write(text);
    screen
}

#[test]
fn what_is_here_is_found_at_once_and_the_server_adds_to_it() {
    let mut screen = Screen::new(100, 24);
    screen.write("s");
    let search = |text: &str| Action::Search(text.to_owned());
    assert_eq!(screen.write("re"), [search("r"), search("re")]);
    let here = hit(message(5, "bob", "the reef"), Found::Local);
    screen.feed(found("re", vec![here], false));
    screen.sees("[device]");
    screen.sees("1 found on this device; asking the server …");
    let both = hit(message(5, "bob", "the reef"), Found::Both);
    let there = hit(message(7, "eve", "a rehearsal"), Found::Server);
    screen.feed(found("re", vec![there, both], true));
    screen.sees("[server]");
    screen.sees("[both]");
    screen.sees("2 found; everything was searched");
    screen.sees("▌  the reef");
}

#[test]
fn news_of_an_older_search_is_not_shown() {
    let mut screen = searching("reef");
    let old = hit(message(5, "bob", "re-entry"), Found::Local);
    screen.feed(found("re", vec![old], true));
    screen.sees_not("re-entry");
    (0..4).for_each(|_| drop(screen.press(KeyCode::Backspace)));
    screen.sees_not("found");
}

#[test]
fn what_was_not_searched_is_said() {
    let mut screen = searching("reef");
    screen.feed(Feed::Found(Results {
        text: "reef".to_owned(),
        not_searched: vec![
            NotSearched::Server { error: None },
            NotSearched::Gaps {
                channels: vec![cid("general"), cid("random")],
            },
            NotSearched::UnindexedHere { messages: 7 },
        ],
        done: true,
        ..Results::default()
    }));
    screen.sees("0 found; not searched: the server; what this device lacks of general, random");
    screen.sees("7 not indexed here");
    screen.feed(Feed::Found(Results {
        text: "reef".to_owned(),
        problem: Some("there is no word in it".to_owned()),
        done: true,
        ..Results::default()
    }));
    screen.sees("there is no word in it");
}

#[test]
fn enter_opens_the_channel_around_the_hit_and_end_goes_back() {
    let mut screen = searching("reef");
    let old = || message(5, "bob", "the reef");
    screen.feed(found("reef", vec![hit(old(), Found::Server)], true));
    assert_eq!(
        screen.press(KeyCode::Enter),
        [Action::WatchAround(general(), id(5))]
    );
    let part = vec![message(4, "bob", "before"), old(), message(6, "bob", "after")];
    screen.show_part(general(), part, OlderEdge::OnDisk, NewerEdge::OnServer);
    screen.sees("in the past (End: newest) · general");
    screen.sees("▌12:05    the reef");
    screen.sees("newer messages: PgDn, newest: End");
    assert!(screen.feed(unread(3)).is_empty(), "the end is not in sight");
    screen.press(KeyCode::Down);
    assert_eq!(screen.press(KeyCode::Down), [Action::LoadNewer(general())]);
    screen.sees("loading newer messages");
    assert!(screen.press(KeyCode::Down).is_empty(), "once at a time");
    screen.feed(Feed::Loaded(general(), Some("there is no connection".to_owned())));
    screen.sees("there is no connection");
    assert_eq!(screen.press(KeyCode::End), [Action::Newest(general())]);
    let end = vec![message(90, "bob", "newest")];
    let read = screen.show_part(general(), end, OlderEdge::OnServer, NewerEdge::Newest);
    assert_eq!(read, [Action::MarkRead(cid("general"))]);
    screen.sees_not("in the past");
    // The search is still there.
    screen.write("s");
    screen.sees("▌  the reef");
}

#[test]
fn a_channel_that_is_not_listed_has_its_name_and_is_marked_as_read() {
    let mut screen = searching("reef");
    let mut old = message(5, "bob", "the reef");
    old.view.message.cid = cid("archive");
    let hits = || vec![hit(old.clone(), Found::Both)];
    let actions = screen.feed(found("reef", hits(), true));
    assert!(actions.contains(&Action::ReadName(cid("archive"))), "{actions:?}");
    let again = screen.feed(found("reef", hits(), true));
    assert!(!again.contains(&Action::ReadName(cid("archive"))), "once");
    screen.feed(Feed::Name(cid("archive"), "Old things".to_owned()));
    screen.sees("Old things · bob");
    let scope = Scope::channel(cid("archive"));
    let actions = screen.press(KeyCode::Enter);
    assert!(actions.contains(&Action::WatchAround(scope.clone(), id(5))));
    let read = screen.show_in(scope, vec![old.clone()], OlderEdge::Start);
    assert!(read.contains(&Action::MarkRead(cid("archive"))), "{read:?}");
}

#[test]
fn a_hit_in_a_thread_opens_the_thread_around_it() {
    let mut screen = searching("reef");
    let hits = vec![hit(reply(5, 1, "bob", "the reef"), Found::Both)];
    screen.feed(found("reef", hits, true));
    screen.sees("↳ thread");
    let thread = Scope::thread(cid("general"), id(1));
    let actions = screen.press(KeyCode::Enter);
    assert!(
        actions.contains(&Action::WatchAround(thread, id(5))),
        "{actions:?}"
    );
    screen.sees("Thread in general");
}

#[test]
fn what_is_sent_from_the_past_is_shown_at_the_end() {
    let mut screen = Screen::with(100, 24, vec![]);
    let part = vec![message(4, "bob", "before")];
    screen.show_part(general(), part, OlderEdge::OnDisk, NewerEdge::OnDisk);
    screen.write("hello");
    let actions = screen.press(KeyCode::Enter);
    assert_eq!(actions[0], Action::Newest(general()));
    assert!(matches!(&actions[1], Action::Send(..)));
}
