//! Threads that are followed, what is unread in them, and drafts.

use super::{
    StoreFixture,
    sample::{
        ME, account, at, c_stream, cid, draft, marks_read, marks_thread_read, membership, message, mid,
        outbox_item, put, ranges, read, rejected, reply, start, thread_of, thread_read, tombstone, user,
    },
};
use whimbrel_model::{
    Change, Draft, FollowedThread, MemberState, Message, OutboxItem, People, Pin, Read, ReadPosition,
    ThreadSummary,
};

/// Three threads of which ada follows two: she began the first and has read in the second.
async fn three(t: &StoreFixture) {
    let own = Message {
        author: user(ME),
        ..message("a", 1, 1)
    };
    t.apply(start(&["a"])).await;
    t.apply([
        put(thread_of(own, 3, 6)),
        put(thread_of(message("a", 2, 2), 1, 7)),
        put(thread_of(message("a", 3, 3), 1, 8)),
        put(reply(1, 4)),
        put(reply(1, 5)),
        put(reply(1, 6)),
        put(reply(2, 7)),
        put(reply(3, 8)),
        put(thread_read(2, ME, 0, 9)),
        put(thread_read(3, "bob", 8, 10)),
        Change::Ranges(cid("a"), ranges(&[(1, 8)])),
    ])
    .await;
}

async fn thread(t: &StoreFixture, n: u64) -> FollowedThread {
    let listed = t.store().threads(None, 100, &People::default()).await.unwrap();
    let one = t
        .store()
        .thread(mid(n), &People::default())
        .await
        .unwrap()
        .expect("it is here");
    let same = listed.iter().find(|thread| thread.parent.id == mid(n));
    assert_eq!(
        same,
        Some(&one).filter(|one| one.followed),
        "the list says something else"
    );
    one
}

async fn listed(t: &StoreFixture) -> Vec<u64> {
    let threads = t.store().threads(None, 100, &People::default()).await.unwrap();
    threads.iter().map(|thread| thread.parent.seq).collect()
}

/// Followed is what one began or has a read position in. Of each the newest reply is told, tombstones included.
pub async fn threads_that_are_followed_are_listed_by_newest_reply(mut t: StoreFixture) {
    three(&t).await;
    assert_eq!(listed(&t).await, [2, 1]);
    let third = thread(&t, 3).await;
    assert_eq!(
        (third.followed, third.last_reply, third.read),
        (false, Some(reply(3, 8)), None)
    );
    let gone = tombstone(reply(1, 9), 20);
    let own = Message {
        author: user(ME),
        ..message("a", 1, 21)
    };
    t.apply([put(gone.clone()), put(thread_of(own, 3, 9))]).await;
    for _ in 0..2 {
        assert_eq!(listed(&t).await, [1, 2]);
        let first = thread(&t, 1).await;
        assert_eq!((first.last_reply, first.read), (Some(gone.clone()), None));
        t.reopen().await;
    }
    // A message without replies is no thread of the list, whoever wrote it.
    let own = Message {
        author: user(ME),
        ..message("a", 10, 22)
    };
    t.apply([put(own)]).await;
    assert_eq!(listed(&t).await, [1, 2]);
    assert_eq!(t.store().thread(mid(99), &People::default()).await.unwrap(), None);
}

/// By the time of the newest reply, and then by the message; each once.
pub async fn the_list_of_threads_is_paged(t: StoreFixture) {
    t.apply(start(&["a", "b"])).await;
    let begin = |n: u64| {
        let channel = if n.is_multiple_of(2) { "a" } else { "b" };
        let summary = ThreadSummary {
            replies: 1,
            last_seq: 90,
            last_at: at(n / 3),
        };
        put(Message {
            author: user(ME),
            thread: Some(summary),
            ..message(channel, n, n)
        })
    };
    t.apply((1..=10).map(begin)).await;
    for limit in [1, 2, 3, 10, 11] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = t.store().threads(after, limit, &People::default()).await.unwrap();
            assert!(page.len() <= limit);
            after = page.last().map(FollowedThread::place);
            if after.is_none() {
                break;
            }
            found.extend(page.iter().map(|thread| thread.parent.seq));
        }
        assert_eq!(found, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1], "pages of {limit}");
    }
}

