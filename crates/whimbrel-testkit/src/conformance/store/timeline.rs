//! Windows of messages.

use super::{
    StoreFixture,
    sample::{c_stream, cid, message, mid, put, query, ranges, reaction, reply, start, tombstone},
};
use whimbrel_model::{
    Change, HistoryFrom, Message, MessagePage, MessageQuery, MessageScope, People, Timestamp,
};

async fn page(t: &StoreFixture, query: &MessageQuery) -> MessagePage {
    t.store().messages(query).await.expect("the store reads")
}

fn seqs(page: &MessagePage) -> Vec<u64> {
    page.messages.iter().map(|message| message.seq).collect()
}

fn thread(parent: u64, before: Option<u64>, limit: usize) -> MessageQuery {
    MessageQuery {
        scope: MessageScope::Thread(mid(parent)),
        ..query("a", before, limit)
    }
}

/// Oldest first in the answer, of its channel only.
pub async fn a_window_is_the_newest_before_a_sequence(mut t: StoreFixture) {
    t.apply((1..=9).rev().map(|seq| put(message("a", seq, seq))))
        .await;
    t.apply([put(Message {
        id: mid(99),
        ..message("b", 5, 5)
    })])
    .await;
    for _ in 0..2 {
        assert_eq!(seqs(&page(&t, &query("a", None, 3)).await), [7, 8, 9]);
        assert_eq!(seqs(&page(&t, &query("a", Some(7), 3)).await), [4, 5, 6]);
        assert_eq!(seqs(&page(&t, &query("a", Some(3), 9)).await), [1, 2]);
        assert_eq!(seqs(&page(&t, &query("a", Some(1), 9)).await), [0; 0]);
        assert_eq!(seqs(&page(&t, &query("a", Some(u64::MAX), 1)).await), [9]);
        assert_eq!(seqs(&page(&t, &query("b", None, 9)).await), [5]);
        t.reopen().await;
    }
}

/// At the limit exactly, and with a limit of nothing.
pub async fn a_window_knows_whether_there_is_more(t: StoreFixture) {
    t.apply((1..=5).map(|seq| put(message("a", seq, seq)))).await;
    for (before, limit, more) in [
        (None, 4, true),
        (None, 5, false),
        (None, 9, false),
        (Some(3), 1, true),
        (Some(3), 2, false),
    ] {
        let page = page(&t, &query("a", before, limit)).await;
        assert_eq!(page.has_older, more, "before {before:?}, limit {limit}");
    }
    let none = page(&t, &query("a", None, 0)).await;
    assert!(none.messages.is_empty() && none.has_older);
}

/// Half before the place, the rest there or after it; and on both sides it is known whether there is more.
pub async fn a_window_is_around_any_place(mut t: StoreFixture) {
    t.apply(
        (1..=9)
            .filter(|seq| *seq != 5)
            .map(|seq| put(message("a", seq, 10 * seq))),
    )
    .await;
    t.apply([put(reply(4, 10)), put(message("b", 11, 3))]).await;
    let times = [1, 4, 9].map(|seq| message("a", seq, 10 * seq).accepted_at.unwrap());
    for _ in 0..2 {
        for (from, limit, expected, older, newer) in [
            (HistoryFrom::After(0), 3, vec![1, 2, 3], false, true),
            (HistoryFrom::After(4), 2, vec![6, 7], true, true),
            (HistoryFrom::After(7), 2, vec![8, 9], true, false),
            (HistoryFrom::After(9), 2, vec![], true, false),
            (HistoryFrom::After(u64::MAX), 2, vec![], true, false),
            (HistoryFrom::Before(3), 9, vec![1, 2], false, true),
            (HistoryFrom::Around(4), 4, vec![2, 3, 4, 6], true, true),
            (HistoryFrom::Around(5), 3, vec![4, 6, 7], true, true),
            (HistoryFrom::Around(1), 4, vec![1, 2], false, true),
            (HistoryFrom::Around(9), 4, vec![7, 8, 9], true, false),
            (HistoryFrom::Around(99), 4, vec![8, 9], true, false),
            (HistoryFrom::AroundMessage(mid(4)), 2, vec![3, 4], true, true),
            (HistoryFrom::AroundMessage(mid(10)), 2, vec![9], true, false),
            (HistoryFrom::AroundTime(times[0]), 2, vec![1], false, true),
            (HistoryFrom::AroundTime(times[1]), 2, vec![3, 4], true, true),
            (
                HistoryFrom::AroundTime(Timestamp(times[2].0 + 1)),
                2,
                vec![9],
                true,
                false,
            ),
        ] {
            let asked = MessageQuery {
                from,
                ..query("a", None, limit)
            };
            let page = page(&t, &asked).await;
            assert_eq!(seqs(&page), expected, "{limit} at {from:?}");
            assert_eq!(
                (page.has_older, page.has_newer),
                (older, newer),
                "{limit} at {from:?}"
            );
        }
        // Not in this channel, or not on the device.
        for id in [mid(11), mid(99)] {
            let asked = MessageQuery {
                from: HistoryFrom::AroundMessage(id),
                ..query("a", None, 5)
            };
            assert_eq!(page(&t, &asked).await, MessagePage::default());
        }
        let asked = MessageQuery {
            from: HistoryFrom::AroundMessage(mid(4)),
            ..thread(4, None, 4)
        };
        assert_eq!(seqs(&page(&t, &asked).await), [10]);
        t.reopen().await;
    }
}

