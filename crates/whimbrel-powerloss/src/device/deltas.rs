//! What a client writes: operations queued, marked as attempted, answered or rejected; and pages of rows with the
//! cursor that covers them.

use uuid::Uuid;
use whimbrel_model::{
    Account, Change, ChannelId, Code, Cursor, Delta, DeviceId, Epoch, Loaded, Message, MessageBody,
    MessageId, Op, OpId, OutboxItem, OutboxStatus, RangeSet, Rejection, Row, StreamId, Timestamp, UserId,
};
use whimbrel_testkit::dice::Dice;

/// Rows of a page, at most; and the size of what each says. A page of that is some forty pages of the database.
const ROWS: u64 = 40;
const TEXT: usize = 3_000;

pub(super) fn cid() -> ChannelId {
    ChannelId::new("messaging:general").unwrap_or_else(|invalid| unreachable!("{invalid}"))
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap_or_else(|invalid| unreachable!("{invalid}"))
}

fn uuid(kind: u128, n: u64) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | kind << 48 | u128::from(n))
}

/// Makes the delta number `n` of a device that has `loaded`. The token of the heads is its number.
pub(super) fn next(n: u64, loaded: &Loaded, dice: &mut Dice) -> Delta {
    let mut delta = Delta::from(Change::HeadsToken(n.to_string()));
    let waiting = |item: &&OutboxItem| item.rejection().is_none();
    let attempted = |item: &&OutboxItem| item.attempted && waiting(item);
    match dice.below(8) {
        _ if n == 1 => delta.push(Change::Account(Account {
            user: user("ada"),
            device: DeviceId(uuid(1, 1)),
        })),
        0..3 => delta.push(Change::Outbox(queued(n))),
        3 | 4 => {
            for item in loaded.outbox.iter().filter(|item| !item.attempted) {
                delta.push(Change::Outbox(OutboxItem {
                    attempted: true,
                    ..item.clone()
                }));
            }
        }
        5 => {
            if let Some(item) = loaded.outbox.iter().find(attempted) {
                delta.push(Change::OutboxRemoved(item.id));
                put_rows(&mut delta, loaded, 1, 20);
            }
        }
        6 => {
            if let Some(item) = loaded.outbox.iter().find(waiting) {
                let rejection = Rejection {
                    code: Code::Forbidden,
                    message: "not allowed".to_owned(),
                    parent: None,
                };
                delta.push(Change::Outbox(OutboxItem {
                    status: OutboxStatus::Rejected(rejection),
                    ..item.clone()
                }));
            }
        }
        _ => put_rows(&mut delta, loaded, 1 + dice.below(ROWS), TEXT),
    }
    delta
}

fn queued(n: u64) -> OutboxItem {
    OutboxItem {
        pos: n,
        id: OpId(uuid(2, n)),
        op: Op::SendMessage {
            kind: whimbrel_model::MessageKind::Regular,
            silent: false,
            cid: cid(),
            id: MessageId(uuid(3, n)),
            body: MessageBody::text(format!("message {n}")),
            parent: None,
            show_in_channel: false,
            quoted: None,
        },
        user: user("ada"),
        composed_at: Timestamp(1),
        attempted: false,
        failures: 0,
        last_error: None,
        status: OutboxStatus::Queued,
    }
}

/// Adds the next messages of the channel, and the cursor that covers them.
fn put_rows(delta: &mut Delta, loaded: &Loaded, rows: u64, text: usize) {
    let stream = StreamId::Channel(cid());
    let from = loaded.cursors.get(&stream).map_or(0, |cursor| cursor.seq);
    let to = from + rows;
    for seq in from + 1..=to {
        delta.push(Change::Row(Row::Message(Message {
            kind: whimbrel_model::MessageKind::Regular,
            silent: false,
            pinned: None,
            thread: None,
            id: MessageId(uuid(4, seq)),
            cid: cid(),
            author: user("bob"),
            seq,
            ver: seq,
            body: MessageBody::text("x".repeat(text)),
            parent: None,
            show_in_channel: false,
            quoted: None,
            composed_at: Timestamp(1),
            accepted_at: Some(Timestamp(2)),
            edited_at: None,
            revision: 0,
            deleted_at: None,
        })));
    }
    let cursor = Cursor {
        epoch: Epoch(1),
        ver: to,
        seq: to,
        window: None,
    };
    delta.push(Change::Cursor(stream, cursor));
    let mut ranges = RangeSet::default();
    ranges.insert(1, to);
    delta.push(Change::Ranges(cid(), ranges));
}
