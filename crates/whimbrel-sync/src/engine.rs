use crate::{
    CommandError, Effects, EngineConfig, Env, HistoryError, IdSource, LinkAction, Notice, Status,
    barrier::Barriers,
    consent::Consents,
    outbox::{Outbox, Unsent},
    presence::Wanted,
    scope::Scopes,
    session::Phase,
    streams::Streams,
    synced::Synced,
    typing::Typing,
    watchers::Watched,
};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{
    Account, Change, ChannelId, Code, DeviceId, Epoch, HistoryFrom, Loaded, MessageBody, Op, OpId, Rejection,
    StreamId, Timestamp, UserId,
};
use whimbrel_protocol::{ClientFrame, OpResult, Ops, Outcome, ServerFrame, Token};

/// The engine. See the crate's documentation.
#[derive(Debug)]
pub struct Engine {
    pub(crate) config: EngineConfig,
    pub(crate) account: Account,
    ids: IdSource,
    pub(crate) phase: Phase,
    /// Failures to get live in a row.
    pub(crate) failures: u32,
    /// Whether the last token was refused.
    pub(crate) refresh_token: bool,
    pub(crate) outbox: Outbox,
    pub(crate) streams: Streams,
    pub(crate) heads_token: Option<(Epoch, String)>,
    pub(crate) epoch: Epoch,
    pub(crate) requests: Requests,
    pub(crate) barriers: Barriers,
    /// What is synced by hand.
    pub(crate) scopes: Scopes,
    pub(crate) synced: Synced,
    pub(crate) typing: Typing,
    /// Pages in a row that moved no cursor although there was more.
    pub(crate) fruitless_pulls: u32,
    pub(crate) presence: Wanted,
    pub(crate) watched: Watched,
    /// The server's clock, and when it was so on the monotonic one.
    pub(crate) clock: Option<(Timestamp, u64)>,
    /// When somebody is denied no longer.
    pub(crate) consent_ends: Option<u64>,
    /// What this connection was told not to send.
    pub(crate) told_unwatched: BTreeSet<ChannelId>,
}

/// What was asked on this connection and has no answer yet.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    last_id: u64,
    pub(crate) sent: BTreeMap<u64, (u64, Request)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Request {
    Heads,
    Page(StreamId),
    /// After this many snapshots of the channel.
    History {
        snapshots: u64,
    },
    Question,
    /// Rows of channels, for a sync by hand.
    Rows(u64),
    /// Of these.
    Presence(Vec<UserId>),
    Parcel,
}

/// What happens to the engine from outside.
#[derive(Debug)]
pub enum Input {
    /// Be connected from now on; after [`Status::NeedsAuth`] or [`Status::Failed`]: try again.
    GoOnline,
    /// Be disconnected from now on, until told otherwise.
    GoOffline,
    /// A link is up; this is the token to say hello with.
    Connected(Token),
    /// A link could not be made, or a token could not be had.
    ConnectFailed {
        /// Why.
        code: Code,
    },
    /// There is no token to be had: the account is signed out.
    NoToken {
        /// What the token provider said.
        message: String,
    },
    /// A frame came.
    Frame(ServerFrame),
    /// The link ended by itself.
    Closed {
        /// Why.
        code: Code,
    },
    /// The system says that the network has changed: a wait for the next attempt ends if it is there, and a connection is asked
    /// whether it is still one.
    Network {
        /// Whether there is one now.
        is_there: bool,
    },
    /// The moment of [`Engine::next_wake`] has come. Harmless at any other time.
    Timer,
}

impl Requests {
    pub(crate) fn add(&mut self, request: Request, now: u64) -> u64 {
        self.last_id += 1;
        self.sent.insert(self.last_id, (now, request));
        self.last_id
    }

    /// Returns the number of the next request.
    pub(crate) const fn next_id(&self) -> u64 {
        self.last_id + 1
    }

    pub(crate) fn take(&mut self, id: u64) -> Option<Request> {
        self.sent.remove(&id).map(|(_, request)| request)
    }

    /// Takes what was asked under this number, if an answer of this kind answers it. An answer of another kind is none, and what
    /// was asked waits on.
    pub(crate) fn take_if(&mut self, id: u64, answers: impl Fn(&Request) -> bool) -> Option<Request> {
        let (_, request) = self.sent.get(&id)?;
        if answers(request) { self.take(id) } else { None }
    }

