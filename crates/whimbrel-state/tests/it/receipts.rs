//! How far own messages have got.

use crate::{
    disk::{Disk, accepted, cid, message, message_id, op_id, queued, rebase, rows, send, user},
    driver::{Driver, Reader},
    world::{Action, World, action, other},
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{
    Change, Code, Delivered, Delta, DeviceId, Member, MemberState, Message, MessageId, MessageScope, Op,
    OutboxStatus, Read, ReadPosition, Rejection, Role, Row, Timestamp, UserId, limits,
    overlay::{MessageStatus, MessageView},
};
use whimbrel_state::{MemberReceipt, Receipt, ReceiptStatus, Timeline, VectorDiff};

/// What a row has to say, computed in the plainest way.
pub(crate) fn expected(disk: &Disk, view: &MessageView) -> Option<Receipt> {
    let message = &view.message;
    if message.author != user("ada") || message.is_deleted() {
        return None;
    }
    match view.status {
        MessageStatus::Pending => return Some(Receipt::default()),
        MessageStatus::Failed(_) => return None,
        MessageStatus::Sent => {}
    }
    let mut receipt = Receipt {
        status: ReceiptStatus::Sent,
        ..Receipt::default()
    };
    let all = everybody(disk, message);
    if all.iter().filter(|(_, meant, ..)| *meant).count() >= limits::RECEIPT_MEMBERS {
        return Some(receipt);
    }
    let concerned: Vec<_> = all.iter().filter(|(_, meant, has, _)| *meant || *has).collect();
    let count = |wanted: &dyn Fn(bool, bool) -> bool| {
        let found = concerned.iter().filter(|(_, _, has, read)| wanted(*has, *read));
        u32::try_from(found.count()).unwrap()
    };
    receipt.members = count(&|_, _| true);
    receipt.delivered = count(&|has, _| has);
    receipt.read = count(&|_, read| read);
    let lacks = |wanted: &dyn Fn(bool, bool) -> bool| {
        concerned
            .iter()
            .any(|(_, meant, has, read)| *meant && !wanted(*has, *read))
    };
    if receipt.delivered > 0 && !lacks(&|has, _| has) {
        receipt.status = ReceiptStatus::Delivered;
    }
    if receipt.read > 0 && !lacks(&|_, read| read) {
        receipt.status = ReceiptStatus::Read;
    }
    Some(receipt)
}

/// Everybody but the author: whether the message is for them, whether they have it, whether they have read it.
fn everybody(disk: &Disk, message: &Message) -> Vec<(UserId, bool, bool, bool)> {
    let rows = disk.receipts(&message.cid, message.parent);
    let (mut users, mut found) = (BTreeSet::new(), Vec::new());
    users.extend(rows.members.iter().map(|row| row.user.clone()));
    users.extend(rows.reads.iter().map(|row| row.user.clone()));
    users.extend(rows.delivered.iter().map(|row| row.user.clone()));
    users.remove(&message.author);
    for user in users {
        let member = rows.members.iter().find(|row| row.user == user && row.ver > 0);
        let meant = member.is_some_and(|row| {
            row.state == MemberState::Active && Some(row.joined_at) <= message.accepted_at
        });
        let read = |thread: Option<MessageId>| {
            let mut found = rows.reads.iter().filter(|row| row.user == user && row.ver > 0);
            found.find(|row| row.thread == thread).map_or(0, Read::receipt)
        };
        let (in_channel, thread) = (message.is_in_channel(), message.parent);
        let read_at = read(thread.filter(|_| !in_channel));
        let delivered = rows.delivered.iter().find(|row| row.user == user && row.ver > 0);
        let delivered = delivered.map_or(0, |row| row.seq).max(read(None)).max(read_at);
        found.push((user, meant, delivered >= message.seq, read_at >= message.seq));
    }
    found
}

fn member(name: &str, state: MemberState, joined: i64, ver: u64) -> Row {
    Row::Member(Member {
        cid: cid("a"),
        user: user(name),
        role: Role::Member,
        state,
        joined_at: Timestamp(joined),
        ver,
    })
}

fn read(name: &str, seq: u64, ver: u64) -> Row {
    let mut row = Read::new(cid("a"), user(name), None);
    row.advance(ReadPosition { epoch: 0, seq });
    Row::Read(Read { ver, ..row })
}

fn delivered(name: &str, seq: u64, ver: u64) -> Row {
    let mut row = Delivered::new(cid("a"), user(name));
    row.seq = seq;
    Row::Delivered(Delivered { ver, ..row })
}

/// A channel of ada, bob and carol with own messages 1 to `count`.
fn sent(count: u64) -> (Driver, Timeline) {
    let mut driver = Driver::new();
    let people = ["ada", "bob", "carol"].map(|name| member(name, MemberState::Active, 0, 1));
    driver.commit(rows(people));
    let own = (1..=count).map(|seq| Row::Message(accepted(&send(seq, &cid("a")), seq, seq + 1)));
    driver.commit(rows(own));
    let timeline = driver.open(&cid("a"), 500);
    (driver, timeline)
}

fn shown(timeline: &Timeline) -> Vec<(ReceiptStatus, u32, u32, u32)> {
    let items = timeline.items();
    let receipts = items.iter().filter_map(|item| item.receipt);
    receipts
        .map(|receipt| (receipt.status, receipt.delivered, receipt.read, receipt.members))
        .collect()
}

#[test]
fn an_own_message_goes_from_pending_to_sent_to_delivered_to_read() {
    let (mut driver, timeline) = sent(0);
    let op = send(1, &cid("a"));
    driver.queue(queued(1, op.clone()));
    assert_eq!(shown(&timeline), [(ReceiptStatus::Pending, 0, 0, 0)]);
    let mut accept = rows([Row::Message(accepted(&op, 1, 2))]);
    accept.push(Change::OutboxRemoved(op_id(1)));
    driver.commit(accept);
    assert_eq!(shown(&timeline), [(ReceiptStatus::Sent, 0, 0, 2)]);
    driver.commit(rows([delivered("bob", 1, 3)]));
    assert_eq!(shown(&timeline), [(ReceiptStatus::Sent, 1, 0, 2)]);
    driver.commit(rows([read("carol", 1, 4)]));
    assert_eq!(shown(&timeline), [(ReceiptStatus::Delivered, 2, 1, 2)]);
    driver.commit(rows([read("bob", 1, 5)]));
    assert_eq!(shown(&timeline), [(ReceiptStatus::Read, 2, 2, 2)]);
}

#[test]
fn others_messages_deleted_ones_and_rejected_ones_have_none() {
    let (mut driver, timeline) = sent(1);
    let mut gone = accepted(&send(1, &cid("a")), 1, 5);
    gone.deleted_at = Some(Timestamp(0));
    driver.commit(rows([
        Row::Message(gone),
        Row::Message(message(9, &cid("a"), 2, 6)),
    ]));
    let mut refused = queued(1, send(3, &cid("a")));
    refused.status = OutboxStatus::Rejected(Rejection {
        code: Code::Forbidden,
        message: String::new(),
        parent: None,
    });
    driver.queue(refused);
    assert_eq!(timeline.items().len(), 3);
    assert_eq!(shown(&timeline), []);
}

#[test]
fn a_register_that_moves_changes_the_rows_between_and_no_others() {
    let (mut driver, timeline) = sent(100);
    driver.commit(rows([read("bob", 40, 200), read("carol", 90, 201)]));
    let mut reader = Reader::new(timeline.subscribe());
    driver.commit(rows([read("bob", 43, 202)]));
    let batches = reader.read();
    let diffs = batches.iter().flatten();
    let changed = diffs.map(|diff| match diff {
        VectorDiff::Set { index, value } => (*index, value.receipt.unwrap().status),
        diff => panic!("{diff:?}"),
    });
    let read = ReceiptStatus::Read;
    assert_eq!(changed.collect::<Vec<_>>(), [(40, read), (41, read), (42, read)]);
    // What says nothing new.
    driver.commit(rows([read_again("bob", 203), delivered("bob", 30, 204)]));
    assert!(reader.read().is_empty());
}

/// Marked as unread: what others see does not move.
fn read_again(name: &str, ver: u64) -> Row {
    let mut row = Read::new(cid("a"), user(name), None);
    row.advance(ReadPosition { epoch: 0, seq: 43 });
    row.advance(ReadPosition { epoch: 1, seq: 2 });
    Row::Read(Read { ver, ..row })
}

#[test]
fn whoever_comes_later_or_leaves_takes_nothing_back() {
    let (mut driver, timeline) = sent(2);
    driver.commit(rows([read("bob", 2, 10), delivered("carol", 2, 11)]));
    let delivered_to_both = (ReceiptStatus::Delivered, 2, 1, 2);
    assert_eq!(shown(&timeline), [delivered_to_both; 2]);
    driver.commit(rows([member("dora", MemberState::Active, 50, 12)]));
    assert_eq!(shown(&timeline), [delivered_to_both; 2]);
    driver.commit(rows([member("carol", MemberState::Gone, 0, 13)]));
    assert_eq!(shown(&timeline), [(ReceiptStatus::Read, 2, 1, 2); 2]);
    driver.commit(rows([member("bob", MemberState::Gone, 0, 14)]));
    assert_eq!(shown(&timeline), [(ReceiptStatus::Read, 2, 1, 2); 2]);
    driver.commit(rows([member("carol", MemberState::Active, 60, 15)]));
    assert_eq!(shown(&timeline), [(ReceiptStatus::Read, 2, 1, 2); 2]);
    // Whom it was not for, and who leaves without having it.
    let (mut driver, timeline) = sent(1);
    driver.commit(rows(
        ["bob", "carol"].map(|name| member(name, MemberState::Gone, 0, 9)),
    ));
    assert_eq!(shown(&timeline), [(ReceiptStatus::Sent, 0, 0, 0)]);
}

#[test]
fn a_channel_of_too_many_tells_only_that_a_message_was_sent() {
    let (mut driver, timeline) = sent(1);
    let crowd = (0..limits::RECEIPT_MEMBERS as u64 - 3)
        .map(|n| member(&format!("user{n}"), MemberState::Active, 0, 10 + n));
    driver.commit(rows(crowd));
    driver.commit(rows([read("bob", 1, 200)]));
    assert_eq!(shown(&timeline), [(ReceiptStatus::Sent, 1, 1, 99)]);
    driver.commit(rows([member("one", MemberState::Active, 0, 201)]));
    assert_eq!(shown(&timeline), [(ReceiptStatus::Sent, 0, 0, 0)]);
    let receipts = driver.state.open_receipts(cid("a"), message_id(1));
    driver.read_receipts();
    assert!(receipts.items().is_empty());
}

#[test]
fn a_reply_that_stands_only_in_its_thread_is_read_there() {
    let (mut driver, channel) = sent(1);
    let reply = |n: u64, show_in_channel| {
        let Op::SendMessage {
            cid,
            id,
            body,
            kind,
            silent,
            quoted,
            ..
        } = send(n, &cid("a"))
        else {
            unreachable!()
        };
        let parent = Some(message_id(1));
        let op = Op::SendMessage {
            cid,
            id,
            body,
            kind,
            silent,
            quoted,
            parent,
            show_in_channel,
        };
        Row::Message(accepted(&op, n, n + 1))
    };
    driver.commit(rows([reply(2, false), reply(3, true)]));
    let thread = driver.open_scope(&cid("a"), MessageScope::Thread(message_id(1)), 50);
    driver.commit(rows([read("bob", 3, 20), read("carol", 3, 21)]));
    let all_read = (ReceiptStatus::Read, 2, 2, 2);
    assert_eq!(shown(&channel), [all_read; 2]);
    assert_eq!(shown(&thread), [(ReceiptStatus::Delivered, 2, 0, 2), all_read]);
    for (name, ver) in [("bob", 30), ("carol", 31)] {
        let mut row = Read::new(cid("a"), user(name), Some(message_id(1)));
        row.advance(ReadPosition { epoch: 0, seq: 2 });
        driver.commit(rows([Row::Read(Read { ver, ..row })]));
    }
    assert_eq!(shown(&thread), [all_read; 2]);
}

#[test]
fn another_history_says_nothing_of_this_one() {
    let (mut driver, timeline) = sent(1);
    driver.commit(rows([read("bob", 1, 10), read("carol", 1, 11)]));
    driver.commit(rebase(&cid("a")));
    driver.commit(rows([
        Row::Message(accepted(&send(7, &cid("a")), 1, 1)),
        member("bob", MemberState::Active, 0, 2),
    ]));
    assert_eq!(shown(&timeline), [(ReceiptStatus::Sent, 0, 0, 1)]);
}

fn of(name: &str, delivered: bool, read: bool) -> MemberReceipt {
    MemberReceipt {
        user: user(name),
        delivered,
        read,
        devices: Vec::new(),
    }
}

#[test]
fn each_member_of_a_message_is_told_and_each_device_where_it_may_be_seen() {
    let (mut driver, _timeline) = sent(2);
    let receipts = driver.state.open_receipts(cid("a"), message_id(2));
    driver.read_receipts();
    let plain = || -> Vec<MemberReceipt> {
        receipts
            .items()
            .iter()
            .map(|item| MemberReceipt::clone(item))
            .collect()
    };
    assert_eq!(plain(), [of("bob", false, false), of("carol", false, false)]);
    let mut reader = Reader::new(receipts.subscribe());
    let (phone, tablet) = (
        DeviceId(uuid::Uuid::from_u128(1)),
        DeviceId(uuid::Uuid::from_u128(2)),
    );
    let mut bobs = Delivered::new(cid("a"), user("bob"));
    bobs.devices_public = true;
    bobs.advance(phone, 2);
    bobs.advance(tablet, 1);
    driver.commit(rows([
        Row::Delivered(Delivered {
            ver: 10,
            ..bobs.clone()
        }),
        read("carol", 2, 11),
    ]));
    assert_eq!(plain()[1], of("carol", true, true));
    let devices = plain()[0]
        .devices
        .iter()
        .map(|device| (device.device, device.delivered))
        .collect::<Vec<_>>();
    assert_eq!(devices, [(phone, true), (tablet, false)]);
    bobs.advance(tablet, 2);
    driver.commit(rows([Row::Delivered(Delivered { ver: 12, ..bobs })]));
    assert!(
        plain()[0].delivered && !plain()[0].read && plain()[0].devices.iter().all(|device| device.delivered)
    );
    let _batches = reader.read();
    assert_eq!(reader.list, receipts.items());

    // Of a message that comes later, in a thread at that.
    let late = driver.state.open_receipts(cid("a"), message_id(3));
    driver.read_receipts();
    assert!(late.items().is_empty());
    let reply = Message {
        parent: Some(message_id(1)),
        ..accepted(&send(3, &cid("a")), 3, 13)
    };
    let mut in_thread = Read::new(cid("a"), user("bob"), Some(message_id(1)));
    in_thread.advance(ReadPosition { epoch: 0, seq: 3 });
    driver.commit(rows([
        Row::Message(reply),
        Row::Read(Read { ver: 14, ..in_thread }),
    ]));
    let late: Vec<_> = late
        .items()
        .iter()
        .map(|item| (item.delivered, item.read))
        .collect();
    assert_eq!(late, [(true, true), (false, false)]);
}

/// What others do, and own messages.
fn in_order() -> impl Strategy<Value = Vec<Action>> {
    let (channel, thread) = (0, None);
    let action = prop_oneof![
        3 => Just(Action::Send { channel, thread }),
        3 => any::<u8>().prop_map(|op| Action::Accept { op, row_first: false }),
        1 => Just(Action::RemoteSend { channel, thread, burst: 1 }),
        6 => (any::<u8>(), other()).prop_map(|(who, what)| Action::Other { channel: 0, who, what }),
    ];
    proptest::collection::vec(action, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn what_is_told_never_goes_back(actions in in_order()) {
        let mut world = World::new(0);
        let timeline = world.driver.open(&cid("a"), 500);
        let mut told: BTreeMap<MessageId, ReceiptStatus> = BTreeMap::new();
        for action in actions {
            for delta in world.act(&action) {
                world.driver.commit(delta);
            }
            let news: Delta = rows(world.news());
            world.driver.commit(news);
            for item in timeline.items() {
                let Some(receipt) = item.receipt else { continue };
                prop_assert!(receipt.read <= receipt.delivered && receipt.delivered <= receipt.members);
                let before = told.insert(item.id(), receipt.status).unwrap_or_default();
                prop_assert!(before <= receipt.status, "{before:?} became {receipt:?} by {action:?}");
            }
        }
    }

    #[test]
    fn each_members_part_is_what_a_fresh_start_would_tell(
        history in 0_u8..20,
        actions in proptest::collection::vec(action(1..=3), 1..50),
    ) {
        let mut world = World::new(history);
        let mut open = Vec::new();
        for action in actions {
            for delta in world.act(&action) {
                world.driver.commit(delta);
            }
            if open.len() < 3 && let Some(message) = world.newest.values().nth(open.len() * 3) {
                open.push(world.driver.state.open_receipts(message.cid.clone(), message.id));
                world.driver.read_receipts();
            }
            for receipts in &open {
                let fresh = world.driver.anew(|fresh| {
                    let anew = fresh.state.open_receipts(receipts.cid().clone(), receipts.message());
                    fresh.read_receipts();
                    anew.items()
                });
                prop_assert_eq!(&fresh, &receipts.items());
            }
        }
    }
}
