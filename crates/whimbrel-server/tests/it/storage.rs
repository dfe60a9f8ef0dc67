use crate::support::{create, op, send, user};
use serde_json::json;
use std::{path::Path, sync::Arc};
use whimbrel_hub::{Hub, HubConfig, Request, Rules, Storage, SystemClock, apply_group};
use whimbrel_model::{Op, Timestamp};
use whimbrel_protocol::Question;
use whimbrel_server::{OpenError, SqliteStorage};

async fn hub_on(path: &Path) -> (Hub, Arc<SqliteStorage>) {
    let storage = Arc::new(SqliteStorage::open(path).await.unwrap());
    let hub = Hub::start(storage.clone(), Arc::new(SystemClock), HubConfig::default());
    (hub, storage)
}

#[tokio::test]
async fn a_database_keeps_its_epoch_and_another_one_has_another() {
    let dir = tempfile::tempdir().unwrap();
    let mut epochs = Vec::new();
    for name in ["one.db", "one.db", "two.db"] {
        let storage = SqliteStorage::open(dir.path().join(name)).await.unwrap();
        epochs.push(storage.epoch());
        storage.close().await;
    }
    assert_eq!(epochs[0], epochs[1]);
    assert_ne!(epochs[0], epochs[2]);
    assert!(epochs.iter().all(|epoch| epoch.0 > 0 && epoch.0 < 1 << 53));
}

#[tokio::test]
async fn a_dump_shows_every_row_also_while_a_server_runs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.db");
    let (hub, storage) = hub_on(&path).await;
    let ops = vec![
        create("messaging:general", &["bob"]),
        send("messaging:general", "hello"),
    ];
    hub.ops(&user("ada"), ops).await;
    let reader = SqliteStorage::open_read_only(&path).await.unwrap();
    let dump = reader.dump().await.unwrap();
    assert_eq!(dump.epoch, storage.epoch());
    let names: Vec<_> = dump.heads.iter().map(|(stream, _)| stream.to_string()).collect();
    assert_eq!(names, ["C:messaging:general", "U:ada", "U:bob"]);
    // The channel, two members, the message; and two memberships.
    assert_eq!(dump.rows.len(), 6);
    reader.close().await;
    hub.close().await;
    storage.close().await;
}

