//! Text that means harm, and screens that are too small.

use crate::support::{Screen, channel, cid, followed, general, id, message, user};
use crossterm::event::KeyCode;
use std::sync::Arc;
use whimbrel::{
    ChannelItem, DeviceItem, Found, OlderEdge, PresenceOf, SearchHit,
    model::{
        Attachment, Device, DraftContent, DraftSeen, Invite, Member, MemberState, Role, Timestamp, User,
    },
};
use whimbrel_tui::{Event, Feed, Results, ShownDraft};

const ATTACKS: &[&str] = &[
    "\x1b[2J\x1b]0;owned\x07",
    "\u{9b}31mred",
    "a\rb\x08c\x7f",
    "\u{202e}desrever\u{2066}",
    "tab\there",
    "\u{200b}\u{feff}",
];

#[test]
fn nothing_of_others_reaches_the_terminal_raw() {
    let mut screen = Screen::with(90, 30, Vec::new());
    let items = (1..).zip(ATTACKS).map(|(number, text)| {
        let mut item = message(number, "eve", text);
        item.view.message.body.attachments.push(Attachment {
            kind: "file".to_owned(),
            url: (*text).to_owned(),
            title: (*text).to_owned(),
            mime: String::new(),
            size: None,
            custom: Default::default(),
        });
        item
    });
    screen.show(items.collect(), OlderEdge::Start);
    screen.feed(Feed::Users(vec![User {
        id: user("eve"),
        name: ATTACKS[0].to_owned(),
        image: String::new(),
        custom: Default::default(),
        ver: 1,
    }]));
    screen.feed(Feed::Problem(ATTACKS[0].to_owned()));
    harmless(&screen);
    screen.sees("␛[2J␛]0;owned␇");
}

#[test]
fn nothing_of_others_reaches_the_terminal_raw_from_a_list_over_the_screen() {
    let mut screen = Screen::with(90, 30, vec![message(90, "bob", "hello")]);
    let items: Vec<_> = (1..)
        .zip(ATTACKS)
        .map(|(number, text)| message(number, "eve", text))
        .collect();
    let views = || items.iter().map(|item| &item.view);
    screen.feed(Feed::Pins(
        cid("general"),
        views().map(|view| Arc::new(view.clone())).collect(),
    ));
    let threads = items.iter().map(|item| Arc::new(followed(item, item, 1)));
    screen.feed(Feed::Threads {
        items: threads.collect(),
        has_more: false,
    });
    screen.feed(Feed::Drafts(vec![ShownDraft {
        scope: general(),
        content: DraftContent::text(ATTACKS[1]),
        seen: None,
        beside: vec![(
            DraftContent::text(ATTACKS[0]),
            DraftSeen {
                device: id(1).to_string().parse().unwrap(),
                ver: 1,
            },
        )],
    }]));
    harmless(&screen);
    screen.press(KeyCode::Esc);
    for (letter, title) in [("T", "Threads"), ("P", "Pinned"), ("s", "Search")] {
        screen.write(letter);
        if letter == "s" {
            screen.write("a");
            screen.feed(Feed::Found(Results {
                text: "a".to_owned(),
                hits: views()
                    .map(|view| SearchHit {
                        message: view.message.clone(),
                        found: Found::Local,
                    })
                    .collect(),
                done: true,
                ..Results::default()
            }));
        }
        screen.sees(title);
        screen.sees("␛[2J␛]0;owned␇");
        harmless(&screen);
        screen.press(KeyCode::Esc);
    }
}

