//! Pushes over HTTP, to a service that listens on a real socket.

use crate::support::{Fixture, SECRET, accepted, create, op, send, user, uuid, within};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::post,
};
use hmac::{Hmac, KeyInit, Mac};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use sha2::Sha256;
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::{Notify, mpsc},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};
use whimbrel_model::{DeviceChange, DeviceId, Op, PushToken, SetPush};
use whimbrel_protocol::{PushKind, PushPayload};
use whimbrel_server::WebhookConfig;

const PUSH_SECRET: &str = "a secret between server and service";

/// What was posted.
struct Posted {
    headers: HeaderMap,
    body: Vec<u8>,
}

/// A service that keeps what is posted to it, and answers as it was told: 200 with `{}` unless otherwise.
struct Service {
    address: SocketAddr,
    posted: mpsc::Receiver<Posted>,
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
    _tasks: JoinSet<()>,
}

struct Shared {
    posted: mpsc::Sender<Posted>,
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
}

impl Service {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (sender, posted) = mpsc::channel(100);
        let answers = Arc::<Mutex<VecDeque<(u16, String)>>>::default();
        let shared = Arc::new(Shared {
            posted: sender,
            answers: answers.clone(),
        });
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/hook", post(take)).with_state(shared);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            posted,
            answers,
            _tasks: tasks,
        }
    }

    fn config(&self) -> WebhookConfig {
        WebhookConfig::new(format!("http://{}/hook", self.address), PUSH_SECRET)
    }

    fn answer(&self, status: u16, body: &str) {
        self.answers.lock().unwrap().push_back((status, body.to_owned()));
    }

    async fn next(&mut self) -> Posted {
        within("a push", self.posted.recv()).await.unwrap()
    }
}

async fn take(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let body = body.to_vec();
    shared.posted.send(Posted { headers, body }).await.unwrap();
    let answer = shared.answers.lock().unwrap().pop_front();
    let (status, body) = answer.unwrap_or((200, "{}".to_owned()));
    (StatusCode::from_u16(status).unwrap(), body)
}

impl Posted {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Checks the signature as a service has to, and returns what was signed.
    fn checked(&self) -> serde_json::Value {
        let at: i64 = self.header("whimbrel-timestamp").parse().unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(PUSH_SECRET.as_bytes()).unwrap();
        mac.update(format!("{at}.").as_bytes());
        mac.update(&self.body);
        let expected: String = mac
            .finalize()
            .into_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(self.header("whimbrel-signature"), format!("v1={expected}"));
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }
}

async fn server(push: WebhookConfig) -> Fixture {
    Fixture::with(|config| config.push = Some(push)).await
}

/// Gives bob a phone that can be woken, and a channel with ada. Returns the phone.
async fn bob_has_a_phone(fixture: &Fixture, token: &str) -> DeviceId {
    let device = DeviceId(uuid());
    let ops = vec![
        op(Op::RegisterDevice {
            device,
            name: "phone".to_owned(),
            agent: "tests".to_owned(),
            key: None,
        }),
        op(Op::UpdateDevice {
            device,
            change: DeviceChange {
                name: None,
                push: Some(SetPush::On(PushToken {
                    provider: "test".to_owned(),
                    token: token.to_owned(),
                })),
            },
        }),
    ];
    let results = fixture.http_as("bob").ops(ops).await;
    assert!(results.iter().all(accepted));
    let results = fixture
        .http_as("ada")
        .ops(vec![create("messaging:one", &["bob"])])
        .await;
    assert!(results.iter().all(accepted));
    device
}

async fn write(fixture: &Fixture, text: &str) {
    let results = fixture
        .http_as("ada")
        .ops(vec![send("messaging:one", text)])
        .await;
    assert!(results.iter().all(accepted));
}

async fn tokens(fixture: &Fixture) -> Vec<serde_json::Value> {
    let answer = fixture
        .http_as("bob")
        .post("/v1/query", &serde_json::json!({"devices": {}}))
        .await;
    let body: serde_json::Value = answer.json();
    let rows = body["rows"].as_array().unwrap().iter();
    rows.map(|row| row["account"]["device"]["push"].clone()).collect()
}

#[tokio::test]
async fn a_push_is_posted_signed_and_without_content() {
    let mut service = Service::start().await;
    let fixture = server(service.config()).await;
    let device = bob_has_a_phone(&fixture, "the token").await;
    write(&fixture, "a secret plan").await;
    let posted = service.next().await;
    let body = posted.checked();
    let pushes = body["pushes"].as_array().unwrap();
    assert_eq!(pushes.len(), 1);
    assert_eq!(pushes[0]["user"], "bob");
    assert_eq!(pushes[0]["device"], device.to_string());
    assert_eq!(pushes[0]["provider"], "test");
    assert_eq!(pushes[0]["token"], "the token");
    let payload: PushPayload = serde_json::from_value(pushes[0]["payload"].clone()).unwrap();
    assert_eq!((payload.user, payload.kind), (user("bob"), PushKind::Message));
    assert_eq!(
        (payload.cid.to_string(), payload.seq),
        ("messaging:one".to_owned(), 1)
    );
    assert!(!String::from_utf8_lossy(&posted.body).contains("plan"));
    fixture.stop().await;
}

