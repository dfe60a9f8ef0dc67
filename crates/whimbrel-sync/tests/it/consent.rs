//! What may not reach the account is not followed.

use crate::{
    disk::Disk,
    frames::{
        accepted, asks_heads, channel, cid, cursor, event, head, heads_page, me, membership, message, page,
        rejected, send, syncs, user,
    },
    world::World,
};
use std::collections::BTreeSet;
use whimbrel_model::{
    AccountRow, ChannelId, Code, ConsentState, Contact, ContactChange, MemberState, Membership,
    MembershipChange, Op, Row, SetConsent, Timestamp,
};
use whimbrel_protocol::{ClientFrame, ServerFrame, Token, Watch};
use whimbrel_sync::{Effects, EngineConfig, Entropy as _, Input, Status, SyncScope};

fn watching(effects: &Effects) -> Vec<(bool, BTreeSet<ChannelId>)> {
    let frames = effects.frames.iter().filter_map(|frame| match frame {
        ClientFrame::Watch(Watch { cids, on }) => Some((*on, cids.iter().cloned().collect())),
        _ => None,
    });
    frames.collect()
}

fn watched(on: bool, names: &[&str]) -> (bool, BTreeSet<ChannelId>) {
    (on, names.iter().map(|name| cid(name)).collect())
}

fn mine(name: &str, consent: ConsentState, ver: u64) -> Row {
    let Row::Membership(row) = membership(name, MemberState::Active, ver) else {
        unreachable!("it is a membership")
    };
    Row::Membership(Membership {
        consent,
        added_by: Some(user("bob")),
        ..row
    })
}

fn contact(consent: ConsentState, denied_until: Option<i64>, ver: u64) -> Row {
    Row::Account(AccountRow::Contact(Contact {
        consent,
        denied_until: denied_until.map(Timestamp),
        ver,
        ..Contact::new(user("ada"), user("bob"))
    }))
}

fn only(allowed: &[ConsentState]) -> EngineConfig {
    EngineConfig {
        follow_consent: allowed.iter().copied().collect(),
        ..EngineConfig::default()
    }
}

/// Live, with the own stream pulled to version 1, which has this row.
fn told(config: EngineConfig, row: Row) -> (World, Effects) {
    let mut world = World::configured(Disk::default(), 1, config).online();
    let effects = world.frame(event(me(), 0, 1, 0, vec![row]));
    (world, effects)
}

fn decide(consent: ConsentState) -> Op {
    Op::UpdateMembership {
        cid: cid("general"),
        change: MembershipChange {
            consent: Some(consent),
            ..MembershipChange::default()
        },
    }
}

/// Lets heads tell that the channel goes on. Returns what was done.
fn moved(world: &mut World, ver: u64) -> Effects {
    let effects = world.wake();
    let ask = asks_heads(&effects.frames).remove(0);
    let heads = vec![(channel("general"), head(ver, ver))];
    world.frame(heads_page(ask.id, "5", false, heads))
}

#[test]
fn what_is_denied_is_not_pulled_not_written_and_not_sent() {
    let (mut world, effects) = told(EngineConfig::default(), mine("general", ConsentState::Denied, 1));
    assert_eq!(watching(&effects), [watched(false, &["general"])]);
    assert!(syncs(&effects.frames).is_empty());
    assert!(syncs(&moved(&mut world, 4).frames).is_empty());
    assert_eq!(world.engine.status(), Status::Live, "nothing is waited for");
    assert!(!world.engine.is_up_to_date(&cid("general")));
    // One that was under way when the server was told.
    let late = world.frame(event(channel("general"), 0, 5, 5, vec![message("general", 5, 5)]));
    assert_eq!(late.delta.rows().count(), 0);
    // After a restart it is said with the hello.
    let mut world = World::configured(world.disk, 2, EngineConfig::default());
    drop(world.input(Input::GoOnline));
    let effects = world.input(Input::Connected(Token::new("a token")));
    assert!(matches!(effects.frames[0], ClientFrame::Hello(_)));
    assert_eq!(watching(&effects), [watched(false, &["general"])]);
    let effects = world.frame(crate::frames::ready());
    assert!(watching(&effects).is_empty(), "said once");
}

