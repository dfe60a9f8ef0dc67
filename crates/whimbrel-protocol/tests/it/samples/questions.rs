//! Questions and answers.

use super::{cid, id, rows};
use serde_json::json;
use whimbrel_model::{DeviceId, MessageId, PlainJson, Row, Timestamp};
use whimbrel_protocol::{
    Answer, Ask, ClientFrame, DeviceState, Find, FindChannels, FindDevices, FindMembers, FindMessages,
    FindReactions, Question, Search, ServerFrame, Unsearched, Window,
};

/// Every question, by name.
pub(crate) fn questions() -> Vec<(&'static str, Question)> {
    let filter = |json| PlainJson(json);
    let channels = FindChannels {
        filter: filter(json!({"custom.team": "red", "last_message_at": {"$gt": 1_764_000_000_000_i64}})),
        sort: PlainJson(json!([{"field": "last_message_at", "direction": -1}])),
        window: Window {
            limit: Some(10),
            after: Some("a00".to_owned()),
            ..Window::default()
        },
        state: true,
        message_limit: Some(25),
        member_limit: Some(30),
    };
    let users = Find {
        filter: filter(json!({"name": {"$autocomplete": "ad"}})),
        window: Window {
            offset: Some(100),
            ..Window::default()
        },
        ..Find::default()
    };
    let members = FindMembers {
        cid: cid(),
        filter: filter(json!({"role": "owner"})),
        sort: PlainJson::default(),
        window: Window {
            before: Some("a00".to_owned()),
            ..Window::default()
        },
    };
    let messages = FindMessages {
        cid: Some(cid()),
        filter: filter(json!({"text": {"$q": "plover"}})),
        ..FindMessages::default()
    };
    let reactions = FindReactions {
        message: MessageId(id(0x101)),
        filter: filter(json!({"type": "like"})),
        sort: PlainJson::default(),
        window: Window::default(),
    };
    let threads = Find {
        filter: filter(json!({"has_unread": true})),
        ..Find::default()
    };
    let search = Search {
        text: "\"the reef\" nan".to_owned(),
        channels: filter(json!({"custom.team": "red"})),
        filter: filter(json!({"accepted_at": {"$gte": 1_764_000_000_000_i64}})),
        author: Some(whimbrel_model::UserId::new("ada").expect("a user id")),
        limit: Some(50),
        after: Some("17".to_owned()),
    };
    vec![
        ("channels", Question::Channels(FindChannels::default())),
        ("channels-full", Question::Channels(channels)),
        ("users", Question::Users(users)),
        ("members", Question::Members(members)),
        ("messages", Question::Messages(messages)),
        ("reactions", Question::Reactions(reactions)),
        ("threads", Question::Threads(threads)),
        ("drafts", Question::Drafts(Find::default())),
        ("search", Question::Search(search)),
        ("devices", Question::Devices(FindDevices {})),
    ]
}

pub(super) fn ask() -> ClientFrame {
    let (_, question) = questions().swap_remove(1);
    ClientFrame::Ask(Ask { id: 4, question })
}

pub(super) fn answers() -> Vec<(&'static str, ServerFrame)> {
    let full = Answer {
        id: 4,
        rows: vec![Row::Message(rows::plain_message())],
        next: Some("a01".to_owned()),
        previous: Some("a02".to_owned()),
        hits: Some(7),
        unsearched: Some(Unsearched {
            channels: 2,
            next_channels: vec![cid()],
            messages: 9,
        }),
        ..Answer::default()
    };
    let state = |number, connected, seen_at, behind| DeviceState {
        device: DeviceId(id(number)),
        connected,
        seen_at,
        behind,
    };
    let devices = Answer {
        id: 4,
        devices: vec![
            state(0x10, true, Some(Timestamp(1_764_000_000_000)), Some(2)),
            state(0x11, false, None, None),
        ],
        ..Answer::default()
    };
    let nothing = Answer {
        id: 4,
        ..Answer::default()
    };
    vec![
        ("answer", ServerFrame::Answer(full)),
        ("answer-nothing", ServerFrame::Answer(nothing)),
        ("answer-devices", ServerFrame::Answer(devices)),
    ]
}
