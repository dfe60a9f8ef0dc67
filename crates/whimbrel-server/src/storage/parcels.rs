//! What devices leave for one another: carried, not looked at.

use super::{
    SqliteStorage,
    error::unusable,
    reader::SqliteReader,
    stored::{get, row, signed, unsigned},
    writer::Writer,
};
use async_trait::async_trait;
use serde_json::json;
use sqlx::{Connection as _, SqliteConnection};
use uuid::Uuid;
use whimbrel_hub::{KeptParcel, ParcelPart, ParcelStorage, StorageError};
use whimbrel_model::{AccountRow, DeviceId, DeviceSync, Row, Timestamp, UserId, limits};
use whimbrel_protocol::PutPart;

const SYNCS: &str = "SELECT body FROM rows WHERE key >= ? AND key < ? ORDER BY key";

/// The part in which a byte is, with where it begins.
const PART: &str = "
SELECT t.\"offset\", t.bytes FROM parcels p
LEFT JOIN parcel_parts t ON t.parcel = p.id AND t.\"offset\" =
    (SELECT max(\"offset\") FROM parcel_parts WHERE parcel = p.id AND \"offset\" <= ?4)
WHERE p.user = ?1 AND p.request = ?2 AND p.device = ?3";

/// Parcels of a user that are none of the list of (request, device or null).
const UNWANTED: &str = "
SELECT id FROM parcels p WHERE user = ?1 AND NOT EXISTS (
    SELECT 1 FROM json_each(?2) k
    WHERE k.value ->> 0 = p.request AND (k.value ->> 1 IS NULL OR k.value ->> 1 = p.device))";

/// A part that owns what it says, to be put by a task.
struct Put {
    user: String,
    request: String,
    device: String,
    part: PutPart,
    at: i64,
    kept: String,
}

#[async_trait]
impl ParcelStorage for SqliteStorage {
    async fn device_syncs(&self, user: &UserId) -> Result<Vec<DeviceSync>, StorageError> {
        self.reader.device_syncs(user).await
    }

    async fn put_part(&self, part: &ParcelPart<'_>, kept: &[KeptParcel]) -> Result<u64, StorageError> {
        let put = Put {
            user: part.user.to_string(),
            request: part.request.to_string(),
            device: part.by.to_string(),
            part: part.part.clone(),
            at: part.at.as_millis(),
            kept: as_list(kept),
        };
        let mut guard = self.lock().await;
        self.to_the_end(async move {
            let writer = guard.as_mut().ok_or(StorageError::Closed)?;
            writer.put_part(&put).await
        })
        .await?
    }

    async fn read_part(
        &self,
        user: &UserId,
        parcel: (Uuid, DeviceId),
        offset: u64,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        self.reader.part(user, parcel, offset).await
    }

    async fn keep_parcels(&self, user: &UserId, kept: &[KeptParcel]) -> Result<(), StorageError> {
        let (user, kept) = (user.to_string(), as_list(kept));
        let mut guard = self.lock().await;
        self.to_the_end(async move {
            let writer = guard.as_mut().ok_or(StorageError::Closed)?;
            writer.drop_parcels(UNWANTED, (&user, &kept)).await.map(|_| ())
        })
        .await
    }

    async fn prune_parcels(&self, before: Timestamp) -> Result<u64, StorageError> {
        let before = before.as_millis().to_string();
        let mut guard = self.lock().await;
        self.to_the_end(async move {
            let writer = guard.as_mut().ok_or(StorageError::Closed)?;
            let old = "SELECT id FROM parcels WHERE at < CAST(?1 AS INTEGER)";
            writer.drop_parcels(old, (&before, "")).await
        })
        .await
    }
}

impl SqliteReader {
    async fn device_syncs(&self, user: &UserId) -> Result<Vec<DeviceSync>, StorageError> {
        let lines = sqlx::query(SYNCS)
            .bind(format!("account {user} device_sync "))
            .bind(format!("account {user} device_sync!"))
            .fetch_all(&self.pool)
            .await
            .map_err(unusable)?;
        let sync = |line| match row(get::<&str>(line, 0)?)? {
            Row::Account(AccountRow::DeviceSync(sync)) => Ok(sync),
            other => Err(StorageError::Corrupt(format!(
                "{:?} as what devices ask",
                other.key()
            ))),
        };
        lines.iter().map(sync).collect()
    }

    async fn part(
        &self,
        user: &UserId,
        (request, device): (Uuid, DeviceId),
        offset: u64,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        let line = sqlx::query(PART)
            .bind(user.as_str())
            .bind(request.to_string())
            .bind(device.to_string())
            .bind(i64::try_from(offset).unwrap_or(i64::MAX))
            .fetch_optional(&self.pool)
            .await
            .map_err(unusable)?;
        let Some(line) = line else { return Ok(None) };
        let Some(begins) = get::<Option<i64>>(&line, 0)? else {
            return Ok(Some(Vec::new()));
        };
        let bytes: Vec<u8> = get(&line, 1)?;
        let skipped = usize::try_from(offset.saturating_sub(unsigned(begins))).unwrap_or(usize::MAX);
        let rest = bytes.get(skipped..).unwrap_or_default();
        Ok(Some(rest[..rest.len().min(limits::PARCEL_PART_BYTES)].to_vec()))
    }
}

impl Writer {
    /// Puts a part. The outer error is the database's, the inner one is the answer.
    async fn put_part(&mut self, put: &Put) -> Result<Result<u64, StorageError>, StorageError> {
        self.roll_back().await;
        self.unfinished = true;
        let begun = self.connection.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(unusable)?;
        drop_of(&mut transaction, UNWANTED, (&put.user, &put.kept)).await?;
        let stored = put.write(&mut transaction).await?;
        transaction.commit().await.map_err(unusable)?;
        self.unfinished = false;
        Ok(stored.ok_or_else(StorageError::too_many_parcels))
    }

    async fn drop_parcels(&mut self, which: &'static str, args: (&str, &str)) -> Result<u64, StorageError> {
        self.roll_back().await;
        self.unfinished = true;
        let begun = self.connection.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(unusable)?;
        let count = drop_of(&mut transaction, which, args).await?;
        transaction.commit().await.map_err(unusable)?;
        self.unfinished = false;
        Ok(count)
    }
}

impl Put {
    /// Returns how far the parcel is stored, or nothing if there are too many.
    async fn write(&self, connection: &mut SqliteConnection) -> Result<Option<u64>, StorageError> {
        let (total, len) = (signed(self.part.total), self.part.bytes.0.len());
        let found: Option<(i64, i64, String, i64)> = sqlx::query_as(
            "SELECT id, total, sha256, stored FROM parcels WHERE user = ? AND request = ? AND device = ?",
        )
        .bind(&self.user)
        .bind(&self.request)
        .bind(&self.device)
        .fetch_optional(&mut *connection)
        .await
        .map_err(unusable)?;
        let (id, stored) = match found {
            Some((id, known, sha256, stored)) if known == total && sha256 == self.part.sha256 => (id, stored),
            other => {
                if let Some((id, ..)) = other {
                    delete(connection, &[id]).await?;
                }
                let Some(id) = self.begin(connection).await? else {
                    return Ok(None);
                };
                (id, 0)
            }
        };
        let mut stored = unsigned(stored);
        if stored == self.part.offset && len > 0 {
            let sql = "INSERT INTO parcel_parts (parcel, \"offset\", bytes) VALUES (?, ?, ?)";
            let part = sqlx::query(sql)
                .bind(id)
                .bind(signed(stored))
                .bind(&self.part.bytes.0);
            part.execute(&mut *connection).await.map_err(unusable)?;
            stored += len as u64;
        }
        let moved = sqlx::query("UPDATE parcels SET stored = ?, at = ? WHERE id = ?")
            .bind(signed(stored))
            .bind(self.at)
            .bind(id);
        moved.execute(connection).await.map_err(unusable)?;
        Ok(Some(stored))
    }

    /// Makes an empty parcel, unless the user has too many.
    async fn begin(&self, connection: &mut SqliteConnection) -> Result<Option<i64>, StorageError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM parcels WHERE user = ?")
            .bind(&self.user)
            .fetch_one(&mut *connection)
            .await
            .map_err(unusable)?;
        if unsigned(count) >= limits::PARCELS as u64 {
            return Ok(None);
        }
        let sql = "INSERT INTO parcels (user, request, device, total, sha256, stored, at) \
                   VALUES (?, ?, ?, ?, ?, 0, ?) RETURNING id";
        let id = sqlx::query_scalar(sql)
            .bind(&self.user)
            .bind(&self.request)
            .bind(&self.device)
            .bind(signed(self.part.total))
            .bind(&self.part.sha256)
            .bind(self.at)
            .fetch_one(connection)
            .await
            .map_err(unusable)?;
        Ok(Some(id))
    }
}

async fn drop_of(
    connection: &mut SqliteConnection,
    which: &'static str,
    (first, second): (&str, &str),
) -> Result<u64, StorageError> {
    let mut query = sqlx::query_scalar(which).bind(first);
    if which.contains("?2") {
        query = query.bind(second);
    }
    let ids: Vec<i64> = query.fetch_all(&mut *connection).await.map_err(unusable)?;
    delete(connection, &ids).await?;
    Ok(ids.len() as u64)
}

async fn delete(connection: &mut SqliteConnection, ids: &[i64]) -> Result<(), StorageError> {
    for id in ids {
        for sql in [
            "DELETE FROM parcel_parts WHERE parcel = ?",
            "DELETE FROM parcels WHERE id = ?",
        ] {
            let deleted = sqlx::query(sql).bind(id).execute(&mut *connection).await;
            deleted.map_err(unusable)?;
        }
    }
    Ok(())
}

fn as_list(kept: &[KeptParcel]) -> String {
    let one = |kept: &KeptParcel| json!([kept.request, kept.by]);
    serde_json::Value::from(kept.iter().map(one).collect::<Vec<_>>()).to_string()
}
