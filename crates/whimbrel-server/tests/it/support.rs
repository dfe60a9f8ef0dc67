use futures_util::{SinkExt, StreamExt};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message},
};
use uuid::Uuid;
use whimbrel_hub::{Clock, SystemClock};
use whimbrel_model::{
    ChannelId, Custom, DeviceId, MessageBody, MessageId, Op, OpEnvelope, OpId, Timestamp, UserId,
};
use whimbrel_protocol::{
    Bye, ClientFrame, Hello, OpResult, Ops, Outcome, OwnPresence, PROTOCOL, Ready, Results, ServerFrame,
    Token, decode, encode,
};
use whimbrel_server::{Config, RunningServer, Server, Tokens};

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Waits for something that has to happen.
pub(crate) async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work)
        .await
        .unwrap_or_else(|_| panic!("timed out: {what}"))
}

pub(crate) fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

pub(crate) fn cid(id: &str) -> ChannelId {
    ChannelId::new(id).unwrap()
}

/// Makes a UUIDv7 that this process has not made before.
pub(crate) fn uuid() -> Uuid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(n))
}

pub(crate) fn op(op: Op) -> OpEnvelope {
    OpEnvelope {
        id: OpId(uuid()),
        op,
        composed_at: Timestamp(1),
        after: None,
    }
}

pub(crate) fn create(channel: &str, members: &[&str]) -> OpEnvelope {
    op(Op::CreateChannel {
        cid: cid(channel),
        name: "A channel".to_owned(),
        image: String::new(),
        custom: Custom::default(),
        members: members.iter().map(|id| user(id)).collect(),
    })
}

pub(crate) fn send(channel: &str, text: &str) -> OpEnvelope {
    op(Op::SendMessage {
        cid: cid(channel),
        id: MessageId(uuid()),
        body: MessageBody::text(text),
        parent: None,
        show_in_channel: false,
        quoted: None,
        kind: whimbrel_model::MessageKind::Regular,
        silent: false,
    })
}

/// A clock that a test moves.
#[derive(Debug)]
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_700_000_000_000)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0
            .fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// A server in a directory of its own.
pub(crate) struct Fixture {
    pub(crate) dir: TempDir,
    pub(crate) config: Config,
    pub(crate) server: RunningServer,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Fixture {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::with_clock(change, Arc::new(SystemClock)).await
    }

    pub(crate) async fn with_clock(change: impl FnOnce(&mut Config), clock: Arc<dyn Clock>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::new(dir.path().join("server.db"), SECRET);
        change(&mut config);
        let server = Server::start_with(config.clone(), clock.clone()).await.unwrap();
        Self {
            dir,
            config,
            server,
            clock,
        }
    }

    /// Stops the server and starts another one on the same database.
    pub(crate) async fn restart(self) -> Self {
        within("a shutdown", self.server.shutdown()).await;
        let server = Server::start_with(self.config.clone(), self.clock.clone())
            .await
            .unwrap();
        Self { server, ..self }
    }

    pub(crate) async fn stop(self) {
        within("a shutdown", self.server.shutdown()).await;
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.config.database.clone()
    }

    pub(crate) fn token(&self, id: &str) -> String {
        self.token_for(id, Duration::from_secs(600))
    }

    pub(crate) fn token_for(&self, id: &str, lifetime: Duration) -> String {
        let tokens = Tokens::new(&self.config.auth).unwrap();
        tokens.mint(&user(id), lifetime, self.clock.now()).unwrap()
    }

    /// Opens a socket that has not said hello.
    pub(crate) async fn socket(&self) -> Socket {
        let (socket, _) = within("a socket", Box::pin(connect_async(self.url())))
            .await
            .unwrap();
        Socket(socket)
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/v1/socket", self.server.addr)
    }

    /// Opens a socket and logs in.
    pub(crate) async fn login(&self, id: &str) -> Socket {
        let mut socket = self.socket().await;
        socket.hello(&self.token(id)).await;
        let ready = socket.ready().await;
        assert_eq!(ready.user, user(id));
        socket
    }

    pub(crate) fn http(&self) -> Http {
        Http {
            address: self.server.addr,
            token: None,
        }
    }

