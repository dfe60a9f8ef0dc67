//! What asks: deleting, reacting, a new channel, the outbox, the help.

use crate::support::{Screen, channel, cid, id, message, user};
use crossterm::event::KeyCode;
use std::sync::Arc;
use whimbrel::{
    ChannelItem, Items, NewChannel, OlderEdge, OutboxSummary,
    model::{
        Code, MessageBody, MessageKind, Op, OpId, OutboxItem, OutboxStatus, ReactionType, Rejection, Role,
        Timestamp, overlay::ReactionGroup,
    },
};
use whimbrel_tui::{Action, Feed};

fn selected(author: &str) -> Screen {
    let mut screen = Screen::with(90, 24, vec![message(1, author, "hello")]);
    screen.press(KeyCode::Up);
    screen
}

#[test]
fn a_deletion_asks_first() {
    let mut screen = selected("ada");
    screen.write("d");
    screen.sees("Delete for everyone?");
    assert!(screen.write("n").is_empty());
    screen.sees_not("Delete for everyone?");
    screen.write("d");
    assert_eq!(screen.write("y"), [Action::Delete(cid("general"), id(1))]);
}

#[test]
fn only_an_owner_deletes_what_others_wrote() {
    let mut screen = selected("bob");
    screen.write("d");
    screen.sees("Only the author or an owner");
    let item = ChannelItem {
        role: Role::Owner,
        ..channel("general")
    };
    let items = Items::from_iter([Arc::new(item)]);
    screen.feed(Feed::Channels {
        items,
        has_more: false,
    });
    screen.write("d");
    screen.sees("Delete for everyone?");
}

#[test]
fn the_same_reaction_again_takes_it_back() {
    let mut screen = selected("bob");
    screen.write("r");
    let react = |kind: &str| Action::React(cid("general"), id(1), kind.to_owned());
    assert_eq!(screen.write("1"), [react("👍")]);
    screen.write("r");
    screen.write("wow");
    assert_eq!(screen.press(KeyCode::Enter), [react("wow")]);
    let mut item = message(1, "bob", "hello");
    item.reactions.push(ReactionGroup {
        kind: ReactionType::new("wow").unwrap(),
        count: 1,
        mine: true,
    });
    screen.show(vec![item], OlderEdge::Start);
    screen.write("rwow");
    let back = Action::Unreact(cid("general"), id(1), "wow".to_owned());
    assert_eq!(screen.press(KeyCode::Enter), [back]);
    screen.write("rtwo words");
    assert!(screen.press(KeyCode::Enter).is_empty());
    screen.sees("must not contain");
}

#[test]
fn a_new_channel_is_made_and_opened() {
    let mut screen = Screen::new(90, 24);
    screen.write("n");
    screen.write("te am");
    screen.press(KeyCode::Enter);
    screen.write("The Team");
    screen.press(KeyCode::Tab);
    screen.write("bob, eve");
    assert!(screen.press(KeyCode::Enter).is_empty());
    screen.sees("cid must not contain ' '");
    screen.press(KeyCode::Tab);
    (0..3).for_each(|_| drop(screen.press(KeyCode::Backspace)));
    (0..2).for_each(|_| drop(screen.press(KeyCode::Tab)));
    let actions = screen.press(KeyCode::Enter);
    let new = NewChannel {
        name: "The Team".to_owned(),
        members: vec![user("bob"), user("eve")],
        ..NewChannel::default()
    };
    assert_eq!(actions[0], Action::Create(cid("te"), new));
    assert!(matches!(&actions[1], Action::Watch(scope) if scope.cid == cid("te")));
}

