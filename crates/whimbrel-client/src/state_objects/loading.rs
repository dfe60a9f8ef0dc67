//! Loading messages for an object, and saying so meanwhile.

use crate::{Client, Error, OlderEdge, SyncState, Timeline};
use tokio_util::sync::{CancellationToken, DropGuard};
use whimbrel_state::Direction;

/// While it lives, the object of a timeline says that messages are being loaded.
#[derive(Debug)]
pub(super) struct Loading {
    client: Client,
    timeline: Timeline,
    direction: Direction,
}

impl Loading {
    pub(super) fn begin(client: &Client, timeline: &Timeline, direction: Direction) -> Self {
        client.inner().state.begin_loading(timeline.list(), direction);
        Self {
            client: client.clone(),
            timeline: timeline.clone(),
            direction,
        }
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        let state = &self.client.inner().state;
        state.end_loading(self.timeline.list(), self.direction);
    }
}

/// Asks the server, as soon as there is a connection, for the messages that were wanted and are not on the device. Dropping
/// it gives up.
#[derive(Debug)]
pub(super) struct Request(#[expect(dead_code, reason = "it acts when it is dropped")] DropGuard);

impl Request {
    /// Starts to ask, if there is anything to ask for.
    pub(super) fn start(client: &Client, timeline: &Timeline, limit: usize) -> Option<Self> {
        missing(timeline, limit)?;
        let stop = CancellationToken::new();
        let request = ask(client.clone(), timeline.clone(), limit);
        let request = stop.clone().run_until_cancelled_owned(request);
        client.inner().tasks.spawn(request);
        Some(Self(stop.drop_guard()))
    }
}

async fn ask(client: Client, timeline: Timeline, limit: usize) {
    let mut status = client.watch_status();
    loop {
        match status.get() {
            SyncState::Closed => return,
            SyncState::Live => {
                let Some(missing) = missing(&timeline, limit) else {
                    return;
                };
                let _loading = Loading::begin(&client, &timeline, Direction::Older);
                match timeline.load_older(missing).await {
                    Err(Error::History(error)) if error.is_retryable() => {}
                    Err(Error::Suspended) => {}
                    Ok(()) | Err(_) => return,
                }
            }
            _ => {}
        }
        if status.next().await.is_none() {
            return;
        }
    }
}

/// Returns how many messages there are to ask for. Nothing: there are enough, or no more.
fn missing(timeline: &Timeline, limit: usize) -> Option<usize> {
    let missing = limit.saturating_sub(timeline.items().len());
    let known_start = timeline.edge() == OlderEdge::Start && timeline.freshness().complete;
    (missing > 0 && !known_start).then_some(missing)
}
