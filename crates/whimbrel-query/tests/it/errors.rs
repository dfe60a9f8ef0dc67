//! What is wrong is said with its place, a code, and what to do; and every limit holds.

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use whimbrel_model::{Code, Message, User, UserId};
use whimbrel_query::{
    Bind, Column, Dialect, Endpoint, Filter, PageCursor, Query, QueryError, Schema, Sort, field, limits,
};

fn channels(json: &Json) -> QueryError {
    Filter::from_json_for(&Endpoint::CHANNELS, json).unwrap_err()
}

/// Wrong in form: what, where, and what is said.
fn wrong_forms() -> Vec<(Json, &'static str, &'static str)> {
    vec![
        (json!([]), "", "a filter is an object"),
        (json!({"$and": {}}), "/$and", "takes a list of filters"),
        (
            json!({"$and": [{"type": "a"}, {"name": {"$gt": 7}}]}),
            "/$and/1/name/$gt",
            "takes text, got 7",
        ),
        (
            json!({"$or": [{"$nor": ["x"]}]}),
            "/$or/0/$nor/0",
            "a filter is an object",
        ),
        (json!({"$not": []}), "/$not", "use $and, $or or $nor"),
        (json!({"$gt": 1}), "/$gt", "stands below a field"),
        (
            json!({"name": {"$regex": ".*"}}),
            "/name/$regex",
            "use one of $eq $ne",
        ),
        (json!({"name": {"first": "x"}}), "/name/first", "custom.<key>"),
        (json!({"name": {}}), "/name", "has no operator"),
        (json!({"name": null}), "/name", "{\"$exists\": false}"),
        (json!({"name": ["a"]}), "/name", "with $in"),
        (
            json!({"name": {"$in": "a"}}),
            "/name/$in",
            "takes a list of values",
        ),
        (
            json!({"name": {"$in": ["a", 5]}}),
            "/name/$in/1",
            "takes text, got 5",
        ),
        (
            json!({"name": {"$exists": 1}}),
            "/name/$exists",
            "takes true or false",
        ),
        (json!({"name": {"$q": ["a"]}}), "/name/$q", "takes text"),
    ]
}

/// Wrong for channels.
fn wrong_for_channels() -> Vec<(Json, &'static str, &'static str)> {
    vec![
        (json!({"name": {"$eq": "a\0"}}), "/name/$eq", "U+0000"),
        (
            json!({"color": "green"}),
            "/color",
            "or custom.<key> for custom data",
        ),
        (json!({"custom.a.b": 1}), "/custom.a.b", "A-Z a-z 0-9 _ -"),
        (json!({"a/b~c": 1}), "/a~1b~0c", "no field"),
        (
            json!({"cid": {"$gt": "a"}}),
            "/cid/$gt",
            "use one of $eq $ne $in $nin",
        ),
        (
            json!({"created_at": "2026-01-01T00:00:00Z"}),
            "/created_at",
            "milliseconds since 1970",
        ),
        (
            json!({"created_at": {"$gt": 1.5}}),
            "/created_at/$gt",
            "a whole number",
        ),
        (
            json!({"custom.on": {"$gt": true}}),
            "/custom.on/$gt",
            "have no order",
        ),
        (
            json!({"custom.id": 9_007_199_254_740_992_i64}),
            "/custom.id",
            "keep greater ones as text",
        ),
        (
            json!({"custom.text": {"$q": "a"}}),
            "/custom.text/$q",
            "cannot be asked for with $q",
        ),
    ]
}

#[test]
fn an_error_names_its_place_and_what_to_do() {
    for (json, place, what) in wrong_forms().into_iter().chain(wrong_for_channels()) {
        let error = channels(&json);
        assert_eq!(error.pointer(), place, "{json}: {error}");
        assert!(error.problem().contains(what), "{json}: {error}");
        assert_eq!(
            (error.code(), error.is_retryable()),
            (Code::Invalid, false),
            "{json}"
        );
    }
}

#[test]
fn an_id_has_one_spelling() {
    for id in [
        "0190A1B2-C3D4-7000-8000-000000000000",
        "0190a1b2c3d470008000000000000000",
        "x",
    ] {
        let error = field("id").eq(id).validate(&Endpoint::MESSAGES).unwrap_err();
        assert_eq!(error.pointer(), "/id/$eq");
        assert!(error.problem().contains("in lower case with hyphens"), "{error}");
    }
}

