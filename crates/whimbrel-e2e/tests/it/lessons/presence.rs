//! Who is online.

use super::support::{World, made, within};
use std::time::Duration;
use whimbrel::{Presence, PresenceOf, model::UserId};

/// Waits until a user is shown as wanted.
async fn sees(presence: &Presence, user: &UserId, what: &str, wanted: impl Fn(&PresenceOf) -> bool) {
    let mut watch = presence.watch();
    within(what, async {
        let mut users = watch.get();
        while !wanted(&users[user]) {
            users = watch.next().await.expect("the client is alive");
        }
    })
    .await;
}

#[tokio::test]
async fn u30_presence_is_not_stuck_when_a_device_or_the_server_is_gone() {
    let heartbeat = Duration::from_millis(500);
    let mut world = World::start_with(|config| config.heartbeat = heartbeat).await;
    let ((device, ada), (_his, bob)) = (world.online("ada").await, world.online("bob").await);
    made(&ada).await;
    let user: UserId = "ada".parse().unwrap();
    let presence = bob.presence([user.clone()]).await.unwrap();
    sees(&presence, &user, "ada online", |of| of.online == Some(true)).await;

    // A device whose link is there no more, though neither side is told: a lease and the grace later it is offline.
    device.link.stall();
    let lease = heartbeat * 5 / 2 + Duration::from_secs(10);
    let gone = sees(&presence, &user, "ada offline", |of| of.online == Some(false));
    let in_time = tokio::time::timeout(lease + Duration::from_secs(20), gone).await;
    assert!(in_time.is_ok(), "she is online longer than her lease");
    let last = presence.of(&user).unwrap().last_active;
    assert!(last.is_some(), "when she was seen last");

    // Back again, and then the server goes away and comes back without her: there are no ghosts, and what was known is kept.
    device.link.restore();
    sees(&presence, &user, "ada back", |of| of.online == Some(true)).await;
    world.stop_server().await;
    device.link.cut();
    sees(&presence, &user, "nothing known", |of| of.online.is_none()).await;
    world.start_server().await;
    sees(&presence, &user, "no ghost", |of| of.online == Some(false)).await;
    assert!(presence.of(&user).unwrap().last_active >= last);
    device.link.restore();
    sees(&presence, &user, "ada again", |of| of.online == Some(true)).await;
}
