//! Random changes by two people on a bad network, with restarts and full disks: in the end both have the same rows.
//!
//! Not asserted here: which of two edits wins, and the order of schedules within the runtime, which no seed decides.

use crate::support::{CID, Row, all_sent, each_once, general, go_live, made, reaches, rows, settled, within};
use futures_util::StreamExt;
use std::{sync::Arc, time::Duration};
use whimbrel_client::{
    ChannelFacts, ChannelState, Client, Currency, Error, GlobalState, Items, NewDraft, NewMessage, SyncState,
    Timeline, TimelineItem,
};
use whimbrel_model::{MessageId, UserId};
use whimbrel_store::MemoryStore;
use whimbrel_testkit::{dice::Dice, server::TestServer, store::FailingStore};

const SEEDS: u64 = 10;
const STEPS: usize = 100;

struct Person {
    name: &'static str,
    disk: MemoryStore,
    store: Arc<FailingStore>,
    client: Client,
    timeline: Timeline,
    channel: ChannelState,
    account: GlobalState,
}

impl Person {
    async fn open(server: &TestServer, name: &'static str, disk: MemoryStore) -> Self {
        let store = FailingStore::new(disk.reopen());
        let client = server.client(name).store(store.clone()).open().await.unwrap();
        let timeline = general(&client).timeline().await.unwrap();
        let channel = client.watch_channel_as_state(CID, 50).await.unwrap();
        let account = client.state().await.unwrap();
        Self {
            name,
            disk,
            store,
            client,
            timeline,
            channel,
            account,
        }
    }

    async fn act(&self, known: &mut Vec<MessageId>, dice: &mut Dice) -> Result<(), Error> {
        let channel = general(&self.client);
        let target = dice.pick(known).copied();
        match (dice.below(12), target) {
            (0..=3, _) | (_, None) => known.push(channel.send(format!("message {}", known.len())).await?.id),
            // Somebody else's cannot be edited: what is rejected is part of the test.
            (4, Some(id)) => drop(channel.edit(id, format!("edit {}", dice.below(100))).await?),
            (5, Some(id)) => drop(channel.delete(id).await?),
            (7, Some(id)) => {
                let quote = NewMessage::text(format!("quote {}", known.len())).quoting(id);
                known.push(channel.send(quote).await?.id);
            }
            (8, Some(id)) => match dice.below(2) {
                0 => drop(channel.pin_message(id, None).await?),
                _ => drop(channel.unpin_message(id).await?),
            },
            (9, _) => drop(channel.mark_read().await?),
            (10, Some(id)) => drop(channel.save_draft(NewDraft::text("draft").quoting(id)).await?),
            (11, _) => match dice.below(3) {
                0 => drop(channel.mute(None).await?),
                1 => drop(channel.hide().await?),
                _ => drop(channel.add_members([UserId::new("dan")?]).await?),
            },
            (6, Some(id)) => drop(channel.react(id, ["like", "wow"][dice.index(2)]).await?),
            (_, Some(id)) => drop(channel.unreact(id, "like").await?),
        }
        Ok(())
    }

    async fn fault(&mut self, server: &TestServer, dice: &mut Dice) {
        match dice.below(24) {
            0 => server.network().cut(),
            1 => server.network().drop_next_reply(),
            2 => server.restart().await,
            3 => self.client.disconnect().await.unwrap(),
            4 => self.store.fail_writes(1),
            5 => self.store.lose_outcomes(1),
            6..=7 => self.restart(server, dice).await,
            8..=11 => self.client.connect().await.unwrap(),
            _ => tokio::task::yield_now().await,
        }
    }

    /// Ends the process, tidily or not, and starts it again.
    async fn restart(&mut self, server: &TestServer, dice: &mut Dice) {
        if dice.below(2) == 0 {
            self.client.close().await;
        }
        let (disk, closing) = (self.disk.reopen(), Arc::clone(&self.store));
        *self = Self::open(server, self.name, disk).await;
        within("the old process to end", closing.closed()).await;
    }

