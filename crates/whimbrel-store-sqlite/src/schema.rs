use crate::error;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};
use std::path::Path;
use whimbrel_store::StoreError;

/// What leads from each schema to the next. Never changed once released: a new schema is a new entry.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
    include_str!("schema/0005.sql"),
    include_str!("schema/0006.sql"),
    include_str!("schema/0007.sql"),
    include_str!("schema/0008.sql"),
    include_str!("schema/0009.sql"),
    include_str!("schema/0010.sql"),
    include_str!("schema/0011.sql"),
];

/// The first schema in which channels have their names as they are searched.
const FOLDED_SINCE: i64 = 5;

/// The schema that this version reads and writes, as in `PRAGMA user_version`.
pub(crate) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Marks a file as ours (`PRAGMA application_id`): "Whim".
pub(crate) const APPLICATION_ID: u32 = 0x5768_696d;

/// The first SQLite without the race in which a WAL reset could corrupt a database.
const SQLITE_AT_LEAST: [u32; 3] = [3, 51, 3];

/// Checks that the file is ours, or new, and not of a newer version. Writes nothing. Returns its schema.
pub(crate) async fn check(connection: &mut SqliteConnection, path: &Path) -> Result<i64, StoreError> {
    let sql = "SELECT sqlite_version(), (SELECT application_id FROM pragma_application_id), \
               (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_master)";
    let row = sqlx::query(sql)
        .fetch_one(connection)
        .await
        .map_err(|error| error::open(path, &error))?;
    let read = |error: sqlx::Error| error::open(path, &error);
    let engine: String = row.try_get(0).map_err(read)?;
    let application: i64 = row.try_get(1).map_err(read)?;
    let found: i64 = row.try_get(2).map_err(read)?;
    let objects: i64 = row.try_get(3).map_err(read)?;
    if !is_sound(&engine) {
        let reason = format!("SQLite {engine} can corrupt it; link at least {SQLITE_AT_LEAST:?}");
        return Err(error::cannot_open(path, reason));
    }
    let is_new = (application, found, objects) == (0, 0, 0);
    if application != i64::from(APPLICATION_ID) && !is_new {
        // If ours was there, that is what is wrong with it.
        return Err(StoreError::Corrupt("it is another program's database".to_owned()));
    }
    if found > VERSION {
        return Err(StoreError::NewerSchema {
            path: path.to_owned(),
            found,
            supported: VERSION,
        });
    }
    Ok(found)
}

/// Brings the database from schema `found` to [`VERSION`], in one transaction.
pub(crate) async fn migrate(
    connection: &mut SqliteConnection,
    path: &Path,
    found: i64,
) -> Result<(), StoreError> {
    let done = usize::try_from(found).unwrap_or(0);
    let missing = MIGRATIONS.get(done..).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    // If it fails, the caller closes the connection, and with it the transaction is undone.
    let failed = |error: sqlx::Error| error::open(path, &error);
    let sql = format!("BEGIN IMMEDIATE; {}", missing.join(";\n"));
    let begun = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await;
    begun.map_err(failed)?;
    if found < FOLDED_SINCE {
        fold_names(&mut *connection).await.map_err(failed)?;
    }
    let sql = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT");
    let ended = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await;
    ended.map_err(failed)?;
    tracing::info!(?path, from = found, to = VERSION, "the database has a new schema");
    Ok(())
}

/// Fills in the names of the channels that are there already.
async fn fold_names(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let named =
        "SELECT cid, json_extract(row, '$.name') FROM channels WHERE json_extract(row, '$.name') <> ''";
    for row in sqlx::query(named).fetch_all(&mut *connection).await? {
        for sql in [
            "UPDATE channels SET folded = ? WHERE cid = ?",
            "UPDATE timelines SET folded = ? WHERE cid = ?",
        ] {
            sqlx::query(sql)
                .bind(whimbrel_query::fold(row.try_get(1)?))
                .bind(row.try_get::<String, _>(0)?)
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}

fn is_sound(engine: &str) -> bool {
    let numbers = engine.split('.').map(|part| part.parse().unwrap_or(0));
    numbers.collect::<Vec<u32>>().as_slice() >= SQLITE_AT_LEAST.as_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_can_corrupt_is_refused() {
        for (engine, sound) in [
            ("3.51.2", false),
            ("3.51.3", true),
            ("3.50.9", false),
            ("3.52.0", true),
            ("4.0", true),
        ] {
            assert_eq!(is_sound(engine), sound, "{engine}");
        }
    }
}
