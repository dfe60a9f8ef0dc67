//! The objects that screens are built on, against the real server: at once from disk, before any connection, after a
//! restart, and from one user to the next.

use crate::support::{CID, general, go_live, made, online, open, reaches, settled, texts, within};
use futures_util::StreamExt;
use std::{sync::Arc, time::Duration};
use whimbrel_client::{
    Capability, ChannelFacts, ChannelState, Client, Content, GlobalFacts, Initialization, NewDraft,
    NewMessage, Seat, SeatState, Sort, Source, SyncState, ThreadFacts, ThreadState, field,
};
use whimbrel_model::{ChannelSummary, MessageId, limits};
use whimbrel_store::MemoryStore;
use whimbrel_testkit::{server::TestServer, store::FailingStore};

const DEADLINE: Duration = Duration::from_secs(20);

async fn channel_shows(
    state: &ChannelState,
    what: &str,
    wanted: impl Fn(&ChannelFacts) -> bool,
) -> ChannelFacts {
    let mut watch = state.watch();
    within(what, async {
        let mut facts = watch.get();
        while !wanted(&facts) {
            facts = watch.next().await.expect("the object is alive");
        }
        facts
    })
    .await
}

async fn account_shows(client: &Client, what: &str, wanted: impl Fn(&GlobalFacts) -> bool) -> GlobalFacts {
    let state = client.state().await.unwrap();
    let mut watch = state.watch();
    within(what, async {
        let mut facts = watch.get();
        while !wanted(&facts) {
            facts = watch.next().await.expect("the object is alive");
        }
        facts
    })
    .await
}

/// Waits until a channel's object shows these messages.
async fn messages(state: &ChannelState, wanted: &[&str]) {
    let (mut items, mut diffs) = state.subscribe_messages();
    within("the messages", async {
        while texts(&items) != wanted {
            for diff in diffs.next().await.expect("the object is alive") {
                diff.apply(&mut items);
            }
        }
    })
    .await;
}

fn names(state: &ChannelState) -> Vec<String> {
    state
        .members()
        .iter()
        .map(|member| member.user.to_string())
        .collect()
}

#[tokio::test]
async fn before_any_connection_an_object_is_valid_says_so_and_shows_what_is_done() {
    let server = TestServer::new();
    let ada = open(&server, "ada", &MemoryStore::new()).await;
    let state = ada.watch_channel_as_state(CID, 50).await.unwrap();
    let facts = state.facts();
    assert_eq!(facts.content, Content::OfflineNoResults);
    assert_eq!((facts.channel, facts.counts.messages), (None, None));
    let list = ada
        .query_channels_as_state(field("joined").eq(true))
        .await
        .unwrap();
    assert_eq!(list.facts().content, Content::OfflineNoResults);
    assert_eq!(list.channels().map(|rows| rows.len()), Some(0));
    let account = ada.state().await.unwrap().facts();
    assert_eq!(account.initialization, Initialization::NeverSynced);
    assert_eq!(account.connection, SyncState::Offline);

    state.channel().create("General", ["bob"]).await.unwrap();
    let sent = state.channel().send("hello").await.unwrap();
    let facts = state.facts();
    assert_eq!(facts.content, Content::Loaded);
    assert_eq!(facts.channel.unwrap().name, "General");
    assert!(facts.sending.created_locally && facts.capabilities.contains(&Capability::AddMembers));
    assert!(facts.sending.last_sent_at.is_some());
    assert_eq!(names(&state), ["ada", "bob"]);
    assert_eq!(texts(&state.messages()), ["hello"]);
    assert_eq!(list.channels().unwrap().len(), 1);
    assert_eq!(ada.state().await.unwrap().facts().outbox.queued, 2);

    go_live(&ada).await;
    within("the message", sent.settled()).await.unwrap();
    let facts = channel_shows(&state, "the server's channel", |facts| {
        !facts.sending.created_locally && facts.sending.pending == 0 && !facts.currency.recovery_needed
    })
    .await;
    assert_eq!(facts.counts.messages, Some(1));
    assert_eq!(facts.currency.freshness.source, Source::Server);
    assert_eq!(names(&state), ["ada", "bob"]);
    account_shows(&ada, "everything", |facts| {
        facts.initialization == Initialization::Complete && facts.outbox.queued == 0
    })
    .await;
}

