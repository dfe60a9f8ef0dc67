use super::{ConnectionNumber, Now, Presence, REFRESH_MS, REMEMBERED, Told};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use whimbrel_model::{Code, Timestamp, UserId, limits};
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
        status: None,
    }
}

fn status(status: &str) -> OwnPresence {
    OwnPresence {
        invisible: None,
        status: Some(status.to_owned()),
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
    assert_eq!(onlines(&presence.tick(at(20 + GRACE))), [(false, Some(1_005))]);
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

#[test]
fn an_invisible_user_stays_as_they_were_for_others_and_knows_the_truth() {
    let mut presence = watched();
    let told = presence.join(2, &user("ada"), invisible(true), at(5));
    assert_eq!(told, [], "nobody sees her come");
    let (own, _) = presence.watch(2, &[user("ada")], &[]);
    assert!(own[0].online && own[0].invisible, "{own:?}");

    let seen = presence.set(2, invisible(false));
    let seen: BTreeMap<_, _> = seen.into_iter().map(|told| (told.to, told.user)).collect();
    assert!(!seen[&vec![2]].invisible);
    assert!(seen[&vec![1]].online);

    drop(presence.set(2, status("here")));
    let hidden = presence.set(2, invisible(true));
    let of_bob = hidden.iter().find(|told| told.to == [1]).unwrap();
    assert_eq!(
        (of_bob.user.online, of_bob.user.last_active),
        (false, Some(Timestamp(1_005)))
    );
    let mut told = presence.set(2, status("not for bob"));
    told.extend(presence.tick(at(REFRESH_MS + 5)));
    presence.leave(2, at(REFRESH_MS + 6));
    told.extend(presence.tick(at(REFRESH_MS + 6 + GRACE)));
    assert!(told.iter().all(|told| told.to == [2]), "{told:?}");
    let (of_bob, _) = presence.watch(1, &[user("ada")], &[]);
    assert_eq!(
        (of_bob[0].last_active, of_bob[0].status.as_str()),
        (Some(Timestamp(1_005)), "here")
    );

    // It is sticky: a connection that says nothing of it changes nothing.
    assert_eq!(join(&mut presence, 3, 3 * REFRESH_MS), []);
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
fn the_longest_gone_are_forgotten() {
    let mut presence = Presence::new(GRACE);
    for number in 0..=REMEMBERED as u64 {
        drop(presence.join(
            number,
            &user(&format!("u{number}")),
            OwnPresence::default(),
            at(number),
        ));
        presence.leave(number, at(number));
    }
    assert_eq!(presence.tick(at(10 * REMEMBERED as u64)), []);
    assert_eq!(
        (presence.users.len(), presence.gone.len(), presence.due.len()),
        (REMEMBERED, REMEMBERED, 0)
    );
    assert!(!presence.users.contains_key(&user("u0")));
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
        let (mut now, mut live) = (0, BTreeMap::new());
        let (mut ended, mut hidden) = (HashMap::new(), BTreeSet::new());
        for step in steps {
            let told = match step {
                Step::Join(number, of, own) => {
                    let own = OwnPresence { invisible: own, status: None };
                    let of = *live.entry(number).or_insert_with(|| (of, own.clone()).0);
                    let is_new = !presence.connections.contains_key(&number);
                    if let (true, Some(own)) = (is_new, own.invisible) {
                        if own { hidden.insert(of); } else { hidden.remove(&of); }
                    }
                    presence.join(number, &users[usize::from(of)], own, at(now))
                }
                Step::Leave(number) => {
                    if let Some(of) = live.remove(&number) {
                        ended.insert(of, now);
                    }
                    presence.leave(number, at(now));
                    Vec::new()
                }
                Step::Invisible(number, own) => {
                    if let Some(of) = live.get(&number) {
                        if own { hidden.insert(*of); } else { hidden.remove(of); }
                    }
                    presence.set(number, invisible(own))
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
                let leased = live.values().any(|other| *other == of) || ended.get(&of).is_some_and(|at| now < at + GRACE);
                prop_assert_eq!(state.online, leased && !hidden.contains(&of));
            }
        }
    }
}
