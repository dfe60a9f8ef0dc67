//! What the hub knows and tells of devices.

use super::Hub;
use crate::{
    DeviceRecord, DeviceStorage, Seen, StorageError,
    devices::SeenDesk,
    outbound::bye,
    registry::{Connection, device_revoked},
};
use tokio::time::Instant;
use tracing::warn;
use whimbrel_model::{AccountRow, Code, Row, UserId};
use whimbrel_protocol::{Answer, Bye, DeviceState};

impl Hub {
    /// Refuses the connection of a device that was revoked.
    pub(super) async fn check_device(&self, connection: &Connection) -> Result<(), Bye> {
        let devices = self.0.storage.devices(&connection.identity.user).await;
        let devices = devices.map_err(|error| Bye {
            retry_after_ms: Some(self.retry_after_ms()),
            ..bye(Code::Unavailable, error.to_string())
        })?;
        let mut own = devices
            .iter()
            .filter(|record| record.device.id == connection.device);
        match own.any(|record| record.device.revoked_at.is_some()) {
            true => Err(device_revoked()),
            false => Ok(()),
        }
    }

    /// Takes note that the device of a connection is here.
    pub(super) fn join_device(&self, connection: &Connection) {
        let user = &connection.identity.user;
        self.0.seen.join(user, connection.device, self.now());
        if let Some(push) = &self.0.push {
            push.connected(user, connection.device);
        }
    }

    /// Takes note that a connection of its device has ended.
    pub(super) fn leave_device(&self, connection: &Connection) {
        let user = &connection.identity.user;
        self.0.seen.leave(user, connection.device, self.now());
    }

    /// The device of a connection says that it has the heads up to `token`.
    ///
    /// # Errors
    /// The [`Bye`] to end the connection with: another server has revoked the device.
    pub(crate) async fn device_asks(&self, connection: &Connection, token: Option<&str>) -> Result<(), Bye> {
        let user = &connection.identity.user;
        self.0.seen.asks(user, connection.device, self.now(), token);
        // What this server commits ends connections at once.
        match &self.0.courier {
            Some(_) => self.check_device(connection).await,
            None => Ok(()),
        }
    }

    /// Lists the devices of a user, each with what is known of it beside its row.
    pub(super) async fn devices(&self, user: &UserId) -> Result<Answer, StorageError> {
        let records = self.0.storage.devices(user).await?;
        let now: Vec<_> = records
            .iter()
            .map(|record| self.0.seen.newest(&record.device, record.seen.as_ref()))
            .collect();
        let token = |seen: &Option<Seen>| seen.as_ref().and_then(|seen| seen.token.clone());
        let tokens: Vec<_> = now.iter().map(|(seen, _)| token(seen)).collect();
        let behind = self.0.storage.behind(user, &tokens).await?;
        let states = records.iter().zip(&now).zip(tokens.iter().zip(behind));
        let states = states.map(|((record, (seen, connected)), (token, behind))| DeviceState {
            device: record.device.id,
            connected: *connected,
            seen_at: seen.as_ref().map(|seen| seen.at),
            behind: token.as_ref().map(|_| behind),
        });
        let devices = states.collect();
        let row = |record: DeviceRecord| Row::Account(AccountRow::Device(record.device));
        Ok(Answer {
            rows: records.into_iter().map(row).collect(),
            devices,
            ..Answer::default()
        })
    }
}

/// Stores what is due of when devices were seen.
pub(super) async fn store_seen(storage: &dyn DeviceStorage, desk: &SeenDesk, all: bool) {
    let due = desk.take_due(Instant::now(), all);
    if due.is_empty() {
        return;
    }
    if let Err(error) = storage.put_seen(&due).await {
        warn!(%error, devices = due.len(), "when devices were seen was not stored");
    }
}
