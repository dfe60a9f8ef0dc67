//! A device: the real engine, the real state and a store, driven as the client's driver drives them.

use super::{
    Fault, Mutant, Violation,
    dice::Dice,
    ghost::Allowed,
    log::violated,
    net::name_of,
    server::token,
    storage::now_or,
    world::{Event, World, is_live},
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use whimbrel_model::{
    Change, ChannelId, Code, Delta, MessageQuery, MessageScope, OpId, StreamEvent, StreamId, Timestamp,
    UserId,
};
use whimbrel_protocol::{ClientFrame, OpResult, Outcome, Results, ServerFrame, Token};
use whimbrel_state::{State, Timeline};
use whimbrel_store::{MemoryStore, Store as _, StoreError};
use whimbrel_sync::{Effects, Engine, EngineConfig, Env, Input, LinkAction, Status};

#[derive(Debug)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) user: UserId,
    pub(super) store: MemoryStore,
    /// Every commit, for a mutant whose disk lies.
    pub(super) commits: Vec<Delta>,
    pub(super) run: Option<Run>,
    /// Counts the starts of the app.
    pub(super) life: u64,
    pub(super) wall_offset: i64,
    pub(super) wants_online: bool,
    token: Option<(String, u64)>,
    links: u64,
    pub(super) dice: Dice,
}

/// The app while it runs.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) engine: Engine,
    pub(super) state: State,
    pub(super) timelines: BTreeMap<ChannelId, Timeline>,
    link: Option<Link>,
    inbox: VecDeque<(u64, Input)>,
    /// Its clock began with this when the app started.
    mono_offset: u64,
    /// What has left before.
    left: BTreeSet<OpId>,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    number: u64,
    conn: Option<u64>,
}

