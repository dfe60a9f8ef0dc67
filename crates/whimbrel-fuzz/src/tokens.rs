//! Tokens of heads and cursors: what the server once gave out, as anyone may hand it back.

use std::collections::BTreeSet;
use whimbrel_hub::{HeadsPlan, HistoryPlan, PagePlan};
use whimbrel_model::{
    Channel, ChannelId, Cursor, Custom, Epoch, Head, HistoryFrom, Message, MessageBody, MessageId, Row,
    StreamId, Timestamp, UserId, limits,
};
use whimbrel_protocol::StreamHead;

const EPOCH: Epoch = Epoch(7);

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "12 3 7.1",
        "12 3 7.1.9.4",
        "0 2 7.0",
        "40 5 8.1",
        "40 2 ",
        r#"3 2 {"epoch":7,"ver":2,"seq":1}"#,
        r#"1500 200 {"epoch":7,"ver":400,"seq":3,"window":{"lo":451,"ver":1400}}"#,
        r#"1500 200 {"epoch":7,"ver":40,"seq":3}"#,
        r#"1500 7 {"epoch":6,"ver":40,"seq":3}"#,
        r#"900 150 {"epoch":7,"ver":0}"#,
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

/// Takes `<how far the server is> <limit> <token or cursor>`. Returns whether it was understood.
pub(crate) fn since(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.splitn(3, ' ');
    let mut number = || parts.next().and_then(|part| part.parse::<u16>().ok());
    let (Some(far), Some(limit)) = (number(), number()) else {
        return false;
    };
    let (far, limit) = (u64::from(far % 2_000), usize::from(limit));
    let rest = parts.next().unwrap_or_default();
    match serde_json::from_str::<Cursor>(rest) {
        Ok(cursor) => follow_stream(far, limit, cursor),
        Err(_) => follow_heads(far, limit, rest),
    }
    history(far, limit, rest.parse().unwrap_or(u64::MAX));
    true
}

/// Follows a chain of heads to its end: whatever the token, everything that moved since is named.
fn follow_heads(activity: u64, limit: usize, token: &str) {
    let plan = |token: &str| HeadsPlan::new(EPOCH, activity, Some(token), limit);
    let (since, begin) = (plan(token).since(), plan(token).below());
    assert!(since <= activity && begin <= activity + 1);
    let (mut token, mut named) = (token.to_owned(), BTreeSet::new());
    for _ in 0..=activity + 1 {
        let plan = plan(&token);
        assert!(plan.since() == since && plan.below() <= begin);
        let moved = (plan.since() + 1..plan.below()).rev().take(plan.fetch());
        let moved = moved.map(|activity| (stream_head(activity), activity)).collect();
        let page = plan.finish(None, moved);
        assert!(page.heads.len() <= limit.max(2));
        named.extend(page.heads.into_iter().map(|head| head.head.ver));
        token = page.token;
        if !page.more {
            assert!(named.into_iter().eq(since + 1..begin), "a move was left out");
            return;
        }
    }
    panic!("the chain of {token} has no end");
}

fn stream_head(activity: u64) -> StreamHead {
    let cid = ChannelId::new(format!("messaging:{activity}")).expect("a channel id");
    let head = Head {
        ver: activity,
        seq: 0,
    };
    StreamHead {
        stream: StreamId::Channel(cid),
        head,
    }
}

/// Follows a stream from a cursor to its end: whatever the cursor, what it does not cover comes, and nothing else.
fn follow_stream(ver: u64, limit: usize, cursor: Cursor) {
    let cid = ChannelId::new("messaging:general").expect("a channel id");
    let stream = StreamId::Channel(cid.clone());
    // The channel's row, and then messages.
    let head = Head {
        ver,
        seq: ver.saturating_sub(1),
    };
    let plan = |cursor| PagePlan::new(&stream, EPOCH, head, Some(cursor), limit);
    let counts = |plan: &PagePlan, ver: u64| plan.includes(ver, (ver > 1).then_some(ver - 1));
    let first = plan(cursor);
    assert!(first.after() <= ver && first.fetch() <= limits::PAGE_ROWS + 1);
    let expected: BTreeSet<u64> = (1..=ver).filter(|ver| counts(&first, *ver)).collect();
    let (mut at, mut got) = (cursor, BTreeSet::new());
    for number in 0..=ver + 1 {
        let plan = plan(at);
        let rows = (1..=ver).filter(|ver| counts(&plan, *ver)).take(plan.fetch());
        let rows = rows.map(|ver| row(&cid, ver)).collect();
        let page = plan.finish(rows, Vec::new());
        assert!(number == 0 || !page.reset, "a reset in the middle of a chain");
        assert!(page.from == if page.reset { 0 } else { at.ver } && page.to.epoch == EPOCH);
        got.extend(page.rows.iter().map(Row::ver));
        at = page.to;
        if !page.more {
            assert!(at.ver == ver && at.seq == head.seq && at.window.is_none());
            assert_eq!(got, expected, "after {cursor:?}");
            return;
        }
    }
    panic!("the chain of {cursor:?} has no end");
}

fn history(seq: u64, limit: usize, before: u64) {
    let cid = ChannelId::new("messaging:general").expect("a channel id");
    let head = Head { ver: seq, seq };
    let time = Timestamp(i64::try_from(before).unwrap_or(i64::MAX));
    for from in [
        HistoryFrom::Newest,
        HistoryFrom::Before(before),
        HistoryFrom::After(before),
        HistoryFrom::Around(before),
        HistoryFrom::AroundTime(time),
    ] {
        let mut plan = HistoryPlan::new(&cid, head, from, limit);
        let mut looked_up = 0;
        while let Some(seq) = plan.time() {
            assert!(
                (1..=head.seq).contains(&seq),
                "the time of a message that is none"
            );
            plan.accepted(Timestamp(i64::try_from(seq).unwrap_or(i64::MAX)));
            looked_up += 1;
            assert!(looked_up <= 64, "a search without end");
        }
        assert!(plan.lo() >= 1 && plan.hi() <= seq);
        assert!(plan.hi() + 1 - plan.lo().min(plan.hi() + 1) <= limits::PAGE_ROWS as u64);
        match from {
            HistoryFrom::Before(_) => assert!(plan.hi() < before.max(1)),
            HistoryFrom::After(_) => assert!(plan.lo() > before || plan.lo() > plan.hi()),
            _ => {}
        }
    }
}

fn row(cid: &ChannelId, ver: u64) -> Row {
    let ada = UserId::new("ada").expect("a user id");
    let at = Timestamp(1);
    if ver == 1 {
        return Row::Channel(Channel {
            cid: cid.clone(),
            name: String::new(),
            image: String::new(),
            custom: Custom::default(),
            created_by: ada,
            created_at: at,
            updated_at: at,
            ver,
        });
    }
    Row::Message(Message {
        kind: whimbrel_model::MessageKind::Regular,
        silent: false,
        pinned: None,
        thread: None,
        id: MessageId(uuid::Uuid::from_u128(u128::from(ver))),
        cid: cid.clone(),
        author: ada,
        seq: ver - 1,
        ver,
        body: MessageBody::text("hello"),
        parent: None,
        show_in_channel: false,
        quoted: None,
        composed_at: at,
        accepted_at: Some(at),
        edited_at: None,
        revision: 0,
        deleted_at: None,
    })
}
