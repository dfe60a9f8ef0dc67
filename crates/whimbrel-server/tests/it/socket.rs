use crate::support::{
    Fixture, Socket, TestClock, accepted, cid, create, hello, refused_handshake, rejection, send, within,
};
use futures_util::SinkExt;
use std::time::Duration;
use tokio::net::TcpSocket;
use tokio_tungstenite::{
    MaybeTlsStream, client_async, connect_async,
    tungstenite::{
        Message,
        client::IntoClientRequest,
        http::HeaderValue,
        protocol::frame::{
            Frame,
            coding::{Data, OpCode},
        },
    },
};
use uuid::Uuid;
use whimbrel_model::{Code, MessageId, Op, Row, StreamId, limits};
use whimbrel_protocol::{ClientFrame, Heads, Hello, Ops, ServerFrame, Sync, VersionRange};

#[tokio::test]
async fn two_users_chat() {
    let fixture = Fixture::start().await;
    let mut ada = fixture.login("ada").await;
    let mut bob = fixture.login("bob").await;
    let results = ada
        .ops(vec![
            create("messaging:general", &["bob"]),
            send("messaging:general", "hello"),
        ])
        .await;
    assert!(results.iter().all(accepted), "{results:?}");
    let text = within("the message", async {
        loop {
            if let Ok(ServerFrame::Event(event)) = bob.next().await
                && let Some(Row::Message(message)) =
                    event.rows.iter().find(|row| matches!(row, Row::Message(_)))
            {
                return message.body.text.clone();
            }
        }
    })
    .await;
    assert_eq!(text, "hello");
    let results = bob.ops(vec![send("messaging:general", "hello yourself")]).await;
    assert!(accepted(&results[0]), "{results:?}");
    let page = within("the page", async {
        bob.send(&ClientFrame::Sync(Sync {
            id: 7,
            stream: StreamId::Channel(cid("messaging:general")),
            cursor: None,
            newest: None,
        }))
        .await;
        loop {
            if let Ok(ServerFrame::Page(page)) = bob.next().await {
                return page;
            }
        }
    })
    .await;
    assert_eq!((page.id, page.head.seq, page.more), (7, 2, false));
    fixture.stop().await;
}

#[tokio::test]
async fn heads_are_a_heartbeat_and_say_what_moved() {
    let fixture = Fixture::start().await;
    let mut ada = fixture.login("ada").await;
    ada.ops(vec![create("messaging:general", &[])]).await;
    let mut since = None;
    for expected in [2, 0] {
        ada.send(&ClientFrame::Heads(Heads { id: 3, since })).await;
        let Ok(ServerFrame::Heads(page)) = ada.next().await else {
            panic!("no heads")
        };
        assert_eq!((page.id, page.heads.len()), (3, expected));
        since = Some(page.token);
    }
    fixture.stop().await;
}

fn raw(kind: Data, bytes: &'static [u8]) -> Message {
    Message::Frame(Frame::message(bytes, OpCode::Data(kind), true))
}

async fn first_answer_to(fixture: &Fixture, frame: Message) -> (Option<Code>, Option<u16>) {
    let mut socket = fixture.socket().await;
    // The server may close before it has read everything.
    let _ = socket.0.send(frame).await;
    let (bye, close) = socket.ended().await;
    (bye.map(|bye| bye.code), close)
}

async fn answer_to_hello(fixture: &Fixture, hello: Hello) -> whimbrel_protocol::Bye {
    let mut socket = fixture.socket().await;
    socket.send(&ClientFrame::Hello(hello)).await;
    socket.ended().await.0.unwrap()
}

