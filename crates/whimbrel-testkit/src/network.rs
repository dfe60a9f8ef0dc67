//! A network that does what a script says: between clients and a server, frame by frame.
//!
//! [`TestServer::network`](crate::server::TestServer::network) is the one that every client of a test server goes
//! through; [`Network::through`] puts one in front of any other connector. Where the bytes of a real socket have to
//! break, use [`Proxy`](crate::proxy::Proxy).
//!
//! ```
//! use whimbrel_testkit::server::TestServer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = TestServer::new();
//! let (phone, laptop) = (server.client("ada").open().await?, server.client("ada").open().await?);
//! for device in [&phone, &laptop] {
//!     device.connect().await?;
//! }
//! server.network().only(&laptop).offline(); // In the train.
//! let created = phone.channel("messaging:general")?.create("General", ["bob"]).await?;
//! created.settled().await?;
//! let sent = laptop.channel("messaging:general")?.send("from the tunnel").await?;
//! server.network().drop_next_reply();
//! server.network().only(&laptop).heal();
//! sent.settled().await?; // The repeat was answered: it is there once.
//! assert_eq!(server.converged(&[&phone, &laptop]).await?.texts("messaging:general"), ["from the tunnel"]);
//! # Ok(())
//! # }
//! ```

mod line;
mod script;

use async_trait::async_trait;
use line::Line;
use script::{Faults, Script};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use whimbrel_client::{Client, Connector, TransportError};
use whimbrel_model::DeviceId;
use whimbrel_transport::{Connection, memory};

/// A network between clients and a server, which breaks as it is told.
///
/// A clone is another handle to the same network. The methods act on every device, or on one after [`Network::only`].
/// What is asked for *the next* of something happens once, to the first that comes by, and a second call asks for a
/// second one. Frames are never reordered within a connection, as no transport does that.
#[derive(Clone, Debug)]
pub struct Network {
    shared: Arc<Shared>,
    device: Option<DeviceId>,
}

#[derive(Debug)]
struct Shared {
    script: watch::Sender<Script>,
    lines: TaskTracker,
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Network {
    /// Makes a network in which nothing breaks.
    #[must_use]
    pub fn new() -> Self {
        let shared = Shared {
            script: watch::Sender::new(Script::default()),
            lines: TaskTracker::new(),
        };
        Self {
            shared: Arc::new(shared),
            device: None,
        }
    }

    /// Returns a connector whose connections go through this network to where `inner` leads. A connect is made at
    /// `inner` first, and fails as it does.
    #[must_use]
    pub fn through(&self, inner: Arc<dyn Connector>) -> Arc<dyn Connector> {
        let network = Self {
            device: None,
            ..self.clone()
        };
        Arc::new(Through { inner, network })
    }

    /// Returns a handle whose methods act on one device only, also across its reconnects.
    ///
    /// A device is known by its hello: what concerns one device happens to its connection from then on.
    #[must_use]
    pub fn only(&self, client: &Client) -> Self {
        Self {
            device: Some(client.device()),
            ..self.clone()
        }
    }

    /// Loses the next answer to operations and breaks the connection that it was on: the server has decided, and the
    /// client cannot know. Frames before it arrive.
    pub fn drop_next_reply(&self) {
        self.change(|faults| faults.drop_replies += 1);
    }

    /// Loses the next frame of operations on its way up, and breaks its connection: the server never sees them, and the
    /// client cannot know that.
    pub fn drop_next_request(&self) {
        self.change(|faults| faults.drop_requests += 1);
    }

    /// Loses the next event on its way down, and nothing else: the connection goes on. The device learns of the change
    /// with the stream's next event, or with the next heartbeat.
    pub fn drop_next_event(&self) {
        self.change(|faults| faults.drop_events += 1);
    }

    /// Delivers the next event twice, one right after the other.
    pub fn duplicate_next_event(&self) {
        self.change(|faults| faults.duplicate_events += 1);
    }

    /// Holds back each frame that is sent from now on, in both directions, for `delay`. Frames travel at the same time:
    /// a delay costs no throughput. Of a device's own delay and that of the network the longer one counts; zero ends it.
    pub fn delay(&self, delay: Duration) {
        self.change(|faults| faults.delay = delay);
    }

    /// Breaks the connections of now, at once and without a word; frames on their way are lost. Clients may connect again
    /// at once.
    pub fn cut(&self) {
        self.change(|faults| faults.cuts += 1);
    }

    /// Takes the network away until [`Network::heal`]: breaks the connections of now, and each later attempt fails; that of
    /// a single device, when it says hello.
    pub fn offline(&self) {
        self.change(|faults| faults.offline = true);
    }

    /// Delivers nothing until [`Network::heal`], and breaks nothing: both sides believe in a connection that is not there,
    /// as after a silent change of cell. What is sent meanwhile arrives late, in order.
    pub fn stall(&self) {
        self.change(|faults| faults.stalled = true);
    }

    /// Makes everything whole: ends [`Network::offline`], [`Network::stall`] and [`Network::delay`], and forgets what was
    /// asked for and has not happened yet. For one device only what was asked for that device; for all, everything.
    pub fn heal(&self) {
        self.shared.script.send_modify(|script| script.heal(self.device));
    }

    /// Breaks everything and waits until nothing is left of it.
    pub(crate) async fn close(&self) {
        self.offline();
        self.shared.lines.close();
        self.shared.lines.wait().await;
    }

    fn change(&self, change: impl FnOnce(&mut Faults)) {
        self.shared
            .script
            .send_modify(|script| change(script.faults(self.device)));
    }
}

#[derive(Debug)]
struct Through {
    inner: Arc<dyn Connector>,
    network: Network,
}

#[async_trait]
impl Connector for Through {
    async fn connect(&self) -> Result<Connection, TransportError> {
        let shared = &self.network.shared;
        if shared.script.borrow().is_offline(None) {
            return Err(TransportError::Connect {
                address: "the server".to_owned(),
                reason: "the test's network is offline".to_owned(),
            });
        }
        let line = Line::new(shared.script.clone());
        let far = self.inner.connect().await?;
        let (connector, mut listener) = memory::channel();
        let client = connector.connect().await?;
        let near = listener.accept().await?;
        shared.lines.spawn(line.carry(near, far));
        Ok(client)
    }
}
