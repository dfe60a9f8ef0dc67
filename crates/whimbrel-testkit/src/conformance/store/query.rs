//! Channels by a query: what the evaluator of `whimbrel-query` says, a store does.

use super::{
    StoreFixture,
    model::Model,
    sample::{ME, account, at, channel, member, membership, message, people, put, read, user},
};
use serde_json::{Value, json};
use whimbrel_model::{
    Change, Channel, ChannelSummary, ConsentState, Custom, Delta, MemberState, Membership, Message, People,
};
use whimbrel_query::{ChannelItem, Endpoint, Filter, PageCursor, Query, Sort, field};
use whimbrel_store::{Store, StoreError};

/// Reads everything that a query wants, in one page.
pub(super) async fn all(store: &dyn Store, query: &Query, people: &People) -> Vec<ChannelSummary> {
    let found = store.channels(query, None, 100, people);
    found.await.expect("the store reads")
}

/// Reads everything that a query wants, page by page. The last page is empty.
pub(super) async fn pages(
    store: &dyn Store,
    query: &Query,
    limit: usize,
    people: &People,
) -> Vec<Vec<ChannelSummary>> {
    let mut pages = Vec::new();
    let mut after: Option<PageCursor> = None;
    loop {
        let page = store.channels(query, after.as_ref(), limit, people);
        let page = page.await.unwrap();
        after = page.last().map(|summary| {
            query.cursor(&ChannelItem {
                summary,
                members: &[],
                people,
            })
        });
        pages.push(page);
        if after.is_none() {
            return pages;
        }
    }
}

fn ask(filter: &Value, sort: &Value) -> Query {
    let filter = Filter::from_json_for(&Endpoint::CHANNELS, filter).expect("a filter");
    let sort = Sort::from_json(sort).expect("a sort");
    Query::new(&Endpoint::CHANNELS, filter, sort).expect("a query")
}

/// Queries for random data.
pub(super) fn a_few_queries() -> Vec<Query> {
    let down = |field: &str| json!([{"field": field, "direction": -1}]);
    vec![
        Query::channel_list(),
        ask(&json!({}), &json!([])),
        ask(
            &json!({"members": {"$in": ["bob", "cyd"]}}),
            &down("member_count"),
        ),
        ask(&json!({"has_unread": true}), &down("unread_count")),
        ask(
            &json!({"$nor": [{"custom.ver": {"$gt": 3}}]}),
            &down("custom.ver"),
        ),
        ask(
            &json!({"name": {"$q": "version"}, "joined": false}),
            &down("last_updated"),
        ),
        ask(&json!({"pinned": true, "archived": false}), &down("pinned_at")),
        ask(&json!({"hidden": false}), &down("muted_until")),
        ask(&json!({"muted_until": {"$gt": 3}}), &json!([])),
        Query::requests(),
        ask(&json!({"consent": {"$in": ["allowed", "denied"]}}), &json!([])),
        ask(
            &json!({"$nor": [{"consent": "denied"}, {"invited": true}]}),
            &json!([]),
        ),
    ]
}

/// A channel by its name and custom data.
fn named(id: &str, name: &str, custom: Value) -> Change {
    let Value::Object(custom) = custom else {
        panic!("custom data is an object");
    };
    let custom = custom
        .into_iter()
        .fold(Custom::default(), |custom, (key, value)| custom.with(key, value));
    put(Channel {
        name: name.to_owned(),
        custom,
        created_at: at(u64::from(id.as_bytes()[0]) % 5),
        created_by: user(if id < "e" { ME } else { "bob" }),
        ..channel(id, 1)
    })
}

fn said(id: &str, seq: u64, when: u64) -> Change {
    put(Message {
        id: super::sample::mid(1_000 * u64::from(id.as_bytes()[0]) + seq),
        accepted_at: Some(at(when)),
        ..message(id, seq, seq)
    })
}

