//! Random deltas against the naive model.

use super::{
    StoreFixture, local,
    model::Model,
    query::{a_few_queries, pages},
    receipts,
    sample::{
        ME, account, at, c_stream, channel, cid, cursor, draft, head, marks_read, marks_thread_read, member,
        membership, message, mid, outbox_item, people, profile, put, query, ranges, reaction, read, rejected,
        thread_read, tombstone, u_stream, user,
    },
};
use proptest::{
    prelude::{Just, Strategy, any},
    prop_oneof,
    test_runner::{Config, TestRunner},
};
use std::{future::Future, path::PathBuf, sync::Arc};
use whimbrel_model::{
    Change, ConsentState, Delta, Draft, FollowedThread, HistoryFrom, LocalChange, MemberState, Membership,
    Message, MessageBody, MessageKind, MessageQuery, MessageScope, Mute, People, Pin, SnapshotWindow,
    ThreadSummary, Timestamp,
};
use whimbrel_store::Store;

/// Sequences of deltas in one run.
const CASES: u32 = 48;

const CHANNELS: [&str; 2] = ["a", "b"];
const USERS: [&str; 3] = [ME, "bob", "cyd"];

/// Any sequence of deltas leaves what a naive model says, read after each delta and after the store is opened again.
///
/// # Panics
/// If an answer differs; with the smallest sequence that was found to do it.
pub fn random_deltas_read_like_the_naive_model<F>(open: impl Fn(PathBuf) -> F + Clone + 'static)
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
    let deltas = proptest::collection::vec(proptest::collection::vec(changes(), 1..12), 1..8);
    let outcome = TestRunner::new(config).run(&deltas, |deltas| {
        runtime.block_on(follow(StoreFixture::open(open.clone()), deltas));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

async fn follow(fixture: impl Future<Output = StoreFixture>, deltas: Vec<Vec<Change>>) {
    let mut t = fixture.await;
    let mut model = Model::default();
    let first = Delta::from(Change::Account(account()));
    for delta in std::iter::once(first).chain(deltas.into_iter().map(|changes| Delta { changes })) {
        t.apply(delta.changes.clone()).await;
        model.apply(&delta);
        compare(t.store(), &model).await;
    }
    t.reopen().await;
    compare(t.store(), &model).await;
    t.store().close().await;
}

async fn compare(store: &dyn Store, model: &Model) {
    assert_eq!(store.load().await.unwrap(), model.load());
    for people in [
        People::default(),
        people(&["bob"], &[], &["cyd"]),
        people(&["cyd"], &["bob"], &[]),
    ] {
        compare_as(store, model, &people).await;
    }
    for cid in CHANNELS.map(cid) {
        assert_eq!(store.pinned(&cid).await.unwrap(), model.pinned(&cid));
        assert_eq!(store.members(&cid).await.unwrap(), model.members(&cid));
        assert_eq!(store.reads(&cid, None).await.unwrap(), model.reads(&cid, None));
        assert_eq!(store.delivered(&cid).await.unwrap(), model.delivered(&cid));
    }
    for channel in CHANNELS {
        for (from, limit) in [
            (HistoryFrom::Newest, 9),
            (HistoryFrom::Newest, 2),
            (HistoryFrom::Before(4), 2),
            (HistoryFrom::After(2), 2),
            (HistoryFrom::Around(3), 3),
            (HistoryFrom::AroundMessage(mid(2)), 2),
        ] {
            let timeline = MessageQuery {
                from,
                ..query(channel, None, limit)
            };
            assert_eq!(
                store.messages(&timeline).await.unwrap(),
                model.messages(&timeline)
            );
            let thread = MessageQuery {
                scope: MessageScope::Thread(mid(1)),
                ..timeline
            };
            assert_eq!(store.messages(&thread).await.unwrap(), model.messages(&thread));
        }
    }
    for n in 1..=8 {
        assert_eq!(store.message(mid(n)).await.unwrap(), model.message(mid(n)));
    }
    for n in 1..=3 {
        let reads = model.reads(&cid("a"), Some(mid(n)));
        assert_eq!(store.reads(&cid("a"), Some(mid(n))).await.unwrap(), reads);
    }
    assert_eq!(store.drafts().await.unwrap(), model.drafts());
    let users = USERS.map(user);
    assert_eq!(store.users(&users).await.unwrap(), model.users(&users));
}

/// What depends on what holds of others.
async fn compare_as(store: &dyn Store, model: &Model, people: &People) {
    for query in a_few_queries() {
        let pages = pages(store, &query, 1, people).await;
        let expected = model.channels(&query, people);
        assert_eq!(pages.concat(), expected, "{:?}", query.filter());
    }
    for cid in CHANNELS.map(cid) {
        let channel = store.channel(&cid, people).await.unwrap();
        assert_eq!(channel, model.channel(&cid, people));
    }
    for n in 1..=3 {
        let thread = store.thread(mid(n), people).await.unwrap();
        assert_eq!(thread, model.thread(mid(n), people));
    }
    let threads = threads_in_pages(store, 1, people).await;
    assert_eq!(threads, model.threads(people));
}

/// Reads all followed threads, page by page.
async fn threads_in_pages(store: &dyn Store, limit: usize, people: &People) -> Vec<FollowedThread> {
    let mut all = Vec::<FollowedThread>::new();
    loop {
        let after = all.last().map(FollowedThread::place);
        let page = store.threads(after, limit, people).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![12 => rows(), 4 => kept_rows(), 5 => device_changes()]
}

fn rows() -> impl Strategy<Value = Change> {
    let channels = || proptest::sample::select(&CHANNELS[..]);
    let users = || proptest::sample::select(&USERS[..]);
    let state = || prop_oneof![Just(MemberState::Active), Just(MemberState::Gone)];
    let ver = || 1_u64..9;
    prop_oneof![
        4 => (1_u64..=8, users(), ver(), any::<bool>(), "\\PC{0,8}").prop_map(|(n, author, ver, gone, text)| {
            let message = message_of(n, author, ver, text);
            put(if gone { tombstone(message, ver) } else { message })
        }),
        2 => (1_u64..=8, users(), proptest::sample::select(&["👍", "x"][..]), ver(), any::<bool>())
            .prop_map(|(n, who, what, ver, removed)| {
                let place = message_of(n, who, ver, String::new()).cid;
                put(whimbrel_model::Reaction { cid: place, ..reaction(n, who, what, ver, removed) })
            }),
        1 => (channels(), ver()).prop_map(|(id, ver)| put(channel(id, ver))),
        1 => (channels(), users(), ver(), state()).prop_map(|(id, who, ver, state)| put(member(id, who, ver, state))),
        1 => (channels(), users(), 0_u64..9, 0_u32..3, ver(), 0_u64..12).prop_map(|(id, who, seq, epoch, ver, furthest)| {
            put(whimbrel_model::Read { epoch, furthest, private: ver % 3 == 0, ..read(id, who, seq, ver) })
        }),
        1 => (channels(), users(), 0_u64..9, 0_u64..2, ver(), any::<bool>()).prop_map(|(id, who, seq, device, ver, public)| {
            put(whimbrel_model::Delivered { devices_public: public, ..receipts::delivered(id, who, device, seq, ver) })
        }),
        1 => (channels(), ver(), state()).prop_map(|(id, ver, state)| put(membership(id, ver, state))),
        1 => (users(), ver()).prop_map(|(who, ver)| put(profile(who, ver))),
    ]
}

/// Threads, how a channel is kept, and drafts.
fn kept_rows() -> impl Strategy<Value = Change> {
    let ver = || 1_u64..9;
    let state = prop_oneof![
        3 => Just(MemberState::Active),
        1 => Just(MemberState::Gone),
        1 => Just(MemberState::Invited),
    ];
    let consent = prop_oneof![
        2 => Just(ConsentState::Unknown),
        1 => Just(ConsentState::Allowed),
        1 => Just(ConsentState::Denied),
    ];
    let some = || proptest::option::of(1_i64..9);
    prop_oneof![
        (
            1_u64..=3,
            proptest::sample::select(&USERS[..]),
            0_u64..9,
            0_u32..3,
            ver()
        )
            .prop_map(|(thread, who, seq, epoch, ver)| {
                put(whimbrel_model::Read {
                    epoch,
                    ..thread_read(thread, who, seq, ver)
                })
            }),
        (
            0_usize..2,
            ver(),
            state,
            some(),
            some(),
            proptest::option::of(0_u64..9),
            some(),
            (
                consent,
                proptest::option::of(proptest::sample::select(&USERS[1..]))
            ),
        )
            .prop_map(
                |(here, ver, state, pinned_at, archived_at, hidden_seq, until, (consent, added_by))| {
                    put(Membership {
                        consent,
                        added_by: added_by.map(user),
                        pinned_at: pinned_at.map(Timestamp),
                        archived_at: archived_at.map(Timestamp),
                        hidden_seq,
                        muted: until.map(|until| Mute {
                            until: (until > 2).then_some(Timestamp(until)),
                        }),
                        ..membership(CHANNELS[here], ver, state)
                    })
                }
            ),
        (
            0_usize..2,
            proptest::option::of(1_u64..3),
            1_u64..3,
            ver(),
            any::<bool>()
        )
            .prop_map(|(here, parent, device, ver, empty)| {
                let row = draft(CHANNELS[here], parent, device, ver);
                // A version of the user's stream is that of one row.
                let ver = ver * 32 + here as u64 * 16 + parent.unwrap_or(0) * 4 + device;
                let content = row.content.filter(|_| !empty);
                put(Draft { content, ver, ..row })
            }),
    ]
}

/// One of eight messages. Channel, place and thread of each are fixed, as on a server: the even ones are in `b`, the
/// odd ones above the first are replies to it, every other one of them shown in the channel.
fn message_of(n: u64, author: &str, ver: u64, text: String) -> Message {
    let place = CHANNELS[usize::from(n.is_multiple_of(2))];
    Message {
        author: user(author),
        body: MessageBody {
            mentions: if ver % 4 == 1 {
                vec![user("cyd"), user(ME)]
            } else {
                Vec::new()
            },
            mention_channel: ver == 6,
            mention_here: ver == 7,
            ..MessageBody::text(text)
        },
        silent: ver == 3 || ver == 6 && n > 4,
        kind: if ver == 2 {
            MessageKind::System
        } else {
            MessageKind::Regular
        },
        pinned: (ver == 4).then(|| Pin {
            by: user("bob"),
            at: at(ver),
            until: Some(at(9)),
        }),
        thread: (n < 4 && ver > 2).then(|| ThreadSummary {
            replies: u32::from(ver > 3) + u32::from(ver > 5),
            last_seq: ver + n,
            last_at: at(20 - ver),
        }),
        parent: (n > 1 && n % 2 == 1).then(|| mid(1)),
        show_in_channel: n % 4 == 1 && n > 1,
        accepted_at: (n != 8).then(|| at(100 - 10 * n)),
        ..message(place, n, ver)
    }
}

fn device_changes() -> impl Strategy<Value = Change> {
    let streams = || {
        prop_oneof![
            Just(c_stream("a")),
            Just(c_stream("b")),
            Just(u_stream(ME)),
            Just(u_stream("bob"))
        ]
    };
    let channels = proptest::sample::select(&CHANNELS[..]);
    prop_oneof![
        (streams(), 0_u64..9, 0_u64..9, any::<bool>()).prop_map(|(stream, ver, seq, windowed)| {
            let window = windowed.then_some(SnapshotWindow { lo: seq, ver });
            Change::Cursor(
                stream,
                whimbrel_model::Cursor {
                    window,
                    ..cursor(ver, seq)
                },
            )
        }),
        (streams(), 0_u64..9, 0_u64..9).prop_map(|(stream, ver, seq)| Change::Head(stream, head(ver, seq))),
        streams().prop_map(Change::Rebase),
        streams().prop_map(Change::Unfollow),
        (channels, 1_u64..9, 0_u64..9)
            .prop_map(|(id, lo, len)| { Change::Ranges(cid(id), ranges(&[(lo, lo + len), (30, 30)])) }),
        "[a-z]{0,3}".prop_map(Change::HeadsToken),
        (0_i64..9).prop_map(|at| Change::SyncedAt(Timestamp(at))),
        (1_u64..5, any::<bool>()).prop_map(|(pos, attempted)| {
            Change::Outbox(whimbrel_model::OutboxItem {
                attempted,
                ..outbox_item(pos)
            })
        }),
        (5_u64..8, any::<bool>(), 0_u32..3, 0_u64..9, any::<bool>()).prop_map(
            |(pos, here, epoch, seq, refused)| {
                let mut item = marks_read(pos, if here { "a" } else { "b" }, epoch, seq);
                if refused {
                    item.status = rejected();
                }
                Change::Outbox(item)
            }
        ),
        (8_u64..10, 1_u64..=3, 0_u32..3, 0_u64..9, any::<bool>()).prop_map(
            |(pos, thread, epoch, seq, refused)| {
                let mut item = marks_thread_read(pos, thread, epoch, seq);
                if refused {
                    item.status = rejected();
                }
                Change::Outbox(item)
            }
        ),
        (1_u64..10).prop_map(|pos| Change::OutboxRemoved(outbox_item(pos).id)),
        ("[ab]", proptest::option::of("[xy]{0,2}"))
            .prop_map(|(key, value)| local::set(&key, value.as_deref())),
        (1_u128..3, 0_u64..9).prop_map(|(number, stored)| {
            Change::Local(LocalChange::Transfer(local::transfer(number, stored)))
        }),
        (1_u128..3).prop_map(|number| {
            Change::Local(LocalChange::TransferOver(local::transfer(number, 0).request))
        }),
    ]
}
