//! Who is online, as connections are told.

use crate::support::{
    Client, ManualClock, Names, accept, create, envelope, hello, start, start_on, steps, user,
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::time::{Instant, interval, timeout};
use whimbrel_hub::{Hub, HubConfig, MemoryStorage, PresenceStorage};
use whimbrel_model::{
    Code, ConsentState, ContactChange, Custom, Epoch, Op, SetConsent, SettingsChange, Timestamp, UserId,
    limits,
};
use whimbrel_protocol::{
    AskPresence, ClientFrame, Hello, OwnPresence, Presence, ServerFrame, UserPresence, Watch, decode,
};
use whimbrel_testkit::time::pass;

fn ask(id: u64, add: &[&str]) -> ClientFrame {
    ClientFrame::Presence(AskPresence {
        id,
        add: add.iter().map(|name| user(name)).collect(),
        remove: Vec::new(),
        background: None,
    })
}

fn invisible(invisible: bool) -> Op {
    Op::UpdateSettings {
        change: SettingsChange {
            invisible: Some(invisible),
            ..SettingsChange::default()
        },
    }
}

fn status(status: &str) -> Op {
    Op::UpdateSettings {
        change: SettingsChange {
            status: Some(status.to_owned()),
            ..SettingsChange::default()
        },
    }
}

fn consent(of: &str, state: ConsentState) -> Op {
    Op::UpdateContact {
        user: user(of),
        change: ContactChange {
            consent: Some(SetConsent { state, until: None }),
            muted: None,
        },
    }
}

/// Starts a hub where ada has a channel with these.
async fn start_with(members: &[&str], config: HubConfig) -> Hub {
    let (hub, clock) = start(config);
    clock.set(1_000);
    accept(&hub, "ada", create(members)).await;
    hub
}

async fn presence(client: &mut Client) -> Presence {
    loop {
        match client.next().await {
            ServerFrame::Presence(presence) => return presence,
            ServerFrame::Event(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Asks for one user, and returns how they are.
async fn asked(client: &mut Client, id: u64, name: &str) -> UserPresence {
    client.session.handle(ask(id, &[name])).await.unwrap();
    let answer = presence(client).await;
    assert_eq!((answer.id, answer.users.len()), (Some(id), 1), "{answer:?}");
    answer.users.into_iter().next().unwrap()
}

/// Says something that has no answer.
async fn heard(client: &Client) {
    let nothing = Watch {
        cids: Vec::new(),
        on: true,
    };
    client.session.handle(ClientFrame::Watch(nothing)).await.unwrap();
}

/// Waits for the one user of a change.
async fn change(client: &mut Client) -> UserPresence {
    let presence = presence(client).await;
    assert_eq!((presence.id, presence.users.len()), (None, 1), "{presence:?}");
    presence.users.into_iter().next().unwrap()
}

#[tokio::test(start_paused = true)]
async fn who_watches_is_answered_and_then_told_of_each_change_once() {
    let hub = start_with(&["bob", "carol"], HubConfig::default()).await;
    let mut bob = Client::connect(&hub, "bob").await;
    let ada = Client::connect(&hub, "ada").await;
    bob.session
        .handle(ask(7, &["ada", "carol", "ada"]))
        .await
        .unwrap();
    let answer = presence(&mut bob).await;
    let states: Vec<_> = answer
        .users
        .iter()
        .map(|of| (of.user.as_str(), of.online))
        .collect();
    assert_eq!(
        (answer.id, states),
        (Some(7), vec![("ada", true), ("carol", false)])
    );

    let phone = Client::connect(&hub, "ada").await;
    drop(ada);
    drop(phone);
    let left = Instant::now();
    let away = change(&mut bob).await;
    assert!(!away.online && away.user == user("ada"), "{away:?}");
    let grace = HubConfig::default().presence_grace;
    assert!(
        left.elapsed() >= grace && left.elapsed() < grace * 2,
        "{:?}",
        left.elapsed()
    );
    let _ada = Client::connect(&hub, "ada").await;
    assert!(change(&mut bob).await.online);
    assert_eq!(bob.events().await, [], "nothing of it is in a stream");
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_killed_client_is_offline_within_its_lease() {
    let config = HubConfig {
        heartbeat: Duration::from_secs(1),
        presence_grace: Duration::from_secs(1),
        ..HubConfig::default()
    };
    let hub = start_with(&["bob"], config.clone()).await;
    let mut bob = Client::connect(&hub, "bob").await;
    let _silent = Client::connect(&hub, "ada").await;
    assert!(asked(&mut bob, 1, "ada").await.online);
    let began = Instant::now();
    // Bob is heard as often as he should be.
    let mut heartbeat = interval(config.heartbeat);
    let away = loop {
        tokio::select! {
            away = change(&mut bob) => break away,
            _ = heartbeat.tick() => heard(&bob).await,
        }
    };
    assert!(!away.online);
    assert!(
        began.elapsed() > config.heartbeat * 3 && began.elapsed() < config.heartbeat * 5,
        "{:?}",
        began.elapsed()
    );
    hub.close().await;
}

#[tokio::test]
async fn an_invisible_user_is_never_seen_to_come() {
    let hub = start_with(&["bob"], HubConfig::default()).await;
    let mut bob = Client::connect(&hub, "bob").await;
    assert!(!asked(&mut bob, 1, "ada").await.online);
    // So says the operation that waits on the device.
    let hidden = Hello {
        presence: OwnPresence {
            invisible: Some(true),
            status: Some("hiding".to_owned()),
            custom: None,
        },
        ..hello("ada")
    };
    let (_ada, _outbound) = hub.hello(hidden, &Names).await.unwrap();
    assert_eq!(bob.events().await, []);
    let seen = asked(&mut bob, 2, "ada").await;
    let of_ada = (
        seen.online,
        seen.last_active,
        seen.status.as_str(),
        seen.invisible,
    );
    assert_eq!(of_ada, (false, None, "", false));

    accept(&hub, "ada", status("hiding")).await;
    accept(&hub, "ada", invisible(true)).await;
    // Without the device's word the settings hold, which at first had only a text.
    accept(&hub, "ada", invisible(false)).await;
    let seen = loop {
        let seen = change(&mut bob).await;
        if seen.status == "hiding" {
            break seen;
        }
    };
    assert!(seen.online, "{seen:?}");
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn settings_that_are_changed_twice_in_one_group_are_told_once() {
    let hub = start_with(&["bob"], HubConfig::default()).await;
    let _ada = Client::connect(&hub, "ada").await;
    let mut bob = Client::connect(&hub, "bob").await;
    accept(&hub, "ada", invisible(true)).await;
    assert!(!asked(&mut bob, 1, "ada").await.online);
    let both = [false, true].map(|hide| envelope(invisible(hide))).to_vec();
    for result in hub.ops(&user("ada"), both).await {
        assert!(!steps(&result.outcome).is_empty());
    }
    accept(&hub, "ada", invisible(false)).await;
    assert!(change(&mut bob).await.online);
    accept(&hub, "ada", status("here")).await;
    let seen = change(&mut bob).await;
    assert_eq!(
        (seen.online, seen.status.as_str()),
        (true, "here"),
        "she was not seen before"
    );
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn settings_hold_on_every_device_and_over_a_restart() {
    let (storage, clock) = (
        Arc::new(MemoryStorage::new(Epoch(1))),
        Arc::new(ManualClock::default()),
    );
    clock.set(5_000);
    let hub = start_on(storage.clone(), &clock, HubConfig::default());
    accept(&hub, "ada", create(&["bob"])).await;
    let ada = Client::connect(&hub, "ada").await;
    let custom = Custom::default().with("mood", "calm");
    let data = Op::UpdateSettings {
        change: SettingsChange {
            status: Some("here".to_owned()),
            custom: Some(custom.clone()),
            ..SettingsChange::default()
        },
    };
    accept(&hub, "ada", data).await;
    let mut bob = Client::connect(&hub, "bob").await;
    let seen = asked(&mut bob, 1, "ada").await;
    assert_eq!(
        (seen.online, &seen.custom, seen.status.as_str()),
        (true, &custom, "here")
    );
    accept(&hub, "ada", invisible(true)).await;
    let seen = change(&mut bob).await;
    assert_eq!((seen.online, seen.last_active), (false, Some(Timestamp(5_000))));
    clock.set(900_000);
    accept(&hub, "ada", status("gone")).await;
    drop((ada, bob));
    hub.close().await;

    let hub = start_on(storage.clone(), &clock, HubConfig::default());
    let mut ada = Client::connect(&hub, "ada").await;
    let mut bob = Client::connect(&hub, "bob").await;
    let seen = asked(&mut bob, 1, "ada").await;
    let frozen = (seen.online, seen.last_active, seen.status.as_str());
    assert_eq!(
        frozen,
        (false, Some(Timestamp(5_000)), "here"),
        "as others saw her last"
    );
    let own = asked(&mut ada, 1, "ada").await;
    assert!(own.online && own.invisible && own.status == "gone", "{own:?}");
    accept(&hub, "ada", invisible(false)).await;
    let seen = change(&mut bob).await;
    assert_eq!((seen.online, seen.status.as_str()), (true, "gone"));
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn when_somebody_was_seen_last_is_stored_while_the_server_runs() {
    let (storage, clock) = (
        Arc::new(MemoryStorage::new(Epoch(1))),
        Arc::new(ManualClock::default()),
    );
    clock.set(5_000);
    let hub = start_on(storage.clone(), &clock, HubConfig::default());
    accept(&hub, "ada", create(&["bob"])).await;
    let ada = Client::connect(&hub, "ada").await;
    pass(Duration::from_secs(5)).await;
    // A server that is killed says nothing more.
    let killed = start_on(storage.clone(), &clock, HubConfig::default());
    let mut bob = Client::connect(&killed, "bob").await;
    let seen = asked(&mut bob, 1, "ada").await;
    assert_eq!((seen.online, seen.last_active), (false, Some(Timestamp(5_000))));
    clock.set(64_000);
    drop(ada);
    pass(Duration::from_secs(15)).await;
    let record = storage
        .presence(&user("bob"), &[user("ada")])
        .await
        .unwrap()
        .remove(0);
    assert_eq!(
        record.seen.unwrap().last_active,
        Some(Timestamp(64_000)),
        "as she left"
    );
    hub.close().await;
    killed.close().await;
}

#[tokio::test]
async fn presence_is_for_those_who_share_a_channel() {
    let hub = start_with(&["bob"], HubConfig::default()).await;
    let _ada = Client::connect(&hub, "ada").await;
    let mut carol = Client::connect(&hub, "carol").await;
    carol.session.handle(ask(1, &["ada", "carol"])).await.unwrap();
    let answer = presence(&mut carol).await;
    let users: Vec<_> = answer.users.iter().map(|of| of.user.as_str()).collect();
    let refused: Vec<_> = answer
        .refused
        .iter()
        .map(|of| (of.user.as_str(), &of.code))
        .collect();
    assert_eq!((users, refused), (vec!["carol"], vec![("ada", &Code::Forbidden)]));
    assert!(
        answer.refused[0].message.contains("share no channel"),
        "{answer:?}"
    );
    // Invited is not in.
    let (add, remove) = (
        crate::support::add(&["carol"]),
        crate::support::remove(&["carol"]),
    );
    accept(&hub, "ada", add).await;
    assert!(asked(&mut carol, 2, "ada").await.online);
    accept(&hub, "ada", remove).await;
    // It holds until the connection ends.
    accept(&hub, "ada", status("still")).await;
    assert_eq!(change(&mut carol).await.status, "still");
    let mut carol = Client::connect(&hub, "carol").await;
    carol.session.handle(ask(1, &["ada"])).await.unwrap();
    assert_eq!(presence(&mut carol).await.refused.len(), 1);
    hub.close().await;
}

#[tokio::test]
async fn who_is_denied_sees_nobody_online() {
    let hub = start_with(&["bob", "carol"], HubConfig::default()).await;
    let _ada = Client::connect(&hub, "ada").await;
    let (mut bob, mut carol) = (
        Client::connect(&hub, "bob").await,
        Client::connect(&hub, "carol").await,
    );
    assert!(asked(&mut bob, 1, "ada").await.online);
    assert!(asked(&mut carol, 1, "ada").await.online);
    accept(&hub, "ada", consent("bob", ConsentState::Denied)).await;
    let seen = change(&mut bob).await;
    assert_eq!((seen.online, seen.last_active), (false, None));
    accept(&hub, "ada", status("for friends")).await;
    assert_eq!(change(&mut carol).await.status, "for friends");
    let mut bob = Client::connect(&hub, "bob").await;
    let seen = asked(&mut bob, 1, "ada").await;
    assert_eq!(
        (seen.online, seen.status.as_str()),
        (false, ""),
        "on a new connection too"
    );
    accept(&hub, "ada", consent("bob", ConsentState::Unknown)).await;
    assert!(change(&mut bob).await.online);
    hub.close().await;
}

/// Starts a hub where bob shares a channel with so many; returns their names.
async fn crowd(count: usize, config: HubConfig) -> (Hub, Vec<String>) {
    let (hub, _) = start(config);
    let names: Vec<String> = (0..count).map(|number| format!("u{number}")).collect();
    let mut op = create(&["bob"]);
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    for some in all.chunks(limits::MEMBERS_PER_OP) {
        accept(&hub, "ada", op).await;
        op = crate::support::add(some);
    }
    accept(&hub, "ada", op).await;
    (hub, names)
}

#[tokio::test(start_paused = true)]
async fn a_thousand_flapping_clients_are_no_more_than_one_change_each_a_lease() {
    const LEASES: u32 = 12;
    let config = HubConfig {
        heartbeat: Duration::from_secs(2),
        presence_grace: Duration::from_secs(1),
        ..HubConfig::default()
    };
    let lease = config.heartbeat * 5 / 2;
    let (hub, names) = crowd(limits::PRESENCE_WATCHED, config).await;
    let mut bob = Client::connect(&hub, "bob").await;
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut online: HashMap<UserId, bool> = HashMap::new();
    for some in all.chunks(limits::PRESENCE_PER_FRAME) {
        bob.session.handle(ask(1, some)).await.unwrap();
        let answer = presence(&mut bob).await;
        online.extend(answer.users.into_iter().map(|of| (of.user, of.online)));
    }
    let (mut changes, mut frames) = (HashMap::<UserId, u32>::new(), 0);
    let mut live: HashMap<&str, Client> = HashMap::new();
    let (until, mut round) = (Instant::now() + lease * LEASES, 0_usize);
    while Instant::now() < until {
        // Each is there for some seconds, and away for longer than the grace.
        let some = all
            .iter()
            .enumerate()
            .filter(|(place, _)| (place * 7 + round) % 5 == 0);
        for name in some.map(|(_, name)| *name) {
            if live.remove(name).is_none() {
                live.insert(name, Client::connect(&hub, name).await);
            }
        }
        round += 1;
        pass(Duration::from_millis(400)).await;
        heard(&bob).await;
        while let Ok(batch) = timeout(Duration::from_millis(1), bob.outbound.next_batch()).await {
            for bytes in batch.expect("bob is connected") {
                let Ok(ServerFrame::Presence(told)) = decode::<ServerFrame>(&bytes) else {
                    continue;
                };
                frames += 1;
                for of in told.users {
                    if online.insert(of.user.clone(), of.online) != Some(of.online) {
                        *changes.entry(of.user).or_default() += 1;
                    }
                }
            }
        }
    }
    let (all, most) = (
        changes.values().sum::<u32>(),
        changes.values().max().copied().unwrap_or(0),
    );
    assert!(
        changes.len() == names.len() && all <= 1_000 * LEASES,
        "{all} changes"
    );
    assert!(most <= LEASES, "{most} changes of one in {LEASES} leases");
    // Told together: a frame every five seconds, each of up to 200.
    assert!(frames <= 5 * 2 * LEASES, "{frames} frames");
    hub.close().await;
}

#[tokio::test]
async fn what_is_too_much_is_said_and_not_cut_short() {
    let (hub, names) = crowd(limits::PRESENCE_WATCHED + 1, HubConfig::default()).await;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut bob = Client::connect(&hub, "bob").await;
    let (mut accepted, mut refused) = (0, 0);
    for names in names.chunks(limits::PRESENCE_PER_FRAME) {
        bob.session.handle(ask(4, names)).await.unwrap();
        let answer = presence(&mut bob).await;
        accepted += answer.users.len();
        refused += answer.refused.len();
    }
    assert_eq!((accepted, refused), (limits::PRESENCE_WATCHED, 1));
    let bye = bob.session.handle(ask(5, &names)).await.unwrap_err();
    assert_eq!(bye.code, Code::TooLarge);

    let long = Hello {
        presence: OwnPresence {
            status: Some("x".repeat(limits::STATUS_CHARS + 1)),
            ..OwnPresence::default()
        },
        ..hello("ada")
    };
    assert_eq!(hub.hello(long, &Names).await.unwrap_err().code, Code::TooLarge);
    hub.close().await;
}
