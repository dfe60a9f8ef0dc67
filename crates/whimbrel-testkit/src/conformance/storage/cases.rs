//! The cases of the suite, one function each. [`storage_conformance!`](crate::storage_conformance) runs them all.

use super::{
    Opener, Script,
    pair::{Pair, heads},
};
use std::ops::Range;
use whimbrel_hub::{Applied, Rules, Storage, StorageError, apply_group};
use whimbrel_model::{
    ChannelId, Code, Cursor, Epoch, Head, HistoryFrom, MessageId, Op, Row, RowKey, SnapshotWindow, StreamId,
    Timestamp, UserId, limits,
};
use whimbrel_protocol::{Outcome, ServerFrame, encode};

/// Seeds of the random cases. Each is a case of its own in what it draws.
const SEEDS: Range<u64> = 0..6;

/// Seeded groups of every kind of operation, repeats and conflicts among them, give what they give in memory.
pub async fn random_groups_are_answered_as_in_memory<O: Opener>() {
    for seed in SEEDS {
        let place = O::new().await;
        let mut pair = Pair::open(&place, seed).await;
        let mut script = Script::new(seed);
        for _ in 0..25 {
            let group = script.group(20);
            pair.apply(&group).await;
            pair.compare(&mut script).await;
        }
        pair.tested.close().await;
    }
}

/// Closing and opening again loses nothing, answers of operations included.
pub async fn everything_is_there_after_reopening<O: Opener>() {
    for seed in SEEDS {
        let place = O::new().await;
        let mut pair = Pair::open(&place, 100 + seed).await;
        let mut script = Script::new(100 + seed);
        for _ in 0..4 {
            let group = script.group(40);
            pair.apply(&group).await;
            pair.reopen(&place).await;
            pair.compare(&mut script).await;
            pair.apply(&group).await;
            pair.compare(&mut script).await;
        }
        pair.tested.close().await;
    }
}

/// Feeds longer than a snapshot are windowed alike.
pub async fn long_feeds_page_as_in_memory<O: Opener>() {
    let place = O::new().await;
    let mut pair = Pair::open(&place, 1).await;
    let mut script = Script::new(1);
    let bob = Script::users()[1].clone();
    let (stream, _) = fill_channel(&mut pair, &mut script).await;
    let whole = pair.compare_chain(&bob, &stream, None, limits::PAGE_ROWS).await;
    assert!(whole[0].reset, "so far behind a snapshot begins");
    let messages = whole
        .iter()
        .flat_map(|page| &page.rows)
        .filter(|row| matches!(row, Row::Message(_)));
    assert_eq!(
        messages.count(),
        limits::SNAPSHOT_MESSAGES,
        "messages in the snapshot"
    );
    let total = whole[0].head.ver;
    for _ in 0..30 {
        let ver = script.below(total);
        let cursor = Cursor {
            epoch: pair.tested.epoch(),
            ver,
            seq: ver.saturating_sub(20),
            window: None,
        };
        pair.compare_chain(&bob, &stream, Some(cursor), limits::PAGE_ROWS)
            .await;
    }
    pair.tested.close().await;
}

/// A message before the window of a snapshot that changes while its pages are read is in the pages that follow.
pub async fn what_changes_during_a_snapshot_is_in_it<O: Opener>() {
    let place = O::new().await;
    let mut pair = Pair::open(&place, 10).await;
    let mut script = Script::new(10);
    let (ada, bob) = (Script::users()[0].clone(), Script::users()[1].clone());
    let (stream, oldest) = fill_channel(&mut pair, &mut script).await;
    let begun = pair.tested.page(&bob, &stream, None, 20).await.expect("a page");
    assert!(
        begun.more && begun.to.window.is_some(),
        "the snapshot goes on, and says its window"
    );
    let cid = Script::channels()[0].clone();
    let edit = Op::EditMessage {
        cid,
        id: oldest,
        body: "late".into(),
        base_revision: 0,
    };
    let edit = script.request(&ada, edit);
    pair.apply(&[edit]).await;
    let rest = pair.compare_chain(&bob, &stream, Some(begun.to), 20).await;
    let has_edit = rest
        .iter()
        .flat_map(|page| &page.rows)
        .any(|row| row.key() == RowKey::Message(oldest));
    assert!(has_edit, "the edit counts, wherever its message stands");
    let last = rest.last().expect("a page");
    let end = Cursor {
        epoch: begun.to.epoch,
        ver: last.head.ver,
        seq: last.head.seq,
        window: None,
    };
    assert_eq!(last.to, end, "the chain ends at the head, without a window");
    pair.tested.close().await;
}