/// Who is not in a channel follows nothing there. A read position of a lost history says nothing.
pub async fn threads_of_left_channels_and_lost_histories_are_not_listed(mut t: StoreFixture) {
    three(&t).await;
    t.apply([put(membership("a", 9, MemberState::Gone))]).await;
    for _ in 0..2 {
        assert_eq!(listed(&t).await, [0; 0]);
        assert!(!thread(&t, 1).await.followed);
        t.reopen().await;
    }
    t.apply([put(membership("a", 10, MemberState::Active))]).await;
    assert_eq!(listed(&t).await, [2, 1]);
    t.apply([Change::Rebase(c_stream("a"))]).await;
    assert_eq!(listed(&t).await, [0; 0]);
    assert_eq!(t.store().thread(mid(1), &People::default()).await.unwrap(), None);
    // The message is of the new history, the read position and the replies are not.
    t.apply([put(thread_of(message("a", 2, 1), 1, 7))]).await;
    let second = thread(&t, 2).await;
    assert_eq!(
        (second.followed, second.read, second.last_reply, second.unread),
        (false, None, None, 0)
    );
}

/// The position that waits counts if it is further, and that of the channel not at all.
pub async fn unread_replies_are_counted_past_the_position_in_the_thread(mut t: StoreFixture) {
    three(&t).await;
    t.apply([
        put(read("a", ME, 8, 11)),
        Change::Outbox(marks_read(9, "a", 5, 8)),
    ])
    .await;
    let first = thread(&t, 1).await;
    assert_eq!((first.unread, first.waiting_read), (3, None));
    t.apply([put(thread_read(1, ME, 4, 12))]).await;
    assert_eq!(thread(&t, 1).await.unread, 2);
    // The sample's read positions are of epoch 1.
    for (epoch, seq, expected) in [(1, 5, 1), (1, 3, 2), (0, 6, 2), (2, 0, 3)] {
        t.apply([Change::Outbox(marks_thread_read(7, 1, epoch, seq))])
            .await;
        let row = thread(&t, 1).await;
        let waits = (expected != 2).then_some(ReadPosition { epoch, seq });
        assert_eq!(
            (row.unread, row.waiting_read),
            (expected, waits),
            "({epoch}, {seq})"
        );
        assert_eq!(row.read, Some(thread_read(1, ME, 4, 12)));
        assert_eq!(thread(&t, 2).await.unread, 1, "another thread");
        t.reopen().await;
        assert_eq!(thread(&t, 1).await, row);
    }
    let refused = OutboxItem {
        status: rejected(),
        ..marks_thread_read(7, 1, 2, 0)
    };
    t.apply([Change::Outbox(refused)]).await;
    assert_eq!(thread(&t, 1).await.unread, 2);
    let own = Message {
        author: user(ME),
        ..reply(1, 5)
    };
    t.apply([put(Message { ver: 30, ..own }), put(tombstone(reply(1, 6), 31))])
        .await;
    assert_eq!(thread(&t, 1).await.unread, 0, "an own one and a deleted one");
}

/// At most as many as the thread has more than are here, and as are missing past the read position.
pub async fn replies_that_are_missing_are_told(t: StoreFixture) {
    three(&t).await;
    assert_eq!(thread(&t, 2).await.unread_unknown, 0);
    t.apply([put(thread_of(message("a", 2, 20), 4, 20))]).await;
    assert_eq!(
        thread(&t, 2).await.unread_unknown,
        3,
        "it has four and here is one"
    );
    t.apply([Change::Ranges(cid("a"), ranges(&[(1, 8), (10, 20)]))])
        .await;
    assert_eq!(thread(&t, 2).await.unread_unknown, 1, "only 9 is missing");
    t.apply([Change::Outbox(marks_thread_read(7, 2, 1, 9))]).await;
    assert_eq!(thread(&t, 2).await.unread_unknown, 0, "it is read");
}

/// Nobody follows anything then.
pub async fn a_thread_is_read_without_an_account(t: StoreFixture) {
    t.apply([put(thread_of(message("a", 1, 1), 1, 2)), put(reply(1, 2))])
        .await;
    let one = t
        .store()
        .thread(mid(1), &People::default())
        .await
        .unwrap()
        .expect("it is here");
    assert_eq!(
        (one.followed, one.unread, one.last_reply),
        (false, 0, Some(reply(1, 2)))
    );
    assert_eq!(t.store().threads(None, 9, &People::default()).await.unwrap(), []);
    assert_eq!(t.store().drafts().await.unwrap(), []);
}

