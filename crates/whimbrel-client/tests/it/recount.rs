//! E13: what is unread is what a recount from the log gives, whatever happens.

use crate::support::{general, go_live, made, online, open, settled};
use proptest::prelude::*;
use std::time::Duration;
use whimbrel_client::{Client, NewMessage, OlderEdge, Unread};
use whimbrel_model::{Message, MessageId};
use whimbrel_store::MemoryStore;
use whimbrel_testkit::server::TestServer;

const DEADLINE: Duration = Duration::from_secs(20);

/// One thing that happens. Numbers choose among what there is.
#[derive(Clone, Copy, Debug)]
enum Step {
    AdaSends(u8),
    AdaReplies(u8, bool),
    AdaDeletes(u8),
    AdaEdits(u8),
    /// ada takes bob out, or in again.
    AdaTurns,
    BobSends(bool),
    BobReads(bool),
    BobMarksUnread(bool, u8),
    /// bob blocks or mutes ada, or does so no more.
    BobDecides(bool, Decision),
    /// One of bob's devices connects or disconnects.
    BobConnects(bool),
    BobDisconnects(bool),
    /// The one with a disk is closed and opened again.
    BobRestarts,
}

/// What is decided of a person.
#[derive(Clone, Copy, Debug)]
enum Decision {
    Block,
    Unblock,
    Mute,
    Unmute,
}

fn decision() -> impl Strategy<Value = Decision> {
    prop_oneof![
        2 => Just(Decision::Block),
        2 => Just(Decision::Unblock),
        1 => Just(Decision::Mute),
        1 => Just(Decision::Unmute),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1_u8..5).prop_map(Step::AdaSends),
        2 => any::<(u8, bool)>().prop_map(|(parent, shown)| Step::AdaReplies(parent, shown)),
        3 => any::<u8>().prop_map(Step::AdaDeletes),
        1 => any::<u8>().prop_map(Step::AdaEdits),
        1 => Just(Step::AdaTurns),
        2 => any::<bool>().prop_map(Step::BobSends),
        5 => any::<bool>().prop_map(Step::BobReads),
        5 => any::<(bool, u8)>().prop_map(|(phone, first)| Step::BobMarksUnread(phone, first)),
        3 => (any::<bool>(), decision()).prop_map(|(phone, what)| Step::BobDecides(phone, what)),
        2 => any::<bool>().prop_map(Step::BobConnects),
        2 => any::<bool>().prop_map(Step::BobDisconnects),
        1 => Just(Step::BobRestarts),
    ]
}

/// A device, its totals, and its disk.
struct Device {
    client: Client,
    totals: Unread,
    disk: MemoryStore,
}

impl Device {
    async fn new(server: &TestServer, disk: MemoryStore) -> Self {
        let client = open(server, "bob", &disk).await;
        let totals = client.unread().await.unwrap();
        Self { client, totals, disk }
    }

    /// Compares what is told with a recount. Nothing else happens on this device meanwhile, or the comparison is made again.
    async fn check(&self) -> Result<(), TestCaseError> {
        for _ in 0..100 {
            let before = counted(self).await;
            let expected = recount(&self.client).await;
            if before == counted(self).await {
                let (messages, listed, total) = before;
                prop_assert_eq!(messages, expected, "the summary differs from a recount");
                prop_assert_eq!(listed.unwrap_or(0), total, "the totals differ from the list");
                prop_assert!(listed.is_none_or(|listed| listed == messages), "the list differs");
                return Ok(());
            }
        }
        panic!("it never rests");
    }
}

/// What the row on disk, the list and the totals say.
async fn counted(device: &Device) -> (u64, Option<u64>, u64) {
    // Answered by the driver, so that what was written before is shown too.
    let list = device.client.channels().await.unwrap();
    let cid = general(&device.client).cid().clone();
    let summary = general(&device.client).summary().await.unwrap();
    let item = list
        .items()
        .iter()
        .find(|item| item.cid == cid)
        .map(|item| item.unread);
    let total = device.totals.totals().messages;
    (summary.map_or(0, |summary| summary.unread), item, total)
}

/// What a person would count on this device: what comes after the position, of others who are neither blocked nor muted, not
/// deleted, in the timeline.
async fn recount(client: &Client) -> u64 {
    let channel = general(client);
    let me = client.user().clone();
    let own = channel
        .reads()
        .await
        .unwrap()
        .into_iter()
        .find(|read| read.user == me);
    let known = own
        .filter(|read| read.ver > 0)
        .map_or((0, 0), |read| (read.epoch, read.seq));
    let waiting = client
        .outbox()
        .iter()
        .filter(|item| item.rejection().is_none() && item.op.cid() == Some(channel.cid()))
        .filter_map(|item| item.op.read_position())
        .map(|position| (position.epoch, position.seq))
        .max();
    let (_, position) = waiting.unwrap_or_default().max(known);
    let timeline = channel.timeline().await.unwrap();
    while timeline.edge() == OlderEdge::OnDisk {
        timeline.load_older(200).await.unwrap();
    }
    let people = client.people();
    let counts = |message: &Message| {
        message.author != me && message.deleted_at.is_none() && !people.is_silent(&message.author)
    };
    let items = timeline.items();
    let past = items.iter().map(|item| &item.view.message);
    past.filter(|message| message.seq > position && counts(message))
        .count() as u64
}

