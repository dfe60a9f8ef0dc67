//! Who has a channel open, as connections are told.

use crate::support::{Client, accept, add, cid, create, remove, start, user};
use tokio::time::Instant;
use whimbrel_hub::HubConfig;
use whimbrel_model::{
    ChannelId, Code, ConsentState, ContactChange, Op, SetConsent, SettingsChange, UserId, limits,
};
use whimbrel_protocol::{ClientFrame, ServerFrame, Watchers, Watching};

pub(crate) async fn watching(client: &Client, on: bool) {
    let frame = ClientFrame::Watching(Watching { cid: cid(), on });
    client.session.handle(frame).await.unwrap();
}

/// Waits for what is told next: how many, who begins and who stops.
pub(crate) async fn told(client: &mut Client) -> (u64, Vec<String>, Vec<String>) {
    let names = |users: Vec<UserId>| users.iter().map(ToString::to_string).collect();
    loop {
        match client.next().await {
            ServerFrame::Watchers(Watchers {
                count,
                started,
                stopped,
                ..
            }) => return (count, names(started), names(stopped)),
            ServerFrame::Event(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// Asserts that nothing more was told.
async fn nothing(client: &mut Client) {
    let ask = whimbrel_protocol::Heads { id: 77, since: None };
    client.session.handle(ClientFrame::Heads(ask)).await.unwrap();
    loop {
        match client.next().await {
            ServerFrame::Heads(page) if page.id == 77 => return,
            ServerFrame::Event(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn whoever_has_a_channel_open_is_told_who_else_has() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&["bob"])).await;
    let (mut ada, mut bob) = (
        Client::connect(&hub, "ada").await,
        Client::connect(&hub, "bob").await,
    );
    watching(&ada, true).await;
    assert_eq!(told(&mut ada).await, (1, names(&["ada"]), vec![]));
    watching(&bob, true).await;
    assert_eq!(told(&mut bob).await, (2, names(&["ada", "bob"]), vec![]));
    assert_eq!(told(&mut ada).await, (2, names(&["bob"]), vec![]));
    // A second device is no news to the others.
    let mut phone = Client::connect(&hub, "bob").await;
    watching(&phone, true).await;
    assert_eq!(told(&mut phone).await.0, 2);
    watching(&bob, false).await;
    nothing(&mut ada).await;
    // It ends with the connection.
    drop(phone);
    assert_eq!(told(&mut ada).await, (1, vec![], names(&["bob"])));
    hub.close().await;
}

#[tokio::test]
async fn who_is_no_member_opens_nothing_and_who_is_put_out_has_it_open_no_longer() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&["bob"])).await;
    let (mut ada, mut bob) = (
        Client::connect(&hub, "ada").await,
        Client::connect(&hub, "bob").await,
    );
    let mut dan = Client::connect(&hub, "dan").await;
    watching(&ada, true).await;
    assert_eq!(told(&mut ada).await.0, 1);
    watching(&dan, true).await;
    nothing(&mut dan).await;
    nothing(&mut ada).await;
    watching(&bob, true).await;
    assert_eq!((told(&mut ada).await.0, told(&mut bob).await.0), (2, 2));
    accept(&hub, "ada", remove(&["bob"])).await;
    assert_eq!(told(&mut ada).await, (1, vec![], names(&["bob"])));
    nothing(&mut bob).await;
    hub.close().await;
}

#[tokio::test]
async fn who_is_invisible_is_seen_nowhere_and_who_is_denied_sees_nobody() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&["bob", "carol"])).await;
    let (mut ada, bob) = (
        Client::connect(&hub, "ada").await,
        Client::connect(&hub, "bob").await,
    );
    watching(&ada, true).await;
    watching(&bob, true).await;
    assert_eq!((told(&mut ada).await.0, told(&mut ada).await.0), (1, 2));
    let invisible = |invisible| Op::UpdateSettings {
        change: SettingsChange {
            invisible: Some(invisible),
            ..SettingsChange::default()
        },
    };
    accept(&hub, "bob", invisible(true)).await;
    assert_eq!(told(&mut ada).await, (1, vec![], names(&["bob"])));
    accept(&hub, "bob", invisible(false)).await;
    assert_eq!(told(&mut ada).await, (2, names(&["bob"]), vec![]));

    let consent = |state| Op::UpdateContact {
        user: user("ada"),
        change: ContactChange {
            consent: Some(SetConsent { state, until: None }),
            muted: None,
        },
    };
    accept(&hub, "bob", consent(ConsentState::Denied)).await;
    assert_eq!(
        told(&mut ada).await,
        (1, names(&["ada"]), vec![]),
        "everyone anew"
    );
    let mut carol = Client::connect(&hub, "carol").await;
    watching(&carol, true).await;
    assert_eq!(told(&mut carol).await.0, 3);
    assert_eq!(told(&mut ada).await, (2, names(&["carol"]), vec![]));
    watching(&ada, false).await;
    watching(&ada, true).await;
    assert_eq!(told(&mut ada).await, (2, names(&["ada", "carol"]), vec![]));
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn of_a_large_channel_only_the_number_is_told_and_that_from_time_to_time() {
    let (hub, _) = start(HubConfig::default());
    let users: Vec<String> = (0..limits::WATCHERS_NAMED)
        .map(|number| format!("u{number}"))
        .collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    accept(&hub, "ada", create(&users[..limits::MEMBERS_PER_OP - 1])).await;
    accept(&hub, "ada", add(&users)).await;
    let mut ada = Client::connect(&hub, "ada").await;
    watching(&ada, true).await;
    assert_eq!(told(&mut ada).await, (1, vec![], vec![]));
    let mut others = Vec::new();
    for user in &users[..30] {
        let other = Client::connect(&hub, user).await;
        watching(&other, true).await;
        others.push(other);
    }
    let began = Instant::now();
    while told(&mut ada).await.0 < 31 {}
    let waited = u64::try_from(began.elapsed().as_millis()).unwrap();
    assert!(waited > 0 && waited < 3 * limits::PRESENCE_EVERY_MS, "{waited}");
    drop(others);
    assert_eq!(told(&mut ada).await, (1, vec![], vec![]), "in one frame");
    hub.close().await;
}

#[tokio::test]
async fn too_many_open_channels_end_the_connection() {
    let (hub, _) = start(HubConfig::default());
    let ada = Client::connect(&hub, "ada").await;
    for number in 0..=limits::WATCHING {
        let cid: ChannelId = format!("messaging:c{number}").parse().unwrap();
        let create = Op::CreateChannel {
            cid: cid.clone(),
            name: String::new(),
            image: String::new(),
            custom: whimbrel_model::Custom::default(),
            members: vec![user("bob")],
        };
        accept(&hub, "ada", create).await;
        let frame = ClientFrame::Watching(Watching { cid, on: true });
        let handled = ada.session.handle(frame).await;
        match number < limits::WATCHING {
            true => handled.unwrap(),
            false => assert_eq!(handled.unwrap_err().code, Code::TooLarge),
        }
    }
    hub.close().await;
}
