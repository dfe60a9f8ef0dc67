use super::error::OpenError;
use crate::files::{beside, write_private};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, SqliteConnection, SqlitePool,
    error::DatabaseError,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{
    fs::{self, File, TryLockError},
    io,
    path::Path,
    time::Duration,
};

/// Marks the file as ours: "Whim" in ASCII.
const APPLICATION_ID: i64 = 0x5768_696d;

/// Every change of the schema, oldest first. What was released is never edited.
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("questions.sql"),
    include_str!("search.sql"),
    include_str!("custom.sql"),
    include_str!("devices.sql"),
    include_str!("parcels.sql"),
    include_str!("presence.sql"),
];

/// The first SQLite without the WAL-reset corruption race.
const SQLITE_VERSION: (u32, u32, u32) = (3, 51, 3);

/// Read connections. Each is a thread; reads are short.
const READERS: u32 = 4;

/// Connections for questions: few, so that questions cannot take the whole machine.
const QUESTIONS: u32 = 2;

/// How long a statement waits for a lock, held by a backup tool for example.
const BUSY: Duration = Duration::from_secs(5);

/// Pages of 4 KiB between checkpoints. Larger than the default: a checkpoint costs two syncs.
const CHECKPOINT_PAGES: &str = "4000";

/// SQLite's code for a journal that a reader cannot roll back.
const READONLY_ROLLBACK: &str = "776";

/// Opens the file for writing: makes it, locks it against other servers and brings its schema up to date.
pub(super) async fn writer(path: &Path) -> Result<(SqliteConnection, File), OpenError> {
    let io_error = |error| OpenError::Io {
        path: path.to_owned(),
        error,
    };
    let lock = lock(path)?;
    match write_private(path, b"") {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::OpenOptions::new().append(true).open(path).map_err(io_error)?;
            if fs::metadata(path).map_err(io_error)?.len() > 0 {
                check(path).await?;
            }
        }
        Err(error) => return Err(io_error(error)),
    }
    let mut connection = connect_writer(path).await.map_err(sqlite_error(path))?;
    check_library(&mut connection)
        .await
        .map_err(sqlite_error(path))??;
    migrate(&mut connection).await.map_err(sqlite_error(path))?;
    Ok((connection, lock))
}

/// Opens read connections. The file is there and its schema is known.
pub(super) async fn readers(path: &Path) -> Result<SqlitePool, OpenError> {
    check(path).await?;
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(options(path).read_only(true))
        .await
        .map_err(sqlite_error(path))
}

/// Makes connections for questions, as they are needed. The file is there and its schema is known.
pub(super) fn questions(path: &Path) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(QUESTIONS)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_lazy_with(options(path).read_only(true))
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let path_of_lock = beside(path, ".lock");
    let io_error = |error| OpenError::Io {
        path: path.to_owned(),
        error,
    };
    let lock = File::create(path_of_lock).map_err(io_error)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(io_error(error)),
    }
}

async fn connect_writer(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    options(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("journal_size_limit", "67108864")
        .pragma("cache_size", "-65536")
        .connect()
        .await
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(BUSY)
        .foreign_keys(false)
        .pragma("temp_store", "MEMORY")
        .statement_cache_capacity(256)
        .row_buffer_size(1_024)
        .disable_statement_logging()
}

/// Refuses a file that is not ours or too new, through a connection that cannot change it, if that can read it.
async fn check(path: &Path) -> Result<(), OpenError> {
    fs::metadata(path).map_err(|error| OpenError::Io {
        path: path.to_owned(),
        error,
    })?;
    let read = async |options: SqliteConnectOptions| {
        let mut connection = options.connect().await?;
        let application: i64 = sqlx::query_scalar("PRAGMA application_id")
            .fetch_one(&mut connection)
            .await?;
        let version: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&mut connection)
            .await?;
        let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        Ok((application, version, tables))
    };
    let found = match read(options(path).read_only(true)).await {
        Err(error) if was_interrupted(&error) => read(options(path)).await,
        found => found,
    };
    let (application, version, tables) = found.map_err(sqlite_error(path))?;
    if application != APPLICATION_ID && tables > 0 {
        return Err(OpenError::NotOurs {
            path: path.to_owned(),
        });
    }
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if version > known {
        return Err(OpenError::NewerSchema {
            path: path.to_owned(),
            found: version,
            known,
        });
    }
    Ok(())
}

/// Says whether the power went while the file was made: what was begun then has to be taken back before anything can be
/// read, and a connection that cannot change the file cannot do that.
fn was_interrupted(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| code == READONLY_ROLLBACK)
}

async fn check_library(connection: &mut SqliteConnection) -> Result<Result<(), OpenError>, sqlx::Error> {
    let found: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(connection)
        .await?;
    let mut parts = found.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    let version = (next(), next(), next());
    Ok(if version < SQLITE_VERSION {
        Err(OpenError::OldSqlite { found })
    } else {
        Ok(())
    })
}

async fn migrate(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let version: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut *connection)
        .await?;
    let done = usize::try_from(version).unwrap_or(0);
    for (at, migration) in MIGRATIONS.iter().enumerate().skip(done) {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(*migration).execute(&mut *transaction).await?;
        if at == 0 {
            sqlx::query("INSERT INTO meta (id, epoch) VALUES (1, ?)")
                .bind(new_epoch()?)
                .execute(&mut *transaction)
                .await?;
        }
        if at == 1 {
            fold_names(&mut transaction).await?;
        }
        let stamp = format!(
            "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}",
            at + 1
        );
        sqlx::raw_sql(AssertSqlSafe(stamp))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
    }
    Ok(())
}

/// Writes the folded names of what was there before the tables for questions were: no database folds by itself.
async fn fold_names(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    for (select, update) in [
        (
            "SELECT cid, name FROM channels WHERE name IS NOT NULL",
            "UPDATE channels SET folded = ? WHERE cid = ?",
        ),
        (
            "SELECT id, name FROM users WHERE name IS NOT NULL",
            "UPDATE users SET folded = ? WHERE id = ?",
        ),
    ] {
        let named: Vec<(String, String)> = sqlx::query_as(select).fetch_all(&mut *connection).await?;
        for (id, name) in named {
            sqlx::query(update)
                .bind(whimbrel_query::fold(&name))
                .bind(id)
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}

/// Draws an epoch: positive, and exact in every JSON implementation.
fn new_epoch() -> Result<i64, sqlx::Error> {
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(|error| sqlx::Error::Io(io::Error::other(error)))?;
    let drawn = u64::from_le_bytes(random) >> 11;
    Ok(i64::try_from(drawn.max(1)).unwrap_or(1))
}

pub(super) fn sqlite_error(path: &Path) -> impl Fn(sqlx::Error) -> OpenError {
    move |error| OpenError::Sqlite {
        path: path.to_owned(),
        error,
    }
}
