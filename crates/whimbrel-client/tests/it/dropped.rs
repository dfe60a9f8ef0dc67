//! Calls that are given up at any await: each has happened as a whole or not at all, and the client goes on.
//!
//! Not asserted here: which of the two it is. Whoever gives a call up has to look.

mod calls;
mod disk;
mod naive;

use crate::support::{
    Row, all_sent, general, go_live, made, online, outbox, reaches, rows, settled, shows, texts, within,
};
use calls::{Call, READS, WRITES, act};
use disk::Disk;
use std::collections::BTreeMap;
use whimbrel_client::{Channel, Client, SyncState, Timeline};
use whimbrel_model::MessageId;
use whimbrel_testkit::{
    dropped::{Moment, dropped_at},
    server::TestServer,
};

/// More polls than any call takes, and enough turns for a round of the driver to end.
const POLLS: usize = 9;
const TURNS: usize = 3;

/// A client of ada on some disk, and what her calls are about.
pub(crate) struct Stage {
    pub(crate) ada: Client,
    pub(crate) channel: Channel,
    pub(crate) timeline: Timeline,
    /// An own message, and one of bob's.
    pub(crate) mine: MessageId,
    pub(crate) theirs: MessageId,
    disk: Disk,
}

impl Stage {
    /// A channel of ada, bob and carol with a message of ada and two of bob; ada is offline.
    async fn set(server: &TestServer, disk: Disk) -> Self {
        let bob = online(server, "bob").await;
        let store = disk.open().await;
        let ada = server.client("ada").store(store).open().await.unwrap();
        go_live(&ada).await;
        let channel = made(&ada).await;
        let mine = channel.send("mine").await.unwrap();
        let id = mine.id;
        within("my message", mine.settled()).await.unwrap();
        let mut theirs = None;
        for text in ["theirs", "theirs too"] {
            let sent = general(&bob).send(text).await.unwrap();
            theirs = Some(sent.id);
            within("their message", sent.settled()).await.unwrap();
        }
        bob.close().await;
        let timeline = channel.timeline().await.unwrap();
        shows(&timeline, "all three", |items| items.len() == 3).await;
        ada.disconnect().await.unwrap();
        reaches(&ada, |status| *status == SyncState::Offline).await;
        Self {
            ada,
            channel,
            timeline,
            mine: id,
            theirs: theirs.expect("bob wrote"),
            disk,
        }
    }

    /// Queues what the server will reject.
    async fn reject(&self) {
        self.channel.edit(self.theirs, "not mine to edit").await.unwrap();
        outbox(&self.ada, |summary| summary.rejected > 0).await;
    }

    /// Another call answers, and what is in memory is what is on disk.
    async fn is_whole(&self, after: &str) {
        let next = within(after, self.channel.react(self.theirs, "👍")).await;
        next.unwrap_or_else(|error| panic!("{after}: {error}"));
        if self.ada.status() == SyncState::Offline {
            let held: Vec<_> = self.ada.outbox().iter().map(|item| (**item).clone()).collect();
            assert_eq!(self.disk.outbox().await, held, "{after}");
        }
    }

    /// Closes; what a fresh start shows is what was shown.
    async fn restart(self, server: &TestServer) -> (Client, Timeline) {
        let before = self.timeline.items();
        within("closing", self.ada.close()).await;
        let store = self.disk.open().await;
        let ada = server.client("ada").store(store).open().await.unwrap();
        let timeline = general(&ada).timeline().await.unwrap();
        same_end(&rows(&timeline.items()), &rows(&before));
        (ada, timeline)
    }
}

/// Everything was decided, and two people see the same, each message once. Returns it.
async fn converge(server: &TestServer, ada: &Client, timeline: &Timeline) -> Vec<Row> {
    go_live(ada).await;
    settled(ada).await;
    let bob = online(server, "bob").await;
    bob.wait_until_caught_up(std::time::Duration::from_secs(20))
        .await
        .unwrap();
    shows(timeline, "everything as sent", all_sent).await;
    let theirs = general(&bob).timeline().await.unwrap();
    let mine = rows(&timeline.items());
    same_end(&mine, &rows(&theirs.items()));
    bob.close().await;
    mine
}

/// Two lists are the same as far as both reach back.
fn same_end(one: &[Row], other: &[Row]) {
    let newest = one.len().min(other.len());
    assert_eq!(one[one.len() - newest..], other[other.len() - newest..]);
}

/// Gives every call up at every moment, offline: there the driver does nothing else.
async fn offline(disk: impl Fn() -> Disk) {
    for call in WRITES {
        let server = TestServer::new();
        let stage = Stage::set(&server, disk()).await;
        let mut done = BTreeMap::new();
        for moment in Moment::all(POLLS, TURNS) {
            let text = format!("{call:?} {} {}", moment.polls, moment.turns);
            let outcome = dropped_at(moment, act(&stage, call, &text)).await;
            done.insert(text.clone(), outcome.is_some());
            if let Some(Err(error)) = outcome {
                panic!("{text}: {error}");
            }
            stage.is_whole(&text).await;
        }
        assert!(
            done.values().any(|done| *done) && done.values().any(|done| !*done),
            "{call:?} was given up never or always"
        );
        let (ada, timeline) = stage.restart(&server).await;
        let shown = converge(&server, &ada, &timeline).await;
        if call == Call::Send {
            for (text, done) in done {
                let times = shown.iter().filter(|row| row.2 == text).count();
                assert!(times == 1 || (times == 0 && !done), "{text}: {times} times");
            }
        }
        ada.close().await;
    }
}

