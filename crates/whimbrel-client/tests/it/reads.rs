//! Reading and marking unread, on two devices of one person, with and without a network.

use crate::support::{general, go_live, made, online, open, settled, uncapped, within};
use std::time::Duration;
use whimbrel_client::{Client, Unread, UnreadTotals};
use whimbrel_model::{MessageId, Op, Read, limits};
use whimbrel_store::MemoryStore;
use whimbrel_testkit::server::TestServer;

const DEADLINE: Duration = Duration::from_secs(20);

/// Sends messages, and returns them once both devices of bob have them.
async fn sends(ada: &Client, count: usize, readers: &[&Client]) -> Vec<MessageId> {
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(general(ada).send(format!("message {number}")).await.unwrap().id);
    }
    settled(ada).await;
    for reader in readers {
        reader.wait_until_caught_up(DEADLINE).await.unwrap();
    }
    ids
}

async fn unread(client: &Client) -> u64 {
    let summary = general(client).summary().await.unwrap().unwrap();
    assert_eq!(summary.unread_unknown, 0, "everything is here");
    summary.unread
}

async fn mark_read(client: &Client) {
    let queued = general(client).mark_read().await.unwrap();
    queued.expect("there is something to read");
}

async fn mark_unread(client: &Client, id: MessageId) {
    let queued = general(client).mark_unread(id).await.unwrap();
    queued.expect("it was read");
}

/// Waits until everything that either device did is on both.
async fn meet(devices: &[&Client]) {
    for device in devices {
        settled(device).await;
    }
    for device in devices {
        device.wait_until_caught_up(DEADLINE).await.unwrap();
    }
}

async fn reads_of_bob(client: &Client) -> Read {
    let reads = general(client).reads().await.unwrap();
    reads
        .into_iter()
        .find(|read| read.user.as_str() == "bob")
        .unwrap()
}

async fn totals(unread: &Unread, wanted: impl Fn(&UnreadTotals) -> bool) {
    let mut watch = unread.subscribe();
    within("the totals", async {
        let mut totals = watch.get();
        while !wanted(&totals) {
            totals = watch.next().await.expect("the client is alive");
        }
    })
    .await;
}

/// ada, two devices of bob, and what is on the second one's disk.
async fn three(server: &TestServer) -> (Client, Client, Client) {
    let ada = online(server, "ada").await;
    made(&ada).await;
    (ada, online(server, "bob").await, online(server, "bob").await)
}

#[tokio::test]
async fn a_message_is_marked_unread_on_every_device_and_others_see_no_step_back() {
    let server = TestServer::new();
    let (ada, phone, laptop) = three(&server).await;
    let ids = sends(&ada, 5, &[&phone, &laptop]).await;
    assert_eq!((unread(&phone).await, unread(&laptop).await), (5, 5));
    mark_read(&phone).await;
    meet(&[&phone, &laptop]).await;
    assert_eq!((unread(&phone).await, unread(&laptop).await), (0, 0));
    mark_unread(&laptop, ids[2]).await;
    assert_eq!(unread(&laptop).await, 3, "at once");
    meet(&[&laptop, &phone]).await;
    assert_eq!((unread(&phone).await, unread(&laptop).await), (3, 3));
    ada.wait_until_caught_up(DEADLINE).await.unwrap();
    let seen = reads_of_bob(&ada).await;
    assert_eq!((seen.seq, seen.receipt()), (2, 5));
    // And what is read is read again, in the new epoch.
    mark_read(&phone).await;
    assert_eq!(unread(&phone).await, 0);
    meet(&[&phone, &laptop]).await;
    assert_eq!(unread(&laptop).await, 0);
    assert_eq!(general(&phone).mark_read().await.unwrap().map(drop), None);
}

#[tokio::test]
async fn offline_it_shows_at_once_goes_out_as_one_and_survives_a_restart() {
    let server = TestServer::new();
    let (ada, laptop) = (online(&server, "ada").await, online(&server, "bob").await);
    made(&ada).await;
    let disk = MemoryStore::new();
    let phone = open(&server, "bob", &disk).await;
    go_live(&phone).await;
    let ids = sends(&ada, 6, &[&phone, &laptop]).await;
    phone.disconnect().await.unwrap();
    for first in [3, 1, 4] {
        mark_read(&phone).await;
        assert_eq!(unread(&phone).await, 0);
        mark_unread(&phone, ids[first]).await;
        assert_eq!(unread(&phone).await, 6 - first as u64);
    }
    let waiting: Vec<_> = phone.outbox().iter().map(|item| item.op.clone()).collect();
    let cid = general(&phone).cid().clone();
    assert_eq!(
        waiting,
        [Op::MarkRead {
            thread: None,
            cid,
            epoch: 3,
            seq: 4
        }]
    );
    phone.close().await;
    let phone = open(&server, "bob", &disk).await;
    assert_eq!(unread(&phone).await, 2);
    go_live(&phone).await;
    meet(&[&phone, &laptop]).await;
    assert_eq!((unread(&phone).await, unread(&laptop).await), (2, 2));
}

