//! Tests of the format through its public face.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers are tests too: a panic is how they fail"
)]

use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    io::{BufRead as _, Cursor, Read as _},
};
use uuid::Uuid;
use whimbrel_archive::{
    ArchiveError, ArchiveReader, ArchiveWriter, ArchivedChannel, ArchivedCover, ArchivedSetting, DeviceKey,
    Element, Key, Lock, Manifest, Metadata,
};
use whimbrel_model::{DeviceId, Epoch, RangeSet, Row, SecretText, Timestamp, User, UserId};

fn secret(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

fn passphrase() -> (Lock, Key) {
    let secret = secret("correct horse");
    (Lock::Passphrase(secret.clone()), Key::Passphrase(secret))
}

fn device() -> (Lock, Key) {
    let key = DeviceKey::generate();
    (Lock::Device(key.public), Key::Device(key.private))
}

fn manifest() -> Manifest {
    Manifest {
        account: UserId::new("ada").unwrap(),
        device: DeviceId(Uuid::from_u128(7)),
        epoch: Some(Epoch(3)),
        made_at: Timestamp(1_764_000_000_000),
        elements: vec!["setting".to_owned(), "channel".to_owned()],
    }
}

fn setting(key: &str, value: &str) -> Element {
    Element::Setting(ArchivedSetting {
        key: key.to_owned(),
        value: value.to_owned(),
    })
}

fn elements() -> Vec<Element> {
    let mut ranges = RangeSet::default();
    ranges.insert(1, 9);
    let profile = User {
        id: UserId::new("bob").unwrap(),
        name: "Bob \u{1f426}".to_owned(),
        image: String::new(),
        custom: whimbrel_model::Custom::default(),
        ver: 4,
    };
    vec![
        setting("theme", "dark"),
        Element::Channel(ArchivedChannel {
            cid: "messaging:old".parse().unwrap(),
            epoch: Epoch(3),
        }),
        Element::Row(Box::new(Row::User(profile))),
        Element::Covered(ArchivedCover {
            cursor: whimbrel_model::Cursor {
                epoch: Epoch(3),
                ver: 12,
                seq: 9,
                window: None,
            },
            ranges,
        }),
    ]
}

fn write(lock: &Lock, elements: &[Element]) -> Vec<u8> {
    let mut writer = ArchiveWriter::new(Vec::new(), lock, manifest()).unwrap();
    for element in elements {
        writer.put(element).unwrap();
    }
    writer.finish().unwrap().0
}

fn open(bytes: &[u8], key: &Key) -> Result<ArchiveReader<Cursor<Vec<u8>>>, ArchiveError> {
    ArchiveReader::open(Cursor::new(bytes.to_vec()), key)
}

fn read(bytes: &[u8], key: &Key) -> Result<(Vec<Element>, Metadata), ArchiveError> {
    let mut reader = open(bytes, key)?;
    let metadata = reader.verify()?;
    let mut elements = Vec::new();
    while let Some(element) = reader.next()? {
        elements.push(element);
    }
    Ok((elements, metadata))
}

#[test]
fn what_was_written_is_read_with_a_passphrase_and_with_a_device_key() {
    for (lock, key) in [passphrase(), device()] {
        let bytes = write(&lock, &elements());
        let (read, metadata) = read(&bytes, &key).unwrap();
        assert_eq!(read, elements());
        assert_eq!(metadata.manifest, manifest());
        let counts = [("channel", 1), ("covered", 1), ("row", 1), ("setting", 1)];
        assert!(
            metadata
                .counts
                .iter()
                .map(|(kind, count)| (kind.as_str(), *count))
                .eq(counts)
        );
        assert!(metadata.left_out.is_empty());
    }
}

#[test]
fn what_was_left_out_is_told() {
    let (lock, key) = device();
    let mut writer = ArchiveWriter::new(Vec::new(), &lock, manifest()).unwrap();
    writer.leave_out("channel");
    writer.leave_out("channel");
    let (bytes, metadata) = writer.finish().unwrap();
    assert_eq!(metadata.left_out, BTreeMap::from([("channel".to_owned(), 2)]));
    assert_eq!(read(&bytes, &key).unwrap().1, metadata);
}

#[test]
fn without_the_key_only_the_time_can_be_read() {
    let (lock, _) = passphrase();
    let bytes = write(&lock, &elements());
    let text = String::from_utf8_lossy(&bytes);
    for secret in ["ada", "bob", "Bob", "theme", "dark", "messaging"] {
        assert!(!text.contains(secret), "{secret} is in the clear");
    }
    let made_at = ArchiveReader::made_at(&mut Cursor::new(&bytes)).unwrap();
    assert_eq!(made_at, manifest().made_at);
    let wrong = Key::Passphrase(secret("battery staple"));
    assert!(matches!(open(&bytes, &wrong), Err(ArchiveError::WrongKey)));
    let (_, other) = device();
    assert!(matches!(open(&bytes, &other), Err(ArchiveError::WrongKey)));
    assert!(matches!(
        open(&bytes, &Key::Device(secret("no key"))),
        Err(ArchiveError::WrongKey)
    ));
}

#[test]
fn an_archive_is_an_age_file_after_its_first_line() {
    let key = DeviceKey::generate();
    let bytes = write(&Lock::Device(key.public), &elements());
    let mut rest = Cursor::new(bytes);
    rest.read_until(b'\n', &mut Vec::new()).unwrap();
    let identity: age::x25519::Identity = key.private.expose().parse().unwrap();
    let decryptor = age::Decryptor::new(rest).unwrap();
    let mut text = String::new();
    let mut plain = decryptor.decrypt(std::iter::once(&identity as _)).unwrap();
    plain.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("{\"manifest\":{\"account\":\"ada\""), "{text}");
    assert_eq!(text.lines().count(), 6);
}

