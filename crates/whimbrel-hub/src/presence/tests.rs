use super::{ConnectionNumber, LEASE_MS, LastSeen, Now, Presence, PresenceRecord, REFRESH_MS, Told};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use whimbrel_model::{Code, ConsentState, Contact, Custom, Settings, Timestamp, UserId, limits};
use whimbrel_protocol::{OwnPresence, UserPresence};

const GRACE: u64 = 10_000;

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

/// The server's clock is a thousand ahead of the other, so that they are not confused.
fn at(mono: u64) -> Now {
    Now {
        mono,
        wall: Timestamp(i64::try_from(mono).unwrap() + 1_000),
    }
}

fn invisible(invisible: bool) -> OwnPresence {
    OwnPresence {
        invisible: Some(invisible),
        ..OwnPresence::default()
    }
}

fn settings(ver: u64, invisible: bool, status: &str) -> Settings {
    Settings {
        invisible,
        status: status.to_owned(),
        ver,
        ..Settings::new(user("ada"))
    }
}

/// Bob on connection 1, who is told of ada.
fn watched() -> Presence {
    let mut presence = Presence::new(GRACE);
    assert_eq!(presence.join(1, &user("bob"), OwnPresence::default(), at(0)), []);
    let (states, refused) = presence.watch(1, &[user("ada")], &[]);
    assert_eq!((states, refused), (vec![unknown("ada")], vec![]));
    presence
}

fn unknown(name: &str) -> UserPresence {
    UserPresence {
        user: user(name),
        online: false,
        last_active: None,
        status: String::new(),
        custom: Custom::default(),
        invisible: false,
    }
}

fn join(presence: &mut Presence, number: ConnectionNumber, now: u64) -> Vec<Told> {
    presence.join(number, &user("ada"), OwnPresence::default(), at(now))
}

/// Whether ada is told to be online, and since when active.
fn onlines(told: &[Told]) -> Vec<(bool, Option<i64>)> {
    told.iter()
        .map(|told| (told.user.online, told.user.last_active.map(|at| at.0)))
        .collect()
}

#[test]
fn a_user_is_online_while_any_connection_lives_and_a_grace_longer() {
    let mut presence = watched();
    assert_eq!(onlines(&join(&mut presence, 2, 5)), [(true, Some(1_005))]);
    presence.leave(2, at(20));
    assert_eq!(presence.tick(at(20 + GRACE - 1)), []);
    assert_eq!(onlines(&presence.tick(at(20 + GRACE))), [(false, Some(1_020))]);
    assert_eq!(presence.tick(at(100 * GRACE)), []);

    let mut presence = watched();
    drop(join(&mut presence, 2, 5));
    drop(join(&mut presence, 3, 6));
    presence.leave(2, at(20));
    presence.leave(2, at(21));
    assert_eq!(presence.tick(at(20 + 2 * GRACE)), [], "the other device lives");
}

#[test]
fn who_comes_back_within_the_grace_was_never_away() {
    let mut presence = watched();
    drop(join(&mut presence, 2, 0));
    for round in 1..100 {
        presence.leave(round + 1, at(round * 1_000));
        let told = join(&mut presence, round + 2, round * 1_000 + GRACE / 2);
        assert!(told.iter().all(|told| told.user.online), "{told:?}");
        assert_eq!(presence.tick(at(round * 1_000 + GRACE / 2)), []);
    }
}

#[test]
fn who_stays_is_active_again_every_quarter_of_an_hour() {
    let mut presence = watched();
    drop(join(&mut presence, 2, 0));
    assert_eq!(presence.tick(at(REFRESH_MS - 1)), []);
    let wall = i64::try_from(REFRESH_MS).unwrap() + 1_000;
    assert_eq!(onlines(&presence.tick(at(REFRESH_MS))), [(true, Some(wall))]);
    assert_eq!(presence.tick(at(2 * REFRESH_MS - 1)), []);
    assert_eq!(presence.tick(at(2 * REFRESH_MS)).len(), 1);
}

