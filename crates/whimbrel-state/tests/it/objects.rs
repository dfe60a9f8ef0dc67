//! The objects that screens are built on: what is in them, and that it is always what a fresh start would show.

use crate::{
    disk::{
        Disk, channel, cid, covered, member, membership, message, message_id, queued, read, rebase, rows,
        send, user,
    },
    driver::{Driver, Reader},
    world::{Action, World, action},
};
use futures_util::FutureExt;
use proptest::prelude::*;
use whimbrel_model::{
    ChannelId, ChannelSummary, Code, Custom, Delta, MemberState, Message, MessageId, MessageScope, Op, Read,
    Row, ThreadSummary, Timestamp,
};
use whimbrel_query::Query;
use whimbrel_state::{
    Capability, ChannelState, Content, Drafts, GlobalState, Initialization, Items, QueryChannelsState, Reach,
    State, SyncState, ThreadState, TimelineItem,
};

/// The objects of one state over a disk.
struct Objects {
    channel: ChannelState,
    thread: ThreadState,
    list: QueryChannelsState,
    global: GlobalState,
}

/// What there is to know of how things stand, for every state alike.
fn stand(state: &State, live: bool) {
    let up_to_date = live;
    state.set_status(if live { SyncState::Live } else { SyncState::Offline });
    state.set_freshness(Some(Timestamp(7)), live, |_| Reach {
        up_to_date,
        followed: true,
    });
}

fn accepted(items: &Items<TimelineItem>) -> usize {
    items
        .iter()
        .filter(|item| item.view.message.seq > 0)
        .count()
        .max(1)
}

fn look_up(state: &State, disk: &Disk) {
    for id in state.wanted_messages() {
        state.put_message(id, disk.message(id));
    }
    assert!(state.wanted_messages().is_empty());
}

impl Objects {
    fn open(
        driver: &Driver,
        parent: MessageId,
        (messages, replies, channels): (usize, usize, usize),
    ) -> Self {
        let (state, disk) = (&driver.state, &driver.disk);
        let (drafts, unread) = (driver.open_drafts(), driver.open_unread());
        let channel = open_channel(driver, &cid("a"), messages, &drafts);
        let timeline = driver.open_scope(&cid("a"), MessageScope::Thread(parent), replies);
        let thread = state.open_thread_state(&timeline, parent, &drafts);
        state.put_thread_reads(&cid("a"), parent, &disk.reads(&cid("a"), Some(parent)));
        state.put_thread(parent, disk.thread(state.me(), parent));
        let list = state.open_channels_state(&driver.open_channels(channels));
        let global = state.open_global_state(&unread, &drafts);
        look_up(state, disk);
        Self {
            channel,
            thread,
            list,
            global,
        }
    }

    fn is_like(&self, fresh: &Self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.channel.facts(), fresh.channel.facts());
        prop_assert_eq!(self.channel.members(), fresh.channel.members());
        prop_assert_eq!(self.channel.reads(), fresh.channel.reads());
        prop_assert_eq!(
            self.channel.subscribe_quoted().0,
            fresh.channel.subscribe_quoted().0
        );
        prop_assert_eq!(self.channel.pins().items(), fresh.channel.pins().items());
        prop_assert_eq!(self.thread.facts(), fresh.thread.facts());
        prop_assert_eq!(self.thread.reads(), fresh.thread.reads());
        prop_assert_eq!(self.global.facts(), fresh.global.facts());
        prop_assert_eq!(self.list.facts().content, fresh.list.facts().content);
        prop_assert_eq!(self.list.facts().currency, fresh.list.facts().currency);
        Ok(())
    }
}

fn open_channel(driver: &Driver, cid: &ChannelId, messages: usize, drafts: &Drafts) -> ChannelState {
    let (state, disk) = (&driver.state, &driver.disk);
    let timeline = driver.open(cid, messages);
    let (pins, missing) = state.open_pins(cid, disk.pinned(cid));
    let missing = missing.into_iter().filter_map(|id| disk.message(id));
    missing.for_each(|message| state.put_pin(message));
    let channel = state.open_channel_state(&timeline, drafts, &pins);
    state.put_people(cid, &disk.members(cid), &disk.reads(cid, None));
    match disk.channel_row(state.me(), cid) {
        Some(row) => state.put_channel(row),
        None => state.put_no_channel(cid),
    }
    look_up(state, disk);
    channel
}

