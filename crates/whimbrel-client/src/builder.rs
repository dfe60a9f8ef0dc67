use crate::{
    Client, Environment, Error, SystemEnvironment, TokenProvider,
    client::Inner,
    command::Commands,
    driver::{self, Driver},
    environment::Monotonic,
    notice::NOTICES,
};
use std::{fmt, future::Future, pin::Pin, sync::Arc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use whimbrel_model::UserId;
use whimbrel_protocol::Token;
use whimbrel_state::State;
use whimbrel_store::{Store, StoreError};
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

    /// Replaces the engine's waiting times.
    #[must_use]
    pub fn engine(mut self, config: EngineConfig) -> Self {
        self.engine = config;
        self
    }

    /// Opens the database and starts the client, without connecting. No network is needed. Must be called within a
    /// tokio runtime, which the client's tasks then run on.
    ///
    /// # Errors
    /// [`Error::Missing`] for a part that was not given, [`Error::Invalid`], [`Error::Transport`] for a bad address,
    /// [`Error::Store`] when the database cannot be opened, [`Error::Command`] when it belongs to another account.
    pub async fn open(self) -> Result<Client, Error> {
        if self.user.is_empty() {
            return Err(Error::Missing("a user"));
        }
        let user = UserId::new(&self.user)?;
        let connector = self.connector.ok_or(Error::Missing("a server"))??;
        let tokens = self.tokens.ok_or(Error::Missing("a token or a token provider"))?;
        let open = self
            .store
            .ok_or(Error::Missing("a store, or a directory for one"))?;
        let environment = self.environment.unwrap_or_else(|| Arc::new(SystemEnvironment));
        let store = open(StorePlace {
            server: self.server,
            user: user.clone(),
        })
        .await?;

        let clock = Monotonic::start();
        let loaded = store.load_own().await?;
        let state =
            State::with_attention_after(user.clone(), loaded.outbox.clone(), self.engine.attention_after);
        let engine = driver::start_engine(loaded, &user, &self.engine, environment.as_ref(), clock)?;
        let (engine, first) = engine;
        if !first.is_empty() {
            store.apply(&first).await?;
        }

        let (commands, receiver) = Commands::channel();
        let (notices, _) = tokio::sync::broadcast::channel(NOTICES);
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let account = engine.account().clone();
        let driver = Driver::new(
            driver::Parts {
                store: Arc::clone(&store),
                state: state.clone(),
                environment: Arc::clone(&environment),
                clock,
                config: self.engine,
                connector,
                tokens,
                tasks: tasks.clone(),
                notices: notices.clone(),
            },
            engine,
        );
        tasks.spawn(driver.run(receiver, stop.clone()));
        tasks.close();
        Ok(Client::from_inner(Inner {
            account,
            commands,
            state,
            store,
            environment,
            ids: std::sync::Mutex::new(IdSource::default()),
            tasks,
            notices,
            _stop: stop.drop_guard(),
        }))
    }
}
