//! What `docs/QUERY.md` says of each operator, case by case, on the evaluator and on the databases.

use crate::{
    case::{Case, ChannelRow},
    engine::{Engine, Sqlite},
    law::{check, runtime},
};
use serde_json::{Value as Json, json};
use whimbrel_model::{Channel, ChannelId, ChannelSummary, Custom, Timestamp, UserId};
use whimbrel_query::{Endpoint, Filter, Query, Sort};

/// A channel of that name with custom data.
fn channel(name: &str, custom: Json) -> ChannelRow {
    let cid = ChannelId::new(format!(
        "team:n{}",
        name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
    ))
    .unwrap();
    let Json::Object(custom) = custom else {
        panic!("custom data is an object")
    };
    let channel = Channel {
        cid: cid.clone(),
        name: name.to_owned(),
        image: String::new(),
        custom: Custom::from(custom),
        created_by: UserId::new("ada").unwrap(),
        created_at: Timestamp(1),
        updated_at: Timestamp(1),
        ver: 1,
    };
    ChannelRow {
        summary: ChannelSummary {
            mentions: 0,
            cid,
            channel: Some(channel),
            membership: None,
            last_message: None,
            read: None,
            waiting_read: None,
            unread: 0,
            unread_unknown: 0,
            members: 0,
            head_seq: 0,
        },
        members: Vec::new(),
    }
}

/// One channel for each kind of value of `v`, named after it.
fn kinds() -> Vec<ChannelRow> {
    vec![
        channel("absent", json!({})),
        channel("null", json!({"v": null})),
        channel("false", json!({"v": false})),
        channel("true", json!({"v": true})),
        channel("0", json!({"v": 0})),
        channel("5", json!({"v": 5})),
        channel("5point0", json!({"v": 5.0})),
        channel("7half", json!({"v": 7.5})),
        channel("text5", json!({"v": "5"})),
        channel("empty", json!({"v": ""})),
        channel("a", json!({"v": "a"})),
        channel("B", json!({"v": "B"})),
        channel("list", json!({"v": ["a", 5, true, null, ["b"]]})),
        channel("emptylist", json!({"v": []})),
        channel("object", json!({"v": {"a": "a"}})),
    ]
}

/// What is wanted of [`kinds`], by each filter.
fn table() -> Vec<(Json, Vec<&'static str>)> {
    let all: Vec<&str> = vec![
        "absent",
        "null",
        "false",
        "true",
        "0",
        "5",
        "5point0",
        "7half",
        "text5",
        "empty",
        "a",
        "B",
        "list",
        "emptylist",
        "object",
    ];
    let but = |without: &[&str]| {
        all.iter()
            .copied()
            .filter(|name| !without.contains(name))
            .collect()
    };
    vec![
        (json!({}), all.clone()),
        (json!({"$or": []}), vec![]),
        (json!({"$nor": []}), all.clone()),
        (json!({"custom.v": 5}), vec!["5", "5point0"]),
        (json!({"custom.v": "5"}), vec!["text5"]),
        (json!({"custom.v": true}), vec!["true"]),
        (json!({"custom.v": ""}), vec!["empty"]),
        // The opposite, so what is missing too.
        (json!({"custom.v": {"$ne": 5}}), but(&["5", "5point0"])),
        (json!({"custom.v": {"$ne": "5"}}), but(&["text5"])),
        (
            json!({"$nor": [{"custom.v": 5}, {"custom.v": {"$exists": false}}]}),
            but(&["5", "5point0", "absent", "null"]),
        ),
        // Of one type only; what is missing is neither more nor less.
        (json!({"custom.v": {"$gt": 0}}), vec!["5", "5point0", "7half"]),
        (json!({"custom.v": {"$lte": 5}}), vec!["0", "5", "5point0"]),
        (json!({"custom.v": {"$gte": 5, "$lt": 7.5}}), vec!["5", "5point0"]),
        (json!({"custom.v": {"$gt": ""}}), vec!["text5", "a", "B"]),
        // By bytes: capitals before small letters.
        (json!({"custom.v": {"$lt": "a"}}), vec!["text5", "empty", "B"]),
        (
            json!({"custom.v": {"$in": [5, "a", false]}}),
            vec!["false", "5", "5point0", "a", "list"],
        ),
        (json!({"custom.v": {"$in": []}}), vec![]),
        (json!({"custom.v": {"$nin": []}}), all.clone()),
        (
            json!({"custom.v": {"$nin": [5, "a", false]}}),
            but(&["false", "5", "5point0", "a", "list"]),
        ),
        (json!({"custom.v": {"$contains": "a"}}), vec!["list"]),
        (json!({"custom.v": {"$contains": 5}}), vec!["list"]),
        (json!({"custom.v": {"$contains": true}}), vec!["list"]),
        (json!({"custom.v": {"$contains": "b"}}), vec![]),
        (json!({"custom.v": {"$exists": true}}), but(&["absent", "null"])),
        (json!({"custom.v": {"$exists": false}}), vec!["absent", "null"]),
        (json!({"name": {"$autocomplete": "FA"}}), vec!["false"]),
        (json!({"name": {"$autocomplete": "list"}}), vec!["list"]),
    ]
}

