//! Messages by their text: what the evaluator of `whimbrel-query` says, a store finds.

use super::{
    StoreFixture,
    model::Model,
    sample::{
        ME, account, at, c_stream, channel, cid, membership, message, mid, put, start, tombstone, user,
    },
};
use proptest::{
    prelude::{Just, Strategy},
    prop_oneof,
    test_runner::{Config, TestRunner},
};
use std::{future::Future, path::PathBuf, sync::Arc};
use whimbrel_model::{Change, Delta, MemberState, Message, MessageBody, MessageId};
use whimbrel_query::{SearchQuery, limits};
use whimbrel_store::{Store, StoreError};

/// Sequences of deltas in one run.
const CASES: u32 = 24;

fn search(text: &str) -> SearchQuery {
    SearchQuery::new(text.parse().expect("a search"), limits::SEARCH_HITS)
}

fn saying(place: &str, seq: u64, ver: u64, text: &str) -> Message {
    Message {
        body: MessageBody::text(text),
        ..message(place, seq, ver)
    }
}

/// Finds everything, page by page, and checks that the pages are what they have to be.
async fn find(store: &dyn Store, query: &SearchQuery) -> Vec<Message> {
    let mut found: Vec<Message> = Vec::new();
    let mut query = query.clone();
    for _ in 0..1_000 {
        let page = store.search(&query).await.unwrap();
        assert!(
            page.messages.len() <= query.limit,
            "a page has more than was asked"
        );
        assert_eq!(page.unindexed, 0, "so few messages are all looked at");
        found.extend(page.messages);
        query.after = page.next;
        if query.after.is_none() {
            let times: Vec<_> = found.iter().map(|message| message.accepted_at).collect();
            assert!(times.is_sorted_by(|a, b| a >= b), "not newest first: {times:?}");
            return found;
        }
    }
    panic!("the pages have no end");
}

async fn ids(store: &dyn Store, query: &SearchQuery) -> Vec<MessageId> {
    find(store, query)
        .await
        .iter()
        .map(|message| message.id)
        .collect()
}

fn mids<const N: usize>(ids: [u64; N]) -> Vec<MessageId> {
    ids.map(mid).to_vec()
}

/// Words, phrases, beginnings, accents, Chinese, and what is no word.
pub async fn messages_are_found_by_their_words(mut t: StoreFixture) {
    t.apply(start(&["a", "b"])).await;
    t.apply([
        put(saying("a", 1, 1, "Is Ñandú at the REEF?")),
        put(saying("b", 2, 2, "reefs, and the crew \u{1f980}")),
        put(saying("a", 3, 3, "明日は東京タワーです")),
        put(saying(
            "a",
            4,
            4,
            "'; DROP TABLE messages; -- \"quoted\" NEAR(a b) \u{0} nul",
        )),
        put(saying("a", 5, 5, "\u{1f980}\u{1f980}")),
        put(saying("a", 6, 6, &"京都".repeat(2_000))),
    ])
    .await;
    for _ in 0..2 {
        for (text, found) in [
            ("reef", vec![2, 1]),
            ("reef ", vec![1]),
            ("THE nandu", vec![1]),
            ("\"at the reef\"", vec![1]),
            ("\"reef at\"", vec![]),
            ("東京", vec![3]),
            ("京東", vec![]),
            ("京都", vec![6]),
            ("京", vec![6, 3]),
            ("near", vec![4]),
            ("* OR reef", vec![]),
            ("drop-table", vec![4]),
            ("nul", vec![4]),
            ("qoted", vec![]),
        ] {
            let found: Vec<_> = found.into_iter().map(mid).collect();
            assert_eq!(ids(t.store(), &search(text)).await, found, "{text:?}");
        }
        t.reopen().await;
    }
}

/// An edit replaces what is found, a deletion takes it away, and an older row does neither.
pub async fn searches_follow_edits_and_deletions(t: StoreFixture) {
    t.apply(start(&["a"])).await;
    t.apply([
        put(saying("a", 1, 1, "first words")),
        put(saying("a", 2, 2, "other words")),
    ])
    .await;
    assert_eq!(ids(t.store(), &search("words")).await, mids([2, 1]));
    t.apply([put(saying("a", 1, 3, "second thoughts"))]).await;
    t.apply([
        put(saying("a", 1, 1, "first words")),
        put(saying("a", 2, 2, "other words")),
    ])
    .await;
    assert_eq!(ids(t.store(), &search("first")).await, mids([]));
    assert_eq!(ids(t.store(), &search("thoughts")).await, mids([1]));
    t.apply([
        put(tombstone(saying("a", 1, 1, ""), 4)),
        put(saying("a", 1, 3, "second thoughts")),
    ])
    .await;
    assert_eq!(ids(t.store(), &search("thoughts")).await, mids([]));
    assert_eq!(ids(t.store(), &search("words")).await, mids([2]));
}