    /// Comes to rest, with nothing left that the server was told and did not take.
    async fn rest(&self) {
        go_live(&self.client).await;
        settled(&self.client).await;
        for item in self.client.outbox() {
            self.client.discard(item.id).await.unwrap();
        }
        reaches(&self.client, |status| *status == SyncState::Live).await;
    }
}

/// What any timeline shows, opened at whatever time: the newest rows.
fn newest(items: &Items<TimelineItem>) -> Vec<Row> {
    let mut rows = rows(items);
    rows.split_off(rows.len().saturating_sub(50))
}

/// Waits until both show the same, reading what changes at either.
async fn alike(seed: u64, ada: &Timeline, bob: &Timeline) {
    let (mut left, mut left_diffs) = ada.subscribe();
    let (mut right, mut right_diffs) = bob.subscribe();
    let alike = async {
        while newest(&left) != newest(&right) {
            tokio::select! {
                Some(batch) = left_diffs.next() => batch.into_iter().for_each(|diff| diff.apply(&mut left)),
                Some(batch) = right_diffs.next() => batch.into_iter().for_each(|diff| diff.apply(&mut right)),
            }
            each_once(&left);
            each_once(&right);
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(5), alike).await.is_ok();
    assert!(
        in_time,
        "seed {seed}: ada has {:#?}, bob has {:#?}",
        newest(&left),
        newest(&right)
    );
    assert_eq!(left, ada.items(), "seed {seed}");
    assert_eq!(right, bob.items(), "seed {seed}");
}

/// An object that went through all of it shows what one does that was opened just now, but for how things stand with the
/// server.
async fn same_objects(seed: u64, ada: &Person, again: &Person) {
    let facts = |person: &Person| ChannelFacts {
        currency: Currency::default(),
        ..person.channel.facts()
    };
    // How far each channel is, is read after the first screen.
    let mut known = again.channel.watch_part(|facts| facts.counts.messages);
    within("how far the channel is", async {
        while again.channel.facts().counts.messages.is_none() {
            known.next().await.expect("the object is alive");
        }
    })
    .await;
    assert_eq!(facts(ada), facts(again), "seed {seed}");
    assert_eq!(ada.channel.members(), again.channel.members(), "seed {seed}");
    assert_eq!(ada.channel.reads(), again.channel.reads(), "seed {seed}");
    assert_eq!(
        ada.channel.pins().items(),
        again.channel.pins().items(),
        "seed {seed}"
    );
    let (before, after) = (ada.account.facts(), again.account.facts());
    assert_eq!(before.unread, after.unread, "seed {seed}");
    assert_eq!(before.channel_mutes, after.channel_mutes, "seed {seed}");
    assert_eq!(
        ada.account.drafts().items(),
        again.account.drafts().items(),
        "seed {seed}"
    );
}

#[tokio::test]
async fn two_people_with_everything_against_them_end_with_the_same_rows() {
    for seed in 0..SEEDS {
        let mut dice = Dice::new(seed);
        let server = TestServer::new();
        let ada = Person::open(&server, "ada", MemoryStore::new()).await;
        let bob = Person::open(&server, "bob", MemoryStore::new()).await;
        go_live(&ada.client).await;
        made(&ada.client).await;
        let mut people = [ada, bob];
        let mut known = Vec::new();
        for _ in 0..STEPS {
            let person = &mut people[dice.index(2)];
            if let Err(error) = person.act(&mut known, &mut dice).await {
                assert!(error.code().starts_with("store_"), "{error}");
            }
            person.fault(&server, &mut dice).await;
        }
        for person in &people {
            person.store.fail_writes(0);
            person.store.lose_outcomes(0);
            person.rest().await;
        }
        let [ada, bob] = people;
        alike(seed, &ada.timeline, &bob.timeline).await;
        assert!(all_sent(&ada.timeline.items()), "seed {seed}");
        // What is shown is what is on disk.
        let shown = newest(&ada.timeline.items());
        ada.client.close().await;
        let again = Person::open(&server, "ada", ada.disk.reopen()).await;
        assert_eq!(newest(&again.timeline.items()), shown, "seed {seed}");
        same_objects(seed, &ada, &again).await;
        server.close().await;
    }
}