/// An operation of long ago that waits again, as its answer was lost, is no wish of now.
#[test]
fn what_was_laid_over_the_settings_is_over_once_it_is_answered() {
    let mut presence = watched();
    drop(join(&mut presence, 2, 5));
    drop(presence.settings(&settings(2, true, ""), at(6)));
    // Another device comes, in which the older wish to be seen still waits: it uncovers nobody.
    assert_eq!(presence.join(3, &user("ada"), invisible(false), at(7)), []);
    assert_eq!(presence.settle(&settings(2, true, ""), at(8)), []);
    assert_eq!(
        presence.settle(&settings(1, false, ""), at(9)),
        [],
        "they are old"
    );

    assert_eq!(presence.settings(&settings(3, false, ""), at(10)).len(), 1);
    assert_eq!(
        onlines(&presence.join(4, &user("ada"), invisible(true), at(11))),
        [(false, Some(1_007))]
    );
    assert_eq!(
        presence.settings(&settings(3, false, ""), at(12)),
        [],
        "they are known"
    );
    assert_eq!(
        onlines(&presence.settle(&settings(3, false, ""), at(13))),
        [(true, Some(1_011))]
    );
}

#[test]
fn what_a_connection_laid_over_the_settings_leaves_with_it() {
    let mut presence = watched();
    drop(join(&mut presence, 2, 5));
    assert_eq!(
        onlines(&presence.join(3, &user("ada"), invisible(true), at(6))),
        [(false, Some(1_005))]
    );
    presence.leave(3, at(7));
    assert_eq!(presence.tick(at(7 + GRACE - 1)), [], "it may come back");
    assert_eq!(onlines(&presence.tick(at(7 + GRACE))), [(true, Some(1_006))]);

    // Who leaves altogether is not seen on the way out.
    drop(presence.join(4, &user("ada"), invisible(true), at(8 + GRACE)));
    presence.leave(2, at(9 + GRACE));
    presence.leave(4, at(10 + GRACE));
    for now in 11..400 {
        let told = presence.tick(at(now * 1_000));
        assert!(told.iter().all(|told| !told.user.online), "{told:?}");
    }
    assert!(presence.unsaid.is_empty());
}

#[test]
fn an_invisible_user_stays_as_they_were_for_others_and_knows_the_truth() {
    let mut presence = watched();
    let told = presence.join(2, &user("ada"), invisible(true), at(5));
    assert_eq!(told, [], "nobody sees her come");
    let (own, _) = presence.watch(2, &[user("ada")], &[]);
    assert!(own[0].online && own[0].invisible, "{own:?}");

    let seen = presence.settings(&settings(1, false, "here"), at(6));
    let seen: BTreeMap<_, _> = seen.into_iter().map(|told| (told.to, told.user)).collect();
    assert!(!seen[&vec![2]].invisible);
    assert!(seen[&vec![1]].online);

    let hidden = presence.settings(&settings(2, true, "here"), at(7));
    let of_bob = hidden.iter().find(|told| told.to == [1]).unwrap();
    assert_eq!(
        (of_bob.user.online, of_bob.user.last_active),
        (false, Some(Timestamp(1_005)))
    );
    assert_eq!(
        presence.settings(&settings(1, false, "old"), at(8)),
        [],
        "it is old"
    );
    let mut told = presence.settings(&settings(3, true, "not for bob"), at(9));
    told.extend(presence.tick(at(REFRESH_MS + 5)));
    presence.leave(2, at(REFRESH_MS + 6));
    told.extend(presence.tick(at(REFRESH_MS + 6 + GRACE)));
    assert!(told.iter().all(|told| told.to == [2]), "{told:?}");
    let (of_bob, _) = presence.watch(1, &[user("ada")], &[]);
    let frozen = (of_bob[0].last_active, of_bob[0].status.as_str());
    assert_eq!(frozen, (Some(Timestamp(1_005)), "here"));

    // It is sticky: a connection that says nothing of it changes nothing.
    assert_eq!(join(&mut presence, 3, 3 * REFRESH_MS), []);
}

