//! Two servers over one database and one bus.

use crate::{
    support::{Client, ManualClock, accept, cid, create, remove, user},
    watchers::{told, watching},
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, timeout};
use whimbrel_hub::{Beside, Bus, BusError, BusLink, Hub, HubConfig, LocalBus, MemoryStorage, Subscription};
use whimbrel_model::{ConsentState, ContactChange, Epoch, Op, SetConsent, SettingsChange};
use whimbrel_protocol::{AskPresence, ClientFrame, ServerFrame, Typing, UserPresence};
use whimbrel_testkit::time::pass;

/// A bus that can lose everything.
#[derive(Clone, Debug, Default)]
struct Lossy {
    bus: LocalBus,
    loses: Arc<AtomicBool>,
}

#[async_trait]
impl Bus for Lossy {
    async fn publish(&self, topic: &str, message: Bytes) -> Result<(), BusError> {
        match self.loses.load(Ordering::Relaxed) {
            true => Ok(()),
            false => self.bus.publish(topic, message).await,
        }
    }

    async fn subscribe(&self, topic: &str) -> Result<Box<dyn Subscription>, BusError> {
        self.bus.subscribe(topic).await
    }
}

struct Servers {
    storage: MemoryStorage,
    clock: Arc<ManualClock>,
    bus: Lossy,
}

impl Servers {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        clock.set(1_000);
        Self {
            storage: MemoryStorage::new(Epoch(1)),
            clock,
            bus: Lossy::default(),
        }
    }

    fn start(&self, name: &str) -> Hub {
        let link = BusLink {
            bus: Arc::new(self.bus.clone()),
            server: name.to_owned(),
        };
        let beside = Beside {
            bus: Some(link),
            ..Beside::default()
        };
        Hub::start_with(
            Arc::new(self.storage.clone()),
            self.clock.clone(),
            HubConfig::default(),
            beside,
        )
    }

    /// Starts two, where ada has a channel with bob and carol.
    async fn two(&self) -> (Hub, Hub) {
        let (north, south) = (self.start("north"), self.start("south"));
        accept(&north, "ada", create(&["bob", "carol"])).await;
        // Both listen.
        pass(Duration::from_secs(1)).await;
        (north, south)
    }
}

fn lease() -> Duration {
    Duration::from_millis(HubConfig::default().server_lease_ms())
}

