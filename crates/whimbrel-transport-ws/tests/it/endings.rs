use crate::server::{listen, open, within};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use whimbrel_transport::{Connection, TransportError};
use whimbrel_transport_ws::WsConnector;

async fn pair() -> (Connection, WebSocketStream<TcpStream>) {
    let (listener, url) = listen().await;
    open(&WsConnector::new(&url).unwrap(), &listener).await
}

async fn ends_after(message: Message) -> TransportError {
    let (mut client, mut server) = pair().await;
    server.send(message).await.unwrap();
    within(client.stream.next()).await.unwrap_err()
}

#[tokio::test]
async fn the_reason_of_a_close_frame_arrives() {
    let close = CloseFrame {
        code: CloseCode::Policy,
        reason: "slow_consumer".into(),
    };
    let error = ends_after(Message::Close(Some(close))).await;
    assert_eq!(error, TransportError::Closed("slow_consumer".to_owned()));
}

#[tokio::test]
async fn a_close_frame_without_a_reason_shows_its_code() {
    let close = CloseFrame {
        code: CloseCode::Away,
        reason: "".into(),
    };
    let error = ends_after(Message::Close(Some(close))).await;
    assert_eq!(
        error,
        TransportError::Closed("the other side gave the code 1001".to_owned())
    );
}

#[tokio::test]
async fn a_binary_frame_breaks_the_protocol() {
    let error = ends_after(Message::Binary(Bytes::from_static(b"123"))).await;
    assert_eq!(
        error,
        TransportError::Protocol("a binary frame of 3 bytes came".to_owned())
    );
}

#[tokio::test]
async fn a_close_frame_is_answered() {
    let (mut client, mut server) = pair().await;
    server.send(Message::Close(None)).await.unwrap();
    within(client.stream.next()).await.unwrap_err();
    let answer = within(server.next()).await.unwrap().unwrap();
    assert!(answer.is_close(), "{answer:?}");
}

#[tokio::test]
async fn a_ping_is_answered_and_is_not_a_frame() {
    let (mut client, mut server) = pair().await;
    let serve = async {
        server
            .send(Message::Ping(Bytes::from_static(b"are you there")))
            .await
            .unwrap();
        let answer = server.next().await.unwrap().unwrap();
        assert_eq!(answer, Message::Pong(Bytes::from_static(b"are you there")));
        server.send(Message::text("a frame")).await.unwrap();
    };
    let (frame, ()) = within(async { tokio::join!(client.stream.next(), serve) }).await;
    assert_eq!(frame.unwrap(), "a frame");
}

#[tokio::test]
async fn a_server_that_vanishes_leaves_the_frames_that_it_sent_and_a_retryable_end() {
    let (mut client, mut server) = pair().await;
    server.send(Message::text("last words")).await.unwrap();
    drop(server);
    assert_eq!(within(client.stream.next()).await.unwrap(), "last words");
    let error = within(client.stream.next()).await.unwrap_err();
    assert!(matches!(error, TransportError::Closed(_)), "{error:?}");
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_failed_send_leaves_the_reason_to_be_read() {
    let (mut client, mut server) = pair().await;
    let close = CloseFrame {
        code: CloseCode::Policy,
        reason: "slow_consumer".into(),
    };
    server.send(Message::text("last words")).await.unwrap();
    server.send(Message::Close(Some(close))).await.unwrap();
    drop(server);
    within(async { while client.sink.send(vec![Bytes::from_static(b"x")]).await.is_ok() {} }).await;
    assert_eq!(within(client.stream.next()).await.unwrap(), "last words");
    let error = within(client.stream.next()).await.unwrap_err();
    assert_eq!(error, TransportError::Closed("slow_consumer".to_owned()));
}

#[tokio::test]
async fn a_send_that_is_dropped_halfway_ends_the_connection() {
    let (mut client, _server) = pair().await;
    let much = vec![Bytes::from(vec![b'x'; 1024 * 1024]); 64];
    tokio::select! {
        biased;
        sent = client.sink.send(much) => panic!("nobody reads, but {sent:?}"),
        () = tokio::task::yield_now() => {}
    }
    // At once, and not after the send deadline.
    let gave_up = TransportError::Closed("this side gave up sending".to_owned());
    assert_eq!(
        within(client.sink.send(vec![Bytes::from_static(b"x")])).await,
        Err(gave_up.clone())
    );
    assert_eq!(within(client.stream.next()).await, Err(gave_up));
}
