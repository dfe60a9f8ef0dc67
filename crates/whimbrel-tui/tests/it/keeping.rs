//! How channels are kept, and which ones are listed.

use crate::support::{Screen, channel, channels, cid, user};
use crossterm::event::KeyCode;
use whimbrel::{
    ChannelItem,
    model::{Mute, Timestamp},
};
use whimbrel_tui::{Action, Event, Keep};

fn kept(change: impl FnOnce(&mut ChannelItem)) -> Screen {
    let mut screen = Screen::new(90, 20);
    let mut item = channel("general");
    change(&mut item);
    screen.feed(channels([item]));
    screen
}

fn keep(keep: Keep) -> Vec<Action> {
    vec![Action::Keep(cid("general"), keep)]
}

#[test]
fn a_letter_pins_archives_hides_and_mutes_the_selected_channel() {
    let mut screen = kept(|_| {});
    assert_eq!(screen.write("p"), keep(Keep::Pinned(true)));
    assert_eq!(screen.write("m"), keep(Keep::Muted(true)));
    assert_eq!(screen.write("a"), keep(Keep::Archived(true)));
    screen.sees("/archived:true lists it");
    assert_eq!(screen.write("h"), keep(Keep::Hidden(true)));
    screen.sees("/hidden:true lists it");
}

#[test]
fn the_same_letter_again_undoes_it() {
    let mut screen = kept(|item| {
        item.pinned_at = Some(Timestamp(1));
        item.archived = true;
        item.hidden = true;
        item.muted = Some(Mute { until: None });
    });
    screen.sees("^~#-");
    assert_eq!(screen.write("p"), keep(Keep::Pinned(false)));
    assert_eq!(screen.write("a"), keep(Keep::Archived(false)));
    assert_eq!(screen.write("h"), keep(Keep::Hidden(false)));
    assert_eq!(screen.write("m"), keep(Keep::Muted(false)));
}

#[test]
fn a_mute_that_is_over_is_none() {
    let mut screen = kept(|item| {
        item.muted = Some(Mute {
            until: Some(Timestamp(10_000)),
        });
    });
    screen.sees("~");
    screen.app.update(Event::Tick(Timestamp(10_000)));
    screen.sees_not("~");
    assert_eq!(screen.write("m"), keep(Keep::Muted(true)));
}

#[test]
fn a_query_that_cannot_be_read_yet_says_so_and_leaves_the_list() {
    let mut screen = Screen::new(90, 20);
    assert!(screen.write("/").is_empty());
    let typed: Vec<_> = screen.write("archived:true");
    let list = |typed: &str| Action::FilterChannels(typed.to_owned());
    assert_eq!(typed.last(), Some(&list("archived:true")));
    assert!(!typed.contains(&list("archived:t")));
    screen.press(KeyCode::Backspace);
    screen.sees("archived: takes true or false");
    screen.write("e colour:red");
    screen.sees("there is no colour:");
    screen.press(KeyCode::Enter);
    screen.sees("Channels /archived:tr");
}

#[test]
fn the_next_channel_is_selected_when_the_selected_one_leaves_the_list() {
    let mut screen = Screen::new(90, 20);
    screen.feed(channels(["a", "b", "c"].map(channel)));
    screen.press(KeyCode::Home);
    screen.press(KeyCode::Down);
    let archive = |id: &str| [Action::Keep(cid(id), Keep::Archived(true))];
    assert_eq!(screen.write("a"), archive("b"));
    screen.feed(channels(["a", "c"].map(channel)));
    assert_eq!(screen.write("a"), archive("c"));
    screen.feed(channels(["a"].map(channel)));
    assert_eq!(screen.write("a"), archive("a"));
}

#[test]
fn no_letter_of_the_channel_list_acts_on_a_channel_that_is_not_there() {
    let mut screen = Screen::new(90, 20);
    screen.feed(channels([]));
    assert!(screen.write("pahm").is_empty());
}

#[test]
fn a_mention_of_somebody_is_one_of_a_member() {
    let mut screen = Screen::with(90, 20, vec![]);
    screen.feed(whimbrel_tui::Feed::Members(cid("general"), vec![]));
    screen.write("@bob @channel @here, look");
    let actions = screen.press(KeyCode::Enter);
    let Some(Action::Send(_, message)) = actions.first() else {
        panic!("{actions:?}");
    };
    assert!(message.body.mentions.is_empty(), "bob is not in the channel");
    assert!(message.body.mention_channel && message.body.mention_here);
    let mut screen = Screen::with(90, 20, vec![]);
    screen.write("hello @bob.");
    let actions = screen.press(KeyCode::Enter);
    let Some(Action::Send(_, message)) = actions.first() else {
        panic!("{actions:?}");
    };
    assert_eq!(
        message.body.mentions,
        [user("bob")],
        "nobody knows the members yet"
    );
}
