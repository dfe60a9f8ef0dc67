use crate::support::{Fixture, Http, TestClock, accepted, cid, create, rejection, send, within};
use serde_json::json;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use whimbrel_model::{Row, limits};
use whimbrel_protocol::{Answer, HeadsPage, HistoryPage, Ops, Page};

#[tokio::test]
async fn everything_that_the_socket_answers_can_be_asked_one_by_one() {
    let fixture = Fixture::start().await;
    let ada = fixture.http_as("ada");
    let results = ada
        .ops(vec![
            create("messaging:general", &["bob"]),
            send("messaging:general", "hello"),
        ])
        .await;
    assert!(results.iter().all(accepted), "{results:?}");
    let bob = fixture.http_as("bob");
    let heads: HeadsPage = bob.get("/v1/heads").await.json();
    assert_eq!(heads.heads.len(), 2);
    let nothing: HeadsPage = bob.get(&format!("/v1/heads?since={}", heads.token)).await.json();
    assert!(nothing.heads.is_empty());
    let page: Page = bob.get("/v1/sync?stream=C:messaging:general").await.json();
    assert!(page.reset && !page.more);
    let address = format!(
        "/v1/sync?stream=C:messaging:general&epoch={}&ver={}&seq={}",
        page.to.epoch.0, page.to.ver, page.to.seq
    );
    let next: Page = bob.get(&address).await.json();
    assert!(next.rows.is_empty() && !next.reset);
    let none: Page = bob
        .get("/v1/sync?stream=C:messaging:general&newest=0")
        .await
        .json();
    assert_eq!(
        (none.rows.len(), none.to),
        (page.rows.len() - 1, page.to),
        "all but the message"
    );
    let history: HistoryPage = bob.get("/v1/history?cid=messaging:general&limit=10").await.json();
    assert_eq!((history.lo, history.hi, history.rows.len()), (1, 1, 1));
    let id = history.rows[0].key();
    let whimbrel_model::RowKey::Message(id) = id else {
        panic!("{id:?} is no message");
    };
    for (place, lo, hi) in [
        ("before=1".to_owned(), 1, 0),
        ("after=0".to_owned(), 1, 1),
        ("after=1".to_owned(), 2, 1),
        ("around=1".to_owned(), 1, 1),
        (format!("around_message={id}"), 1, 1),
        ("around_time=0".to_owned(), 1, 1),
    ] {
        let address = format!("/v1/history?cid=messaging:general&{place}");
        let page: HistoryPage = bob.get(&address).await.json();
        assert_eq!((page.lo, page.hi), (lo, hi), "{place}");
    }
    fixture.stop().await;
}

#[tokio::test]
async fn a_request_without_a_good_token_is_refused() {
    let clock = TestClock::new();
    let fixture = Fixture::with_clock(|_| {}, clock.clone()).await;
    let asked = |token: Option<String>| Http {
        token,
        ..fixture.http()
    };
    let good = fixture.token("ada");
    for path in [
        "/v1/heads",
        "/v1/sync?stream=U:ada",
        "/v1/history?cid=messaging:general",
    ] {
        let missing = asked(None).get(path).await;
        assert_eq!(
            (missing.status, missing.code()),
            (401, "token_missing".to_owned())
        );
        assert!(missing.head.contains("www-authenticate: bearer"));
        let forged = asked(Some(format!("{good}x"))).get(path).await;
        assert_eq!((forged.status, forged.code()), (401, "token_invalid".to_owned()));
        assert_eq!(asked(Some(good.clone())).get("/v1/heads").await.status, 200);
    }
    let missing = asked(None).post("/v1/ops", &Ops { ops: Vec::new() }).await;
    assert_eq!(missing.status, 401);
    clock.advance(Duration::from_secs(3_600));
    let expired = asked(Some(good)).get("/v1/heads").await;
    assert_eq!(
        (expired.status, expired.code()),
        (401, "token_expired".to_owned())
    );
    fixture.stop().await;
}