    pub(crate) fn http_as(&self, id: &str) -> Http {
        Http {
            token: Some(self.token(id)),
            ..self.http()
        }
    }
}

pub(crate) fn hello(token: &str) -> Hello {
    Hello {
        protocol: PROTOCOL,
        token: Token::new(token),
        device: DeviceId(uuid()),
        agent: "test".to_owned(),
        presence: OwnPresence::default(),
        background: false,
    }
}

/// One client's end of a socket.
pub(crate) struct Socket(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn send(&mut self, frame: &ClientFrame) {
        let text = String::from_utf8(encode(frame).unwrap()).unwrap();
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn hello(&mut self, token: &str) {
        self.send(&ClientFrame::Hello(hello(token))).await;
    }

    /// Returns the next frame, or why there is none.
    pub(crate) async fn next(&mut self) -> Result<ServerFrame, Option<u16>> {
        loop {
            match within("a frame", self.0.next()).await {
                Some(Ok(Message::Text(text))) => return Ok(decode(text.as_bytes()).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    pub(crate) async fn ready(&mut self) -> Ready {
        match self.next().await {
            Ok(ServerFrame::Ready(ready)) => ready,
            other => panic!("not ready: {other:?}"),
        }
    }

    /// Reads until the connection ends, and returns the last words and the close code.
    pub(crate) async fn ended(&mut self) -> (Option<Bye>, Option<u16>) {
        let mut last = None;
        loop {
            match self.next().await {
                Ok(ServerFrame::Bye(bye)) => last = Some(bye),
                Ok(_) => {}
                Err(code) => return (last, code),
            }
        }
    }

    /// Sends operations and returns one result each, in order.
    pub(crate) async fn ops(&mut self, ops: Vec<OpEnvelope>) -> Vec<OpResult> {
        let count = ops.len();
        self.send(&ClientFrame::Ops(Ops { ops })).await;
        let mut results = Vec::new();
        while results.len() < count {
            match self.next().await.unwrap() {
                ServerFrame::Results(answer) => results.extend(answer.results),
                ServerFrame::Event(_) => {}
                other => panic!("no results: {other:?}"),
            }
        }
        results
    }
}

pub(crate) fn accepted(result: &OpResult) -> bool {
    matches!(result.outcome, Outcome::Accepted { .. })
}

pub(crate) fn rejection(result: &OpResult) -> &str {
    match &result.outcome {
        Outcome::Rejected { code, .. } => code.as_str(),
        other => panic!("not rejected: {other:?}"),
    }
}

pub(crate) fn refused_handshake(error: tungstenite::Error) -> u16 {
    match error {
        tungstenite::Error::Http(response) => response.status().as_u16(),
        other => panic!("no HTTP answer: {other}"),
    }
}

/// A client that asks once per connection.
pub(crate) struct Http {
    pub(crate) address: SocketAddr,
    pub(crate) token: Option<String>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Http {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> Answer {
        let body = serde_json::to_string(body).unwrap();
        self.ask("POST", path, &[], &body).await
    }

    pub(crate) async fn ops(&self, ops: Vec<OpEnvelope>) -> Vec<OpResult> {
        let answer = self.post("/v1/ops", &Ops { ops }).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json::<Results>().results
    }

    pub(crate) fn head(&self, method: &str, path: &str, headers: &[(&str, &str)], length: usize) -> String {
        let mut head =
            format!("{method} {path} HTTP/1.1\r\ncontent-length: {length}\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head += &format!("host: {}\r\n", self.address);
        }
        if let Some(token) = &self.token {
            head += &format!("authorization: Bearer {token}\r\n");
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head + "\r\n"
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let request = self.head(method, path, headers, body.len()) + body;
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // The server may answer and close before it has read everything.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut text = Vec::new();
        let _ = within("an answer", stream.read_to_end(&mut text)).await;
        Answer::parse(&String::from_utf8(text).unwrap())
    }
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Self {
            status: status.unwrap_or(0),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn code(&self) -> String {
        let body: serde_json::Value = self.json();
        body["code"].as_str().unwrap().to_owned()
    }
}
