//! What devices leave for one another.

use super::{MemoryStorage, tables::Tables};
use crate::{KeptParcel, ParcelPart, ParcelStorage, StorageError};
use async_trait::async_trait;
use std::collections::BTreeMap;
use uuid::Uuid;
use whimbrel_model::{AccountKey, AccountRow, DeviceId, DeviceSync, Row, RowKey, Timestamp, UserId, limits};

/// By user, request and the device that it is from.
#[derive(Clone, Debug, Default)]
pub(super) struct Parcels(BTreeMap<(UserId, Uuid, DeviceId), Stored>);

#[derive(Clone, Debug)]
struct Stored {
    total: u64,
    sha256: String,
    bytes: Vec<u8>,
    at: Timestamp,
}

impl Parcels {
    fn keep(&mut self, user: &UserId, kept: &[KeptParcel]) {
        let is_kept = |request, by| kept.iter().any(|kept| kept.has(request, by));
        self.0
            .retain(|(owner, request, by), _| owner != user || is_kept(*request, *by));
    }

    fn put(&mut self, put: &ParcelPart<'_>) -> Result<u64, StorageError> {
        let key = (put.user.clone(), put.request, put.by);
        let others = self
            .0
            .keys()
            .filter(|other| other.0 == *put.user && **other != key);
        if others.count() >= limits::PARCELS {
            return Err(StorageError::too_many_parcels());
        }
        let new = || Stored {
            total: put.part.total,
            sha256: put.part.sha256.clone(),
            bytes: Vec::new(),
            at: put.at,
        };
        let stored = self.0.entry(key).or_insert_with(new);
        if stored.sha256 != put.part.sha256 || stored.total != put.part.total {
            *stored = new();
        }
        stored.at = put.at;
        if stored.bytes.len() as u64 == put.part.offset {
            stored.bytes.extend(&put.part.bytes.0);
        }
        Ok(stored.bytes.len() as u64)
    }
}

#[async_trait]
impl ParcelStorage for MemoryStorage {
    async fn device_syncs(&self, user: &UserId) -> Result<Vec<DeviceSync>, StorageError> {
        Ok(self.open()?.device_syncs(user))
    }

    async fn put_part(&self, part: &ParcelPart<'_>, kept: &[KeptParcel]) -> Result<u64, StorageError> {
        let parcels = &mut self.open()?.parcels;
        parcels.keep(part.user, kept);
        parcels.put(part)
    }

    async fn read_part(
        &self,
        user: &UserId,
        (request, by): (Uuid, DeviceId),
        offset: u64,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        let tables = self.open()?;
        let Some(stored) = tables.parcels.0.get(&(user.clone(), request, by)) else {
            return Ok(None);
        };
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = stored.bytes.get(offset..).unwrap_or_default();
        Ok(Some(rest[..rest.len().min(limits::PARCEL_PART_BYTES)].to_vec()))
    }

    async fn keep_parcels(&self, user: &UserId, kept: &[KeptParcel]) -> Result<(), StorageError> {
        self.open()?.parcels.keep(user, kept);
        Ok(())
    }

    async fn prune_parcels(&self, before: Timestamp) -> Result<u64, StorageError> {
        let parcels = &mut self.open()?.parcels.0;
        let count = parcels.len();
        parcels.retain(|_, stored| stored.at >= before);
        Ok((count - parcels.len()) as u64)
    }
}

impl Tables {
    fn device_syncs(&self, user: &UserId) -> Vec<DeviceSync> {
        let key = |id| RowKey::Account(user.clone(), AccountKey::DeviceSync(DeviceId(id)));
        let rows = self.rows_between(key(Uuid::nil()), key(Uuid::max()));
        let syncs = rows.filter_map(|row| match row {
            Row::Account(AccountRow::DeviceSync(row)) => Some(row.clone()),
            _ => None,
        });
        syncs.collect()
    }
}
