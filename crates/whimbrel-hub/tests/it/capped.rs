//! Pages for who wants no more than a few messages.

use crate::support::{accept, cid, create, react, send, start, user};
use whimbrel_hub::{Hub, HubConfig};
use whimbrel_model::{Cursor, Op, Row, StreamId, limits};
use whimbrel_protocol::Page;

fn stream() -> StreamId {
    StreamId::Channel(cid())
}

/// A channel with so many messages, each with a reaction.
async fn channel(messages: usize) -> Hub {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&["bob"])).await;
    for _ in 0..messages {
        let message = send("hello");
        let Op::SendMessage { id, .. } = message else {
            unreachable!("it is a message")
        };
        accept(&hub, "ada", message).await;
        accept(&hub, "ada", react(id, "like")).await;
    }
    hub
}

async fn page(hub: &Hub, cursor: Option<Cursor>, newest: u32) -> Page {
    let page = hub.capped_page(&user("bob"), &stream(), cursor, newest).await;
    page.expect("bob is a member")
}

fn seqs(page: &Page) -> Vec<u64> {
    let seqs = page.rows.iter().filter_map(|row| match row {
        Row::Message(message) => Some(message.seq),
        _ => None,
    });
    seqs.collect()
}

fn count(page: &Page, is: impl Fn(&Row) -> bool) -> usize {
    page.rows.iter().filter(|row| is(row)).count()
}

#[tokio::test]
async fn a_snapshot_has_the_newest_messages_and_all_that_is_no_message() {
    let hub = channel(30).await;
    let first = page(&hub, None, 5).await;
    assert!(first.reset && !first.more && first.from == 0);
    assert_eq!(seqs(&first), [26, 27, 28, 29, 30]);
    assert_eq!(count(&first, |row| matches!(row, Row::Reaction(_))), 5);
    assert_eq!(count(&first, |row| matches!(row, Row::Member(_))), 2);
    assert_eq!(count(&first, |row| matches!(row, Row::Channel(_))), 1);
    assert_eq!((first.to.ver, first.to.seq), (first.head.ver, 30));
    assert_eq!(first.to.window, None);
    // Whatever changes later comes, wherever its message stands.
    let renamed = Op::UpdateChannel {
        cid: cid(),
        name: Some("Another name".to_owned()),
        image: None,
        custom: None,
    };
    accept(&hub, "ada", renamed).await;
    let next = page(&hub, Some(first.to), 5).await;
    assert!(!next.reset && next.from == first.to.ver);
    assert_eq!(next.rows.len(), 1);
    hub.close().await;
}

#[tokio::test]
async fn no_messages_at_all_can_be_wanted() {
    let hub = channel(3).await;
    let first = page(&hub, None, 0).await;
    assert!(first.reset && seqs(&first).is_empty());
    assert_eq!(count(&first, |row| matches!(row, Row::Reaction(_))), 0);
    assert_eq!((first.to.ver, first.to.seq), (first.head.ver, 3));
    hub.close().await;
}

#[tokio::test]
async fn few_new_messages_come_as_ever_and_many_begin_a_snapshot() {
    let hub = channel(10).await;
    let known = page(&hub, None, 100).await.to;
    for _ in 0..3 {
        accept(&hub, "ada", send("new")).await;
    }
    let few = page(&hub, Some(known), 3).await;
    assert!(!few.reset && seqs(&few) == [11, 12, 13]);
    let many = page(&hub, Some(known), 2).await;
    assert!(many.reset && seqs(&many) == [12, 13], "{many:?}");
    hub.close().await;
}

#[tokio::test]
async fn a_snapshot_of_several_pages_goes_on_as_it_began() {
    let hub = channel(160).await;
    let newest = 150;
    let mut pages = vec![page(&hub, None, newest).await];
    assert!(pages[0].reset && pages[0].more && pages[0].to.window.is_some());
    while let Some(last) = pages.last()
        && last.more
    {
        accept(&hub, "ada", send("meanwhile")).await;
        let next = page(&hub, Some(last.to), newest).await;
        assert!(!next.reset && next.from == last.to.ver);
        pages.push(next);
    }
    let all: Vec<u64> = pages.iter().flat_map(seqs).collect();
    let last = pages.last().expect("there is one").to;
    assert_eq!(all, (11..=last.seq).collect::<Vec<_>>());
    assert!(pages.len() > 1 && last.seq > 160 && last.window.is_none());
    hub.close().await;
}

#[tokio::test]
async fn it_never_has_more_than_a_snapshot_without_a_wish_has_and_the_own_stream_is_whole() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&["bob"])).await;
    let ops: Vec<_> = (0..=limits::SNAPSHOT_AFTER)
        .map(|_| crate::support::envelope(send("x")))
        .collect();
    hub.ops(&user("ada"), ops).await;
    let usual = hub.page(&user("bob"), &stream(), None).await.expect("a page");
    assert_eq!(page(&hub, None, u32::MAX).await, usual);
    let own = StreamId::User(user("bob"));
    let page = hub
        .capped_page(&user("bob"), &own, None, 0)
        .await
        .expect("a page");
    assert_eq!(page, hub.page(&user("bob"), &own, None).await.expect("a page"));
    hub.close().await;
}