#[tokio::test]
async fn marking_unread_offline_wins_over_what_another_device_reads_meanwhile() {
    let server = TestServer::new();
    let (ada, phone, laptop) = three(&server).await;
    let ids = sends(&ada, 4, &[&phone, &laptop]).await;
    mark_read(&phone).await;
    meet(&[&phone, &laptop]).await;
    phone.disconnect().await.unwrap();
    mark_unread(&phone, ids[1]).await;
    // The laptop knows nothing of it, gets more and reads on.
    sends(&ada, 2, &[&laptop]).await;
    mark_read(&laptop).await;
    meet(&[&laptop]).await;
    assert_eq!(unread(&laptop).await, 0);
    go_live(&phone).await;
    meet(&[&phone, &laptop]).await;
    assert_eq!((unread(&phone).await, unread(&laptop).await), (5, 5));
    // Now it knows, and reads.
    mark_read(&laptop).await;
    meet(&[&laptop, &phone]).await;
    assert_eq!((unread(&phone).await, unread(&laptop).await), (0, 0));
}

#[tokio::test]
async fn reading_offline_clears_the_other_device_once_it_is_online_again() {
    let server = TestServer::new();
    let (ada, phone, laptop) = three(&server).await;
    sends(&ada, 4, &[&phone, &laptop]).await;
    let counted = laptop.unread().await.unwrap();
    assert_eq!(counted.totals().messages, 4);
    phone.disconnect().await.unwrap();
    mark_read(&phone).await;
    assert_eq!((unread(&phone).await, unread(&laptop).await), (0, 4));
    laptop.disconnect().await.unwrap();
    go_live(&phone).await;
    settled(&phone).await;
    go_live(&laptop).await;
    // Nobody asks the laptop to do anything.
    totals(&counted, |totals| totals.messages == 0).await;
    assert_eq!(unread(&laptop).await, 0);
}

#[tokio::test]
async fn what_cannot_be_the_first_unread_message_is_told_apart() {
    let server = TestServer::new();
    let (ada, bob, _laptop) = three(&server).await;
    let ids = sends(&ada, 3, &[&bob]).await;
    let reply = general(&ada).reply(ids[0], "in the thread").await.unwrap().id;
    settled(&ada).await;
    let other = ada.channel("messaging:other").unwrap();
    other.create("Other", ["bob"]).await.unwrap();
    let elsewhere = other.send("there").await.unwrap().id;
    settled(&ada).await;
    bob.wait_until_caught_up(DEADLINE).await.unwrap();
    bob.disconnect().await.unwrap();
    let waiting = general(&bob).send("not sent yet").await.unwrap().id;
    let unknown = MessageId(bob.outbox()[0].id.0);
    mark_read(&bob).await;
    for (id, code, retryable) in [
        (waiting, "message_not_accepted", true),
        (unknown, "message_not_here", false),
        (elsewhere, "message_elsewhere", false),
        (reply, "message_in_thread_only", false),
    ] {
        let error = general(&bob).mark_unread(id).await.map(drop).unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), (code.to_owned(), retryable));
    }
    let nowhere = bob.channel("messaging:nowhere").unwrap();
    let error = nowhere.mark_unread(ids[0]).await.map(drop).unwrap_err();
    assert_eq!(error.code(), "message_elsewhere");
    assert_eq!(unread(&bob).await, 0, "nothing was changed");
}

#[tokio::test]
async fn a_deleted_message_marks_its_place_and_an_unread_one_stays_as_it_is() {
    let server = TestServer::new();
    let (ada, bob, _laptop) = three(&server).await;
    let ids = sends(&ada, 5, &[&bob]).await;
    assert_eq!(
        general(&bob).mark_unread(ids[3]).await.unwrap().map(drop),
        None,
        "what is unread before it stays so"
    );
    mark_read(&bob).await;
    general(&ada).delete(ids[3]).await.unwrap();
    meet(&[&ada, &bob]).await;
    mark_unread(&bob, ids[3]).await;
    assert_eq!(unread(&bob).await, 1);
    // Further back is possible, and opens another epoch.
    mark_unread(&bob, ids[1]).await;
    assert_eq!(unread(&bob).await, 3);
}

#[tokio::test]
async fn it_cannot_be_done_more_often_offline_than_the_server_takes() {
    let server = TestServer::new();
    let (ada, bob, _laptop) = three(&server).await;
    let ids = sends(&ada, 2, &[&bob]).await;
    mark_read(&bob).await;
    settled(&bob).await;
    bob.disconnect().await.unwrap();
    for _ in 0..limits::READ_EPOCHS_AHEAD {
        mark_unread(&bob, ids[1]).await;
        mark_read(&bob).await;
    }
    let error = general(&bob).mark_unread(ids[1]).await.map(drop).unwrap_err();
    assert_eq!(error.code(), "marked_unread_too_often");
    assert!(error.is_retryable());
    assert_eq!(unread(&bob).await, 0);
    go_live(&bob).await;
    settled(&bob).await;
    assert!(bob.outbox().is_empty(), "what waited was accepted");
    mark_unread(&bob, ids[1]).await;
    assert_eq!(unread(&bob).await, 1);
}