/// The same while answers come in, and with what the server has a part in.
async fn online_too(disk: impl Fn() -> Disk) {
    let server = TestServer::new();
    let stage = Stage::set(&server, disk()).await;
    go_live(&stage.ada).await;
    let mut sent = BTreeMap::new();
    for moment in Moment::all(POLLS, 1) {
        for call in WRITES.into_iter().chain(READS) {
            if matches!(
                call,
                Call::Repeat | Call::RepeatWith | Call::RepeatAll | Call::Discard
            ) {
                stage.reject().await;
            }
            let text = format!("{call:?} {} {}", moment.polls, moment.turns);
            // What was decided meanwhile is not in the outbox any more: an answer too.
            let outcome = dropped_at(moment, act(&stage, call, &text)).await;
            if call == Call::Send {
                sent.insert(text.clone(), outcome.is_some());
            }
            stage.is_whole(&text).await;
        }
        // A connection is changed and kept.
        dropped_at(moment, stage.ada.disconnect()).await;
        dropped_at(moment, stage.ada.connect()).await;
        go_live(&stage.ada).await;
    }
    for item in stage
        .ada
        .outbox()
        .iter()
        .filter(|item| item.rejection().is_some())
    {
        stage.ada.discard(item.id).await.unwrap();
    }
    settled(&stage.ada).await;
    let (ada, timeline) = stage.restart(&server).await;
    for _ in 0..10 {
        timeline.load_older(100).await.ok();
    }
    let shown = converge(&server, &ada, &timeline).await;
    for (text, done) in sent {
        let times = shown.iter().filter(|row| row.2 == text).count();
        assert!(times == 1 || (times == 0 && !done), "{text}: {times} times");
    }
    ada.close().await;
}

#[tokio::test]
async fn offline_over_memory_each_call_happens_as_a_whole_or_not_at_all() {
    offline(Disk::memory).await;
}

#[tokio::test]
async fn offline_over_sqlite_each_call_happens_as_a_whole_or_not_at_all() {
    offline(Disk::sqlite).await;
}

#[tokio::test]
async fn online_over_memory_nothing_is_stuck_and_everything_converges() {
    online_too(Disk::memory).await;
}

#[tokio::test]
async fn online_over_sqlite_nothing_is_stuck_and_everything_converges() {
    online_too(Disk::sqlite).await;
}

#[tokio::test]
async fn what_waits_for_the_server_can_be_given_up_and_waited_for_again() {
    let server = TestServer::new();
    let stage = Stage::set(&server, Disk::sqlite()).await;
    for moment in Moment::all(1, TURNS) {
        let sent = stage.channel.send("waits").await.unwrap();
        dropped_at(moment, sent.settled()).await;
        let deadline = std::time::Duration::from_secs(20);
        dropped_at(moment, stage.ada.wait_until_caught_up(deadline)).await;
    }
    go_live(&stage.ada).await;
    settled(&stage.ada).await;
    let deadline = std::time::Duration::from_secs(20);
    stage.ada.wait_until_caught_up(deadline).await.unwrap();
    let waiting = |item: &String| item == "waits";
    let shown = texts(&stage.timeline.items());
    assert_eq!(
        shown.iter().filter(|text| waiting(text)).count(),
        Moment::all(1, TURNS).count()
    );
    stage.ada.close().await;
}

async fn closing(disk: impl Fn() -> Disk) {
    for moment in Moment::all(POLLS, TURNS) {
        let server = TestServer::new();
        let stage = Stage::set(&server, disk()).await;
        stage.channel.send("before").await.unwrap();
        if moment.turns % 2 == 0 {
            go_live(&stage.ada).await;
        }
        // Nobody may wait for what is queued beside it.
        let (_, _) = tokio::join!(
            dropped_at(moment, stage.ada.close()),
            stage.channel.send("beside it")
        );
        within("the second close", stage.ada.close()).await;
        let store = stage.disk.open().await;
        let ada = server.client("ada").store(store).open().await.unwrap();
        let timeline = general(&ada).timeline().await.unwrap();
        let shown = converge(&server, &ada, &timeline).await;
        assert!(shown.iter().filter(|row| row.2 == "before").count() == 1);
        assert!(shown.iter().filter(|row| row.2 == "beside it").count() <= 1);
        ada.close().await;
    }
}

#[tokio::test]
async fn a_close_over_memory_that_is_given_up_loses_nothing() {
    closing(Disk::memory).await;
}

#[tokio::test]
async fn a_close_over_sqlite_that_is_given_up_loses_nothing() {
    closing(Disk::sqlite).await;
}

#[tokio::test]
async fn opening_that_is_given_up_leaves_a_database_that_opens() {
    let mut given_up = 0;
    for moment in Moment::all(24, 2) {
        let server = TestServer::new();
        let disk = Disk::sqlite();
        let open = async { server.client("ada").store(disk.open().await).open().await };
        let opened = dropped_at(moment, open).await;
        given_up += usize::from(opened.is_none());
        if let Some(client) = opened {
            client.unwrap().close().await;
        }
        let ada = within("the lock to be free", async {
            loop {
                // A store that was dropped is released a moment later.
                match disk.try_open().await {
                    Ok(store) => break server.client("ada").store(store).open().await.unwrap(),
                    Err(error) => assert_eq!(error.code(), "store_in_use", "{error}"),
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
        general(&ada).send("hello").await.unwrap();
        ada.close().await;
    }
    assert!(given_up > 3, "{given_up}");
}
