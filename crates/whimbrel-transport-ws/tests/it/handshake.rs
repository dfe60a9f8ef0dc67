use crate::server::{listen, within};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use whimbrel_transport::{Connector, TransportError};
use whimbrel_transport_ws::WsConnector;

/// Answers one request with `answer`, and closes.
async fn answer(listener: &TcpListener, answer: &str) -> String {
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let read = socket.read_buf(&mut request).await.unwrap();
        assert!(read > 0, "the request was cut short");
    }
    socket.write_all(answer.as_bytes()).await.unwrap();
    String::from_utf8(request).unwrap()
}

/// Returns why connecting to a server with this answer fails.
async fn reason(text: &str) -> String {
    let (listener, url) = listen().await;
    let connector = WsConnector::new(&url).unwrap();
    let (refused, _) = within(async { tokio::join!(connector.connect(), answer(&listener, text)) }).await;
    let error = refused.unwrap_err();
    assert!(error.is_retryable());
    match error {
        TransportError::Connect { address, reason } => {
            assert_eq!(address, format!("{url}/v1/socket"));
            reason
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_upgrade_is_asked_for_at_the_address_that_was_given() {
    let (listener, url) = listen().await;
    let connector = WsConnector::new(&format!("{url}/team/socket?v=2")).unwrap();
    let refusal = "HTTP/1.1 404 Not Found\r\n\r\n";
    let (_, request) = within(async { tokio::join!(connector.connect(), answer(&listener, refusal)) }).await;
    assert!(
        request.starts_with("GET /team/socket?v=2 HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        !request.contains("Sec-WebSocket-Extensions"),
        "compression is not offered: {request}"
    );
}

#[tokio::test]
async fn a_captive_portal_is_named_as_one() {
    let page = "<html>Welcome to the hotel</html>";
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n{page}",
        page.len()
    );
    let text = reason(&answer).await;
    assert!(
        text.contains("200 OK") && text.contains("web page") && text.contains("sign in"),
        "{text}"
    );
}

#[tokio::test]
async fn a_redirect_says_where_to() {
    let text = reason("HTTP/1.1 302 Found\r\nlocation: http://portal.example/login\r\n\r\n").await;
    assert!(
        text.contains("302") && text.contains("http://portal.example/login"),
        "{text}"
    );
}

#[tokio::test]
async fn a_busy_server_says_how_long_to_wait() {
    let text = reason("HTTP/1.1 503 Service Unavailable\r\nretry-after: 30\r\n\r\n").await;
    assert!(text.contains("503") && text.contains("wait 30 s"), "{text}");
    let text =
        reason("HTTP/1.1 429 Too Many Requests\r\nretry-after: Fri, 31 Dec 1999 23:59:59 GMT\r\n\r\n").await;
    assert!(
        text.contains("429") && text.contains("wait until Fri, 31 Dec"),
        "{text}"
    );
}

#[tokio::test]
async fn a_wrong_path_says_so() {
    let text = reason("HTTP/1.1 404 Not Found\r\n\r\n").await;
    assert!(
        text.contains("404") && text.contains("check the address"),
        "{text}"
    );
}

#[tokio::test]
async fn a_server_of_another_protocol_is_named_as_one() {
    let text = reason("SSH-2.0-OpenSSH_9.2\r\n").await;
    assert!(text.contains("does not speak HTTP"), "{text}");
}

#[tokio::test]
async fn a_server_that_hangs_up_says_so() {
    let text = reason("").await;
    assert!(
        text.contains("closed the connection before it answered"),
        "{text}"
    );
}

#[tokio::test]
async fn a_name_that_does_not_resolve_says_so() {
    let error = within(WsConnector::new("https://chat.invalid").unwrap().connect())
        .await
        .unwrap_err();
    assert!(error.is_retryable(), "the network may only be down");
    let names_it = error.to_string().contains("chat.invalid");
    assert!(
        names_it || matches!(error, TransportError::Timeout { .. }),
        "{error}"
    );
}

#[test]
fn without_encryption_only_this_machine_is_reached() {
    for url in [
        "ws://chat.example.org",
        "http://192.0.2.1:8080",
        "http://[2001:db8::1]",
    ] {
        let error = WsConnector::new(url).unwrap_err();
        assert!(matches!(error, TransportError::Address { .. }), "{error:?}");
        assert!(!error.is_retryable());
        assert!(error.to_string().contains("new_insecure"), "{error}");
    }
}

#[tokio::test]
async fn without_encryption_another_machine_is_reached_when_that_is_allowed() {
    // An address that nobody has: what matters is that it is tried.
    let connector = WsConnector::new_insecure("ws://192.0.2.1:9")
        .unwrap()
        .connect_deadline(Duration::from_millis(50));
    let error = within(connector.connect()).await.unwrap_err();
    assert!(!matches!(error, TransportError::Address { .. }), "{error:?}");
}
