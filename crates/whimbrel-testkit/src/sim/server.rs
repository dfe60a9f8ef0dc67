//! The server: the hub's logic over its storage in memory, driven by hand as the hub's session and writer do.

use super::{
    Fault, Mutant, Violation,
    log::violated,
    oracle::Asked,
    storage::{Weak, now_or},
    world::{Event, World},
};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_hub::{MemoryStorage, Request, StorageError, apply_group};
use whimbrel_model::{
    ChannelId, Code, Epoch, MemberState, Op, OpEnvelope, Row, StreamEvent, StreamId, Timestamp, UserId,
    limits,
};
use whimbrel_protocol::{
    Bye, ClientFrame, Failed, Heads, HeadsPage, Hello, History, HistoryPage, OpResult, Outcome, Page, Ready,
    Results, ServerFrame, Sync,
};

/// How often a client has to be heard.
pub(super) const HEARTBEAT_MS: u64 = 20_000;

/// How long clients are told to stay away when the server stops.
const STOP_MS: u64 = 500;

/// The server's clock when the world begins.
const WALL: i64 = 1_764_000_000_000;

#[derive(Debug)]
pub(super) struct Server {
    pub(super) storage: MemoryStorage,
    pub(super) up: bool,
    pub(super) boot: u64,
    queue: Vec<(u64, Vec<OpEnvelope>)>,
    /// Active members, as of the last commit; absent where not needed yet.
    members: BTreeMap<ChannelId, BTreeSet<UserId>>,
    /// Everyone who was ever a member: for a mutant.
    ever: BTreeMap<ChannelId, BTreeSet<UserId>>,
    pub(super) backup: Option<MemoryStorage>,
    /// What a power loss leaves, of a server that does not wait for its disk: for a mutant.
    synced: Option<MemoryStorage>,
    epoch: u64,
    pub(super) last_commit: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            storage: MemoryStorage::new(Epoch(1)),
            up: true,
            boot: 0,
            queue: Vec::new(),
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
        match (frame, user) {
            (ClientFrame::Hello(hello), None) => self.hello(id, &hello),
            (ClientFrame::Ops(ops), Some(user)) => {
                self.check_sender(&user, &ops.ops)?;
                self.ops(id, ops.ops);
            }
            (
                ClientFrame::Heads(Heads { id: ask, .. })
                | ClientFrame::Sync(Sync { id: ask, .. })
                | ClientFrame::History(History { id: ask, .. }),
                Some(_),
            ) if self.goes_wrong(Fault::Refused) => {
                let error = StorageError::Unavailable("busy".to_owned());
                self.send_down(id, failed(ask, &error));
            }
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

    fn hello(&mut self, id: u64, hello: &Hello) {
        if self.goes_wrong(Fault::Outdated) {
            return self.end(id, Code::ProtocolUnsupported);
        }
        let Some((user, expires)) = read_token(hello.token.expose()) else {
            return self.end(id, Code::TokenInvalid);
        };
        if expires <= self.now {
            return self.end(id, Code::TokenExpired);
        }
        if let Some(conn) = self.net.conns.get_mut(&id) {
            conn.user = Some(user.clone());
            conn.expires = expires;
        }
        let ready = Ready {
            protocol: 1,
            user,
            epoch: Epoch(self.server.epoch),
            server_time: self.server_time(),
            heartbeat_ms: HEARTBEAT_MS,
            retention_days: limits::RESULT_RETENTION_DAYS,
        };
        self.send_down(id, ServerFrame::Ready(ready));
    }

    /// Says goodbye and closes.
    pub(super) fn end(&mut self, id: u64, code: Code) {
        self.end_for(id, code, None);
    }

    fn end_for(&mut self, id: u64, code: Code, retry_after_ms: Option<u64>) {
        self.say("server", || format!("conn {id}: bye {code}"));
        self.send_down(id, bye(code, retry_after_ms));
        self.server_closes(id);
    }

    fn ops(&mut self, id: u64, ops: Vec<OpEnvelope>) {
        if self.goes_wrong(Fault::ServerBusy) {
            let slow = self.dice.per_mille(500);
            let (code, wait) = if slow {
                (Code::RateLimited, 3_000)
            } else {
                (Code::Unavailable, 1_000)
            };
            let from = self.dice.index(ops.len());
            if from > 0 {
                self.log.count("half_refused");
            }
            let results = refuse(&ops[from..], &code, wait);
            self.server.queue.push((id, ops[..from].to_vec()));
            self.send_down(id, ServerFrame::Results(Results { results }));
        } else {
            self.server.queue.push((id, ops));
        }
        if self.server.queue.len() > 1 {
            self.log.count("group_commit");
            return;
        }
        let wait = self.dice.below(20);
        self.later(wait, Event::Commit(self.server.boot));
    }

    /// Commits what is queued, then tells everyone, then answers: or dies at one of these.
    pub(super) fn commit(&mut self) -> Result<(), Violation> {
        if self.goes_wrong(Fault::ServerKilledBefore) {
            self.server_dies("before a commit");
            return Ok(());
        }
        let queue = std::mem::take(&mut self.server.queue);
        let mut requests = Vec::new();
        for (id, ops) in &queue {
            let Some(user) = self.net.conns.get(id).and_then(|conn| conn.user.clone()) else {
                continue;
            };
            requests.extend(ops.iter().map(|op| {
                (
                    Some(*id),
                    Request {
                        user: user.clone(),
                        op: op.clone(),
                    },
                )
            }));
        }
        if requests.is_empty() {
            return Ok(());
        }
        if self.goes_wrong(Fault::TransactFailed) {
            if self.dice.per_mille(500) {
                self.apply(&requests)?;
            }
            self.server.members.clear();
            for (id, ops) in queue {
                let results = refuse(&ops, &Code::Unavailable, 1_000);
                self.send_down(id, ServerFrame::Results(Results { results }));
            }
            return Ok(());
        }
        self.ghost.told = self.ghost.server.members.clone();
        let applied = self.apply(&requests)?;
        if self.goes_wrong(Fault::ServerKilledAfter) {
            self.server_dies("after a commit");
            return Ok(());
        }
        self.answer(queue, &requests, applied)?;
        if self.mutant == Some(Mutant::ShortRetention) {
            now_or(whimbrel_hub::Storage::prune_results(
                &self.server.storage,
                Timestamp(i64::MAX),
            ))?
            .ok();
        }
        Ok(())
    }

    /// Tells everyone of what was committed, then answers.
    fn answer(
        &mut self,
        queue: Vec<(u64, Vec<OpEnvelope>)>,
        requests: &[(Option<u64>, Request)],
        applied: Vec<whimbrel_hub::Applied>,
    ) -> Result<(), Violation> {
        let mut results: BTreeMap<u64, Vec<OpResult>> = BTreeMap::new();
        for ((conn, request), applied) in requests.iter().zip(applied) {
            for event in applied.events {
                self.fan_out(event, *conn)?;
            }
            if let Outcome::Accepted { steps } = &applied.outcome {
                self.ghost.acks(steps);
            }
            let mut outcome = applied.outcome;
            // Only what brings rows of many people can be too large.
            if let (Outcome::Accepted { steps }, Op::CreateChannel { .. } | Op::AddMembers { .. }) =
                (&mut outcome, &request.op.op)
                && self.goes_wrong(Fault::ResultTooLarge)
            {
                steps.clear();
            }
            let result = OpResult {
                id: request.op.id,
                outcome,
            };
            results.entry(conn.unwrap_or_default()).or_default().push(result);
        }
        for (id, _) in queue {
            if let Some(results) = results.remove(&id) {
                self.send_down(id, ServerFrame::Results(Results { results }));
            }
        }
        Ok(())
    }

    /// Carries out a group as one transaction, and tells the oracle.
    pub(super) fn apply(
        &mut self,
        requests: &[(Option<u64>, Request)],
    ) -> Result<Vec<whimbrel_hub::Applied>, Violation> {
        for cid in requests.iter().filter_map(|(_, request)| request.op.op.cid()) {
            if !self.server.members.contains_key(cid) {
                let read = now_or(whimbrel_hub::Storage::members(&self.server.storage, cid))?;
                let members: BTreeSet<_> = read.unwrap_or_default().into_iter().collect();
                if !members.is_empty() {
                    self.server.members.insert(cid.clone(), members);
                }
            }
        }
        if self.mutant == Some(Mutant::AckBeforeDurable)
            && (self.server.synced.is_none() || self.dice.per_mille(300))
        {
            self.server.synced = Some(self.server.storage.fork(Epoch(self.server.epoch)));
        }
        let mut group: Vec<Request> = requests.iter().map(|(_, request)| request.clone()).collect();
        if self.mutant == Some(Mutant::ReadEpochIgnored) {
            for request in &mut group {
                if let Op::MarkRead { epoch, .. } = &mut request.op.op {
                    *epoch = 0;
                }
            }
        }
        if self.mutant == Some(Mutant::UnorderedPipeline) {
            group.iter_mut().for_each(|request| request.op.after = None);
        }
        let storage = Weak {
            inner: self.server.storage.clone(),
            mutant: self.mutant,
        };
        self.server.last_commit = self.now;
        let applied = match now_or(apply_group(&storage, self.server_time(), &group))? {
            Ok(applied) => applied,
            Err(error) => return violated("S7", error.to_string()),
        };
        for ((request, (_, asked)), applied) in group.iter().zip(requests).zip(&applied) {
            let rows = applied.events.iter().flat_map(|event| &event.rows);
            for row in rows {
                if let Row::Member(row) = row
                    && row.state == MemberState::Active
                    && self.ghost.server.is_gone(&row.cid, &row.user)
                {
                    self.log.count("rejoin");
                }
            }
            let path = self.ghost.decided(&request.user, &asked.op, applied)?;
            self.log.count(path);
            self.say("server", || {
                let what = match &applied.outcome {
                    Outcome::Accepted { .. } => format!("{path}, {} steps", applied.events.len()),
                    Outcome::Rejected { code, .. } | Outcome::Retry { code, .. } => code.to_string(),
                };
                format!(
                    "{} {} of {}: {what}",
                    request.op.op.name(),
                    request.op.id,
                    request.user
                )
            });
        }
        Ok(applied)
    }

    /// Sends an event to everyone who may see it, after the step that it tells of, but not where it came from.
    fn fan_out(&mut self, event: StreamEvent, except: Option<u64>) -> Result<(), Violation> {
        self.ghost.tells(&event);
        let users: BTreeSet<UserId> = match &event.stream {
            StreamId::User(user) => BTreeSet::from([user.clone()]),
            StreamId::Channel(cid) => {
                let members = self.server.members.entry(cid.clone()).or_default();
                let ever = self.server.ever.entry(cid.clone()).or_default();
                for row in &event.rows {
                    if let Row::Member(row) = row {
                        if row.state == MemberState::Active {
                            members.insert(row.user.clone());
                            ever.insert(row.user.clone());
                        } else {
                            members.remove(&row.user);
                        }
                    }
                }
                let gone_too = self.mutant == Some(Mutant::FanOutToGone);
                if gone_too { ever.clone() } else { members.clone() }
            }
        };
        let targets = self.net.conns.iter().filter(|(id, conn)| {
            conn.server_open
                && Some(**id) != except
                && conn.user.as_ref().is_some_and(|user| users.contains(user))
        });
        let targets: Vec<u64> = targets.map(|(id, _)| *id).collect();
        for id in &targets {
            let user = self.net.conns.get(id).and_then(|conn| conn.user.clone());
            self.ghost.may_hear(&event, user.as_ref())?;
        }
        let event = if self.goes_wrong(Fault::EventTooLarge) {
            StreamEvent {
                from: event.to,
                rows: Vec::new(),
                ..event
            }
        } else {
            event
        };
        for id in targets {
            self.send_down(id, ServerFrame::Event(event.clone()));
        }
        Ok(())
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
            ClientFrame::Sync(ask) => {
                let page = now_or(storage.page(user, &ask.stream, ask.cursor, rows))?;
                let page = self.weaken_page(user, &ask, page)?;
                let asked = Asked {
                    user,
                    stream: &ask.stream,
                    cursor: ask.cursor,
                    epoch: storage.epoch(),
                };
                self.ghost.server.check_answer(asked, &page)?;
                (
                    ask.id,
                    page.map(|page| ServerFrame::Page(Page { id: ask.id, ..page })),
                )
            }
            ClientFrame::History(ask) => {
                let limit = usize::try_from(ask.limit).unwrap_or(usize::MAX);
                let page = now_or(storage.history(user, &ask.cid, ask.before, limit))?;
                if let Ok(page) = &page {
                    truth.check_history(user, ask.before, page)?;
                }
                (
                    ask.id,
                    page.map(|page| ServerFrame::History(HistoryPage { id: ask.id, ..page })),
                )
            }
            ClientFrame::Hello(_) | ClientFrame::Ops(_) => return Ok(()),
        };
        self.send_down(id, answer.unwrap_or_else(|error| failed(ask, &error)));
        Ok(())
    }

