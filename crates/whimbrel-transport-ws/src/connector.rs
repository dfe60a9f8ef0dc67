use crate::{address::Address, connection, error, meter::Metered, tls};
use async_trait::async_trait;
use rustls::{ClientConfig, pki_types::CertificateDer};
use std::{future::Future, io, sync::Arc, time::Duration};
use tokio::{
    net::{TcpStream, lookup_host},
    sync::OnceCell,
    time::{Instant, timeout, timeout_at},
};
use tokio_tungstenite::{
    Connector as Tls, client_async_tls_with_config, tungstenite::client::IntoClientRequest,
};
use whimbrel_transport::{Connection, Connector, TransportError};

/// Where the socket of a server is, below the server's address.
pub const SOCKET_PATH: &str = "/v1/socket";

/// Bytes of one frame, unless told otherwise: what the Whimbrel protocol allows.
pub const MAX_FRAME: usize = 1024 * 1024;

/// How long a connect takes at most: name, TCP, TLS and upgrade. Six round trips at a second each on a bad mobile link,
/// and time for one lost packet; a person who waits sees "connecting" and not a hang.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// How long one of several addresses of a name may take. A dead IPv6 route must leave time for the IPv4 one.
pub const ATTEMPT_DEADLINE: Duration = Duration::from_secs(3);

/// How long the peer may read nothing while frames wait to be sent.
pub const SEND_DEADLINE: Duration = Duration::from_secs(10);

/// How long nothing may arrive. It is longer than the heartbeats of the engine above, which are the finer check.
pub const IDLE_DEADLINE: Duration = Duration::from_secs(90);

/// How long a goodbye waits for the peer's. It is a courtesy, and the app that closes waits for it.
pub const GOODBYE_DEADLINE: Duration = Duration::from_secs(1);

/// Connects to one WebSocket server.
///
/// Making one opens nothing. Each connect resolves the name again, so a server may move.
#[derive(Debug)]
pub struct WsConnector {
    address: Address,
    roots: Vec<CertificateDer<'static>>,
    connect_deadline: Duration,
    limits: Limits,
    /// Kept, so that the system's certificates are read once and TLS sessions are resumed.
    tls: OnceCell<Arc<ClientConfig>>,
}

/// The limits of an open connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_frame: usize,
    pub(crate) send: Duration,
    pub(crate) idle: Duration,
}

impl WsConnector {
    /// Takes the address of a server (`https://host`, its socket is at [`SOCKET_PATH`] below it) or of a socket
    /// (`wss://host/path`, as it stands). `http` and `ws` are without encryption, for a server on this machine.
    ///
    /// # Errors
    /// [`TransportError::Address`] when it is no such address, or leads to another machine without encryption.
    pub fn new(url: &str) -> Result<Self, TransportError> {
        let connector = Self::new_insecure(url)?;
        if !connector.address.secure && !connector.address.is_loopback() {
            return Err(connector.address.refused(
                "it is another machine, and nothing would be encrypted: use https:// or wss://, or, where everyone on \
                 the way may read and change everything, WsConnector::new_insecure",
            ));
        }
        Ok(connector)
    }

    /// Takes an address as [`WsConnector::new`] does, and `http` and `ws` to other machines too: everyone on the way can
    /// read and change every frame, tokens included.
    ///
    /// # Errors
    /// [`TransportError::Address`] when it is no such address.
    pub fn new_insecure(url: &str) -> Result<Self, TransportError> {
        Ok(Self {
            address: Address::parse(url)?,
            roots: Vec::new(),
            connect_deadline: CONNECT_DEADLINE,
            limits: Limits {
                max_frame: MAX_FRAME,
                send: SEND_DEADLINE,
                idle: IDLE_DEADLINE,
            },
            tls: OnceCell::new(),
        })
    }

    /// Trusts the certificates in `bytes` (PEM with one or more, or one in DER) beside the system's: for a private
    /// authority.
    ///
    /// # Errors
    /// [`TransportError::Address`] when they cannot be read.
    pub fn with_root_certificate(mut self, bytes: &[u8]) -> Result<Self, TransportError> {
        let found = tls::certificates(bytes).map_err(|reason| {
            self.address
                .refused(format!("its root certificate cannot be used: {reason}"))
        })?;
        self.roots.extend(found);
        self.tls = OnceCell::new();
        Ok(self)
    }

