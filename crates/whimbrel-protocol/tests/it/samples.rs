//! One value of each kind that can stand on the wire.

mod everyday;
mod ops;
mod parcels;
mod people;
mod push;
mod questions;
mod rows;

pub(crate) use ops::ops;
pub(crate) use push::pushes;
pub(crate) use questions::questions;
pub(crate) use rows::rows;

use rows::{plain_message, reaction};
use uuid::Uuid;
use whimbrel_model::{
    Attachment, ChannelId, Code, Cursor, Custom, DeviceId, Epoch, Head, HistoryFrom, MessageBody, MessageId,
    Op, OpEnvelope, OpId, ReactionType, Row, SnapshotWindow, StreamEvent, StreamId, Timestamp, UserId,
};
use whimbrel_protocol::{
    AskPresence, Bye, ClientFrame, Failed, Heads, HeadsPage, Hello, History, HistoryPage, OpResult, Ops,
    Outcome, OwnPresence, PROTOCOL, Page, Presence, PresenceRefused, Ready, Results, ServerFrame, StreamHead,
    Sync, Token, Typing, UserPresence, UserTyping, Watch, Watchers, Watching,
};

fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + number)
}

fn user(name: &str) -> UserId {
    UserId::new(name).expect("a valid user id")
}

fn cid() -> ChannelId {
    ChannelId::new("messaging:reef").expect("a valid cid")
}

fn channel() -> StreamId {
    StreamId::Channel(cid())
}

fn typing(parent: Option<MessageId>, on: bool) -> ClientFrame {
    ClientFrame::Typing(Typing {
        cid: cid(),
        parent,
        on,
    })
}

fn user_typing(parent: Option<MessageId>, on: bool) -> ServerFrame {
    ServerFrame::Typing(UserTyping {
        cid: cid(),
        parent,
        user: user("bob"),
        on,
    })
}

fn watching(on: bool) -> ClientFrame {
    ClientFrame::Watching(Watching { cid: cid(), on })
}

fn watchers(count: u64, started: &[&str], stopped: &[&str]) -> ServerFrame {
    let users = |names: &[&str]| names.iter().map(|name| user(name)).collect();
    ServerFrame::Watchers(Watchers {
        cid: cid(),
        count,
        started: users(started),
        stopped: users(stopped),
    })
}

fn heart() -> ReactionType {
    ReactionType::new("❤").expect("a valid reaction")
}

const fn message_id(number: u128) -> MessageId {
    MessageId(Uuid::from_u128(
        0x0190_0000_0000_7000_8000_0000_0000_0100 + number,
    ))
}

fn custom() -> Custom {
    Custom::default()
        .with("colour", "blue")
        .with("depth", 12)
        .with("tags", vec!["a", "b"])
}

fn full_body() -> MessageBody {
    MessageBody {
        mention_channel: false,
        mention_here: false,
        content_type: String::new(),
        text: "Grüße, \"reef\" 🐦\nsecond line".to_owned(),
        mentions: vec![user("bob"), user("eve@example.org")],
        attachments: vec![
            Attachment {
                kind: "image".to_owned(),
                url: "https://files.example/1.png".to_owned(),
                title: "One".to_owned(),
                mime: "image/png".to_owned(),
                size: Some(1_024),
                custom: custom(),
            },
            Attachment {
                kind: "file".to_owned(),
                url: String::new(),
                title: String::new(),
                mime: String::new(),
                size: None,
                custom: Custom::default(),
            },
        ],
        custom: custom(),
    }
}

/// Every answer to an operation, by name.
pub(crate) fn outcomes() -> Vec<(&'static str, Outcome)> {
    let retry = |code, retry_after_ms| Outcome::Retry {
        code,
        message: "not now".to_owned(),
        retry_after_ms,
    };
    vec![
        ("accepted", Outcome::Accepted { steps: vec![step()] }),
        ("accepted-unchanged", Outcome::Accepted { steps: Vec::new() }),
        (
            "rejected",
            Outcome::Rejected {
                code: Code::NotMember,
                message: "ada is not in messaging:reef any more".to_owned(),
            },
        ),
        ("retry", retry(Code::Unavailable, Some(1_000))),
        ("retry-out_of_order", retry(Code::OutOfOrder, None)),
    ]
}

fn step() -> StreamEvent {
    StreamEvent {
        stream: channel(),
        from: 11,
        to: 12,
        seq: 3,
        rows: vec![Row::Message(plain_message())],
    }
}

