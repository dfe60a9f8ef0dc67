//! The server: the hub's logic over its storage in memory, driven by hand as the hub's session and writer do.

use super::{
    Fault, Mutant, Violation, log::violated, oracle::Asked, presence::Desk, storage::now_or, world::World,
};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_hub::{MemoryStorage, StorageError, capped_snapshot};
use whimbrel_model::{ChannelId, Code, Cursor, Epoch, OpEnvelope, Timestamp, UserId, limits};
use whimbrel_protocol::{
    Answer, Ask, Bye, ClientFrame, Failed, Heads, HeadsPage, Hello, History, HistoryPage, Page, Ready,
    ServerFrame, Sync,
};

/// The server's clock when the world begins.
const WALL: i64 = 1_764_000_000_000;

#[derive(Debug)]
pub(super) struct Server {
    pub(super) storage: MemoryStorage,
    pub(super) up: bool,
    pub(super) boot: u64,
    pub(super) queue: Vec<(u64, Vec<OpEnvelope>)>,
    pub(super) desk: Desk,
    /// Active members, as of the last commit; absent where not needed yet.
    pub(super) members: BTreeMap<ChannelId, BTreeSet<UserId>>,
    /// Everyone who was ever a member: for a mutant.
    pub(super) ever: BTreeMap<ChannelId, BTreeSet<UserId>>,
    pub(super) backup: Option<MemoryStorage>,
    /// What a power loss leaves, of a server that does not wait for its disk: for a mutant.
    pub(super) synced: Option<MemoryStorage>,
    pub(super) epoch: u64,
    pub(super) last_commit: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            storage: MemoryStorage::new(Epoch(1)),
            up: true,
            boot: 0,
            queue: Vec::new(),
            desk: Desk::default(),
            members: BTreeMap::new(),
            ever: BTreeMap::new(),
            backup: None,
            synced: None,
            epoch: 1,
            last_commit: 0,
        }
    }
}

/// A token: whose, until when, and whether the server takes it.
pub(super) fn token(user: &UserId, expires: u64, good: bool) -> String {
    format!("{user}|{expires}|{good}")
}

fn read_token(text: &str) -> Option<(UserId, u64)> {
    let mut parts = text.split('|');
    let (user, expires, good) = (parts.next()?, parts.next()?, parts.next()?);
    let user = UserId::new(user).ok().filter(|_| good == "true")?;
    Some((user, expires.parse().ok()?))
}

fn bye(code: Code, retry_after_ms: Option<u64>) -> ServerFrame {
    ServerFrame::Bye(Bye {
        message: code.to_string(),
        code,
        retry_after_ms,
        protocol: None,
    })
}

impl World {
    pub(super) fn server_time(&self) -> Timestamp {
        Timestamp(WALL + i64::try_from(self.now).unwrap_or(i64::MAX))
    }

    /// A frame arrives at the server.
    pub(super) fn server_frame(&mut self, id: u64, frame: ClientFrame) -> Result<(), Violation> {
        let now = self.now;
        let Some(conn) = self.net.conns.get_mut(&id).filter(|conn| conn.server_open) else {
            return Ok(());
        };
        conn.last_heard = now;
        let expired = conn.user.is_some() && conn.expires <= now;
        let user = conn.user.clone();
        if expired {
            self.end(id, Code::TokenExpired);
            return Ok(());
        }
        if self.goes_wrong(Fault::FrameGarbled) {
            self.end(id, Code::FrameInvalid);
            return Ok(());
        }
        if let Some(user) = &user {
            self.heard_of(user);
        }
        match (frame, user) {
            (ClientFrame::Hello(hello), None) => self.hello(id, &hello)?,
            (ClientFrame::Ops(ops), Some(user)) => {
                self.check_sender(&user, &ops.ops)?;
                self.ops(id, ops.ops);
            }
            (
                ClientFrame::Heads(Heads { id: ask, .. })
                | ClientFrame::Sync(Sync { id: ask, .. })
                | ClientFrame::History(History { id: ask, .. })
                | ClientFrame::Ask(Ask { id: ask, .. }),
                Some(_),
            ) if self.goes_wrong(Fault::Refused) => {
                let error = StorageError::Unavailable("busy".to_owned());
                self.send_down(id, failed(ask, &error));
            }
            (ClientFrame::Watch(watch), Some(_)) => {
                if let Some(conn) = self.net.conns.get_mut(&id) {
                    for cid in watch.cids {
                        if watch.on {
                            conn.unwatched.remove(&cid);
                        } else {
                            conn.unwatched.insert(cid);
                        }
                    }
                }
            }
            (ClientFrame::Presence(ask), Some(user)) => return self.asks_presence(id, &user, &ask),
            (ClientFrame::Typing(typing), Some(user)) => return self.typing(id, &user, typing),
            (frame, Some(user)) => return self.request(id, &user, frame),
            (_, None) => self.end(id, Code::FrameInvalid),
        }
        Ok(())
    }

