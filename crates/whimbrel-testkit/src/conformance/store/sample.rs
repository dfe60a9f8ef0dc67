//! Values that the cases are written with.

use uuid::Uuid;
use whimbrel_model::{
    Account, Attachment, Change, Channel, ChannelId, Code, ConsentState, Contact, Cursor, Custom, Delivered,
    DeviceId, Draft, DraftContent, Epoch, Head, HistoryFrom, Member, MemberState, Membership, Message,
    MessageBody, MessageId, MessageQuery, MessageScope, Mute, Op, OpId, OutboxItem, OutboxStatus, People,
    RangeSet, Reaction, ReactionType, Read, Rejection, Role, Row, StreamId, ThreadSummary, Timestamp, User,
    UserId,
};

const V7: u128 = 0x0190_0000_0000_7000_8000_0000_0000_0000;

pub(super) const ME: &str = "ada";

pub(super) fn uuid(n: u64) -> Uuid {
    Uuid::from_u128(V7 | u128::from(n))
}

pub(super) fn mid(n: u64) -> MessageId {
    MessageId(uuid(n))
}

pub(super) fn cid(id: &str) -> ChannelId {
    ChannelId::new(format!("messaging:{id}")).expect("a channel id")
}

pub(super) fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

pub(super) fn kind(kind: &str) -> ReactionType {
    ReactionType::new(kind).expect("a reaction type")
}

pub(super) fn c_stream(id: &str) -> StreamId {
    StreamId::Channel(cid(id))
}

pub(super) fn u_stream(id: &str) -> StreamId {
    StreamId::User(user(id))
}

pub(super) fn account() -> Account {
    Account {
        user: user(ME),
        device: DeviceId(uuid(0xd0)),
    }
}

/// The delta of a new database: the account, and channels it is in.
pub(super) fn start(channels: &[&str]) -> Vec<Change> {
    let mut changes = vec![Change::Account(account())];
    for (ver, id) in (1..).zip(channels) {
        changes.push(put(membership(id, ver, MemberState::Active)));
    }
    changes
}

pub(super) fn put(row: impl IntoRow) -> Change {
    Change::Row(row.into_row())
}

/// What [`put`] takes.
pub(super) trait IntoRow {
    fn into_row(self) -> Row;
}

macro_rules! into_row {
    ($($kind:ident)*) => {$(
        impl IntoRow for $kind {
            fn into_row(self) -> Row {
                Row::$kind(self)
            }
        }
    )*};
}
into_row!(Channel Member Message Reaction Read Membership User Draft Delivered);

/// A message of bob's at `seq`, with `seq` as its id.
pub(super) fn message(channel: &str, seq: u64, ver: u64) -> Message {
    Message {
        kind: whimbrel_model::MessageKind::Regular,
        silent: false,
        pinned: None,
        thread: None,
        id: mid(seq),
        cid: cid(channel),
        author: user("bob"),
        seq,
        ver,
        body: MessageBody::text(format!("message {seq} of version {ver}")),
        parent: None,
        show_in_channel: false,
        quoted: None,
        composed_at: at(seq),
        accepted_at: Some(at(seq + 1)),
        edited_at: None,
        revision: 0,
        deleted_at: None,
    }
}

pub(super) fn reply(parent: u64, seq: u64) -> Message {
    Message {
        parent: Some(mid(parent)),
        ..message("a", seq, seq)
    }
}

pub(super) fn tombstone(message: Message, ver: u64) -> Message {
    Message {
        body: MessageBody::default(),
        deleted_at: Some(at(ver)),
        ver,
        ..message
    }
}

/// A body with everything that can be in one.
pub(super) fn rich_body() -> MessageBody {
    let custom = Custom::default()
        .with(
            "nested",
            serde_json::json!({"list": [1, -2.5, null, true, "\u{1f980}"], "big": u64::MAX}),
        )
        .with("quote\"key", "back\\slash");
    MessageBody {
        mention_channel: false,
        mention_here: false,
        content_type: "astronaut".to_owned(),
        text: "Grüße \u{1f469}\u{200d}\u{1f680}\n\t\"quoted\" \\ \u{0} nul, 漢字, \u{202e}rtl".to_owned(),
        mentions: vec![user(ME), user("b.ob-2@home")],
        attachments: vec![Attachment {
            kind: "image".to_owned(),
            url: "https://example.org/ü.png?a=b&c".to_owned(),
            title: "a \u{1f5bc}".to_owned(),
            mime: "image/png".to_owned(),
            size: Some(9_007_199_254_740_991),
            custom: custom.clone(),
        }],
        custom,
    }
}

pub(super) fn channel(id: &str, ver: u64) -> Channel {
    Channel {
        cid: cid(id),
        name: format!("{id} of version {ver}"),
        image: String::new(),
        custom: Custom::default().with("ver", ver),
        created_by: user("bob"),
        created_at: at(1),
        updated_at: at(ver),
        ver,
    }
}

pub(super) fn member(id: &str, who: &str, ver: u64, state: MemberState) -> Member {
    Member {
        cid: cid(id),
        user: user(who),
        role: Role::Owner,
        state,
        joined_at: at(ver),
        ver,
    }
}

