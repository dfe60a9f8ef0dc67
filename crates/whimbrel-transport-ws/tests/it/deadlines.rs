use crate::server::{accept, certificate, listen, open, within};
use bytes::Bytes;
use futures_util::SinkExt;
use std::time::Duration;
use tokio::{io::AsyncWriteExt, task::yield_now, time::interval};
use tokio_tungstenite::tungstenite::Message;
use whimbrel_transport::{Connector, TransportError};
use whimbrel_transport_ws::WsConnector;

/// Short enough for a test, long enough that a busy machine does not pass it by accident where it must not pass.
const SHORT: Duration = Duration::from_millis(300);

#[track_caller]
fn is_timeout(error: &TransportError) {
    assert!(
        matches!(error, TransportError::Timeout { limit: SHORT, .. }),
        "{error:?}"
    );
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_peer_that_never_answers_the_upgrade_is_a_timeout() {
    let (listener, url) = listen().await;
    let connector = WsConnector::new(&url).unwrap().connect_deadline(SHORT);
    let (refused, _socket) = within(async { tokio::join!(connector.connect(), listener.accept()) }).await;
    is_timeout(&refused.unwrap_err());
}

#[tokio::test]
async fn a_peer_that_never_answers_tls_is_a_timeout() {
    let (listener, _) = listen().await;
    let url = format!("https://{}", listener.local_addr().unwrap());
    let (root, _) = certificate("127.0.0.1");
    let connector = WsConnector::new(&url)
        .unwrap()
        .with_root_certificate(root.der())
        .unwrap()
        .connect_deadline(SHORT);
    let (refused, _socket) = within(async { tokio::join!(connector.connect(), listener.accept()) }).await;
    is_timeout(&refused.unwrap_err());
}

#[tokio::test]
async fn a_link_that_went_silent_is_a_timeout_and_the_end() {
    let (listener, url) = listen().await;
    let connector = WsConnector::new(&url).unwrap().idle_deadline(SHORT);
    let (mut client, mut server) = open(&connector, &listener).await;
    server
        .send(Message::text("one frame, and then nothing"))
        .await
        .unwrap();
    within(client.stream.next()).await.unwrap();
    is_timeout(&within(client.stream.next()).await.unwrap_err());
    is_timeout(
        &within(client.sink.send(vec![Bytes::from_static(b"x")]))
            .await
            .unwrap_err(),
    );
}

#[tokio::test]
async fn waits_that_are_dropped_do_not_put_the_silence_off() {
    let (listener, url) = listen().await;
    let connector = WsConnector::new(&url).unwrap().idle_deadline(SHORT);
    let (mut client, _server) = open(&connector, &listener).await;
    let error = within(async {
        loop {
            tokio::select! {
                biased;
                ended = client.stream.next() => break ended.unwrap_err(),
                () = yield_now() => {}
            }
        }
    })
    .await;
    is_timeout(&error);
}

#[tokio::test]
async fn sending_does_not_put_the_silence_off() {
    let (listener, url) = listen().await;
    let connector = WsConnector::new(&url).unwrap().idle_deadline(SHORT);
    let (mut client, _server) = open(&connector, &listener).await;
    let mut pace = interval(SHORT / 10);
    let error = within(async {
        loop {
            tokio::select! {
                biased;
                ended = client.stream.next() => break ended.unwrap_err(),
                _ = pace.tick() => client.sink.send(vec![Bytes::from_static(b"x")]).await.unwrap(),
            }
        }
    })
    .await;
    is_timeout(&error);
}

#[tokio::test]
async fn a_large_frame_on_a_slow_link_is_not_silence() {
    let (listener, url) = listen().await;
    let connector = WsConnector::new(&url).unwrap().idle_deadline(SHORT);
    let (mut client, server) = open(&connector, &listener).await;
    let mut socket = server.into_inner();
    let drip = async {
        // A text frame of 1,000 bytes, whose pieces take twice the deadline together.
        socket.write_all(&[0x81, 126, 3, 232]).await.unwrap();
        let mut pace = interval(SHORT / 5);
        for _ in 0..10 {
            pace.tick().await;
            socket.write_all(&[b'x'; 100]).await.unwrap();
        }
    };
    let (frame, ()) = within(async { tokio::join!(client.stream.next(), drip) }).await;
    assert_eq!(frame.unwrap().len(), 1_000);
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_a_timeout_and_the_end() {
    let (listener, url) = listen().await;
    let connector = WsConnector::new(&url).unwrap().send_deadline(SHORT);
    let (mut client, _server) = open(&connector, &listener).await;
    let frame = Bytes::from(vec![b'x'; 256 * 1024]);
    let error = within(async {
        loop {
            if let Err(error) = client.sink.send(vec![frame.clone()]).await {
                break error;
            }
        }
    })
    .await;
    is_timeout(&error);
    is_timeout(&within(client.stream.next()).await.unwrap_err());
}

#[tokio::test]
async fn a_goodbye_does_not_wait_for_a_peer_that_does_not_answer() {
    let (listener, url) = listen().await;
    let connector = WsConnector::new(&url).unwrap();
    let (mut client, _server) = open(&connector, &listener).await;
    within(client.sink.close()).await;
    assert!(within(client.stream.next()).await.is_err());
}

#[tokio::test]
async fn a_connect_that_is_given_up_leaves_no_connection() {
    let (listener, url) = listen().await;
    let connector = WsConnector::new(&url).unwrap();
    let socket = within(async {
        tokio::select! {
            connected = connector.connect() => panic!("nobody answered, but {connected:?}"),
            accepted = listener.accept() => accepted.unwrap().0,
        }
    })
    .await;
    // The future is gone, and with it the socket: what it may have sent is followed by the end.
    within(async {
        let mut buffer = [0; 1024];
        loop {
            socket.readable().await.unwrap();
            match socket.try_read(&mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
    })
    .await;
    // The connector is as good as new.
    let (again, _server) = within(async { tokio::join!(connector.connect(), accept(&listener)) }).await;
    again.unwrap();
}
