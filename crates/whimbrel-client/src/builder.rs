use crate::{
    Client, Environment, Error, SystemEnvironment, TokenProvider,
    client::Inner,
    command::Commands,
    contacts::CONSENTS,
    device_sync::Worker,
    driver::{self, Driver},
    environment::Monotonic,
    notice::NOTICES,
};
use eyeball::SharedObservable;
use std::{collections::BTreeSet, fmt, future::Future, pin::Pin, sync::Arc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use whimbrel_model::{ConsentState, Invalid, UserId, limits};
use whimbrel_protocol::Token;
use whimbrel_state::{State, StateConfig, Windows};
use whimbrel_store::{InMemory, MemoryStore, SplitStore, Store, StoreError};
use whimbrel_sync::{EngineConfig, IdSource};
use whimbrel_transport::{Connector, TransportError};

type OpenStore = Pin<Box<dyn Future<Output = Result<Arc<dyn Store>, StoreError>> + Send>>;
type StoreOpener = Box<dyn FnOnce(StorePlace) -> OpenStore + Send>;

/// Which database to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorePlace {
    /// The server's address, as given to the builder. Empty: none was given.
    pub server: String,
    /// The account.
    pub user: UserId,
}

/// Sets up a [`Client`]. The user, a store, a connector and a token are needed; the crate `whimbrel` adds a store and a
/// connector in one call each.
#[derive(Default)]
pub struct ClientBuilder {
    user: String,
    server: String,
    store: Option<StoreOpener>,
    connector: Option<Result<Arc<dyn Connector>, TransportError>>,
    tokens: Option<Arc<dyn TokenProvider>>,
    environment: Option<Arc<dyn Environment>>,
    engine: EngineConfig,
    windows: Windows,
    in_memory: bool,
    never_persisted: BTreeSet<String>,
    sequential: bool,
    no_device_sync: bool,
    follow_consent: Option<BTreeSet<ConsentState>>,
    unknown_messages: Option<Option<u32>>,
    no_background_sync: bool,
    device_name: Option<String>,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// Sets the account. Required.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// Sets how to reach the server. Required. An error shows at [`ClientBuilder::open`].
    #[must_use]
    pub fn connector(
        mut self,
        server: impl Into<String>,
        connector: Result<Arc<dyn Connector>, TransportError>,
    ) -> Self {
        self.server = server.into();
        self.connector = Some(connector);
        self
    }

    /// Sets the database. Required.
    #[must_use]
    pub fn store(self, store: Arc<dyn Store>) -> Self {
        self.open_store(|_| async { Ok(store) })
    }

