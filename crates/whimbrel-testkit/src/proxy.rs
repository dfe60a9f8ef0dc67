//! A network that breaks on command.
//!
//! ```
//! use tokio::{
//!     io::{AsyncReadExt, AsyncWriteExt},
//!     net::{TcpListener, TcpStream},
//! };
//! use whimbrel_testkit::proxy::Proxy;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let server = TcpListener::bind("127.0.0.1:0").await?;
//! let proxy = Proxy::open(server.local_addr()?).await?;
//!
//! let mut client = TcpStream::connect(proxy.address()).await?;
//! let (mut accepted, _) = server.accept().await?;
//! accepted.write_all(b"hello").await?;
//! let mut hello = [0; 5];
//! client.read_exact(&mut hello).await?;
//!
//! proxy.cut();
//! assert!(client.read_exact(&mut hello).await.is_err());
//!
//! proxy.restore();
//! TcpStream::connect(proxy.address()).await?;
//! proxy.close().await;
//! # Ok(())
//! # }
//! ```

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Bytes that are carried at once. Small, so that a delay is per message and not per megabyte.
const PIECE: usize = 16 * 1024;

/// A TCP proxy on a loopback port: what connects to [`address`](Self::address) reaches the target, as long as the owner
/// lets it.
///
/// It knows nothing of what it carries. Dropping it ends its tasks and its connections;
/// [`close`](Self::close) waits for that.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    network: Arc<Network>,
    tasks: TaskTracker,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

#[derive(Debug)]
struct Network {
    state: watch::Sender<State>,
    /// How many more bytes come down before the connection that brings them is closed, if it was asked for.
    reply_budget: Mutex<Option<usize>>,
    stop: CancellationToken,
}

#[derive(Clone, Debug)]
struct State {
    link: Link,
    target: SocketAddr,
    /// Counts the cuts: a connection that is older than the last one dies, even if it missed the cut itself.
    cuts: u64,
    up: Duration,
    down: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Open,
    Cut,
    Stalled,
}

impl Proxy {
    /// Listens on a free loopback port and forwards to `target`, which does not have to be there yet.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn open(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = State {
            link: Link::Open,
            target,
            cuts: 0,
            up: Duration::ZERO,
            down: Duration::ZERO,
        };
        let network = Arc::new(Network {
            state: watch::Sender::new(state),
            reply_budget: Mutex::new(None),
            stop: CancellationToken::new(),
        });
        let tasks = TaskTracker::new();
        tasks.spawn(accept(listener, Arc::clone(&network), tasks.clone()));
        Ok(Self {
            address,
            network,
            tasks,
        })
    }

    /// Returns where to connect instead of the target. It stays the same for the proxy's life.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends later connections to `target`: the server came back on another port. Connections that are open stay where
    /// they are.
    pub fn set_target(&self, target: SocketAddr) {
        self.network.state.send_modify(|state| state.target = target);
    }

    /// Resets every connection, and each later one as soon as it is made, until [`restore`](Self::restore). Bytes on
    /// their way are lost.
    pub fn cut(&self) {
        self.network.state.send_modify(|state| {
            state.link = Link::Cut;
            state.cuts += 1;
        });
    }

    /// Forwards nothing until [`restore`](Self::restore), and neither closes nor refuses: both sides believe in a link
    /// that is not there. What is sent meanwhile waits, as far as the buffers reach, and arrives after all.
    pub fn stall(&self) {
        self.network.state.send_modify(|state| state.link = Link::Stalled);
    }

    /// Ends a [`cut`](Self::cut) or a [`stall`](Self::stall).
    pub fn restore(&self) {
        self.network.state.send_modify(|state| state.link = Link::Open);
    }

    /// Holds each piece of up to 16 KiB back for `delay` before it goes on. The pieces of one connection and direction
    /// wait one after the other, so this bounds its throughput too.
    pub fn set_delay(&self, direction: Direction, delay: Duration) {
        self.network.state.send_modify(|state| match direction {
            Direction::Up => state.up = delay,
            Direction::Down => state.down = delay,
        });
    }

    /// Lets the next `bytes` bytes from the server through, of all connections together, and closes the connection that
    /// brought the last of them: the server did what it was asked for, and the rest of its answer is lost. It happens
    /// once. With 0 the next byte closes, and is lost too.
    pub fn drop_reply_after(&self, bytes: usize) {
        *self.network.reply_budget() = Some(bytes);
    }

    /// Ends every connection and every task, and waits for it. The port is free then.
    pub async fn close(self) {
        self.network.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.network.stop.cancel();
    }
}

