//! What an operator does to the database of a server that does not run.

use crate::{Config, SqliteStorage, StartError};
use std::io;
use uuid::Builder;
use whimbrel_hub::{Clock, DeviceRecord, DeviceStorage, Request, Rules, Storage, SystemClock, apply_group};
use whimbrel_model::{DeviceId, Op, OpEnvelope, OpId, Timestamp, UserId};
use whimbrel_protocol::Outcome;

/// Returns the devices of a user, one a line.
pub(crate) async fn devices(config: &Config, user: &UserId) -> Result<Vec<String>, StartError> {
    let storage = SqliteStorage::open(&config.database).await?;
    let listed = storage.devices(user).await;
    storage.close().await;
    Ok(listed?.iter().map(line).collect())
}

/// Revokes a device of a user, as the user would.
pub(crate) async fn revoke(config: &Config, user: UserId, device: DeviceId) -> Result<(), StartError> {
    let storage = SqliteStorage::open(&config.database).await?;
    let now = SystemClock.now();
    let mut random = [0; 10];
    getrandom::fill(&mut random).map_err(|error| StartError::Runtime(io::Error::other(error)))?;
    let millis = u64::try_from(now.as_millis()).unwrap_or_default();
    let request = Request {
        user,
        op: OpEnvelope {
            id: OpId(Builder::from_unix_timestamp_millis(millis, &random).into_uuid()),
            op: Op::RevokeDevice { device },
            composed_at: now,
            after: None,
        },
    };
    let applied = apply_group(&storage, &Rules::default(), now, &[request]).await;
    storage.close().await;
    match applied?.into_iter().map(|applied| applied.outcome).next() {
        Some(Outcome::Rejected { code, message } | Outcome::Retry { code, message, .. }) => {
            Err(StartError::Refused { code, message })
        }
        Some(Outcome::Accepted { .. }) | None => Ok(()),
    }
}

fn line(DeviceRecord { device, seen }: &DeviceRecord) -> String {
    let time = |at: Option<Timestamp>| at.map_or("never".to_owned(), |at| at.as_millis().to_string());
    let state = match device.revoked_at {
        Some(at) => format!("revoked {}", at.as_millis()),
        None => format!("seen {}", time(seen.as_ref().map(|seen| seen.at))),
    };
    format!(
        "{}  registered {}  {state}  {:?}  {}",
        device.id,
        device.registered_at.as_millis(),
        device.name,
        device.agent
    )
}
