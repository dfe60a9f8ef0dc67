//! Requests and invitations, blocked and muted people, settings.

use crate::support::{Screen, channel, channels, cid, message, user};
use crossterm::event::KeyCode;
use std::sync::Arc;
use whimbrel::{
    AccountFacts, ChannelItem, OlderEdge, UnreadTotals,
    model::{
        ConsentState, Contact, Invite, Member, MemberState, Mute, People, Role, Settings, SettingsChange,
        Timestamp,
    },
};
use whimbrel_tui::{Action, Decision, Event, Feed, Hold, Scope};

/// 2026-11-24 12:00 UTC.
const NOON: i64 = 1_795_521_600_000;

pub(crate) fn decide(decision: Decision) -> Vec<Action> {
    vec![Action::Decide(decision)]
}

pub(crate) fn account(contacts: &[Contact]) -> AccountFacts {
    let shared = contacts
        .iter()
        .map(|contact| (contact.of.clone(), Arc::new(contact.clone())));
    AccountFacts {
        settings: Arc::new(Settings::new(user("ada"))),
        contacts: shared.collect(),
        people: People::at(contacts, Timestamp(NOON)),
        devices: Default::default(),
        device_syncs: Default::default(),
    }
}

fn request(name: &str) -> ChannelItem {
    ChannelItem {
        consent: ConsentState::Unknown,
        added_by: Some(user("bob")),
        ..channel(name)
    }
}

fn requests(items: impl IntoIterator<Item = ChannelItem>) -> Feed {
    Feed::Requests {
        items: items.into_iter().map(Arc::new).collect(),
        has_more: false,
    }
}

fn people(ids: &[&str], state: MemberState) -> Feed {
    let member = |id: &&str| Member {
        cid: cid("general"),
        user: user(id),
        role: Role::Member,
        state,
        joined_at: Timestamp(1),
        ver: 1,
    };
    Feed::Members(cid("general"), ids.iter().map(member).collect())
}

#[test]
fn requests_stand_beside_the_channels_and_are_allowed_or_denied() {
    let mut screen = Screen::new(90, 20);
    screen.feed(Feed::Unread(UnreadTotals {
        messages: 5,
        requests: 1,
        requested: 2,
        ..UnreadTotals::default()
    }));
    screen.sees("1 request (R)");
    // What nobody let in disturbs nobody.
    screen.sees("3 unread");
    let mut item = request("ocean");
    item.name = "Ocean".to_owned();
    item.last_message = Some(message(1, "bob", "hello stranger").view);
    screen.feed(requests([item]));
    screen.write("R");
    screen.sees("Ocean");
    screen.sees("from bob");
    screen.sees("bob: hello stranger");
    let consent = |state| decide(Decision::Consent(cid("ocean"), state));
    assert_eq!(screen.write("a"), consent(ConsentState::Allowed));
    assert_eq!(screen.write("d"), consent(ConsentState::Denied));
    screen.feed(requests([]));
    screen.sees("Nothing waits for a decision");
}

#[test]
fn an_invitation_is_accepted_or_rejected_and_not_opened_before() {
    let mut screen = Screen::new(90, 20);
    screen.app.update(Event::Tick(Timestamp(NOON)));
    let mut item = request("ocean");
    item.invite = Some(Invite {
        by: user("bob"),
        at: Timestamp(NOON - 120_000),
        name: "Ocean".to_owned(),
    });
    screen.feed(requests([item]));
    screen.write("R");
    screen.sees("Ocean");
    screen.sees("invited by bob");
    screen.sees("2 min ago");
    assert!(screen.press(KeyCode::Enter).is_empty());
    screen.sees("Answer first");
    let answer = |accept| decide(Decision::Answer(cid("ocean"), accept));
    assert_eq!(screen.write("a"), answer(true));
    assert_eq!(screen.write("d"), answer(false));
}

