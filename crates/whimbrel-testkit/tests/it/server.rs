//! The in-process server keeps the rules of the real one.

use bytes::Bytes;
use whimbrel_model::{Code, DeviceId, OpId};
use whimbrel_protocol::{
    ClientFrame, Heads, Hello, Ops, PROTOCOL, Results, ServerFrame, Token, decode, encode,
};
use whimbrel_testkit::server::TestServer;
use whimbrel_transport::Connection;

fn id(number: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | number)
}

async fn send(connection: &mut Connection, frame: &ClientFrame) {
    let bytes = encode(frame).unwrap();
    connection.sink.send(vec![bytes.into()]).await.unwrap();
}

async fn next(connection: &mut Connection) -> Option<ServerFrame> {
    let bytes = connection.stream.next().await.ok()?;
    Some(decode(&bytes).unwrap())
}

/// Reads to the end, which has to come right after a bye.
async fn bye(connection: &mut Connection) -> Code {
    let mut last = None;
    while let Some(frame) = next(connection).await {
        assert!(last.is_none(), "{frame:?} came after the bye");
        if let ServerFrame::Bye(bye) = frame {
            last = Some(bye.code);
        }
    }
    last.expect("a bye")
}

async fn greet(server: &TestServer, token: &str) -> Connection {
    let mut connection = server.connector().connect().await.unwrap();
    let hello = Hello {
        protocol: PROTOCOL,
        token: Token::new(token),
        device: DeviceId(id(1)),
        agent: "a test".to_owned(),
    };
    send(&mut connection, &ClientFrame::Hello(hello)).await;
    connection
}

async fn ready(server: &TestServer) -> Connection {
    let mut connection = greet(server, "user:ada").await;
    let Some(ServerFrame::Ready(ready)) = next(&mut connection).await else {
        panic!("it is not ready");
    };
    assert_eq!(ready.user.as_str(), "ada");
    connection
}

fn heads() -> ClientFrame {
    ClientFrame::Heads(Heads { id: 5, since: None })
}

#[tokio::test]
async fn hello_comes_first() {
    let server = TestServer::new();
    let mut connection = server.connector().connect().await.unwrap();
    send(&mut connection, &heads()).await;
    assert_eq!(bye(&mut connection).await, Code::FrameInvalid);
}

#[tokio::test]
async fn bytes_that_are_no_frame_end_the_connection_before_and_after_hello() {
    let server = TestServer::new();
    for mut connection in [server.connector().connect().await.unwrap(), ready(&server).await] {
        connection
            .sink
            .send(vec![Bytes::from_static(b"{}")])
            .await
            .unwrap();
        assert_eq!(bye(&mut connection).await, Code::FrameInvalid);
    }
}

#[tokio::test]
async fn tokens_name_users_until_they_are_refused() {
    let server = TestServer::new();
    server.revoke("user:ada/old");
    server.expire("user:ada/tired");
    let refused = [
        ("user:ada/old", Code::TokenInvalid),
        ("user:ada/tired", Code::TokenExpired),
        ("ada", Code::TokenInvalid),
        ("user:", Code::TokenInvalid),
        ("", Code::TokenMissing),
    ];
    for (token, code) in refused {
        assert_eq!(bye(&mut greet(&server, token).await).await, code, "{token:?}");
    }
    server.permit("user:ada/old");
    let mut connection = greet(&server, "user:ada/old").await;
    assert!(matches!(next(&mut connection).await, Some(ServerFrame::Ready(_))));
}

#[tokio::test]
async fn a_stopped_server_cuts_and_refuses_and_a_started_one_has_kept_everything() {
    let server = TestServer::new();
    let mut connection = ready(&server).await;
    assert_eq!(server.connections(), 1);
    server.stop().await;
    assert!(next(&mut connection).await.is_none());
    assert!(server.connector().connect().await.is_err());
    server.start();
    drop(ready(&server).await);
    server.close().await;
}

#[tokio::test]
async fn a_swallowed_answer_was_decided() {
    let server = TestServer::new();
    let mut connection = ready(&server).await;
    let name = Some("Ada".to_owned());
    let op = whimbrel_model::OpEnvelope {
        id: OpId(id(2)),
        op: whimbrel_model::Op::UpdateUser {
            name,
            image: None,
            custom: None,
        },
        composed_at: whimbrel_model::Timestamp(1),
        after: None,
    };
    let ops = ClientFrame::Ops(Ops { ops: vec![op] });
    server.drop_next_results();
    send(&mut connection, &ops).await;
    assert!(next(&mut connection).await.is_none());
    let mut connection = ready(&server).await;
    send(&mut connection, &ops).await;
    let Some(ServerFrame::Results(Results { results })) = next(&mut connection).await else {
        panic!("the repeat gets its answer");
    };
    let whimbrel_protocol::Outcome::Accepted { steps } = &results[0].outcome else {
        panic!("{results:?}");
    };
    assert!(
        steps.iter().all(|step| step.from == step.to),
        "it is a repeat: {steps:?}"
    );
}
