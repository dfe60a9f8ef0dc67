//! From a file to a connection that can be worked with: checked, of the current schema, and in agreement with the
//! outbox journal; or, if it is damaged, a new database with what could be saved.

use crate::{
    error, files, health,
    journal::{Journal, Noted},
    load,
    own::Own,
    recovery::Recovery,
    salvage, schema,
};
use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};
use std::{fs, path::Path, time::Duration};
use whimbrel_store::StoreError;

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
    // First through a connection that changes nothing, so that a damaged file stays as it is. After a power loss while
    // the file was made, something has to be taken back before it can be read.
    if !is_empty && !files::beside(path, "-journal").exists() {
        let mut connection = connect(path, &options(path).read_only(true)).await?;
        let outcome = examine(&mut connection, path, noted).await;
        close(connection).await;
        outcome?;
    }
    let mut connection = connect(path, &options(path)).await?;
    let outcome = set_up(&mut connection, path).await;
    match outcome.and_then(|own| agree(noted, &own).map(|()| own)) {
        Ok(own) => Ok((connection, own)),
        Err(error) => {
            close(connection).await;
            Err(error)
        }
    }
}

/// Checks what can be checked at once.
async fn examine(connection: &mut SqliteConnection, path: &Path, noted: &Noted) -> Result<(), StoreError> {
    let found = schema::check(connection, path).await?;
    // Before the third schema there was no journal.
    let own = match found {
        3.. => load::own(connection, path).await?,
        _ => Own::default(),
    };
    agree(noted, &own)
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

/// Brings the database to the current schema, and reads the device's own part.
pub(crate) async fn set_up(connection: &mut SqliteConnection, path: &Path) -> Result<Own, StoreError> {
    let found = schema::check(connection, path).await?;
    let wal = sqlx::query("PRAGMA journal_mode = WAL")
        .execute(&mut *connection)
        .await;
    wal.map_err(|error| error::open(path, &error))?;
    schema::migrate(connection, path, found).await?;
    load::own(connection, path).await
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
