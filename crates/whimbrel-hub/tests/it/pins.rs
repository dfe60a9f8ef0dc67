//! Pinned messages, and messages that speak for the channel or disturb nobody.

use crate::support::{World, cid, delete, message_id, note, send};
use whimbrel_model::{Code, Message, MessageId, MessageKind, Op, Pin, Row, Timestamp};

fn pin(id: MessageId, until: Option<Timestamp>) -> Op {
    Op::PinMessage {
        cid: cid(),
        id,
        until,
    }
}

fn unpin(id: MessageId) -> Op {
    Op::UnpinMessage { cid: cid(), id }
}

async fn one(world: &mut World, name: &str, op: Op) -> Message {
    match world.rows(name, op).await.as_slice() {
        [Row::Message(message)] => message.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn any_member_pins_and_unpins_and_the_last_pin_holds() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let id = one(&mut world, "ada", send("The key is under the mat")).await.id;
    let pinned = one(&mut world, "bob", pin(id, None)).await;
    let at = Timestamp(world.now);
    let by = "bob".parse().unwrap();
    assert_eq!(pinned.pinned, Some(Pin { by, at, until: None }));
    let until = Some(Timestamp(5_000));
    let again = one(&mut world, "ada", pin(id, until)).await.pinned.unwrap();
    assert_eq!((again.by.as_str(), again.until), ("ada", until));
    let unpinned = one(&mut world, "bob", unpin(id)).await;
    assert_eq!((unpinned.pinned, unpinned.revision), (None, 0));
    world.changes_nothing("bob", unpin(id)).await;
}

#[tokio::test]
async fn what_is_deleted_is_not_pinned_and_cannot_be() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let id = one(&mut world, "ada", send("The key is under the mat")).await.id;
    one(&mut world, "bob", pin(id, None)).await;
    assert_eq!(one(&mut world, "ada", delete(id)).await.pinned, None);
    world.changes_nothing("bob", pin(id, None)).await;
    assert_eq!(
        world.rejected("bob", pin(message_id(), None)).await,
        Code::MessageNotFound
    );
    assert_eq!(world.rejected("cyd", unpin(id)).await, Code::ChannelNotFound);
}

#[tokio::test]
async fn only_an_owner_speaks_for_the_channel() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let message = one(&mut world, "ada", note("ada changed the name")).await;
    assert_eq!(message.kind, MessageKind::System);
    assert_eq!(
        world.rejected("bob", note("I am the channel")).await,
        Code::Forbidden
    );
}
