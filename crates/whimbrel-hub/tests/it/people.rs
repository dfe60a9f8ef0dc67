//! What an account keeps about itself and others, consent and invitations, and what has reached whom.

use crate::support::{World, add, cid, create, envelope, mark_read, remove, send, steps, user};
use uuid::Uuid;
use whimbrel_hub::Storage;
use whimbrel_model::{
    AccountRow, Code, ConsentState, Contact, ContactChange, Custom, Delivered, Device, DeviceChange,
    DeviceId, DeviceMark, DeviceSync, DeviceSyncState, MemberState, Membership, MembershipChange, Mute, Op,
    PushToken, Row, SetConsent, SetMute, SetPush, Settings, SettingsChange, StreamEvent, StreamId, Timestamp,
};

fn device(number: u128) -> DeviceId {
    DeviceId(Uuid::from_u128(
        0x0190_0000_0000_7000_9000_0000_0000_0000 | number,
    ))
}

fn invite(names: &[&str]) -> Op {
    Op::InviteMembers {
        cid: cid(),
        users: names.iter().map(|name| user(name)).collect(),
    }
}

fn answer(accept: bool) -> Op {
    Op::AnswerInvite { cid: cid(), accept }
}

fn delivered(on: u128, seq: u64) -> Op {
    Op::MarkDelivered {
        cid: cid(),
        device: device(on),
        seq,
    }
}

fn settings(change: SettingsChange) -> Op {
    Op::UpdateSettings { change }
}

fn contact(of: &str, change: ContactChange) -> Op {
    Op::UpdateContact {
        user: user(of),
        change,
    }
}

fn register(on: u128, name: &str) -> Op {
    Op::RegisterDevice {
        device: device(on),
        name: name.into(),
        agent: "agent/1".into(),
        key: None,
    }
}

/// Returns the membership that a step of the user's own stream carries.
fn membership(events: &[StreamEvent], of: &str) -> Membership {
    let own = StreamId::User(user(of));
    let rows = events.iter().filter(|event| event.stream == own);
    rows.flat_map(|event| &event.rows)
        .find_map(|row| match row {
            Row::Membership(row) => Some(row.clone()),
            _ => None,
        })
        .unwrap_or_else(|| panic!("no membership of {of} in {events:?}"))
}

