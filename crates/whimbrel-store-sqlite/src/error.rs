use sqlx::error::DatabaseError;
use std::path::Path;
use whimbrel_store::StoreError;

/// SQLite's primary result codes that mean something of their own here.
mod primary {
    pub(super) const ERROR: u32 = 1;
    pub(super) const BUSY: u32 = 5;
    pub(super) const READONLY: u32 = 8;
    pub(super) const CORRUPT: u32 = 11;
    pub(super) const FULL: u32 = 13;
    pub(super) const CANTOPEN: u32 = 14;
    pub(super) const NOTADB: u32 = 26;
}

/// Says what went wrong while `doing` something with the database at `path`.
pub(crate) fn engine(path: &Path, doing: &str, error: &sqlx::Error) -> StoreError {
    let message = || format!("{doing}: {error}");
    match primary_code(error) {
        Some(primary::FULL) => StoreError::DiskFull,
        Some(primary::BUSY) => StoreError::InUse {
            path: path.to_owned(),
        },
        Some(primary::CORRUPT | primary::NOTADB) => StoreError::Corrupt(message()),
        _ => StoreError::Engine(message()),
    }
}

/// Says what went wrong in the writing task, whose statements do not depend on what anyone asks for: if a column or table
/// of them is missing, the schema is damaged.
pub(crate) fn writing(path: &Path, doing: &str, error: &sqlx::Error) -> StoreError {
    let message = error.to_string();
    let is_missing = ["no such column", "no such table", "has no column named"]
        .iter()
        .any(|what| message.contains(what));
    match primary_code(error) {
        Some(primary::ERROR) if is_missing => StoreError::Corrupt(format!("{doing}: {message}")),
        _ => engine(path, doing, error),
    }
}

/// Says why the database at `path` cannot be opened. [`StoreError::Corrupt`]: because of what is in it.
pub(crate) fn open(path: &Path, error: &sqlx::Error) -> StoreError {
    let reason = match primary_code(error) {
        Some(primary::FULL | primary::BUSY) => return engine(path, "opening", error),
        Some(primary::NOTADB) => {
            return StoreError::Corrupt("it is not a SQLite database, or an encrypted one".to_owned());
        }
        // The statements with which it is opened are always the same: what is wrong with them is wrong with the file.
        // The same holds for a file that says it is not to be written, since its permissions were seen to allow it.
        Some(primary::CORRUPT | primary::ERROR | primary::READONLY) => {
            return StoreError::Corrupt(format!("it is damaged: {error}"));
        }
        Some(primary::CANTOPEN) => format!("there is no file, or it may not be opened: {error}"),
        _ => error.to_string(),
    };
    cannot_open(path, reason)
}

/// Says of a database that is not known to be ours that what is in it cannot be used.
pub(crate) fn refused(path: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Corrupt(reason) => cannot_open(path, format!("{reason}; it was left as it is")),
        other => other,
    }
}

pub(crate) fn cannot_open(path: &Path, reason: impl Into<String>) -> StoreError {
    StoreError::CannotOpen {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error().and_then(DatabaseError::code)?;
    // The extended code has the primary one in its low byte.
    code.parse::<u32>().ok().map(|code| code & 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::{Connection as _, Executor as _, SqliteConnection};

    #[tokio::test]
    async fn a_database_that_cannot_grow_is_a_full_disk() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let sql = "PRAGMA max_page_count = 4; CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(100000))";
        let error = connection.execute(sql).await.unwrap_err();
        assert!(
            matches!(engine(Path::new("x"), "writing", &error), StoreError::DiskFull),
            "{error}"
        );
    }
}