#[test]
fn an_archive_that_was_cut_anywhere_is_refused() {
    let (lock, key) = device();
    let bytes = write(&lock, &elements());
    for cut in 0..bytes.len() {
        let error = read(&bytes[..cut], &key).expect_err("it is cut");
        assert!(
            matches!(error, ArchiveError::NotAnArchive | ArchiveError::Damaged(_)),
            "cut at {cut}: {error:?}"
        );
    }
}

#[test]
fn one_changed_byte_anywhere_is_refused() {
    let (lock, key) = device();
    let bytes = write(&lock, &elements());
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        read(&changed, &key).expect_err("a byte was changed");
    }
}

#[test]
fn what_is_appended_or_put_before_another_archive_is_refused() {
    let (lock, key) = device();
    let bytes = write(&lock, &elements());
    let appended = [bytes.as_slice(), b"more"].concat();
    assert!(matches!(read(&appended, &key), Err(ArchiveError::Damaged(_))));
    let body = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let header = b"{\"whimbrel_archive\":1,\"made_at\":5}\n";
    let swapped = [header.as_slice(), &bytes[body..]].concat();
    assert!(matches!(read(&swapped, &key), Err(ArchiveError::Damaged(_))));
}

#[test]
fn a_newer_format_and_another_file_say_what_they_are() {
    let (_, key) = device();
    let newer = b"{\"whimbrel_archive\":2,\"made_at\":5}\nwhatever";
    assert!(matches!(
        open(newer, &key),
        Err(ArchiveError::Newer {
            found: 2,
            supported: 1
        })
    ));
    for other in [
        &b""[..],
        b"\n",
        b"{}\n",
        b"PK\x03\x04",
        b"age-encryption.org/v1\n",
    ] {
        assert!(matches!(open(other, &key), Err(ArchiveError::NotAnArchive)));
    }
}

/// Encrypts lines as a later version might write them.
fn lines(lines: &[&str]) -> (Vec<u8>, Key) {
    let key = DeviceKey::generate();
    let recipient: age::x25519::Recipient = key.public.parse().unwrap();
    let header = b"{\"whimbrel_archive\":1,\"made_at\":1764000000000}\n".to_vec();
    let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as _)).unwrap();
    let mut out = encryptor.wrap_output(header).unwrap();
    let manifest = serde_json::json!({ "manifest": manifest() }).to_string();
    for line in std::iter::once(manifest.as_str()).chain(lines.iter().copied()) {
        std::io::Write::write_all(&mut out, format!("{line}\n").as_bytes()).unwrap();
    }
    (out.finish().unwrap(), Key::Device(key.private))
}