#[test]
fn a_built_filter_is_checked_as_one_that_was_read() {
    let filter = Filter::or([field("type").eq("team"), field("name").gt(7)]);
    let error = filter.validate(&Endpoint::CHANNELS).unwrap_err();
    assert_eq!(error.to_string(), "/$or/1/name/$gt: invalid: takes text, got 7");
    assert!(
        field("custom.a")
            .eq(f64::NAN)
            .validate(&Endpoint::CHANNELS)
            .is_err()
    );
    assert!(
        field("custom.a")
            .eq(u64::MAX)
            .validate(&Endpoint::CHANNELS)
            .is_err()
    );
    let error = field("custom.a").eq(1).validate(&Endpoint::MEMBERS).unwrap_err();
    assert!(error.problem().contains("members have no custom data"), "{error}");
}

fn nested(depth: usize) -> Json {
    // $and in $and is one group: the groups have to take turns.
    (0..depth).fold(json!({"type": "a"}), |inner, level| {
        let group = if level % 2 == 0 { "$nor" } else { "$and" };
        json!({ group: [inner, {"type": "b"}] })
    })
}

#[test]
fn every_limit_holds_and_is_named() {
    let terms = |count: usize| json!({"$or": vec![json!({"type": "a"}); count]});
    let empty = |count: usize| json!({"$or": vec![json!({"$nor": []}); count]});
    let list = |count: usize| json!({"type": {"$in": (0..count).map(|n| n.to_string()).collect::<Vec<_>>()}});
    let text = |bytes: usize| json!({"type": "a".repeat(bytes)});
    let words = |count: usize| json!({"name": {"$q": "a ".repeat(count)}});
    let name = |bytes: usize| json!({format!("custom.{}", "a".repeat(bytes - 7)): 1});
    let cases: [(&dyn Fn(usize) -> Json, usize); 7] = [
        (&nested, limits::DEPTH),
        (&terms, limits::TERMS),
        (&empty, limits::TERMS),
        (&list, limits::LIST),
        (&text, limits::TEXT_BYTES),
        (&words, limits::WORDS),
        (&name, limits::FIELD_BYTES),
    ];
    for (make, limit) in cases {
        Filter::from_json_for(&Endpoint::CHANNELS, &make(limit)).unwrap();
        let error = channels(&make(limit + 1));
        assert_eq!(error.code(), Code::TooLarge, "{error}");
        assert!(
            error.problem().contains(&format!("the limit is {limit}")),
            "{error}"
        );
        assert!(
            Filter::from_json(&make(limit + 1)).is_err(),
            "only an endpoint knows: {error}"
        );
    }
}

#[test]
fn a_sort_is_checked() {
    for (json, place, what) in [
        (json!({}), "", "a sort is a list"),
        (json!([{"name": 1}]), "/0", "\"field\" and \"direction\" only"),
        (
            json!([{"field": "name"}]),
            "/0/direction",
            "takes 1 for ascending",
        ),
        (
            json!([{"field": "name", "direction": 0}]),
            "/0/direction",
            "or -1 for descending",
        ),
        (json!([{"direction": 1}]), "/0/field", "the name of a field"),
    ] {
        let error = Sort::from_json(&json).unwrap_err();
        assert_eq!(error.pointer(), place, "{json}");
        assert!(error.problem().contains(what), "{json}: {error}");
    }
    for (sort, place, what) in [
        (
            Sort::by_ascending("members"),
            "/0/field",
            "cannot be sorted by members: use one of cid",
        ),
        (
            Sort::by_ascending("cid").then_descending("cid"),
            "/1/field",
            "is a key already",
        ),
        (Sort::by_ascending("color"), "/0/field", "no field"),
    ] {
        let error = sort.validate(&Endpoint::CHANNELS).unwrap_err();
        assert_eq!(error.pointer(), place);
        assert!(error.problem().contains(what), "{error}");
    }
    let keys = |count: usize| {
        (0..count).fold(Sort::by_id(), |sort, n| {
            sort.then_ascending(format!("custom.{n}"))
        })
    };
    keys(limits::SORT_KEYS).validate(&Endpoint::CHANNELS).unwrap();
    let error = keys(limits::SORT_KEYS + 1)
        .validate(&Endpoint::CHANNELS)
        .unwrap_err();
    assert_eq!(error.code(), Code::TooLarge);
    assert!(Sort::from_json(&keys(limits::SORT_KEYS + 1).to_json()).is_err());
}

