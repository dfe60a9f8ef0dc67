//! Who types, who is there, and what the own user says of themselves.

use crate::support::{Screen, cid, general, id, message, user};
use crossterm::event::KeyCode;
use std::collections::BTreeMap;
use whimbrel::{
    PresenceOf,
    model::{Code, Member, MemberState, Role, SettingsChange, Timestamp},
};
use whimbrel_tui::{Action, Decision, Event, Feed, Scope};

/// 2026-11-24 12:00 UTC.
const NOON: i64 = 1_795_521_600_000;

fn typing(scope: Scope, on: bool) -> Action {
    Action::Typing(scope, on)
}

fn members(users: &[&str]) -> Feed {
    let member = |id: &&str| Member {
        cid: cid("general"),
        user: user(id),
        role: Role::Member,
        state: MemberState::Active,
        joined_at: Timestamp(1),
        ver: 1,
    };
    Feed::Members(cid("general"), users.iter().map(member).collect())
}

fn presence(people: impl IntoIterator<Item = (&'static str, PresenceOf)>) -> Feed {
    let people = people.into_iter().map(|(id, presence)| (user(id), presence));
    Feed::Presence(people.collect::<BTreeMap<_, _>>())
}

fn online(online: Option<bool>) -> PresenceOf {
    PresenceOf {
        online,
        ..PresenceOf::default()
    }
}

#[test]
fn each_key_that_writes_tells_that_the_user_types_and_an_empty_line_that_it_is_over() {
    let mut screen = Screen::with(90, 20, vec![]);
    assert_eq!(screen.write("h"), [typing(general(), true)]);
    assert_eq!(screen.write("i"), [typing(general(), true)]);
    assert!(screen.press(KeyCode::Left).is_empty());
    assert_eq!(screen.press(KeyCode::Backspace), [typing(general(), true)]);
    screen.press(KeyCode::End);
    assert_eq!(screen.press(KeyCode::Backspace), [typing(general(), false)]);
    let pasted = screen.app.update(Event::Paste("hello".to_owned()));
    assert_eq!(pasted, [typing(general(), true)]);
    // What is sent says so by itself.
    let sent = screen.press(KeyCode::Enter);
    assert!(matches!(sent[..], [Action::Send(..)]), "{sent:?}");
}

#[test]
fn an_edit_and_a_command_are_no_typing() {
    let mut screen = Screen::with(90, 20, vec![message(1, "ada", "hello")]);
    screen.press(KeyCode::Up);
    screen.write("e");
    assert!(screen.write("!").is_empty());
    screen.press(KeyCode::Esc);
    let actions = screen.write("/status on a train");
    let last = actions.last();
    assert_eq!(last, Some(&typing(general(), false)), "{actions:?}");
}

#[test]
fn typing_in_a_thread_is_told_there_and_is_over_when_it_is_left() {
    let mut screen = Screen::with(90, 20, vec![message(1, "bob", "a question")]);
    let thread = Scope::thread(cid("general"), id(1));
    screen.write("to all");
    screen.press(KeyCode::Up);
    let opened = screen.write("t");
    assert!(opened.contains(&typing(general(), false)), "{opened:?}");
    assert_eq!(screen.write("x"), [typing(thread.clone(), true)]);
    // Opening the channel shows its draft again, which nobody typed just now.
    let left = screen.press(KeyCode::Esc);
    assert!(left.contains(&typing(thread, false)), "{left:?}");
    assert!(!left.contains(&typing(general(), true)), "{left:?}");
}

#[test]
fn who_types_stands_under_the_messages_of_the_place_where_they_type() {
    for (columns, rows) in [(90, 20), (60, 8)] {
        let mut screen = Screen::with(columns, rows, vec![message(1, "bob", "hello")]);
        let typing =
            |scope: Scope, who: &[&str]| Feed::Typing(scope, who.iter().map(|id| user(id)).collect());
        screen.feed(typing(general(), &["bob"]));
        screen.sees("bob is typing …");
        screen.feed(typing(general(), &["bob", "eve"]));
        screen.sees("bob and eve are typing …");
        screen.feed(typing(general(), &["bob", "eve", "joe"]));
        screen.sees("3 people are typing …");
        screen.feed(typing(Scope::thread(cid("general"), id(1)), &["kim"]));
        screen.sees_not("kim");
        screen.feed(typing(general(), &[]));
        screen.sees_not("typing");
    }
}

#[test]
fn who_is_in_the_channel_is_asked_about_and_dots_tell_who_is_online() {
    let mut screen = Screen::with(90, 20, vec![]);
    let asked = screen.feed(members(&["ada", "bob", "eve"]));
    let watch = Action::WatchPeople(vec![user("ada"), user("bob"), user("eve")]);
    assert!(asked.contains(&watch), "{asked:?}");
    // The same people again are not asked about again.
    assert!(screen.feed(members(&["ada", "bob", "eve"])).is_empty());
    screen.feed(presence([
        ("ada", online(Some(true))),
        ("bob", online(Some(true))),
        ("eve", online(Some(false))),
    ]));
    screen.sees("general: ●ada, ●bob, eve");
    // Without a connection nobody knows.
    screen.feed(presence([("ada", online(None)), ("bob", online(None))]));
    screen.sees("general: ada, bob, eve");
}

#[test]
fn the_list_of_people_says_how_each_is() {
    let mut screen = Screen::with(90, 20, vec![]);
    screen.app.update(Event::Tick(Timestamp(NOON)));
    screen.feed(members(&["ada", "bob", "eve", "joe"]));
    let hour = 3_600_000;
    screen.feed(presence([
        (
            "ada",
            PresenceOf {
                invisible: true,
                ..online(Some(true))
            },
        ),
        (
            "bob",
            PresenceOf {
                status: "on a \u{1b}[31mtrain".to_owned(),
                ..online(Some(true))
            },
        ),
        (
            "eve",
            PresenceOf {
                last_active: Some(Timestamp(NOON - 2 * hour)),
                ..online(Some(false))
            },
        ),
        (
            "joe",
            PresenceOf {
                refused: Some((Code::TooLarge, "too many".to_owned())),
                ..PresenceOf::default()
            },
        ),
    ]));
    screen.press(KeyCode::Esc);
    screen.write("w");
    screen.sees("People in general");
    screen.sees("online, and offline for others");
    screen.sees("online · on a ␛[31mtrain");
    screen.sees("active 2 h ago");
    screen.sees("the server does not tell: too many");
    screen.write("w");
    screen.sees_not("People in general");
}

#[test]
fn a_command_changes_how_others_see_the_user_and_is_no_message() {
    let mut screen = Screen::with(90, 20, vec![]);
    screen.write("/invisible on");
    let change = SettingsChange {
        invisible: Some(true),
        ..SettingsChange::default()
    };
    let set = Action::Decide(Decision::Settings(change));
    assert_eq!(screen.press(KeyCode::Enter), [set]);
    screen.sees("Others see you offline");
    screen.write("/status  on a train ");
    let change = SettingsChange {
        status: Some("on a train".to_owned()),
        ..SettingsChange::default()
    };
    let set = Action::Decide(Decision::Settings(change));
    assert_eq!(screen.press(KeyCode::Enter), [set]);
    screen.write("/invite @bob eve");
    let invite = Decision::Invite(cid("general"), vec![user("bob"), user("eve")]);
    assert_eq!(screen.press(KeyCode::Enter), [Action::Decide(invite)]);
    screen.write("/invisible");
    assert!(screen.press(KeyCode::Enter).is_empty());
    screen.sees("Say /invisible on, or /invisible off");
    screen.sees("> /invisible");
}

#[test]
fn what_is_no_command_is_a_message_with_a_slash() {
    let mut screen = Screen::with(90, 20, vec![]);
    screen.write("/usr/bin");
    let sent = screen.press(KeyCode::Enter);
    assert!(
        matches!(&sent[..], [Action::Send(_, message)] if message.body.text == "/usr/bin"),
        "{sent:?}"
    );
}
