//! A Whimbrel server within the test's process.
//!
//! ```
//! use whimbrel_client::model::overlay::MessageStatus;
//! use whimbrel_testkit::server::TestServer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = TestServer::new();
//! let ada = server.client("ada").open().await?;
//! let channel = ada.channel("messaging:general")?;
//! channel.create("General", ["bob"]).await?;
//! let sent = channel.send("hello").await?; // Offline still: it is queued, and shown.
//! ada.connect().await?;
//! sent.settled().await?;
//!
//! let timeline = channel.timeline().await?;
//! assert_eq!(timeline.items()[0].view.status, MessageStatus::Sent);
//! ada.close().await;
//! server.close().await;
//! # Ok(())
//! # }
//! ```

use crate::{network::Network, time::TestClock};
use async_trait::async_trait;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use whimbrel_client::{Client, ClientBuilder, Connector, EngineConfig, Error, FullJitter};
use whimbrel_hub::{
    AuthError, Authenticate, DeviceStorage, Hub, HubConfig, Identity, MemoryStorage, Outbound, Session,
};
use whimbrel_model::{Code, Device, Epoch, OpEnvelope, UserId};
use whimbrel_protocol::{Bye, ClientFrame, OpResult, ServerFrame, Token, decode, encode};
use whimbrel_store::MemoryStore;
use whimbrel_transport::{
    Connection, FrameSink, FrameStream,
    memory::{self, MemoryConnector, MemoryListener},
};

/// How long a client may take for its hello.
const HELLO_DEADLINE: Duration = Duration::from_secs(10);

/// The address that clients of a [`TestServer`] are given.
const ADDRESS: &str = "memory:test";

/// The real hub over storage in memory, reached over the in-memory transport, with switches for what goes wrong.
///
/// The token `user:ada` names the user ada, and so does `user:ada/` with anything after it, so that one user can have
/// several tokens. Its connections obey the same rules as those of the real server: hello comes first and within 10 s,
/// a bye comes last.
///
/// Made within a tokio runtime. Dropping it ends its tasks and its connections; [`TestServer::close`] waits for that.
#[derive(Debug)]
pub struct TestServer {
    shared: Arc<Shared>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Shared {
    storage: MemoryStorage,
    config: HubConfig,
    connector: MemoryConnector,
    running: Mutex<Running>,
    network: Network,
    clock: TestClock,
    tokens: Tokens,
    tasks: TaskTracker,
}

/// What a restart replaces.
#[derive(Debug)]
struct Running {
    hub: Option<Hub>,
    /// Cuts all connections of now.
    cut: CancellationToken,
}

impl Default for TestServer {
    fn default() -> Self {
        Self::new()
    }
}

impl TestServer {
    /// Starts a server with nothing in it.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn new() -> Self {
        Self::over(MemoryStorage::new(Epoch(1)), HubConfig::default())
    }