#[tokio::test]
async fn an_object_follows_what_others_do_and_each_part_wakes_for_itself() {
    let server = TestServer::new();
    let (ada, bob) = (online(&server, "ada").await, online(&server, "bob").await);
    let channel = made(&ada).await;
    let state = bob.watch_channel_as_state(CID, 50).await.unwrap();
    channel_shows(&state, "the channel", |facts| facts.channel.is_some()).await;
    let mut name = state.watch_part(|facts| facts.channel.clone().map(|channel| channel.name.clone()));
    let mut unread = state.watch_part(|facts| facts.counts.unread);
    let first = channel.send("first").await.unwrap();
    within("the count", async { while unread.next().await != Some(1) {} }).await;
    channel
        .send(NewMessage::text("second").quoting(first.id))
        .await
        .unwrap();
    messages(&state, &["first", "second"]).await;
    let (mut quoted, mut diffs) = state.subscribe_quoted();
    within("the quoted message", async {
        while quoted.is_empty() {
            for diff in diffs.next().await.expect("the object is alive") {
                diff.apply(&mut quoted);
            }
        }
    })
    .await;
    assert_eq!(state.quoted(first.id).unwrap().message.body.text, "first");

    general(&bob).mark_read().await.unwrap();
    channel_shows(&state, "what was read", |facts| facts.counts.unread == 0).await;
    assert_eq!(state.facts().read.seq, 2);
    settled(&bob).await;
    let theirs = ada.watch_channel_as_state(CID, 50).await.unwrap();
    let (mut reads, mut diffs) = theirs.subscribe_reads();
    within("bob's reading", async {
        while !reads
            .iter()
            .any(|read| read.user.as_str() == "bob" && read.receipt() == 2)
        {
            for diff in diffs.next().await.expect("the object is alive") {
                diff.apply(&mut reads);
            }
        }
    })
    .await;
    let update = whimbrel_client::ChannelUpdate {
        name: Some("Other".to_owned()),
        ..Default::default()
    };
    channel.update(update).await.unwrap();
    let renamed = within("the name", name.next()).await;
    assert_eq!(
        renamed,
        Some(Some("Other".to_owned())),
        "it did not wake for messages"
    );
}

#[tokio::test]
async fn after_a_restart_without_a_connection_an_object_shows_the_same() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    let first = channel.send("first").await.unwrap();
    channel.reply(first.id, "in the thread").await.unwrap();
    settled(&ada).await;
    let disk = MemoryStore::new();
    let bob = open(&server, "bob", &disk).await;
    go_live(&bob).await;
    bob.wait_until_caught_up(DEADLINE).await.unwrap();
    let state = bob.watch_channel_as_state(CID, 50).await.unwrap();
    let thread = bob.replies_as_state(CID, first.id, 50).await.unwrap();
    bob.disconnect().await.unwrap();
    reaches(&bob, |status| *status == SyncState::Offline).await;
    general(&bob).send("unsent").await.unwrap();
    let (before, replies) = (state.facts(), thread.facts());
    assert_eq!(replies.parent.as_ref().unwrap().message.body.text, "first");
    assert_eq!((replies.oldest, replies.newest), (Some(2), Some(2)));
    assert_eq!(texts(&thread.messages()), ["in the thread"]);
    let (members, reads) = (state.members(), state.reads());
    bob.close().await;
    assert_eq!(state.facts().content, Content::Loaded, "what was there stays");

    let bob = open(&server, "bob", &disk).await;
    let state = bob.watch_channel_as_state(CID, 50).await.unwrap();
    let thread = bob.replies_as_state(CID, first.id, 50).await.unwrap();
    let again = channel_shows(&state, "the same", |facts| facts.counts == before.counts).await;
    assert_eq!(again, before);
    assert_eq!(thread.facts(), replies);
    assert_eq!((state.members(), state.reads()), (members, reads));
    assert_eq!(texts(&state.messages()), ["first", "unsent"]);
}

#[tokio::test]
async fn what_is_not_on_disk_is_asked_for_as_soon_as_there_is_a_connection() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    for number in 0..limits::SNAPSHOT_AFTER + 10 {
        channel.send(format!("message {number}")).await.unwrap();
    }
    settled(&ada).await;
    let bob = open(&server, "bob", &MemoryStore::new()).await;
    let wanted = limits::SNAPSHOT_MESSAGES + 30;
    let state = bob.watch_channel_as_state(CID, wanted).await.unwrap();
    assert_eq!(
        (state.messages().len(), state.facts().content),
        (0, Content::OfflineNoResults)
    );
    go_live(&bob).await;
    let (mut items, mut diffs) = state.subscribe_messages();
    within("as many as were wanted", async {
        while items.len() < wanted {
            for diff in diffs.next().await.expect("the object is alive") {
                diff.apply(&mut items);
            }
        }
    })
    .await;
    channel_shows(&state, "that it is done", |facts| !facts.paging.loading_older).await;
    assert!(!state.facts().paging.end_of_older);
}

