//! A new database in the place of a damaged one, with the account and the outbox of it.

use crate::{
    decode::number,
    error, files, health,
    journal::{Journal, Noted},
    load,
    opening::{self, Opened},
    own::Own,
    write,
};
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection, sqlite::SqliteRow};
use std::path::Path;
use whimbrel_store::{Recovery, StoreError};

/// Sets the database at `path` aside and makes a new one, with what the journal has `noted` and what can be read of the
/// file. However often it is interrupted, the next one goes on: the journal has everything before the file is moved.
///
/// # Errors
/// When a file cannot be moved or written. Nothing is lost then.
pub(crate) async fn recover(path: &Path, noted: &Noted, reason: String) -> Result<Opened, StoreError> {
    let (own, lost) = save(path, noted).await;
    let failed =
        |error: std::io::Error| error::cannot_open(path, format!("it is damaged ({reason}), and: {error}"));
    let mut journal = Journal::open(path, &own, &Noted::default());
    journal.rewrite(&own).map_err(failed)?;
    let moved_to = files::set_aside(path).map_err(failed)?;
    files::create_file(path).map_err(failed)?;
    let mut connection = opening::connect(path, &opening::options(path)).await?;
    opening::set_up(&mut connection, path, &Noted::default()).await?;
    let (sql, args) = write::restoring(&own)?;
    let restored = sqlx::query_with(AssertSqlSafe(sql), args)
        .execute(&mut connection)
        .await;
    restored.map_err(|error| error::engine(path, "restoring the outbox", &error))?;
    health::forget(path).map_err(failed)?;
    let recovery = Recovery {
        reason,
        kept: own.outbox.len(),
        lost,
        moved_to,
    };
    tracing::error!(?recovery, "the database was damaged: a new one has its outbox");
    Ok(Opened {
        connection,
        journal,
        recovery: Some(recovery),
    })
}

/// What could be read of a damaged database.
#[derive(Debug, Default)]
struct Remains {
    own: Own,
    /// Whether the number of its changes could be read.
    is_dated: bool,
    /// Whether every row of the outbox was found.
    is_complete: bool,
    /// Rows that were found and make no sense.
    unreadable: usize,
}

/// Puts together what is known of the device's own part, and how much of the outbox is lost.
async fn save(path: &Path, noted: &Noted) -> (Own, Option<usize>) {
    let remains = read_remains(path).await;
    let journal_is_newest = noted.exists && noted.is_whole && noted.own.ver >= remains.own.ver;
    if journal_is_newest {
        let mut own = noted.own.clone();
        own.ver += 1;
        return (own, Some(0));
    }
    let file_is_newest = !noted.exists || (remains.is_dated && remains.own.ver >= noted.own.ver);
    let (mut own, older) = if file_is_newest {
        (remains.own, noted.own.clone())
    } else {
        (noted.own.clone(), remains.own)
    };
    own.ver = own.ver.max(older.ver) + 1;
    own.account = own.account.or(older.account);
    for (key, value) in older.settings {
        own.settings.entry(key).or_insert(value);
    }
    if file_is_newest && remains.is_complete {
        return (own, Some(remains.unreadable));
    }
    // Neither has everything. What only one of them has may have been decided: asking again tells, as nothing is done
    // twice.
    for (id, item) in older.outbox {
        own.outbox.entry(id).or_insert(item);
    }
    for item in own.outbox.values_mut() {
        item.attempted = true;
    }
    (own, None)
}

/// Reads what can be read, without changing the file.
async fn read_remains(path: &Path) -> Remains {
    let mut remains = Remains::default();
    let Ok(mut connection) = opening::connect(path, &opening::options(path).read_only(true)).await else {
        return remains;
    };
    let session = sqlx::query("SELECT user, device FROM session")
        .fetch_optional(&mut connection)
        .await;
    if let Ok(Some(row)) = session {
        remains.own.account = load::account(&row).ok().flatten();
    }
    let dated = sqlx::query("SELECT outbox_ver FROM session")
        .fetch_optional(&mut connection)
        .await;
    if let Ok(row) = dated {
        let ver = row.map_or(Ok(0), |row| number(&row, 0));
        remains.is_dated = ver.is_ok();
        remains.own.ver = ver.unwrap_or(0);
    }
    // They are few: all, or what the journal has.
    if let Ok(rows) = sqlx::query(load::SETTINGS).fetch_all(&mut connection).await {
        remains.own.settings = rows.iter().filter_map(|row| load::setting(row).ok()).collect();
    }
    // From both ends, up to what cannot be read.
    remains.is_complete = read_outbox(&mut connection, &mut remains, "id > ?", "ASC").await;
    if !remains.is_complete {
        read_outbox(&mut connection, &mut remains, "id < ?", "DESC").await;
    }
    opening::close(connection).await;
    remains
}

/// Reads the rows of the outbox one by one, in the order of their ids. Returns whether it came to the end.
async fn read_outbox(
    connection: &mut SqliteConnection,
    remains: &mut Remains,
    next: &str,
    order: &str,
) -> bool {
    let columns = "id, pos, account, op, composed_at, attempted, failures, last_error, rejection";
    let mut last: Option<Vec<u8>> = None;
    loop {
        let after = if last.is_some() { next } else { "? IS NULL" };
        let sql = format!("SELECT {columns} FROM outbox WHERE {after} ORDER BY id {order} LIMIT 1");
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(last.clone())
            .fetch_optional(&mut *connection)
            .await;
        let row: SqliteRow = match row {
            Ok(Some(row)) => row,
            Ok(None) => return true,
            Err(_) => return false,
        };
        let Ok(id) = row.try_get::<Vec<u8>, _>(0) else {
            return false;
        };
        // In a damaged index the next one may be one that was there before.
        let goes_on = last
            .as_ref()
            .is_none_or(|last| if order == "ASC" { id > *last } else { id < *last });
        if !goes_on {
            return false;
        }
        match load::outbox_item(&row) {
            Ok(item) => drop(remains.own.outbox.insert(item.id, item)),
            Err(_) => remains.unreadable += 1,
        }
        last = Some(id);
    }
}
