//! What is written and not sent.

use crate::support::{Screen, cid, general, message};
use crossterm::event::KeyCode;
use whimbrel::model::{DeviceId, DraftContent, DraftSeen, MessageId, Timestamp};
use whimbrel_tui::{Action, Event, Feed, Scope, ShownDraft};

fn device(number: u64) -> DeviceId {
    format!("01900000-0000-7000-8000-{number:012x}").parse().unwrap()
}

fn own(text: &str) -> ShownDraft {
    ShownDraft {
        scope: general(),
        content: DraftContent::text(text),
        seen: None,
        beside: Vec::new(),
    }
}

fn seen(number: u64) -> DraftSeen {
    DraftSeen {
        device: device(number),
        ver: number,
    }
}

fn of_another(number: u64, text: &str) -> ShownDraft {
    ShownDraft {
        seen: Some(seen(number)),
        ..own(text)
    }
}

fn screen() -> Screen {
    Screen::with(110, 20, vec![message(1, "bob", "hello")])
}

fn save(text: &str, replaces: Vec<DraftSeen>) -> Action {
    Action::SaveDraft(general(), Some(DraftContent::text(text)), replaces)
}

fn tick(screen: &mut Screen) -> Vec<Action> {
    screen.app.update(Event::Tick(Timestamp(0)))
}

#[test]
fn a_pause_saves_and_typing_does_not() {
    let mut screen = screen();
    assert!(tick(&mut screen).is_empty());
    assert!(tick(&mut screen).is_empty(), "nothing is written");
    screen.write("so fa");
    assert!(tick(&mut screen).is_empty());
    screen.write("r");
    assert!(tick(&mut screen).is_empty());
    assert_eq!(tick(&mut screen), [save("so far", vec![])]);
    assert!(tick(&mut screen).is_empty(), "it is saved");
}

#[test]
fn leaving_and_quitting_save() {
    let mut screen = screen();
    screen.write("so far");
    assert_eq!(screen.control('c'), [save("so far", vec![]), Action::Quit]);
    screen.write("!");
    let stop = screen.app.update(Event::Stop);
    assert_eq!(stop, [save("so far!", vec![]), Action::Quit]);
    screen.write("?");
    screen.press(KeyCode::Tab);
    screen.press(KeyCode::Down);
    let actions = screen.press(KeyCode::Enter);
    assert_eq!(actions[0], save("so far!?", vec![]));
}

#[test]
fn a_draft_is_in_the_line_when_its_channel_or_thread_is_opened() {
    let mut screen = Screen::new(110, 20);
    let id: MessageId = crate::support::id(1);
    let thread = ShownDraft {
        scope: Scope::thread(cid("general"), id),
        ..own("in the thread")
    };
    screen.feed(Feed::Drafts(vec![own("in the channel"), thread]));
    screen.sees("✎ in the channel");
    screen.press(KeyCode::Enter);
    screen.sees("> in the channel");
    screen.show(vec![message(1, "bob", "hello")], whimbrel::OlderEdge::Start);
    screen.press(KeyCode::Up);
    assert_eq!(
        screen.write("t").len(),
        1,
        "nothing was changed, and nothing is saved"
    );
    screen.sees("> in the thread");
}

#[test]
fn what_was_typed_wins_over_older_news_of_it() {
    let mut screen = screen();
    screen.write("ab");
    tick(&mut screen);
    tick(&mut screen);
    screen.write("c");
    tick(&mut screen);
    assert_eq!(tick(&mut screen), [save("abc", vec![])]);
    screen.feed(Feed::Drafts(vec![own("ab")]));
    screen.sees("> abc");
    screen.press(KeyCode::Esc);
    screen.press(KeyCode::Down);
    screen.press(KeyCode::Enter);
    screen.feed(Feed::Drafts(vec![own("ab")]));
    screen.press(KeyCode::Esc);
    screen.press(KeyCode::Up);
    screen.press(KeyCode::Enter);
    screen.sees("> abc");
    screen.feed(Feed::Drafts(vec![own("abc")]));
    screen.feed(Feed::Drafts(vec![of_another(2, "abc, from there")]));
    screen.sees("> abc, from there");
}

#[test]
fn what_another_device_wrote_is_gone_on_with() {
    let mut screen = screen();
    screen.feed(Feed::Drafts(vec![of_another(2, "begun there")]));
    screen.sees("> begun there");
    screen.write(", ended here");
    tick(&mut screen);
    assert_eq!(
        tick(&mut screen),
        [save("begun there, ended here", vec![seen(2)])]
    );
    let actions = screen.press(KeyCode::Enter);
    assert!(matches!(&actions[0], Action::Send(..)));
    assert_eq!(actions[1], Action::SaveDraft(general(), None, vec![seen(2)]));
}

#[test]
fn what_another_device_wrote_meanwhile_stands_beside_and_can_be_taken() {
    let mut screen = screen();
    screen.write("here");
    tick(&mut screen);
    tick(&mut screen);
    screen.feed(Feed::Drafts(vec![own("here")]));
    let both = ShownDraft {
        beside: vec![(DraftContent::text("there"), seen(2))],
        ..own("here")
    };
    screen.feed(Feed::Drafts(vec![both]));
    screen.sees("> here");
    screen.sees("another device wrote \"there\" (Ctrl-D takes it)");
    screen.control('d');
    screen.sees("> here↵there");
    screen.sees_not("another device");
    tick(&mut screen);
    assert_eq!(tick(&mut screen), [save("here\nthere", vec![seen(2)])]);
    screen.control('d');
    screen.sees("No other device has a draft here");
}

#[test]
fn a_line_that_was_emptied_gives_its_draft_up() {
    let mut screen = screen();
    screen.feed(Feed::Drafts(vec![own("x")]));
    screen.press(KeyCode::Backspace);
    tick(&mut screen);
    assert_eq!(tick(&mut screen), [Action::SaveDraft(general(), None, vec![])]);
    screen.feed(Feed::Drafts(vec![own("x")]));
    screen.sees_not("> x");
    screen.feed(Feed::Drafts(vec![]));
    screen.feed(Feed::Drafts(vec![of_another(2, "y")]));
    screen.sees("> y");
}

#[test]
fn a_quote_and_silence_are_part_of_a_draft() {
    let mut screen = screen();
    screen.press(KeyCode::Up);
    screen.write("qyes");
    screen.control('s');
    tick(&mut screen);
    let content = DraftContent {
        quoted: Some(crate::support::id(1)),
        silent: true,
        ..DraftContent::text("yes")
    };
    assert_eq!(
        tick(&mut screen),
        [Action::SaveDraft(general(), Some(content.clone()), vec![])]
    );
    let mut screen = Screen::new(110, 20);
    screen.feed(Feed::Drafts(vec![ShownDraft { content, ..own("") }]));
    screen.press(KeyCode::Enter);
    screen.show(vec![message(1, "bob", "hello")], whimbrel::OlderEdge::Start);
    screen.sees("Quote of bob (Esc cancels), silent");
}

#[test]
fn an_edit_is_no_draft() {
    let mut screen = Screen::with(110, 20, vec![message(1, "ada", "mine")]);
    screen.press(KeyCode::Up);
    screen.write("e!");
    tick(&mut screen);
    assert!(tick(&mut screen).is_empty());
    screen.feed(Feed::Drafts(vec![of_another(2, "there")]));
    screen.sees("✎ mine!");
    assert_eq!(screen.control('c'), [Action::Quit]);
}
