//! Who is online.

use crate::support::{go_live, online, open, reaches};
use std::{future::Future, time::Duration};
use tokio::time::{Instant, timeout};
use whimbrel_client::{Presence, PresenceOf, SyncState};
use whimbrel_model::{Code, UserId, limits};
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

fn is(online: bool) -> impl Fn(&PresenceOf) -> bool {
    move |of| of.online == Some(online)
}

#[tokio::test(start_paused = true)]
async fn before_a_connection_nothing_is_known_and_after_one_what_was_known_stands_with_its_time() {
    let server = TestServer::new();
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
    let server = TestServer::new();
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
    let server = TestServer::new();
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
    let server = TestServer::new();
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
async fn who_is_invisible_is_so_on_every_connection_and_knows_it() {
    let server = TestServer::new();
    let bob = online(&server, "bob").await;
    let presence = bob.presence([user("ada")]).await.unwrap();
    sees(&presence, "ada", is(false)).await;

    let ada = open(&server, "ada", &MemoryStore::new()).await;
    ada.set_invisible(true).await.unwrap();
    ada.set_status("at the sea").await.unwrap();
    let own = ada.presence([user("ada")]).await.unwrap();
    for _ in 0..2 {
        go_live(&ada).await;
        let seen = sees(&own, "ada", is(true)).await;
        let last = seen.last().unwrap();
        assert!(last.invisible && last.status == "at the sea", "{last:?}");
        // The server forgets, the client does not.
        server.restart().await;
        sees(&own, "ada", |of| of.online.is_none()).await;
    }
    sees(&own, "ada", is(true)).await;
    sees(&presence, "ada", is(false)).await;
    assert_eq!(presence.of(&user("ada")).unwrap().status, "");
    ada.set_invisible(false).await.unwrap();
    let seen = sees(&presence, "ada", is(true)).await;
    assert_eq!(seen.last().unwrap().status, "at the sea");
    ada.set_status("").await.unwrap();
    sees(&presence, "ada", |of| of.status.is_empty()).await;
    let long = "x".repeat(limits::STATUS_CHARS + 1);
    assert_eq!(ada.set_status(long).await.unwrap_err().code(), "too_large");
}

#[tokio::test(start_paused = true)]
async fn who_is_too_many_is_named_and_has_the_place_of_whoever_is_given_up() {
    let server = TestServer::new();
    let bob = online(&server, "bob").await;
    let crowd = (0..limits::PRESENCE_WATCHED).map(|number| user(&format!("u{number:04}")));
    let crowd = bob.presence(crowd).await.unwrap();
    sees(&crowd, "u0999", is(false)).await;
    let presence = bob.presence([user("ada"), user("u0999")]).await.unwrap();
    let seen = sees(&presence, "ada", |of| of.refused.is_some()).await;
    assert_eq!(seen.last().unwrap().refused.as_ref().unwrap().0, Code::TooLarge);
    sees(&presence, "u0999", is(false)).await;
    drop(crowd);
    sees(&presence, "ada", is(false)).await;
}
