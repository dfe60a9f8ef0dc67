//! What only the account's own devices see: how it keeps its channels, and its drafts.

use crate::support::{World, add, cid, envelope, remove, send, steps, user};
use uuid::Uuid;
use whimbrel_model::{
    Code, DeviceId, Draft, DraftContent, DraftSeen, Hide, MemberState, Membership, MembershipChange, Mute,
    Op, Row, SetMute, StreamEvent, StreamId, Timestamp,
};

fn keep(change: MembershipChange) -> Op {
    Op::UpdateMembership { cid: cid(), change }
}

fn device(number: u128) -> DeviceId {
    DeviceId(Uuid::from_u128(
        0x0190_0000_0000_7000_9000_0000_0000_0000 | number,
    ))
}

fn save(on: u128, text: Option<&str>, replaces: &[&Draft]) -> Op {
    let seen = |draft: &&Draft| DraftSeen {
        device: draft.device,
        ver: draft.ver,
    };
    Op::SaveDraft {
        cid: cid(),
        parent: None,
        device: device(on),
        content: text.map(DraftContent::text),
        replaces: replaces.iter().map(seen).collect(),
    }
}

async fn kept(world: &mut World, change: MembershipChange) -> Membership {
    let rows = world.rows("bob", keep(change)).await;
    match rows.as_slice() {
        [Row::Membership(row)] => row.clone(),
        other => panic!("{other:?}"),
    }
}

async fn drafts(world: &mut World, op: Op) -> Vec<Draft> {
    let rows = world.rows("bob", op).await.into_iter();
    rows.map(|row| match row {
        Row::Draft(draft) => draft,
        other => panic!("{other:?}"),
    })
    .collect()
}

#[tokio::test]
async fn how_a_channel_is_kept_changes_field_by_field_in_the_own_stream_only() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let pin = MembershipChange {
        pinned: Some(true),
        ..MembershipChange::default()
    };
    let events: Vec<StreamEvent> = world.accepted("bob", keep(pin)).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].stream, StreamId::User(user("bob")));
    let at = Timestamp(world.now);
    world.changes_nothing("bob", keep(pin)).await;
    let until = Some(Timestamp(9_000));
    let row = kept(
        &mut world,
        MembershipChange {
            archived: Some(true),
            hidden: Some(Hide::Until { seq: 7 }),
            muted: Some(SetMute::On(Mute { until })),
            ..MembershipChange::default()
        },
    )
    .await;
    assert_eq!(
        (row.pinned_at, row.archived_at),
        (Some(at), Some(Timestamp(world.now)))
    );
    assert_eq!((row.hidden_seq, row.muted), (Some(7), Some(Mute { until })));
    let row = kept(
        &mut world,
        MembershipChange {
            pinned: Some(false),
            hidden: Some(Hide::Show),
            muted: Some(SetMute::Off),
            ..MembershipChange::default()
        },
    )
    .await;
    assert_eq!((row.pinned_at, row.hidden_seq, row.muted), (None, None, None));
    assert!(row.archived_at.is_some(), "what is not named stays");
    assert_eq!(
        world.rejected("bob", keep(MembershipChange::default())).await,
        Code::Invalid
    );
    assert_eq!(world.rejected("cyd", keep(pin)).await, Code::ChannelNotFound);
}

#[tokio::test]
async fn who_leaves_and_comes_back_finds_the_channel_as_it_was_kept() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let pin = MembershipChange {
        pinned: Some(true),
        ..MembershipChange::default()
    };
    let pinned = kept(&mut world, pin).await.pinned_at;
    world.accepted("bob", remove(&["bob"])).await;
    assert_eq!(world.rejected("bob", keep(pin)).await, Code::NotMember);
    let events = world.accepted("ada", add(&["bob"])).await;
    let Some(Row::Membership(row)) = events
        .iter()
        .find_map(|event| (event.stream == StreamId::User(user("bob"))).then(|| event.rows[0].clone()))
    else {
        panic!("{events:?}")
    };
    assert_eq!((row.state, row.pinned_at), (MemberState::Active, pinned));
}

#[tokio::test]
async fn drafts_of_two_devices_stand_side_by_side_until_one_has_seen_the_other() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let [phone] = drafts(&mut world, save(1, Some("from the phone"), &[]))
        .await
        .try_into()
        .unwrap();
    let [desk] = drafts(&mut world, save(2, Some("from the desk"), &[]))
        .await
        .try_into()
        .unwrap();
    assert_eq!((phone.device, desk.device), (device(1), device(2)));
    // The desk goes on from what the phone wrote.
    let both = drafts(
        &mut world,
        save(2, Some("from the desk, with the phone's"), &[&phone]),
    )
    .await;
    let [gone, grown] = both.as_slice() else {
        panic!("{both:?}")
    };
    assert_eq!((gone.device, &gone.content), (device(1), &None));
    assert_eq!(
        grown.content.as_ref().map(|content| content.body.text.as_str()),
        Some("from the desk, with the phone's")
    );
}

#[tokio::test]
async fn a_draft_that_changed_since_it_was_seen_is_not_replaced() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let [seen] = drafts(&mut world, save(1, Some("first"), &[]))
        .await
        .try_into()
        .unwrap();
    drafts(&mut world, save(1, Some("second"), &[])).await;
    let rows = drafts(&mut world, save(2, Some("from the first"), &[&seen])).await;
    assert_eq!(rows.len(), 1, "the phone's second stays beside: {rows:?}");
    assert_eq!(rows[0].device, device(2));
}

#[tokio::test]
async fn a_draft_is_the_members_own_and_a_repeat_changes_nothing() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    assert_eq!(
        world.rejected("cyd", save(1, Some("hello"), &[])).await,
        Code::ChannelNotFound
    );
    let op = envelope(save(1, Some("hello"), &[]));
    let first = world.apply("bob", op.clone()).await;
    assert_eq!(first.events[0].stream, StreamId::User(user("bob")));
    let again = world.apply("bob", op).await;
    assert_eq!(again.events, []);
    assert_eq!(steps(&again.outcome).len(), 1, "with the rows as they are now");
    world.changes_nothing("bob", save(1, Some("hello"), &[])).await;
    let rows = drafts(&mut world, save(1, None, &[])).await;
    assert_eq!(rows[0].content, None);
    world.accepted("bob", send("hello")).await;
}