/// By user, of the timeline and of each thread.
pub async fn read_positions_in_threads_are_apart(mut t: StoreFixture) {
    three(&t).await;
    let back = Read {
        epoch: 2,
        furthest: 8,
        ..thread_read(2, "bob", 3, 20)
    };
    t.apply([put(read("a", ME, 4, 11)), put(back.clone())]).await;
    for _ in 0..2 {
        let (here, store) = (cid("a"), t.store());
        let of = |thread: Option<u64>| store.reads(&here, thread.map(mid));
        assert_eq!(of(None).await.unwrap(), [read("a", ME, 4, 11)]);
        assert_eq!(
            of(Some(2)).await.unwrap(),
            [thread_read(2, ME, 0, 9), back.clone()]
        );
        assert_eq!(of(Some(3)).await.unwrap(), [thread_read(3, "bob", 8, 10)]);
        assert_eq!(of(Some(1)).await.unwrap(), []);
        assert_eq!(store.reads(&cid("b"), Some(mid(2))).await.unwrap(), []);
        t.reopen().await;
    }
}

/// The last pinned first, also those whose pin has ended; a deleted message is not pinned.
pub async fn pinned_messages_are_read_by_when_they_were_pinned(mut t: StoreFixture) {
    t.apply(start(&["a", "b"])).await;
    let pinned = |channel: &str, seq, ver, time| Message {
        pinned: Some(Pin {
            by: user("bob"),
            at: at(time),
            until: (seq == 2).then(|| at(1)),
        }),
        ..message(channel, seq, ver)
    };
    let rows = [
        pinned("a", 1, 11, 50),
        pinned("a", 2, 12, 70),
        pinned("a", 3, 13, 70),
    ];
    t.apply(rows.clone().map(put)).await;
    t.apply([put(pinned("b", 4, 4, 60)), put(message("a", 5, 5))])
        .await;
    let [first, second, third] = rows;
    for _ in 0..2 {
        let found = t.store().pinned(&cid("a")).await.unwrap();
        assert_eq!(found, [third.clone(), second.clone(), first.clone()]);
        t.reopen().await;
    }
    t.apply([
        put(message("a", 1, 20)),
        put(tombstone(message("a", 2, 2), 21)),
        put(pinned("a", 3, 22, 10)),
    ])
    .await;
    assert_eq!(
        t.store().pinned(&cid("a")).await.unwrap(),
        [pinned("a", 3, 22, 10)]
    );
    t.apply([Change::Rebase(c_stream("a"))]).await;
    assert_eq!(t.store().pinned(&cid("a")).await.unwrap(), []);
    assert_eq!(t.store().pinned(&cid("b")).await.unwrap().len(), 1);
}

/// Of all devices and places, those of the account.
pub async fn drafts_are_read_newest_first(mut t: StoreFixture) {
    t.apply([Change::Account(account())]).await;
    let others = Draft {
        user: user("bob"),
        ..draft("a", None, 1, 9)
    };
    t.apply([
        put(draft("a", None, 1, 2)),
        put(draft("a", None, 2, 5)),
        put(draft("a", Some(1), 1, 3)),
        put(draft("b", None, 1, 4)),
        put(others),
    ])
    .await;
    let expected = [
        draft("a", None, 2, 5),
        draft("b", None, 1, 4),
        draft("a", Some(1), 1, 3),
        draft("a", None, 1, 2),
    ];
    for _ in 0..2 {
        assert_eq!(t.store().drafts().await.unwrap(), expected);
        t.reopen().await;
    }
}

/// But it is known: what is older does not come back.
pub async fn an_empty_draft_is_none(t: StoreFixture) {
    t.apply([Change::Account(account()), put(draft("a", None, 1, 2))])
        .await;
    let emptied = Draft {
        content: None,
        ..draft("a", None, 1, 5)
    };
    t.apply([put(emptied)]).await;
    assert_eq!(t.store().drafts().await.unwrap(), []);
    t.apply([put(draft("a", None, 1, 4))]).await;
    assert_eq!(t.store().drafts().await.unwrap(), []);
    t.apply([put(draft("a", None, 1, 6))]).await;
    assert_eq!(t.store().drafts().await.unwrap(), [draft("a", None, 1, 6)]);
    // What is queued is laid over them by whoever shows them.
    t.apply([Change::Outbox(outbox_item(1))]).await;
    assert_eq!(t.store().drafts().await.unwrap(), [draft("a", None, 1, 6)]);
}