/// Whatever is missing, and however many messages have one time.
pub async fn a_time_is_found_among_any_messages(t: StoreFixture) {
    let seqs_and_times = [
        (3, 10),
        (4, 10),
        (9, 10),
        (10, 12),
        (40, 12),
        (41, 30),
        (900, 31),
        (901, 31),
    ];
    let timed = |(seq, time)| Message {
        accepted_at: Some(Timestamp(time)),
        ..message("a", seq, seq)
    };
    t.apply(seqs_and_times.map(timed).map(put)).await;
    for time in 8..=33 {
        let asked = MessageQuery {
            from: HistoryFrom::AroundTime(Timestamp(time)),
            ..query("a", None, 2)
        };
        let from = seqs_and_times.partition_point(|(_, at)| *at < time);
        let expected: Vec<_> = seqs_and_times
            .iter()
            .skip(from.saturating_sub(1))
            .take(from.min(1) + 1)
            .map(|(seq, _)| *seq)
            .collect();
        let page = page(&t, &asked).await;
        assert_eq!(seqs(&page), expected, "the time {time}");
        assert_eq!(
            (page.has_older, page.has_newer),
            (from > 1, from + 1 < 8),
            "the time {time}"
        );
    }
    let nowhere = MessageQuery {
        from: HistoryFrom::AroundTime(Timestamp(8)),
        ..query("b", None, 2)
    };
    assert_eq!(page(&t, &nowhere).await, MessagePage::default());
}

/// A reply that is shown in the channel stands in both.
pub async fn the_timeline_leaves_thread_only_replies_out(t: StoreFixture) {
    let shown = Message {
        show_in_channel: true,
        ..reply(1, 3)
    };
    t.apply([
        put(message("a", 1, 1)),
        put(reply(1, 2)),
        put(shown),
        put(message("a", 4, 4)),
    ])
    .await;
    let first = page(&t, &query("a", None, 2)).await;
    assert_eq!((seqs(&first), first.has_older), (vec![3, 4], true));
    assert_eq!(seqs(&page(&t, &query("a", Some(3), 9)).await), [1]);
    assert_eq!(seqs(&page(&t, &thread(1, None, 9)).await), [2, 3]);
}

/// Windowed like the timeline.
pub async fn a_thread_has_its_replies_and_not_its_parent(mut t: StoreFixture) {
    t.apply([put(message("a", 1, 1)), put(message("a", 2, 2))]).await;
    t.apply((3..=7).map(|seq| put(reply(1, seq)))).await;
    t.apply([put(reply(2, 8)), put(reaction(7, "bob", "👍", 9, false))])
        .await;
    t.reopen().await;
    let newest = page(&t, &thread(1, None, 2)).await;
    assert_eq!((seqs(&newest), newest.has_older), (vec![6, 7], true));
    assert_eq!(newest.reactions.len(), 1);
    let rest = page(&t, &thread(1, Some(6), 3)).await;
    assert_eq!((seqs(&rest), rest.has_older), (vec![3, 4, 5], false));
    assert_eq!(seqs(&page(&t, &thread(3, None, 9)).await), [0; 0]);
}

