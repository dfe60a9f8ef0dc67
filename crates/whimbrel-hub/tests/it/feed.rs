//! Catching up: whatever the cursor and whatever happens meanwhile, the pages end at the same state as the log.

use crate::support::{cid, create, user};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tokio::runtime;
use whimbrel_hub::{MemoryStorage, Request, Rules, Storage, apply_group};
use whimbrel_model::{
    Cursor, Epoch, Head, HistoryFrom, MemberState, MessageId, Op, Row, RowKey, StreamId, Timestamp, UserId,
    limits,
};
use whimbrel_testkit::conformance::storage::Script;

type State = BTreeMap<RowKey, Row>;

/// The storage, and the whole state as the events told it.
struct Log {
    storage: MemoryStorage,
    script: Script,
    state: State,
    sent: Vec<MessageId>,
}

impl Log {
    async fn new(seed: u64) -> Self {
        let mut log = Self {
            storage: MemoryStorage::new(Epoch(9)),
            script: Script::new(seed),
            state: State::new(),
            sent: Vec::new(),
        };
        let create = log.script.request(&user("ada"), create(&["bob", "cyd", "dan"]));
        log.apply(vec![create]).await;
        log
    }

    async fn apply(&mut self, requests: Vec<Request>) {
        let applied = apply_group(&self.storage, &Rules::default(), Timestamp(1), &requests)
            .await
            .unwrap();
        for event in applied.into_iter().flat_map(|applied| applied.events) {
            merge(&mut self.state, event.rows);
        }
    }

    /// Changes the channel so many times at most; ada stays in it.
    async fn go_on(&mut self, count: u64) {
        let names = ["ada", "bob", "cyd"].map(user);
        for _ in 0..count {
            let actor = self.script.pick(&names);
            let draw = self.script.below(20);
            let request = match draw {
                0..=10 => {
                    let request = self.script.send(&actor, &cid(), "hello");
                    self.sent.extend(request.op.op.message());
                    request
                }
                11 => self
                    .script
                    .request(&user("ada"), crate::support::remove(&["dan"])),
                12 => self.script.request(&user("ada"), crate::support::add(&["dan"])),
                13 | 14 => {
                    let seq = self.script.below(2_000);
                    self.script.request(&actor, crate::support::mark_read(0, seq))
                }
                _ => {
                    let op = self.change(draw);
                    self.script.request(&actor, op)
                }
            };
            self.apply(vec![request]).await;
        }
    }

    fn change(&mut self, draw: u64) -> Op {
        if self.sent.is_empty() {
            return crate::support::rename("Nobody wrote yet");
        }
        let id = self.script.pick(&self.sent.clone());
        match draw {
            15 => crate::support::edit(id, "better"),
            16 => crate::support::delete(id),
            17 => crate::support::unreact(id, "like"),
            _ => crate::support::react(id, "like"),
        }
    }

    fn seq_of(&self, row: &Row) -> Option<u64> {
        match row {
            Row::Message(row) => Some(row.seq),
            Row::Reaction(row) => self
                .state
                .get(&RowKey::Message(row.message))
                .and_then(|row| self.seq_of(row)),
            _ => None,
        }
    }

    /// Returns the rows of the channel.
    fn of_channel(&self) -> State {
        let stream = StreamId::Channel(cid());
        let rows = self.state.iter().filter(|(_, row)| row.stream() == stream);
        rows.map(|(key, row)| (key.clone(), row.clone())).collect()
    }

    fn head(&self) -> Head {
        let rows = self.of_channel();
        Head {
            ver: rows.values().map(Row::ver).max().unwrap_or_default(),
            seq: self.sent.len() as u64,
        }
    }
}

fn merge(state: &mut State, rows: Vec<Row>) {
    for row in rows {
        if state
            .get(&row.key())
            .is_none_or(|current| row.supersedes(current))
        {
            state.insert(row.key(), row);
        }
    }
}

