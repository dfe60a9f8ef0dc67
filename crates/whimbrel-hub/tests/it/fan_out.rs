//! Who gets which event: everyone who may see it, once, in order, and nobody else.

use crate::support::{
    Client, accept, add, cid, create, envelope, message_id, remove, rename, retry, send, start, steps, user,
};
use whimbrel_hub::HubConfig;
use whimbrel_model::{Code, HistoryFrom, Op, OpEnvelope, Row, StreamEvent, StreamId};
use whimbrel_protocol::{ClientFrame, History, ServerFrame, Sync, Watch};

fn streams(events: &[StreamEvent]) -> Vec<String> {
    events.iter().map(|event| event.stream.to_string()).collect()
}

#[tokio::test]
async fn an_event_goes_to_every_connection_of_every_member_but_the_one_it_came_from() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&["bob"])).await;
    let mut phone = Client::connect(&hub, "ada").await;
    let mut laptop = Client::connect(&hub, "ada").await;
    let mut bob = Client::connect(&hub, "bob").await;
    let mut eve = Client::connect(&hub, "eve").await;
    phone.send(vec![envelope(send("hello"))]).await;
    let (results, events) = phone.results(1).await;
    assert_eq!(events, [], "its step is in the result");
    let step = steps(&results[0].outcome);
    assert_eq!(laptop.events().await, step);
    assert_eq!(bob.events().await, step);
    assert_eq!(eve.events().await, []);
    assert_eq!(phone.events().await, []);
    hub.close().await;
}

#[tokio::test]
async fn a_new_member_gets_events_from_the_joining_on() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&[])).await;
    let mut bob = Client::connect(&hub, "bob").await;
    accept(&hub, "ada", send("before")).await;
    accept(&hub, "ada", add(&["bob"])).await;
    accept(&hub, "ada", send("after")).await;
    let events = bob.events().await;
    assert_eq!(
        streams(&events),
        ["U:bob", "C:messaging:general", "C:messaging:general"],
        "bob knows by whom he was added before anything of the channel comes"
    );
    assert!(matches!(events[2].rows[0], Row::Message(_)));
    hub.close().await;
}

#[tokio::test]
async fn a_removed_member_hears_of_the_removal_and_then_nothing_more() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&["bob", "cyd"])).await;
    let mut bob = Client::connect(&hub, "bob").await;
    let mut cyd = Client::connect(&hub, "cyd").await;
    // In one batch, so in one group: what comes before the removal is still seen.
    let batch = [send("before"), remove(&["bob"]), send("after")]
        .map(envelope)
        .to_vec();
    hub.ops(&user("ada"), batch).await;
    accept(&hub, "ada", send("later")).await;
    assert_eq!(streams(&bob.events().await), ["C:messaging:general", "U:bob"]);
    assert_eq!(cyd.events().await.len(), 4);

    let stream = StreamId::Channel(cid());
    bob.session
        .handle(ClientFrame::Sync(Sync {
            id: 1,
            stream,
            cursor: None,
            newest: None,
        }))
        .await
        .unwrap();
    let ServerFrame::Failed(failed) = bob.next().await else {
        panic!("not refused")
    };
    assert_eq!((failed.id, failed.code), (1, Code::NotMember));
    let ask = History {
        id: 2,
        cid: cid(),
        from: HistoryFrom::Before(9),
        limit: 9,
    };
    bob.session.handle(ClientFrame::History(ask)).await.unwrap();
    let ServerFrame::Failed(failed) = bob.next().await else {
        panic!("not refused")
    };
    assert_eq!((failed.id, failed.code), (2, Code::NotMember));
    hub.close().await;
}

#[tokio::test]
async fn events_of_a_stream_arrive_in_order_each_once() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&["bob", "cyd"])).await;
    let mut reader = Client::connect(&hub, "cyd").await;
    let mut writer = Client::connect(&hub, "bob").await;
    let http = async {
        for _ in 0..60 {
            accept(&hub, "ada", send("over http")).await;
        }
    };
    let socket = async {
        for _ in 0..20 {
            writer
                .send((0..3).map(|_| envelope(send("over the socket"))).collect())
                .await;
        }
        writer.results(60).await
    };
    let ((), (results, mut own)) = tokio::join!(http, socket);
    let seen = reader.events().await;
    let contiguous = |events: &[StreamEvent]| events.windows(2).all(|pair| pair[0].to == pair[1].from);
    assert!(seen.len() == 120 && contiguous(&seen), "{} events", seen.len());
    own.extend(writer.events().await);
    assert_eq!(own.len(), 60, "only the other's come as events");
    own.extend(results.iter().flat_map(|result| steps(&result.outcome).to_vec()));
    // That bob writes in the channel allows it, in his own stream.
    own.retain(|event| matches!(event.stream, StreamId::Channel(_)));
    own.sort_by_key(|event| event.from);
    assert_eq!(own, seen, "results and events together are the whole stream");
    hub.close().await;
}

#[tokio::test]
async fn results_and_events_keep_the_order_of_the_stream_on_one_connection() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&["bob"])).await;
    let mut ada = Client::connect(&hub, "ada").await;
    let mut bob = Client::connect(&hub, "bob").await;
    for _ in 0..20 {
        ada.send(vec![envelope(send("a"))]).await;
        bob.send(vec![envelope(send("b")), envelope(send("b"))]).await;
    }
    let mut at = 3;
    while at < 63 {
        let events = match ada.next().await {
            ServerFrame::Event(event) => vec![event],
            ServerFrame::Results(results) => results
                .results
                .iter()
                .flat_map(|result| steps(&result.outcome).to_vec())
                .collect(),
            other => panic!("{other:?}"),
        };
        for event in events {
            assert_eq!(event.from, at, "contiguous");
            at = event.to;
        }
    }
    assert_eq!(bob.results(40).await.0.len(), 40);
    hub.close().await;
}

