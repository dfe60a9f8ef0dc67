//! What belongs to the device: account, cursors, heads, ranges, outbox; and the promises about calls.

use super::{
    StoreFixture,
    sample::{
        ME, account, c_stream, cid, cursor, head, message, mid, outbox_item, put, query, ranges, read, start,
        u_stream, user,
    },
};
use whimbrel_model::{
    Account, Change, Code, Delta, Loaded, MessageQuery, MessageScope, OpId, OutboxItem, OutboxStatus, People,
    Rejection, SnapshotWindow,
};
use whimbrel_query::Query;
use whimbrel_store::{Store, StoreError};

async fn loaded(store: &dyn Store) -> Loaded {
    store.load().await.expect("the store loads")
}

/// Asserts what the store loads, before and after it is opened again.
async fn assert_loaded(t: &mut StoreFixture, check: impl Fn(&Loaded)) {
    check(&loaded(t.store()).await);
    t.reopen().await;
    check(&loaded(t.store()).await);
}

/// A new store has nothing, and every read says so without an error.
pub async fn a_new_store_is_empty(mut t: StoreFixture) {
    assert_loaded(&mut t, |loaded| assert_eq!(*loaded, Loaded::default())).await;
    let store = t.store();
    assert_eq!(
        store
            .channels(&Query::channel_list(), None, 10, &People::default())
            .await
            .unwrap(),
        []
    );
    assert_eq!(store.channel(&cid("a"), &People::default()).await.unwrap(), None);
    assert_eq!(store.members(&cid("a")).await.unwrap(), []);
    assert_eq!(store.reads(&cid("a"), None).await.unwrap(), []);
    assert_eq!(
        store.messages(&query("a", None, 10)).await.unwrap(),
        Default::default()
    );
    assert_eq!(store.message(mid(1)).await.unwrap(), None);
    assert_eq!(store.users(&[user(ME)]).await.unwrap(), []);
}

/// The first account stays.
pub async fn the_account_is_set_once(mut t: StoreFixture) {
    t.apply([Change::Account(account())]).await;
    t.apply([Change::Account(Account {
        user: user("bob"),
        ..account()
    })])
    .await;
    assert_loaded(&mut t, |loaded| assert_eq!(loaded.account, Some(account()))).await;
}

/// The last cursor is the one, backwards too; a window comes and goes with it.
pub async fn a_cursor_is_replaced_with_and_without_a_window(mut t: StoreFixture) {
    let window = Some(SnapshotWindow { lo: 7, ver: 90 });
    let with = whimbrel_model::Cursor {
        window,
        ..cursor(40, 5)
    };
    for one in [cursor(50, 9), with, cursor(3, 1)] {
        t.apply([
            Change::Cursor(c_stream("a"), one),
            Change::Cursor(u_stream(ME), cursor(1, 0)),
        ])
        .await;
        assert_loaded(&mut t, |loaded| {
            assert_eq!(loaded.cursors[&c_stream("a")], one);
            assert_eq!(loaded.cursors[&u_stream(ME)], cursor(1, 0));
            assert!(loaded.heads.is_empty());
        })
        .await;
    }
}

/// Each number of a head is the largest that was said.
pub async fn a_head_only_rises(mut t: StoreFixture) {
    t.apply([
        Change::Head(c_stream("a"), head(10, 3)),
        Change::Head(c_stream("a"), head(9, 4)),
    ])
    .await;
    t.apply([Change::Head(c_stream("a"), head(8, 2))]).await;
    t.apply([Change::Cursor(c_stream("a"), cursor(1, 1))]).await;
    assert_loaded(&mut t, |loaded| {
        assert_eq!(loaded.heads[&c_stream("a")], head(10, 4));
    })
    .await;
    t.apply([Change::Head(c_stream("a"), head(11, 2))]).await;
    assert_loaded(&mut t, |loaded| {
        assert_eq!(loaded.heads[&c_stream("a")], head(11, 4));
    })
    .await;
}

