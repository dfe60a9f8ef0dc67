use std::{future::Future, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};
use whimbrel_testkit::proxy::{Direction, Proxy};

async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), work)
        .await
        .expect("it takes much less than 20 s")
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn open() -> (Proxy, TcpListener) {
    let (listener, address) = listen().await;
    (Proxy::open(address).await.unwrap(), listener)
}

async fn connect(proxy: &Proxy, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = within(TcpStream::connect(proxy.address())).await.unwrap();
    let (server, _) = within(listener.accept()).await.unwrap();
    (client, server)
}

async fn carries(from: &mut TcpStream, to: &mut TcpStream, text: &str) {
    from.write_all(text.as_bytes()).await.unwrap();
    let mut arrived = vec![0; text.len()];
    within(to.read_exact(&mut arrived)).await.unwrap();
    assert_eq!(arrived, text.as_bytes());
}

/// Reads to the end: how many bytes came, and whether it ended with a goodbye.
async fn rest(socket: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut arrived = Vec::new();
    let ended = within(socket.read_to_end(&mut arrived)).await;
    (arrived, ended.is_ok())
}

#[tokio::test]
async fn it_carries_bytes_both_ways_and_the_end_too() {
    let (proxy, listener) = open().await;
    let (mut client, mut server) = connect(&proxy, &listener).await;
    carries(&mut client, &mut server, "question").await;
    carries(&mut server, &mut client, "answer").await;
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut server).await, (Vec::new(), true));
    carries(&mut server, &mut client, "the other direction is still open").await;
    drop(server);
    assert_eq!(rest(&mut client).await, (Vec::new(), true));
    proxy.close().await;
}

#[tokio::test]
async fn it_carries_more_than_its_buffer() {
    let (proxy, listener) = open().await;
    let (mut client, mut server) = connect(&proxy, &listener).await;
    let much: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 251) as u8).collect();
    let sending = async {
        client.write_all(&much).await.unwrap();
        client.shutdown().await.unwrap();
    };
    let ((), (arrived, _)) = tokio::join!(sending, rest(&mut server));
    assert!(arrived == much);
}

#[tokio::test]
async fn a_cut_resets_both_sides_and_refuses_until_it_is_restored() {
    let (proxy, listener) = open().await;
    let (mut client, mut server) = connect(&proxy, &listener).await;
    carries(&mut client, &mut server, "before").await;
    proxy.cut();
    assert_eq!(rest(&mut client).await, (Vec::new(), false));
    assert_eq!(rest(&mut server).await, (Vec::new(), false));
    if let Ok(mut refused) = within(TcpStream::connect(proxy.address())).await {
        assert_eq!(rest(&mut refused).await, (Vec::new(), false));
    }
    proxy.restore();
    let (mut client, mut server) = connect(&proxy, &listener).await;
    carries(&mut client, &mut server, "after").await;
}

#[tokio::test]
async fn a_cut_that_is_over_at_once_still_kills() {
    let (proxy, listener) = open().await;
    let (mut client, mut server) = connect(&proxy, &listener).await;
    carries(&mut client, &mut server, "before").await;
    proxy.cut();
    proxy.restore();
    assert_eq!(rest(&mut client).await, (Vec::new(), false));
}

#[tokio::test]
async fn a_stall_holds_everything_and_closes_nothing() {
    let (proxy, listener) = open().await;
    let (mut client, mut server) = connect(&proxy, &listener).await;
    carries(&mut client, &mut server, "before").await;
    proxy.stall();
    client.write_all(b"held").await.unwrap();
    server.write_all(b"held").await.unwrap();
    let mut late = within(TcpStream::connect(proxy.address())).await.unwrap();
    late.write_all(b"late").await.unwrap();
    // Nothing is there to wait for: so this gives it time in which it would have come.
    let mut buffer = [0; 4];
    let quiet = timeout(Duration::from_millis(100), async {
        tokio::select! {
            read = client.read(&mut buffer) => panic!("the client got {read:?}"),
            accepted = listener.accept() => panic!("the server got {accepted:?}"),
        }
    });
    assert!(quiet.await.is_err());
    let quiet = timeout(Duration::from_millis(100), server.read(&mut buffer));
    assert!(quiet.await.is_err());

    proxy.restore();
    within(client.read_exact(&mut buffer)).await.unwrap();
    within(server.read_exact(&mut buffer)).await.unwrap();
    let (mut late_server, _) = within(listener.accept()).await.unwrap();
    within(late_server.read_exact(&mut buffer)).await.unwrap();
    assert_eq!(&buffer, b"late");
}

