//! Devices beside the streams: who may be woken, and when each was seen.

use super::{
    SqliteStorage,
    error::unusable,
    reader::SqliteReader,
    stored::{get, key_text, opt_row, parse, row, signed, unsigned},
    writer::Writer,
};
use async_trait::async_trait;
use serde_json::json;
use std::sync::atomic::Ordering;
use whimbrel_hub::{
    DeviceRecord, DeviceSeen, DeviceStorage, HeadsPlan, PushAbout, PushTarget, Seen, StorageError,
};
use whimbrel_model::{AccountKey, AccountRow, Contact, Device, Row, RowKey, StreamId, Timestamp, UserId};

const DEVICES: &str = "
SELECT r.body, s.at, s.token FROM rows r
LEFT JOIN seen s ON s.user = ?1 AND s.device = substr(r.key, length(?2) + 1)
WHERE r.key >= ?2 AND r.key < ?3 ORDER BY r.key";

/// The activity of the own stream, and of the channels of the active memberships, as far as they moved after ?2.
const MOVED: &str = "
SELECT activity FROM streams WHERE name = ?1 AND activity > ?2
UNION ALL
SELECT s.activity FROM rows r JOIN streams s ON s.id = r.other
WHERE r.stream = (SELECT id FROM streams WHERE name = ?1) AND r.other IS NOT NULL AND s.activity > ?2";

/// The devices that may be woken, each with how its owner keeps the channel, and what the owner holds of the author and of
/// whoever added them. A member without such a device costs one look.
const TARGETS: &str = "
SELECT d.body, s.body, a.body, b.body
FROM members m
JOIN wakes w ON w.user = m.user
JOIN rows d ON d.key = 'account ' || w.user || ' device ' || w.device
JOIN rows s ON s.key = 'membership ' || w.user || ' ' || ?1
LEFT JOIN rows a ON a.key = 'account ' || w.user || ' contact ' || ?3
LEFT JOIN rows b ON b.key = 'account ' || w.user || ' contact ' || (s.body ->> '$.membership.added_by')
WHERE m.channel = (SELECT id FROM streams WHERE name = ?2) AND m.user <> ?3
  AND (?4 IS NULL OR EXISTS (SELECT 1 FROM followed f WHERE f.user = m.user AND f.parent = ?4))
ORDER BY w.user, w.device";

const PUT_SEEN: &str = "
INSERT INTO seen (user, device, at, token)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)
WHERE EXISTS (SELECT 1 FROM rows WHERE key = 'account ' || (value ->> 0) || ' device ' || (value ->> 1))
ON CONFLICT (user, device) DO UPDATE SET at = max(at, excluded.at), token = coalesce(excluded.token, token)";

/// Devices that are stored in one commit.
const SEEN_LINES: usize = 1_000;

/// Revoked devices that are deleted in one commit: a bite that does not hold up the operations behind it.
const PRUNE_DEVICES: i64 = 100;

#[async_trait]
impl DeviceStorage for SqliteStorage {
    async fn devices(&self, user: &UserId) -> Result<Vec<DeviceRecord>, StorageError> {
        self.reader.devices(user).await
    }

    async fn put_seen(&self, seen: &[DeviceSeen]) -> Result<(), StorageError> {
        for seen in seen.chunks(SEEN_LINES) {
            let line = |one: &DeviceSeen| json!([one.user, one.device, one.seen.at, one.seen.token]);
            let lines = serde_json::Value::from(seen.iter().map(line).collect::<Vec<_>>()).to_string();
            let mut guard = self.lock().await;
            self.to_the_end(async move {
                let writer = guard.as_mut().ok_or(StorageError::Closed)?;
                writer.put_seen(lines).await
            })
            .await?;
        }
        Ok(())
    }

    async fn behind(&self, user: &UserId, tokens: &[Option<String>]) -> Result<Vec<u64>, StorageError> {
        let activity = self.activity.load(Ordering::Acquire);
        self.reader.behind(user, activity, tokens).await
    }

    async fn push_targets(&self, about: &PushAbout) -> Result<Vec<PushTarget>, StorageError> {
        self.reader.push_targets(about).await
    }

    async fn prune_devices(&self, before: Timestamp) -> Result<u64, StorageError> {
        let mut total = 0;
        loop {
            let mut guard = self.lock().await;
            let (deleted, more) = self
                .to_the_end(async move {
                    let writer = guard.as_mut().ok_or(StorageError::Closed)?;
                    writer.prune_devices(before).await
                })
                .await?;
            total += deleted;
            if !more {
                return Ok(total);
            }
        }
    }
}

