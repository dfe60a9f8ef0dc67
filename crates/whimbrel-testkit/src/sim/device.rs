//! A device: the real engine, the real state and a store, driven as the client's driver drives them.

use super::{
    Fault, Mutant, Violation,
    dice::Dice,
    ghost::Allowed,
    log::violated,
    marks::is_marks,
    observe::{Views, put_channel},
    presence::Beside,
    shelf::{Shelf, put_account},
    storage::now_or,
    watch::Watch,
    weaken::{weaken_rows, without_gaps},
    world::{Event, World, is_live},
};
use std::collections::{BTreeSet, VecDeque};
use whimbrel_model::{
    Change, ChannelId, Code, ConsentState, Delta, DeviceId, HistoryFrom, MessageQuery, MessageScope, OpId,
    StreamId, Timestamp, UserId,
};
use whimbrel_protocol::{ClientFrame, OpResult, Outcome, Results, ServerFrame};
use whimbrel_query::Query;
use whimbrel_state::State;
use whimbrel_store::{MemoryStore, Store as _, StoreError, StoreReader};
use whimbrel_sync::{Effects, Engine, EngineConfig, Env, Input, LinkAction, Notice, Status};

#[derive(Debug)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) user: UserId,
    /// What its database is called, once it has one.
    pub(super) id: Option<DeviceId>,
    /// Of the channel list on its screen.
    pub(super) query: Query,
    /// How patient its engine is, and what it follows.
    pub(super) config: EngineConfig,
    pub(super) store: MemoryStore,
    /// Every commit, for a mutant whose disk lies.
    pub(super) commits: Vec<Delta>,
    pub(super) run: Option<Run>,
    /// Counts the starts of the app.
    pub(super) life: u64,
    pub(super) wall_offset: i64,
    pub(super) wants_online: bool,
    pub(super) token: Option<(String, u64)>,
    pub(super) links: u64,
    pub(super) dice: Dice,
}

/// The app while it runs.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) engine: Engine,
    pub(super) state: State,
    pub(super) views: Views,
    pub(super) watch: Watch,
    pub(super) beside: Beside,
    pub(super) link: Option<Link>,
    pub(super) inbox: VecDeque<(u64, Input)>,
    /// Its clock began with this when the app started.
    mono_offset: u64,
    /// What has left before.
    pub(super) left: BTreeSet<OpId>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) number: u64,
    pub(super) conn: Option<u64>,
}

