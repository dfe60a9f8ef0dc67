//! Suspending and logging out: what calls say, what is shown, and what is left.

use crate::support::{CID, general, go_live, made, online, outbox, reaches, settled, shows, texts, within};
use futures_util::FutureExt as _;
use std::{fs, path::Path, sync::Arc, time::Duration};
use whimbrel_client::{Client, Error, LogoutOptions, SyncState};
use whimbrel_store::{AccountReader as _, MemoryStore};
use whimbrel_store_sqlite::SqliteStore;
use whimbrel_testkit::{server::TestServer, store::FailingStore};

async fn on_disk(server: &TestServer, user: &str, path: &Path) -> Result<Client, Error> {
    let store = SqliteStore::open(path).await?;
    server.client(user).store(Arc::new(store)).open().await
}

/// What is in the directory, but for the lock, which is a file without anything in it.
fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn while_it_is_suspended_every_call_says_so_or_waits() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    let timeline = channel.timeline().await.unwrap();
    let list = ada.channels().await.unwrap();
    let sent = channel.send("hello").await.unwrap();
    settled(&ada).await;
    ada.suspend().await.unwrap();
    ada.suspend().await.unwrap();
    assert_eq!(ada.status(), SyncState::Suspended);
    let errors = [
        channel.send("more").await.map(drop).unwrap_err(),
        channel.timeline().await.map(drop).unwrap_err(),
        channel.summary().await.map(drop).unwrap_err(),
        channel.mark_read().await.map(drop).unwrap_err(),
        timeline.load_older(5).await.unwrap_err(),
        list.load_more(5).await.unwrap_err(),
        ada.channels().await.map(drop).unwrap_err(),
        ada.unread().await.map(drop).unwrap_err(),
        ada.threads().await.map(drop).unwrap_err(),
        ada.drafts().await.map(drop).unwrap_err(),
        ada.state().await.map(drop).unwrap_err(),
        ada.watch_channel_as_state(CID, 5).await.map(drop).unwrap_err(),
        ada.discard(sent.op()).await.unwrap_err(),
        ada.users(&[]).await.map(drop).unwrap_err(),
        ada.retry_all().await.map(drop).unwrap_err(),
        ada.logout(LogoutOptions::default()).await.map(drop).unwrap_err(),
    ];
    for (call, error) in errors.iter().enumerate() {
        assert_eq!(
            (error.code().as_str(), error.is_retryable()),
            ("suspended", true),
            "call {call}"
        );
    }
    assert_eq!(texts(&timeline.items()), ["hello"], "what was shown can be read");
    let mut caught_up = Box::pin(ada.wait_until_caught_up(Duration::from_secs(20)));
    assert!(caught_up.as_mut().now_or_never().is_none(), "it waits");
    ada.resume().await.unwrap();
    ada.resume().await.unwrap();
    within("what waited", caught_up).await.unwrap();
    channel.send("more").await.unwrap();
    settled(&ada).await;
    assert_eq!(texts(&timeline.items()), ["hello", "more"]);
}