fn names() -> Vec<ChannelRow> {
    [
        "Ann-Marie Smith",
        "José Ñandú",
        "Straße 5",
        "東京タワー",
        "100% sure?",
        "",
    ]
    .map(|name| channel(name, json!({})))
    .into()
}

/// What is wanted of [`names`], by each filter.
fn searches() -> Vec<(Json, Vec<&'static str>)> {
    vec![
        (json!({"name": {"$autocomplete": "smi"}}), vec!["Ann-Marie Smith"]),
        (
            json!({"name": {"$autocomplete": "ann mar"}}),
            vec!["Ann-Marie Smith"],
        ),
        (
            json!({"name": {"$autocomplete": "ann "}}),
            vec!["Ann-Marie Smith"],
        ),
        (json!({"name": {"$autocomplete": "an "}}), vec![]),
        (json!({"name": {"$autocomplete": "mith"}}), vec![]),
        (json!({"name": {"$autocomplete": "ann smith"}}), vec![]),
        (json!({"name": {"$autocomplete": "NANDU"}}), vec!["José Ñandú"]),
        (json!({"name": {"$autocomplete": "strass"}}), vec!["Straße 5"]),
        (json!({"name": {"$autocomplete": "京タ"}}), vec!["東京タワー"]),
        (json!({"name": {"$autocomplete": ""}}), vec![]),
        (json!({"name": {"$autocomplete": "%"}}), vec![]),
        (json!({"name": {"$q": "smith ANN"}}), vec!["Ann-Marie Smith"]),
        (json!({"name": {"$q": "smit"}}), vec![]),
        (json!({"name": {"$q": "jose"}}), vec!["José Ñandú"]),
        (json!({"name": {"$q": "sure 100"}}), vec!["100% sure?"]),
        (json!({"name": {"$q": ".*"}}), vec![]),
        (json!({"name": {"$q": ""}}), vec![]),
        (json!({"name": {"$gt": "S"}}), vec!["Straße 5", "東京タワー"]),
        (json!({"name": {"$exists": false}}), vec![""]),
        (
            json!({"name": {"$ne": "Straße 5"}}),
            vec!["Ann-Marie Smith", "José Ñandú", "東京タワー", "100% sure?", ""],
        ),
    ]
}

/// Checks the tables on a database.
pub(crate) async fn hold(engine: &mut impl Engine<ChannelRow>) -> Result<(), String> {
    for (items, table) in [(kinds(), table()), (names(), searches())] {
        for (json, mut wanted) in table {
            let filter = Filter::from_json_for(&Endpoint::CHANNELS, &json).unwrap();
            let matching = items.iter().filter(|item| filter.matches(&item.item()));
            let mut got: Vec<&str> = matching
                .map(|item| item.summary.channel.as_ref().unwrap().name.as_str())
                .collect();
            got.sort_unstable();
            wanted.sort_unstable();
            if got != wanted {
                return Err(format!("{json}: expected {wanted:?}, got {got:?}"));
            }
            let query = Query::new(&Endpoint::CHANNELS, filter, Sort::by_ascending("custom.v")).unwrap();
            let case = Case {
                items: items.clone(),
                query,
                page: 2,
            };
            check(engine, &case, &|sql| sql)
                .await
                .map_err(|error| format!("{json}: {error}"))?;
        }
    }
    Ok(())
}

#[test]
fn every_operator_does_what_is_written_of_it() {
    let runtime = runtime();
    let mut engine = runtime.block_on(Sqlite::open());
    runtime.block_on(hold(&mut engine)).unwrap();
}

#[test]
fn types_sort_in_their_order_and_what_has_none_is_last() {
    let mut items = kinds();
    let order = |items: &[ChannelRow]| -> Vec<String> {
        items
            .iter()
            .map(|item| item.summary.channel.as_ref().unwrap().name.clone())
            .collect()
    };
    let last = ["absent", "emptylist", "list", "null", "object"];
    for (sort, first) in [
        (
            Sort::by_ascending("custom.v"),
            [
                "0", "5", "5point0", "7half", "empty", "text5", "B", "a", "false", "true",
            ],
        ),
        (
            Sort::by_descending("custom.v"),
            [
                "true", "false", "a", "B", "text5", "empty", "7half", "5", "5point0", "0",
            ],
        ),
    ] {
        let query = Query::new(&Endpoint::CHANNELS, Filter::everything(), sort).unwrap();
        items.sort_by(|a, b| query.compare(&a.item(), &b.item()));
        assert_eq!(order(&items), [first.as_slice(), &last].concat());
    }
}
