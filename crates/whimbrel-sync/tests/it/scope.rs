//! Syncing by hand.

use crate::{
    frames::{
        asks_heads, channel, cid, cursor, event, failed, head, heads_page, me, membership, message, page,
        syncs,
    },
    world::World,
};
use whimbrel_model::{Channel, Code, ConsentState, Custom, MemberState, Row, StreamId, Timestamp};
use whimbrel_protocol::{Answer, ClientFrame, Question, ServerFrame, Sync};
use whimbrel_sync::{Effects, Input, Notice, Status, SyncError, SyncScope, SyncSummary};

type Outcome = Result<SyncSummary, SyncError>;

fn sync(world: &mut World, scope: SyncScope) -> (u64, Effects) {
    let (id, effects) = world.with_env(|engine, env| engine.sync(scope, env));
    (id, world.commit(effects))
}

fn follow(world: &mut World, on: bool) -> Effects {
    let effects = world.with_env(|engine, env| engine.set_following(on, env));
    world.commit(effects)
}

fn outcomes(effects: &Effects) -> Vec<(u64, Outcome)> {
    let outcomes = effects.notices.iter().filter_map(|notice| match notice {
        Notice::Synced(id, outcome) => Some((*id, outcome.clone())),
        _ => None,
    });
    outcomes.collect()
}

fn summary(eligible: usize, synced: usize) -> Outcome {
    Ok(SyncSummary { eligible, synced })
}

/// Returns the one request for a page of this stream.
fn pull(effects: &Effects, stream: &StreamId) -> Sync {
    let mut pulls = syncs(&effects.frames);
    pulls.retain(|ask| ask.stream == *stream);
    assert_eq!(pulls.len(), 1, "{:?}", effects.frames);
    pulls.remove(0)
}

fn answer(world: &mut World, ask: &Sync, ver: u64, seq: u64, rows: Vec<Row>) -> Effects {
    let from = ask.cursor.map_or(0, |cursor| cursor.ver);
    world.frame(ServerFrame::Page(page(ask, from, cursor(ver, seq), rows)))
}

/// Live, and in these channels.
fn in_channels(names: &[&str]) -> World {
    let mut world = World::live();
    for (at, name) in (0..).zip(names) {
        let row = membership(name, MemberState::Active, at + 1);
        let effects = world.frame(event(me(), at, at + 1, 0, vec![row]));
        let ask = pull(&effects, &channel(name));
        drop(answer(&mut world, &ask, 1, 1, vec![message(name, 1, 1)]));
    }
    assert_eq!(world.engine.status(), Status::Live);
    world
}

/// The same, disconnected and not following.
fn by_hand(names: &[&str]) -> World {
    let mut world = in_channels(names);
    drop(world.input(Input::GoOffline));
    drop(follow(&mut world, false));
    world
}

#[test]
fn a_channel_is_pulled_at_once_with_the_own_stream_whatever_is_known_of_it() {
    let mut world = in_channels(&["general"]);
    let (id, effects) = sync(&mut world, SyncScope::Channel(cid("general")));
    assert_eq!(asks_heads(&effects.frames).len(), 0);
    let (own, general) = (pull(&effects, &me()), pull(&effects, &channel("general")));
    let effects = answer(&mut world, &general, 2, 2, vec![message("general", 2, 2)]);
    assert!(outcomes(&effects).is_empty(), "the own stream is part of it");
    let effects = answer(&mut world, &own, 1, 0, Vec::new());
    assert_eq!(outcomes(&effects), [(id, summary(1, 1))]);
    assert_eq!(world.cursor(&channel("general")), Some((2, 2)));
}

#[test]
fn a_page_that_was_asked_for_before_is_not_enough() {
    let mut world = in_channels(&["general"]);
    let effects = world.frame(event(channel("general"), 7, 8, 4, Vec::new()));
    let early = pull(&effects, &channel("general"));
    let (id, effects) = sync(&mut world, SyncScope::Channel(cid("general")));
    let own = pull(&effects, &me());
    drop(answer(&mut world, &own, 1, 0, Vec::new()));
    let effects = answer(&mut world, &early, 8, 4, Vec::new());
    assert!(outcomes(&effects).is_empty());
    let late = pull(&effects, &channel("general"));
    let effects = answer(&mut world, &late, 9, 5, vec![message("general", 5, 9)]);
    assert_eq!(outcomes(&effects), [(id, summary(1, 1))]);
}

