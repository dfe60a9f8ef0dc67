//! Who is online, and who has a channel open.

use crate::support::{general, go_live, made, online, open, reaches, settled, within};
use std::{future::Future, time::Duration};
use tokio::time::{Instant, timeout};
use whimbrel_client::{Presence, PresenceOf, SyncState, Watchers, WatchersOf, field};
use whimbrel_model::{Code, Custom, UserId, limits};
use whimbrel_store::MemoryStore;
use whimbrel_testkit::server::TestServer;

/// As the test server has them.
const GRACE: Duration = Duration::from_secs(10);
const HEARTBEAT: Duration = Duration::from_secs(30);

/// The time is paused: this is longer than any lease.
const PATIENCE: Duration = Duration::from_secs(600);

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

async fn patiently<T>(what: &str, wait: impl Future<Output = T>) -> T {
    timeout(PATIENCE, wait)
        .await
        .unwrap_or_else(|_| panic!("waited for {what}"))
}

/// Waits until a user is shown as wanted. Returns all that was shown on the way.
async fn sees(presence: &Presence, name: &str, wanted: impl Fn(&PresenceOf) -> bool) -> Vec<PresenceOf> {
    let mut watch = presence.watch();
    let mut seen = vec![watch.get().remove(&user(name)).expect("it was asked for")];
    patiently(name, async {
        while !wanted(&seen[seen.len() - 1]) {
            let mut users = watch.next().await.expect("the client is alive");
            seen.push(users.remove(&user(name)).expect("it was asked for"));
        }
    })
    .await;
    seen
}

/// A channel of ada, bob and carol at the server; nobody of them was ever seen.
async fn acquainted() -> TestServer {
    let server = TestServer::new();
    let host = online(&server, "host").await;
    let created = general(&host)
        .create("General", ["ada", "bob", "carol"])
        .await
        .unwrap();
    within("the channel", created.settled()).await.unwrap();
    host.close().await;
    server
}

fn is(online: bool) -> impl Fn(&PresenceOf) -> bool {
    move |of| of.online == Some(online)
}

#[tokio::test(start_paused = true)]
async fn before_a_connection_nothing_is_known_and_after_one_what_was_known_stands_with_its_time() {
    let server = acquainted().await;
    let _ada = online(&server, "ada").await;
    let bob = open(&server, "bob", &MemoryStore::new()).await;
    let presence = bob.presence([user("ada"), user("carol")]).await.unwrap();
    assert_eq!(presence.of(&user("ada")), Some(PresenceOf::default()));
    assert_eq!(presence.of(&user("dan")), None, "nobody asked for dan");
    go_live(&bob).await;
    sees(&presence, "ada", is(true)).await;
    sees(&presence, "carol", is(false)).await;
    bob.disconnect().await.unwrap();
    let seen = sees(&presence, "ada", |of| of.online.is_none()).await;
    let last = seen.last().unwrap();
    assert!(last.as_of.is_some() && last.last_active.is_some(), "{last:?}");
    go_live(&bob).await;
    sees(&presence, "ada", is(true)).await;
}