fn envelope(number: u128, op: Op, after: Option<OpId>) -> OpEnvelope {
    OpEnvelope {
        id: OpId(id(number)),
        op,
        composed_at: Timestamp(1_764_000_000_000),
        after,
    }
}

fn cursor(window: Option<SnapshotWindow>) -> Cursor {
    Cursor {
        epoch: Epoch(7),
        ver: 12,
        seq: 3,
        window,
    }
}

fn hello(presence: OwnPresence) -> Hello {
    Hello {
        protocol: PROTOCOL,
        token: Token::new("header.claims.signature"),
        device: DeviceId(id(0xd)),
        agent: "my-client/1.0".to_owned(),
        presence,
        background: false,
    }
}

/// Every frame of a client, by name.
pub(crate) fn client_frames() -> Vec<(&'static str, ClientFrame)> {
    let sync = |cursor| {
        ClientFrame::Sync(Sync {
            id: 2,
            stream: channel(),
            cursor,
            newest: None,
        })
    };
    let heads = |since| ClientFrame::Heads(Heads { id: 1, since });
    let sent = ops()
        .into_iter()
        .filter(|(name, _)| matches!(*name, "create_channel" | "send_message"))
        .map(|(_, op)| op);
    let sent = sent.zip(1..).map(|(op, number)| {
        let after = (number > 1).then(|| OpId(id(number - 1)));
        envelope(number, op, after)
    });
    let history = |from| {
        ClientFrame::History(History {
            id: 3,
            cid: cid(),
            from,
            limit: 50,
        })
    };
    let window = SnapshotWindow { lo: 51, ver: 900 };
    let mut frames = vec![
        ("hello", ClientFrame::Hello(hello(OwnPresence::default()))),
        ("hello-presence", ClientFrame::Hello(hello(own_presence()))),
        ("hello-presence-data", ClientFrame::Hello(hello(own_data()))),
        ("presence", ClientFrame::Presence(ask_presence())),
        ("hello-background", ClientFrame::Hello(background_hello())),
        ("presence-background", ClientFrame::Presence(set_background())),
        ("watching", watching(true)),
        ("watching-off", watching(false)),
        ("ops", ClientFrame::Ops(Ops { ops: sent.collect() })),
        ("heads", heads(None)),
        ("heads-since", heads(Some("7.40".to_owned()))),
        ("sync", sync(None)),
        ("sync-cursor", sync(Some(cursor(None)))),
        ("sync-window", sync(Some(cursor(Some(window))))),
        (
            "sync-newest",
            ClientFrame::Sync(Sync {
                id: 2,
                stream: channel(),
                cursor: None,
                newest: Some(20),
            }),
        ),
        ("history", history(HistoryFrom::Before(51))),
        ("history-newest", history(HistoryFrom::Newest)),
        ("history-after", history(HistoryFrom::After(51))),
        ("history-around", history(HistoryFrom::Around(51))),
        (
            "history-message",
            history(HistoryFrom::AroundMessage(MessageId(id(0x101)))),
        ),
        ("ask", questions::ask()),
        ("watch", watch()),
        ("typing", typing(None, true)),
        ("typing-thread", typing(Some(message_id(1)), false)),
        (
            "history-time",
            history(HistoryFrom::AroundTime(Timestamp(1_764_000_000_500))),
        ),
    ];
    frames.extend(parcels::asks());
    frames
}

fn watch() -> ClientFrame {
    ClientFrame::Watch(Watch {
        cids: vec![cid()],
        on: false,
    })
}

fn own_presence() -> OwnPresence {
    OwnPresence {
        invisible: Some(true),
        status: Some("at the sea".to_owned()),
        custom: None,
    }
}

fn background_hello() -> Hello {
    Hello {
        background: true,
        ..hello(OwnPresence::default())
    }
}

fn set_background() -> AskPresence {
    AskPresence {
        id: 4,
        add: Vec::new(),
        remove: Vec::new(),
        background: Some(false),
    }
}

fn own_data() -> OwnPresence {
    OwnPresence {
        invisible: None,
        status: None,
        custom: Some(mood()),
    }
}

fn mood() -> Custom {
    Custom::default().with("mood", "calm")
}

fn ask_presence() -> AskPresence {
    AskPresence {
        id: 4,
        add: vec![user("bob"), user("carol")],
        remove: vec![user("dan")],
        background: None,
    }
}