#[tokio::test]
async fn a_stalled_link_can_be_cut() {
    let (proxy, listener) = open().await;
    let (mut client, _server) = connect(&proxy, &listener).await;
    proxy.stall();
    let mut late = within(TcpStream::connect(proxy.address())).await.unwrap();
    proxy.cut();
    assert_eq!(rest(&mut client).await, (Vec::new(), false));
    assert_eq!(rest(&mut late).await, (Vec::new(), false));
}

#[tokio::test]
async fn a_server_that_came_back_on_another_port_is_reached_at_the_same_address() {
    let (proxy, first) = open().await;
    let (mut client, mut server) = connect(&proxy, &first).await;
    let (second, address) = listen().await;
    proxy.set_target(address);
    carries(&mut client, &mut server, "the first connection goes on").await;
    let (mut client, mut server) = connect(&proxy, &second).await;
    carries(&mut client, &mut server, "the second server").await;
}

#[tokio::test]
async fn a_target_that_is_not_there_resets() {
    let (proxy, listener) = open().await;
    drop(listener);
    let mut client = within(TcpStream::connect(proxy.address())).await.unwrap();
    assert_eq!(rest(&mut client).await, (Vec::new(), false));
}

#[tokio::test]
async fn a_delay_holds_one_direction_back() {
    const DELAY: Duration = Duration::from_millis(200);
    let (proxy, listener) = open().await;
    let (mut client, mut server) = connect(&proxy, &listener).await;
    proxy.set_delay(Direction::Down, DELAY);
    let begun = Instant::now();
    carries(&mut server, &mut client, "late").await;
    assert!(begun.elapsed() >= DELAY);
    proxy.set_delay(Direction::Down, Duration::ZERO);
    carries(&mut client, &mut server, "up").await;
}

#[tokio::test]
async fn a_reply_is_dropped_after_so_many_bytes_and_only_once() {
    let (proxy, listener) = open().await;
    let (mut client, mut server) = connect(&proxy, &listener).await;
    proxy.drop_reply_after(6);
    carries(&mut server, &mut client, "1234").await;
    carries(&mut client, &mut server, "what goes up does not count").await;
    server.write_all(b"56789").await.unwrap();
    let (arrived, _) = rest(&mut client).await;
    assert_eq!(arrived, b"56");
    let (arrived, _) = rest(&mut server).await;
    assert!(arrived.is_empty());

    let (mut client, mut server) = connect(&proxy, &listener).await;
    carries(&mut server, &mut client, "the next one is whole").await;
}

#[tokio::test]
async fn a_whole_reply_can_be_dropped() {
    let (proxy, listener) = open().await;
    let (mut client, mut server) = connect(&proxy, &listener).await;
    proxy.drop_reply_after(0);
    carries(&mut client, &mut server, "do it").await;
    server.write_all(b"done").await.unwrap();
    assert_eq!(rest(&mut client).await.0, b"");
}

#[tokio::test]
async fn closing_ends_the_connections_and_frees_the_port() {
    let (proxy, listener) = open().await;
    let (mut client, mut server) = connect(&proxy, &listener).await;
    // The proxy is through with its connect once it carries something.
    carries(&mut client, &mut server, "before").await;
    let address = proxy.address();
    within(proxy.close()).await;
    assert_eq!(rest(&mut client).await, (Vec::new(), false));
    assert_eq!(rest(&mut server).await, (Vec::new(), false));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn dropping_ends_the_connections_too() {
    let (proxy, listener) = open().await;
    let (mut client, _server) = connect(&proxy, &listener).await;
    drop(proxy);
    assert_eq!(rest(&mut client).await, (Vec::new(), false));
}
