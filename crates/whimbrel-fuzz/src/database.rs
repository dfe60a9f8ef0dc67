//! The device's database file, with some of its bytes changed.

use std::{fs, sync::OnceLock};
use uuid::Uuid;
use whimbrel_model::{
    Account, AccountRow, Change, Channel, ChannelId, ConsentState, Contact, Cursor, Custom, Delivered, Delta,
    Device, DeviceId, Epoch, Head, HistoryFrom, Member, MemberState, Membership, Message, MessageBody,
    MessageId, MessageQuery, MessageScope, Op, OpEnvelope, OpId, OutboxItem, OutboxStatus, People, RangeSet,
    Reaction, Read, Role, Row, Settings, SnapshotWindow, StreamId, Timestamp, User, UserId,
};
use whimbrel_store::{AccountReader, Query, Store, StoreError, StoreReader};
use whimbrel_store_sqlite::SqliteStore;

/// Bytes that are changed in one file at most.
const PATCHES: usize = 8;

/// Patches: a place (three bytes, taken round the file), and what is put there.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 5] = [
        b"\x00\x30\x00\x01",
        b"\x01\x10\x07\xff\x02\x20\x33\x00",
        b"\x00\x00\x18\x02",
        b"\x80\x01\x00\x39",
        b"\x80\x07\x41\x7d",
    ];
    texts.map(<[u8]>::to_vec).to_vec()
}

/// Opens a valid file in which bytes were changed, reads all of it, and writes to it. It may be refused; it may not be
/// read as what it does not hold without an end, and nothing panics. Returns whether it could be loaded.
///
/// A place with the highest bit set is counted within the texts of the file, where the rows are; else in all of it.
pub(crate) fn database(bytes: &[u8]) -> bool {
    let (mut file, texts) = sample().clone();
    for patch in bytes.chunks_exact(4).take(PATCHES) {
        let place = usize::from(patch[0] & 0x7f) << 16 | usize::from(patch[1]) << 8 | usize::from(patch[2]);
        let at = if patch[0] & 0x80 == 0 {
            place % file.len()
        } else {
            texts[place % texts.len()]
        };
        file[at] = patch[3];
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("chat.db");
    fs::write(&path, file).expect("the file is written");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.expect("a runtime").block_on(async {
        let Ok(store) = SqliteStore::open(&path).await else {
            return false;
        };
        let loaded = read_all(&store).await.is_ok();
        // Whatever was refused, what is written next is written or not, as a whole.
        let written = store
            .apply(&Delta::from(Change::HeadsToken("7/9".to_owned())))
            .await
            .is_ok();
        if let Ok(loaded) = store.load().await {
            assert!(!written || loaded.heads_token.as_deref() == Some("7/9"));
        }
        store.close().await;
        loaded
    })
}

async fn read_all(store: &SqliteStore) -> Result<(), StoreError> {
    let loaded = store.load().await;
    let channels = store
        .channels(&Query::channel_list(), None, 100, &People::default())
        .await;
    let cid = cid();
    let page = store
        .messages(&MessageQuery {
            cid: cid.clone(),
            scope: MessageScope::Channel,
            from: HistoryFrom::Newest,
            limit: 50,
        })
        .await;
    let others = [
        store.channel(&cid, &People::default()).await.map(drop),
        store.members(&cid).await.map(drop),
        store.reads(&cid, None).await.map(drop),
        store.threads(None, 10, &People::default()).await.map(drop),
        store.drafts().await.map(drop),
        store.message(MessageId(id(20))).await.map(drop),
        store.users(&[user("ada"), user("bob")]).await.map(drop),
    ];
    if let Ok(page) = &page {
        assert!(page.messages.len() <= 50);
    }
    if let Ok(loaded) = &loaded {
        assert!(loaded.outbox.is_sorted_by_key(|item| item.pos));
        for item in &loaded.outbox {
            // What goes out is what the server reads, however damaged.
            let envelope = item.envelope(None);
            let sent = serde_json::to_vec(&envelope).expect("an operation can be written");
            let read: OpEnvelope = serde_json::from_slice(&sent).expect("what is sent can be read");
            assert_eq!(read.digest(), envelope.digest());
        }
    }
    others.into_iter().collect::<Result<(), StoreError>>()?;
    loaded.and(channels.map(drop)).and(page.map(drop))
}

/// A file with something in each table, and where its texts are.
fn sample() -> &'static (Vec<u8>, Vec<usize>) {
    static SAMPLE: OnceLock<(Vec<u8>, Vec<usize>)> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("chat.db");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.expect("a runtime").block_on(async {
            let store = SqliteStore::open(&path).await.expect("a new file");
            store.apply(&contents()).await.expect("it is written");
            store.close().await;
        });
        let file = fs::read(&path).expect("the file is read");
        let is_text = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        let braces = |at: &usize| file[at.saturating_sub(200)..(at + 200).min(file.len())].contains(&b'{');
        let texts = (0..file.len())
            .filter(|at| is_text(file[*at]) && braces(at))
            .collect();
        (file, texts)
    })
}