/// Makes a channel whose feed is longer than a snapshot, with a reaction to its oldest message every hundred.
async fn fill_channel(pair: &mut Pair, script: &mut Script) -> (StreamId, MessageId) {
    let (users, cid) = (Script::users(), Script::channels()[0].clone());
    let create = script.create(&cid);
    let first = script.send(&users[0], &cid, "the oldest");
    let oldest = first.op.op.message().expect("a message");
    pair.apply(&[create, first]).await;
    for part in 0..=limits::SNAPSHOT_AFTER as usize / 100 {
        let mut group: Vec<_> = (0..100)
            .map(|at| script.send(&users[at % 4], &cid, "hello"))
            .collect();
        let kind = format!("like{part}").parse().expect("a reaction");
        let react = Op::AddReaction {
            cid: cid.clone(),
            message: oldest,
            kind,
        };
        group.push(script.request(&users[part % 4], react));
        pair.apply(&group).await;
    }
    (StreamId::Channel(cid), oldest)
}

/// A page ends before its rows do not fit a frame.
pub async fn pages_of_large_rows_are_cut_to_fit_a_frame<O: Opener>() {
    let place = O::new().await;
    let mut pair = Pair::open(&place, 2).await;
    let mut script = Script::new(2);
    let (users, cid) = (Script::users(), Script::channels()[0].clone());
    let create = script.create(&cid);
    pair.apply(&[create]).await;
    let text = "\u{1}".repeat(limits::TEXT_CHARS);
    for _ in 0..4 {
        let group: Vec<_> = (0..15).map(|_| script.send(&users[0], &cid, &text)).collect();
        pair.apply(&group).await;
    }
    let stream = StreamId::Channel(cid.clone());
    let pages = pair
        .compare_chain(&users[1], &stream, None, limits::PAGE_ROWS)
        .await;
    assert!(pages.len() > 1, "60 messages of 30 kB do not fit one frame");
    for page in &pages {
        encode(&ServerFrame::Page(page.clone())).expect("fits a frame");
    }
    pair.compare_history(&mut script, &users[1], &cid).await;
    let history = pair
        .tested
        .history(&users[1], &cid, HistoryFrom::Newest, 60)
        .await
        .expect("history");
    assert!(history.lo > 1 && history.hi == 60, "it holds the newest that fit");
    pair.tested.close().await;
}

/// What moves while the heads are paged is in this chain or in the next.
pub async fn heads_that_move_between_pages_are_not_missed<O: Opener>() {
    let place = O::new().await;
    let mut pair = Pair::open(&place, 3).await;
    let mut script = Script::new(3);
    let ada = Script::users()[0].clone();
    let cids: Vec<_> = (0..9)
        .map(|at| ChannelId::new(format!("messaging:c{at}")).expect("a cid"))
        .collect();
    let creates: Vec<_> = cids.iter().map(|cid| script.create(cid)).collect();
    pair.apply(&creates).await;
    let mut seen = std::collections::BTreeMap::new();
    let mut token: Option<String> = None;
    for _ in 0..40 {
        let page = pair.tested.heads(&ada, token.as_deref(), 2).await.expect("heads");
        seen.extend(page.heads.into_iter().map(|head| (head.stream, head.head)));
        token = Some(page.token);
        let cid = script.pick(&cids);
        let send = script.send(&ada, &cid, "hello");
        pair.apply(&[send]).await;
    }
    let (rest, token) = heads(&*pair.tested, &ada, token, 2).await;
    seen.extend(rest.into_iter().map(|head| (head.stream, head.head)));
    // Whatever the chain before had left is behind its own token now.
    let (rest, token) = heads(&*pair.tested, &ada, Some(token), 2).await;
    seen.extend(rest.into_iter().map(|head| (head.stream, head.head)));
    for cid in &cids {
        let stream = StreamId::Channel(cid.clone());
        let page = pair.tested.page(&ada, &stream, None, 1).await.expect("a page");
        assert_eq!(seen.get(&stream), Some(&page.head), "the head of {cid}");
    }
    let (none, _) = heads(&*pair.tested, &ada, Some(token), 2).await;
    assert_eq!(none, [], "nothing moved since");
    let (all, _) = heads(&*pair.tested, &ada, None, 2).await;
    assert_eq!(all[0].stream, StreamId::User(ada), "the own stream is first");
    assert_eq!(all.len(), 1 + cids.len());
    pair.tested.close().await;
}