#[test]
fn a_connection_in_the_background_makes_nobody_online() {
    let mut presence = watched();
    assert_eq!(
        presence.join_in_background(2, &user("ada"), OwnPresence::default(), at(5)),
        []
    );
    assert_eq!(presence.tick(at(GRACE)), []);
    assert_eq!(presence.set_background(2, true, at(20_000)), [], "it is already");
    assert_eq!(
        onlines(&presence.set_background(2, false, at(20_000))),
        [(true, Some(21_000))]
    );
    assert_eq!(presence.set_background(2, false, at(20_001)), []);
    assert_eq!(presence.set_background(2, true, at(30_000)), []);
    assert_eq!(
        onlines(&presence.tick(at(30_000 + GRACE))),
        [(false, Some(31_000))]
    );
    presence.leave(2, at(50_000));
    assert_eq!(presence.tick(at(50_000 + 2 * GRACE)), [], "it was gone already");
}

#[test]
fn what_is_stored_of_an_invisible_user_stands_still_over_a_restart() {
    let mut presence = watched();
    drop(join(&mut presence, 2, 5));
    drop(presence.settings(&settings(1, true, "later"), at(50)));
    drop(presence.tick(at(5 * REFRESH_MS)));
    let stored = presence.take_unsaved(10);
    let ada = stored.iter().find(|seen| seen.user == user("ada")).unwrap();
    assert_eq!(
        (ada.last_active, ada.status.as_str()),
        (Some(Timestamp(1_005)), "")
    );

    let mut presence = watched();
    let record = PresenceRecord {
        settings: Some(settings(1, true, "later")),
        seen: Some(ada.clone()),
        ..PresenceRecord::unknown(user("ada"))
    };
    drop(presence.learn(&record, at(0)));
    assert_eq!(join(&mut presence, 2, 10), [], "she is invisible still");
    let (of_bob, _) = presence.watch(1, &[user("ada")], &[]);
    let seen = (of_bob[0].online, of_bob[0].last_active, of_bob[0].status.as_str());
    assert_eq!(seen, (false, Some(Timestamp(1_005)), ""));
}

#[test]
fn who_is_denied_sees_nobody_until_it_ends() {
    let mut presence = watched();
    drop(join(&mut presence, 2, 5));
    let mut contact = Contact::new(user("ada"), user("bob"));
    contact.consent = ConsentState::Denied;
    contact.denied_until = Some(Timestamp(6_000));
    contact.ver = 1;
    let told = presence.contact(&contact, at(10));
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0].to, &told[0].user), (&vec![1], &unknown("ada")));
    assert_eq!(presence.contact(&contact, at(11)), [], "he was told");
    let (of_bob, _) = presence.watch(1, &[user("ada")], &[]);
    assert_eq!(of_bob, [unknown("ada")]);
    assert_eq!(presence.settings(&settings(1, false, "for others"), at(12)), []);

    let told = presence.tick(at(5_000));
    assert_eq!(onlines(&told), [(true, Some(1_005))]);
    contact.denied_until = None;
    assert_eq!(onlines(&presence.contact(&contact, at(5_001))), [(false, None)]);
    assert_eq!(presence.tick(at(100 * GRACE)), [], "it does not end");
    contact.consent = ConsentState::Unknown;
    assert!(presence.contact(&contact, at(100 * GRACE))[0].user.online);
}

#[test]
fn what_was_stored_is_there_for_who_watches_and_newer_settings_win() {
    let mut presence = Presence::new(GRACE);
    drop(presence.join(1, &user("bob"), OwnPresence::default(), at(0)));
    let custom = Custom::default().with("mood", "calm");
    let record = PresenceRecord {
        settings: Some(Settings {
            custom: custom.clone(),
            ..settings(4, false, "stored")
        }),
        seen: Some(LastSeen {
            user: user("ada"),
            last_active: Some(Timestamp(77)),
            status: "old".to_owned(),
            custom: Custom::default(),
        }),
        ..PresenceRecord::unknown(user("ada"))
    };
    drop(presence.learn(&record, at(0)));
    let (of, _) = presence.watch(1, &[user("ada")], &[]);
    let seen = (of[0].last_active, of[0].status.as_str(), &of[0].custom);
    assert_eq!(seen, (Some(Timestamp(77)), "stored", &custom));
    assert_eq!(presence.settings(&settings(3, false, "older"), at(1)), []);
    let told = presence.settings(&settings(5, false, "newer"), at(1));
    assert_eq!((told.len(), told[0].user.status.as_str()), (1, "newer"));
}

