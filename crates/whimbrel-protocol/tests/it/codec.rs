//! What is taken, and what is refused.

use crate::samples;
use serde_json::{Value, json};
use whimbrel_model::{Code, limits};
use whimbrel_protocol::{Bye, ClientFrame, FrameError, ServerFrame, Token, decode, encode};

/// Adds a field that nobody knows to each object with named fields.
fn add_unknown(value: &mut Value, is_kind: bool) {
    match value {
        Value::Object(fields) => {
            // An object that names a kind has one key; custom data is the app's own, a filter and an order are another language.
            let inner_is_kind = |key: &str| {
                matches!(
                    key,
                    "op" | "outcome" | "from" | "question" | "account" | "state" | "act"
                )
            };
            let is_ours = |key: &str| !matches!(key, "custom" | "filter" | "sort" | "channels");
            let is_question = fields.contains_key("channels") && is_kind;
            for (key, inner) in fields.iter_mut().filter(|(key, _)| is_question || is_ours(key)) {
                match inner {
                    Value::Array(list) if key == "rows" => {
                        list.iter_mut().for_each(|row| add_unknown(row, true));
                    }
                    Value::Array(list) => list.iter_mut().for_each(|item| add_unknown(item, false)),
                    inner => add_unknown(inner, inner_is_kind(key)),
                }
            }
            if !is_kind {
                fields.insert("from_the_future".to_owned(), json!({"a": [1, null]}));
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|item| add_unknown(item, false)),
        _ => {}
    }
}

fn with_unknown<T: serde::Serialize>(frame: &T) -> Vec<u8> {
    let mut value = serde_json::to_value(frame).expect("a sample is JSON");
    add_unknown(&mut value, true);
    serde_json::to_vec(&value).expect("a value is JSON")
}

#[test]
fn unknown_fields_are_ignored_everywhere() {
    for (name, frame) in samples::client_frames() {
        let bytes = with_unknown(&frame);
        assert!(
            String::from_utf8_lossy(&bytes).contains("from_the_future"),
            "{name}"
        );
        assert_eq!(decode(&bytes), Ok(frame), "{name}");
    }
    for (name, frame) in samples::server_frames() {
        assert_eq!(decode(&with_unknown(&frame)), Ok(frame), "{name}");
    }
}

fn refusal<T: serde::de::DeserializeOwned + std::fmt::Debug>(bytes: &[u8]) -> FrameError {
    let error = decode::<T>(bytes).expect_err("must be refused");
    assert!(!error.is_retryable());
    error
}

#[test]
fn unknown_kinds_are_refused() {
    let event = r#"{"event":{"stream":"C:a:b","from":0,"to":1,"rows":[{"sticker":{"ver":1}}]}}"#;
    let id = "01900000-0000-7000-8000-000000000001";
    let op = format!(r#"{{"ops":{{"ops":[{{"id":"{id}","op":{{"dance":{{}}}},"composed_at":1}}]}}}}"#);
    let outcome = format!(r#"{{"results":{{"results":[{{"id":"{id}","outcome":{{"perhaps":{{}}}}}}]}}}}"#);
    for bytes in [event, &outcome, r#"{"hello":{}}"#, r#"{"dance":{}}"#] {
        assert_eq!(
            refusal::<ServerFrame>(bytes.as_bytes()).code(),
            Code::FrameInvalid
        );
    }
    for bytes in [&op, r#"{"ready":{}}"#, r#"{"Heads":{"id":1}}"#] {
        assert_eq!(
            refusal::<ClientFrame>(bytes.as_bytes()).code(),
            Code::FrameInvalid
        );
    }
}

#[test]
fn what_is_not_one_frame_is_refused() {
    let wrong: [&[u8]; 9] = [
        b"",
        b"null",
        b"\"heads\"",
        b"{}",
        b"[{\"heads\":{\"id\":1}}]",
        br#"{"heads":{"id":1},"sync":{}}"#,
        br#"{"heads":{"id":1}} {"heads":{"id":1}}"#,
        br#"{"heads":{"id":-1}}"#,
        b"{\"heads\":{\"id\":1,\"since\":\"\xff\"}}",
    ];
    for bytes in wrong {
        assert_eq!(refusal::<ClientFrame>(bytes).code(), Code::FrameInvalid);
    }
}

#[test]
fn an_unknown_code_is_kept() {
    let bytes = br#"{"bye":{"code":"moon_phase","message":"not tonight"}}"#;
    let frame: ServerFrame = decode(bytes).unwrap();
    let expected = Bye {
        code: Code::Other("moon_phase".to_owned()),
        message: "not tonight".to_owned(),
        retry_after_ms: None,
        protocol: None,
    };
    assert_eq!(frame, ServerFrame::Bye(expected));
    assert_eq!(encode(&frame).unwrap(), bytes);
    assert!(!Code::Other("moon_phase".to_owned()).is_retryable());
}

/// A frame of exactly so many bytes.
fn frame_of(size: usize) -> ClientFrame {
    let heads = |since: String| {
        ClientFrame::Heads(whimbrel_protocol::Heads {
            id: 1,
            since: Some(since),
        })
    };
    let around = encode(&heads(String::new())).expect("a small frame").len();
    heads("x".repeat(size - around))
}

#[test]
fn the_limit_holds_both_ways() {
    let limit = limits::FRAME_BYTES;
    let bytes = encode(&frame_of(limit)).unwrap();
    assert_eq!(bytes.len(), limit);
    assert_eq!(decode(&bytes), Ok(frame_of(limit)));

    let too_large = FrameError::TooLarge {
        size: limit + 1,
        limit,
    };
    assert_eq!(encode(&frame_of(limit + 1)), Err(too_large.clone()));
    let bytes = serde_json::to_vec(&frame_of(limit + 1)).unwrap();
    assert_eq!(refusal::<ClientFrame>(&bytes), too_large);
    assert_eq!(too_large.code(), Code::TooLarge);
}

#[test]
fn deep_nesting_is_refused_and_overflows_no_stack() {
    let deep = |open: &str, close: &str| open.repeat(50_000) + "1" + &close.repeat(50_000);
    let (lists, objects, open) = (deep("[", "]"), deep(r#"{"a":"#, "}"), "[".repeat(100_000));
    let ignored = |nested: &str| format!(r#"{{"heads":{{"id":1,"from_the_future":{nested}}}}}"#);
    for nested in [&lists, &objects, &open] {
        let custom = format!(
            r#"{{"ops":{{"ops":[{{"id":"01900000-0000-7000-8000-000000000001","op":{{"update_user":{{"custom":{{"a":{nested}}}}}}},"composed_at":1}}]}}}}"#
        );
        for bytes in [nested, &custom] {
            assert_eq!(
                refusal::<ClientFrame>(bytes.as_bytes()).code(),
                Code::FrameInvalid
            );
            refusal::<ServerFrame>(bytes.as_bytes());
        }
    }
    // What is skipped is skipped without recursion, however deep; but it must be whole.
    for nested in [&lists, &objects] {
        assert!(decode::<ClientFrame>(ignored(nested).as_bytes()).is_ok());
    }
    refusal::<ClientFrame>(ignored(&open).as_bytes());
}

#[test]
fn a_token_never_prints_itself() {
    let secret = "header.claims.signature";
    let (_, hello) = samples::client_frames().remove(0);
    assert!(
        String::from_utf8(encode(&hello).unwrap())
            .unwrap()
            .contains(secret)
    );
    let debug = format!("{hello:?} {hello:#?} {:?}", Token::new(secret));
    for part in secret.split('.') {
        assert!(!debug.contains(part), "{debug}");
    }
    assert_eq!(Token::new(secret).expose(), secret);
}

#[test]
fn a_refused_frame_does_not_print_the_token_in_it() {
    let bytes = br#"{"hello":{"protocol":{"min":1,"max":1},"token":"header.claims.signature","device":7}}"#;
    let error = refusal::<ClientFrame>(bytes).to_string();
    assert!(!error.contains("claims"), "{error}");
}
