//! Archives of what a device has: files that anybody may have made.

use std::io::Cursor;
use whimbrel_archive::{ArchiveError, ArchiveReader, Key, LINE_BYTES, PlainReader};
use whimbrel_model::SecretText;

/// A private key of a device. It opens nothing but what these seeds hold.
const KEY: &str = "AGE-SECRET-KEY-1H5U6RUAGNLVUJ4TS3WK7D0UMTM83Q2EUWSXJS5FNJQUU0G5FZC5Q7PSXTR";

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let manifest = r#"{"manifest":{"account":"ada","device":"01900000-0000-7000-8000-000000000001","epoch":7,"made_at":5,"elements":["setting","channel"]}}"#;
    let lines = [
        r#"{"setting":{"key":"theme","value":"dark"}}"#,
        r#"{"channel":{"cid":"messaging:old","epoch":7}}"#,
        r#"{"row":{"user":{"id":"bob","name":"Bob","ver":0}}}"#,
        r#"{"row":{"poll":{}}}"#,
        r#"{"covered":{"cursor":{"epoch":7,"ver":5,"seq":3},"ranges":[{"lo":1,"hi":3}]}}"#,
        r#"{"keys":[1,2]}"#,
        r#"{"end":{"counts":{"setting":1,"channel":1,"row":2,"covered":1,"keys":1},"left_out":{"channel":2}}}"#,
    ];
    let text = format!("{manifest}\n{}\n", lines.join("\n"));
    let cut = text[..text.len() / 2].to_owned();
    let empty = format!("{manifest}\n{{\"end\":{{\"counts\":{{}}}}}}\n");
    let file = "{\"whimbrel_archive\":1,\"made_at\":5}\nage-encryption.org/v1\n-> X25519 abc\n".to_owned();
    let newer = "{\"whimbrel_archive\":2,\"made_at\":5}\n".to_owned();
    [text, cut, empty, file, newer].map(String::into_bytes).to_vec()
}

/// Reads bytes as a file, and as what is in one.
pub(crate) fn archive(bytes: &[u8]) -> bool {
    let key = Key::Device(SecretText::new(KEY.to_owned()));
    let file = ArchiveReader::open(Cursor::new(bytes), &key);
    assert!(file.is_err(), "nobody encrypts by chance");
    let Ok(mut plain) = PlainReader::new(bytes) else {
        return false;
    };
    let mut count = 0;
    loop {
        match plain.next() {
            Ok(Some(_)) => count += 1,
            Ok(None) => break,
            Err(ArchiveError::Damaged(_)) => return false,
            Err(error) => panic!("bytes do not fail: {error}"),
        }
    }
    assert!(count <= bytes.len() / 2 && matches!(plain.next(), Ok(None)));
    let longest = bytes.split(|byte| *byte == b'\n').map(<[u8]>::len).max();
    assert!(longest.unwrap_or(0) < LINE_BYTES, "no line is longer");
    true
}