#[test]
fn nothing_of_others_reaches_the_terminal_raw_from_requests_people_and_devices() {
    let mut screen = Screen::with(90, 40, Vec::new());
    let requests = ATTACKS
        .iter()
        .zip(["a", "b", "c", "d", "e", "f"])
        .map(|(text, name)| {
            let invite = Invite {
                by: user("eve"),
                at: Timestamp(1),
                name: (*text).to_owned(),
            };
            Arc::new(ChannelItem {
                invite: Some(invite),
                added_by: Some(user("eve")),
                ..channel(name)
            })
        });
    screen.feed(Feed::Requests {
        items: requests.collect(),
        has_more: false,
    });
    let member = Member {
        cid: cid("general"),
        user: user("eve"),
        role: Role::Member,
        state: MemberState::Active,
        joined_at: Timestamp(1),
        ver: 1,
    };
    screen.feed(Feed::Members(cid("general"), vec![member]));
    let presence = PresenceOf {
        online: Some(true),
        status: ATTACKS[0].to_owned(),
        ..PresenceOf::default()
    };
    screen.feed(Feed::Presence([(user("eve"), presence)].into()));
    screen.feed(Feed::Typing(general(), vec![user("eve")]));
    screen.feed(Feed::Devices(vec![named_device(ATTACKS[0])]));
    screen.press(KeyCode::Esc);
    for (letter, title) in [("R", "Requests"), ("w", "People"), ("D", "Devices")] {
        screen.write(letter);
        screen.sees(title);
        screen.sees("␛[2J␛]0;owned␇");
        harmless(&screen);
        screen.press(KeyCode::Esc);
    }
}

fn named_device(name: &str) -> DeviceItem {
    let device = Device {
        user: user("ada"),
        id: id(1).to_string().parse().unwrap(),
        name: String::new(),
        agent: name.to_owned(),
        key: None,
        registered_at: Timestamp(1),
        revoked_at: None,
        push: None,
        ver: 1,
    };
    DeviceItem {
        device: Arc::new(device),
        is_this: false,
        state: None,
    }
}

/// Fails if something on the screen controls the terminal, or the direction of writing.
fn harmless(screen: &Screen) {
    let text = screen.text();
    for c in text.chars().filter(|c| *c != '\n') {
        assert!(!c.is_control(), "{c:?} is on the screen:\n{text}");
        assert!(
            !('\u{202a}'..='\u{202e}').contains(&c) && c != '\u{2066}',
            "{text}"
        );
    }
}

#[test]
fn a_paste_brings_no_control_characters() {
    let mut screen = Screen::with(90, 20, Vec::new());
    screen.app.update(Event::Paste("one\r\ntwo\x1b[0m".to_owned()));
    let actions = screen.press(KeyCode::Enter);
    let sent = format!("{actions:?}");
    assert!(sent.contains(r#"text: "one\ntwo[0m""#), "{sent}");
}

#[test]
fn no_size_is_too_small() {
    let long = "word ".repeat(900);
    let items: Vec<_> = (1..50)
        .map(|number| {
            message(
                number,
                "bob",
                if number % 7 == 0 {
                    &long
                } else {
                    "日本語 👨‍👩‍👧 hi"
                },
            )
        })
        .collect();
    for size in [
        (20, 5),
        (1, 1),
        (2, 2),
        (9, 3),
        (50, 11),
        (3, 40),
        (200, 3),
        (300, 80),
        (1, 0),
        (0, 1),
    ] {
        let mut screen = Screen::with(80, 24, items.clone());
        screen.resize(size.0, size.1);
        screen.write("日本語 text that is longer than the line");
        screen.lines();
        for code in [
            KeyCode::Up,
            KeyCode::PageUp,
            KeyCode::Down,
            KeyCode::PageDown,
            KeyCode::Home,
        ] {
            screen.press(code);
            screen.lines();
        }
        for letter in ["t", "?"] {
            screen.press(KeyCode::Tab);
            screen.write(letter);
            screen.lines();
            screen.press(KeyCode::Esc);
        }
        for letter in ["x", "n", "s", "T", "P", "R", "w", "D", "S", "/"] {
            screen.press(KeyCode::Esc);
            screen.write(letter);
            screen.lines();
        }
    }
}

#[test]
fn a_small_screen_shows_one_half_at_a_time() {
    let mut screen = Screen::with(20, 5, vec![message(1, "bob", "hello ada")]);
    screen.sees("hello ada");
    screen.sees_not("random");
    screen.press(KeyCode::Tab);
    screen.sees("general");
    screen.sees_not("hello ada");
}

#[test]
fn wide_characters_do_not_run_into_the_frame() {
    let screen = Screen::with(80, 20, vec![message(1, "bob", &"日本👍".repeat(60))]);
    for line in screen.lines().iter().filter(|line| line.contains('日')) {
        assert!(line.ends_with('│'), "{}", screen.text());
        assert_eq!(unicode_width::UnicodeWidthStr::width(line.as_str()), 80, "{line}");
    }
}