#[test]
fn what_was_decided_elsewhere_begins_and_ends_following_at_once() {
    let (mut world, effects) = told(EngineConfig::default(), mine("general", ConsentState::Allowed, 1));
    let ask = syncs(&effects.frames).remove(0);
    assert_eq!(ask.newest, None, "all that a snapshot has");
    drop(world.frame(ServerFrame::Page(page(
        &ask,
        0,
        cursor(1, 1),
        vec![message("general", 1, 1)],
    ))));
    let denied = mine("general", ConsentState::Denied, 2);
    let effects = world.frame(event(me(), 1, 2, 0, vec![denied]));
    assert_eq!(watching(&effects), [watched(false, &["general"])]);
    assert!(syncs(&moved(&mut world, 4).frames).is_empty());
    let allowed = mine("general", ConsentState::Allowed, 3);
    let effects = world.frame(event(me(), 2, 3, 0, vec![allowed]));
    assert_eq!(watching(&effects), [watched(true, &["general"])]);
    let ask = syncs(&effects.frames).remove(0);
    assert_eq!(ask.cursor, Some(cursor(1, 1)), "from where it was");
}

#[test]
fn a_person_is_denied_until_a_time_of_the_server() {
    let (mut world, effects) = told(
        EngineConfig::default(),
        contact(ConsentState::Denied, Some(90_000), 1),
    );
    assert!(watching(&effects).is_empty());
    let theirs = mine("general", ConsentState::Unknown, 2);
    let effects = world.frame(event(me(), 1, 2, 0, vec![theirs]));
    assert_eq!(watching(&effects), [watched(false, &["general"])]);
    let begun = world.now;
    let effects = loop {
        let effects = world.wake();
        for ask in asks_heads(&effects.frames) {
            let ServerFrame::Heads(mut answer) = heads_page(ask.id, "6", false, Vec::new()) else {
                unreachable!("it is heads")
            };
            answer.server_time = Timestamp((world.now - begun).cast_signed());
            drop(world.frame(ServerFrame::Heads(answer)));
        }
        if !watching(&effects).is_empty() {
            break effects;
        }
        assert!(world.now < begun + 200_000, "it never ended");
    };
    assert_eq!(watching(&effects), [watched(true, &["general"])]);
    assert_eq!(syncs(&effects.frames).len(), 1);
    assert!(world.now >= begun + 90_000 && world.now <= begun + 91_000);
}

#[test]
fn what_waits_in_the_outbox_decides_already() {
    let (mut world, effects) = told(EngineConfig::default(), mine("general", ConsentState::Unknown, 1));
    let ask = syncs(&effects.frames).remove(0);
    assert_eq!(ask.newest, Some(20), "a request comes with its newest messages");
    drop(world.frame(ServerFrame::Page(page(&ask, 0, cursor(1, 1), Vec::new()))));
    let (op, effects) = world.queue(decide(ConsentState::Denied));
    assert_eq!(watching(&effects), [watched(false, &["general"])]);
    let effects = world.frame(rejected(op, Code::Invalid));
    assert_eq!(watching(&effects), [watched(true, &["general"])]);
    let deny = Op::UpdateContact {
        user: user("bob"),
        change: ContactChange {
            consent: Some(SetConsent {
                state: ConsentState::Denied,
                until: None,
            }),
            muted: None,
        },
    };
    let (op, effects) = world.queue(deny);
    assert_eq!(watching(&effects), [watched(false, &["general"])]);
    let step = crate::frames::step(me(), 1, 2, 0, vec![contact(ConsentState::Denied, None, 2)]);
    let effects = world.frame(accepted(op, vec![step]));
    assert!(watching(&effects).is_empty(), "it stays so");
    assert_eq!(world.engine.consent(&cid("general")), ConsentState::Denied);
}

#[test]
fn who_writes_in_a_request_that_is_not_followed_follows_it() {
    let (mut world, effects) = told(
        only(&[ConsentState::Allowed]),
        mine("general", ConsentState::Unknown, 1),
    );
    assert_eq!(watching(&effects), [watched(false, &["general"])]);
    let (op, effects) = world.queue(send("general", 7));
    assert_eq!(watching(&effects), [watched(true, &["general"])]);
    let ask = syncs(&effects.frames).remove(0);
    drop(world.frame(ServerFrame::Page(page(&ask, 0, cursor(4, 4), Vec::new()))));
    let steps = vec![
        crate::frames::step(me(), 1, 2, 0, vec![mine("general", ConsentState::Allowed, 2)]),
        crate::frames::step(channel("general"), 4, 5, 5, vec![message("general", 7, 5)]),
    ];
    let effects = world.frame(accepted(op, steps));
    assert!(watching(&effects).is_empty());
    assert_eq!(world.cursor(&channel("general")), Some((5, 5)));
}

