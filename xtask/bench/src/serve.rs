//! A server in a process of its own, and what is written into its database before it starts.

use crate::figure::Result;
use crate::helper::{Helper, Parent, Role};
use crate::sample;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::task::JoinSet;
use whimbrel_hub::{Clock as _, Hub, HubConfig, Storage as _, SystemClock};
use whimbrel_model::{ChannelId, Custom, MessageId, MessageKind, Op, OpEnvelope, OpId, UserId, limits};
use whimbrel_protocol::Outcome;
use whimbrel_server::{Config, Server, SqliteStorage, Tokens};

/// What tokens are signed with.
const SECRET: &str = "only the benches know it, and they tell it to everyone";
/// Channels that are written to at once.
const WRITERS: u64 = 16;
/// Connections that it takes: more than descriptors allow.
const CONNECTIONS: usize = 100_000;

/// Where a server is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) database: PathBuf,
    /// Port 0: a free one.
    pub(crate) listen: SocketAddr,
}

impl Place {
    /// Returns a place on this machine, on a free port.
    pub(crate) fn new(database: PathBuf) -> Self {
        Self {
            database,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        }
    }

    fn config(&self) -> Config {
        Config {
            listen: self.listen,
            max_connections: CONNECTIONS,
            ..Config::new(&self.database, SECRET)
        }
    }

    /// Starts a server there. From then on the place has its port.
    pub(crate) async fn start(&mut self) -> Result<Helper> {
        let mut server = Helper::start(&Role::Server(self.clone()))?;
        self.listen = server.answer().await?;
        Ok(server)
    }
}

/// Serves until it is told to end.
pub(crate) async fn play(place: Place, mut parent: Parent) -> Result<()> {
    let server = Server::start(place.config()).await?;
    parent.tell(&server.addr)?;
    while parent.question::<()>().await?.is_some() {}
    server.shutdown().await;
    Ok(())
}

/// Makes a token for a user, good for a day.
pub(crate) fn token(user: &UserId) -> Result<String> {
    let config = Config::new("", SECRET);
    let day = std::time::Duration::from_secs(86_400);
    Ok(Tokens::new(&config.auth)?.mint(user, day, SystemClock.now())?)
}

/// The database of a server that does not run, and the number of the next object in it.
#[derive(Debug)]
pub(crate) struct Past {
    database: PathBuf,
    next: u64,
}

impl Past {
    pub(crate) fn new(database: &Path) -> Self {
        Self {
            database: database.to_owned(),
            next: 1,
        }
    }

    /// Makes channels, each by its author and with its members, and lets the author post `messages` into each.
    ///
    /// The channels may be there already. They are written to in turns, as channels are.
    pub(crate) async fn write(&mut self, channels: &[Posts]) -> Result<()> {
        let storage = Arc::new(SqliteStorage::open(&self.database).await?);
        let hub = Hub::start(storage.clone(), Arc::new(SystemClock), HubConfig::default());
        let share = channels.len().div_ceil(WRITERS as usize).max(1);
        let mut tasks = JoinSet::new();
        for part in channels.chunks(share) {
            let first = self.next;
            self.next += part.iter().map(Posts::ops).sum::<u64>();
            tasks.spawn(write(hub.clone(), part.to_vec(), first));
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        hub.close().await;
        storage.close().await;
        Ok(())
    }
}

/// What happens in a channel.
#[derive(Clone, Debug)]
pub(crate) struct Posts {
    pub(crate) cid: ChannelId,
    pub(crate) author: UserId,
    /// Absent: the channel is there already.
    pub(crate) members: Option<Vec<UserId>>,
    pub(crate) messages: u64,
}

impl Posts {
    fn ops(&self) -> u64 {
        self.messages + u64::from(self.members.is_some())
    }

    /// Returns the next operation. Its number is its id, and that of its message.
    fn next_op(&mut self, number: u64) -> Option<OpEnvelope> {
        let op = if let Some(members) = self.members.take() {
            Op::CreateChannel {
                cid: self.cid.clone(),
                name: format!("Channel {}", self.cid),
                image: String::new(),
                custom: Custom::default(),
                members,
            }
        } else {
            self.messages = self.messages.checked_sub(1)?;
            Op::SendMessage {
                cid: self.cid.clone(),
                id: MessageId(sample::id(number)),
                body: sample::body(number),
                parent: None,
                show_in_channel: false,
                quoted: None,
                kind: MessageKind::Regular,
                silent: false,
            }
        };
        Some(OpEnvelope {
            id: OpId(sample::id(number)),
            op,
            composed_at: sample::written(),
            after: None,
        })
    }
}

async fn write(hub: Hub, mut channels: Vec<Posts>, mut number: u64) -> Result<()> {
    // A few of each channel at a time, until there is nothing more in any.
    while !channels.is_empty() {
        let mut open = Vec::new();
        for mut posts in channels {
            let mut ops = Vec::new();
            while ops.len() < limits::OPS_PER_BATCH
                && let Some(op) = posts.next_op(number)
            {
                ops.push(op);
                number += 1;
            }
            for result in hub.ops(&posts.author, ops).await {
                if !matches!(result.outcome, Outcome::Accepted { .. }) {
                    return Err(format!("the server did not take it: {:?}", result.outcome).into());
                }
            }
            if posts.messages > 0 {
                open.push(posts);
            }
        }
        channels = open;
    }
    Ok(())
}
