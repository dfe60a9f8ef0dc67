//! The disk itself.

use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use std::path::Path;
use whimbrel_powerloss::Disk;

async fn connect(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    options.pragma("journal_mode", "WAL").connect().await
}

async fn run(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sql).execute(connection).await.map(drop)
}

#[tokio::test]
async fn without_power_nothing_works_and_afterwards_what_was_committed_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap().join("a.db");
    let disk = Disk::new(dir.path(), 7).unwrap();
    let mut connection = connect(&path).await.unwrap();
    run(&mut connection, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    assert!(
        disk.operations() > 4,
        "the disk sees {} operations",
        disk.operations()
    );
    disk.cut();
    let failed = run(&mut connection, "INSERT INTO t VALUES (2)")
        .await
        .unwrap_err();
    assert!(failed.to_string().contains("I/O"), "{failed}");
    assert!(connect(&path).await.is_err());
    drop(connection.close().await);
    disk.restore().unwrap();
    let mut connection = connect(&path).await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM t")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(rows, 1);
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_cut_comes_at_the_operation_that_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path(), 7).unwrap();
    let path = dir.path().canonicalize().unwrap().join("a.db");
    let mut connection = connect(&path).await.unwrap();
    run(&mut connection, "CREATE TABLE t (a)").await.unwrap();
    for left in 0..3 {
        disk.cut_after(left);
        let before = disk.operations();
        assert!(run(&mut connection, "INSERT INTO t VALUES (1)").await.is_err());
        assert!(disk.is_off() && disk.operations() > before + left, "{left}");
        drop(connection.close().await);
        disk.restore().unwrap();
        connection = connect(&path).await.unwrap();
    }
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_database_in_another_directory_keeps_its_power() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let disk = Disk::new(dir.path(), 7).unwrap();
    disk.cut();
    let mut connection = connect(&other.path().join("a.db")).await.unwrap();
    run(&mut connection, "CREATE TABLE t (a)").await.unwrap();
    connection.close().await.unwrap();
    assert!(connect(&dir.path().join("a.db")).await.is_err());
}