    pub(crate) fn oldest(&self) -> Option<u64> {
        self.sent.values().map(|(at, _)| *at).min()
    }
}

impl Engine {
    /// Builds an engine from what a store holds. `user` is who opens it; a new database becomes theirs.
    ///
    /// The engine starts offline. The effects hold a delta only for a new database.
    ///
    /// # Errors
    /// [`CommandError::WrongAccount`] when the database belongs to another user.
    pub fn load(
        loaded: Loaded,
        user: &UserId,
        config: EngineConfig,
        env: &mut Env<'_>,
    ) -> Result<(Self, Effects), CommandError> {
        let mut ids = IdSource::default();
        let mut effects = Effects::default();
        let account = match loaded.account {
            Some(account) if account.user == *user => account,
            Some(account) => {
                return Err(CommandError::WrongAccount {
                    owner: account.user,
                    asked: user.clone(),
                });
            }
            None => {
                let account = Account {
                    user: user.clone(),
                    device: DeviceId(ids.next(env)),
                };
                effects.delta.push(Change::Account(account.clone()));
                account
            }
        };
        let consents = Consents::load(loaded.memberships, loaded.contacts, &config);
        let engine = Self {
            config,
            ids,
            phase: Phase::Offline,
            failures: 0,
            refresh_token: false,
            outbox: Outbox::load(loaded.outbox),
            streams: Streams::load(
                &account,
                loaded.cursors,
                loaded.heads,
                loaded.ranges,
                loaded.undelivered,
            )
            .deciding_by(consents),
            heads_token: loaded
                .heads_token
                .as_deref()
                .and_then(crate::catch_up::parse_token),
            epoch: Epoch::default(),
            requests: Requests::default(),
            barriers: Barriers::default(),
            scopes: Scopes::default(),
            clock: None,
            consent_ends: None,
            told_unwatched: BTreeSet::new(),
            synced: Synced::new(loaded.synced_at),
            typing: Typing::default(),
            fruitless_pulls: 0,
            presence: Wanted::default(),
            watched: Watched::default(),
            account,
        };
        Ok((engine, effects))
    }

    /// Takes the streams of what a store holds, after [`Engine::load`] was given it without them. The engine must not be
    /// asked for a stream before, nor go online.
    pub fn load_streams(&mut self, loaded: Loaded) {
        let account = &self.account;
        let consents = Consents::load(loaded.memberships, loaded.contacts, &self.config);
        self.streams = Streams::load(
            account,
            loaded.cursors,
            loaded.heads,
            loaded.ranges,
            loaded.undelivered,
        )
        .deciding_by(consents);
    }

    /// Returns who the database belongs to.
    #[must_use]
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// Makes an id for a new object, unique for ever.
    pub fn new_id(&mut self, env: &mut Env<'_>) -> uuid::Uuid {
        self.ids.next(env)
    }

    /// Queues an operation. Once the effects' delta is committed it will reach the server, whatever happens.
    ///
    /// One that comes to the same with an earlier one that was never sent goes up in it, and one that undoes it leaves
    /// with it ([`Op::merged_with`]): the id is not in the outbox then, and [`Notice::Settled`] comes for it all the same.
    ///
    /// # Errors
    /// [`CommandError::Invalid`], [`CommandError::OutboxFull`]; nothing was queued.
    pub fn enqueue(&mut self, op: Op, env: &mut Env<'_>) -> Result<(OpId, Effects), CommandError> {
        let id = OpId(self.ids.next(env));
        let mut effects = Effects::default();
        let written = match &op {
            Op::SendMessage { cid, parent, .. } => Some((cid.clone(), *parent)),
            _ => None,
        };
        self.outbox
            .enqueue(id, op, &self.account.user, env, &mut effects.notices)?;
        if let Some(place) = written {
            // Who writes in a channel allows it, if nothing was decided.
            if self.streams.aside.contains(&place.0) {
                self.outbox.note_decided();
            }
            self.stop_typing_at(place, &mut effects);
        }
        Ok((id, self.finish(effects, env)))
    }

    /// Removes a rejected operation, or one that was never sent, with its content.
    ///
    /// # Errors
    /// [`CommandError::NotInOutbox`], [`CommandError::Attempted`].
    pub fn discard(&mut self, id: OpId, env: &mut Env<'_>) -> Result<Effects, CommandError> {
        let mut effects = Effects::default();
        self.outbox.discard(id, env.mono, &mut effects.notices)?;
        Ok(self.finish(effects, env))
    }