#[test]
fn the_outbox_tells_why_and_offers_both_ways_out() {
    let mut screen = Screen::new(90, 24);
    let op = |number: u64| -> OpId { id(number).to_string().parse().unwrap() };
    let item = |number: u64, status| OutboxItem {
        pos: number,
        id: op(number),
        op: Op::SendMessage {
            cid: cid("general"),
            id: id(number),
            body: MessageBody::text(format!("text {number}")),
            parent: None,
            show_in_channel: false,
            quoted: None,
            kind: MessageKind::Regular,
            silent: false,
        },
        user: user("ada"),
        composed_at: Timestamp(0),
        attempted: false,
        failures: 0,
        last_error: None,
        status,
    };
    let rejection = Rejection {
        code: Code::NotMember,
        message: "ada is not a member".to_owned(),
        parent: None,
    };
    let items = [
        item(1, OutboxStatus::Rejected(rejection)),
        item(2, OutboxStatus::Queued),
    ];
    screen.feed(Feed::Outbox {
        summary: OutboxSummary {
            queued: 1,
            rejected: 1,
            ..OutboxSummary::default()
        },
        items: items.into_iter().map(Arc::new).collect(),
    });
    screen.write("x");
    screen.sees("message in general: text 1");
    screen.sees("rejected: ada is not a member");
    screen.sees("waits for the connection");
    assert_eq!(screen.write("R"), [Action::Retry(op(1))]);
    screen.press(KeyCode::Down);
    assert_eq!(screen.write("D"), [Action::Discard(op(2))]);
    screen.feed(Feed::Outbox {
        summary: OutboxSummary::default(),
        items: Items::new(),
    });
    screen.sees("Nothing waits");
    assert!(screen.write("R").is_empty());
    screen.press(KeyCode::Esc);
    screen.sees_not("Nothing waits");
}

#[test]
fn the_help_goes_with_any_key() {
    let mut screen = Screen::new(90, 24);
    screen.write("?");
    screen.sees("Ctrl-C, Ctrl-Q");
    assert!(screen.write("o").is_empty());
    screen.sees_not("Ctrl-C, Ctrl-Q");
}

#[test]
fn a_message_is_explained_on_demand() {
    let mut screen = selected("ada");
    assert_eq!(screen.write("i"), [Action::Explain(id(1))]);
    screen.feed(Feed::Explained(
        "it was sent and has no answer yet \u{1b}[2J".to_owned(),
    ));
    screen.sees("it was sent and has no answer yet");
    screen.press(KeyCode::Esc);
    screen.sees_not("it was sent and has no answer yet");
}

#[test]
fn the_channel_list_follows_the_word_that_is_typed() {
    let mut screen = Screen::new(90, 24);
    let word = |word: &str| Action::FilterChannels(word.to_owned());
    assert!(screen.write("/").is_empty());
    screen.sees("Find channels");
    assert_eq!(screen.write("ra"), [word("r"), word("ra")]);
    screen.feed(Feed::Channels {
        items: Items::from_iter([Arc::new(channel("random"))]),
        has_more: true,
    });
    assert!(screen.press(KeyCode::Enter).is_empty());
    screen.sees_not("Find channels");
    screen.sees("Channels /ra");
    screen.sees_not("general");
    assert_eq!(
        screen.press(KeyCode::Down),
        [Action::MoreChannels("ra".to_owned())],
        "more of what was found"
    );
    screen.write("/");
    assert_eq!(screen.write("x"), [word("rax")]);
    screen.feed(Feed::Channels {
        items: Items::new(),
        has_more: false,
    });
    screen.sees("None is like that.");
    assert_eq!(screen.press(KeyCode::Esc), [word("")]);
    screen.sees_not("Channels /");
}

#[test]
fn an_open_channel_keeps_its_name_while_the_list_does_not_have_it() {
    let named = ChannelItem {
        name: "The General".to_owned(),
        ..channel("general")
    };
    let mut screen = Screen::with(90, 24, vec![message(1, "bob", "hello")]);
    screen.feed(Feed::Channels {
        items: Items::from_iter([Arc::new(named)]),
        has_more: false,
    });
    screen.feed(Feed::Channels {
        items: Items::new(),
        has_more: false,
    });
    screen.sees("The General");
}