/// Something to do with the engine, besides what waits in the inbox.
pub(super) type Act<'a> = &'a mut dyn FnMut(&mut Engine, &mut Env<'_>) -> Option<Effects>;

impl Device {
    pub(super) fn new(name: String, user: UserId, query: Query, config: EngineConfig, dice: Dice) -> Self {
        Self {
            name,
            user,
            id: None,
            query,
            config,
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

    /// Returns how its engine is set up; a mutant follows everything.
    fn set_up(&self, mutant: Option<Mutant>) -> EngineConfig {
        let mut config = self.config.clone();
        if mutant == Some(Mutant::DeniedFollowed) {
            config.follow_consent =
                [ConsentState::Allowed, ConsentState::Unknown, ConsentState::Denied].into();
        }
        config
    }

    pub(super) fn next_wake(&self) -> Option<u64> {
        let run = self.run.as_ref()?;
        Some(run.engine.next_wake()?.saturating_sub(run.mono_offset))
    }

    pub(super) fn is_done(&self) -> bool {
        let Some(run) = &self.run else { return false };
        let waits = run.state.outbox().iter().any(|item| item.rejection().is_none());
        is_live(&run.engine.status()) && !waits && !run.engine.owes_delivered() && run.inbox.is_empty()
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
        self.ghost.check_cursors(index, &loaded, self.mutant)?;
        self.ghost.cursors[index] = loaded.cursors.clone();
        let outbox = loaded.outbox.clone();
        let owed = loaded.undelivered.clone();
        let other = UserId::new("eve")
            .ok()
            .filter(|_| counter || self.dice.per_mille(50));
        let config = device.set_up(self.mutant);
        let mut env = Env {
            mono: self.now + mono_offset,
            wall: Timestamp(
                1_764_000_000_000 + i64::try_from(self.now).unwrap_or_default() + device.wall_offset,
            ),
            entropy: &mut device.dice,
        };
        if let Some(other) = other
            && loaded.account.is_some()
            && Engine::load(loaded.clone(), &other, device.config.clone(), &mut env).is_ok()
        {
            return violated("C13", format!("{other} opened the database of {}", device.user));
        }
        let (engine, effects) = match Engine::load(loaded, &device.user, config, &mut env) {
            Ok(loaded) => loaded,
            Err(error) => return violated("sim", error.to_string()),
        };
        device.life += 1;
        let id = engine.account().device;
        device.id = Some(id);
        self.ghost.marks.is(index, id);
        let state = State::new(device.user.clone(), outbox);
        put_account(&state, &device.store)?;
        let views = Views::open(&state, device, self.plan.list_rows)?;
        device.run = Some(Run {
            engine,
            views,
            state,
            watch: Watch::default(),
            beside: Beside::default(),
            link: None,
            inbox: VecDeque::new(),
            mono_offset,
            left: BTreeSet::new(),
        });
        let online = device.wants_online;
        let name = device.name.clone();
        self.wake_later(index);
        self.say(&name, || format!("starts, and owes {owed:?}"));
        self.carry_out(index, effects, &Allowed::default())?;
        self.watch_presence(index)?;
        self.introduce(index)?;
        if online {
            self.go_online(index)?;
        }
        Ok(())
    }

    /// Ends the app of a device without a warning.
    pub(super) fn kill(&mut self, index: usize, why: &str) {
        if let Some(conn) = self.ends(index, why) {
            self.device_closes(conn);
        }
        let wait = self.dice.between(20, 5_000);
        self.comes_back(index, wait);
    }

    /// Ends a device without a word to anyone: its battery is empty.
    pub(super) fn vanish(&mut self, index: usize) {
        if let Some(conn) = self.ends(index, "and nobody hears of it") {
            self.device_vanishes(conn);
        }
        let wait = self.dice.between(1_000, 300_000);
        self.comes_back(index, wait);
    }

    fn comes_back(&mut self, index: usize, wait: u64) {
        let life = self.devices[index].life;
        self.later(wait, Event::Start(index, life));
    }

    /// Ends the app of a device. Returns its connection.
    fn ends(&mut self, index: usize, why: &str) -> Option<u64> {
        let run = self.devices[index].run.take()?;
        self.wake_later(index);
        let name = self.devices[index].name.clone();
        self.say(&name, || format!("dies {why}"));
        if self.mutant == Some(Mutant::ClientLazySync) {
            self.lose_power(index);
        }
        run.link.and_then(|link| link.conn)
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
        let done = act(&mut run.engine, &mut env);
        self.wake_later(index);
        Some(done)
    }

    /// Somebody wants the device to be online.
    pub(super) fn go_online(&mut self, index: usize) -> Result<(), Violation> {
        let device = &mut self.devices[index];
        device.wants_online = true;
        if let Some(run) = device.run.as_mut() {
            run.watch.insists = true;
        }
        self.command(index, &mut |engine, env| {
            Some(engine.handle(Input::GoOnline, env))
        })?;
        if let Some(run) = self.devices[index].run.as_mut() {
            run.watch.insists = false;
        }
        Ok(())
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

    pub(super) fn take_inbox(&mut self, index: usize) -> (Effects, Allowed) {
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

    /// Commits, shows, sends, connects: or dies at one of these. Returns whether the commit happened.
    pub(super) fn carry_out(
        &mut self,
        index: usize,
        mut effects: Effects,
        allowed: &Allowed,
    ) -> Result<bool, Violation> {
        if self.devices[index].run.is_none() {
            return Ok(false);
        }
        self.weaken_effects(&mut effects.delta);
        if self.mutant == Some(Mutant::MarkBeforeCommit) {
            for frame in effects
                .frames
                .extract_if(.., |frame| is_marks(frame))
                .collect::<Vec<_>>()
            {
                self.send(index, frame)?;
            }
        }
        if !effects.delta.is_empty() && !self.commit_delta(index, &effects.delta, allowed)? {
            return Ok(false);
        }
        self.look(index);
        for notice in &effects.notices {
            self.count_notice(notice);
            self.heeds(index, notice);
            if let Notice::CaughtUp(ticket) = notice {
                self.check_caught_up(index, *ticket)?;
            }
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
            Some(LinkAction::Connect { refresh_token }) => self.dial(index, refresh_token)?,
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
        let busy = self.goes_wrong(Fault::StoreBusy);
        if busy && self.dice.per_mille(500) {
            self.kill(index, "as a commit fails");
            return Ok(false);
        }
        if let Some(run) = &self.devices[index].run {
            run.watch.check_moves(&self.ghost.cursors[index], delta)?;
        }
        let (written, dies) = self.weaken_delta(index, delta);
        let device = &mut self.devices[index];
        if self.mutant == Some(Mutant::ClientLazySync) || self.plan.travels {
            device.commits.push(written.clone());
        }
        or_broken(now_or(device.store.apply(&written))?)?;
        self.ghost.committed(index, delta, allowed)?;
        self.check_shows(index, delta)?;
        if busy {
            self.kill(index, "as a commit fails, which was carried out");
            return Ok(false);
        }
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
        let stale = match self.mutant {
            Some(Mutant::NoOverlay) => {
                let mut rows = delta.clone();
                rows.changes.retain(|change| !matches!(change, Change::Outbox(_)));
                run.state.reduce(&rows)
            }
            Some(Mutant::GapUnmarked) => run.state.reduce(&without_gaps(delta)),
            _ => run.state.reduce(delta),
        };
        let store = &self.devices[index].store;
        Shelf::reduce(&run.state, store, &stale)?;
        for cid in stale.channels {
            put_channel(&run.state, store, &cid)?;
        }
        for query in stale.messages {
            let page = or_broken(now_or(store.messages(&query))?)?;
            run.state.put_messages(&query, weaken_rows(self.mutant, page));
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
        let now = self.now;
        let name = self.devices[index].name.clone();
        if ops.ops.iter().all(|op| op.op.leaves_no_result()) {
            return self.send_marks(index, conn, ops, &loaded);
        }
        if let Some(run) = self.devices[index].run.as_mut() {
            run.watch.leaves(&ops.ops, now)?;
        }
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

    /// A device that begins tells the account of itself, mostly.
    fn introduce(&mut self, index: usize) -> Result<(), Violation> {
        if self.devices[index].life > 1 || self.plan.day || self.dice.per_mille(200) {
            return Ok(());
        }
        self.register(index).map_or(Ok(()), |op| self.does(index, &op))
    }

    fn count_notice(&mut self, notice: &Notice) {
        let path = match notice {
            Notice::Settled(_, Err(rejection)) if rejection.code == Code::ParentRejected => "parent_rejected",
            Notice::History(_, Ok(())) => "history",
            Notice::History(_, Err(_)) => "history_refused",
            Notice::Answered(_, Ok(_)) => "answered",
            Notice::Answered(_, Err(_)) => "not_answered",
            Notice::Discontinuity(_) => "discontinuity",
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
        from: HistoryFrom::Newest,
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