/// Strangers, former members and other users' streams are refused, and what they were refused is not in their heads.
pub async fn who_may_not_see_is_refused<O: Opener>() {
    let place = O::new().await;
    let mut pair = Pair::open(&place, 4).await;
    let mut script = Script::new(4);
    let (users, cids) = (Script::users(), Script::channels());
    let stranger = UserId::new("eve").expect("a user id");
    let create = script.create(&cids[0]);
    let leave = Op::RemoveMembers {
        cid: cids[0].clone(),
        users: vec![users[1].clone()],
    };
    let leave = script.request(&users[1], leave);
    pair.apply(&[create, leave]).await;
    for (user, cid, code) in [
        (&stranger, &cids[0], Code::ChannelNotFound),
        (&users[0], &cids[1], Code::ChannelNotFound),
        (&users[1], &cids[0], Code::NotMember),
    ] {
        let page = pair
            .tested
            .page(user, &StreamId::Channel(cid.clone()), None, 10)
            .await;
        assert_eq!(page.expect_err("refused").code(), code);
        let history = pair.tested.history(user, cid, HistoryFrom::Before(10), 10).await;
        assert_eq!(history.expect_err("refused").code(), code);
    }
    let page = pair
        .tested
        .page(&users[0], &StreamId::User(users[1].clone()), None, 10)
        .await;
    assert_eq!(page.expect_err("refused").code(), Code::Forbidden);
    let (left, _) = heads(&*pair.tested, &users[1], None, 10).await;
    let own: Vec<_> = left.into_iter().map(|head| head.stream).collect();
    assert_eq!(own, [StreamId::User(users[1].clone())]);
    let nothing = pair
        .tested
        .page(&stranger, &StreamId::User(stranger.clone()), None, 10)
        .await;
    let nothing = nothing.expect("an own stream is there without rows");
    assert_eq!(
        (nothing.head, nothing.rows.len(), nothing.more),
        (Head::default(), 0, false)
    );
    pair.tested.close().await;
}

/// Results of old operations go; messages and channels still recognise their own repeats.
pub async fn pruning_forgets_results_and_keeps_what_rows_record<O: Opener>() {
    let place = O::new().await;
    let mut pair = Pair::open(&place, 5).await;
    let mut script = Script::new(5);
    let (ada, cid) = (Script::users()[0].clone(), Script::channels()[0].clone());
    let create = script.create(&cid);
    let send = script.send(&ada, &cid, "hello");
    let read = script.request(
        &ada,
        Op::MarkRead {
            thread: None,
            cid,
            epoch: 0,
            seq: 1,
        },
    );
    pair.apply(&[create.clone(), send.clone(), read.clone()]).await;
    let before = Timestamp(pair.now);
    assert_eq!(
        pair.tested.prune_results(before).await,
        Ok(0),
        "nothing is that old"
    );
    assert_eq!(pair.memory.prune_results(before).await, Ok(0));
    let before = Timestamp(pair.now + 1);
    assert_eq!(
        pair.tested.prune_results(before).await,
        Ok(2),
        "of the channel and of the read position"
    );
    assert_eq!(pair.memory.prune_results(before).await, Ok(2));
    let again = pair.apply(&[create, send]).await;
    for Applied { outcome, events } in again {
        assert_eq!(events, [], "a repeat changes nothing");
        let Outcome::Accepted { steps } = outcome else {
            panic!("{outcome:?}")
        };
        assert!(
            !steps.is_empty() && steps.iter().all(|step| step.from == step.to),
            "{steps:?}"
        );
    }
    let mut late = read;
    late.op.composed_at = Timestamp(9_999);
    let late = pair.apply(&[late]).await;
    assert_eq!(
        late[0].outcome,
        Outcome::Accepted { steps: Vec::new() },
        "its id is forgotten"
    );
    pair.tested.close().await;
}