/// The stream's rows stay, and it can be followed again from nothing.
pub async fn an_unfollowed_stream_has_no_cursor_and_no_head(mut t: StoreFixture) {
    let follow = |id| {
        [
            Change::Cursor(c_stream(id), cursor(5, 2)),
            Change::Head(c_stream(id), head(6, 3)),
        ]
    };
    t.apply(follow("a").into_iter().chain(follow("b"))).await;
    t.apply([put(message("a", 1, 1)), Change::Unfollow(c_stream("a"))])
        .await;
    assert_loaded(&mut t, |loaded| {
        assert!(loaded.cursors.keys().eq([&c_stream("b")]));
        assert!(loaded.heads.keys().eq([&c_stream("b")]));
    })
    .await;
    assert!(t.store().message(mid(1)).await.unwrap().is_some());
    t.apply([Change::Head(c_stream("a"), head(1, 1))]).await;
    assert_loaded(&mut t, |loaded| {
        assert_eq!(loaded.heads[&c_stream("a")], head(1, 1));
    })
    .await;
}

/// The last set of runs is the one, stale marks included.
pub async fn ranges_are_replaced(mut t: StoreFixture) {
    let mut stale = ranges(&[(1, 9)]);
    stale.mark_stale(4);
    stale.insert(40, 50);
    for set in [ranges(&[(1, 5), (9, 12)]), stale, ranges(&[])] {
        t.apply([
            Change::Ranges(cid("a"), set.clone()),
            Change::Ranges(cid("b"), ranges(&[(1, 1)])),
        ])
        .await;
        assert_loaded(&mut t, |loaded| {
            assert_eq!(loaded.ranges[&cid("a")], set);
            assert_eq!(loaded.ranges[&cid("b")], ranges(&[(1, 1)]));
        })
        .await;
    }
}

/// The last token is the one, and the last moment at which all was here; they need no account.
pub async fn the_heads_token_is_replaced(mut t: StoreFixture) {
    t.apply([Change::HeadsToken("one".to_owned())]).await;
    t.apply([
        Change::Account(account()),
        Change::HeadsToken("zwei \u{1f980}".to_owned()),
        Change::SyncedAt(whimbrel_model::Timestamp(7)),
    ])
    .await;
    t.apply([Change::SyncedAt(whimbrel_model::Timestamp(5))]).await;
    assert_loaded(&mut t, |loaded| {
        assert_eq!(loaded.heads_token.as_deref(), Some("zwei \u{1f980}"));
        assert_eq!(loaded.synced_at, Some(whimbrel_model::Timestamp(5)));
        assert_eq!(loaded.account, Some(account()));
    })
    .await;
}

/// An item goes through its life with every field as it was put.
pub async fn an_outbox_item_is_put_updated_and_removed(mut t: StoreFixture) {
    let item = outbox_item(1);
    t.apply([Change::Outbox(item.clone())]).await;
    assert_loaded(&mut t, |loaded| {
        assert_eq!(loaded.outbox, std::slice::from_ref(&item));
    })
    .await;
    let tried = OutboxItem {
        attempted: true,
        failures: 3,
        last_error: Some(Code::Other("from_the_future".to_owned())),
        ..item.clone()
    };
    t.apply([Change::Outbox(tried.clone())]).await;
    assert_loaded(&mut t, |loaded| {
        assert_eq!(loaded.outbox, std::slice::from_ref(&tried));
    })
    .await;
    t.apply([Change::OutboxRemoved(item.id)]).await;
    t.apply([Change::OutboxRemoved(item.id)]).await;
    assert_loaded(&mut t, |loaded| assert_eq!(loaded.outbox, [])).await;
}

/// Order is by position, whatever the order of ids and of arrival.
pub async fn the_outbox_is_read_in_order_of_position(mut t: StoreFixture) {
    let many = (1..=120).rev().map(|pos| Change::Outbox(outbox_item(pos)));
    t.apply(many).await;
    t.apply((1..=60).map(|half| Change::OutboxRemoved(outbox_item(2 * half).id)))
        .await;
    assert_loaded(&mut t, |loaded| {
        assert!(loaded.outbox.iter().map(|item| item.pos).eq((1..=119).step_by(2)));
    })
    .await;
}