    /// Starts a server over what a storage holds: for example a [`MemoryStorage::fork`] with another epoch, which is a
    /// database restored from a backup.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn over(storage: MemoryStorage, config: HubConfig) -> Self {
        let (connector, listener) = memory::channel();
        let shared = Arc::new(Shared {
            storage,
            config,
            connector,
            running: Mutex::new(Running {
                hub: None,
                cut: CancellationToken::new(),
            }),
            network: Network::new(),
            clock: TestClock::new(),
            tokens: Tokens::default(),
            tasks: TaskTracker::new(),
        });
        let stop = CancellationToken::new();
        let accept = accept(Arc::clone(&shared), listener);
        let stopped = stop.clone();
        shared.tasks.spawn(async move {
            stopped.run_until_cancelled(accept).await;
        });
        let server = Self { shared, stop };
        server.start();
        server
    }

    /// Returns a way to connect to it, through its network, which stays good over [`TestServer::restart`].
    #[must_use]
    pub fn connector(&self) -> Arc<dyn Connector> {
        self.shared
            .network
            .through(Arc::new(self.shared.connector.clone()))
    }

    /// Starts to set up a client of `user`: with this server through its network, the token `user:…`, an empty store in
    /// memory, the server's clock and waits between attempts that begin at 2 ms. Each can be set to something else.
    #[must_use]
    pub fn client(&self, user: &str) -> ClientBuilder {
        Client::builder()
            .user(user)
            .connector(ADDRESS, Ok(self.connector()))
            .token(format!("user:{user}"))
            .store(Arc::new(MemoryStore::new()))
            .environment(Arc::new(self.shared.clock.clone()))
            .engine(EngineConfig {
                retry: Arc::new(FullJitter {
                    base_ms: 2,
                    cap_ms: 30_000,
                }),
                ..EngineConfig::default()
            })
    }

    /// Opens a client as [`TestServer::client`] sets it up, and connects it. It may still be on its way to be live when this
    /// returns.
    ///
    /// # Errors
    /// As [`ClientBuilder::open`].
    pub async fn online(&self, user: &str) -> Result<Client, Error> {
        let client = self.client(user).open().await?;
        client.connect().await?;
        Ok(client)
    }

    /// Returns the network between the clients and this server, to break it.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.shared.network
    }

    /// Returns the clock of the server and of its clients.
    #[must_use]
    pub fn clock(&self) -> &TestClock {
        &self.shared.clock
    }

    /// Returns the server's database.
    #[must_use]
    pub fn storage(&self) -> &MemoryStorage {
        &self.shared.storage
    }

    /// Carries out operations of a user without a connection, as `POST /v1/ops` does. None, while the server is stopped.
    pub async fn ops(&self, user: &UserId, ops: Vec<OpEnvelope>) -> Vec<OpResult> {
        let hub = self.shared.lock().hub.clone();
        match hub {
            Some(hub) => hub.ops(user, ops).await,
            None => Vec::new(),
        }
    }

    /// Returns the devices of a user, as the server's database has them.
    pub async fn devices(&self, user: &UserId) -> Vec<Device> {
        let records = self.shared.storage.devices(user).await.unwrap_or_default();
        records.into_iter().map(|record| record.device).collect()
    }

    /// Returns how many connections have said hello and are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.lock().hub.as_ref().map_or(0, Hub::connections)
    }

    /// Refuses `token` as invalid from now on. What is connected stays so.
    pub fn revoke(&self, token: &str) {
        let why = AuthError::Invalid("it was revoked".to_owned());
        self.shared.tokens.lock().insert(token.to_owned(), why);
    }

    /// Refuses `token` as expired from now on. What is connected stays so.
    pub fn expire(&self, token: &str) {
        self.shared
            .tokens
            .lock()
            .insert(token.to_owned(), AuthError::Expired);
    }

    /// Takes `token` again.
    pub fn permit(&self, token: &str) {
        self.shared.tokens.lock().remove(token);
    }

    /// Cuts every connection and refuses new ones, until [`TestServer::start`]. What was answered is kept.
    pub async fn stop(&self) {
        self.shared.connector.refuse(true);
        let hub = self.shared.lock().hub.take();
        self.shared.cut();
        if let Some(hub) = hub {
            hub.close().await;
        }
    }

    /// Takes connections again, with a new hub over the same storage. Nothing happens if it runs already.
    pub fn start(&self) {
        let mut running = self.shared.lock();
        if running.hub.is_none() {
            let storage = Arc::new(self.shared.storage.clone());
            let hub = Hub::start(
                storage,
                Arc::new(self.shared.clock.clone()),
                self.shared.config.clone(),
            );
            running.hub = Some(hub);
        }
        self.shared.connector.refuse(false);
    }

    /// Stops and starts again, as after a crash.
    pub async fn restart(&self) {
        self.stop().await;
        self.start();
    }

    /// Ends every connection and task, and waits for that.
    pub async fn close(self) {
        self.stop().await;
        self.stop.cancel();
        self.shared.network.close().await;
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.shared.connector.refuse(true);
        self.shared.lock().hub.take();
        self.shared.cut();
        self.stop.cancel();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every connection of now, without a word.
    fn cut(&self) {
        std::mem::take(&mut self.lock().cut).cancel();
    }

    /// Carries a connection until either side ends it.
    async fn serve(&self, hub: Hub, connection: Connection) {
        let Connection { mut sink, mut stream } = connection;
        let greeted = match timeout(HELLO_DEADLINE, next_frame(&mut *stream)).await {
            Err(_) => Err(bye(Code::HeartbeatLost, "no hello arrived within 10 s")),
            Ok(Read::Frame(ClientFrame::Hello(hello))) => hub.hello(hello, &self.tokens).await,
            Ok(Read::Frame(_)) => Err(bye(Code::FrameInvalid, "the first frame must be hello")),
            Ok(Read::Wrong(bye)) => Err(bye),
            Ok(Read::Gone) => return,
        };
        match greeted {
            Ok((session, outbound)) => {
                let mut writer = std::pin::pin!(write(sink, outbound));
                tokio::select! {
                    biased;
                    () = &mut writer => {}
                    () = read(&mut *stream, session) => writer.await,
                }
            }
            Err(bye) => {
                if let Ok(frame) = encode(&ServerFrame::Bye(bye)) {
                    // The client may have gone.
                    let _ = sink.send(vec![frame.into()]).await;
                }
                sink.close().await;
            }
        }
    }
}