#[tokio::test]
async fn what_is_open_shows_what_is_on_disk_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::new();
    let bob = online(&server, "bob").await;
    let path = dir.path().join("ada.db");
    let ada = on_disk(&server, "ada", &path).await.unwrap();
    go_live(&ada).await;
    let channel = made(&ada).await;
    let (timeline, list) = (channel.timeline().await.unwrap(), ada.channels().await.unwrap());
    let state = ada.watch_channel_as_state(CID, 10).await.unwrap();
    let (unread, threads) = (ada.unread().await.unwrap(), ada.threads().await.unwrap());
    let (_, mut changes) = timeline.subscribe();
    ada.suspend().await.unwrap();

    // Another process, say an extension that shows notifications, takes its turn.
    let other = on_disk(&server, "ada", &path).await.unwrap();
    go_live(&other).await;
    bob.wait_until_caught_up(Duration::from_secs(20)).await.unwrap();
    general(&bob).send("from bob").await.unwrap();
    let there = general(&other).timeline().await.unwrap();
    shows(&there, "the message of bob", |items| texts(items) == ["from bob"]).await;
    other.disconnect().await.unwrap();
    general(&other).send("from the other").await.unwrap();
    assert_eq!(
        ada.resume().await.unwrap_err().code(),
        "store_in_use",
        "and it is still suspended"
    );
    assert_eq!(ada.status(), SyncState::Suspended);
    other.close().await;
    assert!(timeline.items().is_empty());

    ada.disconnect().await.unwrap();
    ada.resume().await.unwrap();
    let expected = ["from bob", "from the other"];
    assert_eq!((ada.status(), ada.outbox().len()), (SyncState::Offline, 1));
    assert_eq!(texts(&timeline.items()), expected);
    assert_eq!(texts(&state.messages()), expected);
    assert_eq!((list.items().len(), unread.totals().messages), (1, 1));
    assert!(threads.items().is_empty());
    assert!(
        futures_util::StreamExt::next(&mut changes)
            .now_or_never()
            .flatten()
            .is_some()
    );

    ada.connect().await.unwrap();
    settled(&ada).await;
    general(&bob).send("goes on").await.unwrap();
    shows(&timeline, "what comes next", |items| {
        texts(items) == ["from bob", "from the other", "goes on"]
    })
    .await;
}

#[tokio::test]
async fn the_connection_comes_back_if_it_is_wanted() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    ada.suspend().await.unwrap();
    ada.resume().await.unwrap();
    reaches(&ada, |status| *status == SyncState::Live).await;
    ada.suspend().await.unwrap();
    ada.disconnect().await.unwrap();
    ada.resume().await.unwrap();
    assert_eq!(ada.status(), SyncState::Offline);
    ada.suspend().await.unwrap();
    ada.connect().await.unwrap();
    assert_eq!(ada.status(), SyncState::Suspended);
    ada.resume().await.unwrap();
    reaches(&ada, |status| *status == SyncState::Live).await;
}

#[tokio::test]
async fn the_write_that_runs_is_finished_first() {
    let server = TestServer::new();
    let memory = MemoryStore::new();
    let store = FailingStore::new(memory.reopen());
    let ada = server.client("ada").store(store.clone()).open().await.unwrap();
    let channel = general(&ada);
    store.block();
    let mut send = Box::pin(channel.send("just now"));
    assert!(send.as_mut().now_or_never().is_none());
    within("the write", store.holds_a_write()).await;
    let mut suspend = Box::pin(ada.suspend());
    assert!(suspend.as_mut().now_or_never().is_none());
    store.unblock();
    within("the message", send).await.unwrap();
    within("suspending", suspend).await.unwrap();
    assert!(store.drafts().await.is_err(), "the store has let go");
    ada.resume().await.unwrap();
    assert_eq!(ada.outbox().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_happens_while_it_is_suspended_however_long() {
    let server = TestServer::new();
    let store = FailingStore::new(MemoryStore::new());
    let ada = server.client("ada").store(store.clone()).open().await.unwrap();
    go_live(&ada).await;
    let _timeline = made(&ada).await.timeline().await.unwrap();
    ada.suspend().await.unwrap();
    let mut status = ada.watch_status();
    let mut written = store.written();
    // Heartbeats, retries, and what the database is tried again after.
    tokio::time::timeout(Duration::from_secs(3_600), status.next())
        .await
        .unwrap_err();
    assert!(written.try_recv().is_err());
    ada.resume().await.unwrap();
    reaches(&ada, |status| *status == SyncState::Live).await;
}

#[tokio::test]
async fn a_suspended_client_can_be_closed_and_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::new();
    let path = dir.path().join("ada.db");
    let ada = on_disk(&server, "ada", &path).await.unwrap();
    general(&ada).send("kept").await.unwrap();
    ada.suspend().await.unwrap();
    within("closing", ada.close()).await;
    let errors = [ada.suspend().await.unwrap_err(), ada.resume().await.unwrap_err()];
    assert!(errors.iter().all(|error| error.code() == "client_closed"));

    let store = FailingStore::new(SqliteStore::open(&path).await.unwrap());
    let ada = server.client("ada").store(store.clone()).open().await.unwrap();
    assert_eq!(ada.outbox().len(), 1);
    ada.suspend().await.unwrap();
    drop(ada);
    within("the store to be closed", store.closed()).await;
}

#[tokio::test]
async fn logging_out_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::new();
    let path = dir.path().join("account.db");
    let ada = on_disk(&server, "ada", &path).await.unwrap();
    go_live(&ada).await;
    let channel = made(&ada).await;
    channel.send("secret words").await.unwrap();
    settled(&ada).await;
    let receipt = ada.logout(LogoutOptions::default()).await.unwrap();
    assert_eq!((receipt.discarded.queued, receipt.discarded.rejected), (0, 0));
    assert!(receipt.deleted.contains(&path));
    assert_eq!(files(dir.path()), Vec::<String>::new());
    assert_eq!(ada.status(), SyncState::Closed);
    assert_eq!(channel.send("late").await.unwrap_err().code(), "client_closed");
    let again = ada.logout(LogoutOptions::default()).await.unwrap_err();
    assert_eq!(again.code(), "client_closed");
    // In the same file, even, which the builder's directory never does.
    let carol = on_disk(&server, "carol", &path).await.unwrap();
    assert!(carol.outbox().is_empty() && carol.channels().await.unwrap().items().is_empty());
    assert!(general(&carol).timeline().await.unwrap().items().is_empty());
    assert_eq!(carol.recovery(), None);
    assert_ne!(carol.device(), ada.device());
}