#[tokio::test]
async fn questions_are_asked_over_http_with_the_same_answers_and_refusals() {
    let fixture = Fixture::start().await;
    let ada = fixture.http_as("ada");
    let texts = ["one reef", "another reef", "an atoll"];
    let mut ops = vec![create("messaging:general", &["bob"])];
    ops.extend(texts.map(|text| send("messaging:general", text)));
    let results = ada.ops(ops).await;
    assert!(results.iter().all(accepted), "{results:?}");
    let bob = fixture.http_as("bob");
    let find = |window: serde_json::Value| json!({"messages": {"cid": "messaging:general", "filter": {"text": {"$q": "reef"}}, "window": window}});
    let text = |answer: &Answer| match &answer.rows[..] {
        [Row::Message(message)] => message.body.text.clone(),
        rows => panic!("{rows:?}"),
    };
    let first: Answer = bob.post("/v1/query", &find(json!({"limit": 1}))).await.json();
    assert_eq!((first.id, text(&first).as_str()), (0, "another reef"));
    let rest = find(json!({"limit": 1, "after": first.next}));
    let second: Answer = bob.post("/v1/query", &rest).await.json();
    assert_eq!((text(&second).as_str(), second.next), ("one reef", None));
    let eve = fixture.http_as("eve");
    for (who, question, status, code, place) in [
        (
            &bob,
            json!({"users": {"filter": {"name": {"$gt": 7}}}}),
            400,
            "invalid",
            "/filter/name/$gt: ",
        ),
        (
            &bob,
            find(json!({"limit": 101})),
            413,
            "too_large",
            "/window/limit: ",
        ),
        (&bob, json!({"dances": {}}), 400, "frame_invalid", ""),
        (&eve, find(json!({})), 404, "channel_not_found", ""),
    ] {
        let answer = who.post("/v1/query", &question).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{question}"
        );
        assert!(answer.body.contains(place), "{}", answer.body);
    }
    fixture.stop().await;
}

#[tokio::test]
async fn a_token_in_the_address_is_refused_even_if_it_is_good() {
    let fixture = Fixture::start().await;
    let token = fixture.token("ada");
    for name in ["token", "access_token", "Token"] {
        let answer = fixture
            .http_as("ada")
            .get(&format!("/v1/heads?{name}={token}"))
            .await;
        assert_eq!((answer.status, answer.code()), (400, "invalid".to_owned()));
        assert!(!answer.body.contains(&token));
    }
    fixture.stop().await;
}

#[tokio::test]
async fn nobody_sees_what_belongs_to_others() {
    let fixture = Fixture::start().await;
    fixture
        .http_as("ada")
        .ops(vec![create("messaging:private", &[])])
        .await;
    let eve = fixture.http_as("eve");
    let expected = [
        ("/v1/sync?stream=U:ada", 403, "forbidden"),
        ("/v1/sync?stream=C:messaging:private", 404, "channel_not_found"),
        ("/v1/sync?stream=C:messaging:nowhere", 404, "channel_not_found"),
        ("/v1/history?cid=messaging:private", 404, "channel_not_found"),
        (
            "/v1/history?cid=messaging:private&around_time=0",
            404,
            "channel_not_found",
        ),
    ];
    for (path, status, code) in expected {
        let answer = eve.get(path).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}");
    }
    let heads: HeadsPage = eve.get("/v1/heads").await.json();
    assert!(heads.heads.is_empty());
    let result = eve.ops(vec![send("messaging:private", "hello")]).await;
    assert_eq!(rejection(&result[0]), "channel_not_found");
    fixture.stop().await;
}

#[tokio::test]
async fn what_cannot_be_understood_is_answered_with_what_is_wrong() {
    let fixture = Fixture::start().await;
    let ada = fixture.http_as("ada");
    let expected = [
        ("GET", "/v1/sync", "", 400, "invalid"),
        ("GET", "/v1/sync?stream=X:ada", "", 400, "invalid"),
        ("GET", "/v1/sync?stream=U:ada&ver=1", "", 400, "invalid"),
        (
            "GET",
            "/v1/sync?stream=U:ada&epoch=1&ver=1&window_lo=1",
            "",
            400,
            "invalid",
        ),
        ("GET", "/v1/history?cid=general", "", 400, "invalid"),
        ("GET", "/v1/history?cid=a:b&before=-1", "", 400, "invalid"),
        ("GET", "/v1/history?cid=a:b&before=1&after=1", "", 400, "invalid"),
        ("GET", "/v1/history?cid=a:b&around_message=x", "", 400, "invalid"),
        ("GET", "/v1/socket", "", 400, "invalid"),
        ("POST", "/v1/ops", "garbage", 400, "frame_invalid"),
        ("POST", "/v1/ops", "{\"ops\": [{}]}", 400, "frame_invalid"),
        ("GET", "/v1/ops", "", 405, "invalid"),
        ("GET", "/v1/nothing", "", 404, "invalid"),
        ("POST", "/v1/dev/token", "{\"user\": \"ada\"}", 404, "forbidden"),
    ];
    for (method, path, body, status, code) in expected {
        let answer = ada.ask(method, path, &[], body).await;
        let got = (answer.status, answer.code());
        assert_eq!(
            (got.0, got.1.as_str()),
            (status, code),
            "{method} {path}: {}",
            answer.body
        );
    }
    fixture.stop().await;
}

