//! What the hub reads for the presence desk, and does for it from time to time.

use super::{Hub, HubConfig, millis};
use crate::{
    BusLink, Clock, PresenceRecord, Storage, StorageError,
    bus::Courier,
    outbound::{bye, encode_frame},
    presence::{DeskConfig, Letter, Opening, PresenceDesk, check},
    registry::{Connection, Registry},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, slice, sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};
use whimbrel_model::{StreamId, UserId, limits};
use whimbrel_protocol::{AskPresence, Bye, Failed, Hello, ServerFrame, UserTyping, Watching};

/// Where servers tell one another who types.
const TYPING: &str = "whimbrel.typing";

/// How often it is stored when users were seen last.
const SAVE_EVERY: Duration = Duration::from_secs(2);

/// Beats of another server that may be missed in a row.
const BEATS: u32 = 3;

/// Who types, for the other servers.
#[derive(Debug, Serialize, Deserialize)]
struct TypingLetter {
    server: String,
    told: Vec<UserId>,
    typing: UserTyping,
}

/// Creates the desk that a hub with this configuration has.
pub(super) fn desk(clock: Arc<dyn Clock>, config: &HubConfig) -> Arc<PresenceDesk> {
    let config = DeskConfig {
        grace: config.presence_grace,
        lease: config.heartbeat.mul_f64(2.5),
        server_lease: config.server_beat * BEATS,
    };
    Arc::new(PresenceDesk::new(clock, config))
}

/// Tells other servers who is here and who types, and hears it of them, until `stop`.
pub(super) fn join_bus(
    link: BusLink,
    presence: &Arc<PresenceDesk>,
    registry: &Arc<Registry>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Courier {
    let courier = Courier::start(link, tasks, stop);
    presence.join_bus(courier.clone());
    let desk = presence.clone();
    courier.hear(PresenceDesk::topic(), tasks, stop, move |letter: Letter| {
        desk.hear(letter);
    });
    let (registry, own) = (registry.clone(), courier.server().to_owned());
    courier.hear(TYPING, tasks, stop, move |letter: TypingLetter| {
        if letter.server != own {
            send_typing(&registry, &letter.told, letter.typing);
        }
    });
    courier
}

/// Queues that somebody types, or no longer does, for the connections of `told` that watch the channel.
fn send_typing(registry: &Registry, told: &[UserId], typing: UserTyping) {
    let stream = StreamId::Channel(typing.cid.clone());
    let frame = || encode_frame(&ServerFrame::Typing(typing));
    registry.send(&stream, told, None, frame);
}

impl Hub {
    /// Lets the presence desk know of a connection.
    pub(super) async fn join_presence(&self, hello: Hello, connection: &Connection) -> Result<(), Bye> {
        let user = &connection.identity.user;
        let records = self.0.storage.presence(user, slice::from_ref(user)).await;
        // Who cannot be known to be invisible is not shown.
        let records = records.map_err(|error| Bye {
            retry_after_ms: Some(self.retry_after_ms()),
            ..bye(error.code(), error.to_string())
        })?;
        let record = records.into_iter().next();
        let record = record.unwrap_or_else(|| PresenceRecord::unknown(user.clone()));
        let shown = (hello.presence, hello.background);
        let number = self.0.presence.join(record, &connection.mailbox, shown);
        connection.presence.get_or_init(|| number);
        Ok(())
    }

    pub(crate) async fn presence(&self, connection: &Connection, ask: AskPresence) -> Result<(), Bye> {
        check(&ask)?;
        let Some(number) = connection.presence.get() else {
            return Ok(());
        };
        let add: Vec<UserId> = ask
            .add
            .iter()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .cloned()
            .collect();
        let records = match add.is_empty() {
            true => Ok(Vec::new()),
            false => self.0.storage.presence(&connection.identity.user, &add).await,
        };
        match records {
            Ok(records) => self.0.presence.watch(*number, &ask, records),
            Err(error) => {
                let failed = ServerFrame::Failed(Failed {
                    id: ask.id,
                    code: error.code(),
                    message: error.to_string(),
                    retry_after_ms: Some(self.retry_after_ms()),
                });
                encode_frame(&failed)
                    .into_iter()
                    .for_each(|bytes| connection.mailbox.answer(bytes));
            }
        }
        Ok(())
    }

    /// Opens a channel for a connection, or closes it. Who is no member opens nothing, and hears nothing.
    pub(crate) async fn watching(
        &self,
        connection: &Connection,
        Watching { cid, on }: Watching,
    ) -> Result<(), Bye> {
        let Some(number) = connection.presence.get() else {
            return Ok(());
        };
        if !on {
            self.0.presence.close(*number, &cid);
            return Ok(());
        }
        match self.opening(&connection.identity.user, cid).await {
            Ok(Some(opening)) => self.0.presence.open(*number, &opening),
            Ok(None) => Ok(()),
            Err(error) => {
                debug!(%error, "who has a channel open is not told");
                Ok(())
            }
        }
    }

    async fn opening(
        &self,
        user: &UserId,
        cid: whimbrel_model::ChannelId,
    ) -> Result<Option<Opening>, StorageError> {
        let mut others = self.0.storage.members(&cid).await?;
        let members = others.len();
        others.retain(|member| member != user);
        if others.len() == members {
            return Ok(None);
        }
        let records = match members <= limits::WATCHERS_NAMED && !others.is_empty() {
            true => self.0.storage.presence(user, &others).await?,
            false => Vec::new(),
        };
        Ok(Some(Opening {
            cid,
            members,
            records,
        }))
    }

    /// Passes on that a user types, or no longer does, to the connections of `told` that watch the channel.
    pub(crate) fn tell_typing(&self, told: &[UserId], typing: UserTyping) {
        if let Some(courier) = &self.0.courier {
            let letter = TypingLetter {
                server: courier.server().to_owned(),
                told: told.to_vec(),
                typing: typing.clone(),
            };
            courier.send(TYPING, &letter);
        }
        send_typing(&self.0.registry, told, typing);
    }

    /// Stores when everybody was seen last who is here, as the hub is closed.
    pub(super) async fn close_presence(&self) {
        self.0.presence.leave_all();
        save(&*self.0.storage, &self.0.presence).await;
    }
}

/// What has to be done for presence from time to time.
#[derive(Debug)]
pub(super) struct PresenceKeeper {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) presence: Arc<PresenceDesk>,
    pub(super) grace: Duration,
    pub(super) beat: Duration,
}