fn user(id: &str, name: &str) -> User {
    let id = UserId::new(id).unwrap();
    User {
        id,
        name: name.to_owned(),
        image: String::new(),
        custom: whimbrel_model::Custom::default(),
        ver: 1,
    }
}

#[test]
fn a_cursor_of_another_query_is_an_error() {
    let query = |name: &str, sort| Query::new(&Endpoint::USERS, field("name").eq(name), sort).unwrap();
    let ada = user("ada", "Ada");
    let by_name = query("Ada", Sort::by_ascending("name"));
    let cursor = by_name.cursor(&ada);
    assert_eq!(by_name.is_after(&cursor, &user("bob", "Ada")), Ok(true));
    for other in [
        query("Bob", Sort::by_ascending("name")),
        query("Ada", Sort::by_descending("name")),
        query("Ada", Sort::by_id()),
        Query::new(
            &Endpoint::CHANNELS,
            field("name").eq("Ada"),
            Sort::by_ascending("name"),
        )
        .unwrap(),
    ] {
        let error = other.is_after(&cursor, &ada).unwrap_err();
        assert!(error.problem().contains("of another query"), "{error}");
        assert!(other.to_sql(&USERS, Some(&cursor), 0).is_err());
    }
}

const USERS: Schema<'_> = Schema {
    dialect: Dialect::Postgres,
    endpoint: &Endpoint::USERS,
    columns: &[("id", Column::new("u.id")), ("name", Column::new("u.name"))],
    custom: None,
};

#[test]
fn a_cursor_that_was_tampered_with_never_reaches_a_database() {
    let query = Query::new(&Endpoint::USERS, Filter::everything(), Sort::by_ascending("name")).unwrap();
    let good = query.cursor(&user("ada", "Ada")).to_string();
    let with = |values: &str| {
        let hex: String = values.bytes().map(|byte| format!("{byte:02x}")).collect();
        format!("{}{hex}", &good[..17])
    };
    let read = |text: &str| {
        let cursor: PageCursor = text.parse()?;
        query.to_sql(&USERS, Some(&cursor), 0).map(|_| ())
    };
    assert_eq!(read(&with("[\"Ada\",\"ada\"]")), Ok(()));
    let too_long = "0".repeat(limits::CURSOR_BYTES + 1);
    let bad = [
        "",
        "a",
        "b0",
        "é",
        &good[..16],
        &good[..20],
        &format!("{good}0"),
        &too_long,
    ]
    .map(str::to_owned);
    let changed = [
        "[]",
        "[5,\"ada\"]",
        "[\"Ada\"]",
        "[\"Ada\",null]",
        "[\"Ada\",\"ada\",1]",
        "[[],\"ada\"]",
        "[\"\\u0000\",\"ada\"]",
    ];
    for text in bad.into_iter().chain(changed.map(with)) {
        let error = read(&text).unwrap_err();
        assert!(
            ["no cursor", "the limit is", "start without"]
                .iter()
                .any(|what| error.problem().contains(what)),
            "{error}"
        );
    }
}

#[test]
fn the_channel_list_is_a_valid_query_and_a_query_knows_what_it_uses() {
    let list = Query::channel_list();
    let made = Query::new(list.endpoint(), list.filter().clone(), list.sort().clone());
    assert_eq!(made.as_ref(), Ok(&list));
    for (name, used) in [("joined", true), ("last_message_at", true), ("cid", false)] {
        assert_eq!(list.uses(name), used, "{name}");
    }
    let nested = Filter::nor([Filter::or([
        field("name").eq("a"),
        field("members").contains("ada"),
    ])]);
    assert!(nested.uses("members") && !nested.uses("member_count"));
}

#[test]
fn what_tables_cannot_answer_is_said() {
    let error = field("name").q("ada").to_sql(&USERS, 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/name/$q: invalid: name cannot be searched here: the tables have no folded text of it"
    );
    let error = field("custom.a").eq(1).to_sql(&USERS, 0).unwrap_err();
    assert!(error.problem().contains("no custom data"), "{error}");
    let schema = Schema {
        columns: &USERS.columns[..1],
        ..USERS
    };
    let error = Filter::nor([field("name").eq("a")])
        .to_sql(&schema, 0)
        .unwrap_err();
    assert_eq!(error.pointer(), "/$nor/0/name/$eq");
}