#[test]
fn an_own_operation_in_a_channel_that_is_not_followed_works() {
    let (mut world, _) = told(EngineConfig::default(), mine("general", ConsentState::Denied, 1));
    let (op, effects) = world.queue(send("general", 7));
    assert!(watching(&effects).is_empty(), "denied stays denied");
    let step = crate::frames::step(channel("general"), 4, 5, 5, vec![message("general", 7, 5)]);
    let effects = world.frame(accepted(op, vec![step]));
    assert_eq!(effects.delta.rows().count(), 1, "the own message is here");
    assert!(syncs(&effects.frames).is_empty() && world.outbox().is_empty());
}

#[test]
fn it_is_fetched_on_demand_once_and_not_followed_by_that() {
    let (mut world, _) = told(
        only(&[ConsentState::Allowed]),
        mine("general", ConsentState::Unknown, 1),
    );
    drop(moved(&mut world, 30));
    let scope = SyncScope::Channels([ConsentState::Unknown].into());
    let (_, effects) = world.with_env(|engine, env| engine.sync(scope, env));
    let effects = world.commit(effects);
    let heads = asks_heads(&effects.frames).remove(0);
    let own = syncs(&effects.frames).remove(0);
    drop(world.frame(ServerFrame::Page(page(&own, 1, cursor(1, 0), Vec::new()))));
    let effects = world.frame(heads_page(heads.id, "7", false, Vec::new()));
    let ask = syncs(&effects.frames).remove(0);
    assert_eq!(ask.newest, Some(20));
    drop(world.frame(ServerFrame::Page(page(&ask, 0, cursor(30, 30), Vec::new()))));
    assert_eq!(world.cursor(&channel("general")), Some((30, 30)));
    assert!(syncs(&moved(&mut world, 31).frames).is_empty(), "once");
}

#[test]
fn a_new_device_waits_for_what_was_decided_before_it_pulls_any_channel() {
    let mut world = World::configured(Disk::default(), 1, EngineConfig::default());
    let effects = world.hello();
    let own = syncs(&effects.frames).remove(0);
    let heads = asks_heads(&effects.frames).remove(0);
    let moved = ["denied", "general"].map(|name| (channel(name), head(9, 9)));
    let effects = world.frame(heads_page(heads.id, "1", false, moved.to_vec()));
    assert!(syncs(&effects.frames).is_empty(), "{:?}", effects.frames);
    let early = world.frame(event(channel("denied"), 0, 1, 1, vec![message("denied", 1, 1)]));
    assert_eq!((early.delta.rows().count(), syncs(&early.frames).len()), (0, 0));
    let rows = vec![
        mine("denied", ConsentState::Denied, 1),
        mine("general", ConsentState::Allowed, 2),
    ];
    let effects = world.frame(ServerFrame::Page(page(&own, 0, cursor(2, 0), rows)));
    let asks = syncs(&effects.frames);
    assert_eq!(asks.len(), 1);
    assert_eq!(asks[0].stream, channel("general"));
    assert_eq!(watching(&effects), [watched(false, &["denied"])]);
}

#[test]
fn a_channel_on_the_screen_is_pulled_whatever_was_decided() {
    let (mut world, _) = told(EngineConfig::default(), mine("general", ConsentState::Denied, 1));
    world.engine.set_visible(&cid("general"), true);
    assert_eq!(syncs(&world.wake().frames).len(), 1);
}

const STATES: [ConsentState; 3] = [ConsentState::Unknown, ConsentState::Allowed, ConsentState::Denied];

/// What a connection was told, by the frames that left on it.
#[derive(Default)]
struct Told {
    connected: bool,
    off: BTreeSet<ChannelId>,
}

impl Told {
    fn hear(&mut self, effects: &Effects) {
        for frame in &effects.frames {
            match frame {
                ClientFrame::Hello(_) => {
                    self.connected = true;
                    self.off.clear();
                }
                ClientFrame::Watch(Watch { cids, on }) => {
                    for cid in cids {
                        let is_news = if *on {
                            self.off.remove(cid)
                        } else {
                            self.off.insert(cid.clone())
                        };
                        assert!(is_news, "{cid} was told twice");
                    }
                }
                _ => {}
            }
        }
    }
}

