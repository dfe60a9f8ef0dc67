//! Who may reach the account: consent, contacts, requests and invitations, from one device to another and to the others.

use crate::support::{CID, general, go_live, made, online, open, outbox, settled, within};
use std::{future::Future, sync::Arc, time::Duration};
use whimbrel_client::{
    ChangedBy, ChannelList, Client, ConsentChange, ConsentChanges, ConsentOf, NewChannel, SettleError, field,
};
use whimbrel_model::{ChannelId, Code, ConsentState, MemberState, Timestamp, UserId};
use whimbrel_store::MemoryStore;
use whimbrel_store_sqlite::SqliteStore;
use whimbrel_testkit::{server::TestServer, time::pass};

use ConsentState::{Allowed, Denied, Unknown};

const DEADLINE: Duration = Duration::from_secs(20);

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

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn names(list: &ChannelList) -> Vec<String> {
    list.items()
        .iter()
        .map(|item| item.cid.local_id().to_owned())
        .collect()
}

fn consent(list: &ChannelList) -> Vec<ConsentState> {
    list.items().iter().map(|item| item.consent).collect()
}

async fn caught_up(client: &Client) {
    settled(client).await;
    client.wait_until_caught_up(DEADLINE).await.unwrap();
}

async fn next(changes: &mut ConsentChanges) -> (ConsentOf, ConsentState, ConsentState, ChangedBy) {
    let change = within("a change of consent", changes.next()).await;
    let ConsentChange { of, from, to, by } = change.unwrap().unwrap();
    (of, from, to, by)
}

fn of_general() -> ConsentOf {
    ConsentOf::Channel(ChannelId::new("messaging:general").unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_somebody_else_began_is_a_request_until_one_replies_offline_too() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let bob = online(&server, "bob").await;
    made(&ada).await.send("hello").await.unwrap();
    settled(&ada).await;
    caught_up(&bob).await;
    let (list, requests) = (bob.channels().await.unwrap(), bob.requests().await.unwrap());
    let unread = bob.unread().await.unwrap();
    assert_eq!(
        (names(&list), names(&requests)),
        (vec!["general".into()], vec!["general".into()])
    );
    assert_eq!(consent(&list), [Unknown]);
    assert_eq!(requests.items()[0].added_by, Some(user("ada")));
    assert_eq!((unread.totals().requests, unread.totals().requested), (1, 1));
    // Whoever makes a channel wants it.
    assert_eq!(consent(&ada.channels().await.unwrap()), [Allowed]);
    assert_eq!(names(&ada.requests().await.unwrap()), [""; 0]);

    bob.disconnect().await.unwrap();
    general(&bob).send("hi").await.unwrap();
    assert_eq!((consent(&list), names(&requests)), (vec![Allowed], vec![]));
    assert_eq!(unread.totals().requests, 0);
    go_live(&bob).await;
    caught_up(&bob).await;
    assert_eq!(consent(&list), [Allowed], "the server says so too");
    let own = general(&bob).summary().await.unwrap().unwrap().membership;
    assert_eq!(own.unwrap().consent, Allowed);
}

#[tokio::test(start_paused = true)]
async fn a_decision_reaches_the_other_device_survives_a_restart_and_is_told_with_where_it_was_made() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let disk = MemoryStore::new();
    let phone = open(&server, "bob", &disk).await;
    go_live(&phone).await;
    let desk = online(&server, "bob").await;
    made(&ada).await;
    caught_up(&phone).await;
    caught_up(&desk).await;
    let mut on_phone = phone.consent_changes().await.unwrap();
    let mut on_desk = desk.consent_changes().await.unwrap();
    // Offline, and closed before it was sent.
    phone.disconnect().await.unwrap();
    general(&phone).deny().await.unwrap();
    assert_eq!(
        next(&mut on_phone).await,
        (of_general(), Unknown, Denied, ChangedBy::ThisDevice)
    );
    assert_eq!(names(&phone.channels().await.unwrap()), [""; 0]);
    phone.close().await;
    assert!(within("the end", on_phone.next()).await.unwrap().is_none());

    let phone = open(&server, "bob", &disk).await;
    assert_eq!(names(&phone.channels().await.unwrap()), [""; 0]);
    let denied = phone.query_channels(field("consent").eq("denied")).await.unwrap();
    assert_eq!(names(&denied), ["general"]);
    go_live(&phone).await;
    settled(&phone).await;
    assert_eq!(
        next(&mut on_desk).await,
        (of_general(), Unknown, Denied, ChangedBy::Elsewhere)
    );
    assert_eq!(names(&desk.channels().await.unwrap()), [""; 0]);
    general(&desk).allow().await.unwrap();
    settled(&desk).await;
    until("the other decision", || async { names(&denied).is_empty() }).await;
    assert_eq!(names(&phone.channels().await.unwrap()), ["general"]);
    let own = general(&phone).members().await.unwrap();
    assert!(
        own.iter().all(|member| member.state == MemberState::Active),
        "nobody has left"
    );
}