fn contents() -> Delta {
    let rows = rows().into_iter().map(Change::Row);
    let (c, u) = (StreamId::Channel(cid()), StreamId::User(user("ada")));
    let mut ranges = RangeSet::default();
    ranges.insert(1, 3);
    ranges.mark_stale(2);
    ranges.insert(5, 6);
    let window = Some(SnapshotWindow { lo: 1, ver: 9 });
    let cursor = Cursor {
        epoch: Epoch(7),
        ver: 6,
        seq: 2,
        window,
    };
    let rest = [
        Change::Cursor(c.clone(), cursor),
        Change::Head(c, Head { ver: 9, seq: 3 }),
        Change::Cursor(
            u.clone(),
            Cursor {
                window: None,
                ..cursor
            },
        ),
        Change::Head(u, Head { ver: 9, seq: 0 }),
        Change::Ranges(cid(), ranges),
        Change::HeadsToken("7/7.3".to_owned()),
        Change::SyncedAt(Timestamp(5)),
        Change::Outbox(waiting()),
    ];
    let account = Change::Account(Account {
        user: user("ada"),
        device: DeviceId(id(1)),
    });
    Delta {
        changes: [account].into_iter().chain(rows).chain(rest).collect(),
    }
}

fn rows() -> Vec<Row> {
    let (cid, at) = (cid(), Timestamp(1_700_000_000_000));
    let custom = Custom::default().with("colour", "blue").with("list", vec![1, 2]);
    let (role, state) = (Role::Owner, MemberState::Active);
    let mut rows = vec![
        Row::Channel(Channel {
            cid: cid.clone(),
            name: "Reef".to_owned(),
            image: String::new(),
            custom: custom.clone(),
            created_by: user("ada"),
            created_at: at,
            updated_at: at,
            ver: 1,
        }),
        Row::Member(Member {
            cid: cid.clone(),
            user: user("ada"),
            role,
            state,
            joined_at: at,
            ver: 2,
        }),
        Row::Membership(Membership::new(cid.clone(), user("ada"), role, state, 2)),
        Row::Read(Read {
            thread: None,
            cid: cid.clone(),
            user: user("ada"),
            epoch: 0,
            seq: 2,
            furthest: 0,
            private: false,
            ver: 8,
        }),
        Row::User(User {
            id: user("bob"),
            name: "Bob".to_owned(),
            image: String::new(),
            custom: custom.clone(),
            ver: 1,
        }),
        Row::Reaction(Reaction {
            cid,
            message: MessageId(id(21)),
            user: user("ada"),
            kind: "like".parse().expect("a reaction"),
            removed: false,
            at,
            ver: 9,
        }),
    ];
    rows.extend(about_the_account(at));
    rows.extend((1..4).map(|seq| Row::Message(message(seq, custom.clone(), at))));
    rows
}

/// What has reached ada, and what she holds about herself.
fn about_the_account(at: Timestamp) -> Vec<Row> {
    let mut delivered = Delivered::new(cid(), user("ada"));
    delivered.advance(DeviceId(id(40)), 2);
    delivered.ver = 10;
    let mut settings = Settings::new(user("ada"));
    settings.status = "here".to_owned();
    settings.ver = 3;
    let mut contact = Contact::new(user("ada"), user("bob"));
    contact.consent = ConsentState::Denied;
    contact.denied_until = Some(at);
    contact.ver = 4;
    let device = Device {
        user: user("ada"),
        id: DeviceId(id(40)),
        name: "phone".to_owned(),
        agent: "app/1".to_owned(),
        key: Some("a key".to_owned()),
        registered_at: at,
        revoked_at: None,
        push: None,
        ver: 5,
    };
    vec![
        Row::Delivered(delivered),
        Row::Account(AccountRow::Settings(settings)),
        Row::Account(AccountRow::Contact(contact)),
        Row::Account(AccountRow::Device(device)),
    ]
}

fn message(seq: u64, custom: Custom, at: Timestamp) -> Message {
    Message {
        kind: whimbrel_model::MessageKind::Regular,
        silent: false,
        pinned: None,
        thread: None,
        id: MessageId(id(20 + seq)),
        cid: cid(),
        author: user("bob"),
        seq,
        ver: 3 + seq,
        body: MessageBody {
            custom,
            ..MessageBody::text("hello")
        },
        parent: (seq == 3).then_some(MessageId(id(21))),
        show_in_channel: true,
        quoted: None,
        composed_at: at,
        accepted_at: Some(at),
        edited_at: None,
        revision: 0,
        deleted_at: None,
    }
}

fn waiting() -> OutboxItem {
    OutboxItem {
        pos: 1,
        id: OpId(id(30)),
        op: Op::UpdateUser {
            name: Some("Ada".to_owned()),
            image: None,
            custom: Some(Custom::default().with("a", 1.5)),
        },
        user: user("ada"),
        composed_at: Timestamp(1),
        attempted: true,
        failures: 2,
        last_error: None,
        status: OutboxStatus::Queued,
    }
}

fn id(number: u64) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(number))
}

fn user(name: &str) -> UserId {
    UserId::new(name).expect("a user id")
}

fn cid() -> ChannelId {
    ChannelId::new("messaging:reef").expect("a channel id")
}
