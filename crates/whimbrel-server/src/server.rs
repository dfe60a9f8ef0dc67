//! Starting, running and stopping.

use crate::{
    Config, ConfigError, Source, SqliteStorage, StartError, Tokens,
    files::write_whole,
    http::{App, Guest, router},
    webhook::Webhook,
};
use axum::{Router, extract::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use whimbrel_hub::{Beside, Clock, Hub, HubConfig, PushProvider, Storage, SystemClock};

/// How long a peer may take to send the head of a request.
const HEADER_DEADLINE: Duration = Duration::from_secs(5);

/// Connections that may wait to be accepted: a herd that comes back at once. With the usual 128 the kernel drops the
/// others, and each of those tries again only a second later. The kernel may have a lower limit of its own.
const BACKLOG: u32 = 4_096;

/// How long accepting pauses when the system has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// When clients are told to come back after a stop: long enough for a restart.
pub(crate) const RETURN_AFTER: Duration = Duration::from_secs(1);

/// What a connection over the limit is told, without reading what it asks.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 5\r\n\
connection: close\r\ncontent-length: 68\r\n\r\n\
{\"code\":\"unavailable\",\"message\":\"the server has no connection free.\"}";

/// Starts servers.
#[derive(Clone, Copy, Debug)]
pub struct Server;

/// A server that listens. Dropping it stops accepting and cuts the connections; [`RunningServer::shutdown`] is kinder.
#[derive(Debug)]
pub struct RunningServer {
    /// Where it listens.
    pub addr: SocketAddr,
    app: Arc<App>,
    connections: TaskTracker,
    signals: Signals,
}

/// Told to connections: finish what you are at, and end at once.
#[derive(Clone, Debug)]
struct Signals {
    finish: CancellationToken,
    kill: CancellationToken,
}

impl Server {
    /// Opens the database, listens, and serves on tasks of the current runtime.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(config: Config) -> Result<RunningServer, StartError> {
        Self::start_with(config, Arc::new(SystemClock)).await
    }

    /// Does the same with another clock, for tests of expiry.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start_with(config: Config, clock: Arc<dyn Clock>) -> Result<RunningServer, StartError> {
        config
            .check()
            .map_err(|(key, problem)| ConfigError::new(key, &Source::Default, problem))?;
        let tokens = Tokens::new(&config.auth)?;
        let webhook = config.push.as_ref().map(|push| Webhook::new(push, clock.clone()));
        let provider = webhook
            .transpose()?
            .map(|webhook| Arc::new(webhook) as Arc<dyn PushProvider>);
        let listener = listen(config.listen)?;
        let storage = Arc::new(SqliteStorage::open(&config.database).await?);
        let hub_config = HubConfig {
            heartbeat: config.heartbeat,
            connections_per_user: config.max_connections_per_user,
            rules: config.rules.clone(),
            ..HubConfig::default()
        };
        let beside = Beside {
            push: provider,
            ..Beside::default()
        };
        let hub = Hub::start_with(storage.clone(), clock.clone(), hub_config, beside);
        let addr = listener.local_addr().map_err(|error| StartError::Listen {
            address: config.listen,
            error,
        })?;
        let port_file = config.port_file.clone();
        let limit = config.max_connections;
        let signals = Signals {
            finish: CancellationToken::new(),
            kill: CancellationToken::new(),
        };
        let running = RunningServer {
            addr,
            app: Arc::new(App {
                hub,
                storage,
                tokens,
                clock,
                config,
                stopping: signals.finish.clone(),
            }),
            connections: TaskTracker::new(),
            signals,
        };
        running.connections.spawn(accept(
            listener,
            router(running.app.clone()),
            Arc::new(Semaphore::new(limit)),
            running.connections.clone(),
            running.signals.clone(),
        ));
        if let Some(path) = port_file {
            write_whole(&path, format!("{addr}\n").as_bytes())
                .map_err(|error| StartError::PortFile { path, error })?;
        }
        tracing::info!(address = %addr, "listening on {addr}");
        Ok(running)
    }

    /// Serves until the process is told to stop, by a signal or ctrl-c. A second one stops it at once.
    ///
    /// # Errors
    /// [`StartError`] when it cannot start.
    pub async fn serve(config: Config) -> Result<(), StartError> {
        let running = Self::start(config).await?;
        let mut told = StopSignals::new().map_err(StartError::Runtime)?;
        told.next().await;
        tracing::info!("stopping; a second signal stops at once");
        tokio::select! {
            () = running.shutdown() => tracing::info!("stopped"),
            () = told.next() => tracing::warn!("stopped at once"),
        }
        Ok(())
    }
}

impl RunningServer {
    /// Stops in order: accepts nothing more, tells every connection to come back later, waits for them up to the
    /// configured time, decides what is queued, and closes the database.
    pub async fn shutdown(self) {
        self.signals.finish.cancel();
        self.app.hub.drain(RETURN_AFTER);
        self.connections.close();
        if timeout(self.app.config.drain, self.connections.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                connections = self.connections.len(),
                "cutting connections that did not end in time"
            );
        }
        self.signals.kill.cancel();
        self.connections.wait().await;
        self.app.hub.close().await;
        self.app.storage.close().await;
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.signals.finish.cancel();
        self.signals.kill.cancel();
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    bind(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => StartError::AddressInUse { address },
        _ => StartError::Listen { address, error },
    })
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Where an address that was just in use is free for others only after a while, a restart has to get it at once.
    // Elsewhere the same flag lets two servers share it.
    if cfg!(not(windows)) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(
    listener: TcpListener,
    router: Router,
    places: Arc<Semaphore>,
    connections: TaskTracker,
    signals: Signals,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = signals.finish.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        match places.clone().try_acquire_owned() {
            Ok(permit) => {
                let guest = Guest::new(permit, connections.token(), signals.kill.clone());
                connections.spawn(serve_connection(
                    stream,
                    router.clone(),
                    guest,
                    signals.finish.clone(),
                ));
            }
            Err(_) => turn_away(stream).await,
        }
    }
}

/// Answers without a task: what is written fits into the socket's buffer.
async fn turn_away(mut stream: TcpStream) {
    let _ = timeout(ACCEPT_PAUSE, stream.write_all(FULL)).await;
}

async fn serve_connection(stream: TcpStream, router: Router, guest: Guest, finish: CancellationToken) {
    // Frames are written whole: waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router);
    let visitor = guest.clone();
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(visitor.clone());
        let request: Request = request.map(axum::body::Body::new);
        hyper::service::Service::call(&service, request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        () = guest.killed() => return,
        ended = connection.as_mut() => ended,
        () = finish.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                () = guest.killed() => return,
                ended = connection => ended,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// The ways in which a process is told to stop.
struct StopSignals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl StopSignals {
    #[cfg(unix)]
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        // Without a way to be told, it runs until it is ended.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_herd_waits_to_be_accepted_and_is_not_dropped() {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let mut herd = Vec::new();
        for number in 0..300 {
            // One that the kernel has dropped would try again for minutes.
            let connected = timeout(Duration::from_secs(10), TcpStream::connect(address)).await;
            herd.push(
                connected
                    .unwrap_or_else(|_| panic!("{number} wait, and no more can"))
                    .unwrap(),
            );
        }
    }
}
