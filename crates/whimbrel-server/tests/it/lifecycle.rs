use crate::support::{Fixture, accepted, create, hello, rejection, send, within};
use std::time::Duration;
use tokio::net::TcpListener;
use whimbrel_model::{Code, Row};
use whimbrel_protocol::{ClientFrame, HistoryPage, Outcome};
use whimbrel_server::{Config, OpenError, Server, SqliteStorage, StartError};

#[tokio::test]
async fn a_restart_keeps_everything_and_answers_a_repeat_alike() {
    let fixture = Fixture::start().await;
    let ada = fixture.http_as("ada");
    let made = create("messaging:general", &["bob"]);
    let said = send("messaging:general", "hello");
    let refused = send("messaging:nowhere", "hello");
    let first = ada.ops(vec![made.clone(), said.clone(), refused.clone()]).await;
    // Deciding it anew would accept it now; the stored answer has to win.
    assert!(accepted(
        &ada.ops(vec![create("messaging:nowhere", &[])]).await[0]
    ));
    let mut epochs = Vec::new();
    let mut socket = fixture.socket().await;
    socket.hello(&fixture.token("ada")).await;
    epochs.push(socket.ready().await.epoch);
    drop(socket);

    let fixture = fixture.restart().await;
    let ada = fixture.http_as("ada");
    let again = ada.ops(vec![made, said, refused]).await;
    assert_eq!(again[2], first[2]);
    assert_eq!(rejection(&again[2]), "channel_not_found");
    for result in &again[..2] {
        let Outcome::Accepted { steps } = &result.outcome else {
            panic!("{result:?}")
        };
        assert!(steps.iter().all(|step| step.from == step.to));
    }
    let page: HistoryPage = ada.get("/v1/history?cid=messaging:general").await.json();
    let [Row::Message(message)] = page.rows.as_slice() else {
        panic!("{page:?}")
    };
    assert_eq!((message.body.text.as_str(), message.seq), ("hello", 1));
    let mut socket = fixture.socket().await;
    socket.hello(&fixture.token("ada")).await;
    epochs.push(socket.ready().await.epoch);
    assert_eq!(epochs[0], epochs[1]);
    fixture.stop().await;
}

#[tokio::test]
async fn a_stop_tells_every_socket_when_to_come_back() {
    let fixture = Fixture::start().await;
    let mut ada = fixture.login("ada").await;
    let mut bob = fixture.login("bob").await;
    let (dir, server) = (fixture.dir, fixture.server);
    let stopped = async { within("a shutdown", server.shutdown()).await };
    let told = async {
        for socket in [&mut ada, &mut bob] {
            let (bye, close) = socket.ended().await;
            let bye = bye.unwrap();
            assert_eq!((bye.code, close), (Code::ServerStopping, Some(1012)));
            assert!(bye.retry_after_ms.is_some_and(|after| after >= 1_000));
        }
    };
    tokio::join!(stopped, told);
    drop(dir);
}

#[tokio::test]
async fn a_peer_that_does_not_end_is_cut_when_the_time_is_up() {
    let fixture = Fixture::with(|config| config.drain = Duration::from_millis(200)).await;
    let _silent = fixture.login("ada").await;
    let (dir, server) = (fixture.dir, fixture.server);
    within("a shutdown", server.shutdown()).await;
    drop(dir);
}

#[tokio::test]
async fn a_port_in_use_is_said_so() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::new(dir.path().join("server.db"), crate::support::SECRET);
    config.listen = taken.local_addr().unwrap();
    let error = Server::start(config.clone()).await.unwrap_err();
    assert!(matches!(error, StartError::AddressInUse { address } if address == config.listen));
    assert!(error.to_string().contains(&config.listen.to_string()), "{error}");
    assert!(!config.database.exists());
}

#[tokio::test]
async fn a_database_in_use_is_said_so() {
    let fixture = Fixture::start().await;
    let error = Server::start(fixture.config.clone()).await.unwrap_err();
    assert!(
        matches!(error, StartError::Database(OpenError::InUse { .. })),
        "{error}"
    );
    fixture.stop().await;
}

#[tokio::test]
async fn the_port_file_tells_the_address() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("address");
    let wanted = path.clone();
    let fixture = Fixture::with(move |config| config.port_file = Some(wanted)).await;
    let told = std::fs::read_to_string(&path).unwrap();
    assert_eq!(told.trim(), fixture.server.addr.to_string());
    fixture.stop().await;
}

#[tokio::test]
async fn a_locked_database_is_a_reason_to_come_back_and_nothing_is_lost() {
    let fixture = Fixture::start().await;
    let ada = fixture.http_as("ada");
    assert!(accepted(
        &ada.ops(vec![create("messaging:general", &[])]).await[0]
    ));
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(fixture.database());
    let mut other = sqlx::ConnectOptions::connect(&options).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    let said = send("messaging:general", "hello");
    let results = ada.ops(vec![said.clone()]).await;
    assert!(matches!(&results[0].outcome, Outcome::Retry { code, .. } if *code == Code::Unavailable));
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert!(accepted(&ada.ops(vec![said]).await[0]));
    sqlx::Connection::close(other).await.unwrap();
    fixture.stop().await;
}

#[tokio::test]
async fn a_socket_that_arrives_during_a_stop_is_told_so() {
    let fixture = Fixture::start().await;
    let mut late = fixture.socket().await;
    let token = fixture.token("ada");
    let (dir, server) = (fixture.dir, fixture.server);
    let stopped = async { within("a shutdown", server.shutdown()).await };
    let told = async {
        late.send(&ClientFrame::Hello(hello(&token))).await;
        // Either it was ready just before the stop, or it is refused; it is told in both cases.
        let (bye, _) = late.ended().await;
        assert_eq!(bye.unwrap().code, Code::ServerStopping);
    };
    tokio::join!(stopped, told);
    drop(dir);
}

#[tokio::test]
async fn a_stopped_server_leaves_one_whole_file() {
    let fixture = Fixture::start().await;
    let mut ada = fixture.login("ada").await;
    ada.ops(vec![create("messaging:general", &[])]).await;
    drop(ada);
    let path = fixture.database();
    let (dir, server) = (fixture.dir, fixture.server);
    within("a shutdown", server.shutdown()).await;
    assert!(!dir.path().join("server.db-wal").exists());
    let reader = SqliteStorage::open_read_only(&path).await.unwrap();
    assert_eq!(reader.dump().await.unwrap().rows.len(), 3);
    reader.close().await;
}
