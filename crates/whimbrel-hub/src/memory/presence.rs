//! Presence beside the streams.

use super::{MemoryStorage, tables::Tables};
use crate::{LastSeen, PresenceRecord, PresenceStorage, StorageError};
use async_trait::async_trait;
use whimbrel_model::{AccountKey, AccountRow, Row, RowKey, Settings, UserId};

#[async_trait]
impl PresenceStorage for MemoryStorage {
    async fn presence(
        &self,
        watcher: &UserId,
        users: &[UserId],
    ) -> Result<Vec<PresenceRecord>, StorageError> {
        let tables = self.open()?;
        let record = |user: &UserId| PresenceRecord {
            user: user.clone(),
            is_shared: user == watcher || tables.channels_of(watcher).any(|cid| tables.is_active(cid, user)),
            contact: tables.contact(user, watcher),
            own_contact: tables.contact(watcher, user),
            settings: tables.settings(user),
            seen: tables.last_seen.get(user).cloned(),
        };
        Ok(users.iter().map(record).collect())
    }

    async fn put_last_seen(&self, seen: &[LastSeen]) -> Result<(), StorageError> {
        let mut tables = self.open()?;
        for seen in seen {
            tables.last_seen.insert(seen.user.clone(), seen.clone());
        }
        Ok(())
    }
}

impl Tables {
    fn settings(&self, user: &UserId) -> Option<Settings> {
        match self.row(&RowKey::Account(user.clone(), AccountKey::Settings)) {
            Some(Row::Account(AccountRow::Settings(row))) => Some(row.clone()),
            _ => None,
        }
    }
}
