//! Threads, drafts, totals of what is unread, and how a channel is kept.

use crate::{
    disk::{
        accepted, channel, cid, covered, membership, message, message_id, op_id, queued, rows, send, user,
    },
    driver::{Driver, Reader, names},
    world::{Action, World, action},
};
use proptest::prelude::*;
use whimbrel_model::{
    Change, DeviceId, Draft, DraftContent, DraftSeen, Hide, MemberState, MembershipChange, Message, Mute, Op,
    Read, Row, SetMute, ThreadSummary, Timestamp,
};
use whimbrel_query::{Endpoint, Query, Sort, field};
use whimbrel_state::{ThreadList, UnreadTotals};

/// Lists by how channels are kept.
fn queries() -> [Query; 6] {
    let query = |filter, sort| Query::new(&Endpoint::CHANNELS, filter, sort).unwrap();
    [
        query(field("pinned").eq(true), Sort::by_descending("pinned_at")),
        query(field("archived").eq(false), Sort::by_id()),
        query(field("hidden").eq(true), Sort::by_id()),
        query(
            field("muted_until").exists(true),
            Sort::by_ascending("muted_until"),
        ),
        Query::requests(),
        query(field("consent").is_in(["allowed", "denied"]), Sort::by_id()),
    ]
}

fn sum(parts: impl IntoIterator<Item = UnreadTotals>) -> UnreadTotals {
    parts
        .into_iter()
        .fold(UnreadTotals::default(), |sum, part| UnreadTotals {
            messages: sum.messages + part.messages,
            mentions: sum.mentions + part.mentions,
            channels: sum.channels + part.channels,
            threads: sum.threads + part.threads,
            muted: sum.muted + part.muted,
            unknown: sum.unknown + part.unknown,
            requests: sum.requests + part.requests,
            requested: sum.requested + part.requested,
        })
}

