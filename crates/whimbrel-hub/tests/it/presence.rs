//! Who is online, as connections are told.

use crate::support::{Client, Names, hello, start, user};
use std::time::Duration;
use tokio::time::{Instant, interval};
use whimbrel_hub::HubConfig;
use whimbrel_model::{Code, UserId, limits};
use whimbrel_protocol::{
    AskPresence, ClientFrame, Hello, OwnPresence, Presence, ServerFrame, UserPresence, Watch,
};

fn ask(id: u64, add: &[&str]) -> ClientFrame {
    ClientFrame::Presence(AskPresence {
        id,
        add: add.iter().map(|name| user(name)).collect(),
        remove: Vec::new(),
        own: OwnPresence::default(),
    })
}

fn with_status(status: String) -> OwnPresence {
    OwnPresence {
        invisible: None,
        status: Some(status),
    }
}

async fn presence(client: &mut Client) -> Presence {
    match client.next().await {
        ServerFrame::Presence(presence) => presence,
        other => panic!("{other:?}"),
    }
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
    let (hub, _) = start(HubConfig::default());
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
async fn a_connection_that_is_not_heard_is_no_lease_though_its_transport_never_ends() {
    let config = HubConfig {
        heartbeat: Duration::from_secs(1),
        presence_grace: Duration::from_secs(1),
        ..HubConfig::default()
    };
    let (hub, _) = start(config.clone());
    let mut bob = Client::connect(&hub, "bob").await;
    let _silent = Client::connect(&hub, "ada").await;
    bob.session.handle(ask(1, &["ada"])).await.unwrap();
    assert!(presence(&mut bob).await.users[0].online);
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
    let (hub, _) = start(HubConfig::default());
    let mut bob = Client::connect(&hub, "bob").await;
    bob.session.handle(ask(1, &["ada"])).await.unwrap();
    assert!(!presence(&mut bob).await.users[0].online);
    let invisible = Hello {
        presence: OwnPresence {
            invisible: Some(true),
            status: Some("hiding".to_owned()),
        },
        ..hello("ada")
    };
    let (ada, _outbound) = hub.hello(invisible, &Names).await.unwrap();
    assert_eq!(bob.events().await, []);
    bob.session.handle(ask(2, &["ada"])).await.unwrap();
    let seen = presence(&mut bob).await.users.remove(0);
    assert_eq!(
        (
            seen.online,
            seen.last_active,
            seen.status.as_str(),
            seen.invisible
        ),
        (false, None, "", false)
    );
    let visible = AskPresence {
        id: 1,
        add: Vec::new(),
        remove: Vec::new(),
        own: OwnPresence {
            invisible: Some(false),
            status: None,
        },
    };
    ada.handle(ClientFrame::Presence(visible)).await.unwrap();
    let seen = change(&mut bob).await;
    assert_eq!((seen.online, seen.status.as_str()), (true, "hiding"));
    hub.close().await;
}

#[tokio::test]
async fn what_is_too_much_is_said_and_not_cut_short() {
    let (hub, _) = start(HubConfig::default());
    let mut bob = Client::connect(&hub, "bob").await;
    let long = AskPresence {
        id: 3,
        add: vec![user("ada")],
        remove: Vec::new(),
        own: with_status("x".repeat(limits::STATUS_CHARS + 1)),
    };
    bob.session.handle(ClientFrame::Presence(long)).await.unwrap();
    match bob.next().await {
        ServerFrame::Failed(failed) => assert_eq!((failed.id, failed.code), (3, Code::TooLarge)),
        other => panic!("{other:?}"),
    }
    let users: Vec<UserId> = (0..=limits::PRESENCE_WATCHED)
        .map(|number| user(&format!("u{number}")))
        .collect();
    let (mut accepted, mut refused) = (0, 0);
    for users in users.chunks(limits::PRESENCE_PER_FRAME) {
        let names: Vec<&str> = users.iter().map(UserId::as_str).collect();
        bob.session.handle(ask(4, &names)).await.unwrap();
        let answer = presence(&mut bob).await;
        accepted += answer.users.len();
        refused += answer.refused.len();
    }
    assert_eq!((accepted, refused), (limits::PRESENCE_WATCHED, 1));
    let names: Vec<&str> = users.iter().map(UserId::as_str).collect();
    let bye = bob.session.handle(ask(5, &names)).await.unwrap_err();
    assert_eq!(bye.code, Code::TooLarge);

    let long = Hello {
        presence: with_status("x".repeat(limits::STATUS_CHARS + 1)),
        ..hello("ada")
    };
    assert_eq!(hub.hello(long, &Names).await.unwrap_err().code, Code::TooLarge);
    hub.close().await;
}
