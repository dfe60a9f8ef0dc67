//! What is unread, while a read position waits and where messages are missing.

use super::{
    StoreFixture,
    sample::{
        ME, account, c_stream, cid, head, marks_read, membership, message, mid, outbox_item, put, ranges,
        read, rejected, reply, thread_of, thread_read, tombstone, user,
    },
};
use whimbrel_model::{
    Change, ChannelSummary, MemberState, Message, MessageBody, OutboxItem, People, Read, ReadPosition,
};

/// Nine messages of someone else in the channel `a`, read up to the fourth.
async fn nine(t: &StoreFixture) {
    t.apply([Change::Account(account())]).await;
    t.apply([put(membership("a", 1, MemberState::Active))]).await;
    t.apply((1..=9).map(|seq| put(message("a", seq, seq)))).await;
    t.apply([
        put(read("a", ME, 4, 10)),
        Change::Ranges(cid("a"), ranges(&[(1, 9)])),
        Change::Head(c_stream("a"), head(10, 9)),
    ])
    .await;
}

async fn summary(t: &StoreFixture) -> ChannelSummary {
    let one = t
        .store()
        .channel(&cid("a"), &People::default())
        .await
        .expect("the store reads");
    let listed = super::query::all(
        t.store(),
        &whimbrel_query::Query::channel_list(),
        &People::default(),
    )
    .await;
    assert_eq!(listed.first(), one.as_ref(), "the list says something else");
    one.expect("the channel is known")
}

async fn unread(t: &StoreFixture) -> u64 {
    summary(t).await.unread
}

/// Further is what is greater by epoch, then by sequence; what is not further is not shown.
pub async fn unread_is_counted_past_a_read_position_that_waits(mut t: StoreFixture) {
    nine(&t).await;
    assert_eq!(unread(&t).await, 5);
    // The sample's read positions are of epoch 1.
    for (epoch, seq, expected) in [(1, 7, 2), (1, 2, 5), (0, 9, 5), (2, 1, 8), (1, 9, 0)] {
        t.apply([Change::Outbox(marks_read(7, "a", epoch, seq))]).await;
        let row = summary(&t).await;
        let waits = (expected != 5).then_some(ReadPosition { epoch, seq });
        assert_eq!(
            (row.unread, row.waiting_read),
            (expected, waits),
            "({epoch}, {seq})"
        );
        assert_eq!(
            row.read,
            Some(read("a", ME, 4, 10)),
            "the server's row stays apart"
        );
        t.reopen().await;
        assert_eq!(summary(&t).await, row);
    }
    t.apply([Change::OutboxRemoved(outbox_item(7).id)]).await;
    assert_eq!(unread(&t).await, 5);
}

/// The furthest of several counts, of this channel only, and none that was rejected.
pub async fn of_waiting_read_positions_the_furthest_counts(t: StoreFixture) {
    nine(&t).await;
    let refused = OutboxItem {
        status: rejected(),
        ..marks_read(4, "a", 9, 0)
    };
    t.apply([
        Change::Outbox(marks_read(1, "a", 2, 3)),
        Change::Outbox(marks_read(2, "a", 2, 6)),
        Change::Outbox(marks_read(3, "a", 1, 9)),
        Change::Outbox(refused),
        Change::Outbox(marks_read(5, "b", 3, 0)),
        Change::Outbox(outbox_item(6)),
    ])
    .await;
    let furthest = ReadPosition { epoch: 2, seq: 6 };
    let row = summary(&t).await;
    assert_eq!((row.unread, row.waiting_read), (3, Some(furthest)));
    // The server's answer to the second, and to the first and third before it.
    t.apply([
        put(Read {
            epoch: 2,
            ..read("a", ME, 6, 11)
        }),
        Change::OutboxRemoved(outbox_item(2).id),
    ])
    .await;
    let row = summary(&t).await;
    assert_eq!((row.unread, row.waiting_read), (3, None));
}

/// Also where nothing was ever read, and before the membership of a waiting channel is known.
pub async fn a_read_position_can_wait_where_the_server_has_none(t: StoreFixture) {
    t.apply([Change::Account(account())]).await;
    t.apply([put(membership("a", 1, MemberState::Active))]).await;
    t.apply((1..=3).map(|seq| put(message("a", seq, seq)))).await;
    t.apply([Change::Outbox(marks_read(1, "a", 0, 2))]).await;
    let row = summary(&t).await;
    assert_eq!((row.unread, row.read), (1, None));
    assert_eq!(row.waiting_read, Some(ReadPosition { epoch: 0, seq: 2 }));
    t.apply([Change::Outbox(marks_read(1, "a", 0, 0))]).await;
    let row = summary(&t).await;
    assert_eq!((row.unread, row.waiting_read), (3, None), "that is no further");
}