/// A reader next to the writer sees each group as a whole or not at all.
pub async fn readers_see_whole_groups<O: Opener>() {
    let place = O::new().await;
    let tested = place.open().await;
    let mut script = Script::new(6);
    let (ada, cid) = (Script::users()[0].clone(), Script::channels()[0].clone());
    let stream = StreamId::Channel(cid.clone());
    let create = script.create(&cid);
    apply_group(&*tested, &Rules::default(), Timestamp(1), &[create])
        .await
        .expect("committed");
    let made = tested
        .page(&ada, &stream, None, 1)
        .await
        .expect("a page")
        .head
        .ver;
    let groups: Vec<Vec<_>> = (0..12)
        .map(|_| (0..10).map(|_| script.send(&ada, &cid, "hello")).collect())
        .collect();
    let write = async {
        for group in &groups {
            apply_group(&*tested, &Rules::default(), Timestamp(2), group)
                .await
                .expect("committed");
        }
    };
    let read = async {
        loop {
            let page = tested
                .page(&ada, &stream, None, limits::PAGE_ROWS)
                .await
                .expect("a page");
            assert_eq!(
                page.rows.iter().map(Row::ver).max(),
                Some(page.head.ver),
                "rows up to the head"
            );
            assert_eq!((page.head.ver - made) % 10, 0, "whole groups");
            assert_eq!(
                page.head.seq,
                page.head.ver - made,
                "both numbers of one snapshot"
            );
            if page.head.seq == 120 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(write, read);
    tested.close().await;
}

/// Cursors of another history, ahead of the head, or with an impossible window begin again.
pub async fn a_cursor_that_makes_no_sense_gets_a_reset<O: Opener>() {
    let place = O::new().await;
    let mut pair = Pair::open(&place, 7).await;
    let mut script = Script::new(7);
    let (ada, cid) = (Script::users()[0].clone(), Script::channels()[0].clone());
    let create = script.create(&cid);
    let send = script.send(&ada, &cid, "hello");
    pair.apply(&[create, send]).await;
    let good = Cursor {
        epoch: pair.tested.epoch(),
        ver: 2,
        seq: 1,
        window: None,
    };
    let other = Epoch(good.epoch.0.wrapping_add(1));
    let (far, wide) = (u64::MAX, SnapshotWindow { lo: u64::MAX, ver: 2 });
    for bad in [
        Cursor { epoch: other, ..good },
        Cursor { ver: far, ..good },
        Cursor { seq: far, ..good },
        Cursor {
            window: Some(wide),
            ..good
        },
        Cursor {
            window: Some(SnapshotWindow { lo: 1, ver: far }),
            ..good
        },
    ] {
        for stream in [StreamId::Channel(cid.clone()), StreamId::User(ada.clone())] {
            let pages = pair.compare_chain(&ada, &stream, Some(bad), 10).await;
            assert!(pages[0].reset && pages[0].from == 0, "{bad:?} in {stream}");
        }
    }
    let pages = pair
        .compare_chain(&ada, &StreamId::Channel(cid), Some(good), 10)
        .await;
    assert!(!pages[0].reset && pages[0].from == 2, "a good one goes on");
    pair.tested.close().await;
}

/// Tokens that are not the storage's count as absent.
pub async fn a_token_that_makes_no_sense_gets_everything<O: Opener>() {
    let place = O::new().await;
    let mut pair = Pair::open(&place, 8).await;
    let mut script = Script::new(8);
    let ada = Script::users()[0].clone();
    let create = script.create(&Script::channels()[0]);
    pair.apply(&[create]).await;
    let (all, _) = heads(&*pair.tested, &ada, None, 10).await;
    assert_eq!(all.len(), 2);
    let huge = format!("{}.{}", pair.tested.epoch().0, u64::MAX);
    for bad in ["", "x", "1.2.3", "-1", "'; drop table", &"9".repeat(400), &huge] {
        let (heads, _) = heads(&*pair.tested, &ada, Some(bad.to_owned()), 10).await;
        assert_eq!(heads, all, "with the token {bad:?}");
    }
    pair.tested.close().await;
}

/// After closing, every call says that it is closed.
pub async fn a_closed_storage_says_so<O: Opener>() {
    let place = O::new().await;
    let tested = place.open().await;
    tested.close().await;
    let (ada, cid) = (Script::users()[0].clone(), Script::channels()[0].clone());
    let mut script = Script::new(9);
    let create = script.create(&cid);
    let closed = StorageError::Closed;
    assert_eq!(
        apply_group(&*tested, &Rules::default(), Timestamp(1), &[create])
            .await
            .err(),
        Some(closed.clone())
    );
    assert_eq!(tested.heads(&ada, None, 10).await.err(), Some(closed.clone()));
    let own = StreamId::User(ada.clone());
    assert_eq!(
        tested.page(&ada, &own, None, 10).await.err(),
        Some(closed.clone())
    );
    assert_eq!(
        tested
            .history(&ada, &cid, HistoryFrom::Before(10), 10)
            .await
            .err(),
        Some(closed.clone())
    );
    assert_eq!(tested.members(&cid).await.err(), Some(closed.clone()));
    assert_eq!(tested.prune_results(Timestamp(1)).await.err(), Some(closed));
}
