//! Who types, from one device to another, and what is not said.

use crate::support::{general, go_live, made, online, settled};
use std::time::Duration;
use whimbrel_client::{Client, Watch};
use whimbrel_model::{SettingsChange, UserId};
use whimbrel_testkit::{server::TestServer, time::pass};

const SECOND: Duration = Duration::from_secs(1);

/// Brings two members online who have the channel.
async fn two(server: &TestServer) -> (Client, Client) {
    let ada = online(server, "ada").await;
    let bob = online(server, "bob").await;
    made(&ada).await;
    settled(&ada).await;
    (ada, bob)
}

/// Lets what was said arrive, in much less time than anything here takes.
async fn arrive() {
    pass(Duration::from_millis(100)).await;
}

fn names(watch: &Watch<Vec<UserId>>) -> Vec<String> {
    watch.get().iter().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn who_types_is_seen_as_long_as_they_do_and_five_seconds_more() {
    let server = TestServer::new();
    let (ada, bob) = two(&server).await;
    let (own, seen) = (general(&ada).watch_typing(None), general(&bob).watch_typing(None));
    for _ in 0..40 {
        general(&ada).typing().await.unwrap();
        arrive().await;
        assert_eq!(names(&seen), ["ada"]);
        pass(SECOND / 2).await;
    }
    assert_eq!(names(&own), [""; 0], "nobody sees themselves");
    pass(SECOND * 4).await;
    assert_eq!(names(&seen), ["ada"]);
    pass(SECOND).await;
    assert_eq!(names(&seen), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn all_who_type_are_seen_sorted_and_each_place_is_its_own() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    let parent = channel.send("Who brings the boat?").await.unwrap().id;
    settled(&ada).await;
    let (carol, bob) = (online(&server, "carol").await, online(&server, "bob").await);
    let (seen, thread) = (channel.watch_typing(None), channel.watch_typing(Some(parent)));
    general(&carol).typing().await.unwrap();
    general(&bob).typing().await.unwrap();
    general(&bob).thread_typing(parent).await.unwrap();
    arrive().await;
    assert_eq!(
        (names(&seen), names(&thread)),
        (vec!["bob".into(), "carol".into()], vec!["bob".into()])
    );
    assert_eq!(
        names(&channel.watch_typing(None)),
        ["bob", "carol"],
        "a late reader sees it too"
    );
    general(&bob).stop_typing(None).await.unwrap();
    arrive().await;
    assert_eq!(
        (names(&seen), names(&thread)),
        (vec!["carol".into()], vec!["bob".into()])
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_ends_the_typing_where_it_was_written_and_nowhere_else() {
    let server = TestServer::new();
    let (ada, bob) = two(&server).await;
    let parent = general(&ada).send("Who brings the boat?").await.unwrap().id;
    settled(&ada).await;
    let (seen, thread) = (
        general(&bob).watch_typing(None),
        general(&bob).watch_typing(Some(parent)),
    );
    general(&ada).typing().await.unwrap();
    general(&ada).thread_typing(parent).await.unwrap();
    general(&ada).reply(parent, "I do").await.unwrap();
    arrive().await;
    assert_eq!(
        (names(&seen), names(&thread)),
        (vec!["ada".to_owned()], Vec::new())
    );
    general(&ada).send("Bob does").await.unwrap();
    arrive().await;
    assert_eq!(names(&seen), [""; 0]);
    // The next key is too soon for another start; one after two seconds is not.
    general(&ada).typing().await.unwrap();
    arrive().await;
    assert_eq!(names(&seen), [""; 0]);
    pass(SECOND * 2).await;
    general(&ada).typing().await.unwrap();
    arrive().await;
    assert_eq!(names(&seen), ["ada"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_later_of_what_was_typed_offline() {
    let server = TestServer::new();
    let (ada, bob) = two(&server).await;
    let seen = general(&bob).watch_typing(None);
    ada.disconnect().await.unwrap();
    general(&ada).typing().await.unwrap();
    go_live(&ada).await;
    arrive().await;
    assert_eq!(names(&seen), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn who_disconnects_types_no_longer_and_sees_nobody_type() {
    let server = TestServer::new();
    let (ada, bob) = two(&server).await;
    let (seen, of_ada) = (general(&bob).watch_typing(None), general(&ada).watch_typing(None));
    general(&ada).typing().await.unwrap();
    general(&bob).typing().await.unwrap();
    arrive().await;
    assert_eq!(
        (names(&seen), names(&of_ada)),
        (vec!["ada".into()], vec!["bob".into()])
    );
    ada.disconnect().await.unwrap();
    arrive().await;
    assert_eq!((names(&seen), names(&of_ada)), (Vec::new(), Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn who_wants_no_indicators_neither_sends_nor_sees_them() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    made(&ada).await;
    settled(&ada).await;
    let quiet = server
        .client("bob")
        .typing_indicators(false)
        .engine(whimbrel_client::EngineConfig::default())
        .open()
        .await
        .unwrap();
    go_live(&quiet).await;
    let loud = online(&server, "bob").await;
    general(&quiet).typing().await.unwrap();
    general(&ada).typing().await.unwrap();
    arrive().await;
    assert_eq!(names(&general(&ada).watch_typing(None)), [""; 0]);
    assert_eq!(names(&general(&quiet).watch_typing(None)), [""; 0]);
    assert_eq!(names(&general(&loud).watch_typing(None)), ["ada"]);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_wants_no_indicators_has_none_on_any_device() {
    let server = TestServer::new();
    let (ada, bob) = two(&server).await;
    let phone = online(&server, "bob").await;
    let change = |on| SettingsChange {
        typing_indicators: Some(on),
        ..SettingsChange::default()
    };
    let (seen, own) = (
        general(&phone).watch_typing(None),
        general(&ada).watch_typing(None),
    );
    general(&ada).typing().await.unwrap();
    arrive().await;
    assert_eq!(names(&seen), ["ada"]);
    bob.update_settings(change(false)).await.unwrap();
    settled(&bob).await;
    arrive().await;
    assert_eq!(names(&seen), [""; 0]);
    general(&phone).typing().await.unwrap();
    general(&bob).typing().await.unwrap();
    arrive().await;
    assert_eq!(names(&own), [""; 0]);
    bob.update_settings(change(true)).await.unwrap();
    settled(&bob).await;
    general(&ada).typing().await.unwrap();
    general(&phone).typing().await.unwrap();
    arrive().await;
    assert_eq!(
        (names(&seen), names(&own)),
        (vec!["ada".to_owned()], vec!["bob".to_owned()])
    );
}