/// A rejected item stays, with what the user wrote and why it was rejected.
pub async fn a_rejected_item_keeps_its_content(mut t: StoreFixture) {
    let rejection = Rejection {
        code: Code::ParentRejected,
        message: "the \"parent\" was rejected".to_owned(),
        parent: Some(OpId(mid(9).0)),
    };
    let item = OutboxItem {
        attempted: true,
        status: OutboxStatus::Rejected(rejection),
        ..outbox_item(1)
    };
    t.apply([Change::Outbox(outbox_item(1))]).await;
    t.apply([Change::Outbox(item.clone())]).await;
    assert_loaded(&mut t, |loaded| {
        assert_eq!(loaded.outbox, std::slice::from_ref(&item));
    })
    .await;
}

/// The changes of a delta happen in order.
pub async fn later_changes_of_one_delta_win(mut t: StoreFixture) {
    let (one, two) = (outbox_item(1), outbox_item(2));
    t.apply([
        Change::Outbox(one.clone()),
        Change::OutboxRemoved(one.id),
        Change::OutboxRemoved(two.id),
        Change::Outbox(two.clone()),
        Change::Cursor(c_stream("a"), cursor(5, 5)),
        Change::Unfollow(c_stream("a")),
        Change::Unfollow(c_stream("b")),
        Change::Cursor(c_stream("b"), cursor(6, 6)),
        Change::Head(c_stream("c"), head(9, 9)),
        Change::Rebase(c_stream("c")),
        Change::Head(c_stream("c"), head(2, 1)),
        Change::Ranges(cid("a"), ranges(&[(1, 9)])),
        Change::Ranges(cid("a"), ranges(&[(1, 3)])),
        Change::HeadsToken("one".to_owned()),
        Change::HeadsToken("two".to_owned()),
    ])
    .await;
    assert_loaded(&mut t, |loaded| {
        assert_eq!(loaded.outbox, std::slice::from_ref(&two));
        assert!(loaded.cursors.keys().eq([&c_stream("b")]));
        assert_eq!(loaded.heads[&c_stream("c")], head(2, 1));
        assert_eq!(loaded.ranges[&cid("a")], ranges(&[(1, 3)]));
        assert_eq!(loaded.heads_token.as_deref(), Some("two"));
    })
    .await;
}

/// If a part of a delta cannot be stored, none of it is; if all of it can, all of it is.
pub async fn a_delta_is_applied_as_a_whole_or_not_at_all(mut t: StoreFixture) {
    t.apply(start(&["a"])).await;
    let delta = Delta {
        changes: vec![
            Change::Outbox(outbox_item(1)),
            put(message("a", 1, 1)),
            // Larger than some engines can hold: to refuse it is fine, to keep a part of the delta is not.
            put(read("a", ME, u64::MAX, u64::MAX)),
            Change::Cursor(c_stream("a"), cursor(1, 1)),
        ],
    };
    let done = t.store().apply(&delta).await.is_ok();
    assert_loaded(&mut t, |loaded| {
        assert_eq!(loaded.outbox.len() == 1, done);
        assert_eq!(loaded.cursors.contains_key(&c_stream("a")), done);
    })
    .await;
    assert_eq!(t.store().message(mid(1)).await.unwrap().is_some(), done);
    assert_eq!(t.store().reads(&cid("a"), None).await.unwrap().len() == 1, done);
    t.apply([Change::Outbox(outbox_item(2))]).await;
}

/// Every call on a closed store fails with `Closed`; closing twice is fine.
pub async fn a_closed_store_says_so(t: StoreFixture) {
    let store = t.store();
    store.close().await;
    store.close().await;
    let thread = MessageQuery {
        scope: MessageScope::Thread(mid(1)),
        ..query("a", None, 1)
    };
    let closed = [
        store.load().await.err(),
        store.apply(&Delta::from(Change::Account(account()))).await.err(),
        store
            .channels(&Query::channel_list(), None, 1, &People::default())
            .await
            .err(),
        store.channel(&cid("a"), &People::default()).await.err(),
        store.members(&cid("a")).await.err(),
        store.reads(&cid("a"), None).await.err(),
        store.messages(&thread).await.err(),
        store.message(mid(1)).await.err(),
        store.users(&[user(ME)]).await.err(),
    ];
    for (call, error) in closed.iter().enumerate() {
        assert!(
            matches!(error, Some(StoreError::Closed)),
            "call {call} gave {error:?}"
        );
    }
}