#[tokio::test(start_paused = true)]
async fn a_person_is_blocked_for_a_while_on_all_devices_and_nothing_they_wrote_is_lost() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let carol = online(&server, "carol").await;
    let (phone, desk) = (online(&server, "bob").await, online(&server, "bob").await);
    made(&ada).await.send("from ada").await.unwrap();
    settled(&ada).await;
    caught_up(&carol).await;
    general(&carol).send("from carol").await.unwrap();
    settled(&carol).await;
    for device in [&phone, &desk] {
        caught_up(device).await;
    }
    let until_then = Timestamp(server.clock().now().0 + 3_600_000);
    let timeline = general(&desk).timeline().await.unwrap();
    let (list, unread) = (desk.channels().await.unwrap(), desk.unread().await.unwrap());
    let object = desk.watch_channel_as_state(CID, 20).await.unwrap();
    let of_carol = || {
        let members = object.members();
        members
            .iter()
            .find(|item| item.user == user("carol"))
            .unwrap()
            .person
    };
    let hidden = || {
        timeline
            .items()
            .iter()
            .map(|item| item.hidden)
            .collect::<Vec<_>>()
    };
    assert_eq!((hidden(), unread.totals().messages), (vec![false, false], 2));

    phone.disconnect().await.unwrap();
    phone.block_user(user("carol"), Some(until_then)).await.unwrap();
    let global = phone.state().await.unwrap();
    assert!(global.facts().people.is_denied(&user("carol")), "offline too");
    assert_eq!(global.facts().unread.messages, 1);
    go_live(&phone).await;
    settled(&phone).await;
    until("the block", || async { hidden() == [false, true] }).await;
    assert_eq!((unread.totals().messages, list.items()[0].unread), (1, 1));
    assert!(list.items()[0].last_message_hidden);
    assert_eq!(of_carol().consent, Denied);
    let why = general(&desk).explain_unread().await.unwrap().unwrap();
    assert_eq!((why.counted.len(), why.left_out.people), (1, 1));
    // They are not told, and what they write goes on to come.
    general(&carol).send("are you there?").await.unwrap();
    settled(&carol).await;
    until("the message", || async { hidden() == [false, true, true] }).await;
    assert_eq!(unread.totals().messages, 1);

    pass(Duration::from_secs(3_601)).await;
    until("the end of it", || async { hidden() == [false; 3] }).await;
    assert_eq!((unread.totals().messages, list.items()[0].unread), (3, 3));
    assert_eq!(of_carol().consent, Unknown);
}

#[tokio::test(start_paused = true)]
async fn channels_begun_by_a_blocked_person_leave_the_lists_and_come_back() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let bob = online(&server, "bob").await;
    made(&ada).await;
    caught_up(&bob).await;
    let (list, requests) = (bob.channels().await.unwrap(), bob.requests().await.unwrap());
    bob.block_user(user("ada"), None).await.unwrap();
    assert_eq!((names(&list), names(&requests)), (vec![], vec![]));
    bob.allow(user("ada")).await.unwrap();
    assert_eq!((consent(&list), names(&requests)), (vec![Allowed], vec![]));
    bob.unblock_user(user("ada")).await.unwrap();
    settled(&bob).await;
    assert_eq!(
        (consent(&list), names(&requests)),
        (vec![Unknown], vec!["general".into()])
    );
    // What was decided of the channel itself wins.
    general(&bob).allow().await.unwrap();
    bob.block_user(user("ada"), None).await.unwrap();
    assert_eq!(consent(&list), [Allowed]);
    let refused = bob.block_user(user("bob"), None).await.unwrap_err();
    assert_eq!(refused.code(), "invalid");
}

