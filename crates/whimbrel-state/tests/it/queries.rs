//! Lists of channels by a query: what comes, goes and moves, and why.

use crate::{
    disk::{channel, cid, member, membership, message, queued, read, rows, send, user},
    driver::{Driver, Reader, names},
};
use whimbrel_model::{
    Change, Channel, Code, Custom, MemberState, Op, OutboxItem, OutboxStatus, Rejection, Row, Timestamp,
};
use whimbrel_query::{Endpoint, Filter, Query, Sort, field};
use whimbrel_state::{LoadState, VectorDiff};

fn query(filter: Filter, sort: Sort) -> Query {
    Query::new(&Endpoint::CHANNELS, filter, sort).unwrap()
}

/// A channel of a team, in version `ver`.
fn teamed(name: &str, team: &str, ver: u64) -> Row {
    Row::Channel(Channel {
        cid: cid(name),
        name: name.to_owned(),
        image: String::new(),
        custom: Custom::default().with("team", team),
        created_by: user("ada"),
        created_at: Timestamp(1),
        updated_at: Timestamp(1),
        ver,
    })
}

/// The account is in the channels `a` to `e`, of the team red or blue in turn, with bob in the first two.
fn driver() -> Driver {
    let mut driver = Driver::new();
    for (n, name) in (1..).zip(["a", "b", "c", "d", "e"]) {
        let team = if n % 2 == 1 { "red" } else { "blue" };
        driver.commit(rows([
            teamed(name, team, 1),
            membership(&cid(name), MemberState::Active, n),
            member(&cid(name), "ada", 2),
            Row::Message(message(n, &cid(name), 1, 10 + n)),
        ]));
    }
    driver.commit(rows([member(&cid("a"), "bob", 20), member(&cid("b"), "bob", 20)]));
    driver
}

fn update(name: &str, new: Option<&str>, team: Option<&str>) -> Op {
    Op::UpdateChannel {
        cid: cid(name),
        name: new.map(str::to_owned),
        image: None,
        custom: team.map(|team| Custom::default().with("team", team)),
    }
}

fn rejected(item: &OutboxItem) -> OutboxItem {
    OutboxItem {
        status: OutboxStatus::Rejected(Rejection {
            code: Code::Forbidden,
            message: "no".to_owned(),
            parent: None,
        }),
        ..item.clone()
    }
}

#[test]
fn the_filter_decides_what_comes_and_goes() {
    let mut driver = driver();
    let list = driver.open_query(&query(field("custom.team").eq("red"), Sort::by_id()), 10);
    assert_eq!(names(&list.items()), ["a", "c", "e"]);
    driver.commit(rows([teamed("b", "red", 2)]));
    assert_eq!(names(&list.items()), ["a", "b", "c", "e"]);
    driver.commit(rows([teamed("c", "blue", 2)]));
    assert_eq!(names(&list.items()), ["a", "b", "e"]);
    driver.commit(rows([teamed("new", "red", 1)]));
    assert_eq!(names(&list.items()), ["a", "b", "e", "new"]);
}

#[test]
fn a_change_that_is_not_sent_decides_too_until_it_is_rejected() {
    let mut driver = driver();
    let list = driver.open_query(&query(field("custom.team").eq("red"), Sort::by_id()), 10);
    let (joins, leaves) = (
        queued(1, update("b", None, Some("red"))),
        queued(2, update("a", None, Some("blue"))),
    );
    driver.queue(joins.clone());
    driver.queue(leaves.clone());
    assert_eq!(names(&list.items()), ["b", "c", "e"]);
    assert_eq!(list.items()[0].pending, 1);
    driver.queue(rejected(&joins));
    driver.queue(rejected(&leaves));
    assert_eq!(names(&list.items()), ["a", "c", "e"]);
}

#[test]
fn a_row_moves_when_what_it_is_sorted_by_changes_in_one_batch() {
    let mut driver = driver();
    let list = driver.open_query(&query(Filter::everything(), Sort::by_ascending("name")), 10);
    let mut reader = Reader::new(list.subscribe());
    driver.queue(queued(1, update("a", Some("zebra"), None)));
    assert_eq!(names(&list.items()), ["b", "c", "d", "e", "a"]);
    let batches = reader.read();
    assert!(
        matches!(
            batches.concat().as_slice(),
            [
                VectorDiff::PopFront | VectorDiff::Remove { .. },
                VectorDiff::PushBack { .. }
            ]
        ),
        "{batches:?}"
    );
    assert_eq!(reader.list, list.items());
    // What is unsent does not count where nobody asked for activity.
    driver.queue(queued(2, send(101, &cid("c"))));
    assert_eq!(names(&list.items()), ["b", "c", "d", "e", "a"]);
}

#[test]
fn members_that_are_added_or_removed_here_count_at_once() {
    let mut driver = driver();
    let with_bob = driver.open_query(&query(field("members").contains("bob"), Sort::by_id()), 10);
    let big = driver.open_query(&query(field("member_count").gte(2), Sort::by_id()), 10);
    let usual = driver.open_channels(10);
    let users = || vec![user("bob")];
    let add = Op::AddMembers {
        cid: cid("d"),
        users: users(),
    };
    let remove = Op::RemoveMembers {
        cid: cid("a"),
        users: users(),
    };
    driver.queue(queued(1, add));
    driver.queue(queued(2, remove));
    assert_eq!(names(&with_bob.items()), ["b", "d"]);
    assert_eq!(names(&big.items()), ["b", "d"]);
    assert_eq!(usual.items().len(), 5);
    driver.commit(rows([member(&cid("e"), "bob", 30)]));
    assert_eq!(names(&with_bob.items()), ["b", "d", "e"]);
}

