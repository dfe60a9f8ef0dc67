//! Pushes: who is woken for what, how often, and what becomes of tokens.

use crate::support::{
    Client, ManualClock, Names, accept, add, cid, create, envelope, hello, mark_read, message_id, reply,
    send, user,
};
use async_trait::async_trait;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::{Notify, Semaphore},
    time::timeout,
};
use uuid::Uuid;
use whimbrel_hub::{
    Beside, DeviceStorage, Hub, HubConfig, MemoryStorage, Push, PushCounts, PushError, PushProvider,
};
use whimbrel_model::{
    ChannelId, ConsentState, ContactChange, Custom, DeviceChange, DeviceId, Epoch, MembershipChange, Mute,
    Op, PushToken, SetConsent, SetMute, SetPush, Timestamp,
};
use whimbrel_protocol::{Hello, PushKind};

/// A service that keeps what it was given, and does what it is told.
#[derive(Debug)]
struct Service {
    pushes: Mutex<Vec<Push>>,
    arrived: Notify,
    gone: Mutex<Vec<PushToken>>,
    fails: Mutex<bool>,
    /// Lets a batch through.
    gate: Semaphore,
}

#[async_trait]
impl PushProvider for Service {
    async fn push(&self, batch: &[Push]) -> Result<Vec<PushToken>, PushError> {
        self.gate.acquire().await.unwrap().forget();
        if *self.fails.lock().unwrap() {
            return Err(PushError("the service is away".into()));
        }
        self.pushes.lock().unwrap().extend(batch.iter().cloned());
        self.arrived.notify_one();
        Ok(self.gone.lock().unwrap().clone())
    }
}

struct World {
    hub: Hub,
    storage: Arc<MemoryStorage>,
    clock: Arc<ManualClock>,
    service: Arc<Service>,
}

impl World {
    /// Starts with a channel of ada, bob and eve, each with a phone that can be woken.
    async fn start() -> Self {
        let world = Self::closed().await;
        world.service.gate.add_permits(10_000);
        world
    }

    /// The same, with a service that takes nothing yet.
    async fn closed() -> Self {
        let service = Arc::new(Service {
            pushes: Mutex::default(),
            arrived: Notify::new(),
            gone: Mutex::default(),
            fails: Mutex::default(),
            gate: Semaphore::new(0),
        });
        let storage = Arc::new(MemoryStorage::new(Epoch(1)));
        let clock = Arc::new(ManualClock::default());
        let provider: Arc<dyn PushProvider> = service.clone();
        let hub = Hub::start_with(
            storage.clone(),
            clock.clone(),
            HubConfig::default(),
            Beside {
                push: Some(provider),
                ..Beside::default()
            },
        );
        accept(&hub, "ada", create(&["bob", "eve"])).await;
        for name in ["ada", "bob", "eve"] {
            has_phone(&hub, name, 1).await;
        }
        Self {
            hub,
            storage,
            clock,
            service,
        }
    }

    /// Returns who was woken since the last time, and for what. All that happened before the call is in it.
    async fn woken(&self) -> Vec<(String, PushKind)> {
        // What is pushed last: a message of a channel of its own.
        let last = ChannelId::new(format!("messaging:{}", message_id())).unwrap();
        let create = Op::CreateChannel {
            cid: last.clone(),
            name: String::new(),
            image: String::new(),
            custom: Custom::default(),
            members: vec![user("zoe")],
        };
        accept(&self.hub, "yan", create).await;
        has_phone(&self.hub, "zoe", 1).await;
        let mut message = send("over");
        if let Op::SendMessage { cid, .. } = &mut message {
            cid.clone_from(&last);
        }
        accept(&self.hub, "yan", message).await;
        let is_last = |push: &Push| push.payload.cid == last;
        timeout(Duration::from_secs(20), async {
            while !self.service.pushes.lock().unwrap().iter().any(is_last) {
                self.service.arrived.notified().await;
            }
        })
        .await
        .expect("the last push in time");
        let pushes = std::mem::take(&mut *self.service.pushes.lock().unwrap());
        let pushes = pushes.into_iter().filter(|push| !is_last(push));
        let mut woken: Vec<_> = pushes
            .map(|push| {
                (
                    format!("{} {}", push.user, number(push.device)),
                    push.payload.kind,
                )
            })
            .collect();
        woken.sort_by_key(|(device, kind)| (device.clone(), kind.to_string()));
        woken
    }