impl Told {
    /// Answers every question for a page with nothing new.
    fn settle(&mut self, world: &mut World, effects: Effects) {
        let mut waiting = vec![effects];
        while let Some(effects) = waiting.pop() {
            self.hear(&effects);
            for ask in syncs(&effects.frames) {
                let here = ask.cursor.unwrap_or(cursor(0, 0));
                waiting.push(world.frame(ServerFrame::Page(page(&ask, here.ver, here, Vec::new()))));
            }
        }
    }
}

/// Says from what is on disk alone which channels may not reach the account.
fn denied(world: &World, now: Timestamp) -> BTreeSet<ChannelId> {
    let waiting = world
        .disk
        .loaded
        .outbox
        .iter()
        .filter(|item| item.rejection().is_none());
    let waiting: Vec<&Op> = waiting.map(|item| &item.op).collect();
    let mut contact = world.disk.loaded.contacts.first().cloned();
    for op in &waiting {
        if let Op::UpdateContact { user: of, change } = op {
            contact
                .get_or_insert_with(|| Contact::new(user("ada"), of.clone()))
                .change(change);
        }
    }
    let mut off = BTreeSet::new();
    for mut row in world
        .disk
        .loaded
        .memberships
        .iter()
        .filter(|row| row.state == MemberState::Active)
        .cloned()
    {
        for op in &waiting {
            match op {
                Op::UpdateMembership { cid, change } if *cid == row.cid => drop(row.change(change, now)),
                Op::SendMessage { cid, .. } if *cid == row.cid && row.consent == ConsentState::Unknown => {
                    row.consent = ConsentState::Allowed;
                }
                _ => {}
            }
        }
        if whimbrel_model::consent::of(&row, contact.as_ref(), now) == ConsentState::Denied {
            off.insert(row.cid);
        }
    }
    off
}

#[test]
fn whatever_is_decided_and_however_often_it_connects_the_server_is_told_that_and_nothing_twice() {
    let mut most = 0;
    for seed in 0..300 {
        let mut dice = crate::world::Dice(seed);
        let mut roll = move |sides: u64| dice.next_u64() % sides;
        let mut world = World::configured(Disk::default(), seed, EngineConfig::default());
        let (mut told, mut ver, mut message) = (Told::default(), 0, 0);
        for _ in 0..60 {
            let state = STATES[usize::try_from(roll(3)).expect("it is small")];
            let name = ["general", "random", "third"][usize::try_from(roll(3)).expect("it is small")];
            let live = matches!(world.engine.status(), Status::Live | Status::CatchingUp { .. });
            let effects = match roll(9) {
                0 | 1 if live => {
                    ver += 1;
                    world.frame(event(me(), ver - 1, ver, 0, vec![mine(name, state, ver)]))
                }
                2 if live => {
                    ver += 1;
                    world.frame(event(me(), ver - 1, ver, 0, vec![contact(state, None, ver)]))
                }
                3 => {
                    let change = MembershipChange {
                        consent: Some(state),
                        ..MembershipChange::default()
                    };
                    world
                        .queue(Op::UpdateMembership {
                            cid: cid(name),
                            change,
                        })
                        .1
                }
                4 => {
                    let consent = Some(SetConsent { state, until: None });
                    let change = ContactChange { consent, muted: None };
                    world
                        .queue(Op::UpdateContact {
                            user: user("bob"),
                            change,
                        })
                        .1
                }
                5 => {
                    message += 1;
                    world.queue(send(name, 1_000 + message)).1
                }
                6 if live => match world.outbox().first() {
                    Some(op) if world.item(*op).attempted => world.frame(rejected(*op, Code::Forbidden)),
                    _ => Effects::default(),
                },
                7 if world.engine.status() == Status::Offline => {
                    drop(world.input(Input::GoOnline));
                    let effects = world.input(Input::Connected(Token::new("a token")));
                    told.hear(&effects);
                    world.frame(crate::frames::ready())
                }
                8 => {
                    told.connected = false;
                    drop(world.input(Input::GoOffline));
                    Effects::default()
                }
                _ => Effects::default(),
            };
            told.settle(&mut world, effects);
            most = most.max(told.off.len());
            if told.connected {
                assert_eq!(told.off, denied(&world, Timestamp(0)), "seed {seed}");
            }
        }
    }
    assert_eq!(most, 3, "all of them are denied at times");
}
