//! Threads: what a reply changes of the message that began one, and who has read how far in it.

use crate::support::{
    World, cid, delete, edit, envelope, mark_thread_read, message_id, reply, send, steps, user,
};
use whimbrel_model::{Code, Message, MessageId, Op, Read, Row, RowKey, ThreadSummary, Timestamp};

/// What a reply makes: the reply, the message that began the thread, and the author's read position in it.
struct Replied {
    reply: Message,
    parent: Message,
    read: Option<Read>,
}

async fn begin(world: &mut World) -> MessageId {
    let rows = world.rows("ada", send("Who brings the boat?")).await;
    match rows.as_slice() {
        [Row::Message(message)] => message.id,
        other => panic!("{other:?}"),
    }
}

async fn replied(world: &mut World, name: &str, parent: MessageId) -> Replied {
    match world.rows(name, reply("I do", Some(parent))).await.as_slice() {
        [Row::Message(reply), Row::Message(parent)] => Replied {
            reply: reply.clone(),
            parent: parent.clone(),
            read: None,
        },
        [Row::Message(reply), Row::Message(parent), Row::Read(read)] => Replied {
            reply: reply.clone(),
            parent: parent.clone(),
            read: Some(read.clone()),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_reply_is_counted_on_the_message_that_began_the_thread() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let parent = begin(&mut world).await;
    let first = replied(&mut world, "bob", parent).await;
    let second = replied(&mut world, "ada", parent).await;
    for (step, replies) in [(&first, 1), (&second, 2)] {
        let summary = step.parent.thread.unwrap();
        assert_eq!((summary.replies, summary.last_seq), (replies, step.reply.seq));
        assert_eq!(Some(summary.last_at), step.reply.accepted_at);
        assert_eq!(step.parent.id, parent);
        assert_eq!(
            step.parent.ver,
            step.reply.ver + 1,
            "two rows, two versions, one step"
        );
    }
    assert_eq!(second.parent.revision, 0, "a reply is no edit");
}

#[tokio::test]
async fn a_reply_that_is_deleted_does_not_count_and_one_that_was_deleted_before_counts_once() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let parent = begin(&mut world).await;
    let first = replied(&mut world, "bob", parent).await.reply;
    let last = replied(&mut world, "bob", parent).await.reply;
    let rows = world.rows("bob", delete(first.id)).await;
    let [Row::Message(gone), Row::Message(root)] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert!(gone.is_deleted());
    let summary = ThreadSummary {
        replies: 1,
        last_seq: last.seq,
        last_at: last.accepted_at.unwrap(),
    };
    assert_eq!(root.thread, Some(summary));
    world.changes_nothing("bob", delete(first.id)).await;
    let after = replied(&mut world, "ada", parent).await;
    assert_eq!(after.parent.thread.unwrap().replies, 2);
}

#[tokio::test]
async fn who_replies_follows_the_thread_and_has_read_it_so_far() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let parent = begin(&mut world).await;
    let first = replied(&mut world, "bob", parent).await;
    let read = first.read.unwrap();
    assert_eq!(
        (read.user, read.thread, read.seq),
        (user("bob"), Some(parent), first.reply.seq)
    );
    let own = replied(&mut world, "ada", parent).await.read.unwrap();
    assert_eq!((own.user.as_str(), own.seq), ("ada", 3));
    // Marked unread before, replying reads it all: what is there was seen.
    world.accepted("bob", mark_thread_read(parent, 1, 1)).await;
    let read = replied(&mut world, "bob", parent).await.read.unwrap();
    assert_eq!((read.epoch, read.seq), (1, 4));
}

#[tokio::test]
async fn a_thread_is_read_apart_from_its_channel_and_from_other_threads() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let (one, two) = (begin(&mut world).await, begin(&mut world).await);
    replied(&mut world, "ada", one).await;
    replied(&mut world, "ada", two).await;
    for thread in [one, two] {
        let rows = world.rows("bob", mark_thread_read(thread, 0, 3)).await;
        let [Row::Read(read)] = rows.as_slice() else {
            panic!("{rows:?}")
        };
        assert_eq!((read.thread, read.seq), (Some(thread), 3));
        assert_eq!(
            Row::Read(read.clone()).key(),
            RowKey::Read(cid(), user("bob"), Some(thread))
        );
        world.changes_nothing("bob", mark_thread_read(thread, 0, 2)).await;
    }
    let rows = world.rows("bob", mark_thread_read(one, 0, 99)).await;
    let [Row::Read(read)] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert_eq!(read.seq, 4, "never past the channel's newest message");
}

#[tokio::test]
async fn only_the_thread_of_a_message_that_is_there_and_is_no_reply_can_be_read() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let parent = begin(&mut world).await;
    let first = replied(&mut world, "bob", parent).await.reply;
    assert_eq!(
        world.rejected("bob", mark_thread_read(message_id(), 0, 1)).await,
        Code::MessageNotFound
    );
    assert_eq!(
        world.rejected("bob", mark_thread_read(first.id, 0, 1)).await,
        Code::Invalid
    );
    assert_eq!(
        world.rejected("bob", reply("no", Some(first.id))).await,
        Code::Invalid
    );
}

#[tokio::test]
async fn a_reply_that_is_sent_again_counts_once() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let parent = begin(&mut world).await;
    let op = envelope(reply("once", Some(parent)));
    world.apply("bob", op.clone()).await;
    let again = world.apply("bob", op).await;
    assert_eq!(again.events, []);
    assert!(steps(&again.outcome).iter().all(|step| step.from == step.to));
    let next = replied(&mut world, "ada", parent).await;
    assert_eq!(next.parent.thread.unwrap().replies, 2);
}

#[tokio::test]
async fn an_edit_keeps_the_thread_and_a_deleted_parent_still_counts_its_replies() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let parent = begin(&mut world).await;
    replied(&mut world, "bob", parent).await;
    let rows = world.rows("ada", edit(parent, "Who brings the kite?")).await;
    let [Row::Message(edited)] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert_eq!(edited.thread.unwrap().replies, 1);
    let rows = world.rows("ada", delete(parent)).await;
    let [Row::Message(deleted)] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert_eq!(deleted.thread.unwrap().replies, 1);
    let late = replied(&mut world, "bob", parent).await;
    assert_eq!(late.parent.thread.unwrap().replies, 2);
    assert!(late.parent.is_deleted() && late.parent.deleted_at < Some(Timestamp(world.now)));
}

#[tokio::test]
async fn a_group_with_a_thread_from_its_beginning_to_a_deletion_adds_up() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let parent = send("begin");
    let id = parent.message().unwrap();
    let (first, second) = (reply("one", Some(id)), reply("two", Some(id)));
    let gone = first.message().unwrap();
    let ops = [parent, first, second, delete(gone), mark_thread_read(id, 0, 3)];
    let ops: Vec<(&str, whimbrel_model::OpEnvelope)> =
        ops.into_iter().map(|op: Op| ("ada", envelope(op))).collect();
    let applied = world.group(&ops).await;
    let Some(Row::Message(root)) = applied[3].events[0].rows.get(1) else {
        panic!("{:?}", applied[3])
    };
    let thread = root.thread.unwrap();
    assert_eq!((root.id, thread.replies, thread.last_seq), (id, 1, 3));
    assert_eq!(
        applied[4].events,
        [],
        "the own reply has moved the position there already"
    );
}
