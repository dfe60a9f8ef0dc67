use crate::server::{accept_tls, certificate, listen, within};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use whimbrel_transport::{Connector, TransportError};
use whimbrel_transport_ws::WsConnector;

/// Returns why TLS with `acceptor` fails.
async fn reason(connector: &WsConnector, listener: &TcpListener, acceptor: &TlsAcceptor) -> String {
    let serve = async {
        let (socket, _) = listener.accept().await.unwrap();
        // The client hangs up.
        let _ = acceptor.accept(socket).await;
    };
    let (refused, ()) = within(async { tokio::join!(connector.connect(), serve) }).await;
    let error = refused.unwrap_err();
    assert!(error.is_retryable(), "a captive portal looks like this too");
    match error {
        TransportError::Connect { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

async fn secure() -> (TcpListener, String) {
    let (listener, _) = listen().await;
    let url = format!("https://127.0.0.1:{}", listener.local_addr().unwrap().port());
    (listener, url)
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let (listener, url) = secure().await;
    let (_, acceptor) = certificate("127.0.0.1");
    // Some authority has to be trusted, also on a machine without a certificate store.
    let (other, _) = certificate("127.0.0.1");
    let connector = WsConnector::new(&url)
        .unwrap()
        .with_root_certificate(other.der())
        .unwrap();
    let text = reason(&connector, &listener, &acceptor).await;
    assert!(text.starts_with("TLS: invalid peer certificate"), "{text}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let (listener, url) = secure().await;
    let (certificate, acceptor) = certificate("other.example");
    let connector = WsConnector::new(&url)
        .unwrap()
        .with_root_certificate(certificate.der())
        .unwrap();
    let text = reason(&connector, &listener, &acceptor).await;
    assert!(text.starts_with("TLS: invalid peer certificate"), "{text}");
}

#[tokio::test]
async fn a_certificate_in_der_does_as_well_as_in_pem() {
    for pem in [true, false] {
        let (listener, url) = secure().await;
        let (certificate, acceptor) = certificate("127.0.0.1");
        let bytes = if pem {
            certificate.pem().into_bytes()
        } else {
            certificate.der().to_vec()
        };
        let connector = WsConnector::new(&url)
            .unwrap()
            .with_root_certificate(&bytes)
            .unwrap();
        let both = async { tokio::join!(connector.connect(), accept_tls(&listener, &acceptor)) };
        Box::pin(within(both)).await.0.unwrap();
    }
}

#[tokio::test]
async fn what_is_no_certificate_is_refused_with_the_reason() {
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for bytes in [&b""[..], b"nonsense", key.as_bytes()] {
        let error = WsConnector::new("https://h")
            .unwrap()
            .with_root_certificate(bytes)
            .unwrap_err();
        assert!(matches!(error, TransportError::Address { .. }), "{error:?}");
        assert!(error.to_string().contains("root certificate"), "{error}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_not_talked_to() {
    let (listener, url) = secure().await;
    let (certificate, _) = certificate("127.0.0.1");
    let connector = WsConnector::new(&url)
        .unwrap()
        .with_root_certificate(certificate.der())
        .unwrap();
    let serve = async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut hello = [0; 3];
        socket.read_exact(&mut hello).await.unwrap();
        // It was a TLS record and not a request.
        assert_eq!(hello[..2], [22, 3]);
        socket
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
    };
    let (refused, ()) = within(async { tokio::join!(connector.connect(), serve) }).await;
    assert!(refused.unwrap_err().to_string().contains("TLS"));
}
