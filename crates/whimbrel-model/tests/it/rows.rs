//! The one rule by which rows replace each other, and what follows from it.

use crate::values::{cid, device, kind, message, message_id, reaction, user};
use proptest::{collection::vec, prelude::*, sample::Index};
use std::collections::BTreeMap;
use whimbrel_model::{
    Draft, DraftContent, Member, MemberState, Membership, Read, Role, Row, RowKey, StreamEvent, StreamId,
    Timestamp, User,
};

/// The row that changed with version `ver` of its stream: one version is one content.
fn row(ver: u64) -> Row {
    let (role, user, cid) = (Role::Member, user(ver / 5), cid());
    let state = if ver.is_multiple_of(2) {
        MemberState::Active
    } else {
        MemberState::Gone
    };
    match ver % 5 {
        0 => Row::Message(message(ver % 3, ver, &format!("text {ver}"))),
        1 => Row::Reaction(reaction(ver % 3, ver / 5, ver / 15, ver.is_multiple_of(2), ver)),
        2 => Row::Read(Read {
            private: false,
            thread: ver.is_multiple_of(2).then(|| message_id(ver % 3)),
            cid,
            user,
            epoch: 0,
            seq: ver,
            furthest: 0,
            ver,
        }),
        3 => Row::Member(Member {
            cid,
            user,
            role,
            state,
            joined_at: Timestamp(1),
            ver,
        }),
        _ if ver % 10 == 4 => Row::Membership(Membership {
            added_by: None,
            consent: whimbrel_model::ConsentState::Unknown,
            invite: None,
            pinned_at: None,
            archived_at: None,
            hidden_seq: None,
            muted: None,
            cid,
            user,
            role,
            state,
            ver,
        }),
        _ if ver % 20 == 9 => Row::Draft(Draft {
            user,
            cid,
            parent: ver.is_multiple_of(3).then(|| message_id(ver % 2)),
            device: device(ver % 2),
            content: (!ver.is_multiple_of(4)).then(|| DraftContent::text(format!("draft {ver}"))),
            updated_at: Timestamp(1),
            ver,
        }),
        _ => Row::User(User {
            id: user,
            name: format!("{:?}", kind(ver)),
            image: String::new(),
            custom: Default::default(),
            ver,
        }),
    }
}

type Table = BTreeMap<RowKey, Row>;

fn put(table: &mut Table, row: &Row) {
    let old = table.get(&row.key());
    if old.is_none_or(|old| row.supersedes(old)) {
        table.insert(row.key(), row.clone());
    }
}

fn all<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Table {
    let mut table = Table::new();
    rows.into_iter().for_each(|row| put(&mut table, row));
    table
}

/// A device that follows one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Follower {
    ver: u64,
    table: Table,
}

impl Follower {
    /// The cursor rule. Returns whether there is something to pull.
    fn hear(&mut self, step: &StreamEvent) -> bool {
        if step.from == self.ver {
            step.rows.iter().for_each(|row| put(&mut self.table, row));
            self.ver = step.to;
        }
        step.to > self.ver
    }

    /// Everything after the cursor, as a page has it: each changed row once, as it is now.
    fn pull(&mut self, head: u64) {
        let now = all(&(1..=head).map(row).collect::<Vec<_>>());
        now.values()
            .filter(|row| row.ver() > self.ver)
            .for_each(|row| put(&mut self.table, row));
        self.ver = head;
    }
}

fn step(from: u64, to: u64) -> StreamEvent {
    let stream = StreamId::Channel(cid());
    StreamEvent {
        stream,
        from,
        to,
        seq: 0,
        rows: (from + 1..=to).map(row).collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_any_repeat_of_rows_ends_the_same(vers in vec(1_u64..60, 1..40), again in vec(any::<Index>(), 0..20)) {
        let rows: Vec<Row> = vers.iter().copied().map(row).collect();
        let repeated = again.iter().map(|index| &rows[index.index(rows.len())]);
        prop_assert_eq!(all(rows.iter().rev().chain(repeated)), all(&rows));
        // The newest of each is what is left.
        for (key, left) in all(&rows) {
            prop_assert_eq!(rows.iter().filter(|row| row.key() == key).map(Row::ver).max(), Some(left.ver()));
        }
    }

    #[test]
    fn superseding_is_an_order(a in 1_u64..60, b in 1_u64..60, c in 1_u64..60) {
        let (a, b, c) = (row(a), row(b), row(c));
        prop_assert!(!a.supersedes(&a));
        prop_assert!(!(a.supersedes(&b) && b.supersedes(&a)));
        prop_assert!(!(a.supersedes(&b) && b.supersedes(&c)) || a.supersedes(&c));
    }

    #[test]
    fn a_row_belongs_to_one_stream_and_keeps_its_identity_on_the_wire(ver in 1_u64..200) {
        let row = row(ver);
        let again: Row = serde_json::from_str(&serde_json::to_string(&row).expect("a row is JSON")).expect("a row");
        prop_assert_eq!((again.key(), again.stream(), again.ver()), (row.key(), row.stream(), ver));
        let expected = row.cid().filter(|_| !matches!(row, Row::Membership(_) | Row::Draft(_))).cloned().map(StreamId::Channel);
        prop_assert_eq!(matches!(row.stream(), StreamId::Channel(_)).then(|| row.stream()), expected);
    }

    #[test]
    fn steps_that_are_merged_do_what_each_did(cuts in vec(1_u64..9, 1..10), merged in vec(any::<bool>(), 10)) {
        let (mut one_by_one, mut together, mut from, mut begun) = (Follower::default(), Follower::default(), 0, 0);
        for (cut, wait) in cuts.iter().zip(merged) {
            one_by_one.hear(&step(from, from + cut));
            from += cut;
            if !wait {
                together.hear(&step(begun, from));
                begun = from;
            }
        }
        together.hear(&step(begun, from));
        prop_assert_eq!(together, one_by_one);
    }

    #[test]
    fn steps_may_be_lost_repeated_and_come_in_any_order(cuts in vec(1_u64..9, 1..10), heard in vec(any::<Index>(), 0..20)) {
        let mut ends = vec![0];
        for cut in &cuts {
            ends.push(ends[ends.len() - 1] + cut);
        }
        let steps: Vec<StreamEvent> = ends.windows(2).map(|two| step(two[0], two[1])).collect();
        let (mut device, mut behind) = (Follower::default(), false);
        for index in heard {
            behind |= device.hear(&steps[index.index(steps.len())]);
        }
        let head = ends[ends.len() - 1];
        prop_assert!(device.ver <= head && (behind || device.table == all(&(1..=device.ver).map(row).collect::<Vec<_>>())));
        device.pull(head);
        prop_assert_eq!(device.table, all(&(1..=head).map(row).collect::<Vec<_>>()));
    }
}