async fn write(mut sink: Box<dyn FrameSink>, mut outbound: Outbound) {
    while let Some(batch) = outbound.next_batch().await {
        if sink.send(batch).await.is_err() {
            return;
        }
    }
    sink.close().await;
}

async fn accept(shared: Arc<Shared>, mut listener: MemoryListener) {
    while let Ok(connection) = listener.accept().await {
        let (hub, cut) = {
            let running = shared.lock();
            (running.hub.clone(), running.cut.clone())
        };
        // One that was let in before the server stopped is dropped.
        let Some(hub) = hub else { continue };
        let serving = Arc::clone(&shared);
        shared.tasks.spawn(async move {
            tokio::select! {
                // First, so that nothing more is said.
                biased;
                () = cut.cancelled() => {}
                () = serving.serve(hub, connection) => {}
            }
        });
    }
}

/// Hands the client's frames to the session. When it returns the session has ended, and the writer ends after it.
async fn read(stream: &mut dyn FrameStream, session: Session) {
    loop {
        let ended = match next_frame(stream).await {
            Read::Frame(frame) => session.handle(frame).await.is_err(),
            Read::Wrong(bye) => {
                session.close(bye);
                true
            }
            Read::Gone => true,
        };
        if ended {
            return;
        }
    }
}

enum Read {
    Frame(ClientFrame),
    /// The client sent what cannot be understood.
    Wrong(Bye),
    Gone,
}

async fn next_frame(stream: &mut dyn FrameStream) -> Read {
    match stream.next().await {
        Ok(bytes) => match decode(&bytes) {
            Ok(frame) => Read::Frame(frame),
            Err(error) => Read::Wrong(bye(error.code(), &error.to_string())),
        },
        Err(_) => Read::Gone,
    }
}

fn bye(code: Code, message: &str) -> Bye {
    Bye {
        code,
        message: message.to_owned(),
        retry_after_ms: None,
        protocol: None,
    }
}

/// Tokens that are refused although they name a user.
#[derive(Debug, Default)]
struct Tokens(Mutex<HashMap<String, AuthError>>);

impl Tokens {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, AuthError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Authenticate for Tokens {
    async fn authenticate(&self, token: &Token) -> Result<Identity, AuthError> {
        let text = token.expose();
        if let Some(refused) = self.lock().get(text) {
            return Err(refused.clone());
        }
        let named = text.strip_prefix("user:").unwrap_or_default();
        let user = named.split_once('/').map_or(named, |(user, _)| user);
        let user = UserId::new(user).map_err(|error| AuthError::Invalid(error.to_string()))?;
        let expires_at = None;
        Ok(Identity { user, expires_at })
    }
}