#[test]
fn who_watches_many_is_told_together_from_time_to_time() {
    let mut presence = Presence::new(GRACE);
    drop(presence.join(1, &user("bob"), OwnPresence::default(), at(0)));
    let users: Vec<UserId> = (0..=limits::PRESENCE_AT_ONCE)
        .map(|number| user(&format!("u{number}")))
        .collect();
    drop(presence.watch(1, &users, &[]));
    let mut told = Vec::new();
    for (number, user) in (10..).zip(&users[..50]) {
        told.extend(presence.join(number, user, OwnPresence::default(), at(1)));
    }
    told.extend(presence.tick(at(limits::PRESENCE_EVERY_MS)));
    assert_eq!(told, [], "not at once");
    let told = presence.tick(at(1 + limits::PRESENCE_EVERY_MS));
    assert_eq!(told.len(), 50);
    assert!(
        told.iter().all(|told| told.to == [1] && told.user.online),
        "{told:?}"
    );
    assert_eq!(presence.tick(at(2 + 2 * limits::PRESENCE_EVERY_MS)), [], "once");
}

#[test]
fn a_thousand_who_come_and_go_are_no_more_than_one_change_a_lease_each() {
    const LEASES: u64 = 40;
    let mut presence = Presence::new(GRACE);
    drop(presence.join(1, &user("bob"), OwnPresence::default(), at(0)));
    let users: Vec<UserId> = (0..1_000).map(|number| user(&format!("u{number}"))).collect();
    drop(presence.watch(1, &users, &[]));
    let mut told: HashMap<UserId, u64> = HashMap::new();
    let (mut last, mut draw) = (1, 1_u64);
    let mut live: HashMap<usize, ConnectionNumber> = HashMap::new();
    let mut online: HashMap<UserId, bool> = HashMap::new();
    for second in 0..LEASES * LEASE_MS / 1_000 {
        let now = at(second * 1_000);
        let mut news = presence.tick(now);
        for (place, user) in users.iter().enumerate() {
            draw = draw
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            // Each is there for some seconds, and away for up to half a minute.
            if (draw >> 33) % 15 > 0 {
                continue;
            }
            match live.remove(&place) {
                Some(number) => presence.leave(number, now),
                None => {
                    last += 1;
                    live.insert(place, last);
                    news.extend(presence.join(last, user, OwnPresence::default(), now));
                }
            }
        }
        for Told { user, .. } in news {
            if online.insert(user.user.clone(), user.online) != Some(user.online) {
                *told.entry(user.user).or_default() += 1;
            }
        }
    }
    let (most, all) = (
        told.values().max().copied().unwrap_or(0),
        told.values().sum::<u64>(),
    );
    assert!(
        told.len() == 1_000 && all <= 1_000 * LEASES,
        "{all} changes in {LEASES} leases"
    );
    assert!(most <= LEASES + 3, "{most} changes of one in {LEASES} leases");
}

#[test]
fn a_connection_is_told_of_so_many_users_and_told_which_are_too_many() {
    let mut presence = Presence::new(GRACE);
    drop(presence.join(1, &user("bob"), OwnPresence::default(), at(0)));
    let users: Vec<UserId> = (0..=limits::PRESENCE_WATCHED)
        .map(|number| user(&format!("u{number}")))
        .collect();
    let (states, refused) = presence.watch(1, &users, &[]);
    assert_eq!(states.len(), limits::PRESENCE_WATCHED);
    let refused: Vec<_> = refused
        .iter()
        .map(|refused| (&refused.user, &refused.code))
        .collect();
    assert_eq!(refused, [(&users[limits::PRESENCE_WATCHED], &Code::TooLarge)]);

    let (states, refused) = presence.watch(1, &users[limits::PRESENCE_WATCHED..], &users[..1]);
    assert_eq!((states.len(), refused.len()), (1, 0), "there is room again");
    presence.leave(1, at(1));
    assert_eq!(presence.watchers.len(), 0, "nothing is left of it");
}

