use bytes::Bytes;
use std::sync::Arc;
use whimbrel_testkit::conformance::transport::Opener;
use whimbrel_transport::{
    Connection, Connector, TransportError,
    memory::{self, MemoryConnector, MemoryListener},
};

struct Memory {
    connector: MemoryConnector,
    listener: MemoryListener,
}

#[async_trait::async_trait]
impl Opener for Memory {
    async fn open(max_frame: usize) -> Self {
        let (connector, listener) = memory::channel();
        Self {
            connector: connector.with_max_frame(max_frame),
            listener,
        }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(self.connector.clone())
    }

    async fn accept(&mut self) -> Connection {
        self.listener.accept().await.unwrap()
    }

    async fn refuse(&mut self) {
        self.connector.refuse(true);
    }
}

mod conformance {
    whimbrel_testkit::transport_conformance!(super::Memory);
}

#[tokio::test]
async fn a_server_that_refused_can_be_reached_again() {
    let (connector, mut listener) = memory::channel();
    connector.refuse(true);
    assert!(connector.clone().connect().await.is_err());
    connector.refuse(false);
    connector.connect().await.unwrap();
    listener.accept().await.unwrap();
}

#[tokio::test]
async fn a_dropped_listener_refuses() {
    let (connector, listener) = memory::channel();
    drop(listener);
    let error = connector.connect().await.unwrap_err();
    assert_eq!(error.code(), "transport_connect");
    assert!(error.is_retryable());
}

#[tokio::test]
async fn accepting_ends_when_no_connector_is_left() {
    let (connector, mut listener) = memory::channel();
    drop(connector);
    assert_eq!(listener.accept().await.unwrap_err().code(), "transport_closed");
}

#[tokio::test]
async fn a_connection_that_is_dropped_with_its_listener_ends() {
    let (connector, listener) = memory::channel();
    let mut client = connector.connect().await.unwrap();
    drop(listener);
    assert_eq!(client.stream.next().await.unwrap_err().code(), "transport_closed");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_nobody_is_a_timeout() {
    let (connector, _listener) = memory::channel();
    let mut waiting = Vec::new();
    for _ in 0..memory::BACKLOG {
        waiting.push(connector.connect().await.unwrap());
    }
    let error = connector.connect().await.unwrap_err();
    assert!(
        matches!(
            error,
            TransportError::Timeout {
                limit: memory::DEADLINE,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_never_reads_is_a_timeout_and_the_end() {
    let (connector, mut listener) = memory::channel();
    let mut client = connector.connect().await.unwrap();
    let mut server = listener.accept().await.unwrap();
    let frames = vec![Bytes::from_static(b"x"); memory::QUEUE_FRAMES + 1];
    let error = client.sink.send(frames).await.unwrap_err();
    assert!(
        matches!(
            error,
            TransportError::Timeout {
                limit: memory::DEADLINE,
                ..
            }
        ),
        "{error:?}"
    );
    for _ in 0..memory::QUEUE_FRAMES {
        assert_eq!(server.stream.next().await.unwrap(), "x");
    }
    assert_eq!(server.stream.next().await.unwrap_err().code(), "transport_closed");
}

#[tokio::test(start_paused = true)]
async fn a_few_large_frames_fill_a_queue_too() {
    let (connector, mut listener) = memory::channel();
    let mut client = connector.connect().await.unwrap();
    let _server = listener.accept().await.unwrap();
    let large = Bytes::from(vec![b'x'; memory::MAX_FRAME]);
    let fit = memory::QUEUE_BYTES as usize / memory::MAX_FRAME;
    client.sink.send(vec![large.clone(); fit]).await.unwrap();
    let error = client.sink.send(vec![large]).await.unwrap_err();
    assert!(
        matches!(
            error,
            TransportError::Timeout {
                limit: memory::DEADLINE,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_send_that_is_dropped_halfway_ends_the_connection() {
    let (connector, mut listener) = memory::channel();
    let mut client = connector.connect().await.unwrap();
    let _server = listener.accept().await.unwrap();
    let frames = vec![Bytes::from_static(b"x"); memory::QUEUE_FRAMES + 1];
    tokio::select! {
        biased;
        sent = client.sink.send(frames) => panic!("{sent:?}"),
        () = tokio::task::yield_now() => {}
    }
    assert!(client.sink.send(vec![Bytes::from_static(b"y")]).await.is_err());
}

#[tokio::test]
async fn each_side_is_told_who_ended_it() {
    let (connector, mut listener) = memory::channel();
    let mut client = connector.connect().await.unwrap();
    let mut server = listener.accept().await.unwrap();
    client.sink.close().await;
    assert_eq!(
        server.stream.next().await,
        Err(TransportError::Closed("the other side said goodbye".to_owned()))
    );
    assert_eq!(
        client.stream.next().await,
        Err(TransportError::Closed("this side said goodbye".to_owned()))
    );
}

#[tokio::test]
async fn the_listener_has_a_limit_of_its_own() {
    let (connector, listener) = memory::channel();
    let mut listener = listener.with_max_frame(4);
    let mut client = connector.connect().await.unwrap();
    let mut server = listener.accept().await.unwrap();
    client
        .sink
        .send(vec![Bytes::from_static(b"12345")])
        .await
        .unwrap();
    assert_eq!(
        server.stream.next().await,
        Err(TransportError::FrameTooLarge { size: 5, limit: 4 })
    );
}