#[test]
fn looking_at_a_request_tells_nobody_that_it_was_read() {
    let mut screen = Screen::new(90, 20);
    let mut item = request("ocean");
    item.unread = 1;
    screen.feed(requests([item]));
    screen.write("R");
    let opened = screen.press(KeyCode::Enter);
    assert!(
        opened.contains(&Action::Watch(Scope::channel(cid("ocean")))),
        "{opened:?}"
    );
    let mut first = message(1, "bob", "hello stranger");
    first.view.message.cid = cid("ocean");
    let scope = Scope::channel(cid("ocean"));
    let read = |action: &Action| matches!(action, Action::MarkRead(_));
    let shown = screen.show_in(scope.clone(), vec![first.clone()], OlderEdge::Start);
    assert!(!shown.iter().any(read), "{shown:?}");
    screen.sees("A request of bob: writing allows it");
    // It is allowed, here or on another device: it is an ordinary channel now.
    let decided = screen.feed(requests([]));
    assert!(!decided.iter().any(read), "{decided:?}");
    let allowed = ChannelItem {
        unread: 1,
        ..channel("ocean")
    };
    let shown = screen.feed(channels([allowed]));
    assert!(shown.iter().any(read), "{shown:?}");
    screen.sees_not("A request");
}

#[test]
fn somebody_is_blocked_or_muted_for_a_time_and_the_same_key_takes_it_back() {
    let mut screen = Screen::with(90, 20, vec![]);
    screen.app.update(Event::Tick(Timestamp(NOON)));
    screen.feed(people(&["ada", "bob"], MemberState::Active));
    screen.press(KeyCode::Esc);
    screen.write("w");
    assert!(screen.write("b").is_empty());
    screen.sees("That is you");
    screen.press(KeyCode::Down);
    assert!(screen.write("b").is_empty());
    screen.sees("Block bob");
    let hour = Some(Timestamp(NOON + 3_600_000));
    let person = |hold| decide(Decision::Person(user("bob"), hold));
    assert_eq!(screen.write("1"), person(Hold::Block(hour)));
    screen.write("w");
    screen.press(KeyCode::Down);
    screen.write("m");
    assert_eq!(screen.write("4"), person(Hold::Mute(None)));
    screen.write("w");
    screen.press(KeyCode::Down);
    screen.write("m");
    assert!(screen.write("x").is_empty());
    let contact = Contact {
        consent: ConsentState::Denied,
        denied_until: hour,
        muted: Some(Mute { until: None }),
        ..Contact::new(user("ada"), user("bob"))
    };
    screen.feed(Feed::Account(account(&[contact])));
    screen.write("w");
    screen.sees("blocked until 2026-11-24 13:00, muted");
    screen.press(KeyCode::Down);
    assert_eq!(screen.write("b"), person(Hold::Unblock));
    assert_eq!(screen.write("m"), person(Hold::Unmute));
    assert_eq!(screen.write("a"), person(Hold::Allow));
}

#[test]
fn what_somebody_blocked_wrote_is_not_shown() {
    let mut item = message(1, "bob", "a shout");
    item.hidden = true;
    let mut screen = Screen::with(90, 20, vec![item]);
    screen.sees("(of somebody you blocked)");
    screen.sees_not("a shout");
    let mut listed = channel("general");
    listed.last_message = Some(message(1, "bob", "a shout").view);
    listed.last_message_hidden = true;
    screen.feed(channels([listed]));
    screen.sees("(blocked)");
    screen.sees_not("a shout");
}

#[test]
fn who_is_asked_in_is_among_the_people_and_not_among_the_members() {
    let mut screen = Screen::with(90, 20, vec![]);
    screen.feed(people(&["eve"], MemberState::Invited));
    screen.sees_not("general: eve");
    screen.press(KeyCode::Esc);
    screen.write("w");
    screen.sees("eve");
    screen.sees("invited");
}

#[test]
fn a_setting_is_switched_to_the_opposite_of_what_it_is() {
    let mut screen = Screen::new(90, 20);
    screen.write("S");
    screen.sees("off Invisible");
    screen.sees("on  Read receipts");
    let settings = |change| decide(Decision::Settings(change));
    let invisible = SettingsChange {
        invisible: Some(true),
        ..SettingsChange::default()
    };
    assert_eq!(screen.press(KeyCode::Enter), settings(invisible));
    screen.press(KeyCode::Down);
    let read = SettingsChange {
        read_receipts: Some(false),
        ..SettingsChange::default()
    };
    assert_eq!(screen.write(" "), settings(read));
    let mut facts = account(&[]);
    facts.settings = Arc::new(Settings {
        invisible: true,
        ..Settings::new(user("ada"))
    });
    screen.feed(Feed::Account(facts));
    screen.sees("on  Invisible");
    screen.sees("invisible");
}
