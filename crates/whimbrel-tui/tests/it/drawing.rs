//! How everything looks.

use crate::support::{Screen, channel, cid, general, id, message, user};
use crossterm::event::KeyCode;
use std::sync::Arc;
use whimbrel::{
    ChannelItem, OlderEdge, OutboxSummary, SyncState, TimelineItem, UnreadTotals,
    model::{
        Code, Member, MemberState, ReactionType, Rejection, Role, Timestamp, User,
        overlay::{MessageStatus, ReactionGroup},
    },
};
use whimbrel_tui::{Event, Feed};

fn with(change: impl FnOnce(&mut TimelineItem)) -> Screen {
    let mut item = message(1, "ada", "hello");
    change(&mut item);
    Screen::with(80, 20, vec![item])
}

#[test]
fn each_state_of_a_message_has_its_mark() {
    with(|_| {}).sees("12:01 ✓  hello ");
    with(|item| item.view.status = MessageStatus::Pending).sees("12:01 ○  hello");
    with(|item| item.view.change_pending = true).sees("12:01 ○  hello");
    with(|item| item.view.message.edited_at = Some(Timestamp(1))).sees("12:01 ✓  hello ✎");
    with(|item| item.view.message.author = user("bob")).sees("12:01    hello");
    with(|item| item.view.message.deleted_at = Some(Timestamp(1))).sees("(deleted)");
    let failed = with(|item| {
        item.view.status = MessageStatus::Failed(Rejection {
            code: Code::NotMember,
            message: "ada is not a member".to_owned(),
            parent: None,
        });
    });
    failed.sees("12:01 !  hello");
    failed.sees("not accepted: ada is not a member");
}

#[test]
fn reactions_and_replies_stand_below() {
    let group = |kind: &str, count, mine| ReactionGroup {
        kind: ReactionType::new(kind).unwrap(),
        count,
        mine,
    };
    let screen = with(|item| {
        item.reactions = vec![group("👍", 2, true), group("wow", 1, false)];
        item.replies = 3;
    });
    screen.sees("👍 2*  wow 1");
    screen.sees("↳ 3 replies");
}

#[test]
fn a_gap_and_a_new_day_are_told() {
    let mut second = message(2, "ada", "after");
    second.gap_before = true;
    let next_day = message(2_000, "ada", "later");
    let screen = Screen::with(80, 20, vec![message(1, "ada", "before"), second, next_day]);
    let lines = screen.lines();
    let row = |what: &str| lines.iter().position(|line| line.contains(what)).unwrap();
    assert!(row("before") < row("─── messages missing ───"));
    assert!(row("messages missing") < row("after"));
    assert!(row("2026-11-24") < row("before") && row("2026-11-25") > row("after"));
}

#[test]
fn what_lies_before_the_first_row_is_told() {
    let mut screen = Screen::with(80, 20, vec![message(1, "ada", "hello")]);
    screen.sees_not("older messages");
    screen.show(vec![message(1, "ada", "hello")], OlderEdge::OnServer);
    screen.sees("older messages are on the server: PgUp");
    screen.show(vec![message(1, "ada", "hello")], OlderEdge::OnDisk);
    screen.sees("older messages: PgUp");
}

#[test]
fn consecutive_messages_of_a_person_share_a_name() {
    let items = vec![
        message(1, "bob", "one"),
        message(2, "bob", "two"),
        message(3, "ada", "three"),
    ];
    let screen = Screen::with(80, 20, items);
    let names = screen
        .lines()
        .iter()
        .filter(|line| line.contains("││ bob "))
        .count();
    assert_eq!(names, 1, "{}", screen.text());
}

#[test]
fn a_quote_stands_above_even_if_the_quoted_is_elsewhere() {
    let mut quoting = message(2, "ada", "yes");
    quoting.view.message.quoted = Some(id(1));
    let screen = Screen::with(80, 20, vec![message(1, "bob", "really?"), quoting.clone()]);
    screen.sees("│ bob: really?");
    let mut screen = Screen::with(80, 20, vec![quoting]);
    screen.sees("(a message that is not here)");
    let stored = message(1, "bob", "really?").view.message;
    screen.feed(Feed::Message(id(1), Some(Box::new(stored))));
    screen.sees("│ bob: really?");
}