/// Messages of a lost history are not found, and those of the new one are.
pub async fn messages_of_a_lost_history_are_not_found(t: StoreFixture) {
    t.apply(start(&["a", "b"])).await;
    t.apply([
        put(saying("a", 1, 7, "old words")),
        put(saying("b", 2, 7, "other words")),
    ])
    .await;
    t.apply([Change::Rebase(c_stream("a"))]).await;
    assert_eq!(ids(t.store(), &search("words")).await, mids([2]));
    let moved = Message {
        accepted_at: Some(at(50)),
        ..saying("a", 1, 1, "new words")
    };
    t.apply([put(moved)]).await;
    assert_eq!(ids(t.store(), &search("words")).await, mids([1, 2]));
    assert_eq!(ids(t.store(), &search("old")).await, mids([]));
}

/// Channels that the account is not in are not searched, even when they are named, and again when it is back.
pub async fn channels_that_were_left_are_not_searched(t: StoreFixture) {
    t.apply(start(&["a", "b"])).await;
    t.apply([
        put(saying("a", 1, 1, "words")),
        put(saying("b", 2, 2, "words")),
        put(channel("c", 1)),
        put(saying("c", 3, 3, "words of a channel without a membership")),
    ])
    .await;
    t.apply([put(membership("b", 5, MemberState::Gone))]).await;
    let named = SearchQuery {
        channels: vec![cid("b"), cid("c")],
        ..search("words")
    };
    assert_eq!(ids(t.store(), &search("words")).await, mids([1]));
    assert_eq!(ids(t.store(), &named).await, mids([]));
    t.apply([put(membership("b", 6, MemberState::Active))]).await;
    assert_eq!(ids(t.store(), &named).await, mids([2]));
}