    /// Sets the largest frame in bytes that is sent and taken. It is [`MAX_FRAME`] otherwise.
    #[must_use]
    pub fn max_frame(mut self, bytes: usize) -> Self {
        self.limits.max_frame = bytes;
        self
    }

    /// Sets how long a connect takes at most. It is [`CONNECT_DEADLINE`] otherwise.
    #[must_use]
    pub fn connect_deadline(mut self, deadline: Duration) -> Self {
        self.connect_deadline = deadline;
        self
    }

    /// Sets how long the peer may read nothing while frames wait. It is [`SEND_DEADLINE`] otherwise.
    #[must_use]
    pub fn send_deadline(mut self, deadline: Duration) -> Self {
        self.limits.send = deadline;
        self
    }

    /// Sets how long nothing may arrive. It is [`IDLE_DEADLINE`] otherwise, and has to be longer than the heartbeat of
    /// the engine.
    #[must_use]
    pub fn idle_deadline(mut self, deadline: Duration) -> Self {
        self.limits.idle = deadline;
        self
    }

    async fn tls(&self) -> Result<Tls, TransportError> {
        if !self.address.secure {
            return Ok(Tls::Plain);
        }
        let config = self.tls.get_or_try_init(|| async {
            let (address, roots) = (self.address.clone(), self.roots.clone());
            let config = tokio::task::spawn_blocking(move || tls::config(&address, roots)).await;
            match config {
                Ok(config) => config.map(Arc::new),
                Err(_) => Err(self
                    .address
                    .unreachable("the root certificates could not be read")),
            }
        });
        Ok(Tls::Rustls(Arc::clone(config.await?)))
    }

    async fn dial(&self) -> Result<TcpStream, TransportError> {
        let (host, port) = (self.address.host.as_str(), self.address.port);
        let found = lookup_host((host, port)).await;
        let mut addresses = found
            .map_err(|error| {
                self.address
                    .unreachable(format!("the name {host} cannot be resolved: {error}"))
            })?
            .peekable();
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        while let Some(address) = addresses.next() {
            let attempt = TcpStream::connect(address);
            let attempt = match addresses.peek() {
                Some(_) => timeout(ATTEMPT_DEADLINE, attempt)
                    .await
                    .unwrap_or_else(|late| Err(late.into())),
                None => attempt.await,
            };
            match attempt {
                Ok(socket) => return Ok(socket),
                Err(error) => last = error,
            }
        }
        Err(self.address.unreachable(last.to_string()))
    }
}

#[async_trait]
impl Connector for WsConnector {
    async fn connect(&self) -> Result<Connection, TransportError> {
        let deadline = Instant::now() + self.connect_deadline;
        let tls = self
            .within(deadline, "reading the root certificates", self.tls())
            .await?;
        let socket = self.within(deadline, "reaching the server", self.dial()).await?;
        // Frames are small and a person waits for each: what is flushed leaves now.
        socket
            .set_nodelay(true)
            .map_err(|error| self.address.unreachable(error.to_string()))?;
        let (socket, meter) = Metered::new(socket);
        let request = self.address.uri.clone().into_client_request();
        let request = request.map_err(|error| error::connecting(&self.address, error))?;
        let upgrade = async {
            // Boxed: the handshake's future is large, and it is short-lived.
            Box::pin(client_async_tls_with_config(
                request,
                socket,
                Some(self.limits.config()),
                Some(tls),
            ))
            .await
            .map_err(|error| error::connecting(&self.address, error))
        };
        let (socket, _) = self
            .within(deadline, "the TLS and WebSocket handshake", upgrade)
            .await?;
        Ok(connection::open(socket, meter, self.limits))
    }
}

impl WsConnector {
    async fn within<T>(
        &self,
        deadline: Instant,
        what: &'static str,
        work: impl Future<Output = Result<T, TransportError>>,
    ) -> Result<T, TransportError> {
        timeout_at(deadline, work)
            .await
            .unwrap_or(Err(TransportError::Timeout {
                what,
                limit: self.connect_deadline,
            }))
    }
}
