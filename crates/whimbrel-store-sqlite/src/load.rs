use crate::{
    decode::{Decoded, corrupt, id, json, number, opt_json, opt_number, text_id},
    error,
    own::Own,
};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};
use std::{collections::BTreeMap, path::Path};
use uuid::Uuid;
use whimbrel_model::{
    Account, AccountRow, ChannelId, Code, Contact, Cursor, Delivered, DeviceId, Epoch, Head, Loaded, Local,
    Membership, OpId, OutboxItem, OutboxStatus, SnapshotWindow, StreamId, Timestamp, Transfer,
};
use whimbrel_store::StoreError;

/// The outbox, oldest first.
const OUTBOX: &str = "SELECT id, pos, account, op, composed_at, attempted, failures, last_error, rejection \
                      FROM outbox ORDER BY pos";

/// The app's settings.
pub(crate) const SETTINGS: &str = "SELECT key, value FROM settings ORDER BY key";

/// Of each channel that the account follows and has not left: the newest message of somebody else up to the cursor, and what the
/// server knows to have reached the account. That the account is in a channel may come later than the
/// channel itself, and how far the channel goes later than its messages.
const UNDELIVERED: &str = "SELECT s.cid, \
    max( \
        coalesce((SELECT m.seq FROM messages m WHERE m.cid = s.cid AND m.in_channel = 1 AND (m.seq <= s.seq OR m.ver <= s.ver) \
            AND m.author <> u.user AND m.ver > 0 ORDER BY m.seq DESC LIMIT 1), 0), \
        coalesce((SELECT m.seq FROM messages m WHERE m.cid = s.cid AND m.in_channel = 0 AND (m.seq <= s.seq OR m.ver <= s.ver) \
            AND m.author <> u.user AND m.ver > 0 ORDER BY m.seq DESC LIMIT 1), 0)), \
    coalesce(max(r.seq, r.furthest), 0), d.row \
    FROM session u CROSS JOIN (SELECT substr(stream, 3) AS cid, seq, ver FROM streams \
        WHERE stream >= 'C:' AND stream < 'C;' AND epoch IS NOT NULL) s \
    LEFT JOIN reads r ON r.cid = s.cid AND r.thread = x'' AND r.user = u.user AND r.ver > 0 AND r.private = 0 \
    LEFT JOIN delivered d ON d.cid = s.cid AND d.user = u.user AND d.ver > 0 \
    WHERE u.user IS NOT NULL";

/// How much to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// What there is of every stream too.
    All,
    /// What the device has once.
    Own,
}

/// Reads what the engine needs at start, or a part of it, as of one moment.
pub(crate) async fn load(
    connection: &mut SqliteConnection,
    path: &Path,
    part: Part,
) -> Result<Loaded, StoreError> {
    let begun = sqlx::query("BEGIN").execute(&mut *connection).await;
    begun.map_err(|error| error::engine(path, "beginning to load", &error))?;
    let loaded = read(connection, path, part).await;
    let ended = sqlx::query("COMMIT").execute(connection).await;
    ended.map_err(|error| error::engine(path, "ending to load", &error))?;
    loaded
}

async fn read(connection: &mut SqliteConnection, path: &Path, part: Part) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded::default();
    for row in rows(
        connection,
        path,
        "SELECT user, device, heads_token, synced_at FROM session",
    )
    .await?
    {
        session(&mut loaded, &row)?;
    }
    for row in rows(connection, path, OUTBOX).await? {
        loaded.outbox.push(outbox_item(&row)?);
    }
    loaded.local = Local {
        settings: settings(connection, path).await?,
        transfers: transfers(connection, path).await?,
    };
    if part == Part::Own {
        return Ok(loaded);
    }
    let sql = "SELECT stream, epoch, ver, seq, window_lo, window_ver, head_ver, head_seq FROM streams";
    for row in rows(connection, path, sql).await? {
        stream(&mut loaded, &row)?;
    }
    let sql = "SELECT cid, runs FROM timelines WHERE runs IS NOT NULL";
    for row in rows(connection, path, sql).await? {
        loaded.ranges.insert(text_id(&row, 0)?, json(&row, 1)?);
    }
    if let Some(device) = loaded.account.as_ref().map(|account| account.device) {
        for row in rows(connection, path, UNDELIVERED).await? {
            loaded.undelivered.extend(undelivered(&row, device)?);
        }
    }
    let sql = "SELECT row, ver FROM memberships WHERE user = (SELECT user FROM session) ORDER BY cid";
    for row in rows(connection, path, sql).await? {
        let membership: Membership = json(&row, 0)?;
        let ver = number(&row, 1)?;
        loaded.memberships.push(Membership { ver, ..membership });
    }
    let sql = "SELECT row, ver FROM account_rows \
               WHERE user = (SELECT user FROM session) AND key >= 'contact ' AND key < 'contact!' ORDER BY key";
    for row in rows(connection, path, sql).await? {
        if let AccountRow::Contact(contact) = json(&row, 0)? {
            let ver = number(&row, 1)?;
            loaded.contacts.push(Contact { ver, ..contact });
        }
    }
    Ok(loaded)
}

