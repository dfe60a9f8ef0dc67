//! The one task that owns the engine: inputs in, effects carried out in order.

mod act;
mod asked;
mod behind;
mod devices;
mod lifecycle;
mod lists;
mod local;
mod objects;
mod older;
mod people;
mod places;
mod presences;
mod questions;
mod receipts;
mod recover;
mod streams;
mod threads;
mod visits;
mod watchers;

use crate::{
    Environment, Error, Notice, Queued, TokenProvider,
    command::{Command, Reply},
    environment::Monotonic,
    link::{Dialer, INPUTS, Link, LinkInput},
    queued::Settled,
};
pub(crate) use devices::system_name;
use futures_util::FutureExt;
pub(crate) use local::{Import, Imported, Refused};
use std::{
    collections::{HashMap, HashSet},
    future::pending,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
pub(crate) use visits::Visit;
use whimbrel_model::{ChannelId, Code, Delta, Loaded, MessageId, OpId, Rejection, UserId};
use whimbrel_state::{ConsentChange, State};
use whimbrel_store::Store;
use whimbrel_sync::{CommandError, Effects, Engine, EngineConfig, Entropy, Env, HistoryError, Input};
use whimbrel_transport::Connector;

/// Inputs whose effects are committed together. One commit for a burst of frames is what makes catching up fast; more
/// would only make a caller in the middle of it wait longer.
const INPUTS_PER_COMMIT: usize = 64;

/// What a driver is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) state: State,
    pub(crate) environment: Arc<dyn Environment>,
    pub(crate) clock: Monotonic,
    pub(crate) config: EngineConfig,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) tokens: Arc<dyn TokenProvider>,
    pub(crate) tasks: TaskTracker,
    pub(crate) notices: broadcast::Sender<Notice>,
    pub(crate) consents: broadcast::Sender<ConsentChange>,
    /// What this device is called until its owner names it.
    pub(crate) device_name: String,
    /// Whether inputs are taken one at a time.
    pub(crate) sequential: bool,
}

/// The client's randomness as the engine wants it.
pub(crate) struct Draw<'a>(pub(crate) &'a dyn Environment);

impl Entropy for Draw<'_> {
    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}

#[derive(Debug)]
pub(crate) struct Driver {
    parts: Parts,
    engine: Engine,
    streams: streams::Streams,
    inputs: mpsc::Receiver<LinkInput>,
    dialer: Dialer,
    link: Option<Link>,
    links: u64,
    /// The link on which it was last looked whether this device is registered.
    registered_on: u64,
    /// The link did not take a frame: it is over.
    stuck: Option<Code>,
    /// Who waits for the decision on an operation.
    waiting: HashMap<OpId, oneshot::Sender<Settled>>,
    /// Who waits for messages from the server.
    older: HashMap<u64, older::Waiting>,
    older_arrived: Vec<(older::Waiting, Result<(), HistoryError>)>,
    /// Who waits for a gap to be filled.
    filling: HashMap<u64, Reply<()>>,
    /// Who waits for the server to know of all that is here.
    telling: Vec<Reply<()>>,
    /// Who waits for the answer to a question.
    questions: HashMap<u64, Reply<whimbrel_protocol::Answer>>,
    /// Who waits for a part of a parcel.
    parcels: HashMap<u64, Reply<whimbrel_protocol::ParcelPage>>,
    presences: presences::Presences,
    watchers: watchers::OpenWatchers,
    behind: behind::Behind,
    /// Timelines that are open, or were a heartbeat ago: their channels are caught up first.
    opened: HashSet<ChannelId>,
    wants_online: bool,
    visits: visits::Visits,
    /// There is no engine to ask until then.
    broken: Option<recover::Broken>,
    store_failures: u32,
    /// The store has let go of the database: nothing is written, read or sent.
    is_suspended: bool,
    /// When something that is shown ends by itself, like a mute. Milliseconds of the monotonic clock.
    ends: Option<u64>,
    /// The end of the wait that observers were told of.
    told_wait: Option<u64>,
    /// What ended the last link, in words, if it said so itself.
    link_words: Option<String>,
}

