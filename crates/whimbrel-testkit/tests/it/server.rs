//! The in-process server keeps the rules of the real one.

use crate::support::{greet, next, op, ready, send};
use bytes::Bytes;
use whimbrel_model::{Code, Op};
use whimbrel_protocol::{ClientFrame, Heads, Results, ServerFrame};
use whimbrel_testkit::server::TestServer;
use whimbrel_transport::Connection;

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
    for mut connection in [
        server.connector().connect().await.unwrap(),
        ready(&*server.connector(), "ada").await,
    ] {
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
        assert_eq!(
            bye(&mut greet(&*server.connector(), token).await).await,
            code,
            "{token:?}"
        );
    }
    server.permit("user:ada/old");
    let mut connection = greet(&*server.connector(), "user:ada/old").await;
    assert!(matches!(next(&mut connection).await, Some(ServerFrame::Ready(_))));
}

#[tokio::test]
async fn a_stopped_server_cuts_and_refuses_and_a_started_one_has_kept_everything() {
    let server = TestServer::new();
    let mut connection = ready(&*server.connector(), "ada").await;
    assert_eq!(server.connections(), 1);
    server.stop().await;
    assert!(next(&mut connection).await.is_none());
    assert!(server.connector().connect().await.is_err());
    server.start();
    drop(ready(&*server.connector(), "ada").await);
    server.close().await;
}

#[tokio::test]
async fn a_swallowed_answer_was_decided() {
    let server = TestServer::new();
    let mut connection = ready(&*server.connector(), "ada").await;
    let ops = op(
        2,
        Op::UpdateUser {
            name: Some("Ada".to_owned()),
            image: None,
            custom: None,
        },
    );
    server.network().drop_next_reply();
    send(&mut connection, &ops).await;
    assert!(next(&mut connection).await.is_none());
    let mut connection = ready(&*server.connector(), "ada").await;
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