/// Follows the pages from `cursor`, with `meanwhile` changes between any two. Returns what the first page said and
/// which version the channel had then.
async fn follow(
    log: &mut Log,
    device: &mut State,
    mut cursor: Option<Cursor>,
    limit: usize,
    meanwhile: u64,
) -> (bool, Head) {
    let stream = StreamId::Channel(cid());
    let mut first = None;
    loop {
        let page = log
            .storage
            .page(&user("ada"), &stream, cursor, limit)
            .await
            .unwrap();
        assert_eq!(page.head, log.head(), "the head is the log's");
        assert!(
            first.is_none() || !page.reset,
            "only the first page begins a snapshot"
        );
        assert_eq!(
            page.from,
            if page.reset {
                0
            } else {
                cursor.map_or(0, |cursor| cursor.ver)
            }
        );
        let vers: Vec<u64> = page
            .rows
            .iter()
            .filter(|row| row.stream() == stream)
            .map(Row::ver)
            .collect();
        assert!(
            vers.is_sorted_by(|a, b| a < b) && vers.iter().all(|ver| *ver > page.from),
            "{vers:?}"
        );
        first.get_or_insert((page.reset, page.head));
        if page.more {
            let asked = cursor.map_or(0, |cursor| cursor.seq);
            assert_eq!(
                page.to.seq, asked,
                "the sequence moves when the chain is complete"
            );
        }
        merge(device, page.rows);
        cursor = Some(page.to);
        if !page.more {
            assert_eq!(
                (page.to.ver, page.to.seq, page.to.window),
                (page.head.ver, page.head.seq, None)
            );
            return first.unwrap();
        }
        log.go_on(meanwhile).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn following_pages_gives_the_whole_state_without_what_is_before_the_window(
        seed in any::<u64>(),
        before in prop_oneof![Just(0_u64), 1_u64..300],
        missed in prop_oneof![0_u64..400, 1_200_u64..2_000],
        limit in 1_usize..220,
        meanwhile in 0_u64..3,
    ) {
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut log = Log::new(seed).await;
            log.go_on(before).await;
            // A device that has everything up to here; none, when there is no history to have.
            let mut device = if before == 0 { State::new() } else { log.of_channel() };
            let head = log.head();
            let cursor = Cursor { epoch: Epoch(9), ver: head.ver, seq: head.seq, window: None };
            let cursor = Some(cursor).filter(|_| before > 0);
            log.go_on(missed).await;
            let behind = log.head().ver - head.ver;
            let had: Vec<RowKey> = device.keys().cloned().collect();
            let (reset, begun) = follow(&mut log, &mut device, cursor, limit.max(20), meanwhile).await;
            assert_eq!(reset, cursor.is_none() || behind > limits::SNAPSHOT_AFTER);
            let lo = if begun.ver <= limits::SNAPSHOT_AFTER { 1 } else { (begun.seq - 49).max(1) };
            let mut expected = log.of_channel();
            if reset {
                expected.retain(|_, row| row.ver() > begun.ver || log.seq_of(row).is_none_or(|seq| seq >= lo));
                // What the device had of before the window stays as it was, and is marked stale by the device.
                device.retain(|key, row| expected.contains_key(key) || !had.contains(key) || row.ver() > begun.ver);
            }
            device.retain(|_, row| row.stream() == StreamId::Channel(cid()));
            assert_eq!(device, expected);
        });
    }

    #[test]
    fn history_is_every_message_of_its_range_and_the_reactions_to_them(
        seed in any::<u64>(),
        count in 0_u64..200,
        (kind, place) in (0_u8..4, 0_u64..120),
        limit in 0_usize..50,
    ) {
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut log = Log::new(seed).await;
            log.go_on(count).await;
            let (head, limit) = (log.head().seq, limit.max(1) as u64);
            let pivot = place.clamp(1, head + 1);
            let (from, lo, hi) = match kind {
                0 => (HistoryFrom::Newest, (head + 1).saturating_sub(limit), head),
                1 => (HistoryFrom::Before(place), pivot.saturating_sub(limit), pivot - 1),
                2 => {
                    let after = place.min(head);
                    (HistoryFrom::After(place), after + 1, after + limit)
                }
                _ => {
                    let older = limit / 2;
                    let hi = pivot - 1 + limit - older;
                    (HistoryFrom::Around(place), pivot.saturating_sub(older), hi)
                }
            };
            let (lo, hi) = (lo.max(1), hi.min(head));
            let page = log.storage.history(&user("ada"), &cid(), from, limit as usize).await.unwrap();
            assert_eq!((page.lo, page.hi), (lo, hi), "{from:?}");
            let mut expected = log.of_channel();
            expected.retain(|_, row| log.seq_of(row).is_some_and(|seq| page.lo <= seq && seq <= hi));
            let rows: State = page.rows.into_iter().map(|row| (row.key(), row)).collect();
            assert_eq!(rows, expected);
        });
    }

    #[test]
    fn heads_never_miss_a_stream_that_moved(seed in any::<u64>(), limit in 2_usize..6, rounds in 1_u64..60) {
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let storage = MemoryStorage::new(Epoch(1));
            let mut script = Script::new(seed);
            let mut known: BTreeMap<UserId, (Option<String>, BTreeMap<StreamId, Head>)> =
                Script::users().into_iter().map(|user| (user, Default::default())).collect();
            for round in 0..rounds + 8 {
                if round < rounds {
                    let group = script.group(6);
                    apply_group(&storage, &Rules::default(), Timestamp(1), &group).await.unwrap();
                }
                for (user, (token, heads)) in &mut known {
                    // Not every device asks every time, and each goes on from where it is in its chain.
                    if round < rounds && script.below(2) == 0 {
                        continue;
                    }
                    let page = storage.heads(user, token.as_deref(), limit).await.unwrap();
                    assert!(page.heads.len() <= limit);
                    heads.extend(page.heads.into_iter().map(|head| (head.stream, head.head)));
                    *token = Some(page.token);
                }
            }
            for (user, (_, heads)) in known {
                let own = StreamId::User(user.clone());
                let page = storage.page(&user, &own, None, limits::PAGE_ROWS).await.unwrap();
                let active = page.rows.iter().filter_map(|row| match row {
                    Row::Membership(row) if row.state == MemberState::Active => Some(row.cid.clone()),
                    _ => None,
                });
                for stream in active.map(StreamId::Channel).chain([own]) {
                    let page = storage.page(&user, &stream, None, 1).await.unwrap();
                    assert_eq!(heads.get(&stream).copied().unwrap_or_default(), page.head, "{stream} for {user}");
                }
            }
        });
    }
}