#[tokio::test]
async fn a_connection_is_subscribed_before_it_reads() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&["bob"])).await;
    let mut bob = Client::connect(&hub, "bob").await;
    accept(&hub, "ada", send("hello")).await;
    let stream = StreamId::Channel(cid());
    bob.session
        .handle(ClientFrame::Sync(Sync {
            id: 5,
            stream,
            cursor: None,
            newest: None,
        }))
        .await
        .unwrap();
    assert!(
        matches!(bob.next().await, ServerFrame::Event(_)),
        "the event is not lost before the page"
    );
    let ServerFrame::Page(page) = bob.next().await else {
        panic!("no page")
    };
    assert_eq!((page.id, page.head.ver, page.more), (5, 4, false));
    hub.close().await;
}

#[tokio::test]
async fn pipelined_frames_keep_their_order_even_when_one_waits_for_another() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&[])).await;
    let mut ada = Client::connect(&hub, "ada").await;
    let first = envelope(send("one"));
    let mut last = first.id;
    let missing = envelope(send("lost on the way")).id;
    ada.send(vec![first]).await;
    for _ in 0..9 {
        let op = OpEnvelope {
            after: Some(last),
            ..envelope(send("next"))
        };
        last = op.id;
        ada.send(vec![op]).await;
    }
    let broken = OpEnvelope {
        after: Some(missing),
        ..envelope(send("too early"))
    };
    let behind = OpEnvelope {
        after: Some(broken.id),
        ..envelope(send("behind it"))
    };
    ada.send(vec![broken]).await;
    ada.send(vec![behind]).await;
    let (results, _) = ada.results(12).await;
    for (place, result) in results[..10].iter().enumerate() {
        assert_eq!(steps(&result.outcome)[0].seq, place as u64 + 1);
    }
    for result in &results[10..] {
        assert_eq!(retry(&result.outcome), Code::OutOfOrder);
    }
    hub.close().await;
}

#[tokio::test]
async fn a_step_too_large_for_a_frame_becomes_a_hint_to_pull() {
    let (hub, _) = start(HubConfig::default());
    let names: Vec<String> = (0..100).map(|at| format!("user{at}")).collect();
    for name in &names {
        accept(&hub, name, rename(name)).await;
        let big = Op::UpdateUser {
            name: None,
            image: Some("\u{1}".repeat(2_048)),
            custom: None,
        };
        accept(&hub, name, big).await;
    }
    let mut ada = Client::connect(&hub, "ada").await;
    let mut other = Client::connect(&hub, "ada").await;
    let members: Vec<&str> = names.iter().map(String::as_str).collect();
    ada.send(vec![envelope(create(&members)), envelope(send("hello"))])
        .await;
    let (results, _) = ada.results(2).await;
    assert_eq!(steps(&results[0].outcome), [], "the rows are left to be pulled");
    let events = other.events().await;
    let hint = events
        .iter()
        .find(|event| event.stream == StreamId::Channel(cid()))
        .unwrap();
    assert_eq!((hint.from, hint.to, hint.rows.len()), (102, 102, 0));
    hub.close().await;
}

#[tokio::test]
async fn a_refused_operation_is_nobodys_event() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&["bob"])).await;
    let mut bob = Client::connect(&hub, "bob").await;
    let ops = [send(""), crate::support::delete(message_id())]
        .map(envelope)
        .to_vec();
    hub.ops(&user("ada"), ops).await;
    assert_eq!(bob.events().await, []);
    hub.close().await;
}

#[tokio::test]
async fn a_channel_that_a_connection_does_not_watch_sends_it_nothing_and_heads_tell_of_it() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&["bob"])).await;
    let mut phone = Client::connect(&hub, "bob").await;
    let mut laptop = Client::connect(&hub, "bob").await;
    let watch = |on| {
        ClientFrame::Watch(Watch {
            cids: vec![cid()],
            on,
        })
    };
    phone.session.handle(watch(false)).await.unwrap();
    accept(&hub, "ada", send("hello")).await;
    assert_eq!(phone.events().await, []);
    assert_eq!(laptop.events().await.len(), 1, "the other connection watches on");
    let ask = whimbrel_protocol::Heads { id: 5, since: None };
    phone.session.handle(ClientFrame::Heads(ask)).await.unwrap();
    let ServerFrame::Heads(page) = phone.next().await else {
        panic!("no heads")
    };
    let moved = page
        .heads
        .iter()
        .find(|head| head.stream == StreamId::Channel(cid()));
    assert_eq!(moved.unwrap().head.seq, 1);
    phone.session.handle(watch(true)).await.unwrap();
    accept(&hub, "ada", send("hello again")).await;
    assert_eq!(phone.events().await.len(), 1);
    let many = Watch {
        cids: vec![cid(); whimbrel_model::limits::WATCHED_PER_FRAME + 1],
        on: false,
    };
    let bye = phone.session.handle(ClientFrame::Watch(many)).await.unwrap_err();
    assert_eq!(bye.code, Code::TooLarge);
    hub.close().await;
}