    /// Sets how to open the database once the server and the account are known. Instead of [`ClientBuilder::store`].
    #[must_use]
    pub fn open_store<F>(mut self, open: impl FnOnce(StorePlace) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<Arc<dyn Store>, StoreError>> + Send + 'static,
    {
        self.store = Some(Box::new(|place| Box::pin(open(place))));
        self
    }

    /// Sets one token. Required, or [`ClientBuilder::token_provider`].
    #[must_use]
    pub fn token(self, token: impl Into<Token>) -> Self {
        self.token_provider(Arc::new(token.into()))
    }

    /// Sets where tokens come from.
    #[must_use]
    pub fn token_provider(mut self, tokens: Arc<dyn TokenProvider>) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Replaces the wall clock and the randomness. For tests.
    #[must_use]
    pub fn environment(mut self, environment: Arc<dyn Environment>) -> Self {
        self.environment = Some(environment);
        self
    }

    /// Replaces the engine's waiting times. What was turned off by [`ClientBuilder::typing_indicators`] stays so.
    #[must_use]
    pub fn engine(mut self, config: EngineConfig) -> Self {
        let typing_indicators = self.engine.typing_indicators && config.typing_indicators;
        self.engine = EngineConfig {
            typing_indicators,
            ..config
        };
        self
    }

    /// Sets what this device is called in the account's list of devices until its owner names it with
    /// [`Client::rename_device`]. Without it: the operating system's name. More than [`limits::DEVICE_NAME_CHARS`] characters are
    /// an error at [`ClientBuilder::open`].
    #[must_use]
    pub fn device_name(mut self, name: impl Into<String>) -> Self {
        self.device_name = Some(name.into());
        self
    }

    /// Sets whether others are told that the user types, and the user that others do. True without it.
    ///
    /// With `false` neither is: nothing is sent, and nobody is ever seen to type.
    #[must_use]
    pub const fn typing_indicators(mut self, shown: bool) -> Self {
        self.engine.typing_indicators = shown;
        self
    }

    /// Sets which channels are followed, by their consent: what was decided of a channel, else of who added the account to it.
    /// [`ConsentState::Allowed`] and [`ConsentState::Unknown`] without it.
    ///
    /// Of a channel that is not followed nothing is fetched, the server is told to send nothing, and nothing of it is written, but that
    /// the account is in it. What is on this device stays, and sending works. It is followed as soon as that is decided,
    /// here or on another device, and fetched on demand by [`Channel::sync`](crate::Channel::sync), by [`Client::sync_all`], or when its
    /// timeline is open.
    #[must_use]
    pub fn follow_consent(mut self, consents: impl IntoIterator<Item = ConsentState>) -> Self {
        self.follow_consent = Some(consents.into_iter().collect());
        self
    }

    /// Sets how many of the newest messages come of a channel of which nothing was decided, when more are new than that: a request
    /// costs no more, however much was written. 20 without it; `None`: as many as of any channel. Older messages load on demand.
    #[must_use]
    pub const fn unknown_messages(mut self, newest: Option<u32>) -> Self {
        self.unknown_messages = Some(newest);
        self
    }

    /// Sets whether a push ([`Client::on_push`]) syncs all of the account, as [`Client::sync_once`] does, besides the channel that it names.
    /// True without it.
    ///
    /// With `false` a push brings the account's own stream and its channel only, for systems that grant little. What waits in the outbox is
    /// sent in both cases, but waited for only with `true`. When to call [`Client::sync_once`] without a push is for the app and the
    /// scheduler of its system: this sets nothing of that.
    #[must_use]
    pub const fn background_sync(mut self, everything: bool) -> Self {
        self.no_background_sync = !everything;
        self
    }

    /// Sets how many messages a timeline of a channel type keeps in memory by itself. At least 1.
    ///
    /// When more have come than that and 30, the oldest are dropped from the list; on disk they stay, and
    /// [`Timeline::load_older`](crate::Timeline::load_older) brings them back. What was loaded so is kept, until
    /// [`Timeline::jump_to_newest`](crate::Timeline::jump_to_newest).
    #[must_use]
    pub fn window(mut self, channel_type: impl Into<String>, rows: usize) -> Self {
        self.windows.set(channel_type, rows);
        self
    }

    /// Sets the same for all other channel types. 500 without it.
    #[must_use]
    pub fn default_window(mut self, rows: usize) -> Self {
        self.windows.set_default(rows);
        self
    }

    /// Sets whether anything is kept on this device when the client ends. True without it.
    ///
    /// With `false` no store is needed, and one that was given is not opened: everything is in memory, and everything works
    /// that works with a database. **At the end everything is lost, unsent changes too**; what the server has accepted comes
    /// from it again. So what a call returned for is then not durable, only queued.
    #[must_use]
    pub const fn persistence(mut self, persistent: bool) -> Self {
        self.in_memory = !persistent;
        self
    }

    /// Sets channel types of which nothing that comes from the server is written to the database: their messages, members and
    /// read positions are in memory, and come from the server again after the next start.
    ///
    /// What the user wrote there and the server has not accepted yet is in the database all the same, as is that the account
    /// is in the channel, and the profiles of people. See [`SplitStore`].
    #[must_use]
    pub fn never_persist<T: Into<String>>(mut self, channel_types: impl IntoIterator<Item = T>) -> Self {
        self.never_persisted
            .extend(channel_types.into_iter().map(Into::into));
        self
    }

    /// Sets whether this device asks the account's other devices for what only they have, when it is new, and answers them when they
    /// ask. True without it.
    ///
    /// What that is: [`Client::create_archive`]. It is encrypted to the device that asks, and the server carries it without being able
    /// to read it. But who is a device of the account, the server says: whoever has a token of the account can ask as one. With `false`
    /// nothing is asked or answered but by hand: [`Client::request_device_sync`], [`Client::offer_device_sync`].
    #[must_use]
    pub const fn device_sync(mut self, automatic: bool) -> Self {
        self.no_device_sync = !automatic;
        self
    }

    /// Sets whether what comes from the server is shown one step at a time. False without it.
    ///
    /// Without it, what has come meanwhile is written and shown together: observers see fewer, larger batches, and states in
    /// between are skipped. With it each frame of the server is one write and one batch of its own, in the order of the server: no
    /// state in between is skipped, as long as the reader keeps up. Each write waits for the disk, so a device that is far behind
    /// catches up several times slower. A page of what was missed is one step: it has the newest of each row, not
    /// each change; and ops of one answer are one step.
    #[must_use]
    pub const fn sequential_events(mut self, sequential: bool) -> Self {
        self.sequential = sequential;
        self
    }

    /// Opens the database and starts the client, without connecting. No network is needed. Must be called within a
    /// tokio runtime, which the client's tasks then run on.
    ///
    /// # Errors
    /// [`Error::Missing`] for a part that was not given, [`Error::Invalid`], [`Error::Transport`] for a bad address,
    /// [`Error::Store`] when the database cannot be opened, [`Error::Command`] when it belongs to another account.
    pub async fn open(self) -> Result<Client, Error> {
        self.deciding_what_to_follow().open_as_set().await
    }

    /// Lets what was set here have precedence over what was set as a whole.
    fn deciding_what_to_follow(mut self) -> Self {
        let engine = &mut self.engine;
        engine.follow_consent = self
            .follow_consent
            .take()
            .unwrap_or_else(|| engine.follow_consent.clone());
        engine.unknown_messages = self.unknown_messages.unwrap_or(engine.unknown_messages);
        self
    }

    async fn open_as_set(self) -> Result<Client, Error> {
        if self.user.is_empty() {
            return Err(Error::Missing("a user"));
        }
        let user = UserId::new(&self.user)?;
        let device_name = device_name(self.device_name)?;
        let connector = self.connector.ok_or(Error::Missing("a server"))??;
        let tokens = self.tokens.ok_or(Error::Missing("a token or a token provider"))?;
        let environment = self.environment.unwrap_or_else(|| Arc::new(SystemEnvironment));
        let place = StorePlace {
            server: self.server,
            user: user.clone(),
        };
        let store = open_store(self.store, place, self.never_persisted, self.in_memory).await?;
        let clock = Monotonic::start();
        let loaded = store.load_own().await?;
        let config = StateConfig {
            attention_after: self.engine.attention_after,
            windows: self.windows,
        };
        let state = State::with_config(user.clone(), loaded.outbox.clone(), config);
        state.put_local(loaded.local.clone());
        put_account(&state, store.as_ref(), environment.as_ref()).await?;
        let engine = driver::start_engine(loaded, &user, &self.engine, environment.as_ref(), clock)?;
        let (engine, first) = engine;
        if !first.is_empty() {
            store.apply(&first).await?;
        }

        let (commands, receiver) = Commands::channel();
        let (notices, _) = tokio::sync::broadcast::channel(NOTICES);
        let (told, consents) = tokio::sync::broadcast::channel(CONSENTS);
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let account = engine.account().clone();
        let parts = driver::Parts {
            store: Arc::clone(&store),
            state: state.clone(),
            environment: Arc::clone(&environment),
            clock,
            config: self.engine,
            connector,
            tokens,
            tasks: tasks.clone(),
            notices: notices.clone(),
            consents: told,
            device_name,
            sequential: self.sequential,
        };
        let (worker, device_sync) = Worker::new(&parts, &account, &commands, !self.no_device_sync);
        tasks.spawn(Driver::new(parts, engine).run(receiver, stop.clone()));
        tasks.spawn(worker.run(stop.clone()));
        tasks.close();
        Ok(Client::from_inner(Inner {
            account,
            commands,
            state,
            store,
            environment,
            ids: std::sync::Mutex::new(IdSource::default()),
            device_sync,
            tasks,
            notices,
            consents,
            network: SharedObservable::default(),
            background_sync: !self.no_background_sync,
            _stop: stop.drop_guard(),
        }))
    }
}

/// Puts the account's own rows, as they are now.
async fn put_account(state: &State, store: &dyn Store, environment: &dyn Environment) -> Result<(), Error> {
    let _nothing_is_open = state.set_now(environment.wall());
    let _nothing_is_open = state.put_account(store.account_rows().await?);
    // That is how it is, and nothing that changed.
    drop(state.take_consent_changes());
    Ok(())
}

/// Checks what the device is to be called.
fn device_name(given: Option<String>) -> Result<String, Error> {
    let name = given.unwrap_or_else(|| driver::system_name().to_owned());
    let chars = name.chars().count();
    if chars > limits::DEVICE_NAME_CHARS {
        let most = limits::DEVICE_NAME_CHARS;
        return Err(Invalid::too_large("device_name", chars, most, "characters").into());
    }
    Ok(name)
}

/// Opens the database, with what is never written to it in memory.
async fn open_store(
    open: Option<StoreOpener>,
    place: StorePlace,
    never_persisted: BTreeSet<String>,
    in_memory: bool,
) -> Result<Arc<dyn Store>, Error> {
    if in_memory {
        return Ok(Arc::new(MemoryStore::new()));
    }
    let open = open.ok_or(Error::Missing("a store, or a directory for one"))?;
    let store = open(place).await?;
    if never_persisted.is_empty() {
        return Ok(store);
    }
    let in_memory = InMemory {
        types: never_persisted,
        ..InMemory::default()
    };
    Ok(Arc::new(SplitStore::new(store, MemoryStore::new(), in_memory)))
}