#[test]
fn a_connection_for_one_channel_brings_no_other() {
    let mut world = by_hand(&["general", "random"]);
    drop(world.greet());
    let (id, effects) = sync(&mut world, SyncScope::Channel(cid("general")));
    assert!(effects.frames.is_empty(), "there is no connection yet");
    let effects = world.frame(crate::frames::ready());
    assert_eq!(
        asks_heads(&effects.frames).len(),
        0,
        "nobody wants to know what moved"
    );
    let (own, general) = (pull(&effects, &me()), pull(&effects, &channel("general")));
    // The server does not know that only one is wanted.
    let moved = world.frame(event(channel("random"), 1, 2, 2, vec![message("random", 2, 2)]));
    assert_eq!((moved.delta.rows().count(), syncs(&moved.frames).len()), (0, 0));
    drop(answer(&mut world, &own, 2, 0, Vec::new()));
    assert_ne!(world.engine.status(), Status::Live, "not everything is here");
    let effects = answer(&mut world, &general, 3, 1, Vec::new());
    assert_eq!(outcomes(&effects), [(id, summary(1, 1))]);
    assert_eq!(
        world.engine.synced_at(),
        Some(Timestamp(0)),
        "of the connection before"
    );
    assert!(!world.engine.is_up_to_date(&cid("random")));
    // Whoever follows again is told what moved.
    let effects = follow(&mut world, true);
    assert_eq!(asks_heads(&effects.frames).len(), 1);
    drop(pull(&effects, &channel("random")));
}

#[test]
fn what_is_synced_by_consent_is_counted() {
    let mut world = by_hand(&["general", "random", "quiet", "no"]);
    drop(world.greet());
    let (id, _) = sync(&mut world, SyncScope::Channels([ConsentState::Unknown].into()));
    let effects = world.frame(crate::frames::ready());
    let heads = asks_heads(&effects.frames).remove(0);
    let own = pull(&effects, &me());
    // One of them was denied meanwhile.
    let Row::Membership(denied) = membership("no", MemberState::Active, 5) else {
        unreachable!("it is a membership")
    };
    let denied = Row::Membership(whimbrel_model::Membership {
        consent: ConsentState::Denied,
        ..denied
    });
    drop(answer(&mut world, &own, 5, 0, vec![denied]));
    let moved = ["general", "random", "no"].map(|name| (channel(name), head(4, 1)));
    let effects = world.frame(heads_page(heads.id, "9", false, moved.to_vec()));
    let (general, random) = (
        pull(&effects, &channel("general")),
        pull(&effects, &channel("random")),
    );
    assert_eq!(syncs(&effects.frames).len(), 2, "what is denied is not wanted");
    drop(answer(&mut world, &general, 4, 1, Vec::new()));
    let effects = world.frame(failed(random.id, Code::NotMember, None));
    assert_eq!(
        outcomes(&effects),
        [(id, summary(3, 1))],
        "one of three was up to date, and one was taken away"
    );
}

#[test]
fn new_channels_come_with_their_names_and_without_messages() {
    let mut world = by_hand(&["general"]);
    drop(world.greet());
    let (id, _) = sync(&mut world, SyncScope::NewChannels);
    let effects = world.frame(crate::frames::ready());
    let own = pull(&effects, &me());
    let rows = (2..=41).map(|ver| membership(&format!("new-{ver}"), MemberState::Active, ver));
    let effects = answer(&mut world, &own, 41, 0, rows.collect());
    assert_eq!(syncs(&effects.frames).len(), 0);
    let mut effects = effects;
    let mut asked = 0;
    for _ in 0..2 {
        let [ClientFrame::Ask(ask)] = &effects.frames[..] else {
            panic!("rows are asked for: {:?}", effects.frames)
        };
        let Question::Channels(find) = &ask.question else {
            panic!("channels are asked for")
        };
        let cids = find.filter.0["cid"]["$in"]
            .as_array()
            .expect("a list of channels");
        asked += cids.len();
        let name = |cid: &serde_json::Value| cid.as_str().expect("a cid").replace("messaging:", "");
        let rows = cids.iter().map(|cid| named(&name(cid))).collect();
        let answer = ServerFrame::Answer(Answer {
            id: ask.id,
            rows,
            ..Answer::default()
        });
        assert!(outcomes(&effects).is_empty());
        effects = world.frame(answer);
    }
    assert_eq!((asked, outcomes(&effects)), (40, vec![(id, summary(40, 40))]));
    assert_eq!(
        world.cursor(&channel("new-2")),
        None,
        "all of it comes once it is followed"
    );
    let names = world
        .disk
        .rows
        .values()
        .filter(|row| matches!(row, Row::Channel(_)));
    assert_eq!(names.count(), 40);
}

fn named(channel: &str) -> Row {
    Row::Channel(Channel {
        cid: cid(channel),
        name: "A name".to_owned(),
        image: String::new(),
        custom: Custom::default(),
        created_by: crate::frames::user("bob"),
        created_at: Timestamp(1),
        updated_at: Timestamp(1),
        ver: 1,
    })
}

