//! Whether there is a network, as the system says: a fact of its own, beside whether there is a connection.

use crate::{Client, Error, Watch, command::Command};

/// What the operating system says of the network.
///
/// A network does not make a connection, and a connection outlives its network by as long as nobody notices. So neither is
/// derived from the other: show [`Client::network`] beside [`Client::status`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// Nobody said.
    #[default]
    Unknown,
    /// There is one.
    Online,
    /// There is none.
    Offline,
}

impl Client {
    /// Takes note of what the system says of the network. Call it from the system's listener.
    ///
    /// With [`Network::Online`] a wait for the next attempt to connect ends at once. With both, a connection that there is has to
    /// show within 5 s ([`EngineConfig::probe_ms`](crate::EngineConfig::probe_ms)) that it still is one. Nothing is ever given up
    /// for what is said here: who is wrongly told that there is no network goes on trying, and syncing.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn set_network(&self, network: Network) -> Result<(), Error> {
        // Those who watch hear of changes only.
        let _changed = self.inner().network.set_if_not_eq(network);
        let is_there = match network {
            Network::Unknown => return Ok(()),
            Network::Online => true,
            Network::Offline => false,
        };
        self.commands().tell(Command::Network { is_there }).await
    }

    /// Returns what the system said of the network last.
    #[must_use]
    pub fn network(&self) -> Network {
        self.inner().network.get()
    }

    /// Returns a reader of what the system says of the network: the value now, and each later one.
    pub fn watch_network(&self) -> Watch<Network> {
        self.inner().network.subscribe()
    }
}