/// Asks for ada, and returns how she is.
async fn ask(client: &mut Client) -> UserPresence {
    let ask = AskPresence {
        id: 5,
        add: vec![user("ada")],
        remove: Vec::new(),
        background: None,
    };
    client.session.handle(ClientFrame::Presence(ask)).await.unwrap();
    loop {
        match client.next().await {
            ServerFrame::Presence(presence) if presence.id == Some(5) => {
                return presence.users.into_iter().next().unwrap();
            }
            ServerFrame::Presence(_) | ServerFrame::Event(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Waits for a change of ada, within a time; keeps the connection alive meanwhile.
async fn change(client: &mut Client, within: Duration) -> Option<UserPresence> {
    let until = Instant::now() + within;
    loop {
        let heard = whimbrel_protocol::Watch {
            cids: Vec::new(),
            on: true,
        };
        client.session.handle(ClientFrame::Watch(heard)).await.unwrap();
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        match timeout(left.min(Duration::from_secs(20)), client.outbound.next_batch()).await {
            Err(_) => {}
            Ok(batch) => {
                for bytes in batch.unwrap() {
                    if let Ok(ServerFrame::Presence(presence)) = whimbrel_protocol::decode(&bytes) {
                        return presence.users.into_iter().next();
                    }
                }
            }
        }
    }
}

fn settings(change: SettingsChange) -> Op {
    Op::UpdateSettings { change }
}

fn invisible() -> Op {
    settings(SettingsChange {
        invisible: Some(true),
        ..SettingsChange::default()
    })
}

#[tokio::test(start_paused = true)]
async fn a_user_of_one_server_is_online_at_the_other_and_leaves_there_too() {
    let servers = Servers::new();
    let (north, south) = servers.two().await;
    let mut bob = Client::connect(&south, "bob").await;
    assert!(!ask(&mut bob).await.online);
    let ada = Client::connect(&north, "ada").await;
    let come = change(&mut bob, Duration::from_secs(1)).await.unwrap();
    assert!(come.online && come.last_active.is_some(), "{come:?}");
    let mut carol = Client::connect(&south, "carol").await;
    assert!(ask(&mut carol).await.online, "who asks later is told the same");

    accept(
        &north,
        "ada",
        settings(SettingsChange {
            status: Some("here".to_owned()),
            ..SettingsChange::default()
        }),
    )
    .await;
    assert_eq!(
        change(&mut bob, Duration::from_secs(1)).await.unwrap().status,
        "here"
    );
    drop(ada);
    let gone = change(&mut bob, Duration::from_secs(30)).await.unwrap();
    assert!(!gone.online, "{gone:?}");
    north.close().await;
    south.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_killed_server_takes_its_users_offline_at_the_other_after_its_lease() {
    let servers = Servers::new();
    let (north, south) = servers.two().await;
    let mut bob = Client::connect(&south, "bob").await;
    let ada = Client::connect(&north, "ada").await;
    pass(Duration::from_secs(1)).await;
    assert!(ask(&mut bob).await.online);
    let killed = Instant::now();
    // Nothing of what it says from now on arrives, not even that it ends.
    servers.bus.loses.store(true, Ordering::Relaxed);
    drop((ada, north));
    let gone = change(&mut bob, 2 * lease()).await.unwrap();
    assert!(!gone.online, "{gone:?}");
    let (waited, beat) = (killed.elapsed(), HubConfig::default().server_beat);
    assert!(waited >= lease() - beat && waited <= lease() + beat, "{waited:?}");
    south.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_starts_anew_has_nobody_of_before() {
    let servers = Servers::new();
    let (north, south) = servers.two().await;
    let mut bob = Client::connect(&south, "bob").await;
    let ada = Client::connect(&north, "ada").await;
    pass(Duration::from_secs(1)).await;
    assert!(ask(&mut bob).await.online);
    servers.bus.loses.store(true, Ordering::Relaxed);
    drop((ada, north));
    pass(Duration::from_millis(10)).await;
    servers.bus.loses.store(false, Ordering::Relaxed);
    servers.clock.set(2_000);
    let again = servers.start("north");
    let gone = change(&mut bob, lease() - Duration::from_secs(5)).await.unwrap();
    assert!(!gone.online, "{gone:?}");
    again.close().await;
    south.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_user_of_both_servers_is_online_while_either_lives() {
    let servers = Servers::new();
    let (north, south) = servers.two().await;
    let mut bob = Client::connect(&south, "bob").await;
    let phone = Client::connect(&north, "ada").await;
    let laptop = Client::connect(&south, "ada").await;
    pass(Duration::from_secs(1)).await;
    assert!(ask(&mut bob).await.online);
    north.close().await;
    drop(phone);
    // The laptop goes on being heard.
    for _ in 0..3 {
        let nothing = whimbrel_protocol::Watch {
            cids: Vec::new(),
            on: true,
        };
        laptop.session.handle(ClientFrame::Watch(nothing)).await.unwrap();
        assert_eq!(change(&mut bob, lease()).await, None);
    }
    drop(laptop);
    assert!(!change(&mut bob, lease()).await.unwrap().online);
    south.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_bus_loses_heals_with_the_next_beat() {
    let servers = Servers::new();
    let (north, south) = servers.two().await;
    let mut bob = Client::connect(&south, "bob").await;
    assert!(!ask(&mut bob).await.online);
    servers.bus.loses.store(true, Ordering::Relaxed);
    let ada = Client::connect(&north, "ada").await;
    watching(&ada, true).await;
    watching(&bob, true).await;
    assert_eq!(told(&mut bob).await.0, 1);
    pass(Duration::from_millis(100)).await;
    servers.bus.loses.store(false, Ordering::Relaxed);
    let beat = HubConfig::default().server_beat;
    assert!(
        change(&mut bob, beat + Duration::from_secs(1))
            .await
            .unwrap()
            .online
    );

    servers.bus.loses.store(true, Ordering::Relaxed);
    accept(&north, "ada", invisible()).await;
    pass(Duration::from_millis(100)).await;
    servers.bus.loses.store(false, Ordering::Relaxed);
    let hidden = change(&mut bob, beat + Duration::from_secs(1)).await.unwrap();
    assert!(!hidden.online, "{hidden:?}");
    north.close().await;
    south.close().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_invisible_or_denies_somebody_is_so_at_every_server() {
    let servers = Servers::new();
    let (north, south) = servers.two().await;
    let mut bob = Client::connect(&south, "bob").await;
    accept(&north, "ada", invisible()).await;
    let ada = Client::connect(&north, "ada").await;
    pass(Duration::from_secs(1)).await;
    assert!(!ask(&mut bob).await.online);
    accept(
        &north,
        "ada",
        settings(SettingsChange {
            invisible: Some(false),
            ..SettingsChange::default()
        }),
    )
    .await;
    assert!(change(&mut bob, Duration::from_secs(1)).await.unwrap().online);
    let deny = Op::UpdateContact {
        user: user("bob"),
        change: ContactChange {
            consent: Some(SetConsent {
                state: ConsentState::Denied,
                until: None,
            }),
            muted: None,
        },
    };
    accept(&north, "ada", deny).await;
    let gone = change(&mut bob, Duration::from_secs(1)).await.unwrap();
    assert_eq!((gone.online, gone.last_active), (false, None));
    drop(ada);
    north.close().await;
    south.close().await;
}

#[tokio::test(start_paused = true)]
async fn who_has_a_channel_open_and_who_types_is_told_at_every_server() {
    let servers = Servers::new();
    let (north, south) = servers.two().await;
    let mut bob = Client::connect(&south, "bob").await;
    let ada = Client::connect(&north, "ada").await;
    watching(&bob, true).await;
    assert_eq!(told(&mut bob).await.0, 1);
    watching(&ada, true).await;
    assert_eq!(told(&mut bob).await, (2, vec!["ada".to_owned()], vec![]));
    let types = Typing {
        cid: cid(),
        parent: None,
        on: true,
    };
    ada.session.handle(ClientFrame::Typing(types)).await.unwrap();
    match bob.next().await {
        ServerFrame::Typing(typing) => assert!(typing.on && typing.user == user("ada"), "{typing:?}"),
        other => panic!("{other:?}"),
    }
    let mut carol = Client::connect(&south, "carol").await;
    watching(&carol, true).await;
    assert_eq!(told(&mut carol).await.0, 3, "who opens it later is told the same");
    assert_eq!(told(&mut bob).await.0, 3);
    drop(ada);
    loop {
        match bob.next().await {
            ServerFrame::Watchers(watchers) => {
                assert_eq!((watchers.count, watchers.stopped), (2, vec![user("ada")]));
                break;
            }
            ServerFrame::Typing(typing) => assert!(!typing.on),
            other => panic!("{other:?}"),
        }
    }
    north.close().await;
    south.close().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_put_out_at_one_server_has_the_channel_open_at_none() {
    let servers = Servers::new();
    let (north, south) = servers.two().await;
    let (mut ada, mut bob) = (
        Client::connect(&north, "ada").await,
        Client::connect(&south, "bob").await,
    );
    watching(&ada, true).await;
    assert_eq!(told(&mut ada).await.0, 1);
    pass(Duration::from_millis(100)).await;
    watching(&bob, true).await;
    assert_eq!((told(&mut bob).await.0, told(&mut ada).await.0), (2, 2));
    accept(&north, "ada", remove(&["bob"])).await;
    assert_eq!(told(&mut ada).await, (1, vec![], vec!["bob".to_owned()]));
    watching(&ada, false).await;
    pass(Duration::from_millis(100)).await;
    let later = timeout(Duration::from_secs(10), told(&mut bob)).await;
    assert!(later.is_err(), "{later:?}");
    north.close().await;
    south.close().await;
}
