//! The read register: what moves it, what others see of it, and how far it can be taken at once.

use crate::support::{World, mark_read, send};
use whimbrel_model::{Code, Read, Row, limits::READ_EPOCHS_AHEAD};

async fn with_messages(count: usize) -> World {
    let mut world = World::with_channel("ada", &["bob"]).await;
    for number in 0..count {
        world.accepted("ada", send(&format!("message {number}"))).await;
    }
    world
}

/// Returns the row that marking makes of it, if it makes one.
async fn marked(world: &mut World, epoch: u32, seq: u64) -> Option<Read> {
    let events = world.accepted("bob", mark_read(epoch, seq)).await;
    let row = events.first()?.rows.first()?;
    match row {
        Row::Read(read) => Some(read.clone()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn marking_unread_moves_the_position_back_and_not_what_others_see() {
    let mut world = with_messages(5).await;
    let read = marked(&mut world, 0, 4).await.unwrap();
    assert_eq!((read.epoch, read.seq, read.receipt()), (0, 4, 4));
    let unread = marked(&mut world, 1, 1).await.unwrap();
    assert_eq!((unread.epoch, unread.seq, unread.receipt()), (1, 1, 4));
    assert!(unread.ver > read.ver);
    let on = marked(&mut world, 1, 3).await.unwrap();
    assert_eq!((on.seq, on.receipt()), (3, 4));
    let all = marked(&mut world, 1, 5).await.unwrap();
    assert_eq!((all.seq, all.receipt(), all.furthest), (5, 5, 0));
}

#[tokio::test]
async fn of_reading_and_marking_unread_at_once_the_mark_wins_in_either_order() {
    for [first, second] in [[(0, 5), (1, 1)], [(1, 1), (0, 5)]] {
        let mut world = with_messages(5).await;
        marked(&mut world, 0, 2).await;
        marked(&mut world, first.0, first.1).await;
        let row = marked(&mut world, second.0, second.1).await.unwrap();
        assert_eq!((row.epoch, row.seq, row.receipt()), (1, 1, 5), "{first:?} first");
    }
}

#[tokio::test]
async fn of_two_messages_marked_unread_at_once_the_later_is_the_first_unread() {
    for [first, second] in [[1, 3], [3, 1]] {
        let mut world = with_messages(5).await;
        marked(&mut world, 0, 5).await;
        marked(&mut world, 1, first).await;
        let row = marked(&mut world, 1, second).await;
        assert_eq!(row.map(|row| row.seq), (second == 3).then_some(3));
    }
}

#[tokio::test]
async fn no_operation_can_take_the_register_to_the_last_epoch() {
    let mut world = with_messages(2).await;
    for epoch in [READ_EPOCHS_AHEAD + 1, u32::MAX] {
        assert_eq!(world.rejected("bob", mark_read(epoch, 2)).await, Code::Invalid);
    }
    let row = marked(&mut world, READ_EPOCHS_AHEAD, 1).await.unwrap();
    assert_eq!(row.epoch, READ_EPOCHS_AHEAD);
    let row = marked(&mut world, READ_EPOCHS_AHEAD, 2).await.unwrap();
    assert_eq!(row.seq, 2, "it is read on as ever");
    let further = marked(&mut world, 2 * READ_EPOCHS_AHEAD, 0).await.unwrap();
    assert_eq!((further.seq, further.receipt()), (0, 2));
}

#[tokio::test]
async fn what_an_old_backup_of_a_device_says_is_accepted_and_changes_nothing() {
    let mut world = with_messages(3).await;
    for (epoch, seq) in [(0, 3), (1, 0), (1, 2), (2, 1)] {
        marked(&mut world, epoch, seq).await.unwrap();
    }
    for (epoch, seq) in [(0, 3), (1, 0), (1, 2), (2, 1), (2, 0)] {
        assert_eq!(marked(&mut world, epoch, seq).await, None, "({epoch}, {seq})");
    }
}