pub(super) fn membership(id: &str, ver: u64, state: MemberState) -> Membership {
    Membership::new(cid(id), user(ME), Role::Member, state, ver)
}

pub(super) fn reaction(message: u64, who: &str, what: &str, ver: u64, removed: bool) -> Reaction {
    Reaction {
        cid: cid("a"),
        message: mid(message),
        user: user(who),
        kind: kind(what),
        removed,
        at: at(ver),
        ver,
    }
}

pub(super) fn read(id: &str, who: &str, seq: u64, ver: u64) -> Read {
    Read {
        thread: None,
        cid: cid(id),
        user: user(who),
        epoch: 1,
        seq,
        furthest: 0,
        private: false,
        ver,
    }
}

/// The read position in a thread.
pub(super) fn thread_read(thread: u64, who: &str, seq: u64, ver: u64) -> Read {
    Read {
        thread: Some(mid(thread)),
        ..read("a", who, seq, ver)
    }
}

/// What the device of that number wrote, in the channel or in the thread of a message.
pub(super) fn draft(id: &str, parent: Option<u64>, device: u64, ver: u64) -> Draft {
    Draft {
        user: user(ME),
        cid: cid(id),
        parent: parent.map(mid),
        device: DeviceId(uuid(0xd0 + device)),
        content: Some(DraftContent {
            body: rich_body(),
            quoted: Some(mid(2)),
            show_in_channel: true,
            silent: true,
        }),
        updated_at: at(ver),
        ver,
    }
}

/// The message that began a thread with so many replies, the last of which is at a sequence.
pub(super) fn thread_of(message: Message, replies: u32, last_seq: u64) -> Message {
    Message {
        thread: Some(ThreadSummary {
            replies,
            last_seq,
            last_at: at(last_seq + 1),
        }),
        ..message
    }
}

pub(super) fn profile(who: &str, ver: u64) -> User {
    User {
        id: user(who),
        name: format!("{who} of version {ver}"),
        image: "https://example.org/p.png".to_owned(),
        custom: Custom::default().with("ver", ver),
        ver,
    }
}

pub(super) fn cursor(ver: u64, seq: u64) -> Cursor {
    Cursor {
        epoch: Epoch(u64::MAX),
        ver,
        seq,
        window: None,
    }
}

pub(super) fn head(ver: u64, seq: u64) -> Head {
    Head { ver, seq }
}

pub(super) fn ranges(runs: &[(u64, u64)]) -> RangeSet {
    let mut set = RangeSet::default();
    for (lo, hi) in runs {
        set.insert(*lo, *hi);
    }
    set
}

pub(super) fn outbox_item(pos: u64) -> OutboxItem {
    OutboxItem {
        pos,
        id: OpId(uuid(0xf000 - pos)),
        op: Op::SendMessage {
            kind: whimbrel_model::MessageKind::Regular,
            silent: false,
            cid: cid("a"),
            id: mid(0x1_0000 + pos),
            body: rich_body(),
            parent: Some(mid(1)),
            show_in_channel: true,
            quoted: Some(mid(2)),
        },
        user: user(ME),
        composed_at: at(pos),
        attempted: false,
        failures: 0,
        last_error: None,
        status: OutboxStatus::Queued,
    }
}

/// A read position that waits.
pub(super) fn marks_read(pos: u64, id: &str, epoch: u32, seq: u64) -> OutboxItem {
    OutboxItem {
        op: Op::MarkRead {
            thread: None,
            cid: cid(id),
            epoch,
            seq,
        },
        ..outbox_item(pos)
    }
}

/// A read position in the thread of a message that waits.
pub(super) fn marks_thread_read(pos: u64, thread: u64, epoch: u32, seq: u64) -> OutboxItem {
    OutboxItem {
        op: Op::MarkRead {
            thread: Some(mid(thread)),
            cid: cid("a"),
            epoch,
            seq,
        },
        ..outbox_item(pos)
    }
}

pub(super) fn rejected() -> OutboxStatus {
    OutboxStatus::Rejected(Rejection {
        code: Code::NotMember,
        message: "not any more".to_owned(),
        parent: None,
    })
}

pub(super) fn query(channel: &str, before: Option<u64>, limit: usize) -> MessageQuery {
    MessageQuery {
        cid: cid(channel),
        scope: MessageScope::Channel,
        from: before.map_or(HistoryFrom::Newest, HistoryFrom::Before),
        limit,
    }
}

pub(super) fn at(n: u64) -> Timestamp {
    Timestamp(1_700_000_000_000 + n.cast_signed())
}

/// What holds of others: who is denied, who is allowed, and who is muted.
pub(super) fn people(denied: &[&str], allowed: &[&str], muted: &[&str]) -> People {
    let with = |consent, names: &[&str]| {
        let contact = |name: &&str| Contact {
            consent,
            ..Contact::new(user(ME), user(name))
        };
        names.iter().map(contact).collect::<Vec<_>>()
    };
    let mut contacts = with(ConsentState::Denied, denied);
    contacts.extend(with(ConsentState::Allowed, allowed));
    contacts.extend(
        with(ConsentState::Unknown, muted)
            .into_iter()
            .map(|contact| Contact {
                muted: Some(Mute { until: None }),
                ..contact
            }),
    );
    People::at(&contacts, Timestamp(0))
}