fn obeys_the_laws(history: u8, actions: Vec<Action>) -> Result<(), TestCaseError> {
    let mut world = World::new(history);
    let lists = queries().map(|query| world.driver.open_query(&query, 1));
    let threads = world.driver.open_threads(2);
    let drafts = world.driver.open_drafts();
    let unread = world.driver.open_unread();
    let mut shown_threads = Reader::new(threads.subscribe());
    let mut shown_drafts = Reader::new(drafts.subscribe());
    for action in actions {
        for delta in world.act(&action) {
            world.driver.commit(delta);
        }
        if let Action::Extend(count) = action {
            world.driver.extend_threads(&threads, usize::from(count % 3));
            let list = &lists[usize::from(count) % lists.len()];
            world.driver.extend_channels(list, usize::from(count % 2));
        }
        shown_threads.read();
        shown_drafts.read();
        prop_assert_eq!(&shown_threads.list, &threads.items());
        prop_assert_eq!(&shown_drafts.list, &drafts.items());
        prop_assert_eq!(unread.totals(), world.driver.unread_anew());
        prop_assert_eq!(sum(unread.by_type().values().copied()), unread.totals());
        world.driver.anew(|anew| {
            prop_assert_eq!(anew.open_unread().totals(), unread.totals());
            prop_assert_eq!(&anew.open_drafts().items(), &drafts.items());
            let (all, shown) = (anew.open_threads(usize::MAX).items(), threads.items());
            prop_assert_eq!(&all.take(shown.len().min(all.len())), &shown);
            prop_assert!(threads.has_more() || all.len() == shown.len());
            for list in &lists {
                let (all, shown) = (anew.open_query(list.query(), usize::MAX).items(), list.items());
                prop_assert_eq!(
                    &all.take(shown.len().min(all.len())),
                    &shown,
                    "{:?}",
                    list.query().filter()
                );
                prop_assert!(list.has_more() || all.len() == shown.len());
            }
            Ok(())
        })?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn threads_drafts_and_totals_are_always_what_a_fresh_start_would_show(
        history in 0_u8..12,
        actions in proptest::collection::vec(action(1..=2), 1..60),
    ) {
        obeys_the_laws(history, actions)?;
    }
}

fn driver() -> Driver {
    let mut driver = Driver::new();
    driver.commit(rows([
        channel(&cid("a"), "a", 1),
        membership(&cid("a"), MemberState::Active, 2),
        Row::Message(message(1, &cid("a"), 1, 3)),
    ]));
    driver
}

fn reply(n: u64) -> Op {
    let mut op = send(n, &cid("a"));
    if let Op::SendMessage { parent, .. } = &mut op {
        *parent = Some(message_id(1));
    }
    op
}

/// The message that began the thread, once it has so many replies.
fn begun(replies: u32, last_seq: u64, ver: u64) -> Row {
    Row::Message(Message {
        thread: Some(ThreadSummary {
            replies,
            last_seq,
            last_at: Timestamp(i64::try_from(ver).unwrap()),
        }),
        ..message(1, &cid("a"), 1, ver)
    })
}

fn replies(list: &ThreadList) -> Vec<(u32, u32, u64)> {
    let items = list.items();
    let shown = items.iter().map(|item| (item.replies, item.pending, item.unread));
    shown.collect()
}

#[test]
fn a_thread_is_in_the_list_as_soon_as_a_reply_waits_in_it() {
    let mut driver = driver();
    let list = driver.open_threads(10);
    assert_eq!(replies(&list), []);
    driver.queue(queued(1, reply(10)));
    assert_eq!(replies(&list), [(1, 1, 0)]);
    // An edit of the reply is a change of its own once it may have been sent.
    let edit = Op::EditMessage {
        cid: cid("a"),
        id: message_id(10),
        body: "better".into(),
        base_revision: 0,
    };
    driver.queue(queued(2, edit));
    let last = list.items()[0].last_reply.clone().unwrap();
    assert_eq!(last.message.body.text, "better");
    // The server's answer makes the account follow it.
    let read = Row::Read(Read {
        seq: 2,
        ver: 7,
        ..Read::new(cid("a"), user("ada"), Some(message_id(1)))
    });
    let mut answer = rows([Row::Message(accepted(&reply(10), 2, 5)), begun(1, 2, 6), read]);
    answer.push(Change::OutboxRemoved(op_id(1)));
    driver.commit(answer);
    assert_eq!(replies(&list), [(1, 0, 0)]);
}

#[test]
fn a_thread_that_nobody_replied_to_is_not_listed_once_the_reply_is_given_up() {
    let mut driver = Driver::new();
    let own = Message {
        author: user("ada"),
        ..message(1, &cid("a"), 1, 3)
    };
    driver.commit(rows([
        membership(&cid("a"), MemberState::Active, 2),
        Row::Message(own),
    ]));
    let list = driver.open_threads(10);
    driver.queue(queued(1, reply(10)));
    assert_eq!(replies(&list).len(), 1);
    driver.remove(op_id(1));
    assert_eq!(replies(&list), [], "an own message is no thread yet");
}

#[test]
fn a_reply_to_a_message_that_waits_is_listed_when_that_is_accepted() {
    let mut driver = driver();
    let list = driver.open_threads(10);
    let first = send(20, &cid("a"));
    let mut answer = send(21, &cid("a"));
    if let Op::SendMessage { parent, .. } = &mut answer {
        *parent = Some(message_id(20));
    }
    driver.queue(queued(1, first.clone()));
    driver.queue(queued(2, answer));
    assert_eq!(replies(&list), [], "the message that began it is not accepted");
    let mut accepts = rows([Row::Message(accepted(&first, 2, 5))]);
    accepts.push(Change::OutboxRemoved(op_id(1)));
    driver.commit(accepts);
    assert_eq!(replies(&list), [(1, 1, 0)]);
}

#[test]
fn threads_of_a_channel_that_is_left_go_at_once_and_come_back_when_that_is_rejected() {
    let mut driver = driver();
    driver.commit(rows([begun(1, 2, 6), Row::Message(to_thread(2, 7))]));
    let read = Read::new(cid("a"), user("ada"), Some(message_id(1)));
    driver.commit(rows([Row::Read(Read { ver: 8, ..read })]));
    let (list, unread) = (driver.open_threads(10), driver.open_unread());
    assert_eq!((replies(&list), unread.totals().threads), (vec![(1, 0, 1)], 1));
    let leave = Op::RemoveMembers {
        cid: cid("a"),
        users: vec![user("ada")],
    };
    driver.queue(queued(1, leave));
    assert_eq!((replies(&list), unread.totals().threads), (vec![], 0));
    driver.remove(op_id(1));
    assert_eq!((replies(&list), unread.totals().threads), (vec![(1, 0, 1)], 1));
}

/// A reply of bob's in the thread of the first message.
fn to_thread(seq: u64, ver: u64) -> Message {
    Message {
        parent: Some(message_id(1)),
        ..message(seq, &cid("a"), seq, ver)
    }
}

#[test]
fn a_read_position_in_a_thread_shows_at_once_and_leaves_the_channel_alone() {
    let mut driver = driver();
    let read = Read::new(cid("a"), user("ada"), Some(message_id(1)));
    driver.commit(rows([
        begun(2, 3, 6),
        Row::Message(to_thread(2, 7)),
        Row::Message(to_thread(3, 8)),
        Row::Read(Read { ver: 9, ..read }),
    ]));
    let (list, unread) = (driver.open_threads(10), driver.open_unread());
    let totals = unread.totals();
    assert_eq!(
        (replies(&list), totals.threads, totals.messages),
        (vec![(2, 0, 2)], 1, 1)
    );
    let mark = |seq| Op::MarkRead {
        cid: cid("a"),
        thread: Some(message_id(1)),
        epoch: 0,
        seq,
    };
    driver.queue(queued(1, mark(2)));
    assert_eq!((replies(&list), unread.totals().threads), (vec![(2, 0, 1)], 1));
    driver.queue(queued(2, mark(3)));
    assert_eq!((replies(&list), unread.totals().threads), (vec![(2, 0, 0)], 0));
    assert_eq!(unread.totals().messages, 1);
}

fn keep(change: MembershipChange) -> Op {
    Op::UpdateMembership {
        cid: cid("a"),
        change,
    }
}

#[test]
fn a_mute_ends_by_itself_and_comes_back_with_a_clock_that_is_put_back() {
    let mut driver = driver();
    let unread = driver.open_unread();
    let muted = |until: Option<i64>| {
        keep(MembershipChange {
            muted: Some(SetMute::On(Mute {
                until: until.map(Timestamp),
            })),
            ..MembershipChange::default()
        })
    };
    let shown = || (unread.totals().messages, unread.totals().muted);
    driver.set_now(Timestamp(100));
    assert_eq!(shown(), (1, 0));
    driver.queue(queued(1, muted(Some(200))));
    assert_eq!(shown(), (0, 1));
    assert_eq!(driver.state.set_now(Timestamp(150)).next, Some(Timestamp(200)));
    assert_eq!(shown(), (0, 1));
    assert_eq!(driver.state.set_now(Timestamp(200)).next, None);
    assert_eq!(shown(), (1, 0));
    assert_eq!(driver.state.set_now(Timestamp(199)).next, Some(Timestamp(200)));
    assert_eq!(shown(), (0, 1));
    driver.queue(queued(2, muted(None)));
    assert_eq!(driver.state.set_now(Timestamp(1_000)).next, None);
    assert_eq!(shown(), (0, 1));
    driver.remove(op_id(2));
    driver.remove(op_id(1));
    assert_eq!(shown(), (1, 0));
}

#[test]
fn a_hidden_channel_shows_again_with_a_new_message() {
    let mut driver = driver();
    let list = driver.open_query(
        &Query::new(&Endpoint::CHANNELS, field("hidden").eq(false), Sort::by_id()).unwrap(),
        10,
    );
    let hide = keep(MembershipChange {
        hidden: Some(Hide::Until { seq: 1 }),
        ..MembershipChange::default()
    });
    assert_eq!(names(&list.items()), ["a"]);
    driver.queue(queued(1, hide));
    assert_eq!(names(&list.items()), [""; 0]);
    // An own message that waits is new too.
    driver.queue(queued(2, send(10, &cid("a"))));
    assert_eq!(names(&list.items()), ["a"]);
    driver.remove(op_id(2));
    assert_eq!(names(&list.items()), [""; 0]);
    driver.commit(rows([Row::Message(message(2, &cid("a"), 2, 9))]));
    assert_eq!(names(&list.items()), ["a"]);
}

#[test]
fn silent_messages_are_not_unread_and_mentions_are_summed() {
    let mut driver = driver();
    let unread = driver.open_unread();
    let told = |n: u64, silent| {
        let mut row = message(n, &cid("a"), n, n + 10);
        row.silent = silent;
        row.body.mentions = vec![user("ada")];
        Row::Message(row)
    };
    driver.commit(rows([told(2, true), told(3, false)]));
    let totals = unread.totals();
    assert_eq!((totals.messages, totals.mentions), (2, 1));
    let here = unread.by_type();
    assert_eq!(here.get("messaging"), Some(&totals));
}

fn device(n: u64) -> DeviceId {
    DeviceId(op_id(10_000 + n).0)
}

/// What another device of the account has written.
fn other(n: u64, text: &str, ver: u64) -> Row {
    Row::Draft(Draft {
        user: user("ada"),
        cid: cid("a"),
        parent: None,
        device: device(n),
        content: (!text.is_empty()).then(|| DraftContent::text(text)),
        updated_at: Timestamp(0),
        ver,
    })
}

fn save(text: &str, replaces: Vec<DraftSeen>) -> Op {
    Op::SaveDraft {
        cid: cid("a"),
        parent: None,
        device: device(0),
        content: (!text.is_empty()).then(|| DraftContent::text(text)),
        replaces,
    }
}

#[test]
fn a_draft_takes_the_place_of_those_that_were_seen_and_stands_beside_the_others() {
    let mut driver = driver();
    let drafts = driver.open_drafts();
    let shown = || {
        let view = drafts.get(&cid("a"), None)?;
        let beside = view.beside.iter().filter_map(|draft| draft.content.clone());
        let beside: Vec<_> = beside.map(|content| content.body.text).collect();
        Some((view.content.body.text.clone(), beside, view.pending))
    };
    let is = |text: &str, beside: &[&str], pending| {
        let beside = beside.iter().map(|&text| text.to_owned()).collect();
        Some((text.to_owned(), beside, pending))
    };
    assert_eq!(shown(), None);
    driver.commit(rows([other(1, "from the tablet", 20)]));
    assert_eq!(shown(), is("from the tablet", &[], false));
    let seen = drafts.get(&cid("a"), None).unwrap().seen();
    driver.queue(queued(1, save("going on", seen.into_iter().collect())));
    assert_eq!(shown(), is("going on", &[], true));
    // The tablet went on too, and nobody here has seen that.
    driver.commit(rows([other(1, "still typing", 21)]));
    assert_eq!(shown(), is("going on", &["still typing"], true));
    assert_eq!(drafts.get(&cid("a"), None).unwrap().all_seen().len(), 1);
    // The server decided on ours before.
    let mut answer = rows([other(0, "going on", 22)]);
    answer.push(Change::OutboxRemoved(op_id(1)));
    driver.commit(answer);
    assert_eq!(shown(), is("going on", &["still typing"], false));
    driver.commit(rows([other(1, "last word", 23)]));
    assert_eq!(shown(), is("last word", &["going on"], false));
    let all = drafts.get(&cid("a"), None).unwrap().all_seen();
    driver.queue(queued(2, save("", all)));
    assert_eq!(shown(), None);
    driver.remove(op_id(2));
    assert_eq!(shown(), is("last word", &["going on"], false));
    driver.commit(rows([other(1, "", 24), other(0, "", 25)]));
    assert_eq!(shown(), None);
}

#[test]
fn a_jump_over_changes_makes_unread_replies_unknown_again() {
    let mut driver = driver();
    let read = Read::new(cid("a"), user("ada"), Some(message_id(1)));
    driver.commit(rows([
        begun(6, 9, 6),
        Row::Message(to_thread(8, 7)),
        Row::Message(to_thread(9, 8)),
        Row::Read(Read {
            seq: 7,
            ver: 9,
            ..read
        }),
    ]));
    driver.commit(covered(&cid("a"), &[(5, 9)]));
    let list = driver.open_threads(10);
    let unread = || (list.items()[0].unread, list.items()[0].unread_unknown);
    assert_eq!(unread(), (2, 0), "the four that are not here were read");
    let mut ranges = driver.disk.ranges[&cid("a")].clone();
    ranges.mark_stale(9);
    driver.commit(Change::Ranges(cid("a"), ranges));
    assert_eq!(unread(), (2, 2));
    driver.commit(covered(&cid("a"), &[(5, 9)]));
    assert_eq!(unread(), (2, 0));
}