#[tokio::test]
async fn what_is_not_a_frame_is_answered_and_closed() {
    let fixture = Fixture::start().await;
    let wrong = [
        Message::text("garbage"),
        Message::text("{}"),
        Message::text("{\"dance\": {}}"),
        Message::text("{\"heads\": {\"id\": 1}}"),
        Message::text("[".repeat(10_000)),
        Message::binary(b"{\"heads\": {\"id\": 1}}".to_vec()),
        raw(Data::Text, &[0xff, 0xfe]),
        raw(Data::Reserved(3), b"x"),
    ];
    for frame in wrong {
        let shown = format!("{frame:?}").chars().take(60).collect::<String>();
        let answer = first_answer_to(&fixture, frame).await;
        assert_eq!(answer, (Some(Code::FrameInvalid), Some(1002)), "{shown}");
    }
    let large = Message::text("x".repeat(limits::FRAME_BYTES + 1));
    assert_eq!(
        first_answer_to(&fixture, large).await,
        (Some(Code::TooLarge), Some(1009))
    );
    fixture.stop().await;
}

#[tokio::test]
async fn a_logged_in_peer_that_sends_garbage_is_told_and_closed() {
    let fixture = Fixture::start().await;
    for frame in [Message::text("garbage"), Message::binary(vec![1, 2, 3])] {
        let mut ada = fixture.login("ada").await;
        ada.0.send(frame).await.unwrap();
        let (bye, close) = ada.ended().await;
        assert_eq!((bye.unwrap().code, close), (Code::FrameInvalid, Some(1002)));
    }
    let mut ada = fixture.login("ada").await;
    let _ = ada
        .0
        .send(Message::text("x".repeat(limits::FRAME_BYTES + 1)))
        .await;
    let (bye, close) = ada.ended().await;
    assert_eq!((bye.unwrap().code, close), (Code::TooLarge, Some(1009)));
    fixture.stop().await;
}

#[tokio::test]
async fn a_protocol_that_is_not_known_is_refused_with_the_range() {
    let fixture = Fixture::start().await;
    for range in [VersionRange { min: 2, max: 9 }, VersionRange { min: 0, max: 0 }] {
        let hello = Hello {
            protocol: range,
            ..hello(&fixture.token("ada"))
        };
        let bye = answer_to_hello(&fixture, hello).await;
        assert_eq!(bye.code, Code::ProtocolUnsupported);
        assert_eq!(bye.protocol, Some(VersionRange { min: 1, max: 1 }));
    }
    let hello = Hello {
        protocol: VersionRange { min: 1, max: 9 },
        ..hello(&fixture.token("ada"))
    };
    let mut socket = fixture.socket().await;
    socket.send(&ClientFrame::Hello(hello)).await;
    assert_eq!(socket.ready().await.protocol, 1);
    fixture.stop().await;
}

#[tokio::test]
async fn a_token_that_is_not_good_is_refused_with_the_reason() {
    let clock = TestClock::new();
    let fixture = Fixture::with_clock(|_| {}, clock.clone()).await;
    let good = fixture.token("ada");
    let missing = answer_to_hello(&fixture, hello("")).await;
    assert_eq!(missing.code, Code::TokenMissing);
    let forged = answer_to_hello(&fixture, hello(&format!("{good}x"))).await;
    assert_eq!(forged.code, Code::TokenInvalid);
    assert!(!forged.message.contains(&good));
    clock.advance(Duration::from_secs(3_600));
    let expired = answer_to_hello(&fixture, hello(&good)).await;
    assert_eq!(expired.code, Code::TokenExpired);
    fixture.stop().await;
}

#[tokio::test]
async fn a_token_that_expires_ends_the_socket() {
    let clock = TestClock::new();
    let fixture = Fixture::with_clock(
        |config| config.heartbeat = Duration::from_millis(400),
        clock.clone(),
    )
    .await;
    let mut ada = fixture.login("ada").await;
    clock.advance(Duration::from_secs(3_600));
    assert_eq!(ada.ended().await.0.unwrap().code, Code::TokenExpired);
    fixture.stop().await;
}