impl SqliteReader {
    async fn devices(&self, user: &UserId) -> Result<Vec<DeviceRecord>, StorageError> {
        let (from, to) = (
            format!("account {user} device "),
            format!("account {user} device!"),
        );
        let lines = sqlx::query(DEVICES)
            .bind(user.as_str())
            .bind(&from)
            .bind(to)
            .fetch_all(&self.pool)
            .await
            .map_err(unusable)?;
        let record = |line| {
            let at = get::<Option<i64>>(line, 1)?;
            let token = get(line, 2)?;
            Ok(DeviceRecord {
                device: device(row(get::<&str>(line, 0)?)?)?,
                seen: at.map(|at| Seen {
                    at: Timestamp(at),
                    token,
                }),
            })
        };
        lines.iter().map(record).collect()
    }

    async fn behind(
        &self,
        user: &UserId,
        activity: u64,
        tokens: &[Option<String>],
    ) -> Result<Vec<u64>, StorageError> {
        let since = |token: &Option<String>| {
            HeadsPlan::new(self.epoch(), activity, token.as_deref(), usize::MAX).since()
        };
        let since: Vec<u64> = tokens.iter().map(since).collect();
        let first = since.iter().copied().min().unwrap_or_default();
        let moved: Vec<i64> = sqlx::query_scalar(MOVED)
            .bind(StreamId::User(user.clone()).to_string())
            .bind(signed(first))
            .fetch_all(&self.pool)
            .await
            .map_err(unusable)?;
        let count = |since: &u64| moved.iter().filter(|moved| unsigned(**moved) > *since).count() as u64;
        Ok(since.iter().map(count).collect())
    }

    async fn push_targets(&self, about: &PushAbout) -> Result<Vec<PushTarget>, StorageError> {
        let lines = sqlx::query(TARGETS)
            .bind(about.cid.to_string())
            .bind(StreamId::Channel(about.cid.clone()).to_string())
            .bind(about.author.as_str())
            .bind(about.thread.map(|id| id.to_string()))
            .fetch_all(&self.questions)
            .await
            .map_err(unusable)?;
        let target = |line| {
            let Row::Membership(membership) = row(get::<&str>(line, 1)?)? else {
                return Err(StorageError::Corrupt("a membership that is none".to_owned()));
            };
            Ok(PushTarget {
                device: device(row(get::<&str>(line, 0)?)?)?,
                membership,
                author: contact(opt_row(line, 2)?),
                adder: contact(opt_row(line, 3)?),
            })
        };
        lines.iter().map(target).collect()
    }
}

impl Writer {
    async fn put_seen(&mut self, lines: String) -> Result<(), StorageError> {
        self.roll_back().await;
        let put = sqlx::query(PUT_SEEN).bind(lines);
        put.execute(&mut self.connection).await.map_err(unusable)?;
        Ok(())
    }

    /// Deletes the oldest of the devices that were revoked before `before`: one bite. Returns how many, and whether there may be
    /// more.
    async fn prune_devices(&mut self, before: Timestamp) -> Result<(u64, bool), StorageError> {
        use sqlx::Connection as _;
        self.roll_back().await;
        let old: Vec<(i64, String, String)> =
            sqlx::query_as("SELECT at, user, device FROM revoked WHERE at < ? ORDER BY at LIMIT ?")
                .bind(before.as_millis())
                .bind(PRUNE_DEVICES)
                .fetch_all(&mut self.connection)
                .await
                .map_err(unusable)?;
        if old.is_empty() {
            return Ok((0, false));
        }
        self.unfinished = true;
        let begun = self.connection.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(unusable)?;
        for (at, user, device) in &old {
            let key = key_text(&RowKey::Account(parse(user)?, AccountKey::Device(parse(device)?)));
            for sql in [
                "DELETE FROM rows WHERE key = ?4",
                "DELETE FROM seen WHERE user = ?2 AND device = ?3",
                "DELETE FROM revoked WHERE at = ?1 AND user = ?2 AND device = ?3",
            ] {
                let statement = sqlx::query(sql).bind(at).bind(user).bind(device).bind(&key);
                statement.execute(&mut *transaction).await.map_err(unusable)?;
            }
        }
        transaction.commit().await.map_err(unusable)?;
        self.unfinished = false;
        let count = old.len() as u64;
        Ok((count, count == PRUNE_DEVICES.unsigned_abs()))
    }
}

fn device(row: Row) -> Result<Device, StorageError> {
    match row {
        Row::Account(AccountRow::Device(device)) => Ok(device),
        other => Err(StorageError::Corrupt(format!("{:?} as a device", other.key()))),
    }
}

fn contact(row: Option<Row>) -> Option<Contact> {
    match row {
        Some(Row::Account(AccountRow::Contact(contact))) => Some(contact),
        _ => None,
    }
}