    /// C13: an operation comes from whoever made it.
    fn check_sender(&self, user: &UserId, ops: &[OpEnvelope]) -> Result<(), Violation> {
        for op in ops {
            let made = self.ghost.ops.get(&self.ghost.original(op.id));
            let maker = made.map(|made| &self.devices[made.device].user);
            if maker.is_some_and(|maker| maker != user) {
                return violated("C13", format!("{} of {maker:?} came as one of {user}", op.id));
            }
        }
        Ok(())
    }

    fn hello(&mut self, id: u64, hello: &Hello) -> Result<(), Violation> {
        if self.goes_wrong(Fault::Outdated) {
            self.end(id, Code::ProtocolUnsupported);
            return Ok(());
        }
        let Some((user, expires)) = read_token(hello.token.expose()) else {
            self.end(id, Code::TokenInvalid);
            return Ok(());
        };
        if expires <= self.now {
            self.end(id, Code::TokenExpired);
            return Ok(());
        }
        if self.refuses(id, &user, hello.device)? {
            return Ok(());
        }
        if let Some(conn) = self.net.conns.get_mut(&id) {
            conn.user = Some(user.clone());
            conn.expires = expires;
        }
        let ready = Ready {
            protocol: 1,
            user: user.clone(),
            epoch: Epoch(self.server.epoch),
            server_time: self.server_time(),
            heartbeat_ms: self.plan.heartbeat_ms,
            retention_days: limits::RESULT_RETENTION_DAYS,
        };
        self.send_down(id, ServerFrame::Ready(ready));
        self.joins(id, &user, hello.presence.clone())
    }

    /// Says goodbye and closes.
    pub(super) fn end(&mut self, id: u64, code: Code) {
        self.end_for(id, code, None);
    }

    pub(super) fn end_for(&mut self, id: u64, code: Code, retry_after_ms: Option<u64>) {
        self.say("server", || format!("conn {id}: bye {code}"));
        self.send_down(id, bye(code, retry_after_ms));
        self.server_closes(id);
    }

    /// Returns where a snapshot of no more than the newest messages begins, if one is asked for and called for.
    fn capped(&mut self, user: &UserId, ask: &Sync) -> Result<Option<Cursor>, Violation> {
        use whimbrel_hub::Storage as _;
        let Some(newest) = ask.newest else { return Ok(None) };
        let known = now_or(self.server.storage.page(user, &ask.stream, ask.cursor, 1))?;
        let begin = known
            .ok()
            .and_then(|known| capped_snapshot(&known, ask.cursor, newest));
        if begin.is_some() {
            self.log.count("capped");
        }
        Ok(begin)
    }