/// Channels with custom data of every type, names that fold, rows that are missing, and members that have gone.
fn sample() -> Vec<Change> {
    let custom = [
        (
            "a",
            "Reef crew",
            json!({"team": "red", "size": 5, "tags": ["x", 5, true]}),
        ),
        ("b", "José Ñandú", json!({"team": "red", "size": "5"})),
        ("c", "", json!({"team": "Red", "size": 5.0, "tags": []})),
        ("d", "reef", json!({"size": -0.5, "open": true})),
        (
            "e",
            "東京タワー",
            json!({"team": null, "size": true, "open": false}),
        ),
        (
            "f",
            "50% off_\"{match}\" ?1",
            json!({"team": ["red"], "size": [5], "open": "true"}),
        ),
        (
            "g",
            "reefer",
            json!({"team": {"red": 1}, "size": 9_007_199_254_740_991_i64}),
        ),
        ("h", "A reef", json!({})),
    ];
    let mut changes = vec![Change::Account(account())];
    changes.extend(custom.map(|(id, name, custom)| named(id, name, custom)));
    for (ver, id) in (1..).zip(["a", "b", "c", "d", "e", "i", "j"]) {
        changes.push(put(membership(id, ver, MemberState::Active)));
    }
    changes.push(put(membership("f", 20, MemberState::Gone)));
    for (id, ver, state, consent, by) in [
        ("a", 21, MemberState::Active, ConsentState::Denied, "bob"),
        ("b", 22, MemberState::Active, ConsentState::Unknown, "bob"),
        ("c", 23, MemberState::Active, ConsentState::Unknown, "cyd"),
        ("d", 24, MemberState::Active, ConsentState::Allowed, "bob"),
        ("f", 25, MemberState::Gone, ConsentState::Denied, "bob"),
        ("g", 26, MemberState::Invited, ConsentState::Unknown, "bob"),
        ("h", 27, MemberState::Invited, ConsentState::Unknown, "eve"),
    ] {
        changes.push(put(Membership {
            consent,
            added_by: Some(user(by)),
            ..membership(id, ver, state)
        }));
    }
    changes.extend([
        put(member("a", ME, 2, MemberState::Active)),
        put(member("a", "bob", 3, MemberState::Active)),
        put(member("b", "bob", 2, MemberState::Gone)),
        put(member("c", "cyd", 2, MemberState::Active)),
        put(member("i", "bob", 2, MemberState::Active)),
        said("a", 1, 30),
        said("b", 1, 10),
        said("b", 2, 20),
        said("d", 1, 20),
        said("i", 1, 5),
        // Known of by a message alone: no channel that anything can be asked of.
        said("z", 1, 90),
        put(read("b", ME, 1, 9)),
        put(read("d", ME, 1, 9)),
    ]);
    changes
}

fn filters() -> Vec<Value> {
    let mut filters = vec![
        json!({}),
        json!({"$or": []}),
        json!({"joined": true}),
        json!({"joined": {"$ne": true}}),
        json!({"type": "messaging"}),
        json!({"type": {"$nin": ["messaging"]}}),
        json!({"cid": {"$in": ["messaging:a", "messaging:z", "messaging:i"]}}),
        json!({"created_by": "bob"}),
        json!({"created_by": {"$exists": false}}),
        json!({"created_at": {"$gt": at(2).as_millis()}}),
        json!({"updated_at": {"$exists": true}}),
        json!({"last_message_at": {"$lte": at(20).as_millis()}}),
        json!({"last_message_at": {"$exists": false}}),
        json!({"last_updated": {"$gte": at(4).as_millis()}}),
        json!({"last_updated": {"$exists": false}}),
        json!({"members": {"$contains": "bob"}}),
        json!({"members": {"$nin": ["bob", ME]}}),
        json!({"members": {"$exists": false}}),
        json!({"member_count": {"$gte": 1}}),
        json!({"role": "member"}),
        json!({"role": {"$exists": false}}),
        json!({"unread_count": 1}),
        json!({"has_unread": false}),
        json!({"consent": "unknown"}),
        json!({"consent": {"$ne": "denied"}, "joined": true}),
        json!({"consent": {"$nin": ["allowed", "never"]}}),
        json!({"invited": true}),
        json!({"$or": [{"joined": true, "consent": "unknown"}, {"invited": true, "consent": {"$ne": "denied"}}]}),
        json!({"$nor": [{"custom.team": "red"}, {"joined": false}]}),
        json!({"$or": [{"custom.size": {"$gt": 1}}, {"custom.open": true}], "joined": true}),
        json!({"custom.tags": {"$contains": 5}}),
        json!({"custom.tags": {"$in": ["x", false]}}),
    ];
    for word in ["ree", "jose", "NANDU", "京タ", "50", "%", "", "match 1", "reef "] {
        filters.push(json!({"name": {"$autocomplete": word}}));
        filters.push(json!({"name": {"$q": word}}));
    }
    for name in ["team", "size", "open", "never"] {
        let key = format!("custom.{name}");
        for value in [json!("red"), json!(5), json!("5"), json!(true), json!(-0.5)] {
            filters.push(json!({&key: value}));
            filters.push(json!({&key: {"$ne": value}}));
            if !value.is_boolean() {
                filters.push(json!({&key: {"$gte": value}}));
                filters.push(json!({&key: {"$lt": value}}));
            }
        }
        filters.push(json!({&key: {"$exists": true}}));
    }
    filters
}

