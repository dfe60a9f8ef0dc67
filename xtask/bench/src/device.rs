//! One client with its database, in a process of its own, that catches up.

use crate::clock::Stopwatch;
use crate::counted::{Counted, Counts};
use crate::figure::Result;
use crate::helper::{Parent, Usage, forget_peak};
use crate::{sample, serve};
use futures_util::{FutureExt as _, StreamExt as _};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use whimbrel::{Client, SqliteStore, WsConnector};
use whimbrel_model::UserId;

/// More than any backlog here takes.
const DEADLINE: Duration = Duration::from_secs(600);

/// What a client has to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) user: UserId,
    pub(crate) server: SocketAddr,
    pub(crate) database: PathBuf,
}

/// What it took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct CaughtUp {
    /// From the call that connects until all is stored and in the open lists.
    pub(crate) seconds: f64,
    /// Bytes by which its memory grew at most meanwhile.
    pub(crate) grown: f64,
    /// Seconds of processor time meanwhile.
    pub(crate) busy: f64,
    pub(crate) counts: Counts,
}

/// Opens the database, with an open channel list and an open timeline, catches up, tells what it took, and closes.
pub(crate) async fn play(job: Job, parent: Parent) -> Result<()> {
    let address = format!("ws://{}", job.server);
    let counted = Counted::new(Arc::new(WsConnector::new(&address)?));
    let client = Client::builder()
        .user(job.user.as_str())
        .token(serve::token(&job.user)?.as_str())
        .connector(&address, Ok(Arc::new(counted.clone())))
        .store(Arc::new(SqliteStore::open(&job.database).await?))
        .open()
        .await?;
    let channels = client.channels().await?;
    let (_, mut channel_diffs) = channels.subscribe();
    let timeline = client.channel(sample::channel(0)?.as_str())?.timeline().await?;
    let (_, mut message_diffs) = timeline.subscribe();
    forget_peak()?;
    let before = Usage::own()?;
    let watch = Stopwatch::start();
    client.connect().await?;
    client.wait_until_caught_up(DEADLINE).await?;
    let seconds = watch.seconds();
    let after = Usage::own()?;
    for (told, what) in [
        (channel_diffs.next().now_or_never().is_some(), "channel list"),
        (message_diffs.next().now_or_never().is_some(), "timeline"),
    ] {
        if !told {
            return Err(format!("all is caught up, and the open {what} was told nothing").into());
        }
    }
    client.close().await;
    parent.tell(&CaughtUp {
        seconds,
        grown: after.peak - before.memory,
        busy: after.busy - before.busy,
        counts: counted.counts(),
    })
}