/// Reads the device's own part. Only the writer calls it, so that it is of one moment.
pub(crate) async fn own(connection: &mut SqliteConnection, path: &Path) -> Result<Own, StoreError> {
    let mut own = Own::default();
    let sql = "SELECT user, device, outbox_ver FROM session";
    for row in rows(connection, path, sql).await? {
        own.account = account(&row)?;
        own.ver = number(&row, 2)?;
    }
    for row in rows(connection, path, OUTBOX).await? {
        let item = outbox_item(&row)?;
        own.outbox.insert(item.id, item);
    }
    own.settings = settings(connection, path).await?;
    Ok(own)
}

async fn settings(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<BTreeMap<String, String>, StoreError> {
    let rows = rows(connection, path, SETTINGS).await?;
    Ok(rows.iter().map(setting).collect::<Decoded<_>>()?)
}

/// Reads the columns of [`SETTINGS`].
pub(crate) fn setting(row: &SqliteRow) -> Decoded<(String, String)> {
    Ok((row.try_get(0)?, row.try_get(1)?))
}

async fn transfers(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<BTreeMap<Uuid, Transfer>, StoreError> {
    let mut transfers = BTreeMap::new();
    for row in rows(connection, path, "SELECT row FROM transfers").await? {
        let transfer: Transfer = json(&row, 0)?;
        transfers.insert(transfer.request, transfer);
    }
    Ok(transfers)
}

async fn rows(
    connection: &mut SqliteConnection,
    path: &Path,
    sql: &'static str,
) -> Result<Vec<SqliteRow>, StoreError> {
    let rows = sqlx::query(sql).fetch_all(connection).await;
    rows.map_err(|error| error::writing(path, "loading", &error))
}

fn session(loaded: &mut Loaded, row: &SqliteRow) -> Decoded<()> {
    loaded.account = account(row)?;
    loaded.heads_token = row.try_get(2)?;
    loaded.synced_at = row.try_get::<Option<i64>, _>(3)?.map(Timestamp);
    Ok(())
}

/// Reads the columns user and device.
pub(crate) fn account(row: &SqliteRow) -> Decoded<Option<Account>> {
    if row.try_get::<Option<&str>, _>(0)?.is_none() {
        return Ok(None);
    }
    Ok(Some(Account {
        user: text_id(row, 0)?,
        device: DeviceId(id(row, 1)?),
    }))
}

fn stream(loaded: &mut Loaded, row: &SqliteRow) -> Decoded<()> {
    let stream: StreamId = text_id(row, 0)?;
    if let Some(epoch) = row.try_get::<Option<i64>, _>(1)? {
        let window = match (opt_number(row, 4)?, opt_number(row, 5)?) {
            (Some(lo), Some(ver)) => Some(SnapshotWindow { lo, ver }),
            _ => None,
        };
        let cursor = Cursor {
            epoch: Epoch(epoch.cast_unsigned()),
            ver: number(row, 2)?,
            seq: number(row, 3)?,
            window,
        };
        loaded.cursors.insert(stream.clone(), cursor);
    }
    if let Some(ver) = opt_number(row, 6)? {
        let seq = number(row, 7)?;
        loaded.heads.insert(stream, Head { ver, seq });
    }
    Ok(())
}

/// Reads the columns of [`UNDELIVERED`].
fn undelivered(row: &SqliteRow, device: DeviceId) -> Decoded<Option<(ChannelId, u64)>> {
    let (newest, read) = (number(row, 1)?, number(row, 2)?);
    let delivered: Option<Delivered> = opt_json(row, 3)?;
    let known = match delivered {
        Some(delivered) if delivered.devices_public => delivered.of_device(device),
        delivered => delivered.map_or(0, |delivered| delivered.seq).max(read),
    };
    let cid = text_id(row, 0)?;
    Ok((newest > known).then_some((cid, newest)))
}

/// Reads the columns of [`OUTBOX`].
pub(crate) fn outbox_item(row: &SqliteRow) -> Decoded<OutboxItem> {
    Ok(OutboxItem {
        id: OpId(id(row, 0)?),
        pos: number(row, 1)?,
        user: text_id(row, 2)?,
        op: json(row, 3)?,
        composed_at: Timestamp(row.try_get(4)?),
        attempted: row.try_get(5)?,
        failures: row.try_get::<i64, _>(6)?.try_into().map_err(corrupt)?,
        last_error: row.try_get::<Option<String>, _>(7)?.map(Code::from),
        status: opt_json(row, 8)?.map_or(OutboxStatus::Queued, OutboxStatus::Rejected),
    })
}
