//! What is private leaves by no exit to anybody else.

use crate::support::{
    Client, accept, add, cid, create, envelope, hello, mark_read, mark_thread_read, message_id, reply, send,
    start, start_on, steps, user,
};
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;
use whimbrel_hub::{Features, Hub, HubConfig, MemoryStorage, Rules};
use whimbrel_model::{
    Cursor, DeviceId, Epoch, HistoryFrom, Op, Row, SettingsChange, StreamEvent, StreamId, UserId, limits,
};
use whimbrel_protocol::{
    ClientFrame, Find, FindChannels, FindMembers, FindMessages, Hello, Question, ServerFrame, Typing,
};

fn device_id(number: u128) -> DeviceId {
    DeviceId(Uuid::from_u128(
        0x0190_0000_0000_7000_9000_0000_0000_0000 | number,
    ))
}

fn delivered(device: u128, seq: u64) -> Op {
    Op::MarkDelivered {
        cid: cid(),
        device: device_id(device),
        seq,
    }
}

fn settings(read: Option<bool>, delivery: Option<bool>, devices: Option<bool>) -> Op {
    Op::UpdateSettings {
        change: SettingsChange {
            read_receipts: read,
            delivery_receipts: delivery,
            device_receipts: devices,
            ..SettingsChange::default()
        },
    }
}

fn stream() -> StreamId {
    StreamId::Channel(cid())
}

/// Says whose registers are among rows, and fails if `reader` is not to see one of them so.
fn registers(rows: &[Row], reader: &UserId) -> Vec<String> {
    let mut found = Vec::new();
    for row in rows {
        assert_eq!(
            row.clone().seen_by(reader).as_ref(),
            Some(row),
            "{reader} was told of {row:?}"
        );
        match row {
            Row::Read(row) if row.thread.is_some() => found.push(format!("{} read a thread", row.user)),
            Row::Read(row) => found.push(format!("{} read {}", row.user, row.receipt())),
            Row::Delivered(row) => {
                found.push(format!("{} has {} on {}", row.user, row.seq, row.devices.len()));
            }
            _ => {}
        }
    }
    found
}

/// A message of bob, a reply, and everything that ada keeps to herself.
async fn kept_to_herself(hub: &Hub) {
    accept(hub, "ada", create(&["bob", "cyd"])).await;
    accept(hub, "ada", settings(Some(false), Some(false), None)).await;
    let (first, op) = (message_id(), send("first"));
    let Op::SendMessage {
        cid,
        body,
        parent,
        show_in_channel,
        quoted,
        kind,
        silent,
        ..
    } = op
    else {
        unreachable!()
    };
    let op = Op::SendMessage {
        cid,
        id: first,
        body,
        parent,
        show_in_channel,
        quoted,
        kind,
        silent,
    };
    accept(hub, "bob", op).await;
    accept(hub, "bob", reply("a reply", Some(first))).await;
    accept(hub, "ada", delivered(1, 1)).await;
    accept(hub, "ada", mark_read(0, 2)).await;
    accept(hub, "ada", mark_thread_read(first, 0, 2)).await;
    accept(hub, "ada", reply("another reply", Some(first))).await;
    accept(hub, "bob", mark_read(0, 1)).await;
    accept(hub, "bob", delivered(2, 3)).await;
}

/// Reads everything that a user can get of the channel, by every exit that is asked.
async fn everything(hub: &Hub, name: &str) -> Vec<Row> {
    let reader = user(name);
    let mut rows = Vec::new();
    let mut cursor: Option<Cursor> = None;
    loop {
        let page = hub.page(&reader, &stream(), cursor).await.unwrap();
        rows.extend(page.rows);
        cursor = Some(page.to);
        if !page.more {
            assert_eq!(
                page.to.ver, page.head.ver,
                "the cursor goes over what is left out"
            );
            break;
        }
    }
    let capped = hub.capped_page(&reader, &stream(), None, 1).await.unwrap();
    rows.extend(capped.rows);
    let history = hub
        .history(&reader, &cid(), HistoryFrom::Newest, 50)
        .await
        .unwrap();
    rows.extend(history.rows);
    for question in [
        Question::Channels(FindChannels {
            state: true,
            ..FindChannels::default()
        }),
        Question::Users(Find::default()),
        Question::Members(FindMembers {
            cid: cid(),
            ..members()
        }),
        Question::Messages(FindMessages::default()),
        Question::Threads(Find::default()),
    ] {
        rows.extend(hub.ask(&reader, &question).await.unwrap().rows);
    }
    rows
}

fn members() -> FindMembers {
    FindMembers {
        cid: cid(),
        filter: Default::default(),
        sort: Default::default(),
        window: Default::default(),
    }
}

#[tokio::test]
async fn no_page_history_or_answer_has_what_another_user_keeps_private() {
    let (hub, _) = start(HubConfig::default());
    kept_to_herself(&hub).await;
    for name in ["bob", "cyd"] {
        let found = registers(&everything(&hub, name).await, &user(name));
        assert!(
            found.iter().all(|row| row.starts_with("bob")),
            "{name}: {found:?}"
        );
        assert!(found.contains(&"bob read 1".to_owned()), "{name}: {found:?}");
    }
    let own = registers(&everything(&hub, "ada").await, &user("ada"));
    for row in [
        "ada read 2",
        "ada read a thread",
        "ada has 1 on 1",
        "bob has 3 on 0",
    ] {
        assert!(own.contains(&row.to_owned()), "{row}: {own:?}");
    }
    hub.close().await;
}

