//! The life of a connection: how it is opened, what ends it, and that its last frame says so.

use crate::support::{Client, Names, accept, create, envelope, hello, send, start, user};
use std::time::Duration;
use tokio::time::advance;
use whimbrel_hub::HubConfig;
use whimbrel_model::{Code, Epoch, Timestamp};
use whimbrel_protocol::{
    Bye, ClientFrame, Heads, Hello, Ops, PROTOCOL, ServerFrame, Sync, VersionRange, decode,
};

async fn refused(hub: &whimbrel_hub::Hub, hello: Hello) -> Bye {
    hub.hello(hello, &Names).await.expect_err("refused")
}

#[tokio::test]
async fn ready_is_the_first_frame_and_says_what_was_agreed() {
    let (hub, clock) = start(HubConfig::default());
    clock.set(77);
    let (_session, mut outbound) = hub.hello(hello("ada"), &Names).await.unwrap();
    accept(&hub, "ada", create(&[])).await;
    let batch = outbound.next_batch().await.unwrap();
    let ServerFrame::Ready(ready) = decode(&batch[0]).unwrap() else {
        panic!("{batch:?}")
    };
    assert_eq!(
        (ready.protocol, ready.user, ready.epoch),
        (PROTOCOL.max, user("ada"), Epoch(1))
    );
    assert_eq!(
        (ready.server_time, ready.heartbeat_ms, ready.retention_days),
        (Timestamp(77), 30_000, 30)
    );
    assert!(batch.len() > 1, "what was queued comes in one go");
    hub.close().await;
}

#[tokio::test]
async fn a_hello_that_cannot_be_met_is_answered_with_the_reason() {
    let (hub, clock) = start(HubConfig::default());
    let newer = VersionRange {
        min: PROTOCOL.max + 1,
        max: PROTOCOL.max + 9,
    };
    let bye = refused(
        &hub,
        Hello {
            protocol: newer,
            ..hello("ada")
        },
    )
    .await;
    assert_eq!(
        (bye.code, bye.protocol),
        (Code::ProtocolUnsupported, Some(PROTOCOL))
    );
    assert_eq!(refused(&hub, hello("")).await.code, Code::TokenMissing);
    assert_eq!(refused(&hub, hello("not a name")).await.code, Code::TokenInvalid);
    clock.set(500);
    assert_eq!(refused(&hub, hello("ada/500")).await.code, Code::TokenExpired);
    assert_eq!(hub.connections(), 0);
    hub.close().await;
}

#[tokio::test]
async fn one_user_has_a_limited_number_of_connections() {
    let config = HubConfig {
        connections_per_user: 2,
        ..HubConfig::default()
    };
    let (hub, _) = start(config);
    let first = Client::connect(&hub, "ada").await;
    let _second = Client::connect(&hub, "ada").await;
    let bye = refused(&hub, hello("ada")).await;
    assert!(
        bye.code == Code::RateLimited && bye.retry_after_ms.is_some(),
        "{bye:?}"
    );
    let _other = Client::connect(&hub, "bob").await;
    drop(first);
    let _third = Client::connect(&hub, "ada").await;
    assert_eq!(hub.connections(), 3);
    hub.close().await;
}

#[tokio::test]
async fn a_second_hello_ends_the_connection() {
    let (hub, _) = start(HubConfig::default());
    let mut ada = Client::connect(&hub, "ada").await;
    let bye = ada
        .session
        .handle(ClientFrame::Hello(hello("ada")))
        .await
        .unwrap_err();
    assert_eq!(bye.code, Code::FrameInvalid);
    assert_eq!(ada.bye().await, (bye.clone(), 0));
    let ask = ClientFrame::Heads(Heads { id: 1, since: None });
    assert_eq!(ada.session.handle(ask).await, Err(bye), "over is over");
    hub.close().await;
}

#[tokio::test]
async fn too_many_operations_in_a_frame_end_the_connection_and_none_is_done() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&[])).await;
    let mut ada = Client::connect(&hub, "ada").await;
    let ops = (0..51).map(|_| envelope(send("x"))).collect();
    let bye = ada
        .session
        .handle(ClientFrame::Ops(Ops { ops }))
        .await
        .unwrap_err();
    assert_eq!(bye.code, Code::TooLarge);
    assert_eq!(ada.bye().await.0, bye);
    let stream = whimbrel_model::StreamId::Channel(crate::support::cid());
    let page = hub.page(&user("ada"), &stream, None).await.unwrap();
    assert_eq!(page.head.seq, 0);
    hub.close().await;
}

#[tokio::test]
async fn more_operations_than_a_batch_over_http_are_all_decided_in_order() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&[])).await;
    let ops: Vec<_> = (0..120).map(|_| envelope(send("x"))).collect();
    let ids: Vec<_> = ops.iter().map(|op| op.id).collect();
    let results = hub.ops(&user("ada"), ops).await;
    assert_eq!(results.iter().map(|result| result.id).collect::<Vec<_>>(), ids);
    hub.close().await;
}