/// What is not here, or only as it once was, is counted apart: it may be unread.
pub async fn messages_that_are_missing_past_the_read_position_are_told(mut t: StoreFixture) {
    nine(&t).await;
    assert_eq!(summary(&t).await.unread_unknown, 0);
    t.apply([Change::Head(c_stream("a"), head(30, 12))]).await;
    let row = summary(&t).await;
    assert_eq!((row.unread, row.unread_unknown), (5, 3));
    let mut runs = ranges(&[(1, 9)]);
    runs.mark_stale(20);
    runs.insert(8, 12);
    t.apply([Change::Ranges(cid("a"), runs)]).await;
    t.apply([put(reply(12, 25))]).await;
    for _ in 0..2 {
        let row = summary(&t).await;
        assert_eq!(row.unread_unknown, 3, "5 to 7 are stale");
        t.reopen().await;
    }
    t.apply([Change::Outbox(marks_read(7, "a", 1, 7))]).await;
    assert_eq!(summary(&t).await.unread_unknown, 0, "they are read");
    t.apply([Change::Ranges(cid("a"), ranges(&[]))]).await;
    assert_eq!(summary(&t).await.unread_unknown, 5);
}

/// Others are shown the furthest that was ever read.
pub async fn a_read_position_that_went_back_keeps_the_furthest(mut t: StoreFixture) {
    nine(&t).await;
    let back = Read {
        epoch: 2,
        furthest: 8,
        ..read("a", "bob", 3, 20)
    };
    t.apply([put(back.clone())]).await;
    for _ in 0..2 {
        let reads = t.store().reads(&cid("a"), None).await.expect("the store reads");
        assert_eq!(reads, [read("a", ME, 4, 10), back.clone()]);
        assert_eq!(reads[1].receipt(), 8);
        t.reopen().await;
    }
    let on = Read {
        epoch: 2,
        ..read("a", "bob", 9, 21)
    };
    t.apply([put(on.clone())]).await;
    assert_eq!(
        t.store().reads(&cid("a"), None).await.expect("the store reads")[1],
        on
    );
}

/// Those past the read position, one that waits included: by name and with everyone, of who wrote them not.
pub async fn unread_mentions_are_counted(mut t: StoreFixture) {
    nine(&t).await;
    assert_eq!(summary(&t).await.mentions, 0);
    let body = |who: &[&str], (everyone, here)| MessageBody {
        mentions: who.iter().map(|who| user(who)).collect(),
        mention_channel: everyone,
        mention_here: here,
        ..MessageBody::text("look")
    };
    let bodies = [
        (3, body(&[ME], (false, false))),
        (5, body(&["cyd", ME], (false, false))),
        (6, body(&["cyd"], (false, false))),
        (7, body(&[], (true, false))),
        (8, body(&["cyd"], (false, true))),
    ];
    let edited = bodies.into_iter().map(|(seq, body)| {
        put(Message {
            body,
            ..message("a", seq, 20)
        })
    });
    t.apply(edited).await;
    for _ in 0..2 {
        let row = summary(&t).await;
        assert_eq!((row.unread, row.mentions), (5, 3), "of 5, 7 and 8");
        t.reopen().await;
    }
    t.apply([Change::Outbox(marks_read(7, "a", 1, 7))]).await;
    assert_eq!(summary(&t).await.mentions, 1);
    t.apply([
        Change::OutboxRemoved(outbox_item(7).id),
        put(tombstone(message("a", 5, 20), 30)),
    ])
    .await;
    assert_eq!(summary(&t).await.mentions, 2, "a deleted one is none");
    let own = Message {
        author: user(ME),
        body: body(&[ME], (true, true)),
        ..message("a", 7, 40)
    };
    t.apply([put(own)]).await;
    assert_eq!(summary(&t).await.mentions, 1, "an own one is none");
}

/// In the channel, in a thread, and whoever is mentioned.
pub async fn silent_messages_are_never_unread(mut t: StoreFixture) {
    nine(&t).await;
    let silent = |message: Message| Message {
        silent: true,
        body: MessageBody {
            mention_channel: true,
            ..MessageBody::text("by the way")
        },
        ..message
    };
    t.apply([
        put(silent(message("a", 8, 20))),
        put(thread_of(message("a", 1, 21), 2, 11)),
        put(silent(reply(1, 10))),
        put(reply(1, 11)),
        put(thread_read(1, ME, 0, 22)),
    ])
    .await;
    for _ in 0..2 {
        let row = summary(&t).await;
        assert_eq!((row.unread, row.mentions), (4, 0));
        let thread = t
            .store()
            .thread(mid(1), &People::default())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(thread.unread, 1);
        t.reopen().await;
    }
}
