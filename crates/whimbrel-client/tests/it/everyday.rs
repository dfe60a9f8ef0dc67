//! Threads, pins, drafts, how channels are kept, and distinct channels, from one device to another.

use crate::support::{general, go_live, made, online, open, settled, within};
use std::{future::Future, time::Duration};
use whimbrel_client::{Client, Drafts, NewDraft, NewMessage, ThreadList, UnreadTotals};
use whimbrel_model::{MessageId, Timestamp};
use whimbrel_store::MemoryStore;
use whimbrel_testkit::{server::TestServer, time::pass};

/// Lets time pass until the answer is the wanted one.
async fn until<F: Future<Output = bool>>(what: &str, wanted: impl Fn() -> F) {
    for _ in 0..1_000 {
        if wanted().await {
            return;
        }
        pass(Duration::from_millis(20)).await;
    }
    panic!("waited for {what}");
}

fn parents(list: &ThreadList) -> Vec<MessageId> {
    list.items().iter().map(|item| item.parent.message.id).collect()
}

fn texts(drafts: &Drafts) -> Vec<String> {
    let items = drafts.items();
    items.iter().map(|view| view.content.body.text.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_thread_that_is_replied_to_offline_is_listed_at_once_and_unread_for_the_others() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let bob = online(&server, "bob").await;
    let channel = made(&ada).await;
    let parent = channel.send("Who brings the boat?").await.unwrap().id;
    settled(&ada).await;
    until("the message", || async {
        bob.message(parent).await.unwrap().is_some()
    })
    .await;
    bob.disconnect().await.unwrap();
    let threads = bob.threads().await.unwrap();
    assert_eq!(parents(&threads), []);
    general(&bob).reply(parent, "I do").await.unwrap();
    assert_eq!(parents(&threads), [parent]);
    let item = threads.items()[0].clone();
    assert_eq!((item.replies, item.pending, item.unread), (1, 1, 0));
    assert_eq!(item.last_reply.as_ref().unwrap().message.body.text, "I do");
    let of_ada = ada.threads().await.unwrap();
    let unread = ada.unread().await.unwrap();
    go_live(&bob).await;
    settled(&bob).await;
    until("the reply", || async { unread.totals().threads == 1 }).await;
    let item = of_ada.items()[0].clone();
    assert_eq!(
        (item.parent.message.id, item.replies, item.unread),
        (parent, 1, 1)
    );
    assert_eq!(
        unread.totals().messages,
        0,
        "a reply that stands in its thread only"
    );
    channel.mark_thread_read(parent).await.unwrap();
    assert_eq!(of_ada.items()[0].unread, 0);
    assert_eq!(unread.totals(), UnreadTotals::default());
    let reply = item.last_reply.as_ref().unwrap().message.id;
    channel.mark_thread_unread(reply).await.unwrap();
    assert_eq!((of_ada.items()[0].unread, unread.totals().threads), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn drafts_reach_the_other_device_stand_side_by_side_and_are_sent_once() {
    let server = TestServer::new();
    let phone = online(&server, "ada").await;
    let desk = online(&server, "ada").await;
    made(&phone).await;
    let (of_phone, of_desk) = (phone.drafts().await.unwrap(), desk.drafts().await.unwrap());
    desk.disconnect().await.unwrap();
    general(&phone).save_draft("from the phone").await.unwrap();
    general(&desk).save_draft("from the desk").await.unwrap();
    assert_eq!(
        (texts(&of_phone), texts(&of_desk)),
        (vec!["from the phone".into()], vec!["from the desk".into()])
    );
    settled(&phone).await;
    go_live(&desk).await;
    settled(&desk).await;
    let beside = |drafts: &Drafts| drafts.items().iter().map(|view| view.beside.len()).sum::<usize>();
    until("both drafts", || async {
        beside(&of_phone) == 1 && beside(&of_desk) == 1
    })
    .await;
    // What the server heard last is shown, on both; the other one is kept.
    assert_eq!(
        (texts(&of_phone), texts(&of_desk)),
        (vec!["from the desk".into()], vec!["from the desk".into()])
    );
    let shown = general(&phone).draft(None).await.unwrap().unwrap();
    general(&phone)
        .save_draft(NewDraft::text("from both").continuing(&shown))
        .await
        .unwrap();
    settled(&phone).await;
    until("one draft", || async {
        texts(&of_desk) == ["from both"] && beside(&of_desk) == 0
    })
    .await;
    let shown = general(&desk).draft(None).await.unwrap().unwrap();
    let sent = general(&desk).send_draft(&shown).await.unwrap();
    assert_eq!(texts(&of_desk), [""; 0]);
    let id = sent.id;
    within("the message", sent.settled()).await.unwrap();
    until("no draft", || async { of_phone.items().is_empty() }).await;
    assert_eq!(phone.message(id).await.unwrap().unwrap().body.text, "from both");
}

#[tokio::test(start_paused = true)]
async fn clearing_a_place_leaves_what_another_device_wrote_there_unless_it_is_named() {
    let server = TestServer::new();
    let phone = online(&server, "ada").await;
    let desk = online(&server, "ada").await;
    made(&phone).await;
    let (of_phone, of_desk) = (phone.drafts().await.unwrap(), desk.drafts().await.unwrap());
    desk.disconnect().await.unwrap();
    general(&phone).save_draft("from the phone").await.unwrap();
    general(&desk).save_draft("from the desk").await.unwrap();
    settled(&phone).await;
    go_live(&desk).await;
    settled(&desk).await;
    let both = || async { of_phone.items().iter().any(|view| view.beside.len() == 1) };
    until("both drafts", both).await;
    general(&phone).clear_draft(None, Vec::new()).await.unwrap();
    settled(&phone).await;
    let left = || async {
        let beside = of_desk
            .items()
            .iter()
            .map(|view| view.beside.len())
            .sum::<usize>();
        texts(&of_desk) == ["from the desk"] && beside == 0
    };
    until("one draft", left).await;
    let seen = of_phone.items()[0].seen().unwrap();
    general(&phone).clear_draft(None, vec![seen]).await.unwrap();
    until("no draft", || async { of_desk.items().is_empty() }).await;
}

#[tokio::test(start_paused = true)]
async fn a_draft_survives_a_restart_with_no_network() {
    let server = TestServer::new();
    let disk = MemoryStore::new();
    let ada = open(&server, "ada", &disk).await;
    made_offline(&ada).await;
    general(&ada).save_draft("half a thou").await.unwrap();
    general(&ada).save_draft("half a thought").await.unwrap();
    let waiting = ada.outbox().len();
    ada.close().await;
    let ada = open(&server, "ada", &disk).await;
    assert_eq!(texts(&ada.drafts().await.unwrap()), ["half a thought"]);
    assert_eq!(
        (waiting, ada.outbox().len()),
        (2, 2),
        "the second took the place of the first"
    );
}

async fn made_offline(ada: &Client) {
    general(ada).create("General", ["bob"]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn how_a_channel_is_kept_shows_at_once_and_on_the_other_device() {
    let server = TestServer::new();
    let phone = online(&server, "ada").await;
    let desk = online(&server, "ada").await;
    let bob = online(&server, "bob").await;
    let channel = made(&phone).await;
    let list = phone.channels().await.unwrap();
    channel.pin().await.unwrap();
    channel.mute(None).await.unwrap();
    let item = list.items()[0].clone();
    assert!(item.pinned_at.is_some() && item.muted.is_some());
    settled(&phone).await;
    let of_desk = desk.channels().await.unwrap();
    until("the other device", || async {
        let items = of_desk.items();
        items
            .iter()
            .any(|item| item.pinned_at.is_some() && item.muted.is_some())
    })
    .await;
    // What is new in a muted channel counts in no total.
    let unread = desk.unread().await.unwrap();
    until("the channel", || async {
        general(&bob).summary().await.unwrap().is_some()
    })
    .await;
    general(&bob).send("hello").await.unwrap();
    settled(&bob).await;
    until("the message", || async { unread.totals().muted == 1 }).await;
    assert_eq!((unread.totals().messages, unread.totals().channels), (0, 0));
    general(&desk).unmute().await.unwrap();
    assert_eq!((unread.totals().messages, unread.totals().muted), (1, 0));
    // A hidden channel shows again with the next message, and not before.
    general(&desk).hide().await.unwrap();
    assert!(of_desk.items().iter().all(|item| item.hidden));
    settled(&desk).await;
    general(&bob).send("are you there?").await.unwrap();
    settled(&bob).await;
    until("it shows again", || async {
        of_desk.items().iter().any(|item| !item.hidden)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_is_hidden_behind_an_own_message_stays_hidden_when_that_is_accepted() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    ada.disconnect().await.unwrap();
    let list = ada.channels().await.unwrap();
    channel.send("that is all").await.unwrap();
    channel.hide().await.unwrap();
    assert!(list.items().iter().all(|item| item.hidden));
    go_live(&ada).await;
    settled(&ada).await;
    assert!(list.items().iter().all(|item| item.hidden));
    channel.send("or is it?").await.unwrap();
    assert!(list.items().iter().all(|item| !item.hidden));
}

#[tokio::test(start_paused = true)]
async fn a_mute_that_ends_lets_the_totals_count_again() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let bob = online(&server, "bob").await;
    made(&ada).await;
    until("the channel", || async {
        general(&bob).summary().await.unwrap().is_some()
    })
    .await;
    let soon = Timestamp(server.clock().now().0 + 60_000);
    general(&bob).mute(Some(soon)).await.unwrap();
    let unread = bob.unread().await.unwrap();
    general(&ada).send("hello").await.unwrap();
    settled(&ada).await;
    until("the message", || async {
        unread.totals().muted + unread.totals().messages == 1
    })
    .await;
    assert_eq!(unread.totals().messages, 0);
    pass(Duration::from_secs(61)).await;
    assert_eq!((unread.totals().messages, unread.totals().muted), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn silent_messages_and_mentions_count_as_they_say() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let bob = online(&server, "bob").await;
    let channel = made(&ada).await;
    let unread = bob.unread().await.unwrap();
    channel.send(NewMessage::text("shh").silent()).await.unwrap();
    channel.send("plain").await.unwrap();
    channel
        .send(NewMessage::text("bob!").mentioning("bob".parse().unwrap()))
        .await
        .unwrap();
    channel
        .send(NewMessage::text("carol!").mentioning("carol".parse().unwrap()))
        .await
        .unwrap();
    channel
        .send(NewMessage::text("all!").mentioning_channel())
        .await
        .unwrap();
    let note = channel
        .send(NewMessage::text("ada made a channel").system())
        .await
        .unwrap();
    within("the note", note.settled()).await.unwrap();
    until("all of them", || async { unread.totals().messages == 5 }).await;
    assert_eq!(unread.totals().mentions, 2);
    let denied = general(&bob).send(NewMessage::text("no").system()).await.unwrap();
    assert!(within("an answer", denied.settled()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn pins_are_seen_by_all_and_shown_before_the_server_knows() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let bob = online(&server, "bob").await;
    let channel = made(&ada).await;
    let id = channel.send("The key is under the mat").await.unwrap().id;
    settled(&ada).await;
    until("the message", || async {
        bob.message(id).await.unwrap().is_some()
    })
    .await;
    bob.disconnect().await.unwrap();
    let of_bob = general(&bob).pins().await.unwrap();
    general(&bob).pin_message(id, None).await.unwrap();
    assert_eq!(of_bob.items().len(), 1);
    let of_ada = channel.pins().await.unwrap();
    assert_eq!(of_ada.items().len(), 0);
    go_live(&bob).await;
    until("the pin", || async { of_ada.items().len() == 1 }).await;
    channel.unpin_message(id).await.unwrap();
    assert_eq!(of_ada.items().len(), 0);
    settled(&ada).await;
    until("no pin", || async { of_bob.items().is_empty() }).await;
}

#[tokio::test(start_paused = true)]
async fn two_who_write_to_each_other_offline_for_the_first_time_meet_in_one_channel() {
    let server = TestServer::new();
    let ada = open(&server, "ada", &MemoryStore::new()).await;
    let bob = open(&server, "bob", &MemoryStore::new()).await;
    let (of_ada, queued) = ada
        .create_distinct("messaging", ["bob".parse().unwrap()])
        .await
        .unwrap();
    assert!(queued.is_some());
    let (again, nothing) = ada
        .create_distinct("messaging", ["bob".parse().unwrap()])
        .await
        .unwrap();
    assert!(again.cid() == of_ada.cid() && nothing.is_none());
    let (of_bob, _) = bob
        .create_distinct("messaging", ["ada".parse().unwrap()])
        .await
        .unwrap();
    assert_eq!(of_ada.cid(), of_bob.cid());
    of_ada.send("hello, bob").await.unwrap();
    of_bob.send("hello, ada").await.unwrap();
    go_live(&ada).await;
    settled(&ada).await;
    go_live(&bob).await;
    settled(&bob).await;
    for (client, channel) in [(&ada, &of_ada), (&bob, &of_bob)] {
        let timeline = channel.timeline().await.unwrap();
        until("both messages", || async {
            crate::support::texts(&timeline.items()) == ["hello, bob", "hello, ada"]
        })
        .await;
        assert!(client.outbox().is_empty(), "nothing was rejected");
    }
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_is_not_watched_catches_up_when_it_is_again() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let bob = online(&server, "bob").await;
    let channel = made(&ada).await;
    until("the channel", || async {
        general(&bob).summary().await.unwrap().is_some()
    })
    .await;
    general(&bob).stop_watching().await.unwrap();
    // It is so on the next connection too, and after everything was read from disk again.
    bob.suspend().await.unwrap();
    bob.resume().await.unwrap();
    crate::support::reaches(&bob, |status| *status == whimbrel_client::SyncState::Live).await;
    let missed = channel.send("unwatched").await.unwrap().id;
    settled(&ada).await;
    within("caught up", bob.wait_until_caught_up(Duration::from_secs(10)))
        .await
        .unwrap();
    assert_eq!(bob.message(missed).await.unwrap(), None);
    general(&bob).watch().await.unwrap();
    until("the message", || async {
        bob.message(missed).await.unwrap().is_some()
    })
    .await;
}