    /// Queues a rejected operation again, under a new id, at the end.
    ///
    /// # Errors
    /// [`CommandError::NotInOutbox`], [`CommandError::NotRejected`], [`CommandError::OutboxFull`].
    pub fn repeat(&mut self, id: OpId, env: &mut Env<'_>) -> Result<(OpId, Effects), CommandError> {
        let new_id = OpId(self.ids.next(env));
        self.outbox.repeat(id, None, new_id, &self.config, env)?;
        Ok((new_id, self.finish(Effects::default(), env)))
    }

    /// Queues a rejected message or edit again as [`Engine::repeat`] does, with another body.
    ///
    /// # Errors
    /// As [`Engine::repeat`], and [`CommandError::Invalid`] when the operation has no body, or not one like this.
    pub fn repeat_with(
        &mut self,
        id: OpId,
        body: MessageBody,
        env: &mut Env<'_>,
    ) -> Result<(OpId, Effects), CommandError> {
        let new_id = OpId(self.ids.next(env));
        self.outbox.repeat(id, Some(body), new_id, &self.config, env)?;
        Ok((new_id, self.finish(Effects::default(), env)))
    }

    /// Queues everything that was rejected again, oldest first. What cannot be queued any more stays as it is.
    pub fn repeat_all(&mut self, env: &mut Env<'_>) -> (Vec<OpId>, Effects) {
        let mut repeated = Vec::new();
        for id in self.outbox.rejected() {
            let new_id = OpId(self.ids.next(env));
            if self.outbox.repeat(id, None, new_id, &self.config, env).is_ok() {
                repeated.push(new_id);
            }
        }
        (repeated, self.finish(Effects::default(), env))
    }

    /// Replaces the body of a message or an edit that was never sent, in its place and under its id.
    ///
    /// # Errors
    /// [`CommandError::NotInOutbox`], [`CommandError::Attempted`], [`CommandError::Invalid`]; nothing was changed.
    pub fn amend(&mut self, id: OpId, body: MessageBody, env: &mut Env<'_>) -> Result<Effects, CommandError> {
        self.outbox.amend(id, body)?;
        Ok(self.finish(Effects::default(), env))
    }

    /// Returns why an operation is not decided yet. Absent: it is not in the outbox.
    #[must_use]
    pub fn unsent(&self, id: OpId) -> Option<Unsent> {
        let connected = matches!(self.phase, Phase::Online(_));
        self.outbox.unsent(id, connected, &self.config)
    }

    /// Returns the moment, on the monotonic clock, before which an operation is not tried again: that of the next
    /// connection, or that of its lane after a refusal for now. Absent: it waits for no moment.
    #[must_use]
    pub fn next_attempt(&self, id: OpId) -> Option<u64> {
        let retry = self.outbox.retry_at(id)?;
        match &self.phase {
            Phase::Waiting { until, .. } => Some(*until),
            Phase::Online(_) => retry,
            _ => None,
        }
    }

    /// Asks the server for up to `limit` messages of some place of a channel. Returns the number that names the answer in
    /// [`Notice::History`].
    ///
    /// They become a run of what is on the device, wherever they stand. What lies between that and the newest is filled in
    /// the background only as far as [`EngineConfig::fill_messages`] goes.
    ///
    /// # Errors
    /// [`HistoryError::NotConnected`] when there is no live connection.
    pub fn fetch_history(
        &mut self,
        cid: ChannelId,
        from: HistoryFrom,
        limit: u32,
        env: &Env<'_>,
    ) -> Result<(u64, Effects), HistoryError> {
        if !matches!(self.phase, Phase::Online(_)) {
            return Err(HistoryError::NotConnected);
        }
        let snapshots = self.streams.snapshots(&cid);
        let id = self.requests.add(Request::History { snapshots }, env.mono);
        let frame = ClientFrame::History(whimbrel_protocol::History { id, cid, from, limit });
        Ok((
            id,
            Effects {
                frames: vec![frame],
                ..Effects::default()
            },
        ))
    }

    /// Returns the first sequence of the run that ends right before `before` and is on the device and kept up to date;
    /// `before` itself if there is none.
    #[must_use]
    pub fn fresh_start(&self, cid: &ChannelId, before: u64) -> u64 {
        self.streams.fresh_start(cid, before)
    }

