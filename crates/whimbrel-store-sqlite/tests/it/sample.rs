//! Values that the tests are written with.

use std::path::{Path, PathBuf};
use tempfile::TempDir;
use uuid::Uuid;
use whimbrel_model::{
    Account, Change, ChannelId, Code, Delta, DeviceId, HistoryFrom, Message, MessageBody, MessageId,
    MessageKind, MessagePage, MessageQuery, MessageScope, Op, OpId, OutboxItem, OutboxStatus, Rejection, Row,
    Timestamp, UserId,
};
use whimbrel_store::Store;

pub(crate) fn dir() -> TempDir {
    TempDir::new().expect("a temporary directory")
}

pub(crate) fn database(dir: &TempDir) -> PathBuf {
    dir.path().join("chat.db")
}

pub(crate) fn cid() -> ChannelId {
    ChannelId::new("messaging:general").expect("a channel id")
}

fn uuid(n: u64) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(n))
}

pub(crate) fn account() -> Account {
    Account {
        user: UserId::new("ada").expect("a user id"),
        device: DeviceId(uuid(1)),
    }
}

/// An operation in the outbox: one in three was attempted, and one in three was rejected.
pub(crate) fn item(n: u64) -> OutboxItem {
    let rejection = Rejection {
        code: Code::Forbidden,
        message: "only members may send here".to_owned(),
        parent: None,
    };
    OutboxItem {
        pos: n,
        id: OpId(uuid(1_000_000 + n)),
        op: Op::SendMessage {
            cid: cid(),
            id: MessageId(uuid(2_000_000 + n)),
            body: MessageBody::text(format!("written offline, number {n}")),
            parent: None,
            show_in_channel: false,
            quoted: None,
            kind: MessageKind::Regular,
            silent: false,
        },
        user: account().user,
        composed_at: Timestamp(7),
        attempted: !n.is_multiple_of(3),
        failures: u32::from(!n.is_multiple_of(3)),
        last_error: (!n.is_multiple_of(3)).then_some(Code::RateLimited),
        status: match n % 3 {
            2 => OutboxStatus::Rejected(rejection),
            _ => OutboxStatus::Queued,
        },
    }
}

pub(crate) fn message(seq: u64) -> Message {
    Message {
        id: MessageId(uuid(seq)),
        cid: cid(),
        author: UserId::new("bob").expect("a user id"),
        seq,
        ver: seq,
        body: MessageBody::text(format!("message {seq}")),
        parent: None,
        show_in_channel: false,
        quoted: None,
        composed_at: Timestamp(1),
        accepted_at: Some(Timestamp(2)),
        edited_at: None,
        revision: 0,
        deleted_at: None,
        kind: MessageKind::Regular,
        silent: false,
        pinned: None,
        thread: None,
    }
}

/// A delta of the messages `from..=to`.
pub(crate) fn messages(from: u64, to: u64) -> Delta {
    Delta {
        changes: (from..=to)
            .map(|seq| Change::Row(Row::Message(message(seq))))
            .collect(),
    }
}

pub(crate) async fn page(store: &dyn Store) -> MessagePage {
    let query = MessageQuery {
        cid: cid(),
        scope: MessageScope::Channel,
        from: HistoryFrom::Newest,
        limit: 10_000,
    };
    store.messages(&query).await.expect("the store reads")
}

pub(crate) async fn count(store: &dyn Store) -> usize {
    page(store).await.messages.len()
}

/// Runs `sql` on the file at `path`, as another program would.
pub(crate) async fn run_sql(path: &Path, sql: &'static str) {
    use sqlx::{ConnectOptions, Connection, Executor};
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true);
    let mut connection = options.connect().await.expect("SQLite opens the file");
    connection.execute(sql).await.expect("SQLite runs the statements");
    connection.close().await.expect("SQLite closes the file");
}
