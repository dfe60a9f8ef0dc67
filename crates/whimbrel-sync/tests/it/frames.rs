//! Short ways to write down operations, rows and frames.

use uuid::Uuid;
use whimbrel_model::{
    ChannelId, Code, Cursor, Custom, Epoch, Head, MemberState, Membership, Message, MessageId, Op,
    OpEnvelope, OpId, Reaction, Role, Row, SnapshotWindow, StreamEvent, StreamId, Timestamp, UserId,
};
use whimbrel_protocol::{
    Bye, ClientFrame, Failed, Heads, HeadsPage, History, OpResult, Outcome, Page, Ready, Results,
    ServerFrame, StreamHead, Sync,
};

pub(crate) const EPOCH: Epoch = Epoch(7);

pub(crate) fn user(id: &str) -> UserId {
    UserId::new(id).expect("it is valid")
}

pub(crate) fn cid(id: &str) -> ChannelId {
    ChannelId::new(format!("messaging:{id}")).expect("it is valid")
}

pub(crate) fn channel(id: &str) -> StreamId {
    StreamId::Channel(cid(id))
}

pub(crate) fn me() -> StreamId {
    StreamId::User(user("ada"))
}

/// A UUIDv7 with a number in it.
pub(crate) fn uuid(number: u64) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(number))
}

pub(crate) fn message_id(number: u64) -> MessageId {
    MessageId(uuid(number))
}

pub(crate) fn create(channel: &str) -> Op {
    Op::CreateChannel {
        cid: cid(channel),
        name: "a name".to_owned(),
        image: String::new(),
        custom: Custom::default(),
        members: vec![user("bob")],
    }
}

pub(crate) fn send(channel: &str, number: u64) -> Op {
    Op::SendMessage {
        kind: whimbrel_model::MessageKind::Regular,
        silent: false,
        cid: cid(channel),
        id: message_id(number),
        body: format!("message {number}").into(),
        parent: None,
        show_in_channel: false,
        quoted: None,
    }
}

pub(crate) fn react(channel: &str, number: u64) -> Op {
    Op::AddReaction {
        cid: cid(channel),
        message: message_id(number),
        kind: "like".try_into().expect("it is valid"),
    }
}

/// Message `number`, which has this number as its `seq` too.
pub(crate) fn message(channel: &str, number: u64, ver: u64) -> Row {
    Row::Message(Message {
        kind: whimbrel_model::MessageKind::Regular,
        silent: false,
        pinned: None,
        thread: None,
        id: message_id(number),
        cid: cid(channel),
        author: user("bob"),
        seq: number,
        ver,
        body: format!("message {number}").into(),
        parent: None,
        show_in_channel: false,
        quoted: None,
        composed_at: Timestamp(1),
        accepted_at: Some(Timestamp(2)),
        edited_at: None,
        revision: 0,
        deleted_at: None,
    })
}

pub(crate) fn reaction(channel: &str, number: u64, ver: u64) -> Row {
    Row::Reaction(Reaction {
        cid: cid(channel),
        message: message_id(number),
        user: user("bob"),
        kind: "like".try_into().expect("it is valid"),
        removed: false,
        at: Timestamp(3),
        ver,
    })
}

pub(crate) fn membership(channel: &str, state: MemberState, ver: u64) -> Row {
    Row::Membership(Membership::new(
        cid(channel),
        user("ada"),
        Role::Member,
        state,
        ver,
    ))
}

pub(crate) fn step(stream: StreamId, from: u64, to: u64, seq: u64, rows: Vec<Row>) -> StreamEvent {
    StreamEvent {
        stream,
        from,
        to,
        seq,
        rows,
    }
}

pub(crate) fn event(stream: StreamId, from: u64, to: u64, seq: u64, rows: Vec<Row>) -> ServerFrame {
    ServerFrame::Event(step(stream, from, to, seq, rows))
}

pub(crate) const fn head(ver: u64, seq: u64) -> Head {
    Head { ver, seq }
}

pub(crate) const fn cursor(ver: u64, seq: u64) -> Cursor {
    Cursor {
        epoch: EPOCH,
        ver,
        seq,
        window: None,
    }
}

pub(crate) const fn in_window(ver: u64, seq: u64, lo: u64, start: u64) -> Cursor {
    Cursor {
        window: Some(SnapshotWindow { lo, ver: start }),
        ..cursor(ver, seq)
    }
}

pub(crate) fn ready() -> ServerFrame {
    ready_as("ada", EPOCH)
}