/// What one round collects until it is committed.
#[derive(Default)]
struct Round {
    effects: Effects,
    /// Answers to give once the delta is committed, or with its error.
    answers: Vec<Answer>,
    end: Option<lifecycle::End>,
}

type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;

enum Event {
    Command(Option<Command>),
    Input(LinkInput),
    Streams(Result<Loaded, Error>),
    Timer,
    /// Somebody who wanted a connection is gone.
    Left,
    Stop,
}

/// Builds an engine from what a store holds, and returns what has to be written before it is used.
pub(crate) fn start_engine(
    loaded: Loaded,
    user: &UserId,
    config: &EngineConfig,
    environment: &dyn Environment,
    clock: Monotonic,
) -> Result<(Engine, Delta), CommandError> {
    let mut entropy = Draw(environment);
    let mut env = Env {
        mono: clock.millis(),
        wall: environment.wall(),
        entropy: &mut entropy,
    };
    let (engine, effects) = Engine::load(loaded, user, config.clone(), &mut env)?;
    Ok((engine, effects.delta))
}

impl Driver {
    pub(crate) fn new(parts: Parts, engine: Engine) -> Self {
        let (sender, inputs) = mpsc::channel(INPUTS);
        let dialer = Dialer {
            connector: Arc::clone(&parts.connector),
            tokens: Arc::clone(&parts.tokens),
            inputs: sender,
            tasks: parts.tasks.clone(),
        };
        Self {
            parts,
            engine,
            streams: streams::Streams::Unread,
            inputs,
            dialer,
            link: None,
            links: 0,
            registered_on: 0,
            stuck: None,
            waiting: HashMap::new(),
            older: HashMap::new(),
            older_arrived: Vec::new(),
            filling: HashMap::new(),
            telling: Vec::new(),
            questions: HashMap::new(),
            parcels: HashMap::new(),
            presences: presences::Presences::default(),
            watchers: watchers::OpenWatchers::default(),
            behind: behind::Behind::default(),
            opened: HashSet::new(),
            wants_online: false,
            visits: visits::Visits::default(),
            broken: None,
            store_failures: 0,
            is_suspended: false,
            ends: None,
            told_wait: None,
            link_words: None,
        }
    }