fn is_always_like_a_fresh_start(history: u8, live: bool, actions: Vec<Action>) -> Result<(), TestCaseError> {
    let mut world = World::new(history);
    let parent = world.newest.keys().next().copied().unwrap_or(message_id(1));
    stand(&world.driver.state, live);
    let objects = Objects::open(&world.driver, parent, (8, 8, 2));
    stand(&world.driver.state, live);
    let mut members = Reader::new(objects.channel.subscribe_members());
    let mut reads = Reader::new(objects.channel.subscribe_reads());
    let mut facts = objects.channel.part(|facts| facts.counts);
    let mut seen = facts.get();
    for action in actions {
        for delta in world.act(&action) {
            world.driver.commit(delta);
            look_up(&world.driver.state, &world.driver.disk);
        }
        stand(&world.driver.state, live);
        let loaded = (
            accepted(&objects.channel.timeline().items()),
            accepted(&objects.thread.timeline().items()),
            objects.list.list().items().len().max(1),
        );
        world.driver.anew(|anew| {
            stand(&anew.state, live);
            let fresh = Objects::open(anew, parent, loaded);
            stand(&anew.state, live);
            objects.is_like(&fresh)
        })?;
        members.read();
        reads.read();
        prop_assert_eq!(&members.list, &objects.channel.members());
        prop_assert_eq!(&reads.list, &objects.channel.reads());
        let now = objects.channel.facts().counts;
        let told = facts.next().now_or_never().flatten();
        prop_assert_eq!(told, (now != seen).then_some(now), "a part wakes iff it changed");
        seen = now;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn an_object_is_always_what_a_fresh_start_would_show(
        history in 0_u8..40,
        live in any::<bool>(),
        actions in proptest::collection::vec(action(1..=3), 1..40),
    ) {
        is_always_like_a_fresh_start(history, live, actions)?;
    }
}

/// A driver whose disk has the channel with bob in it, and an object of the channel.
fn in_channel() -> (Driver, ChannelState) {
    let mut driver = Driver::new();
    let a = cid("a");
    driver.commit(rows([
        channel(&a, "A", 1),
        membership(&a, MemberState::Active, 1),
        member(&a, "ada", 2),
        member(&a, "bob", 3),
    ]));
    let state = open(&driver, &a);
    (driver, state)
}

fn open(driver: &Driver, cid: &ChannelId) -> ChannelState {
    open_channel(driver, cid, 50, &driver.open_drafts())
}

fn names(state: &ChannelState) -> Vec<String> {
    state.members().iter().map(|item| item.user.to_string()).collect()
}

#[test]
fn a_channel_that_nothing_is_known_of_is_not_a_channel_without_a_name() {
    let driver = Driver::new();
    let state = open(&driver, &cid("a"));
    let facts = state.facts();
    assert_eq!((facts.channel, facts.membership), (None, None));
    assert_eq!(facts.counts.messages, None);
    assert_eq!(
        facts.content,
        Content::OfflineNoResults,
        "that it is empty says nothing"
    );
    assert!(!facts.paging.end_of_older && facts.currency.recovery_needed);
    driver.state.set_status(SyncState::Connecting);
    assert_eq!(state.facts().content, Content::Loading);
    driver.state.set_status(SyncState::Live);
    driver.state.set_freshness(Some(Timestamp(1)), true, |_| Reach {
        up_to_date: true,
        followed: false,
    });
    let facts = state.facts();
    assert_eq!(
        facts.content,
        Content::Loaded,
        "the server has none for this account"
    );
    assert!(!facts.currency.recovery_needed);
}

#[test]
fn members_have_what_waits_laid_over_them_and_keep_it_when_it_is_accepted() {
    let (mut driver, state) = in_channel();
    assert_eq!(names(&state), ["ada", "bob"]);
    let mut reader = Reader::new(state.subscribe_members());
    let add = Op::AddMembers {
        cid: cid("a"),
        users: vec![user("carol")],
    };
    driver.queue(queued(1, add));
    assert_eq!(names(&state), ["ada", "bob", "carol"]);
    assert_eq!(state.facts().counts.members, 3);
    assert_eq!(state.members()[2].joined_at, None);
    let mut delta = rows([member(&cid("a"), "carol", 4)]);
    delta.push(whimbrel_model::Change::OutboxRemoved(crate::disk::op_id(1)));
    driver.commit(delta);
    assert_eq!(names(&state), ["ada", "bob", "carol"]);
    assert!(state.members()[2].joined_at.is_some());
    let remove = Op::RemoveMembers {
        cid: cid("a"),
        users: vec![user("bob")],
    };
    driver.queue(queued(2, remove));
    assert_eq!(names(&state), ["ada", "carol"]);
    driver.remove(crate::disk::op_id(2));
    assert_eq!(names(&state), ["ada", "bob", "carol"], "it was discarded");
    reader.read();
    assert_eq!(reader.list, state.members());
}

#[test]
fn what_may_be_done_is_predicted_from_the_role_and_a_channel_made_here_is_owned() {
    let (mut driver, state) = in_channel();
    let may: Vec<_> = state.facts().capabilities.iter().copied().collect();
    assert_eq!(may, [Capability::SendMessages, Capability::Leave]);
    driver.commit(rows([
        rows_message(1, 1, 10, None),
        membership(&cid("a"), MemberState::Active, 11),
    ]));
    let delete = |n| Op::DeleteMessage {
        cid: cid("a"),
        id: message_id(n),
    };
    let denied = state.predict(&delete(1)).unwrap_err();
    assert_eq!(denied.code, Code::Forbidden, "it is bob's");
    assert_eq!(state.predict(&delete(2)).unwrap_err().code, Code::MessageNotFound);
    driver.queue(queued(1, send(2, &cid("a"))));
    assert_eq!(state.predict(&delete(2)), Ok(()));

    let new = open(&driver, &cid("new"));
    assert!(new.facts().capabilities.is_empty());
    let create = Op::CreateChannel {
        cid: cid("new"),
        name: "New".to_owned(),
        image: String::new(),
        custom: Custom::default(),
        members: vec![user("bob")],
    };
    driver.queue(queued(2, create));
    let facts = new.facts();
    assert_eq!(facts.capabilities.len(), 6);
    assert_eq!(facts.channel.unwrap().name, "New");
    assert_eq!((facts.sending.created_locally, facts.sending.pending), (true, 1));
    assert_eq!(facts.content, Content::Loaded, "nobody has more of it");
    assert_eq!(names(&new), ["ada", "bob"]);
}

/// A message of bob that quotes another one.
fn rows_message(n: u64, seq: u64, ver: u64, quoted: Option<u64>) -> Row {
    Row::Message(Message {
        quoted: quoted.map(message_id),
        ..message(n, &cid("a"), seq, ver)
    })
}

#[test]
fn a_quoted_message_is_there_wherever_it_stands_and_follows_its_changes() {
    let (mut driver, state) = in_channel();
    let quoted = |n| {
        state
            .quoted(message_id(n))
            .map(|view| view.message.body.text.clone())
    };
    driver.commit(rows((1..=60).map(|n| rows_message(n, n, 10 + n, None))));
    driver.commit(rows([rows_message(61, 61, 100, Some(1))]));
    assert_eq!(quoted(1), None, "it was not read yet");
    look_up(&driver.state, &driver.disk);
    assert_eq!(quoted(1).as_deref(), Some("message 1"));
    assert_eq!(quoted(2), None, "nobody quotes it");
    let edit = Op::EditMessage {
        cid: cid("a"),
        id: message_id(1),
        body: whimbrel_model::MessageBody::text("edited"),
        base_revision: 0,
    };
    driver.queue(queued(1, edit));
    assert_eq!(quoted(1).as_deref(), Some("edited"));
    driver.remove(crate::disk::op_id(1));
    assert_eq!(quoted(1).as_deref(), Some("message 1"));
    let mut changed = message(1, &cid("a"), 1, 200);
    changed.body.text = "changed".to_owned();
    driver.commit(rows([Row::Message(changed)]));
    assert_eq!(quoted(1).as_deref(), Some("changed"));
    driver.commit(rebase(&cid("a")));
    look_up(&driver.state, &driver.disk);
    assert_eq!(quoted(1), None, "the server has another history now");
}

#[test]
fn an_accepted_change_does_not_vanish_before_its_row_was_read() {
    let (mut driver, state) = in_channel();
    let rename = Op::UpdateChannel {
        cid: cid("a"),
        name: Some("B".to_owned()),
        image: None,
        custom: None,
    };
    driver.queue(queued(1, rename));
    let name = |state: &ChannelState| state.facts().channel.unwrap().name.clone();
    assert_eq!(name(&state), "B");
    let mut delta = rows([channel(&cid("a"), "B", 9)]);
    delta.push(whimbrel_model::Change::OutboxRemoved(crate::disk::op_id(1)));
    driver.commit_observed(delta, |_| assert_eq!(name(&state), "B"));
    assert_eq!(state.facts().sending.pending, 0);
}

#[test]
fn a_part_wakes_for_itself_only() {
    let (mut driver, state) = in_channel();
    let mut unread = state.part(|facts| facts.counts.unread);
    let mut whole = state.subscribe();
    driver.queue(queued(1, send(2, &cid("a"))));
    assert!(whole.next().now_or_never().is_some(), "something waits now");
    assert_eq!(unread.next().now_or_never(), None);
    driver.commit(rows([rows_message(1, 1, 10, None)]));
    assert_eq!(unread.next().now_or_never(), Some(Some(1)));
    driver.commit(rows([read(&cid("a"), 1, 11)]));
    assert_eq!(unread.next().now_or_never(), Some(Some(0)));
    let position = state
        .reads()
        .iter()
        .map(|read| (read.user.clone(), read.seq))
        .collect::<Vec<_>>();
    assert_eq!(position, [(user("ada"), 1)]);
}

#[test]
fn a_gap_between_what_is_shown_needs_recovery() {
    let (mut driver, state) = in_channel();
    driver.state.set_freshness(Some(Timestamp(1)), true, |_| Reach {
        up_to_date: true,
        followed: true,
    });
    assert!(!state.facts().currency.recovery_needed);
    let mut delta = rows([rows_message(1, 1, 10, None), rows_message(9, 9, 20, None)]);
    delta.push(covered(&cid("a"), &[(1, 1), (9, 9)]));
    driver.commit(delta);
    assert!(state.facts().currency.recovery_needed);
    driver.commit(covered(&cid("a"), &[(1, 9)]));
    assert!(!state.facts().currency.recovery_needed);
}

#[test]
fn an_apps_own_rule_decides_over_the_filter() {
    let mut driver = Driver::new();
    for name in ["a", "b", "c"] {
        driver.commit(rows([
            channel(&cid(name), name, 1),
            membership(&cid(name), MemberState::Active, 1),
        ]));
    }
    let rule = |channel: &ChannelSummary, wanted: bool| match channel.cid.local_id() {
        "a" => false,
        "left" => true,
        _ => wanted,
    };
    let query = Query::channel_list();
    let list = driver.state.open_channels_by(&query, std::sync::Arc::new(rule));
    driver.extend_channels(&list, 10);
    let names = || {
        crate::driver::names(&list.items())
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(), ["b", "c"]);
    let usual = driver.open_query(&query, 10);
    assert_eq!(usual.items().len(), 3, "the rule is of the one list only");
    driver.commit(rows([
        channel(&cid("left"), "left", 1),
        membership(&cid("left"), MemberState::Gone, 2),
        membership(&cid("c"), MemberState::Gone, 2),
    ]));
    assert_eq!(names(), ["b", "left"]);
}

#[test]
fn a_list_that_was_not_read_is_not_an_empty_list() {
    let driver = Driver::new();
    let list = driver.state.open_channels(&Query::channel_list());
    let state = driver.state.open_channels_state(&list);
    assert_eq!(
        (state.channels(), state.facts().content),
        (None, Content::NotLoaded)
    );
    driver.extend_channels(&list, 10);
    assert_eq!(state.channels().map(|items| items.len()), Some(0));
    assert_eq!(state.facts().content, Content::OfflineNoResults);
    assert!(state.facts().end_of_channels);
    driver.state.set_status(SyncState::Connecting);
    assert_eq!(state.facts().content, Content::Loading);
    driver
        .state
        .set_freshness(Some(Timestamp(1)), true, |_| Reach::default());
    assert_eq!(state.facts().content, Content::Loaded, "there are none");
}

#[test]
fn the_account_says_what_is_unread_by_type_and_whether_it_ever_caught_up() {
    let mut driver = Driver::new();
    let global = driver
        .state
        .open_global_state(&driver.open_unread(), &driver.open_drafts());
    let facts = global.facts();
    assert_eq!(facts.initialization, Initialization::NeverSynced);
    assert_eq!((facts.user, facts.unread.messages), (user("ada"), 0));
    driver.commit(rows([
        channel(&cid("a"), "A", 1),
        membership(&cid("a"), MemberState::Active, 1),
        rows_message(1, 1, 10, None),
    ]));
    driver
        .state
        .set_freshness(Some(Timestamp(1)), false, |_| Reach::default());
    let facts = global.facts();
    assert_eq!(facts.initialization, Initialization::Complete);
    assert_eq!((facts.unread.messages, facts.unread.channels), (1, 1));
    assert_eq!(facts.unread_by_type.get("messaging"), Some(&facts.unread));
}

/// The object of the thread of bob's message 1.
fn open_thread(driver: &Driver) -> ThreadState {
    let (a, parent) = (cid("a"), message_id(1));
    let timeline = driver.open_scope(&a, MessageScope::Thread(parent), 50);
    let (state, disk) = (&driver.state, &driver.disk);
    let thread = state.open_thread_state(&timeline, parent, &driver.open_drafts());
    state.put_thread_reads(&a, parent, &disk.reads(&a, Some(parent)));
    state.put_thread(parent, disk.thread(state.me(), parent));
    look_up(state, disk);
    thread
}

/// Bob's reply `n` to his message 1, and that message as it is with it.
fn replied(n: u64, replies: u32) -> Delta {
    let reply = Message {
        parent: Some(message_id(1)),
        ..message(n, &cid("a"), n, 100 + n)
    };
    let parent = Message {
        thread: Some(ThreadSummary {
            replies,
            last_seq: n,
            last_at: Timestamp(0),
        }),
        ..message(1, &cid("a"), 1, 200 + n)
    };
    rows([Row::Message(reply), Row::Message(parent)])
}

#[test]
fn what_is_unread_in_a_thread_changes_with_its_replies_and_not_after_them() {
    let (mut driver, _state) = in_channel();
    driver.commit(rows([rows_message(1, 1, 10, None)]));
    let thread = open_thread(&driver);
    assert!(!thread.facts().unread.followed);
    let followed = Read::new(cid("a"), user("ada"), Some(message_id(1)));
    driver.commit(rows([Row::Read(Read { ver: 20, ..followed })]));
    assert!(thread.facts().unread.followed);
    for n in 2..=4 {
        driver.commit_observed(replied(n, u32::try_from(n).unwrap() - 1), |_| {
            let facts = thread.facts();
            assert_eq!(u64::from(facts.replies), facts.unread.replies);
        });
    }
    let facts = thread.facts();
    assert_eq!((facts.replies, facts.oldest, facts.newest), (3, Some(2), Some(4)));
}

#[test]
fn who_was_in_another_history_and_how_far_they_had_read_is_forgotten_with_it() {
    let (mut driver, state) = in_channel();
    driver.commit(rows([rows_message(1, 1, 10, None), read(&cid("a"), 1, 11)]));
    assert_eq!((state.members().len(), state.reads().len()), (2, 1));
    driver.commit(rebase(&cid("a")));
    assert!(state.members().is_empty() && state.reads().is_empty());
    driver.commit(rows([member(&cid("a"), "ada", 1)]));
    assert_eq!(names(&state), ["ada"], "however small its version is");
}