impl PresenceKeeper {
    pub(super) async fn run(self, stop: CancellationToken) {
        // Going offline is told at most a tenth of the grace too late.
        let mut tick = interval((self.grace / 10).max(Duration::from_millis(10)));
        let mut keep = interval(SAVE_EVERY);
        let mut beat = interval(self.beat.max(Duration::from_millis(10)));
        for timer in [&mut tick, &mut keep, &mut beat] {
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = beat.tick() => self.presence.beat(),
                _ = tick.tick() => self.presence.tick(),
                _ = keep.tick() => {
                    save(&*self.storage, &self.presence).await;
                    self.refresh().await;
                }
            }
        }
    }

    /// Reads those anew of whom another server knows more.
    async fn refresh(&self) {
        let stale = self.presence.take_stale();
        let Some(any) = stale.first() else { return };
        match self.storage.presence(any, &stale).await {
            Ok(records) => records.iter().for_each(|record| self.presence.refresh(record)),
            // The next beat names them again.
            Err(error) => debug!(%error, "presence could not be read"),
        }
    }
}

/// Stores when users were seen last.
async fn save(storage: &dyn Storage, presence: &PresenceDesk) {
    loop {
        let seen = presence.take_unsaved();
        if seen.is_empty() {
            return;
        }
        if let Err(error) = storage.put_last_seen(&seen).await {
            warn!(%error, "it could not be stored when users were seen last");
            presence.put_back(seen);
            return;
        }
    }
}

impl HubConfig {
    /// Returns after what time a server that is not heard is believed no more by the others.
    #[must_use]
    pub fn server_lease_ms(&self) -> u64 {
        millis(self.server_beat * BEATS)
    }
}