    /// Runs until it is told to close, until the last handle is gone, or until `stop`.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>, stop: CancellationToken) {
        let end = loop {
            // A panic is a mistake in this program. It must not be what keeps a user's messages from being sent.
            match AssertUnwindSafe(self.serve(&mut commands, &stop))
                .catch_unwind()
                .await
            {
                Ok(end) => break end,
                Err(panic) => self.start_over(panic.as_ref()),
            }
        };
        self.finish(end).await;
    }

    /// Takes one event after the other until it is over. Returns who is to be told so.
    async fn serve(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
        stop: &CancellationToken,
    ) -> Option<lifecycle::End> {
        loop {
            let event = self.next_event(commands, stop).await;
            let mut round = Round::default();
            let mut running = self.take(event, &mut round).await;
            let together = if self.parts.sequential {
                1
            } else {
                INPUTS_PER_COMMIT
            };
            for _ in 1..together {
                if !running {
                    break;
                }
                if let Ok(input) = self.inputs.try_recv() {
                    running = self.take(Event::Input(input), &mut round).await;
                } else if let Ok(command) = commands.try_recv() {
                    running = self.take(Event::Command(Some(command)), &mut round).await;
                } else {
                    break;
                }
            }
            let end = round.end.take();
            self.carry_out(round).await;
            if !running {
                return end;
            }
            self.read_streams();
        }
    }

    async fn next_event(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
        stop: &CancellationToken,
    ) -> Event {
        if let (Some(code), Some(link)) = (self.stuck.take(), &self.link) {
            let link = link.number;
            let words = Some("the link did not take what was to be sent".to_owned());
            return Event::Input(LinkInput {
                link,
                input: Input::Closed { code },
                words,
            });
        }
        let wake = match &self.broken {
            _ if self.is_suspended => None,
            Some(broken) => Some(broken.until),
            None => {
                let wakes = self.engine.next_wake().into_iter().chain(self.ends);
                wakes.min().map(|at| self.parts.clock.at(at))
            }
        };
        let timer = async {
            match wake {
                Some(at) => tokio::time::sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            command = commands.recv() => Event::Command(command),
            Some(input) = self.inputs.recv() => Event::Input(input),
            loaded = self.streams.read() => Event::Streams(loaded),
            () = self.visits.left() => Event::Left,
            () = timer => Event::Timer,
            () = stop.cancelled() => Event::Stop,
        }
    }

    /// Lets the engine take one event. Returns whether to go on.
    async fn take(&mut self, event: Event, round: &mut Round) -> bool {
        match event {
            Event::Input(LinkInput { link, input, words }) => {
                // A link that this round closes or replaces has nothing more to say.
                let current = self.link.as_ref().is_some_and(|current| current.number == link);
                if current && round.effects.link.is_none() {
                    if words.is_some() {
                        self.close_link();
                        self.link_words = words;
                    }
                    self.input(input, round);
                    self.register_when_connected(round);
                }
                true
            }
            Event::Streams(loaded) => {
                self.take_streams(loaded, round).await;
                true
            }
            Event::Timer => {
                if self.broken.is_some() {
                    self.recover().await;
                } else {
                    self.forget_closed();
                    self.forget_presences(round);
                    self.input(Input::Timer, round);
                }
                true
            }
            Event::Left => {
                self.leave(round);
                true
            }
            Event::Command(Some(Command::Close { reply })) => {
                // So that what is only written down now and then is.
                self.input(Input::GoOffline, round);
                round.end = Some(lifecycle::End::Close(reply));
                false
            }
            Event::Command(Some(Command::Logout { options, reply })) => {
                self.log_out(options, reply, round).await
            }
            Event::Command(Some(Command::Suspend { reply })) => {
                self.carry_out(std::mem::take(round)).await;
                drop(reply.send(self.suspend().await));
                true
            }
            Event::Command(Some(Command::Resume { reply })) => {
                drop(reply.send(self.resume().await));
                true
            }
            Event::Command(Some(command)) if self.is_suspended => {
                self.put_off(command);
                true
            }
            Event::Command(Some(command)) => {
                self.command(command, round).await;
                true
            }
            Event::Command(None) | Event::Stop => false,
        }
    }

    fn input(&mut self, input: Input, round: &mut Round) {
        if self.broken.is_some() || self.is_suspended {
            return;
        }
        let effects = self.with_env(|engine, env| engine.handle(input, env));
        round.effects.merge(effects);
    }

    async fn command(&mut self, command: Command, round: &mut Round) {
        let Some(command) = self.ready_for(command, round).await else {
            return;
        };
        match command {
            Command::Enqueue { op, settled, reply } => {
                self.register_before(&op, round);
                let queued = self.with_env(|engine, env| engine.enqueue(op, env));
                self.queued(queued, settled, reply, round);
            }
            Command::Repeat { op, settled, reply } => {
                let queued = self.with_env(|engine, env| engine.repeat(op, env));
                self.queued(queued, settled, reply, round);
            }
            Command::RepeatWith {
                op,
                body,
                settled,
                reply,
            } => {
                let queued = self.with_env(|engine, env| engine.repeat_with(op, body, env));
                self.queued(queued, settled, reply, round);
            }
            Command::RepeatAll { reply } => self.repeat_all(reply, round),
            Command::NextAttempt { op, reply } => {
                let now = self.parts.clock.millis();
                let at = self.engine.next_attempt(op);
                drop(reply.send(Ok(at.map(|at| Duration::from_millis(at.saturating_sub(now))))));
            }
            Command::Explain { op, reply } => drop(reply.send(Ok(self.facts(op)))),
            Command::Ask { question, reply } => self.question(question, reply, round),
            Command::Watch { cid, on, reply } => self.set_watched(&cid, on, reply, round),
            Command::Presence(command) => self.presence(command, round),
            Command::Local(command) => self.local(command, round).await,
            Command::Typing { cid, parent, on } => self.type_at(cid, parent, on, round),
            Command::CatchUp { reply } => self.catch_up(reply, round),
            Command::TellDelivered { reply } => self.tell_delivered(reply, round),
            Command::Incomplete { reply } => drop(reply.send(Ok(self.engine.incomplete()))),
            Command::Gaps { cid, reply } => {
                drop(reply.send(Ok((self.engine.gaps(&cid), self.engine.cursor(&cid)))));
            }
            Command::FillGap {
                cid,
                gap,
                limit,
                reply,
            } => self.fill_gap(cid, gap, limit, reply, round),
            Command::Amend { op, body, reply } => {
                match self.with_env(|engine, env| engine.amend(op, body, env)) {
                    Ok(effects) => round.answer_after(effects, move |outcome| drop(reply.send(outcome))),
                    Err(error) => drop(reply.send(Err(error.into()))),
                }
            }
            Command::Discard { op, reply } => match self.with_env(|engine, env| engine.discard(op, env)) {
                Ok(effects) => round.answer_after(effects, move |outcome| drop(reply.send(outcome))),
                Err(error) => drop(reply.send(Err(error.into()))),
            },
            Command::Visit(visit) => self.visit(visit, round).await,
            Command::Network { is_there } => self.input(Input::Network { is_there }, round),
            Command::GoOnline => self.go_online(round),
            Command::GoOffline => self.go_offline(round),
            read => {
                // What is read has to be read after what this round writes.
                self.carry_out(std::mem::take(round)).await;
                if let Some(read) = self.refuse_if_broken(read) {
                    self.read(read, round).await;
                }
            }
        }
    }

    fn set_watched(&mut self, cid: &ChannelId, on: bool, reply: Reply<()>, round: &mut Round) {
        let effects = self.with_env(|engine, env| engine.set_watched(cid, on, env));
        round.answer_after(effects, move |outcome| drop(reply.send(outcome)));
    }

    fn queued(
        &mut self,
        queued: Result<(OpId, Effects), CommandError>,
        settled: oneshot::Sender<Settled>,
        reply: Reply<OpId>,
        round: &mut Round,
    ) {
        match queued {
            Ok((id, effects)) => {
                // A caller who does not care any more is not worth a place in the map; `Queued` is dropped later.
                self.waiting.insert(id, settled);
                round.answer_after(effects, move |outcome| drop(reply.send(outcome.map(|()| id))));
            }
            Err(error) => drop(reply.send(Err(error.into()))),
        }
    }

    fn repeat_all(&mut self, reply: Reply<Vec<Queued>>, round: &mut Round) {
        let (ids, effects) = self.with_env(Engine::repeat_all);
        let mut repeated = Vec::with_capacity(ids.len());
        for id in ids {
            let (settled, outcome) = oneshot::channel();
            self.waiting.insert(id, settled);
            repeated.push(Queued::new(id, outcome));
        }
        round.answer_after(effects, move |outcome| {
            drop(reply.send(outcome.map(|()| repeated)));
        });
    }

    fn type_at(&mut self, cid: ChannelId, parent: Option<MessageId>, on: bool, round: &mut Round) {
        if on && !self.parts.state.account().settings.typing_indicators {
            return;
        }
        let effects = self.with_env(|engine, env| match on {
            true => engine.typing(cid, parent, env),
            false => engine.stop_typing(cid, parent),
        });
        round.effects.merge(effects);
    }

    fn with_env<T>(&mut self, act: impl FnOnce(&mut Engine, &mut Env<'_>) -> T) -> T {
        let environment = Arc::clone(&self.parts.environment);
        let mut entropy = Draw(environment.as_ref());
        let mut env = Env {
            mono: self.parts.clock.millis(),
            wall: environment.wall(),
            entropy: &mut entropy,
        };
        act(&mut self.engine, &mut env)
    }

    fn settle(&mut self, id: OpId, outcome: Result<(), Rejection>) {
        self.visits.settled(outcome.is_ok());
        if let Some(waiting) = self.waiting.remove(&id) {
            // Nobody has to wait.
            let _ = waiting.send(outcome);
        }
    }
}

impl Round {
    fn answer_after(&mut self, effects: Effects, answer: impl FnOnce(Result<(), Error>) + Send + 'static) {
        self.effects.merge(effects);
        self.answers.push(Box::new(answer));
    }
}