/// The messages of the timeline that a device has, without those that wait.
async fn accepted(client: &Client) -> Vec<MessageId> {
    let timeline = general(client).timeline().await.unwrap();
    let items = timeline.items();
    items
        .iter()
        .filter(|item| item.view.message.seq > 0)
        .map(|item| item.id())
        .collect()
}

fn pick(of: &[MessageId], n: u8) -> Option<MessageId> {
    of.get(usize::from(n) % of.len().max(1)).copied()
}

async fn ada_does(ada: &Client, step: Step, is_in: &mut bool) {
    let channel = general(ada);
    let here = accepted(ada).await;
    match step {
        Step::AdaSends(count) => {
            for number in 0..count {
                channel.send(format!("message {number}")).await.unwrap();
            }
        }
        Step::AdaReplies(parent, shown) => {
            let Some(parent) = pick(&here, parent) else { return };
            let reply = NewMessage::text("a reply");
            let reply = if shown { reply.shown_in_channel() } else { reply };
            channel.reply(parent, reply).await.unwrap();
        }
        Step::AdaDeletes(n) => {
            if let Some(id) = pick(&here, n) {
                channel.delete(id).await.unwrap();
            }
        }
        Step::AdaEdits(n) => {
            if let Some(id) = pick(&here, n) {
                channel.edit(id, "edited").await.unwrap();
            }
        }
        _ => {
            let bob = ["bob".parse().unwrap()];
            match *is_in {
                true => channel.remove_members(bob).await.unwrap(),
                false => channel.add_members(bob).await.unwrap(),
            };
            *is_in = !*is_in;
        }
    }
    settled(ada).await;
}

async fn bob_does(server: &TestServer, devices: &mut [Device; 2], step: Step) {
    let client = |phone: bool| &devices[usize::from(phone)].client;
    match step {
        Step::BobSends(phone) => drop(general(client(phone)).send("mine").await.unwrap()),
        Step::BobReads(phone) => drop(general(client(phone)).mark_read().await.unwrap()),
        Step::BobMarksUnread(phone, n) => {
            if let Some(id) = pick(&accepted(client(phone)).await, n) {
                general(client(phone)).mark_unread(id).await.unwrap();
            }
        }
        Step::BobDecides(phone, what) => {
            let (client, ada) = (client(phone), "ada".parse().unwrap());
            match what {
                Decision::Block => client.block_user(ada, None).await.unwrap(),
                Decision::Unblock => client.unblock_user(ada).await.unwrap(),
                Decision::Mute => client.mute_user(ada, None).await.unwrap(),
                Decision::Unmute => client.unmute_user(ada).await.unwrap(),
            };
        }
        Step::BobConnects(phone) => client(phone).connect().await.unwrap(),
        Step::BobDisconnects(phone) => client(phone).disconnect().await.unwrap(),
        _ => {
            client(true).close().await;
            let disk = devices[1].disk.reopen();
            devices[1] = Device::new(server, disk).await;
        }
    }
}

async fn holds_through(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    made(&ada).await;
    let mut devices = [
        Device::new(&server, MemoryStore::new()).await,
        Device::new(&server, MemoryStore::new()).await,
    ];
    for device in &devices {
        go_live(&device.client).await;
        device.client.wait_until_caught_up(DEADLINE).await.unwrap();
    }
    let mut is_in = true;
    for step in steps {
        match step {
            Step::AdaSends(_)
            | Step::AdaReplies(..)
            | Step::AdaDeletes(_)
            | Step::AdaEdits(_)
            | Step::AdaTurns => ada_does(&ada, step, &mut is_in).await,
            _ => bob_does(&server, &mut devices, step).await,
        }
        for device in &devices {
            device.check().await?;
        }
    }
    if !is_in {
        ada_does(&ada, Step::AdaTurns, &mut is_in).await;
    }
    let mut ends = Vec::new();
    for device in &devices {
        go_live(&device.client).await;
        settled(&device.client).await;
    }
    for device in &devices {
        device.client.wait_until_caught_up(DEADLINE).await.unwrap();
        device.check().await?;
        let row = general(&device.client).summary().await.unwrap().unwrap();
        prop_assert_eq!(row.unread_unknown, 0, "everything is here");
        ends.push((row.unread, row.read, row.waiting_read));
    }
    prop_assert_eq!(&ends[0], &ends[1], "the devices of one person agree");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_is_unread_is_what_a_recount_gives_at_any_time(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(holds_through(steps))?;
    }
}
