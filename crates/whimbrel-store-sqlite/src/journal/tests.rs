use super::*;
use whimbrel_model::{
    Account, DeviceId, Op, OpId, OutboxItem, OutboxStatus, ReactionType, Timestamp, UserId,
};

fn item(n: u128) -> OutboxItem {
    OutboxItem {
        pos: 1,
        id: OpId(Uuid::from_u128(n)),
        op: Op::AddReaction {
            cid: "messaging:general".parse().unwrap(),
            message: whimbrel_model::MessageId(Uuid::from_u128(9)),
            kind: ReactionType::new("like").unwrap(),
        },
        user: UserId::new("ada").unwrap(),
        composed_at: Timestamp(5),
        attempted: n.is_multiple_of(2),
        failures: 3,
        last_error: Some(whimbrel_model::Code::RateLimited),
        status: OutboxStatus::Queued,
    }
}

fn own(ver: u64, items: &[u128]) -> Own {
    Own {
        ver,
        account: Some(Account {
            user: UserId::new("ada").unwrap(),
            device: DeviceId(Uuid::from_u128(7)),
        }),
        outbox: items
            .iter()
            .map(|n| (OpId(Uuid::from_u128(*n)), item(*n)))
            .collect(),
        settings: [("theme".to_owned(), "dark".to_owned())].into(),
    }
}

fn put(journal: &mut Journal, n: u128) {
    let item = item(n);
    let mut change = OwnChange::default();
    change.outbox.insert(item.id, Some(&item));
    journal.append(&Note::of(&change).unwrap());
}

#[test]
fn what_was_noted_is_read_back_and_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    assert!(!Journal::read(&path).exists);
    let mut journal = Journal::open(&path, &own(3, &[1]), &Noted::default());
    put(&mut journal, 2);
    let noted = Journal::read(&path);
    assert!(noted.exists && noted.is_whole);
    assert_eq!(noted.own, own(4, &[1, 2]));
    let mut journal = Journal::open(&path, &noted.own, &noted);
    put(&mut journal, 3);
    journal.append(
        &Note::of(&OwnChange {
            account: None,
            outbox: [(OpId(Uuid::from_u128(1)), None)].into(),
            ..OwnChange::default()
        })
        .unwrap(),
    );
    assert_eq!(Journal::read(&path).own, own(6, &[2, 3]));
}

#[test]
fn a_line_that_was_not_finished_or_is_damaged_is_left_out_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let mut journal = Journal::open(&path, &own(3, &[1]), &Noted::default());
    put(&mut journal, 2);
    put(&mut journal, 3);
    let bytes = fs::read(files::journal(&path)).unwrap();
    for at in 0..bytes.len() {
        let mut cut = bytes.clone();
        cut.truncate(at);
        fs::write(files::journal(&path), &cut).unwrap();
        let noted = Journal::read(&path);
        let is_at_an_end = at == 0 || bytes[at - 1] == b'\n';
        assert_eq!(noted.is_whole, is_at_an_end, "cut at {at}");
        assert!(noted.own.outbox.len() <= 3);
        let mut flipped = bytes.clone();
        flipped[at] ^= 4;
        fs::write(files::journal(&path), &flipped).unwrap();
        assert!(!Journal::read(&path).is_whole, "a bit at {at}");
    }
}

#[test]
fn a_large_one_wants_to_be_written_anew_and_becomes_small() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let mut journal = Journal::open(&path, &own(3, &[1]), &Noted::default());
    let mut lines = 0;
    while !journal.wants_rewrite() {
        put(&mut journal, 2);
        lines += 1;
    }
    assert!(lines > 200, "after {lines} lines");
    journal.rewrite(&own(3 + lines, &[1, 2])).unwrap();
    assert!(!journal.wants_rewrite());
    put(&mut journal, 3);
    assert_eq!(Journal::read(&path).own, own(4 + lines, &[1, 2, 3]));
    assert!(fs::metadata(files::journal(&path)).unwrap().len() < 4_096);
}