#[tokio::test(start_paused = true)]
async fn any_number_of_channels_comes_back_at_once() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let bob = online(&server, "bob").await;
    for number in 0..70 {
        let channel = ada.channel(format!("messaging:c{number}")).unwrap();
        channel.create("One of many", ["bob"]).await.unwrap();
    }
    settled(&ada).await;
    caught_up(&bob).await;
    bob.block_user(user("ada"), None).await.unwrap();
    let list = bob.channels().await.unwrap();
    assert_eq!((list.items().len(), list.has_more()), (0, false));
    bob.allow(user("ada")).await.unwrap();
    assert_eq!(list.items().len(), 70, "more: {}", list.has_more());
}

#[tokio::test(start_paused = true)]
async fn what_a_muted_person_writes_is_shown_and_counts_nowhere() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let bob = online(&server, "bob").await;
    made(&ada).await.send("one").await.unwrap();
    settled(&ada).await;
    caught_up(&bob).await;
    let unread = bob.unread().await.unwrap();
    let timeline = general(&bob).timeline().await.unwrap();
    let end = Timestamp(server.clock().now().0 + 60_000);
    bob.mute_user(user("ada"), Some(end)).await.unwrap();
    assert_eq!(unread.totals().messages, 0);
    assert!(!timeline.items()[0].hidden);
    pass(Duration::from_secs(61)).await;
    until("the end of it", || async { unread.totals().messages == 1 }).await;
    bob.mute_user(user("ada"), None).await.unwrap();
    assert_eq!(unread.totals().messages, 0);
    bob.unmute_user(user("ada")).await.unwrap();
    assert_eq!(unread.totals().messages, 1);
    assert!(bob.contact(&user("ada")).unwrap().muted.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_invitation_is_seen_with_who_asks_and_answered_offline() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let (bob, desk) = (online(&server, "bob").await, online(&server, "bob").await);
    let carol = online(&server, "carol").await;
    let new = NewChannel {
        name: "Reef".to_owned(),
        invites: vec![user("bob"), user("carol")],
        ..NewChannel::default()
    };
    ada.disconnect().await.unwrap();
    let channel = general(&ada);
    channel.create_with(new).await.unwrap();
    let object = ada.watch_channel_as_state(CID, 20).await.unwrap();
    let members = || {
        let members = object.members();
        let shown = members
            .iter()
            .map(|item| format!("{} {}", item.user, item.invited));
        shown.collect::<Vec<_>>()
    };
    assert_eq!(members(), ["ada false", "bob true", "carol true"], "offline too");
    assert_eq!(object.facts().counts.members, 1);
    go_live(&ada).await;
    settled(&ada).await;
    channel.send("before they came").await.unwrap();
    settled(&ada).await;
    for device in [&bob, &desk, &carol] {
        caught_up(device).await;
    }
    let (list, invites) = (bob.channels().await.unwrap(), bob.invites().await.unwrap());
    let requests = bob.requests().await.unwrap();
    assert_eq!((names(&list), names(&invites)), (vec![], vec!["general".into()]));
    assert_eq!(names(&requests), ["general"]);
    let invite = invites.items()[0].invite.clone().unwrap();
    assert_eq!((invite.by, invite.name.as_str()), (user("ada"), "Reef"));
    assert_eq!(bob.unread().await.unwrap().totals().requests, 1);
    // Who is asked does not see what is said.
    assert!(general(&bob).timeline().await.unwrap().items().is_empty());
    let refused = general(&bob).send("too early").await.unwrap();
    assert!(matches!(refused.settled().await, Err(SettleError::Rejected(no)) if no.code == Code::NotMember));

    bob.disconnect().await.unwrap();
    general(&bob).accept_invite().await.unwrap();
    assert_eq!((consent(&list), names(&invites)), (vec![Allowed], vec![]));
    go_live(&bob).await;
    settled(&bob).await;
    let timeline = general(&bob).timeline().await.unwrap();
    until("what was said", || async { !timeline.items().is_empty() }).await;
    until("the other device", || async {
        names(&desk.channels().await.unwrap()) == ["general"]
    })
    .await;
    assert_eq!(names(&desk.invites().await.unwrap()), [""; 0]);

    general(&carol).reject_invite().await.unwrap();
    assert_eq!(names(&carol.invites().await.unwrap()), [""; 0]);
    settled(&carol).await;
    until("both answers", || async {
        members() == ["ada false", "bob false"]
    })
    .await;
    assert_eq!(names(&carol.channels().await.unwrap()), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_invitation_that_the_server_refuses_is_undone_on_the_screen() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let bob = online(&server, "bob").await;
    made(&ada).await;
    caught_up(&bob).await;
    let object = bob.watch_channel_as_state(CID, 20).await.unwrap();
    bob.disconnect().await.unwrap();
    let queued = general(&bob).invite([user("dora")]).await.unwrap();
    let is_shown = || object.members().iter().any(|item| item.user == user("dora"));
    assert!(is_shown());
    go_live(&bob).await;
    assert!(matches!(queued.settled().await, Err(SettleError::Rejected(no)) if no.code == Code::Forbidden));
    outbox(&bob, |summary| summary.rejected == 1).await;
    assert!(!is_shown());
}

#[tokio::test(start_paused = true)]
async fn the_server_answers_questions_by_consent() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let bob = online(&server, "bob").await;
    made(&ada).await.send("hello").await.unwrap();
    settled(&ada).await;
    caught_up(&bob).await;
    let found = async |filter| {
        let page = bob.query_channels(filter).from_server().await.unwrap();
        page.items().len()
    };
    assert_eq!(found(field("consent").eq("unknown")).await, 1);
    assert_eq!(found(field("has_unread").eq(true)).await, 1);
    bob.block_user(user("ada"), None).await.unwrap();
    settled(&bob).await;
    assert_eq!(found(field("consent").eq("denied")).await, 1);
    assert_eq!(found(field("has_unread").eq(true)).await, 0);
}