pub(crate) fn ready_as(id: &str, epoch: Epoch) -> ServerFrame {
    ready_when(id, epoch, 0)
}

pub(crate) fn ready_when(id: &str, epoch: Epoch, server_time: i64) -> ServerFrame {
    ServerFrame::Ready(Ready {
        protocol: 1,
        user: user(id),
        epoch,
        server_time: Timestamp(server_time),
        heartbeat_ms: 30_000,
        retention_days: 30,
    })
}

pub(crate) fn bye(code: Code, retry_after_ms: Option<u64>) -> ServerFrame {
    ServerFrame::Bye(Bye {
        code,
        message: "because".to_owned(),
        retry_after_ms,
        protocol: None,
    })
}

pub(crate) fn heads_page(id: u64, token: &str, more: bool, heads: Vec<(StreamId, Head)>) -> ServerFrame {
    let heads = heads.into_iter();
    ServerFrame::Heads(HeadsPage {
        id,
        server_time: Timestamp(0),
        heads: heads.map(|(stream, head)| StreamHead { stream, head }).collect(),
        token: token.to_owned(),
        more,
    })
}

/// The last page of a chain, with its head where its cursor is.
pub(crate) fn page(ask: &Sync, from: u64, to: Cursor, rows: Vec<Row>) -> Page {
    Page {
        id: ask.id,
        stream: ask.stream.clone(),
        reset: ask.cursor.is_none(),
        from,
        head: head(to.ver, to.seq),
        to,
        rows,
        more: false,
    }
}

pub(crate) fn failed(id: u64, code: Code, retry_after_ms: Option<u64>) -> ServerFrame {
    ServerFrame::Failed(Failed {
        id,
        code,
        message: "because".to_owned(),
        retry_after_ms,
    })
}

pub(crate) fn result(id: OpId, outcome: Outcome) -> OpResult {
    OpResult { id, outcome }
}

pub(crate) fn results(results: Vec<OpResult>) -> ServerFrame {
    ServerFrame::Results(Results { results })
}

pub(crate) fn accepted(id: OpId, steps: Vec<StreamEvent>) -> ServerFrame {
    results(vec![result(id, Outcome::Accepted { steps })])
}

/// Takes all of them, and changes nothing.
pub(crate) fn accepted_all(ids: &[OpId]) -> ServerFrame {
    let accepted = |id: &OpId| result(*id, Outcome::Accepted { steps: Vec::new() });
    results(ids.iter().map(accepted).collect())
}

pub(crate) fn refusal(code: Code) -> Outcome {
    Outcome::Rejected {
        code,
        message: "because".to_owned(),
    }
}

pub(crate) fn rejected(id: OpId, code: Code) -> ServerFrame {
    results(vec![result(id, refusal(code))])
}

pub(crate) fn not_now(code: Code, retry_after_ms: Option<u64>) -> Outcome {
    Outcome::Retry {
        code,
        message: "because".to_owned(),
        retry_after_ms,
    }
}

pub(crate) fn retry(id: OpId, code: Code, retry_after_ms: Option<u64>) -> ServerFrame {
    results(vec![result(id, not_now(code, retry_after_ms))])
}

pub(crate) fn ops(frames: &[ClientFrame]) -> Vec<OpEnvelope> {
    let ops = frames.iter().filter_map(|frame| match frame {
        ClientFrame::Ops(ops) => Some(ops.ops.clone()),
        _ => None,
    });
    ops.flatten().collect()
}

pub(crate) fn op_ids(frames: &[ClientFrame]) -> Vec<OpId> {
    ops(frames).iter().map(|op| op.id).collect()
}

pub(crate) fn syncs(frames: &[ClientFrame]) -> Vec<Sync> {
    let asks = frames.iter().filter_map(|frame| match frame {
        ClientFrame::Sync(ask) => Some(ask.clone()),
        _ => None,
    });
    asks.collect()
}

pub(crate) fn asks_heads(frames: &[ClientFrame]) -> Vec<Heads> {
    let asks = frames.iter().filter_map(|frame| match frame {
        ClientFrame::Heads(ask) => Some(ask.clone()),
        _ => None,
    });
    asks.collect()
}

pub(crate) fn histories(frames: &[ClientFrame]) -> Vec<History> {
    let asks = frames.iter().filter_map(|frame| match frame {
        ClientFrame::History(ask) => Some(ask.clone()),
        _ => None,
    });
    asks.collect()
}