/// Channels, author and time narrow a search, one by one and together.
pub async fn a_search_is_narrowed(t: StoreFixture) {
    t.apply(start(&["a", "b", "c"])).await;
    let rows = (1..=12).map(|seq| {
        let place = ["a", "b", "c"][usize::try_from(seq % 3).unwrap()];
        put(Message {
            author: user(if seq % 2 == 0 { ME } else { "bob" }),
            accepted_at: Some(at(10 * (seq / 2))),
            ..saying(place, seq, seq, "the same words")
        })
    });
    t.apply(rows).await;
    let all = search("same");
    assert_eq!(ids(t.store(), &all).await.len(), 12);
    let narrow =
        |channels: &[&str], author: Option<&str>, since: Option<u64>, until: Option<u64>| SearchQuery {
            channels: channels.iter().map(|id| cid(id)).collect(),
            author: author.map(user),
            since: since.map(at),
            until: until.map(at),
            ..all.clone()
        };
    let many: Vec<_> = (0..40).map(|n| format!("x{n}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).chain(["b"]).collect();
    for (query, found) in [
        (narrow(&["b"], None, None, None), vec![10, 7, 4, 1]),
        (narrow(&many, None, None, None), vec![10, 7, 4, 1]),
        (narrow(&["a", "b"], Some(ME), None, None), vec![12, 10, 6, 4]),
        (narrow(&[], Some("cyd"), None, None), vec![]),
        (narrow(&[], Some("bob"), Some(40), None), vec![11, 9]),
        (narrow(&[], None, Some(20), Some(20)), vec![5, 4]),
        (narrow(&["c"], Some("bob"), None, Some(40)), vec![5]),
    ] {
        let mut got = ids(t.store(), &query).await;
        // Of those of one time any order is right.
        got.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(got, found.into_iter().map(mid).collect::<Vec<_>>(), "{query:?}");
    }
}

/// Pages have every message once, whatever their size, and one that comes meanwhile does not get between.
pub async fn a_search_is_paged(t: StoreFixture) {
    t.apply(start(&["a"])).await;
    let rows = (1..=20).map(|seq| {
        put(Message {
            accepted_at: Some(at((seq * 7) % 10)),
            ..saying("a", seq, seq, "words")
        })
    });
    t.apply(rows).await;
    for limit in [1, 3, 19, 20, 21] {
        let query = SearchQuery {
            limit,
            ..search("words")
        };
        let mut got = ids(t.store(), &query).await;
        assert_eq!(got.len(), 20, "in pages of {limit}");
        got.sort_unstable();
        got.dedup();
        assert_eq!(got.len(), 20, "in pages of {limit}");
    }
    let mut query = SearchQuery {
        limit: 5,
        ..search("words")
    };
    let first = t.store().search(&query).await.unwrap();
    query.after = first.next;
    let newer = Message {
        accepted_at: Some(at(90)),
        ..saying("a", 21, 21, "words")
    };
    t.apply([put(newer)]).await;
    let rest = ids(t.store(), &query).await;
    assert_eq!(rest.len(), 15);
    assert!(!rest.contains(&mid(21)));
}

/// A place that is of no search is refused.
pub async fn a_place_of_no_search_is_refused(t: StoreFixture) {
    for after in ["", "x", "1 2 3", "9223372036854775808", "'; --"] {
        let query = SearchQuery {
            after: Some(after.to_owned()),
            ..search("words")
        };
        let error = t.store().search(&query).await.unwrap_err();
        assert!(matches!(error, StoreError::Query(_)), "{after:?}: {error}");
    }
}

/// Whatever was said, edited, deleted, lost and left: found is what the evaluator says of all messages.
///
/// # Panics
/// If an answer differs; with the smallest sequence that was found to do it.
pub fn searches_find_what_the_evaluator_finds<F>(open: impl Fn(PathBuf) -> F + Clone + 'static)
where
    F: Future<Output = Arc<dyn Store>> + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let deltas = proptest::collection::vec(proptest::collection::vec(changes(), 1..12), 1..6);
    let outcome = TestRunner::new(config).run(&deltas, |deltas| {
        let t = runtime.block_on(StoreFixture::open(open.clone()));
        runtime.block_on(follow(t.store(), &deltas, async || {}));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// Does so with some random deltas, and waits with `settled` after each: for stores that index behind their writes.
///
/// # Panics
/// If an answer differs.
pub async fn searches_of_what_has_settled<F>(store: &dyn Store, settled: impl Fn() -> F)
where
    F: Future<Output = ()>,
{
    let mut runner = TestRunner::deterministic();
    let deltas = proptest::collection::vec(proptest::collection::vec(changes(), 40), 6);
    let deltas = proptest::strategy::ValueTree::current(&deltas.new_tree(&mut runner).expect("deltas"));
    follow(store, &deltas, async || settled().await).await;
}

async fn follow(store: &dyn Store, deltas: &[Vec<Change>], settled: impl AsyncFn()) {
    let mut model = Model::default();
    let mut first = start(&["a", "b"]);
    first.push(Change::Account(account()));
    for changes in std::iter::once(&first).chain(deltas) {
        let delta = Delta {
            changes: changes.clone(),
        };
        store.apply(&delta).await.unwrap();
        model.apply(&delta);
        compare(store, &model).await;
        settled().await;
        compare(store, &model).await;
    }
}

const TEXTS: [&str; 12] = [
    "the reef",
    "The REEF crew",
    "reefs",
    "José Ñandú",
    "Jose\u{301} nandu!",
    "東京タワー",
    "京東 tower",
    "\u{1f980} crab",
    "\u{1f980}",
    "reef\u{1f980}crew",
    "v1.2 of the-reef",
    "",
];

const SEARCHES: [&str; 14] = [
    "reef",
    "ree",
    "the ",
    "\"the reef\"",
    "reef crew",
    "jose nandu",
    "東京",
    "京",
    "tow",
    "crab",
    "v1.2",
    "the-reef",
    "é",
    "1",
];

async fn compare(store: &dyn Store, model: &Model) {
    for text in SEARCHES {
        for limit in [2, 100] {
            for (channels, author) in [
                (vec![], None),
                (vec![cid("a")], None),
                (vec![], Some(user("bob"))),
            ] {
                let query = SearchQuery {
                    limit,
                    channels,
                    author,
                    ..search(text)
                };
                let mut found = find(store, &query).await;
                found.sort_unstable_by_key(|message| message.id);
                assert_eq!(found, model.search(&query), "{text:?}");
            }
        }
    }
}

fn changes() -> impl Strategy<Value = Change> {
    let texts = || proptest::sample::select(&TEXTS[..]);
    let channels = || proptest::sample::select(&["a", "b"][..]);
    let authors = || proptest::sample::select(&[ME, "bob"][..]);
    let state = prop_oneof![3 => Just(MemberState::Active), 1 => Just(MemberState::Gone)];
    prop_oneof![
        12 => (1_u64..16, authors(), 1_u64..40, 0_u64..9, texts()).prop_map(|(n, author, ver, when, text)| {
            put(Message {
                author: user(author),
                accepted_at: Some(at(when)),
                ..saying(["a", "b"][usize::from(n.is_multiple_of(2))], n, ver, text)
            })
        }),
        2 => (1_u64..16, 1_u64..40).prop_map(|(n, ver)| {
            put(tombstone(saying(["a", "b"][usize::from(n.is_multiple_of(2))], n, 1, ""), ver))
        }),
        1 => channels().prop_map(|id| Change::Rebase(c_stream(id))),
        1 => (channels(), 1_u64..40, state).prop_map(|(id, ver, state)| put(membership(id, ver, state))),
    ]
}
