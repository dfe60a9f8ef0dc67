use super::{Opener, Script};
use std::sync::Arc;
use whimbrel_hub::{Applied, MemoryStorage, Request, Rules, Storage, StorageError, apply_group};
use whimbrel_model::{ChannelId, Cursor, HistoryFrom, SnapshotWindow, StreamId, Timestamp, UserId, limits};
use whimbrel_protocol::{Page, StreamHead};

/// The storage under test, and the one in memory that it has to equal.
pub(super) struct Pair {
    pub(super) seed: u64,
    pub(super) tested: Arc<dyn Storage>,
    pub(super) memory: MemoryStorage,
    pub(super) now: i64,
    /// For each user, a token of both.
    tokens: Vec<(UserId, Option<(String, String)>)>,
}

impl Pair {
    pub(super) async fn open<O: Opener>(place: &O, seed: u64) -> Self {
        let tested = place.open().await;
        let memory = MemoryStorage::new(tested.epoch());
        let tokens = Script::users().into_iter().map(|user| (user, None)).collect();
        Self {
            seed,
            tested,
            memory,
            now: 1_000,
            tokens,
        }
    }

    pub(super) async fn apply(&mut self, requests: &[Request]) -> Vec<Applied> {
        self.now += 1;
        let now = Timestamp(self.now);
        let tested = apply_group(&*self.tested, &Rules::default(), now, requests)
            .await
            .expect("a group is committed");
        let memory = apply_group(&self.memory, &Rules::default(), now, requests)
            .await
            .expect("memory takes it");
        for ((request, tested), memory) in requests.iter().zip(&tested).zip(&memory) {
            assert_eq!(tested, memory, "seed {}, of {request:?}", self.seed);
        }
        tested
    }

    pub(super) async fn reopen<O: Opener>(&mut self, place: &O) {
        let epoch = self.tested.epoch();
        self.tested.close().await;
        self.tested = place.open().await;
        assert_eq!(self.tested.epoch(), epoch, "the epoch is kept");
    }

    /// Compares all that can be read, from cursors that the script draws.
    pub(super) async fn compare(&mut self, script: &mut Script) {
        for user in Script::users() {
            self.compare_stream(script, &user, &StreamId::User(user.clone()))
                .await;
            for cid in Script::channels() {
                self.compare_stream(script, &user, &StreamId::Channel(cid.clone()))
                    .await;
                self.compare_history(script, &user, &cid).await;
            }
        }
        for cid in Script::channels() {
            let (mut tested, mut memory) = (self.tested.members(&cid).await, self.memory.members(&cid).await);
            tested.as_mut().expect("members are read").sort();
            memory.as_mut().expect("members are read").sort();
            assert_eq!(tested, memory, "the members of {cid}");
        }
        self.compare_heads().await;
    }

    async fn compare_stream(&self, script: &mut Script, user: &UserId, stream: &StreamId) {
        let begun = Cursor {
            epoch: self.tested.epoch(),
            ver: script.below(80),
            seq: script.below(3),
            window: None,
        };
        let windowed = Cursor {
            window: Some(SnapshotWindow {
                lo: 1 + script.below(30),
                ver: script.below(80),
            }),
            ..begun
        };
        for cursor in [None, Some(begun), Some(windowed)] {
            let limit = 1 + script.below(limits::PAGE_ROWS as u64 + 10) as usize;
            self.compare_chain(user, stream, cursor, limit).await;
        }
    }

    /// Compares the pages that follow a cursor to their end, and returns them.
    pub(super) async fn compare_chain(
        &self,
        user: &UserId,
        stream: &StreamId,
        mut cursor: Option<Cursor>,
        limit: usize,
    ) -> Vec<Page> {
        let mut pages = Vec::new();
        loop {
            let tested = self.tested.page(user, stream, cursor, limit).await;
            let memory = self.memory.page(user, stream, cursor, limit).await;
            let Some((tested, memory)) = both("a page", tested, memory) else {
                return pages;
            };
            assert_eq!(
                tested, memory,
                "the page of {stream} for {user} after {cursor:?}, limit {limit}, seed {}",
                self.seed
            );
            assert!(
                tested.to != cursor.unwrap_or_default() || !tested.more,
                "a page chain moves"
            );
            let more = tested.more;
            cursor = Some(tested.to);
            pages.push(tested);
            if !more {
                return pages;
            }
        }
    }

    pub(super) async fn compare_history(&self, script: &mut Script, user: &UserId, cid: &ChannelId) {
        let (place, time) = (1 + script.below(60), script.below(60));
        let time = Timestamp(i64::try_from(time).unwrap_or(0));
        for from in [
            HistoryFrom::Newest,
            HistoryFrom::Before(0),
            HistoryFrom::Before(1),
            HistoryFrom::Before(place),
            HistoryFrom::Before(u64::MAX),
            HistoryFrom::After(0),
            HistoryFrom::After(place),
            HistoryFrom::After(u64::MAX),
            HistoryFrom::Around(place),
            HistoryFrom::AroundTime(time),
            HistoryFrom::AroundTime(Timestamp(0)),
        ] {
            let limit = script.below(30) as usize;
            let tested = self.tested.history(user, cid, from, limit).await;
            let memory = self.memory.history(user, cid, from, limit).await;
            if let Some((tested, memory)) = both("history", tested, memory) {
                assert_eq!(
                    tested, memory,
                    "the history of {cid} for {user} at {from:?}, limit {limit}, seed {}",
                    self.seed
                );
            }
        }
    }

    async fn compare_heads(&mut self) {
        for (user, tokens) in &mut self.tokens {
            let since = tokens.clone().unzip();
            let (tested, next) = heads(&*self.tested, user, since.0, 3).await;
            let (memory, in_memory) = heads(&self.memory, user, since.1, 3).await;
            assert_eq!(tested, memory, "the heads of {user}, seed {}", self.seed);
            *tokens = Some((next, in_memory));
        }
    }
}

/// Returns both answers, or nothing when both were refused for the same reason.
fn both<T>(what: &str, tested: Result<T, StorageError>, memory: Result<T, StorageError>) -> Option<(T, T)> {
    match (tested, memory) {
        (Ok(tested), Ok(memory)) => Some((tested, memory)),
        (Err(tested), Err(memory)) => {
            assert_eq!(tested.code(), memory.code(), "the refusal of {what}");
            None
        }
        (Ok(_), Err(memory)) => panic!("{what} was given, and has to be refused: {memory}"),
        (Err(tested), Ok(_)) => panic!("{what} was refused: {tested}"),
    }
}

/// Follows the pages of heads to their end; returns the heads and the last token.
pub(super) async fn heads(
    storage: &dyn Storage,
    user: &UserId,
    mut token: Option<String>,
    limit: usize,
) -> (Vec<StreamHead>, String) {
    let mut all = Vec::new();
    loop {
        let page = storage
            .heads(user, token.as_deref(), limit)
            .await
            .expect("heads are read");
        assert!(page.heads.len() <= limit, "a page of heads holds {limit}");
        all.extend(page.heads);
        if !page.more {
            return (all, page.token);
        }
        token = Some(page.token);
    }
}
