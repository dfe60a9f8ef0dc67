//! From a file to a connection that can be worked with: checked, of the current schema, and in agreement with the
//! outbox journal; or, if it is damaged, a new database with what could be saved.

use crate::{
    error, files, health,
    journal::{Journal, Noted},
    load,
    own::Own,
    salvage, schema,
};
use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};
use std::{fs, path::Path, time::Duration};
use whimbrel_store::{Recovery, StoreError};

/// How long to wait for a lock of SQLite: longer than any checkpoint, short enough that someone still waits for it.
const BUSY: Duration = Duration::from_secs(5);

/// The size to which the log of the database (`-wal`) is cut back after a burst.
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;

/// A database that is ready to be written.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) connection: SqliteConnection,
    pub(crate) journal: Journal,
    pub(crate) recovery: Option<Recovery>,
}

/// Opens the database at `path`, of which the caller has the lock and which is not open.
///
/// # Errors
/// What [`SqliteStore::open`](crate::SqliteStore::open) says.
pub(crate) async fn open(path: &Path) -> Result<Opened, StoreError> {
    let noted = Journal::read(path);
    let is_ours = noted.exists || files::is_of(path, schema::APPLICATION_ID);
    let reason = match sound(path, &noted).await {
        Ok((connection, own)) => {
            let journal = Journal::open(path, &own, &noted);
            return Ok(Opened {
                connection,
                journal,
                recovery: None,
            });
        }
        Err(StoreError::Corrupt(reason)) if is_ours => reason,
        Err(error) => return Err(error::refused(path, error)),
    };
    salvage::recover(path, &noted, reason).await
}

/// Opens the database at `path` to look at it.
///
/// # Errors
/// What [`SqliteStore::open_read_only`](crate::SqliteStore::open_read_only) says.
pub(crate) async fn open_read_only(path: &Path) -> Result<SqliteConnection, StoreError> {
    files::require_file(path)?;
    let look = async {
        let mut connection = connect(path, &options(path).read_only(true)).await?;
        let found = schema::check(&mut connection, path).await?;
        Ok((connection, found))
    };
    let (connection, found) = look.await.map_err(|error| error::refused(path, error))?;
    if found < schema::VERSION {
        let reason = format!("it has schema {found}; open it for writing once to bring it up to date");
        return Err(error::cannot_open(path, reason));
    }
    Ok(connection)
}

/// Opens it if nothing is wrong with it.
async fn sound(path: &Path, noted: &Noted) -> Result<(SqliteConnection, Own), StoreError> {
    if health::was_damaged(path) {
        return Err(StoreError::Corrupt(
            "it was found damaged when it was last in use".to_owned(),
        ));
    }
    let is_empty = fs::metadata(path).map_or(true, |meta| meta.len() == 0);
    if is_empty && noted.exists {
        return Err(StoreError::Corrupt("it is empty, and was not".to_owned()));
    }
    let mut connection = connect(path, &options(path)).await?;
    match set_up(&mut connection, path, noted).await {
        Ok(own) => Ok((connection, own)),
        Err(error) => {
            close_unchanged(path, connection).await;
            Err(error)
        }
    }
}

/// Checks that the journal does not know better.
fn agree(noted: &Noted, own: &Own) -> Result<(), StoreError> {
    if noted.exists && noted.own.ver > own.ver {
        return Err(StoreError::Corrupt(
            "it has lost the newest changes of the outbox".to_owned(),
        ));
    }
    if noted.exists && noted.is_whole && noted.own.ver == own.ver && noted.own != *own {
        return Err(StoreError::Corrupt(
            "its outbox is not what was written".to_owned(),
        ));
    }
    Ok(())
}

/// Checks the database, and only then brings it to the current schema. Returns the device's own part, on which it and
/// the journal agree.
pub(crate) async fn set_up(
    connection: &mut SqliteConnection,
    path: &Path,
    noted: &Noted,
) -> Result<Own, StoreError> {
    let found = schema::check(connection, path).await?;
    // Writes only if it is a new database, and so does the next to one that is not old.
    let wal = sqlx::query("PRAGMA journal_mode = WAL")
        .execute(&mut *connection)
        .await;
    wal.map_err(|error| error::open(path, &error))?;
    schema::migrate(connection, path, found).await?;
    let own = load::own(connection, path).await?;
    agree(noted, &own)?;
    Ok(own)
}

/// Closes the connection to a file that is not to be used, and leaves the file as it is: the last connection would fold
/// the log into it and delete that, unless it is one that only reads.
async fn close_unchanged(path: &Path, connection: SqliteConnection) {
    let mut reader = options(path).read_only(true).connect().await.ok();
    if let Some(reader) = &mut reader {
        let held = sqlx::raw_sql("BEGIN; SELECT count(*) FROM sqlite_master")
            .execute(reader)
            .await;
        // What cannot even be read so far has no log that SQLite would look at.
        drop(held);
    }
    close(connection).await;
    if let Some(reader) = reader {
        close(reader).await;
    }
}

pub(crate) async fn connect(
    path: &Path,
    options: &SqliteConnectOptions,
) -> Result<SqliteConnection, StoreError> {
    options.connect().await.map_err(|error| error::open(path, &error))
}

/// Closes a connection that is of no use any more.
pub(crate) async fn close(connection: SqliteConnection) {
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "a connection was not closed cleanly; nothing is lost");
    }
}

/// The options of every connection. The journal mode is not among them: to set it writes to the file.
pub(crate) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .pragma("temp_store", "MEMORY")
        .pragma("mmap_size", "0")
        .pragma("wal_autocheckpoint", "1000")
        .pragma("journal_size_limit", JOURNAL_BYTES.to_string())
        // On Apple systems a plain fsync does not reach the disk.
        .pragma("fullfsync", if cfg!(target_vendor = "apple") { "1" } else { "0" })
        .thread_name(|_| "whimbrel-sqlite".to_owned())
        .disable_statement_logging()
}
