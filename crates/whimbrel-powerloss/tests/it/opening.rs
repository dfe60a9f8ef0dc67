//! Power losses at every operation of what opening a database may have to do.

use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use whimbrel_model::OutboxItem;
use whimbrel_powerloss::Disk;
use whimbrel_store::Store as _;
use whimbrel_store_sqlite::SqliteStore;

/// The first schema, as it was released, and a database with a full outbox of 300 operations.
const FIRST: &str = concat!(
    include_str!("../../../whimbrel-store-sqlite/src/schema/0001.sql"),
    include_str!("../../../whimbrel-store-sqlite/tests/it/schema1.sql")
);

/// What survives is drawn anew so often at each operation.
const SEEDS: u64 = 2;

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap().join("chat.db");
    (dir, path)
}

async fn run(path: &Path, sql: &'static str) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Reads the schema's number, and how many of the later columns of `session` are there.
async fn schema(path: &Path) -> (i64, i64) {
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .connect()
        .await
        .unwrap();
    let sql = "SELECT (SELECT user_version FROM pragma_user_version), \
               (SELECT count(*) FROM pragma_table_info('session') WHERE name IN ('synced_at', 'outbox_ver'))";
    let found = sqlx::query_as(sql).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    found
}

async fn outbox(store: &SqliteStore) -> Vec<OutboxItem> {
    store.load().await.unwrap().outbox
}

#[tokio::test]
async fn a_power_loss_within_a_migration_leaves_the_old_schema_or_the_new_one() {
    let (_sample, original) = place();
    run(&original, FIRST).await;
    let (mut old, mut new) = (0, 0);
    for seed in 0..SEEDS {
        for operations in 0.. {
            let (dir, path) = place();
            fs::copy(&original, &path).unwrap();
            let disk = Disk::new(dir.path(), seed << 32 | operations).unwrap();
            disk.cut_after(operations);
            let opened = SqliteStore::open(&path).await;
            let is_done = !disk.is_off();
            disk.cut();
            if let Ok(store) = opened {
                store.close().await;
            }
            disk.restore().unwrap();
            match schema(&path).await {
                (1, 0) => old += 1,
                (3.., 2) => new += 1,
                between => panic!("operation {operations}, seed {seed}: {between:?}"),
            }
            let store = SqliteStore::open(&path).await.unwrap();
            assert_eq!(store.recovery(), None, "operation {operations}, seed {seed}");
            assert_eq!(
                outbox(&store).await.len(),
                300,
                "operation {operations}, seed {seed}"
            );
            store.close().await;
            if is_done {
                break;
            }
        }
    }
    assert!(old > 10 && new > 1, "{old} old, {new} new");
}

#[tokio::test]
async fn a_power_loss_within_a_recovery_costs_no_operation() {
    let (sample, original) = place();
    run(&original, FIRST).await;
    let store = SqliteStore::open(&original).await.unwrap();
    let expected = outbox(&store).await;
    store.close().await;
    let mut again = 0;
    // Later ones write the outbox, page by page.
    for operations in (0..40).chain((40..).step_by(9)) {
        let (dir, path) = place();
        for file in fs::read_dir(sample.path()).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
        }
        let damaged = fs::OpenOptions::new().write(true).open(&path).unwrap();
        damaged.set_len(5_000).unwrap();
        let disk = Disk::new(dir.path(), operations).unwrap();
        disk.trust_others();
        disk.cut_after(operations);
        let opened = SqliteStore::open(&path).await;
        let is_done = !disk.is_off();
        disk.cut();
        if let Ok(store) = opened {
            store.close().await;
        }
        disk.restore().unwrap();
        let store = SqliteStore::open(&path).await.unwrap();
        again += u32::from(store.recovery().is_some());
        assert!(outbox(&store).await == expected, "operation {operations}");
        let aside = dir.path().join("chat.db.damaged-1");
        assert_eq!(
            fs::metadata(aside).unwrap().len(),
            5_000,
            "operation {operations}"
        );
        store.close().await;
        if is_done {
            break;
        }
    }
    assert!(again > 5, "only {again} were interrupted");
}