#[test]
fn the_list_says_how_much_is_unread_and_what_is_not_known() {
    let mut screen = Screen::new(80, 20);
    let totals = |messages, unknown| UnreadTotals {
        messages,
        channels: 1,
        unknown,
        ..UnreadTotals::default()
    };
    let all = UnreadTotals {
        mentions: 2,
        threads: 3,
        muted: 5,
        ..totals(7, 0)
    };
    for (totals, title) in [
        (totals(7, 0), "(o)  7 unread  ?"),
        (totals(7, 90), "(o)  7+ unread  ?"),
        (totals(0, 90), "(o)  0+ unread  ?"),
        (totals(0, 0), "(o)  ? help"),
        (all, "(o)  7 unread @2 ↳3 5 muted  ?"),
    ] {
        screen.feed(Feed::Unread(totals));
        screen.sees(title);
    }
    for (unread, unread_unknown, mentions, badge) in [
        (7, 1, 0, "(7+)"),
        (0, 1, 0, "(?)"),
        (120, 0, 0, "(99+)"),
        (3, 0, 1, "(3 @1)"),
        (120, 2, 4, "(99+ @4)"),
    ] {
        let item = ChannelItem {
            unread,
            unread_unknown,
            mentions,
            ..channel("general")
        };
        screen.feed(Feed::Channels {
            items: [Arc::new(item)].into_iter().collect(),
            has_more: false,
        });
        screen.sees(badge);
    }
}

#[test]
fn the_channel_list_shows_unread_pending_and_the_last_message() {
    let mut screen = Screen::new(80, 20);
    let last = message(1, "bob", "see you\nthere").view;
    let item = ChannelItem {
        name: "Everyone".to_owned(),
        unread: 7,
        pending: 1,
        last_message: Some(last),
        ..channel("general")
    };
    let items = [item, channel("random")].into_iter().map(Arc::new).collect();
    screen.feed(Feed::Channels {
        items,
        has_more: false,
    });
    let lines = screen.lines();
    assert!(
        lines[1].contains("Everyone") && lines[1].contains("○(7)"),
        "{}",
        screen.text()
    );
    assert!(lines[2].contains("bob: see you there"), "{}", screen.text());
    screen.sees("random");
}

#[test]
fn names_come_from_profiles_and_members() {
    let mut screen = Screen::with(80, 20, vec![message(1, "bob", "hi")]);
    let user_row = User {
        id: user("bob"),
        name: "Bob B.".to_owned(),
        image: String::new(),
        custom: Default::default(),
        ver: 1,
    };
    screen.feed(Feed::Users(vec![user_row]));
    let member = |name: &str, state| Member {
        cid: cid("general"),
        user: user(name),
        role: Role::Member,
        state,
        joined_at: Timestamp(0),
        ver: 1,
    };
    let members = vec![
        member("ada", MemberState::Active),
        member("bob", MemberState::Active),
        member("eve", MemberState::Gone),
    ];
    screen.feed(Feed::Members(cid("general"), members));
    screen.sees(" general: ada, Bob B. ");
}

#[test]
fn the_status_line_tells_the_connection_and_the_outbox() {
    let mut screen = Screen::new(100, 20);
    screen.sees("offline by choice");
    for (state, shown) in [
        (SyncState::Connecting, "connecting"),
        (SyncState::CatchingUp { behind: 3 }, "catching up 3"),
        (SyncState::Live, " live"),
    ] {
        screen.feed(Feed::Sync(state));
        screen.sees(shown);
    }
    screen.feed(Feed::Sync(SyncState::BackingOff {
        retry_in_ms: 3_500,
        reason: "refused".to_owned(),
    }));
    screen.sees("waiting 4s: refused");
    screen.app.update(Event::Tick(Timestamp(0)));
    screen.sees("waiting 3s: refused");
    let summary = OutboxSummary {
        queued: 2,
        rejected: 1,
        ..OutboxSummary::default()
    };
    screen.feed(Feed::Outbox {
        summary,
        items: Default::default(),
    });
    screen.sees("2 queued  1 rejected (x)");
    screen.sees("did not accept");
    (0..10).for_each(|_| drop(screen.app.update(Event::Tick(Timestamp(0)))));
    screen.sees_not("did not accept");
}

#[test]
fn a_thread_has_its_message_on_top() {
    let mut screen = Screen::with(80, 20, vec![message(1, "bob", "a question")]);
    screen.press(KeyCode::Up);
    screen.write("t");
    screen.sees("Thread in general");
    screen.sees("a question");
    screen.sees("no replies yet");
    let scope = whimbrel_tui::Scope::thread(cid("general"), id(1));
    screen.show_in(scope, vec![message(2, "ada", "an answer")], OlderEdge::Start);
    screen.sees("─── 1 reply ───");
    screen.sees("an answer");
    // The message on top follows the channel.
    screen.show_in(
        general(),
        vec![message(1, "bob", "a better question")],
        OlderEdge::Start,
    );
    screen.sees("a better question");
    screen.press(KeyCode::Esc);
    screen.sees_not("an answer");
}