    /// Answers a request for a page.
    fn page(
        &mut self,
        user: &UserId,
        ask: Sync,
    ) -> Result<(u64, Result<ServerFrame, StorageError>), Violation> {
        use whimbrel_hub::Storage as _;
        let rows = self.plan.page_rows;
        let begin = self.capped(user, &ask)?;
        let ask = Sync {
            cursor: begin.or(ask.cursor),
            ..ask
        };
        let page = now_or(self.server.storage.page(user, &ask.stream, ask.cursor, rows))?;
        let page = self.weaken_page(user, &ask, page)?;
        let asked = Asked {
            user,
            stream: &ask.stream,
            cursor: ask.cursor,
            epoch: self.server.storage.epoch(),
        };
        self.ghost.server.check_answer(asked, &page)?;
        let answer = page.map(|page| {
            ServerFrame::Page(Page {
                id: ask.id,
                reset: page.reset || begin.is_some(),
                ..page
            })
        });
        Ok((ask.id, answer))
    }

    fn request(&mut self, id: u64, user: &UserId, frame: ClientFrame) -> Result<(), Violation> {
        use whimbrel_hub::Storage as _;
        let (rows, time) = (self.plan.page_rows, self.server_time());
        let storage = self.server.storage.clone();
        let truth = &self.ghost.server;
        let (ask, answer) = match frame {
            ClientFrame::Heads(ask) => {
                let page = now_or(storage.heads(user, ask.since.as_deref(), rows.max(2)))?;
                if let Ok(page) = &page {
                    truth.check_heads(user, ask.since.is_none(), page)?;
                }
                let beat = self.mutant == Some(Mutant::NoHeartbeatHeads) && ask.since.is_some();
                let answer = page.map(|page| {
                    let heads = if beat { Vec::new() } else { page.heads };
                    ServerFrame::Heads(HeadsPage {
                        id: ask.id,
                        server_time: time,
                        heads,
                        ..page
                    })
                });
                (ask.id, answer)
            }
            ClientFrame::Sync(ask) => self.page(user, ask)?,
            ClientFrame::History(ask) => {
                let limit = usize::try_from(ask.limit).unwrap_or(usize::MAX);
                let page = now_or(storage.history(user, &ask.cid, ask.from, limit))?;
                if let Ok(page) = &page {
                    truth.check_history(user, ask.from, page)?;
                }
                (
                    ask.id,
                    page.map(|page| ServerFrame::History(HistoryPage { id: ask.id, ..page })),
                )
            }
            ClientFrame::Ask(ask) => {
                let answer = now_or(storage.ask(user, &ask.question, time))?;
                (
                    ask.id,
                    answer.map(|answer| ServerFrame::Answer(Answer { id: ask.id, ..answer })),
                )
            }
            ClientFrame::Hello(_)
            | ClientFrame::Ops(_)
            | ClientFrame::Watch(_)
            | ClientFrame::Typing(_)
            | ClientFrame::Watching(_)
            | ClientFrame::Parcel(_)
            | ClientFrame::Presence(_) => return Ok(()),
        };
        let user = user.clone();
        self.answer_with(id, &user, answer.unwrap_or_else(|error| failed(ask, &error)))
    }

    /// Ends connections that were silent for too long, or whose token has expired.
    pub(super) fn sweep(&mut self) {
        let now = self.now;
        for id in self.net.conns.keys().copied().collect::<Vec<_>>() {
            let Some(conn) = self.net.conns.get(&id).filter(|conn| conn.server_open) else {
                continue;
            };
            if conn.user.is_some() && conn.expires <= now {
                self.log.count(Fault::TokenExpired.name());
                self.end(id, Code::TokenExpired);
            } else if conn.last_heard + self.plan.heartbeat_ms * 5 / 2 < now {
                self.log.count("server_cut_silent");
                self.end(id, Code::HeartbeatLost);
            }
        }
    }
}

fn failed(id: u64, error: &StorageError) -> ServerFrame {
    ServerFrame::Failed(Failed {
        id,
        code: error.code(),
        message: error.to_string(),
        retry_after_ms: None,
    })
}
