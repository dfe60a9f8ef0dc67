//! What is private stays so over HTTP, from the database, and after a restart.

use crate::support::{Fixture, Http, accepted, cid, create, op, send, uuid};
use serde_json::json;
use whimbrel_model::{DeviceId, MessageId, Op, OpEnvelope, Row, SettingsChange};
use whimbrel_protocol::{Answer, HistoryPage, Page};

const GENERAL: &str = "messaging:general";

fn read(thread: Option<MessageId>, seq: u64) -> OpEnvelope {
    op(Op::MarkRead {
        cid: cid(GENERAL),
        thread,
        epoch: 0,
        seq,
    })
}

fn delivered(seq: u64) -> OpEnvelope {
    op(Op::MarkDelivered {
        cid: cid(GENERAL),
        device: DeviceId(uuid()),
        seq,
    })
}

fn reply(parent: MessageId) -> OpEnvelope {
    let mut sent = send(GENERAL, "a reply");
    if let Op::SendMessage { parent: of, .. } = &mut sent.op {
        *of = Some(parent);
    }
    sent
}

/// The registers of ada that a user gets, by any way of asking.
async fn of_ada(http: &Http) -> Vec<Row> {
    let page: Page = http.get(&format!("/v1/sync?stream=C:{GENERAL}")).await.json();
    assert_eq!((page.more, page.to.ver), (false, page.head.ver));
    let history: HistoryPage = http
        .get(&format!("/v1/history?cid={GENERAL}&limit=50"))
        .await
        .json();
    let mut rows = page.rows;
    rows.extend(history.rows);
    for question in [json!({"channels": {"state": true}}), json!({"threads": {}})] {
        let answer: Answer = http.post("/v1/query", &question).await.json();
        rows.extend(answer.rows);
    }
    rows.retain(|row| match row {
        Row::Read(row) => row.user.as_str() == "ada",
        Row::Delivered(row) => row.user.as_str() == "ada",
        _ => false,
    });
    rows
}

#[tokio::test]
async fn private_receipts_leave_for_their_user_only() {
    let fixture = Fixture::start().await;
    let (ada, bob) = (fixture.http_as("ada"), fixture.http_as("bob"));
    let first = send(GENERAL, "hello");
    let Some(id) = first.op.message() else {
        panic!("a message has an id")
    };
    let made = ada.ops(vec![create(GENERAL, &["bob"])]).await;
    assert!(made.iter().all(accepted), "{made:?}");
    let sent = bob.ops(vec![first, reply(id)]).await;
    assert!(sent.iter().all(accepted), "{sent:?}");
    let private = op(Op::UpdateSettings {
        change: SettingsChange {
            read_receipts: Some(false),
            delivery_receipts: Some(false),
            ..SettingsChange::default()
        },
    });
    let kept = vec![private, delivered(2), read(None, 2), read(Some(id), 2), reply(id)];
    let kept = ada.ops(kept).await;
    assert!(kept.iter().all(accepted), "{kept:?}");
    assert_eq!(of_ada(&bob).await, []);
    assert!(of_ada(&ada).await.len() >= 3);

    let fixture = fixture.restart().await;
    assert_eq!(of_ada(&fixture.http_as("bob")).await, []);
    assert!(of_ada(&fixture.http_as("ada")).await.len() >= 3);
    fixture.stop().await;
}