    /// Returns the last sequence of the run that begins right after `after` and is on the device and kept up to date; `after`
    /// itself if there is none.
    #[must_use]
    pub fn fresh_end(&self, cid: &ChannelId, after: u64) -> u64 {
        self.streams.fresh_end(cid, after)
    }

    /// Returns whether every message of `lo..=hi` is on the device and kept up to date. An empty run is.
    #[must_use]
    pub fn is_fresh(&self, cid: &ChannelId, lo: u64, hi: u64) -> bool {
        self.streams.is_fresh(cid, lo, hi)
    }

    /// Returns the newest known sequence of a channel.
    #[must_use]
    pub fn head_seq(&self, cid: &ChannelId) -> u64 {
        self.streams.head_seq(cid)
    }

    /// Says whether a channel is on the screen: those are caught up first.
    pub fn set_visible(&mut self, cid: &ChannelId, visible: bool) {
        self.streams.set_visible(cid, visible);
    }

    /// Returns where the engine is on its way to being up to date.
    #[must_use]
    pub fn status(&self) -> Status {
        match &self.phase {
            Phase::Offline => Status::Offline,
            Phase::Waiting { until, reason } => Status::BackingOff {
                until: *until,
                reason: reason.clone(),
            },
            Phase::Connecting { .. } => Status::Connecting,
            Phase::Greeting { .. } => Status::Authenticating,
            Phase::Online(_) if self.is_current() && self.streams.following => Status::Live,
            Phase::Online(_) => Status::CatchingUp {
                behind: self.streams.behind(),
            },
            Phase::NeedsAuth { message } => Status::NeedsAuth {
                message: message.clone(),
            },
            Phase::Failed { message } => Status::Failed {
                message: message.clone(),
            },
            Phase::Revoked { message } => Status::Revoked {
                message: message.clone(),
            },
        }
    }

    /// Returns whether everything that is wanted and known of is here.
    fn is_current(&self) -> bool {
        let known = matches!(&self.phase, Phase::Online(online) if online.heads_known);
        known && self.streams.behind() == 0
    }

    /// Returns the moment, on the monotonic clock, at which the engine wants [`Input::Timer`].
    #[must_use]
    pub fn next_wake(&self) -> Option<u64> {
        match &self.phase {
            Phase::Waiting { until, .. } => Some(*until),
            Phase::Connecting { since } => Some(since + self.config.connect_ms),
            Phase::Greeting { since } => Some(since + self.config.answer_ms),
            Phase::Online(online) => {
                let silent = online.last_heard + online.heartbeat_ms * 5 / 2;
                let unanswered = self.oldest_unanswered().map(|at| at + self.config.answer_ms);
                let marks = self.streams.receipts.next_round();
                let retries = [self.outbox.next_retry(), self.streams.next_retry(), marks];
                let others = retries.into_iter().flatten().chain(unanswered);
                let others = others.chain(self.typing.next_end()).chain(self.consent_ends);
                let probe = online.probe_ends(self.config.probe_ms);
                others.chain([online.next_heartbeat, silent]).chain(probe).min()
            }
            Phase::Offline | Phase::NeedsAuth { .. } | Phase::Failed { .. } | Phase::Revoked { .. } => None,
        }
    }

    /// Takes one input. The effects must be carried out, in order, before the next one's.
    pub fn handle(&mut self, input: Input, env: &mut Env<'_>) -> Effects {
        let mut effects = Effects::default();
        match input {
            Input::GoOnline => self.go_online(&mut effects, env),
            Input::GoOffline => {
                let code = Code::Other("offline".to_owned());
                self.lose_connection(&code, &mut effects);
                if !matches!(self.phase, Phase::Offline | Phase::Waiting { .. }) {
                    effects.link = Some(LinkAction::Close { code });
                }
                self.phase = Phase::Offline;
            }
            Input::Connected(token) => self.greet(token, &mut effects, env),
            Input::ConnectFailed { code } => {
                if matches!(self.phase, Phase::Connecting { .. }) {
                    self.back_off(code, None, env);
                }
            }
            Input::NoToken { message } => {
                if matches!(self.phase, Phase::Connecting { .. }) {
                    self.phase = Phase::NeedsAuth { message };
                }
            }
            Input::Frame(frame) => self.frame(frame, &mut effects, env),
            Input::Closed { code } => {
                if matches!(self.phase, Phase::Greeting { .. } | Phase::Online(_)) {
                    self.lose_connection(&code, &mut effects);
                    self.back_off(code, None, env);
                }
            }
            Input::Network { is_there } => self.network_changed(is_there, &mut effects, env),
            Input::Timer => self.timer(&mut effects, env),
        }
        self.finish(effects, env)
    }