#[test]
fn values_are_counted_from_those_before_and_have_types_in_postgres() {
    let filter = Filter::and([field("id").is_in(["b", "a", "b"]), field("name").ne("a")]);
    let sql = filter.to_sql(&USERS, 2).unwrap();
    assert_eq!(
        sql.condition,
        "((u.id IN ($3::text, $4::text)) AND ((u.name = $3::text) IS NOT TRUE))"
    );
    assert_eq!(
        sql.binds,
        [Bind::Text("a".to_owned()), Bind::Text("b".to_owned())]
    );
}

#[test]
fn what_a_user_writes_is_never_text_of_a_statement() {
    let evil = "x' OR 1=1 --";
    let filter = Filter::or([
        field("name").eq(evil),
        field("name").is_in([evil]),
        field("name").gt(evil),
    ]);
    let query = Query::new(&Endpoint::USERS, filter, Sort::by_ascending("name")).unwrap();
    let cursor = query.cursor(&user("ada", evil));
    let sql = query.to_sql(&USERS, Some(&cursor), 0).unwrap();
    assert!(!sql.condition.contains("OR 1=1") && !sql.order.contains("OR 1=1"));
    assert!(sql.binds.contains(&Bind::Text(evil.to_owned())));
}

#[test]
fn serde_reads_and_writes_the_one_form() {
    let text = r#"{"$and":[{"name":{"$in":["a","b"]}},{"type":{"$eq":"team"}}]}"#;
    let filter: Filter = serde_json::from_str(r#"{"type":"team","name":{"$in":["b","a","b"]}}"#).unwrap();
    assert_eq!(serde_json::to_string(&filter).unwrap(), text);
    let error = serde_json::from_str::<Filter>(r#"{"name":{"$gt":null}}"#).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("/name/$gt: invalid: null is no value"),
        "{error}"
    );
    let sort: Sort = serde_json::from_str(r#"[{"field":"name","direction":-1}]"#).unwrap();
    assert_eq!(sort, Sort::by_descending("name"));
}

const KEYS: &[&str] = &[
    "$and", "$or", "$nor", "$eq", "$in", "$q", "$exists", "name", "custom.a", "id", "", "$",
];

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "\\PC{0,8}".prop_map(Json::from),
    ];
    leaf.prop_recursive(8, 64, 4, |inner| {
        let key = proptest::sample::select(KEYS).prop_map(str::to_owned);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            proptest::collection::hash_map(key, inner, 0..4)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_json_comes_is_a_filter_with_one_form_or_an_error_with_a_place_in_it(json in any_json()) {
        match Filter::from_json(&json) {
            Ok(filter) => {
                prop_assert_eq!(Filter::from_json(&filter.to_json()), Ok(filter.clone()));
                // Not validated, and still harmless.
                let _ = filter.matches(&user("ada", "Ada"));
                let _ = filter.to_sql(&USERS, 0);
            }
            Err(error) => prop_assert!(json.pointer(error.pointer()).is_some(), "{}", error),
        }
    }

    #[test]
    fn whatever_text_comes_is_a_cursor_or_an_error(text in "a?[0-9a-f]{0,40}|\\PC{0,40}") {
        if let Ok(cursor) = text.parse::<PageCursor>() {
            prop_assert_eq!(cursor.to_string().parse::<PageCursor>(), Ok(cursor));
        }
    }
}

#[test]
fn a_cursor_is_made_of_digits_and_letters_only() {
    let query = Query::new(&Endpoint::USERS, Filter::everything(), Sort::by_id()).unwrap();
    let good = query.cursor(&user("ada", "Ada")).to_string();
    assert!(good.parse::<PageCursor>().is_ok());
    // The library that reads numbers takes a sign for a digit.
    for place in 1..good.len() {
        let signed = format!("{}+{}", &good[..place], &good[place + 1..]);
        assert!(signed.parse::<PageCursor>().is_err(), "{signed}");
    }
}

#[test]
fn a_message_without_text_has_none() {
    let json = json!({
        "id": "0190a1b2-c3d4-7000-8000-000000000000", "cid": "team:a", "author": "ada", "seq": 1, "ver": 1,
        "composed_at": 0,
    });
    let message: Message = serde_json::from_value(json).unwrap();
    assert!(field("text").exists(false).matches(&message));
    assert!(field("mentions").exists(false).matches(&message));
    assert!(field("id").eq(message.id).matches(&message));
}