#[test]
fn whoever_is_gone_and_stored_is_forgotten() {
    let mut presence = Presence::new(GRACE);
    for number in 0..1_000 {
        let user = user(&format!("u{number}"));
        drop(presence.join(number, &user, OwnPresence::default(), at(number)));
        presence.leave(number, at(number));
    }
    assert_eq!(presence.tick(at(10 * GRACE)), []);
    let mut stored = Vec::new();
    while let some = presence.take_unsaved(300)
        && !some.is_empty()
    {
        stored.extend(some);
    }
    assert_eq!(stored.len(), 1_000);
    assert!(stored.iter().all(|seen| seen.last_active.is_some()), "{stored:?}");
    assert_eq!((presence.users.len(), presence.due.len()), (0, 0));

    presence.put_back(stored[..3].to_vec());
    assert_eq!(
        presence.take_unsaved(300),
        stored[..3],
        "what could not be stored is tried again"
    );
    assert_eq!(presence.users.len(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Join(u64, u8, Option<bool>),
    Leave(u64),
    Invisible(u64, bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..8_u64, 0..3_u8, any::<Option<bool>>())
            .prop_map(|(number, user, own)| Step::Join(number, user, own)),
        (1..8_u64).prop_map(Step::Leave),
        (1..8_u64, any::<bool>()).prop_map(|(number, own)| Step::Invisible(number, own)),
        (1..2 * GRACE).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whoever follows what is told knows what an answer would say, and is told nothing that is not news.
    #[test]
    fn what_is_told_is_the_truth(steps in prop::collection::vec(step(), 1..80)) {
        let users = ["u0", "u1", "u2"].map(user);
        let mut presence = Presence::new(GRACE);
        drop(presence.join(0, &user("bob"), OwnPresence::default(), at(0)));
        let (states, _) = presence.watch(0, &users, &[]);
        let mut seen: HashMap<UserId, UserPresence> = states.into_iter().map(|state| (state.user.clone(), state)).collect();
        let (mut now, mut ver, mut live) = (0, 0, BTreeMap::new());
        let (mut ended, mut hidden) = (HashMap::new(), BTreeSet::new());
        // By connection: of whom it said that they are invisible; and until when what such a one said may still count.
        let (mut said, mut lingers) = (BTreeMap::new(), HashMap::new());
        for step in steps {
            let told = match step {
                Step::Join(number, of, own) => {
                    let own = OwnPresence { invisible: own, ..OwnPresence::default() };
                    let of = *live.entry(number).or_insert_with(|| (of, own.clone()).0);
                    let is_new = !presence.connections.contains_key(&number);
                    if is_new && own.invisible == Some(true) {
                        said.insert(number, of);
                    }
                    presence.join(number, &users[usize::from(of)], own, at(now))
                }
                Step::Leave(number) => {
                    if let Some(of) = live.remove(&number) {
                        ended.insert(of, now);
                        if said.remove(&number).is_some() {
                            lingers.insert(of, now + 4 * LEASE_MS);
                        }
                    }
                    presence.leave(number, at(now));
                    Vec::new()
                }
                Step::Invisible(number, own) => {
                    ver += 1;
                    let of = live.get(&number).copied().unwrap_or(0);
                    if own { hidden.insert(of); } else { hidden.remove(&of); }
                    said.retain(|_, other| *other != of);
                    let changed = Settings { invisible: own, ver, ..Settings::new(users[usize::from(of)].clone()) };
                    presence.settings(&changed, at(now))
                }
                Step::Wait(ms) => {
                    now += ms;
                    presence.tick(at(now))
                }
            };
            for Told { to, user } in told {
                prop_assert_eq!(to, [0]);
                let before = seen.insert(user.user.clone(), user.clone());
                prop_assert_ne!(before, Some(user));
            }
            let (states, _) = presence.watch(0, &users, &[]);
            for (of, state) in (0..).zip(states) {
                prop_assert_eq!(&seen[&state.user], &state);
                let lives = live.values().any(|other| *other == of);
                let leased = lives || ended.get(&of).is_some_and(|at| now < at + GRACE);
                let is_hidden = hidden.contains(&of) || said.values().any(|other| *other == of);
                prop_assert!(!state.online || !is_hidden);
                let may_linger = lingers.get(&of).is_some_and(|until| now < *until);
                // Of who comes and goes all the time, going offline may be told later.
                let late = ended.get(&of).is_some_and(|at| now < at + 3 * LEASE_MS);
                let holds = match leased && !is_hidden {
                    true => state.online || may_linger,
                    false => !state.online || late,
                };
                prop_assert!(holds, "{:?}", state);
            }
        }
    }
}
