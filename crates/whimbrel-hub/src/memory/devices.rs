//! Devices beside the streams.

use super::{MemoryStorage, tables::Tables};
use crate::{DeviceRecord, DeviceSeen, DeviceStorage, HeadsPlan, PushAbout, PushTarget, Seen, StorageError};
use async_trait::async_trait;
use uuid::Uuid;
use whimbrel_model::{
    AccountKey, AccountRow, Contact, Device, DeviceId, Row, RowKey, StreamId, Timestamp, UserId,
};

#[async_trait]
impl DeviceStorage for MemoryStorage {
    async fn devices(&self, user: &UserId) -> Result<Vec<DeviceRecord>, StorageError> {
        let tables = self.open()?;
        let record = |device: &Device| DeviceRecord {
            device: device.clone(),
            seen: tables.seen.get(&(user.clone(), device.id)).cloned(),
        };
        Ok(tables.devices(user).map(record).collect())
    }

    async fn put_seen(&self, seen: &[DeviceSeen]) -> Result<(), StorageError> {
        let mut tables = self.open()?;
        for DeviceSeen { user, device, seen } in seen {
            if tables.devices(user).any(|row| row.id == *device) {
                let old = tables.seen.remove(&(user.clone(), *device));
                let new = Seen {
                    at: seen.at.max(old.as_ref().map_or(seen.at, |old| old.at)),
                    token: seen.token.clone().or(old.and_then(|old| old.token)),
                };
                tables.seen.insert((user.clone(), *device), new);
            }
        }
        Ok(())
    }

    async fn behind(&self, user: &UserId, tokens: &[Option<String>]) -> Result<Vec<u64>, StorageError> {
        let tables = self.open()?;
        let count = |token: &Option<String>| {
            let plan = HeadsPlan::new(self.epoch, tables.activity(), token.as_deref(), usize::MAX);
            let own = std::iter::once(StreamId::User(user.clone()));
            let channels = tables.channels_of(user).cloned().map(StreamId::Channel);
            let moved = own
                .chain(channels)
                .filter_map(|stream| tables.stream_head(&stream));
            moved.filter(|(_, activity)| *activity > plan.since()).count() as u64
        };
        Ok(tokens.iter().map(count).collect())
    }

    async fn push_targets(&self, about: &PushAbout) -> Result<Vec<PushTarget>, StorageError> {
        let tables = self.open()?;
        let members = tables.active_members(&about.cid).into_iter();
        let others = members.filter(|user| *user != about.author && tables.follows(user, about));
        Ok(others.flat_map(|user| tables.targets(&user, about)).collect())
    }

    async fn prune_devices(&self, before: Timestamp) -> Result<u64, StorageError> {
        let mut tables = self.open()?;
        let old = tables.rows_of_kind(|row| match row {
            Row::Account(AccountRow::Device(row)) => row.revoked_at.filter(|at| *at < before).map(|_| row),
            _ => None,
        });
        let old: Vec<_> = old.map(|row| (row.user.clone(), row.id)).collect();
        for (user, device) in &old {
            tables.remove(&RowKey::Account(user.clone(), AccountKey::Device(*device)));
            tables.seen.remove(&(user.clone(), *device));
        }
        Ok(old.len() as u64)
    }
}

impl Tables {
    /// Iterates over the devices of a user, revoked ones too, by id.
    pub(super) fn devices(&self, user: &UserId) -> impl Iterator<Item = &Device> {
        let key = |id| RowKey::Account(user.clone(), AccountKey::Device(DeviceId(id)));
        let rows = self.rows_between(key(Uuid::nil()), key(Uuid::max()));
        rows.filter_map(|row| match row {
            Row::Account(AccountRow::Device(row)) => Some(row),
            _ => None,
        })
    }

    /// Returns whether a message wakes a user: anyone's timeline has it, or the user follows its thread.
    fn follows(&self, user: &UserId, about: &PushAbout) -> bool {
        let Some(thread) = about.thread else { return true };
        let read = RowKey::Read(about.cid.clone(), user.clone(), Some(thread));
        self.row(&read).is_some()
            || self
                .message(thread)
                .is_some_and(|began| began.author == *user && began.thread.is_some())
    }

    fn targets(&self, user: &UserId, about: &PushAbout) -> Vec<PushTarget> {
        let key = RowKey::Membership(about.cid.clone(), user.clone());
        let Some(Row::Membership(membership)) = self.row(&key) else {
            return Vec::new();
        };
        let adder = membership.added_by.as_ref();
        let target = |device: &Device| PushTarget {
            device: device.clone(),
            membership: membership.clone(),
            author: self.contact(user, &about.author),
            adder: adder.and_then(|adder| self.contact(user, adder)),
        };
        let wakes = |device: &&Device| device.push.is_some() && device.revoked_at.is_none();
        self.devices(user).filter(wakes).map(target).collect()
    }

    pub(super) fn contact(&self, user: &UserId, of: &UserId) -> Option<Contact> {
        match self.row(&RowKey::Account(user.clone(), AccountKey::Contact(of.clone()))) {
            Some(Row::Account(AccountRow::Contact(row))) => Some(row.clone()),
            _ => None,
        }
    }
}
