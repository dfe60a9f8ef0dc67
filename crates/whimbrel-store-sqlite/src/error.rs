use sqlx::error::DatabaseError;
use std::path::Path;
use whimbrel_store::StoreError;

/// SQLite's primary result codes that mean something of their own here.
mod primary {
    pub(super) const BUSY: u32 = 5;
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

/// Says why the database at `path` cannot be opened.
pub(crate) fn open(path: &Path, error: &sqlx::Error) -> StoreError {
    let reason = match primary_code(error) {
        Some(primary::FULL | primary::BUSY) => return engine(path, "opening", error),
        Some(primary::NOTADB) => {
            "it is not a SQLite database, or an encrypted one; it was left as it is".to_owned()
        }
        Some(primary::CORRUPT) => format!("it is damaged: {error}; it was left as it is"),
        Some(primary::CANTOPEN) => format!("there is no file, or it may not be opened: {error}"),
        _ => error.to_string(),
    };
    cannot_open(path, reason)
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
