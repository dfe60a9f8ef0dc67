//! The server's side: tokio-tungstenite on a loopback port.

use bytes::Bytes;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use rustls::pki_types::PrivateKeyDer;
use std::{future::Future, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_tungstenite::{
    WebSocketStream, accept_async_with_config,
    tungstenite::{
        Message, Utf8Bytes,
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};
use whimbrel_testkit::conformance::transport::{Opener, SERVER_MAX_FRAME};
use whimbrel_transport::{Connection, Connector, FrameSink, FrameStream, TransportError};
use whimbrel_transport_ws::WsConnector;

/// What the server says when it closes.
pub(crate) const GOODBYE: &str = "the server is stopping";

pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), Box::pin(work))
        .await
        .expect("it takes much less than 20 s")
}

/// A TCP server on a free loopback port.
pub(crate) async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// Takes one TCP connection and makes the WebSocket handshake.
pub(crate) async fn accept(listener: &TcpListener) -> WebSocketStream<TcpStream> {
    upgrade(listener.accept().await.unwrap().0).await
}

/// Connects `connector` to `listener`.
pub(crate) async fn open(
    connector: &WsConnector,
    listener: &TcpListener,
) -> (Connection, WebSocketStream<TcpStream>) {
    let (client, server) = within(async { tokio::join!(connector.connect(), accept(listener)) }).await;
    (client.unwrap(), server)
}

async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> WebSocketStream<S> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(SERVER_MAX_FRAME))
        .max_frame_size(Some(SERVER_MAX_FRAME));
    accept_async_with_config(stream, Some(config)).await.unwrap()
}

/// A certificate for `name` that signs itself, and an acceptor that shows it.
pub(crate) fn certificate(name: &str) -> (rcgen::Certificate, TlsAcceptor) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (made.cert, TlsAcceptor::from(Arc::new(config)))
}

/// Takes one TCP connection, and makes the TLS and the WebSocket handshake.
pub(crate) async fn accept_tls(
    listener: &TcpListener,
    acceptor: &TlsAcceptor,
) -> WebSocketStream<TlsStream<TcpStream>> {
    let (socket, _) = listener.accept().await.unwrap();
    upgrade(acceptor.accept(socket).await.unwrap()).await
}

/// A server without encryption.
pub(crate) struct Plain {
    listener: Option<TcpListener>,
    connector: Arc<WsConnector>,
}

#[async_trait::async_trait]
impl Opener for Plain {
    async fn open(max_frame: usize) -> Self {
        let (listener, url) = listen().await;
        let connector = WsConnector::new(&url).unwrap().max_frame(max_frame);
        Self {
            listener: Some(listener),
            connector: Arc::new(connector),
        }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        Arc::clone(&self.connector) as Arc<dyn Connector>
    }

    async fn accept(&mut self) -> Connection {
        connection(accept(self.listener.as_ref().unwrap()).await)
    }

    async fn refuse(&mut self) {
        self.listener = None;
    }
}

/// A server with a certificate that only the connector trusts.
pub(crate) struct Encrypted {
    listener: Option<TcpListener>,
    acceptor: TlsAcceptor,
    connector: Arc<WsConnector>,
}

#[async_trait::async_trait]
impl Opener for Encrypted {
    async fn open(max_frame: usize) -> Self {
        let (listener, _) = listen().await;
        let (certificate, acceptor) = certificate("127.0.0.1");
        let connector = WsConnector::new(&format!("https://{}", listener.local_addr().unwrap()))
            .unwrap()
            .with_root_certificate(certificate.pem().as_bytes())
            .unwrap()
            .max_frame(max_frame);
        Self {
            listener: Some(listener),
            acceptor,
            connector: Arc::new(connector),
        }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        Arc::clone(&self.connector) as Arc<dyn Connector>
    }

    async fn accept(&mut self) -> Connection {
        connection(accept_tls(self.listener.as_ref().unwrap(), &self.acceptor).await)
    }

    async fn refuse(&mut self) {
        self.listener = None;
    }
}

fn connection<S>(socket: WebSocketStream<S>) -> Connection
where
    S: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug + 'static,
{
    let (sink, stream) = socket.split();
    Connection {
        sink: Box::new(ServerSink(sink)),
        stream: Box::new(ServerStream(stream)),
    }
}

fn over(reason: impl std::fmt::Display) -> TransportError {
    TransportError::Closed(reason.to_string())
}

#[derive(Debug)]
struct ServerSink<S>(SplitSink<WebSocketStream<S>, Message>);

#[async_trait::async_trait]
impl<S: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug + 'static> FrameSink for ServerSink<S> {
    async fn send(&mut self, frames: Vec<Bytes>) -> Result<(), TransportError> {
        for frame in frames {
            let text = Utf8Bytes::try_from(frame).unwrap();
            self.0.feed(Message::Text(text)).await.map_err(over)?;
        }
        self.0.flush().await.map_err(over)
    }

    async fn close(&mut self) {
        let goodbye = CloseFrame {
            code: CloseCode::Restart,
            reason: GOODBYE.into(),
        };
        self.0.send(Message::Close(Some(goodbye))).await.unwrap();
    }
}

#[derive(Debug)]
struct ServerStream<S>(SplitStream<WebSocketStream<S>>);

#[async_trait::async_trait]
impl<S: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug + 'static> FrameStream for ServerStream<S> {
    async fn next(&mut self) -> Result<Bytes, TransportError> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text.into()),
                Some(Ok(Message::Close(_))) => {
                    // The next read sends the answer to the close.
                    self.0.next().await;
                    return Err(over("the client said goodbye"));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(over(error)),
                None => return Err(over("the client went")),
            }
        }
    }
}