/// Only messages with replies are in the map; replies in the channel count too.
pub async fn replies_are_counted_without_deleted_ones(mut t: StoreFixture) {
    t.apply([
        put(message("a", 1, 1)),
        put(message("a", 2, 2)),
        put(message("a", 3, 3)),
    ])
    .await;
    let shown = Message {
        show_in_channel: true,
        ..reply(1, 6)
    };
    t.apply([
        put(reply(1, 4)),
        put(reply(1, 5)),
        put(shown),
        put(reply(2, 7)),
        put(tombstone(reply(2, 7), 8)),
    ])
    .await;
    t.reopen().await;
    let replies = page(&t, &query("a", None, 9)).await.replies;
    assert_eq!(replies.into_iter().collect::<Vec<_>>(), [(mid(1), 3)]);
    t.apply([put(tombstone(reply(1, 5), 9))]).await;
    assert_eq!(page(&t, &query("a", None, 9)).await.replies[&mid(1)], 2);
    assert_eq!(page(&t, &thread(1, None, 9)).await.replies.len(), 0);
}

/// Those of the messages in the window, without removed ones, by (message, user, type).
pub async fn reactions_come_with_their_messages(mut t: StoreFixture) {
    // A reaction may come before its message.
    t.apply([
        put(reaction(2, "cyd", "👍", 4, false)),
        put(reaction(2, "bob", "👍", 5, false)),
    ])
    .await;
    t.apply([
        put(message("a", 1, 1)),
        put(message("a", 2, 2)),
        put(reaction(1, "bob", "x", 6, false)),
    ])
    .await;
    t.apply([
        put(reaction(2, "bob", "like", 7, false)),
        put(reaction(2, "dan", "👍", 8, true)),
    ])
    .await;
    t.reopen().await;
    let newest = page(&t, &query("a", None, 1)).await.reactions;
    let expected = [
        reaction(2, "bob", "like", 7, false),
        reaction(2, "bob", "👍", 5, false),
        reaction(2, "cyd", "👍", 4, false),
    ];
    assert_eq!(newest, expected);
    t.apply([
        put(reaction(2, "bob", "👍", 9, true)),
        put(reaction(1, "bob", "x", 10, true)),
    ])
    .await;
    let both = page(&t, &query("a", None, 2)).await.reactions;
    assert_eq!(both, [expected[0].clone(), expected[2].clone()]);
}

/// A deleted message keeps its place.
pub async fn tombstones_stay_in_the_timeline(mut t: StoreFixture) {
    t.apply((1..=3).map(|seq| put(message("a", seq, seq)))).await;
    t.apply([put(tombstone(message("a", 2, 2), 4))]).await;
    t.reopen().await;
    let page = page(&t, &query("a", None, 9)).await;
    assert_eq!(
        page.messages,
        [
            message("a", 1, 1),
            tombstone(message("a", 2, 2), 4),
            message("a", 3, 3)
        ]
    );
}

/// So that a gap can be shown where nothing is.
pub async fn a_window_tells_the_ranges_even_without_messages(mut t: StoreFixture) {
    t.apply([Change::Ranges(cid("a"), ranges(&[(1, 3), (7, 9)]))])
        .await;
    t.apply((7..=9).map(|seq| put(message("b", seq, seq)))).await;
    t.reopen().await;
    assert_eq!(
        page(&t, &query("a", None, 9)).await.ranges,
        ranges(&[(1, 3), (7, 9)])
    );
    assert_eq!(
        page(&t, &thread(1, None, 9)).await.ranges,
        ranges(&[(1, 3), (7, 9)])
    );
    let b = page(&t, &query("b", None, 2)).await;
    assert_eq!((seqs(&b), b.ranges), (vec![8, 9], ranges(&[])));
}

/// After a rebase messages, replies and reactions count only once the new history has them.
pub async fn messages_of_a_lost_history_are_not_shown(mut t: StoreFixture) {
    t.apply(start(&["a"])).await;
    t.apply([
        put(message("a", 1, 1)),
        put(reply(1, 2)),
        put(reaction(1, "bob", "x", 3, false)),
        put(message("a", 4, 4)),
    ])
    .await;
    t.apply([Change::Rebase(c_stream("a"))]).await;
    assert_eq!(page(&t, &query("a", None, 9)).await, MessagePage::default());
    assert_eq!(page(&t, &thread(1, None, 9)).await, MessagePage::default());
    let summary = t
        .store()
        .channel(&cid("a"), &People::default())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((summary.last_message, summary.unread), (None, 0));
    t.apply([put(message("a", 1, 1))]).await;
    t.reopen().await;
    let page = page(&t, &query("a", None, 9)).await;
    assert_eq!(
        page,
        MessagePage {
            messages: vec![message("a", 1, 1)],
            ..MessagePage::default()
        }
    );
}