#[tokio::test]
async fn a_list_begins_with_as_many_as_wanted_loads_more_and_takes_an_apps_own_rule() {
    let server = TestServer::new();
    let ada = open(&server, "ada", &MemoryStore::new()).await;
    for name in ["a", "b", "c", "d"] {
        let channel = ada.channel(format!("messaging:{name}")).unwrap();
        channel.create(name, ["bob"]).await.unwrap();
    }
    go_live(&ada).await;
    settled(&ada).await;
    ada.disconnect().await.unwrap();
    let everything = || field("joined").eq(true);
    let state = ada
        .query_channels_as_state(everything())
        .sort(Sort::by_ascending("name"))
        .limit(2)
        .await
        .unwrap();
    let shown = || -> Vec<String> {
        let rows = state.channels().expect("it was read");
        rows.iter().map(|row| row.name.clone()).collect()
    };
    assert_eq!(shown(), ["a", "b"]);
    let facts = state.facts();
    assert!(!facts.end_of_channels && facts.next_page.is_some());
    state.load_more(10).await.unwrap();
    assert_eq!(shown(), ["a", "b", "c", "d"]);
    assert!(state.facts().end_of_channels);

    let rule = |channel: &ChannelSummary, wanted: bool| wanted && channel.cid.local_id() != "c";
    let ruled = ada
        .query_channels_as_state(everything())
        .sort(Sort::by_ascending("name"))
        .admission(rule)
        .await
        .unwrap();
    assert_eq!(ruled.channels().map(|rows| rows.len()), Some(3));
    ada.channel("messaging:c")
        .unwrap()
        .send("still not")
        .await
        .unwrap();
    assert_eq!(ruled.channels().map(|rows| rows.len()), Some(3));
    let error = ada
        .query_channels_as_state(field("no_such_field").eq(1))
        .await
        .unwrap_err();
    assert!(matches!(error, whimbrel_client::Error::Query(_)), "{error}");
}

#[tokio::test]
async fn a_seat_leads_from_nobody_to_each_user_and_keeps_them_apart() {
    let server = TestServer::new();
    let seat = Seat::default();
    assert!(matches!(seat.state(), SeatState::NoUser));
    assert!(seat.client().is_none());
    let mut channels = seat.watch_channel_as_state(CID, 50).unwrap();
    assert!(
        within("nobody", channels.next())
            .await
            .unwrap()
            .unwrap()
            .is_none()
    );
    assert!(seat.watch_channel_as_state("no cid", 50).is_err());

    let ada = seat.open(server.client("ada")).await.unwrap();
    let adas = within("ada's", channels.next()).await.unwrap().unwrap().unwrap();
    adas.channel().create("General", ["carol"]).await.unwrap();
    adas.channel().send("ada's words").await.unwrap();
    ada.connect().await.unwrap();
    settled(&ada).await;
    let SeatState::User(account) = seat.state() else {
        panic!("ada is signed in");
    };
    assert_eq!(account.facts().user.as_str(), "ada");

    let bob = seat.open(server.client("bob")).await.unwrap();
    let SeatState::User(bobs) = seat.state() else {
        panic!("bob is signed in");
    };
    assert_eq!(bobs.facts().user.as_str(), "bob");
    assert_eq!(account.facts().connection, SyncState::Closed, "ada was closed");
    assert_eq!(
        adas.channel().send("late").await.unwrap_err().code(),
        "client_closed"
    );
    // On the way there may have been nobody.
    let theirs = within("bob's", async {
        loop {
            if let Some(state) = channels.next().await.unwrap().unwrap() {
                break state;
            }
        }
    })
    .await;
    bob.connect().await.unwrap();
    bob.wait_until_caught_up(DEADLINE).await.unwrap();
    let facts = theirs.facts();
    assert_eq!(
        (facts.channel, facts.membership),
        (None, None),
        "bob is not in it"
    );
    assert!(theirs.messages().is_empty() && theirs.members().is_empty());

    seat.close().await;
    assert!(matches!(seat.state(), SeatState::NoUser));
    assert!(
        within("nobody", channels.next())
            .await
            .unwrap()
            .unwrap()
            .is_none()
    );
    drop(seat);
    assert!(within("the end", channels.next()).await.is_none());
}