/// Between suspending and resuming a store lets go of its database, and says so if it has one; then everything is there, and
/// it goes on. Twice is once, and a suspended store can be closed.
pub async fn a_suspended_store_goes_on_when_it_is_resumed(mut t: StoreFixture) {
    t.apply([Change::Account(account()), put(message("a", 1, 1))])
        .await;
    let before = loaded(t.store()).await;
    t.store().resume().await.expect("there was nothing to resume");
    for _ in 0..2 {
        t.store().suspend().await.expect("it lets go");
        t.store().suspend().await.expect("it has already");
        let read = t.store().message(mid(1)).await;
        let has_it = matches!(&read, Ok(Some(_)));
        assert!(has_it || matches!(read, Err(StoreError::Suspended)), "{read:?}");
        t.store().resume().await.expect("it goes on");
        t.store().resume().await.expect("it does already");
        assert_eq!(loaded(t.store()).await, before);
        assert!(t.store().message(mid(1)).await.unwrap().is_some());
    }
    t.apply([put(message("a", 2, 2))]).await;
    t.store().suspend().await.expect("it lets go");
    t.store().close().await;
    for error in [t.store().suspend().await, t.store().resume().await] {
        // One that has nothing to let go of may not care.
        assert!(matches!(error, Ok(()) | Err(StoreError::Closed)), "{error:?}");
    }
    t.reopen().await;
    assert!(t.store().message(mid(2)).await.unwrap().is_some());
}

/// Of a deleted database nothing is left, in either state, and the next one in its place is a new one.
pub async fn a_deleted_store_leaves_nothing(mut t: StoreFixture) {
    for suspended in [false, true] {
        t.apply([Change::Account(account()), put(message("a", 1, 1))])
            .await;
        t.apply([Change::Outbox(outbox_item(1))]).await;
        if suspended {
            t.store().suspend().await.expect("it lets go");
        }
        match t.store().delete().await {
            // It says so, and its users have to.
            Err(StoreError::CannotDelete(_)) => return,
            deleted => {
                for file in deleted.expect("it is deleted") {
                    assert!(!file.exists(), "{file:?} is still there");
                }
            }
        }
        let read = t.store().load().await;
        assert!(matches!(read, Err(StoreError::Closed)), "{read:?}");
        t.reopen().await;
        assert_eq!(loaded(t.store()).await, Loaded::default());
        assert_eq!(t.store().message(mid(1)).await.unwrap(), None);
    }
}

/// Deltas that are applied at the same time are all there afterwards, and reads meanwhile see whole ones.
pub async fn concurrent_applies_all_happen(mut t: StoreFixture) {
    let store = t.store();
    // A delta of two messages: a read that sees one sees the other.
    let write = async |n: u64| {
        let delta = Delta {
            changes: vec![put(message("a", 2 * n, n)), put(message("a", 2 * n + 1, n))],
        };
        store.apply(&delta).await.expect("the delta is applied");
    };
    let look = async || {
        for _ in 0..10 {
            let page = store
                .messages(&query("a", None, 100))
                .await
                .expect("the store reads");
            assert_eq!(page.messages.len() % 2, 0, "a part of a delta was seen");
        }
    };
    tokio::join!(
        async {
            for n in 1..=10 {
                write(n).await;
            }
        },
        async {
            for n in 11..=20 {
                write(n).await;
            }
        },
        async {
            for n in 21..=30 {
                write(n).await;
            }
        },
        look(),
        look(),
    );
    t.reopen().await;
    assert_eq!(
        t.store()
            .messages(&query("a", None, 100))
            .await
            .unwrap()
            .messages
            .len(),
        60
    );
}