fn presences() -> Vec<(&'static str, ServerFrame)> {
    let bob = UserPresence {
        user: user("bob"),
        online: true,
        last_active: Some(Timestamp(1_764_000_000_000)),
        status: "at the sea".to_owned(),
        custom: Custom::default(),
        invisible: false,
    };
    let unknown = UserPresence {
        user: user("carol"),
        online: false,
        last_active: None,
        status: String::new(),
        custom: Custom::default(),
        invisible: false,
    };
    let own = UserPresence {
        user: user("ada"),
        invisible: true,
        ..bob.clone()
    };
    let refused = PresenceRefused {
        user: user("dan"),
        code: Code::TooLarge,
        message: "why, in words".to_owned(),
    };
    let presence = |id, users, refused| ServerFrame::Presence(Presence { id, users, refused });
    vec![
        (
            "presence",
            presence(Some(4), vec![bob.clone(), unknown], vec![refused]),
        ),
        ("presence-change", presence(None, vec![bob], Vec::new())),
        (
            "presence-data",
            presence(
                None,
                vec![UserPresence {
                    custom: mood(),
                    ..own.clone()
                }],
                Vec::new(),
            ),
        ),
        ("presence-own", presence(None, vec![own], Vec::new())),
        ("watchers", watchers(2, &["ada", "bob"], &[])),
        ("watchers-change", watchers(1, &[], &["bob"])),
        ("watchers-large", watchers(1_234, &[], &[])),
    ]
}

/// Every frame of a server, by name.
pub(crate) fn server_frames() -> Vec<(&'static str, ServerFrame)> {
    let bye = |code, retry_after_ms, protocol| {
        ServerFrame::Bye(Bye {
            code,
            message: "why, in words".to_owned(),
            retry_after_ms,
            protocol,
        })
    };
    let ready = Ready {
        protocol: 1,
        user: user("ada"),
        epoch: Epoch(7),
        server_time: Timestamp(1_764_000_000_000),
        heartbeat_ms: 20_000,
        retention_days: 30,
    };
    let results = outcomes()
        .into_iter()
        .zip(1..)
        .map(|((_, outcome), number)| OpResult {
            id: OpId(id(number)),
            outcome,
        });
    let results = Results {
        results: results.collect(),
    };
    let mut frames = vec![
        ("ready", ServerFrame::Ready(ready)),
        ("bye", bye(Code::HeartbeatLost, None, None)),
        ("bye-retry", bye(Code::ServerStopping, Some(1_500), None)),
        (
            "bye-protocol",
            bye(Code::ProtocolUnsupported, None, Some(PROTOCOL)),
        ),
        ("results", ServerFrame::Results(results)),
        ("event", ServerFrame::Event(step())),
    ];
    frames.extend(answers());
    frames.extend(questions::answers());
    frames.extend(parcels::answers());
    frames.extend(presences());
    frames
}

fn answers() -> Vec<(&'static str, ServerFrame)> {
    let head = |stream, ver, seq| StreamHead {
        stream,
        head: Head { ver, seq },
    };
    let heads = HeadsPage {
        id: 1,
        server_time: Timestamp(1_764_000_000_000),
        heads: vec![head(StreamId::User(user("ada")), 3, 0), head(channel(), 40, 12)],
        token: "7.40".to_owned(),
        more: false,
    };
    let page = Page {
        id: 2,
        stream: channel(),
        reset: false,
        from: 12,
        to: cursor(None),
        head: Head { ver: 12, seq: 3 },
        rows: rows().into_iter().map(|(_, row)| row).collect(),
        more: false,
    };
    let snapshot = Page {
        reset: true,
        from: 0,
        to: cursor(Some(SnapshotWindow { lo: 51, ver: 900 })),
        head: Head { ver: 900, seq: 100 },
        rows: Vec::new(),
        more: true,
        ..page.clone()
    };
    let history = |lo, hi, rows| {
        ServerFrame::History(HistoryPage {
            id: 3,
            cid: cid(),
            lo,
            hi,
            rows,
        })
    };
    let rows = vec![Row::Message(plain_message()), Row::Reaction(reaction(true))];
    let failed = |code, retry_after_ms| {
        ServerFrame::Failed(Failed {
            id: 2,
            code,
            message: "why, in words".to_owned(),
            retry_after_ms,
        })
    };
    vec![
        ("heads", ServerFrame::Heads(heads)),
        ("page", ServerFrame::Page(page)),
        ("page-snapshot", ServerFrame::Page(snapshot)),
        ("history", history(3, 3, rows)),
        ("history-nothing", history(1, 0, Vec::new())),
        ("typing", user_typing(None, true)),
        ("typing-thread", user_typing(Some(message_id(1)), false)),
        ("failed", failed(Code::NotMember, None)),
        ("failed-retry", failed(Code::Unavailable, Some(1_000))),
    ]
}