#[tokio::test]
async fn what_is_unsent_is_not_lost_without_being_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::new();
    let path = dir.path().join("ada.db");
    let ada = on_disk(&server, "ada", &path).await.unwrap();
    go_live(&ada).await;
    let channel = ada.channel("messaging:not-there").unwrap();
    channel.send("to nobody").await.unwrap();
    outbox(&ada, |summary| summary.rejected == 1).await;
    ada.disconnect().await.unwrap();
    general(&ada).send("one").await.unwrap();
    general(&ada).send("two").await.unwrap();
    let error = ada.logout(LogoutOptions::default()).await.unwrap_err();
    assert_eq!(
        (error.code().as_str(), error.is_retryable()),
        ("unsent_operations", true)
    );
    let Error::Unsent(unsent) = error else {
        panic!("it says how much");
    };
    assert_eq!((unsent.queued, unsent.rejected), (2, 1));
    general(&ada).send("nothing has changed").await.unwrap();

    let discard = LogoutOptions::default().discard_unsent();
    let receipt = ada.logout(discard).await.unwrap();
    assert_eq!((receipt.discarded.queued, receipt.discarded.rejected), (3, 1));
    assert_eq!(files(dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn logging_out_of_what_is_in_memory_leaves_nothing_there() {
    let server = TestServer::new();
    let memory = MemoryStore::new();
    let store = FailingStore::new(memory.reopen());
    let ada = server.client("ada").store(store.clone()).open().await.unwrap();
    general(&ada).send("unsent").await.unwrap();
    let mut written = store.written();
    let discard = LogoutOptions::default().discard_unsent();
    let receipt = ada.logout(discard).await.unwrap();
    assert_eq!((receipt.deleted, receipt.discarded.queued), (vec![], 1));
    assert!(written.try_recv().is_err(), "nothing is written late");
    let bob = server
        .client("bob")
        .store(Arc::new(memory.reopen()))
        .open()
        .await
        .unwrap();
    assert!(bob.outbox().is_empty());
}

#[tokio::test]
async fn a_logout_that_is_given_up_happens_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::new();
    let path = dir.path().join("ada.db");
    let ada = on_disk(&server, "ada", &path).await.unwrap();
    {
        let mut call = Box::pin(ada.logout(LogoutOptions::default()));
        assert!(call.as_mut().now_or_never().is_none());
    }
    reaches(&ada, |status| *status == SyncState::Closed).await;
    assert_eq!(files(dir.path()), Vec::<String>::new());
}