    pub(super) fn server_dies(&mut self, when: &str) {
        self.say("server", || format!("dies {when}"));
        self.server.up = false;
        self.server.boot += 1;
        self.server.queue.clear();
        self.server.members.clear();
        if let Some(synced) = self.server.synced.take() {
            self.server.storage = synced;
        }
        for id in self.net.conns.keys().copied().collect::<Vec<_>>() {
            self.server_closes(id);
        }
        let wait = self.dice.between(50, 6_000);
        self.later(wait, Event::ServerUp);
    }

    /// Tells everyone to come back, and restarts.
    pub(super) fn server_stops(&mut self) {
        let open = self.net.conns.iter().filter(|(_, conn)| conn.server_open);
        let open: Vec<u64> = open.map(|(id, _)| *id).collect();
        for (place, id) in open.iter().enumerate() {
            // As the hub does: one after the other, spread over as long again.
            let later = STOP_MS + STOP_MS * place as u64 / open.len() as u64;
            self.end_for(*id, Code::ServerStopping, Some(later));
        }
        self.server_dies("as it was told to");
    }

    pub(super) fn server_up(&mut self) -> Result<(), Violation> {
        if self.server.up {
            return Ok(());
        }
        self.server.up = true;
        self.say("server", || "is up".to_owned());
        self.check_durable()
    }

    pub(super) fn back_up(&mut self) {
        if self.server.backup.is_none() {
            self.server.backup = Some(self.server.storage.fork(Epoch(self.server.epoch)));
            self.ghost.backup = Some(self.ghost.server.clone());
            self.say("server", || "is backed up".to_owned());
        }
    }

    pub(super) fn restore(&mut self) {
        let Some(backup) = self.server.backup.take() else {
            return;
        };
        self.log.count(Fault::Restored.name());
        if self.mutant != Some(Mutant::RestoreKeepsEpoch) {
            self.server.epoch += 1;
        }
        self.server_dies("and its disk with it: the backup takes over");
        self.server.storage = backup.fork(Epoch(self.server.epoch));
        self.server.synced = None;
        self.ghost.restored();
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
            } else if conn.last_heard + HEARTBEAT_MS * 5 / 2 < now {
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

fn refuse(ops: &[OpEnvelope], code: &Code, wait: u64) -> Vec<OpResult> {
    let result = |op: &OpEnvelope| OpResult {
        id: op.id,
        outcome: Outcome::Retry {
            code: code.clone(),
            message: "not now".to_owned(),
            retry_after_ms: Some(wait),
        },
    };
    ops.iter().map(result).collect()
}