#[tokio::test(start_paused = true)]
async fn who_closes_is_offline_after_the_grace_and_who_is_killed_after_the_lease() {
    let server = acquainted().await;
    let bob = online(&server, "bob").await;
    let (ada, carol) = (online(&server, "ada").await, online(&server, "carol").await);
    let presence = bob.presence([user("ada"), user("carol")]).await.unwrap();
    sees(&presence, "ada", is(true)).await;
    sees(&presence, "carol", is(true)).await;
    let began = Instant::now();
    ada.close().await;
    sees(&presence, "ada", is(false)).await;
    assert!(began.elapsed() >= GRACE && began.elapsed() < GRACE * 2);
    assert_eq!(presence.of(&user("carol")).unwrap().online, Some(true));

    let began = Instant::now();
    server.network().only(&carol).stall();
    sees(&presence, "carol", is(false)).await;
    let lease = HEARTBEAT.mul_f64(2.5);
    assert!(
        began.elapsed() > lease - HEARTBEAT && began.elapsed() < lease * 2,
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_short_break_is_not_seen_by_others() {
    let server = acquainted().await;
    let (ada, bob) = (online(&server, "ada").await, online(&server, "bob").await);
    let presence = bob.presence([user("ada")]).await.unwrap();
    sees(&presence, "ada", is(true)).await;
    let mut watch = presence.watch();
    for _ in 0..3 {
        ada.disconnect().await.unwrap();
        reaches(&ada, |status| *status == SyncState::Offline).await;
        go_live(&ada).await;
    }
    let whole = timeout(GRACE * 3, async {
        while let Some(users) = watch.next().await {
            assert_eq!(users[&user("ada")].online, Some(true));
        }
    });
    assert!(whole.await.is_err(), "the client is alive");
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_of_the_server_nobody_is_online_who_does_not_connect() {
    let server = acquainted().await;
    let (ada, bob) = (online(&server, "ada").await, online(&server, "bob").await);
    let presence = bob.presence([user("ada"), user("bob")]).await.unwrap();
    sees(&presence, "ada", is(true)).await;
    server.network().only(&ada).offline();
    server.restart().await;
    sees(&presence, "ada", is(false)).await;
    sees(&presence, "bob", is(true)).await;
    server.network().only(&ada).heal();
    sees(&presence, "ada", is(true)).await;
}

#[tokio::test(start_paused = true)]
async fn who_is_invisible_is_so_on_every_device_and_connection_and_knows_it() {
    let server = acquainted().await;
    let bob = online(&server, "bob").await;
    let presence = bob.presence([user("ada")]).await.unwrap();
    sees(&presence, "ada", is(false)).await;

    // With no network, and before the first connection.
    let store = MemoryStore::new();
    let ada = open(&server, "ada", &store).await;
    ada.set_invisible(true).await.unwrap();
    ada.set_status("at the sea").await.unwrap();
    let mood = Custom::default().with("mood", "calm");
    ada.set_presence_data(mood.clone()).await.unwrap();
    assert!(ada.settings().invisible, "it is seen at once");
    ada.close().await;
    let ada = open(&server, "ada", &store).await;
    assert!(ada.settings().invisible, "and after a restart");
    let own = ada.presence([user("ada")]).await.unwrap();
    let mut seen = presence.watch();
    for _ in 0..2 {
        go_live(&ada).await;
        let seen = sees(&own, "ada", is(true)).await;
        let last = seen.last().unwrap();
        assert!(last.invisible && last.status == "at the sea", "{last:?}");
        assert_eq!(last.custom, mood);
        settled(&ada).await;
        server.restart().await;
        sees(&own, "ada", |of| of.online.is_none()).await;
    }
    sees(&own, "ada", is(true)).await;
    // Another device says nothing of it, and is not seen to come either.
    let phone = online(&server, "ada").await;
    reaches(&bob, |status| *status == SyncState::Live).await;
    sees(&presence, "ada", is(false)).await;
    while let Ok(Some(users)) = timeout(Duration::from_secs(1), seen.next()).await {
        assert_ne!(users[&user("ada")].online, Some(true), "nobody saw her come");
    }
    assert!(phone.settings().invisible);
    assert_eq!(presence.of(&user("ada")).unwrap().status, "");

    phone.set_invisible(false).await.unwrap();
    let seen = sees(&presence, "ada", is(true)).await;
    let last = seen.last().unwrap();
    assert_eq!((last.status.as_str(), &last.custom), ("at the sea", &mood));
    ada.set_status("").await.unwrap();
    sees(&presence, "ada", |of| of.status.is_empty()).await;
    let long = "x".repeat(limits::STATUS_CHARS + 1);
    assert_eq!(ada.set_status(long).await.unwrap_err().code(), "too_large");
}

#[tokio::test(start_paused = true)]
async fn a_second_connection_of_an_invisible_user_leaves_no_trace_while_the_change_waits() {
    let server = acquainted().await;
    let bob = online(&server, "bob").await;
    let presence = bob.presence([user("ada")]).await.unwrap();
    sees(&presence, "ada", is(false)).await;
    let mut watch = presence.watch();
    let ada = open(&server, "ada", &MemoryStore::new()).await;
    ada.set_invisible(true).await.unwrap();
    for _ in 0..3 {
        go_live(&ada).await;
        ada.disconnect().await.unwrap();
        reaches(&ada, |status| *status == SyncState::Offline).await;
    }
    assert!(
        timeout(GRACE * 3, watch.next()).await.is_err(),
        "{:?}",
        presence.users()
    );
}

#[tokio::test(start_paused = true)]
async fn a_background_sync_makes_nobody_online_until_they_connect() {
    let server = acquainted().await;
    let bob = online(&server, "bob").await;
    let presence = bob.presence([user("ada")]).await.unwrap();
    let watchers = general(&bob).watchers().await.unwrap();
    sees(&presence, "ada", is(false)).await;
    watched_by(&watchers, &["bob"]).await;
    let mut watch = presence.watch();
    let ada = open(&server, "ada", &MemoryStore::new()).await;
    let _timeline = general(&ada).timeline().await.unwrap();
    ada.sync_once(PATIENCE).await.unwrap();
    assert!(
        timeout(GRACE * 2, watch.next()).await.is_err(),
        "{:?}",
        presence.users()
    );
    assert_eq!(watchers.now().unwrap().count, 1, "nobody looks at it");
    // With a sync under way she comes herself, and is there from then on.
    let sync = ada.clone();
    let (synced, connected) = tokio::join!(sync.sync_once(PATIENCE), ada.connect());
    synced.unwrap();
    connected.unwrap();
    sees(&presence, "ada", is(true)).await;
    watched_by(&watchers, &["ada", "bob"]).await;
}

#[tokio::test(start_paused = true)]
async fn who_shares_no_channel_is_refused_and_who_denies_looks_offline() {
    let server = acquainted().await;
    let (ada, bob) = (online(&server, "ada").await, online(&server, "bob").await);
    let _dan = online(&server, "dan").await;
    let presence = bob.presence([user("ada"), user("dan")]).await.unwrap();
    within("an answer", presence.answered()).await;
    let refused = presence.refused();
    assert_eq!((refused.len(), &refused[&user("dan")].0), (1, &Code::Forbidden));
    assert_eq!(presence.accepted(), [user("ada")].into());
    sees(&presence, "ada", is(true)).await;
    ada.block_user(user("bob"), None).await.unwrap();
    let seen = sees(&presence, "ada", is(false)).await;
    assert_eq!(seen.last().unwrap().last_active, None);
}

#[tokio::test(start_paused = true)]
async fn questions_bring_how_the_users_of_what_is_found_are() {
    let server = acquainted().await;
    let (ada, bob) = (online(&server, "ada").await, online(&server, "bob").await);
    ada.update_profile(Some("Ada".to_owned()), None, None)
        .await
        .unwrap();
    settled(&ada).await;
    let page = bob
        .query_users(field("name").eq("Ada"))
        .presence(true)
        .await
        .unwrap();
    let presence = page.presence().unwrap().clone();
    within("an answer", presence.answered()).await;
    assert_eq!(presence.of(&user("ada")).unwrap().online, Some(true));

    let page = general(&bob)
        .query_members(field("role").eq("member"))
        .presence(true)
        .await
        .unwrap();
    let members = page.presence().unwrap();
    within("an answer", members.answered()).await;
    assert_eq!(members.accepted(), ["ada", "bob", "carol"].map(user).into());

    let all = bob.query_channels(field("name").eq("General")).from_server();
    let page = all.clone().presence(true).await.unwrap();
    let members = page.presence().unwrap();
    within("an answer", members.answered()).await;
    assert_eq!(members.users().len(), 4, "the members that came with the channel");
    assert!(all.await.unwrap().presence().is_none(), "it was not wanted");

    let of_channel = general(&bob).presence().await.unwrap();
    within("an answer", of_channel.answered()).await;
    assert_eq!(of_channel.users().len(), 4);
    for (name, online) in [("ada", true), ("bob", true), ("carol", false)] {
        assert_eq!(of_channel.of(&user(name)).unwrap().online, Some(online), "{name}");
    }
    ada.close().await;
    sees(&presence, "ada", is(false)).await;
}

/// Waits until so many users have the channel open.
async fn watched_by(watchers: &Watchers, users: &[&str]) {
    let wanted = WatchersOf {
        count: users.len() as u64,
        users: Some(users.iter().map(|name| user(name)).collect()),
    };
    let mut watch = watchers.watch();
    patiently("watchers", async {
        let mut now = watch.get();
        while now.as_ref() != Some(&wanted) {
            now = watch.next().await.expect("the client is alive");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_open_timeline_is_seen_by_whoever_has_the_channel_open_too() {
    let server = acquainted().await;
    let (ada, bob) = (online(&server, "ada").await, online(&server, "bob").await);
    let watchers = general(&ada).watchers().await.unwrap();
    watched_by(&watchers, &["ada"]).await;
    let timeline = general(&bob).timeline().await.unwrap();
    watched_by(&watchers, &["ada", "bob"]).await;
    // It is known at once to whoever asks while the timeline is open.
    let of_bob = general(&bob).watchers().await.unwrap();
    watched_by(&of_bob, &["ada", "bob"]).await;
    drop((timeline, of_bob));
    watched_by(&watchers, &["ada"]).await;

    // What is open is told to each new connection.
    let _timeline = general(&bob).timeline().await.unwrap();
    watched_by(&watchers, &["ada", "bob"]).await;
    ada.disconnect().await.unwrap();
    let mut watch = watchers.watch();
    patiently("nothing", async {
        while watch.get().is_some() {
            watch.next().await;
        }
    })
    .await;
    go_live(&ada).await;
    watched_by(&watchers, &["ada", "bob"]).await;
    bob.close().await;
    watched_by(&watchers, &["ada"]).await;
}

#[tokio::test(start_paused = true)]
async fn who_becomes_a_member_while_the_channel_is_open_is_told_within_a_heartbeat() {
    let server = acquainted().await;
    let (ada, dan) = (online(&server, "ada").await, online(&server, "dan").await);
    let of_ada = general(&ada).watchers().await.unwrap();
    let of_dan = general(&dan).watchers().await.unwrap();
    watched_by(&of_ada, &["ada"]).await;
    assert_eq!(of_dan.now(), None);
    let host = online(&server, "host").await;
    general(&host).add_members([user("dan")]).await.unwrap();
    watched_by(&of_dan, &["ada", "dan"]).await;
    watched_by(&of_ada, &["ada", "dan"]).await;
}

#[tokio::test(start_paused = true)]
async fn who_is_too_many_is_named_and_has_the_place_of_whoever_is_given_up() {
    let server = TestServer::new();
    let bob = online(&server, "bob").await;
    let crowd: Vec<UserId> = (0..limits::PRESENCE_WATCHED)
        .map(|number| user(&format!("u{number:04}")))
        .collect();
    let channel = made(&bob).await;
    channel.add_members([user("ada")]).await.unwrap();
    for some in crowd.chunks(limits::MEMBERS_PER_OP) {
        channel.add_members(some.iter().cloned()).await.unwrap();
    }
    settled(&bob).await;
    let crowd = bob.presence(crowd).await.unwrap();
    sees(&crowd, "u0999", is(false)).await;
    let presence = bob.presence([user("ada"), user("u0999")]).await.unwrap();
    let seen = sees(&presence, "ada", |of| of.refused.is_some()).await;
    assert_eq!(seen.last().unwrap().refused.as_ref().unwrap().0, Code::TooLarge);
    sees(&presence, "u0999", is(false)).await;
    drop(crowd);
    sees(&presence, "ada", is(false)).await;
}