    fn frame(&mut self, frame: ServerFrame, effects: &mut Effects, env: &mut Env<'_>) {
        if let ServerFrame::Bye(bye) = frame {
            return self.bye(bye, effects, env);
        }
        match (&mut self.phase, frame) {
            (Phase::Greeting { .. }, ServerFrame::Ready(ready)) => self.ready(&ready, effects, env),
            (Phase::Online(online), frame) => {
                online.last_heard = env.mono;
                self.live_frame(frame, effects, env);
            }
            // A frame of a connection that was given up.
            _ => {}
        }
    }

    fn live_frame(&mut self, frame: ServerFrame, effects: &mut Effects, env: &mut Env<'_>) {
        match frame {
            ServerFrame::Results(results) => {
                for result in results.results {
                    self.result(result, effects, env);
                }
            }
            ServerFrame::Event(step) => self.streams.event(step, &mut effects.delta),
            ServerFrame::Heads(page) => self.heads(page, effects, env),
            ServerFrame::Page(page) => self.page(page, effects, env),
            ServerFrame::History(page) => {
                let is_history = |request: &Request| matches!(request, Request::History { .. });
                if let Some(Request::History { snapshots }) = self.requests.take_if(page.id, is_history) {
                    self.streams.history(&page, snapshots, &mut effects.delta);
                    if !self.filled(&page) {
                        effects.notices.push(Notice::History(page.id, Ok(())));
                    }
                }
            }
            ServerFrame::Answer(answer) => self.answered(answer, effects),
            ServerFrame::Presence(presence) => self.told_presence(presence, effects),
            ServerFrame::Parcel(page) => self.carried(page, effects),
            ServerFrame::Watchers(news) => self.heard_watchers(news, effects),
            ServerFrame::Typing(heard) => self.heard_typing(heard, effects, env),
            ServerFrame::Failed(failed) => self.failed(failed, effects, env),
            ServerFrame::Ready(_) | ServerFrame::Bye(_) => {}
        }
    }

    fn result(&mut self, result: OpResult, effects: &mut Effects, env: &mut Env<'_>) {
        let OpResult { id, outcome } = result;
        if let Some(mark) = self.streams.receipts.take(id) {
            return self.marked(mark, outcome, &mut effects.delta, env);
        }
        match outcome {
            Outcome::Accepted { steps } => {
                for step in steps {
                    self.streams.answer(step, &mut effects.delta);
                }
                self.outbox.accept(id, env.mono, &mut effects.notices);
            }
            Outcome::Rejected { code, message } => {
                let rejection = Rejection {
                    code,
                    message,
                    parent: None,
                };
                self.outbox
                    .reject(id, rejection, &self.config, env.mono, &mut effects.notices);
            }
            Outcome::Retry {
                code, retry_after_ms, ..
            } => {
                self.outbox
                    .retry_later(id, code, retry_after_ms, &self.config, env);
            }
        }
    }

    /// Sends what can be sent now, asks for what is missing, and writes down what changed.
    pub(crate) fn finish(&mut self, mut effects: Effects, env: &mut Env<'_>) -> Effects {
        self.judge_consents(&mut effects, env);
        if matches!(self.phase, Phase::Online(_)) {
            self.advance_scopes(&mut effects, env);
            for ops in self
                .outbox
                .take_sendable(env.mono, &self.config)
                .chunks(whimbrel_model::limits::OPS_PER_BATCH)
            {
                effects.frames.push(ClientFrame::Ops(Ops { ops: ops.to_vec() }));
            }
            self.pull(&mut effects, env);
            self.fill(&mut effects, env);
            self.mark_delivered(&mut effects, env);
            self.tell_caught_up(&mut effects);
            if self.is_current() {
                self.failures = 0;
                self.note_synced(&mut effects);
            }
        } else {
            self.advance_scopes(&mut effects, env);
        }
        self.outbox.flush(&mut effects.delta);
        effects
    }
}