#[tokio::test]
async fn live_steps_tell_the_owner_everything_and_others_only_that_the_stream_moved() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&["bob", "cyd"])).await;
    let mut listening = BTreeMap::new();
    for name in ["ada", "bob", "cyd"] {
        listening.insert(name, Client::connect(&hub, name).await);
    }
    let mut phone = Client::connect_as(
        &hub,
        Hello {
            device: device_id(1),
            ..hello("ada")
        },
    )
    .await;
    accept(&hub, "ada", settings(Some(false), Some(false), None)).await;
    accept(&hub, "bob", send("hello")).await;
    phone
        .send(vec![envelope(mark_read(0, 1)), envelope(delivered(1, 1))])
        .await;
    let (results, _) = phone.results(2).await;
    let answered: Vec<_> = results.iter().flat_map(|result| steps(&result.outcome)).collect();
    let answered: Vec<_> = answered
        .iter()
        .flat_map(|step| registers(&step.rows, &user("ada")))
        .collect();
    assert_eq!(answered, ["ada read 1", "ada has 1 on 1"]);
    accept(&hub, "bob", delivered(2, 1)).await;
    for (name, expected) in [
        ("ada", vec!["ada read 1", "ada has 1 on 1", "bob has 1 on 0"]),
        ("bob", vec!["bob has 1 on 1"]),
        ("cyd", vec!["bob has 1 on 0"]),
    ] {
        let events: Vec<StreamEvent> = listening.get_mut(name).unwrap().events().await;
        let events: Vec<_> = events.iter().filter(|event| event.stream == stream()).collect();
        let told: Vec<_> = events
            .iter()
            .flat_map(|event| registers(&event.rows, &user(name)))
            .collect();
        assert_eq!(told, expected, "{name}");
        for (step, next) in events.iter().zip(&events[1..]) {
            assert_eq!(step.to, next.from, "{name}: the cursor can follow");
        }
    }
    hub.close().await;
}

#[tokio::test]
async fn devices_are_told_only_when_their_user_lets_them_be() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&["bob"])).await;
    accept(&hub, "ada", send("one")).await;
    accept(&hub, "ada", send("two")).await;
    accept(&hub, "bob", delivered(1, 1)).await;
    let of_bob = async |name: &str| {
        let page = hub.page(&user(name), &stream(), None).await.unwrap();
        registers(&page.rows, &user(name))
    };
    assert_eq!(of_bob("ada").await, ["bob has 1 on 0"]);
    accept(&hub, "bob", settings(None, None, Some(true))).await;
    accept(&hub, "bob", delivered(2, 2)).await;
    assert_eq!(of_bob("ada").await, ["bob has 2 on 2"]);
    accept(&hub, "bob", settings(None, Some(false), None)).await;
    accept(&hub, "ada", send("three")).await;
    accept(&hub, "bob", delivered(2, 3)).await;
    assert_eq!(of_bob("ada").await, [""; 0]);
    assert_eq!(of_bob("bob").await, ["bob has 3 on 2"]);
    hub.close().await;
}

#[tokio::test]
async fn a_type_of_channel_can_go_without_receipts_and_typing() {
    let off = Features {
        typing: false,
        read_receipts: false,
        delivery_receipts: false,
    };
    let rules = Rules {
        channel_types: BTreeMap::from([("messaging".to_owned(), off)]),
    };
    let (hub, _) = start(HubConfig {
        rules,
        ..HubConfig::default()
    });
    accept(&hub, "ada", create(&["bob"])).await;
    accept(&hub, "bob", send("hello")).await;
    let marked = accept(&hub, "ada", delivered(1, 1)).await;
    assert_eq!(steps(&marked.outcome), []);
    accept(&hub, "ada", mark_read(0, 1)).await;
    assert_eq!(registers(&everything(&hub, "bob").await, &user("bob")), [""; 0]);
    let own = registers(&everything(&hub, "ada").await, &user("ada"));
    assert!(own.contains(&"ada read 1".to_owned()), "{own:?}");
    let (ada, mut bob) = (
        Client::connect(&hub, "ada").await,
        Client::connect(&hub, "bob").await,
    );
    let typing = Typing {
        cid: cid(),
        parent: None,
        on: true,
    };
    ada.session.handle(ClientFrame::Typing(typing)).await.unwrap();
    let ask = whimbrel_protocol::Heads { id: 1, since: None };
    bob.session.handle(ClientFrame::Heads(ask)).await.unwrap();
    assert!(matches!(bob.next().await, ServerFrame::Heads(_)));
    hub.close().await;
}

#[tokio::test]
async fn nothing_is_kept_of_what_has_reached_whom_in_a_channel_of_too_many() {
    let (hub, _) = start(HubConfig::default());
    let names: Vec<String> = (0..limits::RECEIPT_MEMBERS - 1)
        .map(|n| format!("user{n}"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    accept(&hub, "ada", create(&names)).await;
    accept(&hub, "ada", send("hello")).await;
    let marked = accept(&hub, "user0", delivered(1, 1)).await;
    assert_eq!(steps(&marked.outcome).len(), 1);
    accept(&hub, "ada", add(&["one-more"])).await;
    let marked = accept(&hub, "user1", delivered(2, 1)).await;
    assert_eq!(steps(&marked.outcome), []);
    hub.close().await;
}

#[tokio::test]
async fn what_is_private_stays_so_after_a_restart_of_the_server() {
    let storage = MemoryStorage::new(Epoch(1));
    let clock = Arc::default();
    let hub = start_on(Arc::new(storage.clone()), &clock, HubConfig::default());
    kept_to_herself(&hub).await;
    hub.close().await;
    let hub = start_on(Arc::new(storage.clone()), &clock, HubConfig::default());
    accept(&hub, "bob", send("later")).await;
    accept(&hub, "ada", mark_read(0, 4)).await;
    let found = registers(&everything(&hub, "bob").await, &user("bob"));
    assert!(found.iter().all(|row| row.starts_with("bob")), "{found:?}");
    hub.close().await;
}