fn sorts() -> Vec<Value> {
    let fields = [
        "cid",
        "name",
        "created_at",
        "last_message_at",
        "last_updated",
        "member_count",
        "joined",
        "unread_count",
        "custom.size",
        "custom.team",
    ];
    let mut sorts = vec![json!([])];
    for (index, first) in fields.iter().enumerate() {
        let second = fields[(index + 3) % fields.len()];
        for direction in [1, -1] {
            sorts.push(json!([
                {"field": first, "direction": direction},
                {"field": second, "direction": -direction}
            ]));
        }
    }
    sorts
}

/// Every filter with some sort, every sort with some filter, in pages of every size.
pub async fn queries_find_what_the_evaluator_finds(mut t: StoreFixture) {
    let mut model = Model::default();
    t.apply(sample()).await;
    model.apply(&Delta { changes: sample() });
    let (filters, sorts) = (filters(), sorts());
    for round in 0..2 {
        for index in 0..filters.len() {
            let query = ask(&filters[index], &sorts[(index + round) % sorts.len()]);
            let people = [People::default(), people(&["bob"], &["cyd"], &["dan"])];
            let people = &people[(index + round) % 2];
            let expected = model.channels(&query, people);
            assert_eq!(all(t.store(), &query, people).await, expected, "{query:?}");
            let pages = pages(t.store(), &query, 1 + index % 3, people).await;
            assert_eq!(pages.concat(), expected, "{query:?}");
        }
        t.reopen().await;
    }
}

async fn found(t: &StoreFixture, filter: Filter) -> String {
    let query = Query::new(&Endpoint::CHANNELS, filter, Sort::by_id()).unwrap();
    let found = all(t.store(), &query, &People::default()).await;
    found.iter().map(|summary| summary.cid.local_id()).collect()
}

/// A change of the channel changes what finds it; an older row does not.
pub async fn channels_are_found_by_what_they_are(t: StoreFixture) {
    t.apply(sample()).await;
    assert_eq!(found(&t, field("name").autocomplete("reef")).await, "adgh");
    assert_eq!(found(&t, field("name").q("reef")).await, "adh");
    assert_eq!(found(&t, field("custom.team").eq("red")).await, "ab");
    assert_eq!(found(&t, field("custom.size").eq(5)).await, "ac");
    assert_eq!(found(&t, Filter::everything()).await, "abcdefghij");
    let renamed = |ver| {
        let name = format!("Atoll {ver}");
        put(Channel {
            name,
            ..channel("a", ver)
        })
    };
    t.apply([renamed(5), renamed(4)]).await;
    assert_eq!(found(&t, field("name").autocomplete("reef")).await, "dgh");
    assert_eq!(found(&t, field("name").q("atoll 5")).await, "a");
    assert_eq!(found(&t, field("custom.team").eq("red")).await, "b");
    t.apply([
        put(channel("z", 9)),
        put(member("z", "dan", 9, MemberState::Active)),
    ])
    .await;
    assert_eq!(found(&t, field("members").contains("dan")).await, "z");
    assert_eq!(found(&t, field("joined").eq(true)).await, "abcdeij");
    let left = [
        put(membership("a", 40, MemberState::Gone)),
        put(read("b", ME, 2, 10)),
    ];
    t.apply(left).await;
    assert_eq!(found(&t, field("joined").eq(true)).await, "bcdeij");
    assert_eq!(found(&t, field("has_unread").eq(true)).await, "aiz");
}

/// Another endpoint, and a cursor of another query.
pub async fn what_is_no_query_of_channels_is_refused(t: StoreFixture) {
    t.apply(sample()).await;
    let list = Query::channel_list();
    let users = Query::new(&Endpoint::USERS, Filter::everything(), Sort::by_id()).unwrap();
    let nobody = People::default();
    let first = t.store().channels(&list, None, 1, &nobody).await.unwrap();
    let cursor = list.cursor(&ChannelItem {
        summary: &first[0],
        members: &[],
        people: &nobody,
    });
    let by_name = Query::new(
        &Endpoint::CHANNELS,
        Filter::everything(),
        Sort::by_ascending("name"),
    )
    .unwrap();
    for (query, after) in [(&users, None), (&by_name, Some(&cursor))] {
        let refused = t.store().channels(query, after, 9, &nobody).await;
        assert!(matches!(refused, Err(StoreError::Query(_))), "{refused:?}");
    }
}