/// Something to do with the engine, besides what waits in the inbox.
pub(super) type Act<'a> = &'a mut dyn FnMut(&mut Engine, &mut Env<'_>) -> Option<Effects>;

impl Device {
    pub(super) fn new(name: String, user: UserId, dice: Dice) -> Self {
        Self {
            name,
            user,
            store: MemoryStore::new(),
            commits: Vec::new(),
            run: None,
            life: 0,
            wall_offset: 0,
            wants_online: true,
            token: None,
            links: 0,
            dice,
        }
    }

    pub(super) fn next_wake(&self) -> Option<u64> {
        let run = self.run.as_ref()?;
        Some(run.engine.next_wake()?.saturating_sub(run.mono_offset))
    }

    pub(super) fn is_done(&self) -> bool {
        let Some(run) = &self.run else { return false };
        let waits = run.state.outbox().iter().any(|item| item.rejection().is_none());
        is_live(&run.engine.status()) && !waits && run.inbox.is_empty()
    }

    pub(super) fn describe(&self) -> String {
        match &self.run {
            None => format!("{} does not run", self.name),
            Some(run) => {
                let waiting = run
                    .state
                    .outbox()
                    .iter()
                    .filter(|item| item.rejection().is_none())
                    .count();
                format!(
                    "{} is {:?} with {waiting} operations waiting",
                    self.name,
                    run.engine.status()
                )
            }
        }
    }
}

impl World {
    /// Starts the app of a device from what is on its disk.
    pub(super) fn start(&mut self, index: usize) -> Result<(), Violation> {
        let counter = self.mutant == Some(Mutant::CounterIds);
        let mono_offset = self.dice.below(1_000_000);
        let device = &mut self.devices[index];
        if counter {
            device.dice = Dice::new(index as u64);
            device.wall_offset = -i64::try_from(self.now).unwrap_or_default();
        }
        if device.life > 0 {
            self.log.count("restarted");
        }
        let loaded = match now_or(device.store.load())? {
            Ok(loaded) => loaded,
            Err(error) => return violated("sim", error.to_string()),
        };
        for (stream, cursor) in &self.ghost.cursors[index] {
            if loaded.cursors.get(stream) != Some(cursor)
                && !matches!(self.mutant, Some(Mutant::ClientLazySync | Mutant::CursorFirst))
            {
                return violated(
                    "C6",
                    format!("the cursor of {stream} on disk is not what was committed"),
                );
            }
        }
        self.ghost.cursors[index] = loaded.cursors.clone();
        let outbox = loaded.outbox.clone();
        let mut env = Env {
            mono: self.now + mono_offset,
            wall: Timestamp(
                1_764_000_000_000 + i64::try_from(self.now).unwrap_or_default() + device.wall_offset,
            ),
            entropy: &mut device.dice,
        };
        let (engine, effects) = match Engine::load(loaded, &device.user, EngineConfig::default(), &mut env) {
            Ok(loaded) => loaded,
            Err(error) => return violated("sim", error.to_string()),
        };
        device.life += 1;
        device.run = Some(Run {
            engine,
            state: State::new(device.user.clone(), outbox),
            timelines: BTreeMap::new(),
            link: None,
            inbox: VecDeque::new(),
            mono_offset,
            left: BTreeSet::new(),
        });
        let online = device.wants_online;
        let name = device.name.clone();
        self.say(&name, || "starts".to_owned());
        self.carry_out(index, effects, &Allowed::default())?;
        if online {
            self.command(index, &mut |engine, env| {
                Some(engine.handle(Input::GoOnline, env))
            })?;
        }
        Ok(())
    }

    /// Ends the app of a device without a warning.
    pub(super) fn kill(&mut self, index: usize, why: &str) {
        let Some(run) = self.devices[index].run.take() else {
            return;
        };
        let name = self.devices[index].name.clone();
        self.say(&name, || format!("dies {why}"));
        if let Some(conn) = run.link.and_then(|link| link.conn) {
            self.device_closes(conn);
        }
        if self.mutant == Some(Mutant::ClientLazySync) {
            self.lose_power(index);
        }
        let wait = self.dice.between(20, 5_000);
        let life = self.devices[index].life;
        self.later(wait, Event::Start(index, life));
    }

    /// The newest commits were not on disk.
    fn lose_power(&mut self, index: usize) {
        let lost = self.dice.index(4);
        let device = &mut self.devices[index];
        let kept = device.commits.len().saturating_sub(lost).max(1);
        device.commits.truncate(kept);
        device.store = MemoryStore::new();
        for delta in &device.commits {
            let _ = now_or(device.store.apply(delta));
        }
    }

    pub(super) fn with_env<T>(
        &mut self,
        index: usize,
        act: impl FnOnce(&mut Engine, &mut Env<'_>) -> T,
    ) -> Option<T> {
        let now = self.now;
        let device = &mut self.devices[index];
        let run = device.run.as_mut()?;
        let mut env = Env {
            mono: now + run.mono_offset,
            wall: Timestamp(1_764_000_000_000 + i64::try_from(now).unwrap_or_default() + device.wall_offset),
            entropy: &mut device.dice,
        };
        Some(act(&mut run.engine, &mut env))
    }

    /// Does something with the engine, after what waits in the inbox. Returns whether it was carried out.
    pub(super) fn command(&mut self, index: usize, act: Act<'_>) -> Result<bool, Violation> {
        let (mut effects, allowed) = self.take_inbox(index);
        let Some(done) = self.with_env(index, act).flatten() else {
            self.carry_out(index, effects, &allowed)?;
            return Ok(false);
        };
        effects.merge(done);
        self.carry_out(index, effects, &allowed)
    }

    pub(super) fn timer(&mut self, index: usize) -> Result<(), Violation> {
        let before = self.devices[index].run.as_ref().map(|run| run.engine.status());
        self.command(index, &mut |engine, env| Some(engine.handle(Input::Timer, env)))?;
        let after = self.devices[index].run.as_ref().map(|run| run.engine.status());
        let was_on = matches!(before, Some(Status::Live | Status::CatchingUp { .. }));
        if was_on && matches!(after, Some(Status::BackingOff { .. })) {
            self.log.count("answer_timeout");
        }
        Ok(())
    }

    pub(super) fn round(&mut self, index: usize) -> Result<(), Violation> {
        let waiting = self.devices[index].run.as_ref().map_or(0, |run| run.inbox.len());
        if waiting == 0 {
            return Ok(());
        }
        if waiting > 1 {
            self.log.count("merged_round");
        }
        if self.goes_wrong(Fault::ClientKilled) {
            self.kill(index, "with frames unread");
            return Ok(());
        }
        let (effects, allowed) = self.take_inbox(index);
        self.carry_out(index, effects, &allowed)?;
        Ok(())
    }

    fn take_inbox(&mut self, index: usize) -> (Effects, Allowed) {
        let (mut effects, mut allowed) = (Effects::default(), Allowed::default());
        while let Some((number, input)) = self.devices[index]
            .run
            .as_mut()
            .and_then(|run| run.inbox.pop_front())
        {
            let Some(run) = self.devices[index].run.as_mut() else {
                break;
            };
            let current = run.link.is_some_and(|link| link.number == number);
            if !current || effects.link.is_some() {
                continue;
            }
            if matches!(
                input,
                Input::Closed { .. } | Input::ConnectFailed { .. } | Input::NoToken { .. }
            ) {
                self.close_link(index);
            }
            note(&input, &mut allowed);
            if let Some(more) = self.with_env(index, |engine, env| engine.handle(input, env)) {
                effects.merge(more);
            }
        }
        (effects, allowed)
    }

    /// A frame arrives at a device.
    pub(super) fn device_frame(&mut self, conn: u64, frame: ServerFrame) -> Result<(), Violation> {
        let Some(at) = self.net.conns.get(&conn).filter(|conn| conn.client_open) else {
            return Ok(());
        };
        let (index, link) = (at.device, at.link);
        let name = self.devices[index].name.clone();
        self.say(&name, || format!("gets {}", name_of(&frame)));
        let frame = self.weaken_frame(index, frame);
        self.count_frame(index, &frame);
        self.put_inbox(index, link, Input::Frame(frame));
        Ok(())
    }

    pub(super) fn put_inbox(&mut self, index: usize, link: u64, input: Input) {
        let Some(run) = self.devices[index].run.as_mut() else {
            return;
        };
        run.inbox.push_back((link, input));
        if run.inbox.len() == 1 {
            let wait = self.dice.below(15);
            self.later(wait, Event::Round(index));
        }
    }

    pub(super) fn device_closed(&mut self, id: u64) {
        let Some(conn) = self.net.conns.get_mut(&id) else {
            return;
        };
        if !std::mem::take(&mut conn.client_open) {
            return;
        }
        let (index, link) = (conn.device, conn.link);
        if !conn.server_open {
            self.net.conns.remove(&id);
        }
        let code = Code::Other("closed".to_owned());
        self.put_inbox(index, link, Input::Closed { code });
    }

    /// Commits, shows, sends, connects: or dies at one of these. Returns whether the commit happened.
    pub(super) fn carry_out(
        &mut self,
        index: usize,
        effects: Effects,
        allowed: &Allowed,
    ) -> Result<bool, Violation> {
        if self.devices[index].run.is_none() {
            return Ok(false);
        }
        if !effects.delta.is_empty() && !self.commit_delta(index, &effects.delta, allowed)? {
            return Ok(false);
        }
        for notice in &effects.notices {
            self.count_notice(notice);
        }
        if !effects.frames.is_empty() && self.goes_wrong(Fault::KilledBeforeSend) {
            self.kill(index, "before it sends");
            return Ok(true);
        }
        for frame in effects.frames {
            self.send(index, frame)?;
            if self.goes_wrong(Fault::KilledAfterSend) {
                self.kill(index, "after it sent");
                return Ok(true);
            }
        }
        match effects.link {
            Some(LinkAction::Connect { refresh_token }) => self.dial(index, refresh_token),
            Some(LinkAction::Close { .. }) => self.close_link(index),
            None => {}
        }
        self.check_device(index)?;
        Ok(true)
    }

    /// Returns whether it was committed; if not, the app starts over.
    fn commit_delta(&mut self, index: usize, delta: &Delta, allowed: &Allowed) -> Result<bool, Violation> {
        if self.goes_wrong(Fault::DiskFull) {
            self.kill(index, "as its disk is full");
            return Ok(false);
        }
        let (written, dies) = self.weaken_delta(index, delta);
        let device = &mut self.devices[index];
        if self.mutant == Some(Mutant::ClientLazySync) {
            device.commits.push(written.clone());
        }
        or_broken(now_or(device.store.apply(&written))?)?;
        self.ghost.committed(index, delta, allowed)?;
        if dies {
            self.kill(index, "in the middle of a commit");
            return Ok(false);
        }
        for change in &delta.changes {
            if let Change::Unfollow(_) = change {
                self.log.count("unfollow");
            }
        }
        self.reduce(index, delta)?;
        Ok(true)
    }

    fn reduce(&mut self, index: usize, delta: &Delta) -> Result<(), Violation> {
        let Some(run) = &self.devices[index].run else {
            return Ok(());
        };
        let stale = if self.mutant == Some(Mutant::NoOverlay) {
            let mut rows = delta.clone();
            rows.changes.retain(|change| !matches!(change, Change::Outbox(_)));
            run.state.reduce(&rows)
        } else {
            run.state.reduce(delta)
        };
        let store = &self.devices[index].store;
        for cid in stale.channels {
            if let Some(row) = or_broken(now_or(store.channel(&cid))?)? {
                run.state.put_channel(row);
            }
        }
        for query in stale.messages {
            let page = or_broken(now_or(store.messages(&query))?)?;
            run.state.put_messages(&query, page);
        }
        Ok(())
    }

    fn send(&mut self, index: usize, frame: ClientFrame) -> Result<(), Violation> {
        let Some(run) = &self.devices[index].run else {
            return Ok(());
        };
        let Some(conn) = run.link.and_then(|link| link.conn) else {
            return Ok(());
        };
        let ClientFrame::Ops(mut ops) = frame else {
            self.send_up(conn, frame);
            return Ok(());
        };
        let loaded = or_broken(now_or(self.devices[index].store.load())?)?;
        let name = self.devices[index].name.clone();
        for op in &ops.ops {
            self.ghost.leaves(op, &loaded.outbox)?;
            self.say(&name, || format!("sends {} {}", op.op.name(), op.id));
        }
        if self.mutant == Some(Mutant::RetryNewId) {
            for op in &mut ops.ops {
                self.rename(index, op);
            }
        }
        let forged = ops.ops.iter().map(|op| OpResult {
            id: op.id,
            outcome: Outcome::Accepted { steps: Vec::new() },
        });
        let forged = Results {
            results: forged.collect(),
        };
        self.send_up(conn, ClientFrame::Ops(ops));
        if self.mutant == Some(Mutant::DropOnSend) {
            let number = self.devices[index]
                .run
                .as_ref()
                .and_then(|run| run.link)
                .map(|link| link.number);
            self.put_inbox(
                index,
                number.unwrap_or_default(),
                Input::Frame(ServerFrame::Results(forged)),
            );
        }
        Ok(())
    }

    /// Gives an operation that leaves again another id.
    fn rename(&mut self, index: usize, op: &mut whimbrel_model::OpEnvelope) {
        let Some(run) = self.devices[index].run.as_mut() else {
            return;
        };
        op.after = None;
        if run.left.insert(op.id) {
            return;
        }
        let made = self.with_env(index, |engine, env| engine.new_id(env));
        if let Some(made) = made {
            self.ghost.aliases.insert(OpId(made), op.id);
            op.id = OpId(made);
        }
    }

    fn dial(&mut self, index: usize, refresh: bool) {
        self.close_link(index);
        let refused = self.goes_wrong(Fault::TokenRefused);
        let short = self.dice.per_mille(self.plan.rate(Fault::TokenExpired))
            && self.phase == super::world::Phase::Faults;
        let life = if short {
            self.dice.between(1_000, 40_000)
        } else {
            1_000_000_000
        };
        let now = self.now;
        let device = &mut self.devices[index];
        if refresh || device.token.is_none() {
            let expires = now + life;
            device.token = Some((token(&device.user, expires, !refused), expires));
        }
        device.links += 1;
        let number = device.links;
        if let Some(run) = device.run.as_mut() {
            run.link = Some(Link { number, conn: None });
        }
        let wait = 1 + self.dice.below(self.plan.latency * 2);
        self.later(wait, Event::Dial(index, number));
    }

    /// A connection is made or not.
    pub(super) fn dialled(&mut self, index: usize, number: u64) {
        let current = self.devices[index].run.as_ref().and_then(|run| run.link);
        if current.is_none_or(|link| link.number != number) {
            return;
        }
        if self.goes_wrong(Fault::TokenUnavailable) {
            let input = if self.dice.per_mille(300) {
                Input::NoToken {
                    message: "signed out".to_owned(),
                }
            } else {
                Input::ConnectFailed {
                    code: Code::Other("token_unavailable".to_owned()),
                }
            };
            return self.put_inbox(index, number, input);
        }
        if !self.server.up || self.goes_wrong(Fault::ConnectFailed) {
            let code = Code::Other("unreachable".to_owned());
            return self.put_inbox(index, number, Input::ConnectFailed { code });
        }
        let conn = self.connect(index, number);
        if let Some(link) = self.devices[index].run.as_mut().and_then(|run| run.link.as_mut()) {
            link.conn = Some(conn);
        }
        let token = self.devices[index].token.as_ref().map(|(text, _)| text.clone());
        let name = self.devices[index].name.clone();
        self.say(&name, || format!("is connected, conn {conn}"));
        self.put_inbox(
            index,
            number,
            Input::Connected(Token::new(token.unwrap_or_default())),
        );
    }

    fn close_link(&mut self, index: usize) {
        let link = self.devices[index].run.as_mut().and_then(|run| run.link.take());
        if let Some(conn) = link.and_then(|link| link.conn) {
            self.device_closes(conn);
        }
    }

    /// Opens the timeline of a channel with all that is on disk, or returns the open one.
    pub(super) fn timeline(&mut self, index: usize, cid: &ChannelId) -> Result<Option<Timeline>, Violation> {
        let device = &mut self.devices[index];
        let Some(run) = device.run.as_mut() else {
            return Ok(None);
        };
        if let Some(open) = run.timelines.get(cid) {
            return Ok(Some(open.clone()));
        }
        let query = everything(cid, MessageScope::Channel);
        let page = or_broken(now_or(device.store.messages(&query))?)?;
        let open = run.state.open_timeline(cid.clone(), MessageScope::Channel, page);
        run.timelines.insert(cid.clone(), open.clone());
        Ok(Some(open))
    }

    /// Lets a mutant change what a device hears.
    fn weaken_frame(&mut self, index: usize, frame: ServerFrame) -> ServerFrame {
        match (self.mutant, frame) {
            (Some(Mutant::NoGapCheck), ServerFrame::Event(event)) => {
                let cursor = self.ghost.cursors[index].get(&event.stream);
                let from = cursor.map_or(0, |cursor| cursor.ver);
                let from = if from < event.to { from } else { event.from };
                ServerFrame::Event(StreamEvent { from, ..event })
            }
            (Some(Mutant::AckDropsEcho), ServerFrame::Results(mut results)) => {
                for result in &mut results.results {
                    if let Outcome::Accepted { steps } = &mut result.outcome {
                        steps.clear();
                    }
                }
                ServerFrame::Results(results)
            }
            (Some(Mutant::RetryNewId), ServerFrame::Results(mut results)) => {
                for result in &mut results.results {
                    result.id = self.ghost.original(result.id);
                }
                ServerFrame::Results(results)
            }
            (_, frame) => frame,
        }
    }

    /// Lets a mutant change what reaches the disk. Returns that, and whether the app dies in the middle of it.
    fn weaken_delta(&mut self, index: usize, delta: &Delta) -> (Delta, bool) {
        let mut written = delta.clone();
        match self.mutant {
            Some(Mutant::AttemptNotPersisted) => {
                for change in &mut written.changes {
                    if let Change::Outbox(item) = change {
                        item.attempted = false;
                    }
                }
            }
            Some(Mutant::CursorFirst) => {
                let cursor = |change: &Change| matches!(change, Change::Cursor(..));
                if written.changes.iter().any(cursor) && self.dice.per_mille(20) {
                    written.changes.retain(cursor);
                    return (written, true);
                }
            }
            Some(Mutant::NoVersionGuard) => {
                let store = &self.devices[index].store;
                for change in &mut written.changes {
                    let Change::Row(whimbrel_model::Row::Message(row)) = change else {
                        continue;
                    };
                    let known = now_or(store.message(row.id)).ok().and_then(Result::ok).flatten();
                    if let Some(known) = known.filter(|known| known.ver > row.ver) {
                        // The store holds the guard: this is how an older row gets past it.
                        row.ver = known.ver + 1;
                    }
                }
            }
            _ => {}
        }
        (written, false)
    }

    fn count_frame(&mut self, index: usize, frame: &ServerFrame) {
        let path = match frame {
            ServerFrame::Event(event) => self.event_path(index, event),
            ServerFrame::Page(page) => {
                if page.reset {
                    self.log.count("reset");
                }
                if page.reset && page.to.window.is_some_and(|window| window.lo > 1) {
                    self.log.count("reset_window");
                }
                let known = self.ghost.cursors[index].get(&page.stream);
                if known.is_some_and(|cursor| cursor.epoch != page.to.epoch) {
                    self.log.count("reset_epoch");
                }
                if page.more { "page_more" } else { "page" }
            }
            ServerFrame::Heads(page) if !page.heads.is_empty() => "heads_moved",
            ServerFrame::Results(results) => {
                let retried = |result: &OpResult| matches!(result.outcome, Outcome::Retry { .. });
                if !results.results.iter().any(retried) {
                    return;
                }
                "op_retried"
            }
            _ => return,
        };
        self.log.count(path);
    }

    fn event_path(&self, index: usize, event: &StreamEvent) -> &'static str {
        let cursor = self.ghost.cursors[index].get(&event.stream);
        match cursor.map_or(0, |cursor| cursor.ver) {
            ver if event.to <= ver => "event_old",
            ver if event.from == ver => "event_applied",
            _ if cursor.is_some_and(|cursor| cursor.window.is_some()) => "event_early",
            _ => "event_gap",
        }
    }

    fn count_notice(&mut self, notice: &whimbrel_sync::Notice) {
        let path = match notice {
            whimbrel_sync::Notice::Settled(_, Err(rejection)) if rejection.code == Code::ParentRejected => {
                "parent_rejected"
            }
            whimbrel_sync::Notice::History(_, Ok(())) => "history",
            whimbrel_sync::Notice::History(_, Err(_)) => "history_refused",
            _ => return,
        };
        self.log.count(path);
    }
}

/// Notes what an input allows.
fn note(input: &Input, allowed: &mut Allowed) {
    match input {
        Input::Frame(ServerFrame::Results(results)) => {
            let accepted = results
                .results
                .iter()
                .filter(|result| matches!(result.outcome, Outcome::Accepted { .. }));
            allowed.accepted.extend(accepted.map(|result| result.id));
        }
        Input::Frame(ServerFrame::Page(page)) if page.reset => {
            allowed.resets.insert(page.stream.clone());
        }
        _ => {}
    }
}

/// Asks a store for all messages of a channel or thread.
pub(super) fn everything(cid: &ChannelId, scope: MessageScope) -> MessageQuery {
    MessageQuery {
        cid: cid.clone(),
        scope,
        before: None,
        limit: 100_000,
    }
}

pub(super) fn or_broken<T>(result: Result<T, StoreError>) -> Result<T, Violation> {
    result.or_else(|error| violated("sim", error.to_string()))
}

/// Returns the channel's stream.
pub(super) fn stream_of(cid: &ChannelId) -> StreamId {
    StreamId::Channel(cid.clone())
}