#[test]
fn elements_of_a_later_version_are_named_and_the_rest_is_read() {
    let (bytes, key) = lines(&[
        r#"{"mls_key":{"anything":[1,2]}}"#,
        r#"{"setting":{"key":"theme","value":"dark","since":5}}"#,
        r#"{"row":{"poll":{"id":1}}}"#,
        r#"{"end":{"counts":{"mls_key":1,"setting":1,"row":1}}}"#,
    ]);
    let (read, _) = read(&bytes, &key).unwrap();
    let unknown = |kind: &str| Element::Unknown(kind.to_owned());
    assert_eq!(
        read,
        [unknown("mls_key"), setting("theme", "dark"), unknown("row poll")]
    );
}

#[test]
fn lines_that_make_no_sense_are_damage() {
    for line in [
        "{}",
        "[]",
        "no json",
        r#"{"setting":{"key":5}}"#,
        r#"{"row":{"message":{}}}"#,
        r#"{"setting":{"key":"a","value":"b"},"row":{}}"#,
        r#"{"end":{"counts":{"setting":1}}}"#,
    ] {
        let (bytes, key) = lines(&[line, r#"{"end":{"counts":{"setting":1,"row":1}}}"#]);
        let error = read(&bytes, &key).expect_err("the line makes no sense");
        assert!(matches!(error, ArchiveError::Damaged(_)), "{line}: {error:?}");
    }
    let (bytes, key) = lines(&[]);
    assert!(matches!(read(&bytes, &key), Err(ArchiveError::Damaged(_))));
}

#[test]
fn a_line_is_bounded_in_both_directions() {
    let (lock, _) = device();
    let mut writer = ArchiveWriter::new(Vec::new(), &lock, manifest()).unwrap();
    let long = "x".repeat(whimbrel_archive::LINE_BYTES);
    let put = writer.put(&setting("long", &long));
    assert!(matches!(put, Err(ArchiveError::TooLong { .. })), "{put:?}");
    let line = format!("{{\"setting\":{{\"key\":\"long\",\"value\":\"{long}\"}}}}");
    let (bytes, key) = lines(&[&line]);
    assert!(matches!(read(&bytes, &key), Err(ArchiveError::Damaged(_))));
}

#[test]
fn an_archive_is_not_encrypted_to_what_is_no_key() {
    let made = ArchiveWriter::new(Vec::new(), &Lock::Device("age1nonsense".to_owned()), manifest());
    assert!(matches!(made, Err(ArchiveError::NoKey)));
}

#[test]
fn keys_are_not_printed() {
    let key = DeviceKey::generate();
    let private = key.private.expose().to_owned();
    let printed = format!("{key:?} {:?}", Key::Device(key.private.clone()));
    assert!(!printed.contains(&private));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever its length, around the blocks of 64 KiB of age too.
    #[test]
    fn an_archive_of_any_length_is_read_twice(
        lengths in proptest::collection::vec(0_usize..70_000, 0..6),
        to_block in any::<bool>(),
    ) {
        let (lock, key) = device();
        let mut elements: Vec<_> = lengths.iter().map(|len| setting("k", &"v".repeat(*len))).collect();
        if to_block {
            // So long that the end of the text is that of a block.
            let with = |filler: usize| {
                let mut all = elements.clone();
                all.push(setting("filler", &"f".repeat(filler)));
                all
            };
            let plain = |elements: &[Element]| {
                let mut writer = ArchiveWriter::new(Vec::new(), &lock, manifest()).unwrap();
                elements.iter().for_each(|element| writer.put(element).unwrap());
                let end = serde_json::json!({"end": {"counts": {"setting": elements.len()}}});
                writer.bytes() + end.to_string().len() as u64 + 1
            };
            let short = plain(&with(0));
            let filler = (65_536 - short % 65_536) % 65_536;
            elements = with(usize::try_from(filler).unwrap());
            prop_assert_eq!(plain(&elements) % 65_536, 0);
        }
        let bytes = write(&lock, &elements);
        let (read, metadata) = read(&bytes, &key).unwrap();
        prop_assert_eq!(&read, &elements);
        prop_assert_eq!(metadata.counts.get("setting").copied().unwrap_or(0), elements.len() as u64);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), headed in any::<bool>()) {
        let header = b"{\"whimbrel_archive\":1,\"made_at\":5}\nage-encryption.org/v1\n".to_vec();
        let bytes = if headed { [header, bytes].concat() } else { bytes };
        let (_, key) = device();
        prop_assert!(read(&bytes, &key).is_err());
    }
}