/// Applies an operation that changes one row about the account, in its own stream only.
async fn account(world: &mut World, name: &str, op: Op) -> AccountRow {
    let events = world.accepted(name, op).await;
    match events.as_slice() {
        [event] if event.stream == StreamId::User(user(name)) => match event.rows.as_slice() {
            [Row::Account(row)] => row.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

async fn register_of(world: &mut World, name: &str, op: Op) -> Delivered {
    match world.rows(name, op).await.as_slice() {
        [Row::Delivered(row)] => row.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn settings_change_field_by_field_and_nobody_else_hears_of_them() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let change = SettingsChange {
        invisible: Some(true),
        status: Some("at sea".into()),
        ..SettingsChange::default()
    };
    let AccountRow::Settings(row) = account(&mut world, "ada", settings(change.clone())).await else {
        panic!("no settings");
    };
    assert!(row.invisible && row.read_receipts && row.typing_indicators);
    world.changes_nothing("ada", settings(change)).await;
    let change = SettingsChange {
        custom: Some(Custom::default().with("mood", "calm")),
        read_receipts: Some(false),
        ..SettingsChange::default()
    };
    let AccountRow::Settings(row) = account(&mut world, "ada", settings(change)).await else {
        panic!("no settings");
    };
    let expected = Settings {
        invisible: true,
        status: "at sea".into(),
        custom: Custom::default().with("mood", "calm"),
        read_receipts: false,
        ver: row.ver,
        ..Settings::new(user("ada"))
    };
    assert_eq!(row, expected);
    let long = SettingsChange {
        status: Some("x".repeat(101)),
        ..SettingsChange::default()
    };
    assert_eq!(world.rejected("ada", settings(long)).await, Code::TooLarge);
    let nothing = settings(SettingsChange::default());
    assert_eq!(world.rejected("ada", nothing).await, Code::Invalid);
}

#[tokio::test]
async fn a_contact_is_somebody_else_and_changes_field_by_field() {
    let mut world = World::with_channel("ada", &[]).await;
    let until = Some(Timestamp(9_000));
    let deny = ContactChange {
        consent: Some(SetConsent {
            state: ConsentState::Denied,
            until,
        }),
        muted: None,
    };
    let mute = ContactChange {
        consent: None,
        muted: Some(SetMute::On(Mute { until: None })),
    };
    account(&mut world, "ada", contact("eve", deny)).await;
    let AccountRow::Contact(row) = account(&mut world, "ada", contact("eve", mute)).await else {
        panic!("no contact");
    };
    let expected = Contact {
        consent: ConsentState::Denied,
        denied_until: until,
        muted: Some(Mute { until: None }),
        changed_at: Timestamp(world.now),
        ver: row.ver,
        ..Contact::new(user("ada"), user("eve"))
    };
    assert_eq!(row, expected);
    assert!(row.is_denied(Timestamp(8_999)) && row.is_muted(Timestamp(8_999)));
    assert_eq!(row.consent_at(Timestamp(9_000)), ConsentState::Unknown);
    world.changes_nothing("ada", contact("eve", mute)).await;
    assert_eq!(world.rejected("ada", contact("ada", deny)).await, Code::Invalid);
    let allow_until = ContactChange {
        consent: Some(SetConsent {
            state: ConsentState::Allowed,
            until,
        }),
        muted: None,
    };
    let refused = world.rejected("ada", contact("eve", allow_until)).await;
    assert_eq!(refused, Code::Invalid);
}

#[tokio::test]
async fn making_a_channel_and_writing_in_it_allow_it_and_being_added_does_not() {
    let mut world = World {
        storage: whimbrel_hub::MemoryStorage::new(whimbrel_model::Epoch(1)),
        now: 100,
    };
    let events = world.accepted("ada", create(&["bob"])).await;
    let (own, added) = (membership(&events, "ada"), membership(&events, "bob"));
    assert_eq!((own.consent, own.added_by), (ConsentState::Allowed, None));
    assert_eq!(
        (added.consent, added.added_by),
        (ConsentState::Unknown, Some(user("ada")))
    );
    let events = world.accepted("bob", send("hello")).await;
    assert_eq!(membership(&events, "bob").consent, ConsentState::Allowed);
    assert_eq!(world.accepted("bob", send("again")).await.len(), 1);
    let deny = Op::UpdateMembership {
        cid: cid(),
        change: MembershipChange {
            consent: Some(ConsentState::Denied),
            ..MembershipChange::default()
        },
    };
    world.accepted("bob", deny).await;
    // What was denied by name is not allowed by the way.
    assert_eq!(world.accepted("bob", send("still")).await.len(), 1);
    // Being added again decides nothing anew.
    world.accepted("ada", remove(&["bob"])).await;
    let events = world.accepted("ada", add(&["bob"])).await;
    assert_eq!(membership(&events, "bob").consent, ConsentState::Denied);
}

#[tokio::test]
async fn an_invitation_is_answered_once_and_shows_the_invited_no_channel_before() {
    let mut world = World::with_channel("ada", &[]).await;
    let events = world.accepted("ada", invite(&["bob", "eve"])).await;
    let row = membership(&events, "bob");
    assert_eq!(
        (row.state, row.consent),
        (MemberState::Invited, ConsentState::Unknown)
    );
    let invitation = row.invite.unwrap();
    assert_eq!(
        (invitation.by, invitation.name.as_str()),
        (user("ada"), "General")
    );
    world.changes_nothing("ada", invite(&["bob"])).await;
    assert_eq!(world.rejected("bob", send("hello?")).await, Code::NotMember);
    let channel = StreamId::Channel(cid());
    let refused = world.storage.page(&user("bob"), &channel, None, 10).await;
    assert_eq!(refused.unwrap_err().code(), Code::NotMember);
    assert_eq!(world.storage.members(&cid()).await.unwrap(), [user("ada")]);

    let events = world.accepted("bob", answer(true)).await;
    let row = membership(&events, "bob");
    assert_eq!(
        (row.state, row.consent),
        (MemberState::Active, ConsentState::Allowed)
    );
    assert_eq!((row.invite, row.added_by), (None, Some(user("ada"))));
    world.changes_nothing("bob", answer(false)).await;
    world.accepted("bob", send("hello")).await;

    let events = world.accepted("eve", answer(false)).await;
    let row = membership(&events, "eve");
    assert_eq!((row.state, row.invite), (MemberState::Gone, None));
    world.changes_nothing("eve", answer(true)).await;
    assert_eq!(world.rejected("bob", invite(&["eve"])).await, Code::Forbidden);

    // An owner takes an invitation back, or turns it into being in.
    world.accepted("ada", invite(&["eve", "kim"])).await;
    world.accepted("ada", remove(&["eve"])).await;
    world.changes_nothing("eve", answer(true)).await;
    let events = world.accepted("ada", add(&["kim"])).await;
    let row = membership(&events, "kim");
    assert_eq!((row.state, row.invite), (MemberState::Active, None));
}

#[tokio::test]
async fn what_is_delivered_only_grows_for_each_device_and_never_past_the_head() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    for text in ["one", "two", "three"] {
        world.accepted("ada", send(text)).await;
    }
    let row = register_of(&mut world, "bob", delivered(2, 2)).await;
    assert_eq!((row.seq, row.private, row.devices_public), (2, false, false));
    world.changes_nothing("bob", delivered(2, 1)).await;
    world.changes_nothing("bob", delivered(2, 2)).await;
    let row = register_of(&mut world, "bob", delivered(1, 1)).await;
    let mark = |on, seq| DeviceMark {
        device: device(on),
        seq,
    };
    assert_eq!((row.seq, row.devices), (2, vec![mark(1, 1), mark(2, 2)]));
    let row = register_of(&mut world, "bob", delivered(1, 900)).await;
    assert_eq!((row.seq, row.devices), (3, vec![mark(1, 3), mark(2, 2)]));
    assert_eq!(
        world.rejected("eve", delivered(3, 1)).await,
        Code::ChannelNotFound
    );
}

#[tokio::test]
async fn a_mark_leaves_no_result_so_its_id_says_nothing() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    world.accepted("ada", send("one")).await;
    let first = envelope(delivered(1, 1));
    world.apply("bob", first.clone()).await;
    let again = world.apply("bob", first.clone()).await;
    assert_eq!(again.events, []);
    // Who does not know it any more is told how far the register is, and so that the mark was wanted.
    let [step] = steps(&again.outcome) else {
        panic!("{again:?}");
    };
    assert_eq!(step.from, step.to);
    assert!(matches!(&step.rows[..], [Row::Delivered(row)] if row.seq == 1));
    let after = whimbrel_model::OpEnvelope {
        after: Some(first.id),
        ..envelope(send("two"))
    };
    let outcome = world.apply("bob", after).await.outcome;
    assert_eq!(crate::support::retry(&outcome), Code::OutOfOrder);
}

#[tokio::test]
async fn who_shows_no_receipts_has_registers_that_are_private_until_they_move_again() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    world.accepted("ada", send("one")).await;
    world.accepted("ada", send("two")).await;
    let quiet = |shown: bool| {
        settings(SettingsChange {
            read_receipts: Some(shown),
            delivery_receipts: Some(shown),
            device_receipts: Some(shown),
            ..SettingsChange::default()
        })
    };
    account(&mut world, "bob", quiet(false)).await;
    let row = register_of(&mut world, "bob", delivered(1, 1)).await;
    assert!(row.private);
    let [Row::Read(read)] = &world.rows("bob", mark_read(0, 1)).await[..] else {
        panic!("no read position");
    };
    assert!(read.private);
    let (ada, bob) = (user("ada"), user("bob"));
    for row in [Row::Delivered(row), Row::Read(read.clone())] {
        assert_eq!(row.clone().seen_by(&ada), None);
        assert_eq!(row.clone().seen_by(&bob), Some(row));
    }
    account(&mut world, "bob", quiet(true)).await;
    let row = register_of(&mut world, "bob", delivered(1, 2)).await;
    assert!(!row.private && row.devices_public);
    assert_eq!(
        Row::Delivered(row.clone()).seen_by(&ada),
        Some(Row::Delivered(row))
    );
    let [Row::Read(read)] = &world.rows("bob", mark_read(0, 2)).await[..] else {
        panic!("no read position");
    };
    assert!(!read.private);
}

async fn device_row(world: &mut World, op: Op) -> Device {
    match account(world, "ada", op).await {
        AccountRow::Device(row) => row,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_device_is_registered_named_and_revoked_for_good() {
    let mut world = World::with_channel("ada", &[]).await;
    let row = device_row(&mut world, register(1, "phone")).await;
    assert_eq!((row.name.as_str(), row.agent.as_str()), ("phone", "agent/1"));
    world.changes_nothing("ada", register(1, "other")).await;
    let change = DeviceChange {
        name: Some("red phone".into()),
        push: Some(SetPush::On(PushToken {
            provider: "apns".into(),
            token: "secret".into(),
        })),
    };
    let update = |change| Op::UpdateDevice {
        device: device(1),
        change,
    };
    let row = device_row(&mut world, update(change.clone())).await;
    assert_eq!(row.name, "red phone");
    assert!(!format!("{row:?}").contains("secret"));
    world.changes_nothing("ada", register(1, "phone")).await;
    let revoke = |on| Op::RevokeDevice { device: device(on) };
    let row = device_row(&mut world, revoke(1)).await;
    assert_eq!((row.revoked_at, row.push), (Some(Timestamp(world.now)), None));
    world.changes_nothing("ada", revoke(1)).await;
    assert_eq!(
        world.rejected("ada", register(1, "phone")).await,
        Code::DeviceRevoked
    );
    assert_eq!(world.rejected("ada", update(change)).await, Code::DeviceRevoked);
    // One that never said a word can be shut out too.
    device_row(&mut world, revoke(2)).await;
    assert_eq!(world.rejected("ada", register(2, "")).await, Code::DeviceRevoked);
    let unknown = Op::UpdateDevice {
        device: device(3),
        change: DeviceChange {
            name: Some("x".into()),
            push: None,
        },
    };
    assert_eq!(world.rejected("ada", unknown).await, Code::Invalid);
}

async fn sync_row(world: &mut World, op: Op) -> DeviceSync {
    match account(world, "ada", op).await {
        AccountRow::DeviceSync(row) => row,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_first_device_that_answers_a_request_answers_it() {
    let mut world = World::with_channel("ada", &[]).await;
    let requests = [Uuid::from_u128(1), Uuid::from_u128(2)];
    let ask = |request| Op::RequestDeviceSync {
        device: device(1),
        request,
        key: "age1…".into(),
    };
    let offer = |request, by| Op::OfferDeviceSync {
        device: device(1),
        request,
        by: device(by),
        bytes: 10,
        sha256: "0f".repeat(32),
    };
    let end = |request| Op::EndDeviceSync {
        device: device(1),
        request,
    };
    world.changes_nothing("ada", offer(requests[0], 2)).await;
    let row = sync_row(&mut world, ask(requests[0])).await;
    assert_eq!(row.state, DeviceSyncState::Asked);
    world.changes_nothing("ada", ask(requests[0])).await;
    let row = sync_row(&mut world, offer(requests[0], 2)).await;
    assert!(matches!(row.state, DeviceSyncState::Offered { by, .. } if by == device(2)));
    world.changes_nothing("ada", offer(requests[0], 3)).await;
    // A later request takes the place of the earlier one, whose end ends nothing.
    let row = sync_row(&mut world, ask(requests[1])).await;
    assert_eq!((row.request, row.state), (requests[1], DeviceSyncState::Asked));
    world.changes_nothing("ada", end(requests[0])).await;
    let row = sync_row(&mut world, end(requests[1])).await;
    assert_eq!(row.state, DeviceSyncState::Done);
    world.changes_nothing("ada", end(requests[1])).await;
    world.changes_nothing("ada", offer(requests[1], 2)).await;
    let bad = Op::OfferDeviceSync {
        device: device(1),
        request: requests[1],
        by: device(2),
        bytes: 1,
        sha256: "short".into(),
    };
    assert_eq!(world.rejected("ada", bad).await, Code::Invalid);
}