#[tokio::test]
async fn a_service_that_fails_is_tried_again_and_one_that_refuses_is_not() {
    let mut service = Service::start().await;
    let fixture = server(service.config()).await;
    bob_has_a_phone(&fixture, "the token").await;
    service.answer(503, "");
    service.answer(429, "later");
    write(&fixture, "one").await;
    let tries = [service.next().await, service.next().await, service.next().await];
    assert!(tries.iter().all(|posted| posted.body == tries[0].body));
    tries.iter().for_each(|posted| drop(posted.checked()));
    // What was refused is not tried again, and the next message is.
    service.answer(400, "");
    let results = fixture
        .http_as("ada")
        .ops(vec![create("messaging:two", &["bob"])])
        .await;
    assert!(accepted(&results[0]));
    for text in ["two", "three"] {
        let results = fixture
            .http_as("ada")
            .ops(vec![send("messaging:two", text)])
            .await;
        assert!(accepted(&results[0]));
        let body = service.next().await.checked();
        assert_eq!(body["pushes"][0]["payload"]["cid"], "messaging:two", "{body}");
    }
    fixture.stop().await;
}

#[tokio::test]
async fn a_token_that_the_service_knows_to_be_gone_is_taken_off() {
    let mut service = Service::start().await;
    let fixture = server(service.config()).await;
    bob_has_a_phone(&fixture, "old").await;
    service.answer(
        200,
        r#"{"gone":[{"provider":"test","token":"old"}],"more":"to come"}"#,
    );
    let mut bob = fixture.login("bob").await;
    write(&fixture, "one").await;
    service.next().await;
    within("the token to be taken off", async {
        // Each change of bob's stream wakes it.
        while tokens(&fixture).await != [serde_json::Value::Null] {
            drop(bob.next().await);
        }
    })
    .await;
    fixture.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_an_answer() {
    let mut service = Service::start().await;
    let fixture = server(service.config()).await;
    bob_has_a_phone(&fixture, "the token").await;
    service.answer(204, "");
    write(&fixture, "one").await;
    service.next().await;
    service.answer(200, "thank you");
    drop(
        fixture
            .http_as("ada")
            .ops(vec![create("messaging:two", &["bob"])])
            .await,
    );
    drop(
        fixture
            .http_as("ada")
            .ops(vec![send("messaging:two", "two")])
            .await,
    );
    assert_eq!(
        service.next().await.checked()["pushes"][0]["payload"]["cid"],
        "messaging:two"
    );
    fixture.stop().await;
}

#[tokio::test]
async fn a_service_that_says_nothing_holds_nobody_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let mut config = WebhookConfig::new(url, PUSH_SECRET);
    config.timeout = Duration::from_millis(100);
    let fixture = server(config).await;
    bob_has_a_phone(&fixture, "the token").await;
    write(&fixture, "one").await;
    // It is given up, and tried again on another connection.
    let mut taken = Vec::new();
    for _ in 0..2 {
        let (mut stream, _) = within("a connection", listener.accept()).await.unwrap();
        let mut some = [0; 16];
        within("a request", stream.read_exact(&mut some)).await.unwrap();
        taken.push(stream);
    }
    write(&fixture, "two").await;
    fixture.stop().await;
}

#[tokio::test]
async fn tls_is_trusted_by_the_certificates_that_are_configured() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let tls =
        ServerConfig::builder_with_provider(Arc::new(tokio_rustls::rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Notify::new());
    let mut tasks = JoinSet::new();
    let told = asked.clone();
    tasks.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut head = [0; 4];
            if stream.read_exact(&mut head).await.is_ok() && &head == b"POST" {
                drop(stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await);
                told.notify_one();
            }
        }
    });
    let mut config = WebhookConfig::new(format!("https://localhost:{port}/hook"), PUSH_SECRET);
    config.ca = Some(cert.pem());
    let fixture = server(config.clone()).await;
    bob_has_a_phone(&fixture, "the token").await;
    write(&fixture, "one").await;
    within("a request over TLS", asked.notified()).await;
    fixture.stop().await;
    for (ca, setting) in [("not a certificate", "push_ca_file"), ("", "push_ca_file")] {
        config.ca = Some(ca.to_owned());
        let refused = whimbrel_server::Server::start({
            let mut server =
                whimbrel_server::Config::new(tempfile::tempdir().unwrap().path().join("x.db"), SECRET);
            server.push = Some(config.clone());
            server
        })
        .await;
        assert!(refused.unwrap_err().to_string().contains(setting), "{ca}");
    }
}