#[tokio::test]
async fn what_an_older_schema_holds_is_found_by_questions() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.db");
    let storage = SqliteStorage::open(&path).await.unwrap();
    let requests: Vec<Request> = [
        ("ada", create("messaging:general", &["bob"])),
        (
            "bob",
            op(Op::UpdateUser {
                name: Some("Bób".to_owned()),
                image: None,
                custom: None,
            }),
        ),
        ("ada", send("messaging:general", "hello")),
    ]
    .map(|(name, op)| Request { user: user(name), op })
    .into();
    apply_group(&storage, &Rules::default(), Timestamp(7), &requests)
        .await
        .unwrap();
    let questions = [
        json!({"channels": {"filter": {"name": {"$autocomplete": "a chan"}, "last_message_at": 7}, "state": true}}),
        json!({"members": {"cid": "messaging:general", "filter": {"name": {"$q": "bob"}}}}),
        json!({"users": {"sort": [{"field": "name", "direction": 1}]}}),
        json!({"messages": {}}),
    ]
    .map(|question| serde_json::from_value::<Question>(question).unwrap());
    let ada = user("ada");
    let mut answers = Vec::new();
    for question in &questions {
        let answer = storage.ask(&ada, question, Timestamp(0)).await.unwrap();
        assert!(!answer.rows.is_empty(), "{question:?}");
        answers.push(answer);
    }
    storage.close().await;
    // As the first version made it.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let later: Vec<(String, String)> = sqlx::query_as(
        "SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'trigger') AND name NOT LIKE 'sqlite%' \
         AND name NOT IN ('meta', 'streams', 'rows', 'results') \
         ORDER BY type = 'trigger' DESC, sql LIKE 'CREATE VIRTUAL%' DESC",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    for (kind, name) in later {
        let sql = sqlx::AssertSqlSafe(format!("DROP {kind} IF EXISTS {name}"));
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    }
    sqlx::raw_sql("PRAGMA user_version = 1")
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    let storage = SqliteStorage::open(&path).await.unwrap();
    for (question, expected) in questions.iter().zip(&answers) {
        assert_eq!(
            &storage.ask(&ada, question, Timestamp(0)).await.unwrap(),
            expected,
            "{question:?}"
        );
    }
    storage.close().await;
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.db");
    SqliteStorage::open(&path).await.unwrap().close().await;
    let connect = || async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
        sqlx::ConnectOptions::connect(&options).await.unwrap()
    };
    let mut connection = connect().await;
    sqlx::raw_sql("PRAGMA user_version = 99")
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = SqliteStorage::open(&path).await.unwrap_err();
    assert!(
        matches!(error, OpenError::NewerSchema { found: 99, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("99"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let other = dir.path().join("other.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(&other)
        .create_if_missing(true);
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    sqlx::raw_sql("CREATE TABLE recipes (name TEXT)")
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    let text = dir.path().join("notes.txt");
    std::fs::write(
        &text,
        "these are my notes, and they are not a database at all".repeat(100),
    )
    .unwrap();
    for path in [&other, &text] {
        let before = std::fs::read(path).unwrap();
        let error = SqliteStorage::open(path).await.unwrap_err();
        assert!(!error.is_retryable(), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert_eq!(std::fs::read(path).unwrap(), before);
    }
}

#[tokio::test]
async fn a_path_that_cannot_be_written_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("no").join("such").join("directory.db");
    for path in [dir.path(), missing.as_path()] {
        let error = SqliteStorage::open(path).await.unwrap_err();
        assert!(matches!(error, OpenError::Io { .. }), "{error:?}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
    assert!(SqliteStorage::open_read_only(&missing).await.is_err());
}

#[tokio::test]
async fn a_second_server_on_the_same_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.db");
    let first = SqliteStorage::open(&path).await.unwrap();
    let error = SqliteStorage::open(&path).await.unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    first.close().await;
    SqliteStorage::open(&path).await.unwrap().close().await;
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.db");
    let (hub, storage) = hub_on(&path).await;
    hub.ops(&user("ada"), vec![create("messaging:general", &[])])
        .await;
    for name in ["server.db", "server.db-wal", "server.db-shm"] {
        let mode = std::fs::metadata(dir.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    hub.close().await;
    storage.close().await;
}

#[tokio::test]
async fn a_group_larger_than_any_statement_is_written_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, storage) = hub_on(&dir.path().join("server.db")).await;
    let members: Vec<String> = (0..100).map(|n| format!("user{n}")).collect();
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    let ops: Vec<_> = (0..8)
        .map(|n| create(&format!("messaging:c{n}"), &members))
        .collect();
    let results = hub.ops(&user("ada"), ops).await;
    assert!(results.iter().all(crate::support::accepted), "{results:?}");
    let channel = crate::support::cid("messaging:c7");
    assert_eq!(storage.members(&channel).await.unwrap().len(), 101);
    let heads = storage.heads(&user("user5"), None, 500).await.unwrap();
    assert_eq!(heads.heads.len(), 9);
    hub.close().await;
    storage.close().await;
}

/// A directory with one database.
pub(crate) struct InDirectory(tempfile::TempDir);

impl InDirectory {
    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.0.path().join("server.db")
    }
}

#[async_trait::async_trait]
impl whimbrel_testkit::conformance::storage::Opener for InDirectory {
    async fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn open(&self) -> Arc<dyn Storage> {
        Arc::new(SqliteStorage::open(self.path()).await.unwrap())
    }
}

mod conformance {
    whimbrel_testkit::storage_conformance!(super::InDirectory);
}