#[tokio::test]
async fn a_slow_reader_is_ended_and_what_it_gets_has_no_hole() {
    let config = HubConfig {
        outbound_bytes: 20_000,
        ..HubConfig::default()
    };
    let (hub, _) = start(config);
    accept(&hub, "ada", create(&["bob", "cyd"])).await;
    let mut slow = Client::connect(&hub, "bob").await;
    let mut quick = Client::connect(&hub, "cyd").await;
    for _ in 0..100 {
        accept(&hub, "ada", send(&"x".repeat(1_000))).await;
        assert_eq!(quick.events().await.len(), 1);
    }
    let mut next = 4;
    let bye = loop {
        match slow.next().await {
            ServerFrame::Event(event) => {
                assert_eq!(event.from, next);
                next = event.to;
            }
            ServerFrame::Bye(bye) => break bye,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(bye.code, Code::SlowConsumer);
    assert!(next > 5 && next < 100, "it got {next}");
    assert!(slow.next_or_end().await.is_none());
    hub.close().await;
}

#[tokio::test]
async fn one_who_asks_without_reading_waits_and_is_not_ended() {
    let config = HubConfig {
        outbound_bytes: 2_000,
        ..HubConfig::default()
    };
    let (hub, _) = start(config);
    accept(&hub, "ada", create(&[])).await;
    for _ in 0..20 {
        accept(&hub, "ada", send(&"x".repeat(500))).await;
    }
    let (session, mut outbound) = hub.hello(hello("ada"), &Names).await.unwrap();
    let stream = whimbrel_model::StreamId::Channel(crate::support::cid());
    let ask = async {
        for id in 0..5 {
            let stream = stream.clone();
            session
                .handle(ClientFrame::Sync(Sync {
                    id,
                    stream,
                    cursor: None,
                    newest: None,
                }))
                .await
                .unwrap();
        }
    };
    let read = async {
        let mut pages = 0;
        while pages < 5 {
            let batch = outbound.next_batch().await.unwrap();
            let page = |bytes| matches!(decode(bytes).unwrap(), ServerFrame::Page(_));
            let here = batch.iter().filter(|bytes| page(bytes)).count();
            assert!(here <= 1, "one answer at a time waits");
            pages += here;
        }
    };
    tokio::join!(ask, read);
    hub.close().await;
}

#[tokio::test]
async fn draining_says_when_to_come_back_each_at_another_time() {
    let (hub, _) = start(HubConfig::default());
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(Client::connect(&hub, "ada").await);
    }
    hub.drain(Duration::from_secs(5));
    let mut times = Vec::new();
    for client in &mut clients {
        let (bye, _) = client.bye().await;
        assert_eq!(bye.code, Code::ServerStopping);
        times.push(bye.retry_after_ms.unwrap());
    }
    times.sort_unstable();
    times.dedup();
    assert!(
        times.len() == 10 && times[0] >= 5_000 && times[9] < 10_000,
        "{times:?}"
    );
    let bye = refused(&hub, hello("ada")).await;
    assert_eq!(
        (bye.code, bye.retry_after_ms),
        (Code::ServerStopping, Some(5_000))
    );
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_ended_after_two_and_a_half_heartbeats() {
    let (hub, _) = start(HubConfig::default());
    let mut silent = Client::connect(&hub, "ada").await;
    let mut alive = Client::connect(&hub, "bob").await;
    for _ in 0..6 {
        advance(Duration::from_secs(15)).await;
        assert_eq!(alive.events().await, []);
    }
    assert_eq!(silent.bye().await.0.code, Code::HeartbeatLost);
    assert_eq!(alive.events().await, []);
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_ends_the_connection_with_or_without_a_frame() {
    let (hub, clock) = start(HubConfig::default());
    let mut asking = Client::connect(&hub, "ada/500").await;
    let mut quiet = Client::connect(&hub, "bob/500").await;
    let mut lasting = Client::connect(&hub, "cyd/501").await;
    clock.set(500);
    let ask = ClientFrame::Heads(Heads { id: 1, since: None });
    let bye = asking.session.handle(ask).await.unwrap_err();
    assert_eq!(bye.code, Code::TokenExpired);
    assert_eq!(asking.bye().await.0, bye);
    assert_eq!(quiet.bye().await.0.code, Code::TokenExpired);
    assert_eq!(lasting.events().await, []);
    hub.close().await;
}

#[tokio::test]
async fn dropping_the_session_ends_the_outbound() {
    let (hub, _) = start(HubConfig::default());
    let Client {
        session,
        mut outbound,
        ..
    } = Client::connect(&hub, "ada").await;
    drop(session);
    assert_eq!(outbound.next_batch().await, None);
    assert_eq!(hub.connections(), 0);
    hub.close().await;
}

#[tokio::test]
async fn dropping_the_outbound_ends_the_session() {
    let (hub, _) = start(HubConfig::default());
    let Client {
        session, outbound, ..
    } = Client::connect(&hub, "ada").await;
    drop(outbound);
    let ask = ClientFrame::Heads(Heads { id: 1, since: None });
    assert!(session.handle(ask).await.is_err());
    hub.close().await;
}