#[tokio::test]
async fn a_silent_peer_is_closed() {
    let fixture = Fixture::with(|config| config.heartbeat = Duration::from_millis(100)).await;
    let mut ada = fixture.login("ada").await;
    assert_eq!(ada.ended().await.0.unwrap().code, Code::HeartbeatLost);
    fixture.stop().await;
}

#[tokio::test]
async fn operations_that_are_not_allowed_are_rejected_one_by_one() {
    let fixture = Fixture::start().await;
    let mut ada = fixture.login("ada").await;
    let mut eve = fixture.login("eve").await;
    let first = send("messaging:general", "hello");
    assert!(accepted(
        &ada.ops(vec![create("messaging:general", &[])]).await[0]
    ));
    assert!(accepted(&ada.ops(vec![first.clone()]).await[0]));

    let mut other = send("messaging:general", "something else");
    other.id = first.id;
    assert_eq!(rejection(&ada.ops(vec![other]).await[0]), "op_conflict");

    let mut nil = send("messaging:general", "hello");
    if let Op::SendMessage { id, .. } = &mut nil.op {
        *id = MessageId(Uuid::nil());
    }
    let long = send("messaging:general", &"x".repeat(limits::TEXT_CHARS + 1));
    let fine = send("messaging:general", "still here");
    let results = ada.ops(vec![nil, long, fine]).await;
    assert_eq!(rejection(&results[0]), "invalid");
    assert_eq!(rejection(&results[1]), "too_large");
    assert!(accepted(&results[2]));

    let intruder = send("messaging:general", "let me in");
    let nowhere = send("messaging:nowhere", "anyone?");
    let results = eve.ops(vec![intruder, nowhere]).await;
    assert_eq!(rejection(&results[0]), "channel_not_found");
    assert_eq!(rejection(&results[1]), "channel_not_found");

    eve.send(&ClientFrame::Sync(Sync {
        id: 9,
        stream: StreamId::Channel(cid("messaging:general")),
        cursor: None,
        newest: None,
    }))
    .await;
    let Ok(ServerFrame::Failed(failed)) = eve.next().await else {
        panic!("eve may not read")
    };
    assert_eq!((failed.id, failed.code), (9, Code::ChannelNotFound));
    fixture.stop().await;
}

#[tokio::test]
async fn an_id_that_cannot_be_one_makes_the_frame_invalid() {
    let fixture = Fixture::start().await;
    let mut ada = fixture.login("ada").await;
    let frame = serde_json::to_string(&ClientFrame::Ops(Ops {
        ops: vec![send("messaging:general", "hello")],
    }))
    .unwrap()
    .replace("messaging:general", "no channel");
    ada.0.send(Message::text(frame)).await.unwrap();
    assert_eq!(ada.ended().await.0.unwrap().code, Code::FrameInvalid);
    fixture.stop().await;
}

#[tokio::test]
async fn a_page_of_another_site_may_not_connect() {
    let fixture =
        Fixture::with(|config| config.allowed_origins = vec!["https://chat.example.org".to_owned()]).await;
    let attempt = async |origin: &str| {
        let mut request = fixture.url().into_client_request().unwrap();
        request
            .headers_mut()
            .insert("origin", HeaderValue::from_str(origin).unwrap());
        connect_async(request).await
    };
    for origin in [
        "https://evil.example.org",
        "null",
        "https://chat.example.org.evil.net",
    ] {
        assert_eq!(
            refused_handshake(attempt(origin).await.unwrap_err()),
            403,
            "{origin}"
        );
    }
    assert!(attempt("https://chat.example.org").await.is_ok());
    assert!(attempt(&format!("http://{}", fixture.server.addr)).await.is_ok());
    fixture.stop().await;
}

#[tokio::test]
async fn a_token_in_the_address_is_refused() {
    let fixture = Fixture::start().await;
    let url = format!("{}?token={}", fixture.url(), fixture.token("ada"));
    assert_eq!(refused_handshake(connect_async(url).await.unwrap_err()), 400);
    fixture.stop().await;
}