impl Network {
    fn reply_budget(&self) -> MutexGuard<'_, Option<usize>> {
        self.reply_budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes `size` bytes from the reply budget. When it is used up: how many of them still pass.
    fn cut_reply(&self, size: usize) -> Option<usize> {
        let mut budget = self.reply_budget();
        let left = (*budget)?;
        if size >= left {
            *budget = None;
            return Some(left);
        }
        *budget = Some(left - size);
        None
    }

    fn delay(&self, direction: Direction) -> Duration {
        let state = self.state.borrow();
        match direction {
            Direction::Up => state.up,
            Direction::Down => state.down,
        }
    }
}

/// Waits for a state that `wanted` likes.
async fn until(state: &mut watch::Receiver<State>, wanted: impl FnMut(&State) -> bool) -> State {
    // The sender is in the network that every task holds, so it cannot be gone.
    state
        .wait_for(wanted)
        .await
        .expect("the network outlives its tasks")
        .clone()
}

async fn accept(listener: TcpListener, network: Arc<Network>, tasks: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = network.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        // Out of file handles, or the client has gone already: neither ends the proxy.
        let Ok((client, _)) = accepted else {
            tokio::task::yield_now().await;
            continue;
        };
        tasks.spawn(carry(client, Arc::clone(&network)));
    }
}

/// How a connection ends.
enum End {
    /// The sides are done, or one of them failed.
    Closed,
    /// The link broke: nothing is said goodbye to.
    Reset,
}

async fn carry(mut client: TcpStream, network: Arc<Network>) {
    let mut state = network.state.subscribe();
    let (cuts, link) = {
        let now = state.borrow();
        (now.cuts, now.link)
    };
    if link == Link::Cut {
        reset(&client);
        return;
    }
    let mut server = None;
    let end = tokio::select! {
        biased;
        () = network.stop.cancelled() => End::Reset,
        _ = until(&mut state, |state| state.cuts != cuts) => End::Reset,
        end = forward(&mut client, &mut server, &network) => end,
    };
    if matches!(end, End::Reset) {
        reset(&client);
        server.iter().for_each(reset);
    }
}

/// Makes the drop of the socket a reset and not a goodbye.
fn reset(socket: &TcpStream) {
    // It fails on a socket that is broken already, which is as good.
    let _ = socket.set_zero_linger();
}

async fn forward(client: &mut TcpStream, server: &mut Option<TcpStream>, network: &Network) -> End {
    let mut state = network.state.subscribe();
    let target = until(&mut state, |state| state.link == Link::Open).await.target;
    let Ok(dialled) = TcpStream::connect(target).await else {
        return End::Reset;
    };
    let server = server.insert(dialled);
    for socket in [&*client, &*server] {
        // What arrives goes on at once. Without it a connection is slower and as right.
        let _ = socket.set_nodelay(true);
    }
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let both = async {
        tokio::try_join!(
            pump(from_client, to_server, network, Direction::Up),
            pump(from_server, to_client, network, Direction::Down),
        )
    };
    match both.await {
        Ok(_) => End::Closed,
        Err(end) => end,
    }
}

/// Carries one direction to its end, which is passed on.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    network: &Network,
    direction: Direction,
) -> Result<(), End> {
    let mut state = network.state.subscribe();
    let mut piece = vec![0; PIECE];
    loop {
        until(&mut state, |state| state.link == Link::Open).await;
        let read = from.read(&mut piece).await.map_err(|_| End::Reset)?;
        sleep(network.delay(direction)).await; // tidy: allow sleep: the delay is what the owner asked for
        // A stall that began meanwhile holds this piece too.
        until(&mut state, |state| state.link == Link::Open).await;
        if read == 0 {
            return to.shutdown().await.map_err(|_| End::Closed);
        }
        let cut = if direction == Direction::Down {
            network.cut_reply(read)
        } else {
            None
        };
        let passed = cut.unwrap_or(read);
        to.write_all(&piece[..passed]).await.map_err(|_| End::Reset)?;
        if cut.is_some() {
            return Err(End::Closed);
        }
    }
}