#[tokio::test]
async fn who_cannot_sign_in_leaves_nobody_signed_in() {
    let server = TestServer::new();
    let seat = Seat::default();
    let store = MemoryStore::new();
    seat.open(server.client("ada").store(Arc::new(store.reopen())))
        .await
        .unwrap();
    let error = seat
        .open(server.client("bob").store(Arc::new(store.reopen())))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "wrong_account", "a database belongs to one account");
    assert!(matches!(seat.state(), SeatState::NoUser));
    seat.open(server.client("ada").store(Arc::new(store.reopen())))
        .await
        .unwrap();
    assert!(seat.client().is_some());
}

#[tokio::test]
async fn a_sign_in_that_is_given_up_at_any_point_leaves_a_seat_that_can_be_taken() {
    let server = TestServer::new();
    let seat = Seat::default();
    let store = MemoryStore::new();
    for polls in 0..40 {
        let builder = server.client("ada").store(Arc::new(store.reopen()));
        let mut opening = Box::pin(seat.open(builder));
        for _ in 0..polls {
            if futures_util::poll!(opening.as_mut()).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(opening);
        match seat.state() {
            SeatState::NoUser => assert!(seat.client().is_none()),
            SeatState::User(state) => assert_ne!(state.facts().connection, SyncState::Closed),
        }
    }
    let ada = seat
        .open(server.client("ada").store(Arc::new(store.reopen())))
        .await
        .unwrap();
    general(&ada).create("General", ["bob"]).await.unwrap();
    assert_eq!(ada.outbox().len(), 1);
}

#[tokio::test]
async fn after_a_database_that_failed_an_object_shows_what_is_on_disk() {
    let server = TestServer::new();
    let store = FailingStore::new(MemoryStore::new());
    let ada = server.client("ada").store(store.clone()).open().await.unwrap();
    let state = ada.watch_channel_as_state(CID, 50).await.unwrap();
    state.channel().create("General", ["bob"]).await.unwrap();
    state.channel().send("kept").await.unwrap();
    store.fail_writes(1);
    state.channel().send("lost").await.unwrap_err();
    go_live(&ada).await;
    settled(&ada).await;
    let facts = channel_shows(&state, "the server's channel", |facts| {
        facts.counts.messages == Some(1)
    })
    .await;
    assert_eq!((facts.sending.pending, facts.sending.created_locally), (0, false));
    assert_eq!(texts(&state.messages()), ["kept"]);
    assert_eq!(names(&state), ["ada", "bob"]);
}

#[tokio::test]
async fn a_thread_of_a_message_that_is_not_here_is_not_a_thread_without_replies() {
    let server = TestServer::new();
    let ada = open(&server, "ada", &MemoryStore::new()).await;
    let nowhere: MessageId = "01900000-0000-7000-8000-000000000001".parse().unwrap();
    let thread = ada.replies_as_state(CID, nowhere, 20).await.unwrap();
    let facts = thread.facts();
    assert_eq!((facts.parent, facts.content), (None, Content::OfflineNoResults));
    assert_eq!((facts.oldest, facts.newest), (None, None));
}

/// Waits until a thread's object shows what is wanted.
async fn thread_shows(state: &ThreadState, what: &str, wanted: impl Fn(&ThreadFacts) -> bool) -> ThreadFacts {
    let mut watch = state.watch();
    within(what, async {
        let mut facts = watch.get();
        while !wanted(&facts) {
            facts = watch.next().await.expect("the object is alive");
        }
        facts
    })
    .await
}

#[tokio::test]
async fn a_thread_says_what_is_unread_in_it_and_how_far_everyone_has_read() {
    let server = TestServer::new();
    let (ada, bob) = (online(&server, "ada").await, online(&server, "bob").await);
    let channel = made(&ada).await;
    let parent = channel.send("begin").await.unwrap().id;
    settled(&ada).await;
    let thread = ada.replies_as_state(CID, parent, 20).await.unwrap();
    assert!(thread.facts().unread.followed, "it is the own message");
    bob.wait_until_caught_up(DEADLINE).await.unwrap();
    general(&bob).reply(parent, "one").await.unwrap();
    general(&bob).reply(parent, "two").await.unwrap();
    let facts = thread_shows(&thread, "two replies", |facts| facts.unread.replies == 2).await;
    assert_eq!((facts.replies, facts.oldest, facts.newest), (2, Some(2), Some(3)));
    assert_eq!(facts.parent.unwrap().message.thread.unwrap().replies, 2);
    account_shows(&ada, "the thread", |facts| facts.unread.threads == 1).await;
    channel.mark_thread_read(parent).await.unwrap();
    assert_eq!(thread.facts().unread.replies, 0, "at once");
    assert_eq!(thread.facts().unread.read.seq, 3);
    account_shows(&ada, "none", |facts| facts.unread.threads == 0).await;
    settled(&ada).await;
    let theirs = bob.replies_as_state(CID, parent, 20).await.unwrap();
    let (mut reads, mut diffs) = theirs.subscribe_reads();
    within("ada's reading", async {
        while !reads
            .iter()
            .any(|read| read.user.as_str() == "ada" && read.seq == 3)
        {
            for diff in diffs.next().await.expect("the object is alive") {
                diff.apply(&mut reads);
            }
        }
    })
    .await;
    assert!(theirs.facts().unread.followed, "bob wrote in it");
    let third = channel.reply(parent, "three").await.unwrap();
    thread_shows(&thread, "the own reply", |facts| facts.replies == 3).await;
    within("the reply", third.settled()).await.unwrap();
    assert_eq!(thread.facts().replies, 3, "it counts once");
}

#[tokio::test]
async fn drafts_and_what_they_quote_pins_and_how_the_channel_is_kept_are_in_the_object() {
    let server = TestServer::new();
    let ada = open(&server, "ada", &MemoryStore::new()).await;
    let channel = general(&ada);
    channel.create("General", ["bob"]).await.unwrap();
    let first = channel.send("first").await.unwrap();
    go_live(&ada).await;
    settled(&ada).await;
    ada.disconnect().await.unwrap();
    let state = ada.watch_channel_as_state(CID, 50).await.unwrap();
    let account = ada.state().await.unwrap();
    assert_eq!((state.facts().draft, state.facts().replied), (None, None));

    channel
        .save_draft(NewDraft::text("see you").quoting(first.id))
        .await
        .unwrap();
    let facts = channel_shows(&state, "the quoted message", |facts| facts.replied.is_some()).await;
    assert_eq!(facts.draft.unwrap().content.body.text, "see you");
    assert_eq!(facts.replied.unwrap().message.body.text, "first");
    assert_eq!(account.drafts().items().len(), 1);

    channel.pin_message(first.id, None).await.unwrap();
    let (mut pins, mut diffs) = state.pins().subscribe();
    within("the pin", async {
        while pins.is_empty() {
            for diff in diffs.next().await.expect("the object is alive") {
                diff.apply(&mut pins);
            }
        }
    })
    .await;
    channel.mute(None).await.unwrap();
    channel.hide().await.unwrap();
    let facts = channel_shows(&state, "that it is hidden", |facts| facts.hidden).await;
    assert!(facts.membership.unwrap().muted.is_some());
    assert!(account.facts().channel_mutes.contains_key(channel.cid()));
    channel.send("new").await.unwrap();
    channel_shows(&state, "that it shows again", |facts| !facts.hidden).await;

    go_live(&ada).await;
    settled(&ada).await;
    let other = online(&server, "ada").await;
    other.wait_until_caught_up(DEADLINE).await.unwrap();
    let there = other.watch_channel_as_state(CID, 50).await.unwrap();
    let facts = there.facts();
    assert_eq!(facts.draft.unwrap().content.body.text, "see you");
    assert_eq!(facts.replied.unwrap().message.body.text, "first");
    assert_eq!(there.pins().items().len(), 1);
    assert!(facts.membership.unwrap().muted.is_some());
}

#[tokio::test]
async fn an_object_around_a_message_is_a_window_of_its_own_that_leads_to_the_newest() {
    let server = TestServer::new();
    let ada = open(&server, "ada", &MemoryStore::new()).await;
    let channel = general(&ada);
    channel.create("General", ["bob"]).await.unwrap();
    let mut ids = Vec::new();
    for number in 0..300 {
        ids.push(channel.send(format!("message {number}")).await.unwrap().id);
    }
    go_live(&ada).await;
    settled(&ada).await;
    let newest = ada.watch_channel_as_state(CID, 20).await.unwrap();
    let past = ada.watch_channel_around_as_state(CID, ids[100]).await.unwrap();
    assert!(past.messages().iter().any(|item| item.id() == ids[100]));
    let paging = past.facts().paging;
    assert!(!paging.end_of_newer && !paging.end_of_older);
    assert!(newest.facts().paging.end_of_newer, "it stays where it is");
    assert_eq!(past.facts().counts, newest.facts().counts);
    let before = past.messages().len();
    past.load_newer(10).await.unwrap();
    assert_eq!(past.messages().len(), before + 10);
    past.jump_to_newest().await.unwrap();
    assert!(past.facts().paging.end_of_newer);
    assert_eq!(past.messages().last().unwrap().id(), ids[299]);
    past.jump_to(ids[5]).await.unwrap();
    assert!(past.facts().paging.end_of_older && !past.facts().paging.end_of_newer);
}
