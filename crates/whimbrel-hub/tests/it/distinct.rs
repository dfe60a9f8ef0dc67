//! Channels whose members are their identity.

use crate::support::{World, create, envelope, send, steps, user};
use whimbrel_model::{ChannelId, Code, Custom, MemberState, Op, Row, StreamId};

fn distinct(members: &[&str]) -> ChannelId {
    let members: Vec<_> = members.iter().map(|name| user(name)).collect();
    ChannelId::distinct("messaging", &members).unwrap()
}

fn make(cid: ChannelId, others: &[&str]) -> Op {
    Op::CreateChannel {
        cid,
        name: String::new(),
        image: String::new(),
        custom: Custom::default(),
        members: others.iter().map(|name| user(name)).collect(),
    }
}

#[tokio::test]
async fn two_who_create_it_at_once_have_one_channel() {
    let mut world = World::with_channel("ada", &[]).await;
    let cid = distinct(&["ada", "bob"]);
    let made = world.apply("ada", envelope(make(cid.clone(), &["bob"]))).await;
    assert_eq!(made.events.len(), 3);
    let found = world.apply("bob", envelope(make(cid.clone(), &["ada"]))).await;
    assert_eq!(found.events, [], "nothing changes");
    let rows: Vec<_> = steps(&found.outcome).iter().flat_map(|step| &step.rows).collect();
    assert!(
        rows.iter()
            .any(|row| matches!(row, Row::Channel(row) if row.cid == cid))
    );
    let own = |row: &&&Row| matches!(row, Row::Membership(row) if row.user == user("bob"));
    assert!(
        rows.iter().any(|row| own(&row)),
        "the maker learns at once of being in: {rows:?}"
    );
}

#[tokio::test]
async fn its_id_stands_for_exactly_its_members() {
    let mut world = World::with_channel("ada", &[]).await;
    let cid = distinct(&["ada", "bob"]);
    for (name, others) in [
        ("ada", &["cyd"][..]),
        ("cyd", &["ada", "bob"]),
        ("ada", &["bob", "cyd"]),
    ] {
        assert_eq!(
            world.rejected(name, make(cid.clone(), others)).await,
            Code::Invalid,
            "{name} with {others:?}"
        );
    }
    let free = ChannelId::new("messaging:!ours").unwrap();
    assert_eq!(world.rejected("ada", make(free, &["bob"])).await, Code::Invalid);
}

#[tokio::test]
async fn nobody_is_added_or_put_out_and_who_left_is_in_again_by_creating_it() {
    let mut world = World::with_channel("ada", &[]).await;
    let cid = distinct(&["ada", "bob"]);
    world.accepted("ada", make(cid.clone(), &["bob"])).await;
    let add = Op::AddMembers {
        cid: cid.clone(),
        users: vec![user("cyd")],
    };
    assert_eq!(world.rejected("ada", add).await, Code::Forbidden);
    let out = |name: &str| Op::RemoveMembers {
        cid: cid.clone(),
        users: vec![user(name)],
    };
    assert_eq!(world.rejected("ada", out("bob")).await, Code::Forbidden);
    world.accepted("bob", out("bob")).await;
    let events = world.accepted("bob", make(cid.clone(), &["ada"])).await;
    let streams: Vec<_> = events.iter().map(|event| event.stream.clone()).collect();
    assert_eq!(
        streams,
        [StreamId::Channel(cid.clone()), StreamId::User(user("bob"))]
    );
    let back = |row: &Row| matches!(row, Row::Member(row) if row.user == user("bob") && row.state == MemberState::Active);
    assert!(events[0].rows.iter().any(back), "{events:?}");
}

#[tokio::test]
async fn any_other_channel_id_still_belongs_to_who_took_it_first() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    assert_eq!(world.rejected("bob", create(&["ada"])).await, Code::IdConflict);
    world.accepted("bob", send("hello")).await;
}