#[tokio::test]
async fn a_rejected_mark_is_taken_back_on_the_screen() {
    let server = TestServer::new();
    let (ada, bob, _laptop) = three(&server).await;
    let ids = sends(&ada, 3, &[&bob]).await;
    mark_read(&bob).await;
    settled(&bob).await;
    bob.disconnect().await.unwrap();
    general(&ada).remove_members([bob.user().clone()]).await.unwrap();
    settled(&ada).await;
    let marked = general(&bob).mark_unread(ids[0]).await.unwrap().unwrap();
    assert_eq!(unread(&bob).await, 3);
    go_live(&bob).await;
    let rejected = within("the answer", marked.settled()).await.unwrap_err();
    assert_eq!(rejected.code(), "not_member");
    assert_eq!(unread(&bob).await, 0);
}

#[tokio::test]
async fn the_count_is_explained() {
    let server = TestServer::new();
    let (ada, bob, _laptop) = three(&server).await;
    assert_eq!(
        bob.channel("messaging:nowhere")
            .unwrap()
            .explain_unread()
            .await
            .unwrap(),
        None
    );
    let ids = sends(&ada, 6, &[&bob]).await;
    general(&bob).send("an own one").await.unwrap();
    general(&ada).reply(ids[4], "in the thread").await.unwrap();
    general(&ada).delete(ids[3]).await.unwrap();
    meet(&[&ada, &bob]).await;
    mark_read(&bob).await;
    settled(&bob).await;
    bob.disconnect().await.unwrap();
    mark_unread(&bob, ids[2]).await;
    let explanation = general(&bob).explain_unread().await.unwrap().unwrap();
    assert_eq!(explanation.counted, [ids[5], ids[4], ids[2]]);
    assert_eq!((explanation.position.epoch, explanation.position.seq), (1, 2));
    assert_eq!(explanation.waiting, Some(bob.outbox()[0].id));
    let left_out = explanation.left_out;
    assert_eq!((left_out.read, left_out.own, left_out.deleted), (2, 1, 1));
    assert_eq!((left_out.thread_only, left_out.unknown), (1, 0));
    assert_eq!(
        explanation.to_string(),
        "3 unread in messaging:general: read up to message 2, marked unread 1 times, which the server does not know \
         yet; 1 own not counted; 1 deleted not counted; 1 only in threads not counted"
    );
    go_live(&bob).await;
    settled(&bob).await;
    let explanation = general(&bob).explain_unread().await.unwrap().unwrap();
    assert_eq!((explanation.waiting, explanation.counted.len()), (None, 3));
}

#[tokio::test]
async fn across_a_gap_the_count_says_what_it_does_not_know() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    made(&ada).await;
    let config = whimbrel_client::EngineConfig {
        fill_messages: 0,
        ..whimbrel_client::EngineConfig::default()
    };
    let bob = uncapped(&server, "bob").engine(config).open().await.unwrap();
    go_live(&bob).await;
    sends(&ada, 4, &[&bob]).await;
    // What is in a request counts in no total.
    general(&bob).allow().await.unwrap();
    mark_read(&bob).await;
    settled(&bob).await;
    let counted = bob.unread().await.unwrap();
    bob.disconnect().await.unwrap();
    let many = usize::try_from(limits::SNAPSHOT_AFTER).unwrap() + 10;
    sends(&ada, many, &[]).await;
    go_live(&bob).await;
    bob.wait_until_caught_up(DEADLINE).await.unwrap();
    let summary = general(&bob).summary().await.unwrap().unwrap();
    let here = limits::SNAPSHOT_MESSAGES as u64;
    assert_eq!(
        (summary.unread, summary.unread_unknown),
        (here, many as u64 - here)
    );
    let explanation = general(&bob).explain_unread().await.unwrap().unwrap();
    assert_eq!(explanation.counted.len() as u64, here);
    assert_eq!(explanation.left_out.unknown, many as u64 - here);
    assert_eq!(counted.totals().unknown, many as u64 - here);
    // Each part that is loaded is counted for certain.
    let gap = *general(&bob).gaps().await.unwrap().last().unwrap();
    general(&bob).fill_gap(gap, 100).await.unwrap();
    let summary = general(&bob).summary().await.unwrap().unwrap();
    assert_eq!(summary.unread + summary.unread_unknown, many as u64);
    assert_eq!(summary.unread, here + 100);
    mark_read(&bob).await;
    assert_eq!(unread(&bob).await, 0);
    assert_eq!(counted.totals(), UnreadTotals::default());
}