#[test]
fn what_was_read_here_leaves_the_list_of_what_is_unread() {
    let mut driver = driver();
    driver.commit(rows(["a", "b", "c"].map(|name| read(&cid(name), 1, 40))));
    let list = driver.open_query(&query(field("has_unread").eq(true), Sort::by_id()), 10);
    assert_eq!(names(&list.items()), ["d", "e"]);
    let mark = Op::MarkRead {
        thread: None,
        cid: cid("d"),
        epoch: 0,
        seq: 1,
    };
    driver.queue(queued(1, mark));
    assert_eq!(names(&list.items()), ["e"]);
    driver.commit(rows([Row::Message(message(9, &cid("a"), 2, 50))]));
    assert_eq!(names(&list.items()), ["a", "e"]);
}

#[test]
fn a_channel_created_offline_is_found_by_what_it_was_created_with() {
    let mut driver = driver();
    let lists = [
        field("name").autocomplete("pla"),
        field("custom.team").eq("red"),
        field("members").contains("bob"),
        field("role").eq("owner"),
        field("created_by").eq("ada"),
        Filter::and([field("last_message_at").exists(false), field("joined").eq(true)]),
    ]
    .map(|filter| driver.open_query(&query(filter, Sort::by_descending("created_at")), 10));
    let create = queued(
        1,
        Op::CreateChannel {
            cid: cid("new"),
            name: "Plans".to_owned(),
            image: String::new(),
            custom: Custom::default().with("team", "red"),
            members: vec![user("bob")],
        },
    );
    driver.queue(create.clone());
    for list in &lists {
        assert!(
            names(&list.items()).contains(&"new"),
            "{:?}",
            list.query().filter()
        );
    }
    driver.queue(rejected(&create));
    for list in &lists {
        assert!(
            !names(&list.items()).contains(&"new"),
            "{:?}",
            list.query().filter()
        );
    }
}

#[test]
fn several_lists_are_open_at_once_and_one_query_has_one_list() {
    let mut driver = driver();
    let red = query(field("custom.team").eq("red"), Sort::by_id());
    let list = driver.open_query(&red, 10);
    let blue = driver.open_query(&query(field("custom.team").eq("blue"), Sort::by_id()), 10);
    let usual = driver.open_channels(10);
    driver.commit(rows([
        teamed("b", "red", 2),
        Row::Message(message(9, &cid("b"), 2, 90)),
    ]));
    assert_eq!(names(&list.items()), ["a", "b", "c", "e"]);
    assert_eq!(names(&blue.items()), ["d"]);
    assert_eq!(names(&usual.items())[0], "b");
    assert_eq!(driver.state.channel_lists().len(), 3);
    assert_eq!(driver.state.open_channels(&red).items(), list.items());
    drop((list, blue));
    assert_eq!(driver.state.channel_lists().len(), 1);
}

#[test]
fn not_loaded_is_not_empty_and_a_page_that_fails_can_be_read_again() {
    let driver = driver();
    let none = query(field("custom.team").eq("green"), Sort::by_id());
    let list = driver.state.open_channels(&none);
    assert_eq!(list.load_state(), LoadState::Loading);
    driver.extend_channels(&list, 2);
    assert_eq!((list.load_state(), list.items().len()), (LoadState::End, 0));

    let list = driver.open_query(&query(Filter::everything(), Sort::by_id()), 2);
    assert_eq!((list.load_state(), list.has_more()), (LoadState::More, true));
    list.set_loading_more(true);
    assert_eq!(
        (list.load_state(), list.has_more()),
        (LoadState::LoadingMore, true)
    );
    list.set_loading_more(false);
    assert_eq!(list.load_state(), LoadState::More);
    driver.extend_channels(&list, 10);
    assert_eq!(names(&list.items()), ["a", "b", "c", "d", "e"]);
    assert_eq!((list.load_state(), list.has_more()), (LoadState::End, false));
}

#[test]
fn a_row_that_moves_beyond_what_is_loaded_waits_there() {
    let mut driver = driver();
    let list = driver.open_query(&query(Filter::everything(), Sort::by_ascending("name")), 3);
    assert_eq!(names(&list.items()), ["a", "b", "c"]);
    let item = queued(1, update("a", Some("zebra"), None));
    driver.queue(item.clone());
    assert_eq!(names(&list.items()), ["b", "c"]);
    driver.queue(queued(2, update("e", Some("ant"), None)));
    assert_eq!(names(&list.items()), ["e", "b", "c"]);
    driver.extend_channels(&list, 10);
    assert_eq!(names(&list.items()), ["e", "b", "c", "d", "a"]);
    driver.commit(Change::OutboxRemoved(item.id));
    assert_eq!(names(&list.items()), ["a", "e", "b", "c", "d"]);
}

#[test]
fn a_channel_of_which_only_something_unsent_is_known_is_in_no_list() {
    let mut driver = driver();
    let list = driver.open_query(&query(Filter::everything(), Sort::by_id()), 10);
    driver.queue(queued(1, send(101, &cid("z"))));
    assert_eq!(list.items().len(), 5);
    driver.commit(rows([channel(&cid("z"), "z", 1)]));
    assert_eq!(list.items().len(), 6);
}
