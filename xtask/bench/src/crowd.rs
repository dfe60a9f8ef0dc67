//! Many clients in one process: real ones over real sockets, with stores in memory.

use crate::clock::Stopwatch;
use crate::counted::{Counted, Counts};
use crate::figure::Result;
use crate::helper::Parent;
use crate::{sample, serve};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use whimbrel::{Client, WsConnector};
use whimbrel_model::{ChannelId, People};
use whimbrel_store::{MemoryStore, StoreReader};

/// Clients in one channel: which one a client is in follows from its number.
pub(crate) const IN_CHANNEL: u64 = 10;
/// Clients that connect at a time when nobody is in a hurry.
const CALM: usize = 16;
/// More than any crowd takes.
const DEADLINE: Duration = Duration::from_secs(300);

/// What a crowd can be asked for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Open clients until there are this many, connect them a few at a time, and wait until each is caught up.
    Grow(u64),
    /// Disconnect all.
    Leave,
    /// Connect all, and wait until each has the message `seq`.
    Return {
        /// Or a few at a time.
        at_once: bool,
        seq: u64,
    },
    /// Do nothing, and wait until each has the message `seq`.
    Meet { seq: u64 },
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Met {
    /// Of each client, from the question until it was caught up.
    pub(crate) seconds: Vec<f64>,
    /// Since the process began.
    pub(crate) counts: Counts,
}

/// Does what it is asked until that ends.
pub(crate) async fn play(server: SocketAddr, mut parent: Parent) -> Result<()> {
    let address = format!("ws://{server}");
    let counted = Counted::new(Arc::new(WsConnector::new(&address)?));
    let mut guests: Vec<Guest> = Vec::new();
    while let Some(ask) = parent.question::<Ask>().await? {
        let seconds = match ask {
            Ask::Grow(to) => {
                let first = guests.len();
                for number in first as u64..to {
                    guests.push(Guest::open(number, &address, &counted).await?);
                }
                each(&guests[first..], CALM, true, 1).await?
            }
            Ask::Leave => {
                for guest in &guests {
                    guest.client.disconnect().await?;
                }
                Vec::new()
            }
            Ask::Return { at_once: false, seq } => each(&guests, CALM, true, seq).await?,
            Ask::Return { at_once: true, seq } => each(&guests, guests.len(), true, seq).await?,
            Ask::Meet { seq } => each(&guests, guests.len(), false, seq).await?,
        };
        let counts = counted.counts();
        parent.tell(&Met { seconds, counts })?;
    }
    Ok(())
}

/// One client.
#[derive(Clone, Debug)]
struct Guest {
    client: Client,
    store: Arc<MemoryStore>,
    cid: ChannelId,
}

impl Guest {
    async fn open(number: u64, address: &str, counted: &Counted) -> Result<Self> {
        let user = sample::user(number)?;
        let store = Arc::new(MemoryStore::default());
        let client = Client::builder()
            .user(user.as_str())
            .token(serve::token(&user)?.as_str())
            .connector(address, Ok(Arc::new(counted.clone())))
            .store(store.clone());
        Ok(Self {
            client: client.open().await?,
            store,
            cid: sample::channel(number / IN_CHANNEL)?,
        })
    }

    /// Waits until it has everything, the message `seq` too.
    async fn catch_up(&self, seq: u64) -> Result<()> {
        self.client.wait_until_caught_up(DEADLINE).await?;
        let channel = self.store.channel(&self.cid, &People::default()).await?;
        let newest = channel.and_then(|channel| channel.last_message);
        let newest = newest.map_or(0, |message| message.seq);
        if newest == seq {
            Ok(())
        } else {
            Err(format!(
                "{} is caught up, and has {newest} of {seq} messages",
                self.client.user()
            )
            .into())
        }
    }
}

/// Lets each of `guests` catch up, so many at a time, connecting first if they are to. Returns the seconds of each from
/// now on.
async fn each(guests: &[Guest], at_once: usize, connect: bool, seq: u64) -> Result<Vec<f64>> {
    let places = Arc::new(Semaphore::new(at_once));
    let watch = Stopwatch::start();
    let mut tasks = JoinSet::new();
    for guest in guests {
        let (guest, places) = (guest.clone(), places.clone());
        tasks.spawn(async move {
            let _place = places.acquire().await?;
            if connect {
                guest.client.connect().await?;
            }
            guest.catch_up(seq).await?;
            Result::Ok(watch.seconds())
        });
    }
    let mut seconds = Vec::new();
    while let Some(done) = tasks.join_next().await {
        seconds.push(done??);
    }
    Ok(seconds)
}