    async fn waits_for(&self, wanted: impl Fn(PushCounts) -> bool) {
        timeout(Duration::from_secs(20), async {
            while !wanted(self.hub.push_counts()) {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{:?}", self.hub.push_counts()));
    }

    async fn token_of(&self, name: &str) -> Option<PushToken> {
        let devices = self.storage.devices(&user(name)).await.unwrap();
        devices.into_iter().next().unwrap().device.push
    }
}

fn device(number: u128) -> DeviceId {
    DeviceId(Uuid::from_u128(
        0x0190_0000_0000_7000_9000_0000_0000_0000 | number,
    ))
}

fn number(device: DeviceId) -> u128 {
    device.0.as_u128() & 0xff
}

fn token(name: &str, on: u128) -> PushToken {
    PushToken {
        provider: "test".into(),
        token: format!("{name}-{on}"),
    }
}

fn set_push(on: u128, push: SetPush) -> Op {
    Op::UpdateDevice {
        device: device(on),
        change: DeviceChange {
            name: None,
            push: Some(push),
        },
    }
}

async fn has_phone(hub: &Hub, name: &str, on: u128) {
    let register = Op::RegisterDevice {
        device: device(on),
        name: String::new(),
        agent: "tests".into(),
        key: None,
    };
    accept(hub, name, register).await;
    accept(hub, name, set_push(on, SetPush::On(token(name, on)))).await;
}

fn on(name: &str, number: u128) -> Hello {
    Hello {
        device: device(number),
        ..hello(name)
    }
}

fn keep(change: MembershipChange) -> Op {
    Op::UpdateMembership { cid: cid(), change }
}

fn contact(of: &str, change: ContactChange) -> Op {
    Op::UpdateContact {
        user: user(of),
        change,
    }
}

fn told(devices: &[&str], kind: &PushKind) -> Vec<(String, PushKind)> {
    devices
        .iter()
        .map(|device| ((*device).to_owned(), kind.clone()))
        .collect()
}

fn messages(devices: &[&str]) -> Vec<(String, PushKind)> {
    told(devices, &PushKind::Message)
}

#[tokio::test]
async fn a_message_wakes_the_devices_of_others_that_have_no_connection() {
    let world = World::start().await;
    has_phone(&world.hub, "bob", 2).await;
    has_phone(&world.hub, "ada", 2).await;
    let _live = Client::connect_as(&world.hub, on("bob", 1)).await;
    accept(&world.hub, "ada", send("hello")).await;
    assert_eq!(world.woken().await, messages(&["bob 2", "eve 1"]));
}

#[tokio::test]
async fn a_push_says_where_and_nothing_of_what() {
    let world = World::start().await;
    let message = send("a secret");
    let id = message.message();
    accept(&world.hub, "ada", message).await;
    timeout(Duration::from_secs(20), world.service.arrived.notified())
        .await
        .unwrap();
    let pushes = world.service.pushes.lock().unwrap().clone();
    let push = pushes.iter().find(|push| push.user == user("bob")).unwrap();
    assert_eq!((push.device, &push.to), (device(1), &token("bob", 1)));
    let payload = &push.payload;
    assert_eq!((&payload.user, &payload.cid), (&user("bob"), &cid()));
    assert_eq!((payload.message, payload.seq), (id, 1));
    assert!(!format!("{pushes:?}").contains("secret"));
    assert!(!format!("{pushes:?}").contains("bob-1"), "no log shows a token");
}

#[tokio::test]
async fn who_does_not_want_to_be_disturbed_is_not() {
    let world = World::start().await;
    let hub = &world.hub;
    let muted = MembershipChange {
        muted: Some(SetMute::On(Mute {
            until: Some(Timestamp(100)),
        })),
        ..MembershipChange::default()
    };
    accept(hub, "bob", keep(muted)).await;
    let denied = MembershipChange {
        consent: Some(ConsentState::Denied),
        ..MembershipChange::default()
    };
    accept(hub, "eve", keep(denied)).await;
    accept(hub, "ada", send("one")).await;
    assert_eq!(world.woken().await, []);
    world.clock.set(100);
    accept(hub, "ada", send("two")).await;
    assert_eq!(world.woken().await, messages(&["bob 1"]), "a mute ends by itself");
}

#[tokio::test]
async fn a_person_who_is_muted_or_denied_wakes_nobody() {
    let world = World::start().await;
    let hub = &world.hub;
    let muted = ContactChange {
        muted: Some(SetMute::On(Mute { until: None })),
        ..ContactChange::default()
    };
    accept(hub, "bob", contact("eve", muted)).await;
    let denied = ContactChange {
        consent: Some(SetConsent {
            state: ConsentState::Denied,
            until: Some(Timestamp(100)),
        }),
        ..ContactChange::default()
    };
    accept(hub, "ada", contact("eve", denied)).await;
    accept(hub, "eve", send("one")).await;
    assert_eq!(world.woken().await, []);
    accept(hub, "bob", send("two")).await;
    assert_eq!(world.woken().await, messages(&["ada 1", "eve 1"]), "others do");
    world.clock.set(100);
    accept(hub, "eve", send("three")).await;
    assert_eq!(
        world.woken().await,
        [],
        "ada was told of the channel a moment ago"
    );
    drop(Client::connect_as(hub, on("ada", 1)).await);
    accept(hub, "eve", send("four")).await;
    assert_eq!(
        world.woken().await,
        messages(&["ada 1"]),
        "a block ends by itself"
    );
}

#[tokio::test]
async fn whoever_was_added_by_somebody_denied_is_not_disturbed() {
    let world = World::start().await;
    has_phone(&world.hub, "dan", 1).await;
    let denied = ContactChange {
        consent: Some(SetConsent {
            state: ConsentState::Denied,
            until: None,
        }),
        ..ContactChange::default()
    };
    accept(&world.hub, "dan", contact("ada", denied)).await;
    accept(&world.hub, "ada", add(&["dan"])).await;
    accept(&world.hub, "bob", send("one")).await;
    assert_eq!(world.woken().await, messages(&["ada 1", "eve 1"]));
}

#[tokio::test]
async fn what_is_silent_and_who_has_left_or_revoked_wakes_nobody() {
    let world = World::start().await;
    let hub = &world.hub;
    let mut silent = send("one");
    if let Op::SendMessage { silent, .. } = &mut silent {
        *silent = true;
    }
    accept(hub, "ada", silent).await;
    assert_eq!(world.woken().await, []);
    accept(hub, "bob", Op::RevokeDevice { device: device(1) }).await;
    accept(hub, "ada", crate::support::remove(&["eve"])).await;
    accept(hub, "ada", send("two")).await;
    assert_eq!(world.woken().await, []);
}

#[tokio::test]
async fn a_reply_wakes_those_who_follow_its_thread() {
    let world = World::start().await;
    let began = send("one");
    let parent = began.message();
    accept(&world.hub, "bob", began).await;
    assert_eq!(world.woken().await, messages(&["ada 1", "eve 1"]));
    for name in ["ada", "bob", "eve"] {
        drop(Client::connect_as(&world.hub, on(name, 1)).await);
    }
    accept(&world.hub, "ada", reply("two", parent)).await;
    assert_eq!(world.woken().await, messages(&["bob 1"]));
    accept(&world.hub, "bob", reply("three", parent)).await;
    assert_eq!(world.woken().await, messages(&["ada 1"]));
}

#[tokio::test]
async fn a_device_is_told_of_a_channel_once_until_it_was_there() {
    let world = World::start().await;
    for text in ["one", "two", "three"] {
        accept(&world.hub, "ada", send(text)).await;
    }
    assert_eq!(world.woken().await, messages(&["bob 1", "eve 1"]));
    accept(&world.hub, "ada", send("four")).await;
    assert_eq!(world.woken().await, []);
    drop(Client::connect_as(&world.hub, on("bob", 1)).await);
    accept(&world.hub, "ada", send("five")).await;
    assert_eq!(world.woken().await, messages(&["bob 1"]));
}

#[tokio::test]
async fn a_repeat_of_a_message_wakes_nobody_again() {
    let world = World::start().await;
    let message = envelope(send("one"));
    world.hub.ops(&user("ada"), vec![message.clone()]).await;
    assert_eq!(world.woken().await, messages(&["bob 1", "eve 1"]));
    drop(Client::connect_as(&world.hub, on("bob", 1)).await);
    world.hub.ops(&user("ada"), vec![message]).await;
    assert_eq!(world.woken().await, []);
}

#[tokio::test]
async fn reading_on_one_device_clears_the_others() {
    let world = World::start().await;
    let hub = &world.hub;
    has_phone(hub, "bob", 2).await;
    accept(hub, "ada", send("one")).await;
    assert_eq!(world.woken().await, messages(&["bob 1", "bob 2", "eve 1"]));
    let laptop = Client::connect_as(hub, on("bob", 3)).await;
    laptop.send(vec![envelope(mark_read(0, 1))]).await;
    world.waits_for(|counts| counts.sent >= 5).await;
    assert_eq!(world.woken().await, told(&["bob 1", "bob 2"], &PushKind::Read));
    // What comes after that is news again, at once.
    accept(hub, "ada", send("two")).await;
    assert_eq!(world.woken().await, messages(&["bob 1", "bob 2"]));
    // The device that reads is not told of it, nor is it for what was read before or is marked as unread.
    let phone = Client::connect_as(hub, on("bob", 1)).await;
    phone
        .send(vec![envelope(mark_read(0, 2)), envelope(mark_read(0, 1))])
        .await;
    phone.send(vec![envelope(mark_read(1, 1))]).await;
    drop(phone);
    world.waits_for(|counts| counts.sent >= 10).await;
    assert_eq!(world.woken().await, told(&["bob 2"], &PushKind::Read));
}

#[tokio::test]
async fn a_token_that_is_good_for_nothing_is_taken_off_and_a_newer_one_is_not() {
    let world = World::start().await;
    *world.service.gone.lock().unwrap() = vec![token("bob", 1), token("eve", 1)];
    accept(&world.hub, "eve", set_push(1, SetPush::On(token("eve", 2)))).await;
    accept(&world.hub, "ada", send("one")).await;
    world.waits_for(|counts| counts.gone == 1).await;
    assert_eq!(world.token_of("bob").await, None);
    assert_eq!(world.token_of("eve").await, Some(token("eve", 2)));
    // Had the service said so of one that was replaced meanwhile, nothing would have been taken off.
    accept(&world.hub, "eve", set_push(1, SetPush::Gone(token("eve", 1)))).await;
    assert_eq!(world.token_of("eve").await, Some(token("eve", 2)));
}

#[tokio::test]
async fn what_a_service_could_not_carry_is_counted_and_the_next_event_tried() {
    let world = World::start().await;
    *world.service.fails.lock().unwrap() = true;
    accept(&world.hub, "ada", send("one")).await;
    world.waits_for(|counts| counts.failed == 2).await;
    *world.service.fails.lock().unwrap() = false;
    accept(&world.hub, "ada", send("two")).await;
    assert_eq!(world.woken().await, messages(&["bob 1", "eve 1"]));
}

#[tokio::test]
async fn a_service_that_takes_nothing_holds_nobody_up_and_the_oldest_is_dropped() {
    let world = World::closed().await;
    // Each is of another author and channel, so none stands for another.
    let mut sent = 0_u64;
    while world.hub.push_counts().dropped == 0 {
        let other = ChannelId::new(format!("messaging:{}", message_id())).unwrap();
        let create = Op::CreateChannel {
            cid: other.clone(),
            name: String::new(),
            image: String::new(),
            custom: Custom::default(),
            members: vec![user("bob")],
        };
        let mut message = send("hello");
        if let Op::SendMessage { cid, .. } = &mut message {
            *cid = other;
        }
        world
            .hub
            .ops(&user("ada"), vec![envelope(create), envelope(message)])
            .await;
        sent += 1;
        assert!(sent < 5_000, "what waits is bounded");
    }
    assert_eq!(world.hub.push_counts().sent, 0);
    timeout(Duration::from_secs(20), world.hub.close())
        .await
        .expect("closing does not wait for the service");
    assert!(world.hub.hello(on("bob", 1), &Names).await.is_err());
}