#[tokio::test]
async fn a_body_or_batch_over_the_limit_is_refused() {
    let fixture = Fixture::start().await;
    let ada = fixture.http_as("ada");
    let large = "x".repeat(limits::FRAME_BYTES + 1);
    let mut stream = TcpStream::connect(fixture.server.addr).await.unwrap();
    let head = ada.head("POST", "/v1/ops", &[], large.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // Refused by its announced length, before the body.
    let _ = within("an answer", stream.read_to_string(&mut answer)).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let many = (0..=limits::OPS_PER_BATCH)
        .map(|_| send("messaging:general", "x"))
        .collect();
    let answer = ada.post("/v1/ops", &Ops { ops: many }).await;
    assert_eq!((answer.status, answer.code()), (413, "too_large".to_owned()));
    fixture.stop().await;
}

#[tokio::test]
async fn a_page_of_another_site_may_not_ask() {
    let fixture = Fixture::start().await;
    let answer = fixture
        .http_as("ada")
        .ask("GET", "/v1/heads", &[("origin", "https://evil.example.org")], "")
        .await;
    assert_eq!((answer.status, answer.code()), (403, "forbidden".to_owned()));
    fixture.stop().await;
}

#[tokio::test]
async fn a_request_that_stays_half_sent_is_closed() {
    let fixture = Fixture::start().await;
    let mut stream = TcpStream::connect(fixture.server.addr).await.unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n")
        .await
        .unwrap();
    let mut rest = Vec::new();
    let _ = within("the end of the connection", stream.read_to_end(&mut rest)).await;
    assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));
    fixture.stop().await;
}

#[tokio::test]
async fn operations_of_a_request_that_is_cut_off_are_whole() {
    let fixture = Fixture::start().await;
    let ada = fixture.http_as("ada");
    ada.ops(vec![create("messaging:general", &[])]).await;
    let mut all = Vec::new();
    for round in 0..40 {
        let ops: Vec<_> = (0..3)
            .map(|n| send("messaging:general", &format!("{round} {n}")))
            .collect();
        let body = serde_json::to_string(&Ops { ops: ops.clone() }).unwrap();
        let head = ada.head("POST", "/v1/ops", &[], body.len());
        let mut stream = TcpStream::connect(fixture.server.addr).await.unwrap();
        stream.write_all((head + &body).as_bytes()).await.unwrap();
        drop(stream);
        all.extend(ops);
    }
    for ops in all.chunks(3) {
        assert!(ada.ops(ops.to_vec()).await.iter().all(accepted));
    }
    let page: HistoryPage = ada
        .get("/v1/history?cid=messaging:general&limit=200")
        .await
        .json();
    let seqs: Vec<_> = page
        .rows
        .iter()
        .filter_map(|row| match row {
            Row::Message(message) => Some(message.seq),
            _ => None,
        })
        .collect();
    assert_eq!(seqs, (1..=120).collect::<Vec<_>>());
    assert_eq!(page.cid, cid("messaging:general"));
    fixture.stop().await;
}

#[tokio::test]
async fn development_gives_tokens_to_this_machine_only() {
    let fixture = Fixture::with(|config| config.auth.dev = true).await;
    let open = fixture.http();
    let answer: serde_json::Value = open.post("/v1/dev/token", &json!({"user": "ada"})).await.json();
    let ada = Http {
        token: Some(answer["token"].as_str().unwrap().to_owned()),
        ..fixture.http()
    };
    assert_eq!(ada.get("/v1/heads").await.status, 200);
    let named = open
        .ask(
            "POST",
            "/v1/dev/token",
            &[("host", "evil.example.org")],
            "{\"user\": \"ada\"}",
        )
        .await;
    assert_eq!(named.status, 403);
    let wrong = open.post("/v1/dev/token", &json!({"user": "not a user"})).await;
    assert_eq!(wrong.status, 400);
    fixture.stop().await;
}

#[tokio::test]
async fn it_says_whether_it_lives_and_is_ready() {
    let fixture = Fixture::start().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(fixture.http().get(path).await.status, 200);
    }
    fixture.stop().await;
}

#[tokio::test]
async fn a_connection_over_the_limit_is_turned_away() {
    let fixture = Fixture::with(|config| config.max_connections = 2).await;
    let first = fixture.socket().await;
    let _second = fixture.socket().await;
    let answer = fixture.http().get("/healthz").await;
    assert_eq!((answer.status, answer.code()), (503, "unavailable".to_owned()));
    assert!(answer.head.contains("retry-after"));
    drop(first);
    within("a free place", async {
        while fixture.http().get("/healthz").await.status != 200 {}
    })
    .await;
    fixture.stop().await;
}