#[test]
fn without_a_connection_it_says_so_at_once_and_when_one_breaks_too() {
    let mut world = by_hand(&["general"]);
    let (id, effects) = sync(&mut world, SyncScope::Own);
    let [(told, Err(SyncError::NotConnected(_)))] = &outcomes(&effects)[..] else {
        panic!("{:?}", effects.notices)
    };
    assert_eq!(*told, id);
    drop(world.greet());
    let (id, _) = sync(&mut world, SyncScope::Own);
    let broken = world.input(Input::Closed {
        code: Code::ServerStopping,
    });
    let error = SyncError::NotConnected(Code::ServerStopping);
    assert_eq!(outcomes(&broken), [(id, Err(error))]);
}

#[test]
fn a_channel_that_is_not_for_the_account_is_said_so() {
    let mut world = in_channels(&[]);
    let (id, effects) = sync(&mut world, SyncScope::Channel(cid("secret")));
    let (own, secret) = (pull(&effects, &me()), pull(&effects, &channel("secret")));
    drop(world.frame(failed(secret.id, Code::ChannelNotFound, None)));
    let effects = answer(&mut world, &own, 1, 0, Vec::new());
    let [(told, Err(error))] = &outcomes(&effects)[..] else {
        panic!("{:?}", effects.notices)
    };
    assert_eq!(
        (*told, error.code(), error.is_retryable()),
        (id, "channel_not_found", false)
    );
}

#[test]
fn one_that_is_given_up_leaves_nothing_wanted() {
    let mut world = by_hand(&["general"]);
    drop(world.greet());
    let (id, _) = sync(&mut world, SyncScope::Channel(cid("general")));
    world.engine.end_sync(id);
    let effects = world.frame(crate::frames::ready());
    assert_eq!(syncs(&effects.frames).len(), 0, "{:?}", effects.frames);
    // Two at a time do not disturb each other.
    let (first, effects) = sync(&mut world, SyncScope::Channel(cid("general")));
    let (own, general) = (pull(&effects, &me()), pull(&effects, &channel("general")));
    let (second, effects) = sync(&mut world, SyncScope::Own);
    assert_eq!(syncs(&effects.frames).len(), 0, "one page of a stream at a time");
    world.engine.end_sync(first);
    drop(answer(&mut world, &general, 3, 1, Vec::new()));
    let effects = answer(&mut world, &own, 1, 0, Vec::new());
    assert!(outcomes(&effects).is_empty(), "it was asked for before");
    let own = pull(&effects, &me());
    let effects = answer(&mut world, &own, 1, 0, Vec::new());
    assert_eq!(outcomes(&effects), [(second, summary(0, 0))]);
}

#[test]
fn what_somebody_waits_for_comes_before_what_is_on_the_screen() {
    let mut world = in_channels(&["general", "random", "seen"]);
    drop(world.input(Input::GoOffline));
    world.engine.set_visible(&cid("seen"), true);
    drop(world.greet());
    let (_, _) = sync(&mut world, SyncScope::Channel(cid("random")));
    let effects = world.frame(crate::frames::ready());
    let heads = asks_heads(&effects.frames).remove(0);
    let first: Vec<StreamId> = syncs(&effects.frames).into_iter().map(|ask| ask.stream).collect();
    assert_eq!(first, [channel("random"), me()]);
    let moved = ["general", "random", "seen"].map(|name| (channel(name), head(4, 1)));
    let effects = world.frame(heads_page(heads.id, "9", false, moved.to_vec()));
    let then: Vec<StreamId> = syncs(&effects.frames).into_iter().map(|ask| ask.stream).collect();
    assert_eq!(then, [channel("seen"), channel("general")]);
}

#[test]
fn a_connection_for_one_channel_stays_until_what_was_sent_on_it_is_answered() {
    let mut world = by_hand(&["general"]);
    let (op, _) = world.queue(crate::frames::send("general", 7));
    drop(world.greet());
    let (id, _) = sync(&mut world, SyncScope::Channel(cid("general")));
    let effects = world.frame(crate::frames::ready());
    assert_eq!(crate::frames::op_ids(&effects.frames), [op]);
    let (own, general) = (pull(&effects, &me()), pull(&effects, &channel("general")));
    drop(answer(&mut world, &own, 1, 0, Vec::new()));
    let effects = answer(&mut world, &general, 1, 1, Vec::new());
    assert!(outcomes(&effects).is_empty(), "it would have to be sent again");
    let effects = world.frame(crate::frames::accepted(op, Vec::new()));
    assert_eq!(outcomes(&effects), [(id, summary(1, 1))]);
}
