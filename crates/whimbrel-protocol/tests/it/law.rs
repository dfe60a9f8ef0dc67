//! Numbers and custom data, wherever in a frame they stand.

use crate::golden;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;
use whimbrel_model::{
    ChannelId, Custom, Message, MessageBody, MessageId, Op, OpEnvelope, OpId, Row, StreamEvent, StreamId,
    Timestamp, UserId, limits,
};
use whimbrel_protocol::{
    ClientFrame, OpResult, Ops, Outcome, Results, ServerFrame, VersionRange, decode, encode,
};

/// Calls `visit` with a copy of `value` for each number of the protocol's own, which is `put` there instead.
fn each_number(value: &Value, put: &Value, visit: &mut dyn FnMut(&str, Value)) {
    let children: Vec<(String, &Value)> = match value {
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(at, value)| (at.to_string(), value))
            .collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
        _ => return,
    };
    for (key, child) in children {
        let is_free = ["custom", "filter", "sort"].contains(&key.as_str())
            || key == "at"
            || key.ends_with("_at")
            || key.ends_with("_until")
            || ["server_time", "around_time", "until", "last_active"].contains(&key.as_str());
        let mut replace = |inner: Value| {
            let mut copy = value.clone();
            let place = copy.pointer_mut(&format!("/{key}"));
            *place.expect("the child is there") = inner;
            visit(&key, copy);
        };
        if child.is_number() && !is_free {
            replace(put.clone());
        } else if !is_free {
            each_number(child, put, &mut |_, inner| replace(inner));
        }
    }
}

/// Returns whether a frame is read by who it is for.
fn is_taken(name: &str, frame: &Value) -> bool {
    let bytes = frame.to_string().into_bytes();
    if name.starts_with("client-") {
        return decode::<ClientFrame>(&bytes).is_ok();
    }
    decode::<ServerFrame>(&bytes).is_ok()
}

#[test]
fn no_number_over_the_limit_is_taken_wherever_it_stands() {
    let (mut most, mut over) = (0, 0);
    for (name, frame) in golden::stored() {
        if !name.starts_with("client-") && !name.starts_with("server-") {
            continue;
        }
        let frame: Value = serde_json::from_slice(&frame).expect("a golden file is JSON");
        each_number(&frame, &json!(limits::NUMBER), &mut |_, frame| {
            most += usize::from(is_taken(&name, &frame));
        });
        each_number(&frame, &json!(limits::NUMBER + 1), &mut |key, frame| {
            over += 1;
            assert!(!is_taken(&name, &frame), "{name}: {key} over the limit was taken");
        });
    }
    // The others are numbers of 32 bits.
    assert!(
        most > 40 && most < over,
        "{most} of {over} numbers may be the greatest there is"
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        prop::num::f64::SUBNORMAL.prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(Value::from("$serde_json::private::RawValue")),
    ];
    leaf.prop_recursive(5, 24, 4, |inner| {
        let key = prop_oneof![".{0,6}", Just("$serde_json::private::RawValue".to_owned())];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn message(custom: Custom) -> Message {
    Message {
        kind: whimbrel_model::MessageKind::Regular,
        silent: false,
        pinned: None,
        thread: None,
        id: MessageId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001)),
        cid: ChannelId::new("messaging:reef").expect("a valid cid"),
        author: UserId::new("ada").expect("a valid user id"),
        seq: 1,
        ver: 1,
        body: MessageBody {
            custom,
            ..MessageBody::default()
        },
        parent: None,
        show_in_channel: false,
        quoted: None,
        composed_at: Timestamp(1),
        accepted_at: None,
        edited_at: None,
        revision: 0,
        deleted_at: None,
    }
}

/// What custom data goes through: sent, and answered in the frame that has most around it.
fn there_and_back(custom: &Custom) -> Result<(Custom, bool), TestCaseError> {
    let row = message(custom.clone());
    let op = Op::UpdateUser {
        name: None,
        image: None,
        custom: Some(custom.clone()),
    };
    let id = OpId(row.id.0);
    let envelope = OpEnvelope {
        id,
        op,
        composed_at: Timestamp(1),
        after: None,
    };
    let sent = ClientFrame::Ops(Ops {
        ops: vec![envelope.clone()],
    });
    let heard = decode::<ClientFrame>(&encode(&sent).expect("it fits"));
    let ClientFrame::Ops(Ops { ops }) = heard.expect("what is valid is read") else {
        return Err(TestCaseError::fail("another frame"));
    };
    let same = ops[0].digest() == envelope.digest();
    let stream = StreamId::Channel(row.cid.clone());
    let steps = vec![StreamEvent {
        stream,
        from: 0,
        to: 1,
        seq: 1,
        rows: vec![Row::Message(row)],
    }];
    let result = OpResult {
        id,
        outcome: Outcome::Accepted { steps },
    };
    let answer = ServerFrame::Results(Results {
        results: vec![result],
    });
    let heard = decode::<ServerFrame>(&encode(&answer).expect("it fits")).expect("what was accepted is read");
    prop_assert_eq!(heard, answer);
    let Op::UpdateUser {
        custom: Some(custom), ..
    } = ops[0].op.clone()
    else {
        return Err(TestCaseError::fail("another operation"));
    };
    Ok((custom, same))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn custom_data_comes_back_as_it_was_and_under_the_same_digest(value in any_json()) {
        let custom = Custom::default().with("a", value);
        prop_assume!(custom.validate("custom").is_ok());
        let (back, same) = there_and_back(&custom)?;
        prop_assert_eq!(back, custom);
        prop_assert!(same, "a repeat would be a conflict");
    }

    #[test]
    fn both_sides_find_the_same_version(a in 0_u32..6, b in 0_u32..6, c in 0_u32..6, d in 0_u32..6) {
        let (one, other) = (VersionRange { min: a, max: b }, VersionRange { min: c, max: d });
        prop_assert_eq!(one.common(other), other.common(one));
        let known = (0..6).rev().find(|version| (a..=b).contains(version) && (c..=d).contains(version));
        prop_assert_eq!(one.common(other), known);
    }
}

#[test]
fn what_is_as_deep_as_may_be_is_read_by_everyone() {
    let inner = (1..limits::CUSTOM_DEPTH).fold(Value::Null, |inner, _| json!([inner]));
    let custom = Custom::default().with("a", inner);
    custom.validate("custom").expect("it is as deep as may be");
    assert_eq!(there_and_back(&custom).expect("it is read"), (custom, true));
}