#[tokio::test]
async fn a_block_is_on_disk_when_it_returns_and_hides_what_comes_after_a_restart() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    made(&ada).await.send("one").await.unwrap();
    settled(&ada).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bob");
    let open = async || {
        let store = Arc::new(SqliteStore::open(&path).await.unwrap());
        server.client("bob").store(store).open().await.unwrap()
    };
    let bob = open().await;
    go_live(&bob).await;
    caught_up(&bob).await;
    bob.disconnect().await.unwrap();
    bob.block_user(user("ada"), None).await.unwrap();
    bob.close().await;
    ada.channel("messaging:general")
        .unwrap()
        .send("two")
        .await
        .unwrap();
    settled(&ada).await;

    let bob = open().await;
    assert!(bob.people().is_denied(&user("ada")), "it waits");
    let timeline = general(&bob).timeline().await.unwrap();
    let unread = bob.unread().await.unwrap();
    assert!(timeline.items()[0].hidden);
    assert_eq!(unread.totals().messages, 0);
    go_live(&bob).await;
    caught_up(&bob).await;
    bob.close().await;
    let bob = open().await;
    assert!(bob.people().is_denied(&user("ada")), "the server has it");
    let list = bob.query_channels(field("consent").eq("denied")).await.unwrap();
    assert_eq!(
        (names(&list), list.items()[0].unread),
        (vec!["general".into()], 0)
    );
    let denied: Vec<_> = bob.account().denied().map(|contact| contact.of.clone()).collect();
    assert_eq!(denied, [user("ada")]);
}