#[tokio::test]
async fn a_user_with_too_many_sockets_is_told_when_to_come_back() {
    let fixture = Fixture::with(|config| config.max_connections_per_user = 2).await;
    let first = fixture.login("ada").await;
    let _second = fixture.login("ada").await;
    let bye = answer_to_hello(&fixture, hello(&fixture.token("ada"))).await;
    assert_eq!(bye.code, Code::RateLimited);
    assert!(bye.retry_after_ms.is_some());
    fixture.login("bob").await;
    drop(first);
    within("a free place", async {
        loop {
            let mut socket = fixture.socket().await;
            socket.hello(&fixture.token("ada")).await;
            if matches!(socket.next().await, Ok(ServerFrame::Ready(_))) {
                return;
            }
        }
    })
    .await;
    fixture.stop().await;
}

/// A peer that reads nothing, with little room in its system.
async fn reluctant(fixture: &Fixture, id: &str) -> Socket {
    let stream = TcpSocket::new_v4().unwrap();
    stream.set_recv_buffer_size(4_096).unwrap();
    let stream = stream.connect(fixture.server.addr).await.unwrap();
    let (socket, _) = client_async(fixture.url(), MaybeTlsStream::Plain(stream))
        .await
        .unwrap();
    let mut socket = Socket(socket);
    socket.hello(&fixture.token(id)).await;
    socket.ready().await;
    socket
}

#[tokio::test]
async fn a_slow_reader_is_cut_and_a_fast_one_is_not() {
    let fixture = Fixture::start().await;
    let ada = fixture.http_as("ada");
    let mut slow = reluctant(&fixture, "bob").await;
    let results = ada.ops(vec![create("messaging:general", &["bob"])]).await;
    assert!(accepted(&results[0]));
    // Far more than the hub keeps and the system's buffers hold.
    let text = "x".repeat(limits::TEXT_CHARS);
    for _ in 0..60 {
        let results = ada
            .ops((0..50).map(|_| send("messaging:general", &text)).collect())
            .await;
        assert!(results.iter().all(accepted));
    }
    let mut bytes = 0;
    let ended = loop {
        match slow.next().await {
            Ok(ServerFrame::Bye(bye)) => break Some(bye.code),
            Ok(frame) => bytes += serde_json::to_string(&frame).unwrap().len(),
            Err(_) => break None,
        }
    };
    assert!(matches!(ended, Some(Code::SlowConsumer) | None), "{ended:?}");
    assert!(
        bytes < 12 * 1024 * 1024,
        "{bytes} bytes were kept for a reader that did not read"
    );
    let mut fast = fixture.login("bob").await;
    ada.ops(vec![send("messaging:general", "again")]).await;
    assert!(matches!(fast.next().await, Ok(ServerFrame::Event(_))));
    fixture.stop().await;
}

#[tokio::test]
async fn everything_arrives_in_order_at_many_sockets() {
    let fixture = Fixture::start().await;
    let mut ada = fixture.login("ada").await;
    ada.ops(vec![create("messaging:general", &["bob"])]).await;
    let mut readers = Vec::new();
    for _ in 0..8 {
        readers.push(fixture.login("bob").await);
    }
    for round in 0..10 {
        let results = ada
            .ops(
                (0..20)
                    .map(|n| send("messaging:general", &format!("{round} {n}")))
                    .collect(),
            )
            .await;
        assert!(results.iter().all(accepted));
    }
    let stream = StreamId::Channel(cid("messaging:general"));
    for reader in &mut readers {
        let mut at = None;
        while at.is_none_or(|(_, seq)| seq < 200) {
            let Ok(ServerFrame::Event(event)) = reader.next().await else {
                panic!("only events are expected")
            };
            if event.stream == stream {
                assert!(at.is_none_or(|(ver, _)| ver == event.from));
                at = Some((event.to, event.seq));
            }
        }
    }
    fixture.stop().await;
}
